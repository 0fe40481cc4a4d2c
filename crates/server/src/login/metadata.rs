//! What the server says of itself (RFC 8414).

use serde::Deserialize;
use url::Url;

use super::http::{Http, HttpFailure, is_safe};
use super::words::printable;
use crate::failure::Failure;

/// The part that a device needs.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Metadata {
    issuer: String,
    pub(super) token_endpoint: Url,
    pub(super) device_authorization_endpoint: Option<Url>,
    pub(super) revocation_endpoint: Option<Url>,
}

/// An issuer as it was typed, checked: a URL without query and fragment, safe to talk to, without the slash that people add.
pub(super) fn issuer(text: &str) -> Result<Url, Failure> {
    let url = Url::parse(text.trim()).map_err(|_| {
        Failure::told(format!(
            "{} is no URL; write an issuer such as https://id.example.com",
            printable(text)
        ))
    })?;
    let bare = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if !bare || url.password().is_some() || url.host().is_none() {
        return Err(Failure::told(
            "an issuer has neither user name nor query nor fragment; write it such as https://id.example.com",
        ));
    }
    if !is_safe(&url) {
        return Err(Failure::told(format!(
            "{} is not asked, because what is sent there could be read on the way; write https",
            printable(text)
        )));
    }
    Ok(url)
}

/// The issuer's own spelling, by which it is compared and remembered.
pub(super) fn spelling(issuer: &Url) -> String {
    issuer.as_str().trim_end_matches('/').to_owned()
}

/// Asks for the document of `issuer` and believes it only if it speaks of that issuer (§3.3).
pub(super) async fn discover(http: &Http, issuer: &Url) -> Result<Metadata, Failure> {
    let mut well_known = issuer.clone();
    let path = issuer.path().trim_end_matches('/');
    well_known.set_path(&format!("/.well-known/oauth-authorization-server{path}"));
    let found = http.get(&well_known).await.map_err(|failure| match failure {
        HttpFailure::Unexpected { status: 404, .. } | HttpFailure::Refused { status: 404, .. } => {
            Failure::told(format!(
                "there is no authorization server at {}; is the issuer spelt as the operator gave it?",
                spelling(issuer)
            ))
        }
        other => other.into(),
    })?;
    let metadata: Metadata = serde_json::from_value(found).map_err(|error| {
        Failure::told(format!(
            "{well_known} is not the description of an authorization server: {error}"
        ))
    })?;
    if metadata.issuer != spelling(issuer) && metadata.issuer != issuer.as_str() {
        return Err(Failure::told(format!(
            "{} says that it is {}; nothing was sent to it. Is the issuer spelt as the operator gave it?",
            spelling(issuer),
            printable(&metadata.issuer)
        )));
    }
    Ok(metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_https_or_on_this_machine() {
        for good in [
            "https://id.example.com",
            "https://id.example.com/t/acme/",
            "http://127.0.0.1:8080",
            "http://[::1]:1",
            "http://localhost:8080/",
        ] {
            assert!(issuer(good).is_ok(), "{good}");
        }
        for bad in [
            "id.example.com",
            "http://id.example.com",
            "http://127.0.0.1.example.com",
            "https://u:p@h.example",
            "https://h.example?x",
            "https://h.example#x",
            "ftp://h.example",
        ] {
            assert!(issuer(bad).is_err(), "{bad}");
        }
        let tenant = issuer("https://id.example.com/t/acme/").unwrap();
        assert_eq!(spelling(&tenant), "https://id.example.com/t/acme");
    }
}
