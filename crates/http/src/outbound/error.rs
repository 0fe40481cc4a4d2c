//! Why a call has no answer that may be used.

use std::error::Error;
use std::net::IpAddr;

use super::address::RefusedName;

/// How much of a cause is kept, in characters: parts of it are chosen by the other side.
const CAUSE_CHARS: usize = 200;

/// A call failed. No message holds a body, a query or a credential.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    #[error(
        "the address {address} is set aside ({purpose}); list it in outbound.allowed_addresses if it is meant"
    )]
    RefusedAddress {
        address: IpAddr,
        purpose: &'static str,
    },
    #[error("the URL is not https, or names a user; http is for a listed loopback address only")]
    InsecureUrl,
    #[error("it answered {status}, a redirect, and none is followed")]
    Redirected { status: u16 },
    #[error("the answer is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("there was no whole answer in time")]
    TooSlow,
    #[error("it cannot be reached: {why}")]
    Unreachable { why: String },
    #[error("the answer is compressed, which nobody asked for")]
    Encoded,
    #[error("too many calls are under way")]
    Busy,
    #[error("it answered {status} with something that is not JSON")]
    WrongType { status: u16 },
    #[error("the credential cannot be put into a header")]
    Unsendable,
}

impl OutboundError {
    /// The stable word for metrics and logs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::RefusedAddress { .. } => "refused_address",
            Self::InsecureUrl => "insecure_url",
            Self::Redirected { .. } => "redirected",
            Self::TooLarge { .. } => "too_large",
            Self::TooSlow => "too_slow",
            Self::Unreachable { .. } => "unreachable",
            Self::Encoded => "encoded",
            Self::Busy => "busy",
            Self::WrongType { .. } => "wrong_type",
            Self::Unsendable => "unsendable",
        }
    }

    /// The innermost cause says most: "connection refused" and not "error sending request for url (…)", which would show the query.
    pub(super) fn of(error: &reqwest::Error) -> Self {
        let mut cause: &dyn Error = error;
        loop {
            if let Some(refused) = cause.downcast_ref::<RefusedName>() {
                return refused.into();
            }
            match cause.source() {
                Some(inner) => cause = inner,
                None => break,
            }
        }
        // An outermost error without a cause would print the URL.
        let why = if std::ptr::addr_eq(cause, error) {
            "the request failed".to_owned()
        } else {
            cleaned(&cause.to_string())
        };
        Self::Unreachable { why }
    }
}

fn cleaned(text: &str) -> String {
    let shown = text.chars().filter(|c| !c.is_control());
    shown.take(CAUSE_CHARS).collect()
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OutboundRefusal {
    #[error("it holds no certificate in PEM form")]
    NoCertificate,
    #[error("it cannot be used as a list of certificates: {0}")]
    Certificates(String),
    #[error("no HTTP client can be made: {0}")]
    Client(String),
}
