//! What every page knows, and the page for errors that belong to no capability.

use curfew_protocol::OwnScope;
use serde::Serialize;

/// The frame around every page. Each page model has it as its field `shell`.
#[derive(Clone, Serialize)]
pub struct Shell {
    /// Path prefix of the tenant: empty for the default tenant, otherwise such as `/t/acme`. Without a slash at the end.
    pub base: String,
    /// What the visitor knows the place by: the tenant's display name.
    pub name: String,
}

/// A path on this server, the only thing a link on a page may lead to. No scheme and no host fit in, so a link can neither run
/// script nor leave the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct LocalPath(String);

impl LocalPath {
    /// Takes a path with an optional query. None for anything that a browser, or a proxy that decodes once, might read as another
    /// origin (`//host`, `/\host`, `/%2Fhost`), and for spaces and control characters.
    pub fn new(path: &str) -> Option<LocalPath> {
        let rest = path.strip_prefix('/')?;
        let start = rest.get(..3).unwrap_or(rest).to_ascii_lowercase();
        let other_origin = start.starts_with('/') || start == "%2f" || start == "%5c";
        let clean = path
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        (!other_origin && clean).then(|| LocalPath(path.to_owned()))
    }

    /// The path as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A link that leaves this server: to an upstream provider, and only where a page says so. It has a scheme of the web, so that it
/// cannot run script, and its tag says `rel="external"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct OutsideLink(String);

impl OutsideLink {
    /// None for anything but http and https.
    pub fn new(url: &url::Url) -> Option<OutsideLink> {
        matches!(url.scheme(), "http" | "https").then(|| OutsideLink(url.to_string()))
    }
}

/// `error.html`: something went wrong that no capability has a page of its own for.
#[derive(Serialize)]
pub struct ErrorPage {
    pub shell: Shell,
    pub kind: ErrorKind,
    /// Stable machine code for support, for example `account_deleted`; never free text from a dependency.
    pub code: Option<String>,
    /// Minutes to wait, rounded up, where the answer has a `Retry-After`.
    pub retry_minutes: Option<u32>,
    /// What the visitor quotes and the operator finds in the log.
    pub correlation_id: String,
}

/// What kind of error, which decides the words and the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// 400
    BadRequest,
    /// 403
    Forbidden,
    /// 404
    NotFound,
    /// 405
    MethodNotAllowed,
    /// 413
    TooLarge,
    /// 429
    TooManyRequests,
    /// 500
    Internal,
    /// 503
    Unavailable,
}

impl ErrorKind {
    /// Every kind; each needs its `error.title.…` and `error.advice.…` messages.
    pub const ALL: [ErrorKind; 8] = [
        ErrorKind::BadRequest,
        ErrorKind::Forbidden,
        ErrorKind::NotFound,
        ErrorKind::MethodNotAllowed,
        ErrorKind::TooLarge,
        ErrorKind::TooManyRequests,
        ErrorKind::Internal,
        ErrorKind::Unavailable,
    ];

    /// The HTTP status that goes with the page.
    pub fn status(self) -> u16 {
        match self {
            ErrorKind::BadRequest => 400,
            ErrorKind::Forbidden => 403,
            ErrorKind::NotFound => 404,
            ErrorKind::MethodNotAllowed => 405,
            ErrorKind::TooLarge => 413,
            ErrorKind::TooManyRequests => 429,
            ErrorKind::Internal => 500,
            ErrorKind::Unavailable => 503,
        }
    }
}

/// A length of time in the largest unit that divides it well; words are chosen by language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Lasts {
    unit: Unit,
    count: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Unit {
    Minutes,
    Hours,
    Days,
}

impl Lasts {
    /// Rounds up, so that nobody is promised an earlier end than they get: whole days from two days on, whole hours from two
    /// hours on, and minutes below.
    pub fn from_seconds(seconds: u64) -> Lasts {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        const DAY: u64 = 24 * HOUR;
        let (unit, length) = if seconds >= 2 * DAY || seconds == DAY {
            (Unit::Days, DAY)
        } else if seconds >= 2 * HOUR || seconds == HOUR {
            (Unit::Hours, HOUR)
        } else {
            (Unit::Minutes, MINUTE)
        };
        Lasts {
            unit,
            count: seconds.div_ceil(length).max(1),
        }
    }
}

/// The scopes of our own API, as the message catalogue names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnWords {
    AccountRead,
    AccountWrite,
    ApproveDevices,
    CreateTokens,
    EndUsers,
}

impl OwnWords {
    pub const fn of(scope: OwnScope) -> Self {
        match scope {
            OwnScope::AccountRead => Self::AccountRead,
            OwnScope::AccountWrite => Self::AccountWrite,
            OwnScope::ApproveDevices => Self::ApproveDevices,
            OwnScope::CreateTokens => Self::CreateTokens,
            OwnScope::EndUsers => Self::EndUsers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Lasts, LocalPath, OutsideLink, Unit};

    #[test]
    fn b48_only_a_path_on_this_server_becomes_a_link() {
        for good in [
            "/",
            "/account",
            "/t/acme/login?return_to=%2Fauthorize%3Fx",
            "/a//b",
            "/%20",
        ] {
            assert!(LocalPath::new(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "account",
            "https://h",
            "//h",
            "/\\h",
            "\\/h",
            "/%2f%2fh",
            "/%2Fh",
            "/%5Ch",
            "javascript:alert(1)",
            "/a\r\nb",
            "/\t/h",
            "/a b",
            "/ä",
        ] {
            assert!(LocalPath::new(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn only_an_address_of_the_web_becomes_a_link_that_leaves() {
        for (url, good) in [
            ("https://idp.example/authorize?x=1", true),
            ("http://127.0.0.1:8080/authorize", true),
            ("javascript:alert(1)", false),
            ("data:text/html,x", false),
            ("com.example.app:/x", false),
        ] {
            let link = OutsideLink::new(&url::Url::parse(url).unwrap());
            assert_eq!(link.is_some(), good, "{url}");
        }
    }

    #[test]
    fn a_length_of_time_is_rounded_up_and_never_to_nothing() {
        for (seconds, unit, count) in [
            (0, Unit::Minutes, 1),
            (61, Unit::Minutes, 2),
            (3600, Unit::Hours, 1),
            (5400, Unit::Minutes, 90),
            (7201, Unit::Hours, 3),
            (86_400, Unit::Days, 1),
            (172_801, Unit::Days, 3),
        ] {
            assert_eq!(
                Lasts::from_seconds(seconds),
                Lasts { unit, count },
                "{seconds}"
            );
        }
    }
}
