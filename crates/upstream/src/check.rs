//! What `curfew upstream test` tells: line by line whether a provider can be signed in through, and what to do where it cannot.

use curfew_http::outbound::OutboundError;
use curfew_policy::lifetime::UPSTREAM_CLOCK_TOLERANCE;
use curfew_protocol::Timestamp;

use crate::failure::{InvalidAnswer, Unavailable, UpstreamFailure};

/// How one thing was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Good,
    /// Signing in works, and could be safer.
    Warning,
    /// Signing in does not work.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckLine {
    pub what: &'static str,
    pub verdict: Verdict,
    /// What was found, and what to do if it is not good.
    pub words: String,
}

impl CheckLine {
    pub(crate) fn good(what: &'static str, words: impl Into<String>) -> Self {
        Self::new(what, Verdict::Good, words)
    }

    pub(crate) fn warning(what: &'static str, words: impl Into<String>) -> Self {
        Self::new(what, Verdict::Warning, words)
    }

    pub(crate) fn bad(what: &'static str, words: impl Into<String>) -> Self {
        Self::new(what, Verdict::Bad, words)
    }

    fn new(what: &'static str, verdict: Verdict, words: impl Into<String>) -> Self {
        Self {
            what,
            verdict,
            words: words.into(),
        }
    }

    /// Does a sign-in work as far as this goes?
    pub fn is_ok(&self) -> bool {
        self.verdict != Verdict::Bad
    }
}

/// A failure in words, and its remedy.
pub(crate) fn told(failure: &UpstreamFailure) -> String {
    let remedy = match failure {
        UpstreamFailure::Unavailable(Unavailable::NotReached { error, .. })
        | UpstreamFailure::Invalid(InvalidAnswer::NotTaken { error, .. }) => remedy(error),
        UpstreamFailure::Unavailable(Unavailable::Status { status: 404, .. }) => {
            "there is nothing at this address; compare the configured issuer with what the provider's documentation says, letter by letter"
        }
        UpstreamFailure::Unavailable(Unavailable::Misconfigured) => {
            "write it as https://, a host and, where the provider has one, a path"
        }
        UpstreamFailure::Invalid(InvalidAnswer::OtherIssuer(_)) => {
            "if that is the provider you mean, configure exactly this issuer; accounts that are bound already move by `curfew upstream rebind-issuer`"
        }
        UpstreamFailure::Invalid(InvalidAnswer::Unreadable { .. })
        | UpstreamFailure::Unavailable(Unavailable::Unreadable { .. }) => {
            "this is the provider's mistake, or there is another kind of server at the address"
        }
        _ => return failure.to_string(),
    };
    format!("{failure}; {remedy}")
}

/// Those that carry their remedy in their own words get none here.
const fn remedy(error: &OutboundError) -> &'static str {
    match error {
        OutboundError::Unreachable { .. } => {
            "check the name and the way through firewalls; if the certificate is of an authority of your own, name it in outbound.ca_file"
        }
        OutboundError::TooSlow | OutboundError::Busy => {
            "try again; if it stays so, the provider is down, or a firewall swallows the call"
        }
        OutboundError::Redirected { .. } => {
            "configure the address that the provider documents, not one that leads to it"
        }
        OutboundError::RefusedAddress { .. } => {
            "that makes every server there reachable for whatever this provider names, so list as little as you can"
        }
        OutboundError::InsecureUrl => "use the https address",
        OutboundError::WrongType { .. }
        | OutboundError::Encoded
        | OutboundError::TooLarge { .. } => {
            "there seems to be another kind of server at the address"
        }
        OutboundError::Unsendable => "look for characters in it that do not belong there",
    }
}

/// Compares the clocks: tokens are dated by the other one.
pub(crate) fn clock(date: Option<Timestamp>, now: Timestamp) -> CheckLine {
    const WHAT: &str = "clock";
    let Some(date) = date else {
        return CheckLine::warning(WHAT, "the provider does not tell its time");
    };
    let difference = now.since(date).max(date.since(now));
    if difference <= UPSTREAM_CLOCK_TOLERANCE {
        return CheckLine::good(WHAT, format!("the clocks differ by {difference}"));
    }
    CheckLine::bad(
        WHAT,
        format!(
            "the clocks differ by {difference}, and tokens will be taken for expired or not yet valid; set this machine's clock by a time server"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_may_differ_by_a_minute() {
        let at = Timestamp::from_seconds;
        for (date, verdict) in [
            (Some(at(1_000)), Verdict::Good),
            (Some(at(1_060)), Verdict::Good),
            (Some(at(940)), Verdict::Good),
            (Some(at(1_061)), Verdict::Bad),
            (Some(at(939)), Verdict::Bad),
            (None, Verdict::Warning),
        ] {
            assert_eq!(clock(date, at(1_000)).verdict, verdict, "{date:?}");
        }
    }
}
