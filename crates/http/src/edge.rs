//! What all handlers share.

use curfew_policy::lifetime::LifetimeRules;
use curfew_store::Store;

use crate::mailer::Mailer;
use crate::origin::TrustedProxies;
use crate::outbound::Outbound;
use crate::pages::Pages;
use crate::password::PasswordHasher;
use crate::places::Places;
use crate::rates::RateRules;
use crate::uses::Uses;

/// The state of one node, made at start; its settings never change.
pub struct Edge {
    pub store: Store,
    pub issuer: Issuer,
    pub lifetimes: LifetimeRules,
    pub rates: RateRules,
    /// Which credentials were used since the store was last told.
    pub uses: Uses,
    pub pages: Pages,
    pub proxies: TrustedProxies,
    pub passwords: PasswordHasher,
    pub places: Places,
    /// Is a device approved only from the address that it asked from?
    pub device_same_address: bool,
    /// `None`: links are handed over by an administrator.
    pub mailer: Option<Mailer>,
    /// Calls other servers, such as upstream providers.
    pub outbound: Outbound,
}

impl std::fmt::Debug for Edge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Edge")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// The issuer identifier of the default tenant (RFC 8414 §2): an origin, nothing behind it. It comes from the configuration and never
/// from a request, so forged `Host` and `X-Forwarded-*` headers change nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    origin: String,
    tag: String,
}

/// Why a text is no issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuerRefusal {
    #[error(
        "it must be an origin such as https://id.example.com, without path, query, fragment or user name"
    )]
    NotAnOrigin,
    #[error("http is accepted for a loopback address only; use https")]
    ClearText,
}

impl Issuer {
    pub fn parse(text: &str) -> Result<Self, IssuerRefusal> {
        let url = url::Url::parse(text).map_err(|_| IssuerRefusal::NotAnOrigin)?;
        let origin = url.origin().ascii_serialization();
        if origin != text.trim_end_matches('/') {
            return Err(IssuerRefusal::NotAnOrigin);
        }
        let loopback = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
        match url.scheme() {
            "https" => {}
            "http" if loopback => {}
            "http" => return Err(IssuerRefusal::ClearText),
            _ => return Err(IssuerRefusal::NotAnOrigin),
        }
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, origin.as_bytes());
        let tag = digest.as_ref()[..4]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(Self { origin, tag })
    }

    pub fn origin(&self) -> &str {
        &self.origin
    }

    pub fn is_https(&self) -> bool {
        self.origin.starts_with("https:")
    }

    /// The issuer identifier of a tenant, given its path prefix (empty for the default one).
    pub fn of(&self, base: &str) -> String {
        format!("{}{base}", self.origin)
    }

    /// A cookie's name: tenants and ports share a browser's cookie jar, so it carries a short digest of the issuer.
    pub fn cookie_name(&self, purpose: &str, base: &str) -> String {
        let tenant = base.rsplit('/').next().unwrap_or("");
        let separator = if tenant.is_empty() { "" } else { "_" };
        format!("__Host-curfew_{purpose}_{}{separator}{tenant}", self.tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_a_secure_origin() {
        for good in [
            "https://id.example.com",
            "https://id.example.com:8443/",
            "http://127.0.0.1:8080",
            "http://[::1]:1",
        ] {
            assert!(Issuer::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "id.example.com",
            "https://id.example.com/x",
            "https://u@h.example",
            "https://h.example?x",
            "ftp://h.example",
        ] {
            assert_eq!(Issuer::parse(bad), Err(IssuerRefusal::NotAnOrigin), "{bad}");
        }
        assert_eq!(
            Issuer::parse("http://id.example.com"),
            Err(IssuerRefusal::ClearText)
        );
    }
}
