//! Redirect URIs: what may be registered, what matches, and where our own pages may send a browser.
//!
//! A match is byte for byte (RFC 9700 §2.1); the one exception is the port of a loopback redirect of a native app
//! (RFC 8252 §7.3), for the addresses `127.0.0.1` and `[::1]` and never for the name `localhost` (§8.3).

use url::Url;

/// Why a URI cannot be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectRefusal {
    #[error("it is not an absolute URI")]
    NotAbsolute,
    #[error("it has a fragment")]
    Fragment,
    #[error("it has a user name or password")]
    UserInfo,
    #[error("it has a wildcard")]
    Wildcard,
    #[error("http is only for the loopback addresses 127.0.0.1 and [::1]; use https")]
    ClearText,
    #[error("a private-use scheme is a reversed domain name, such as com.example.app")]
    Scheme,
    #[error("it holds characters that do not belong in a URI, or is too long")]
    Characters,
}

/// Checks a redirect URI for registration.
pub fn check_registration(uri: &str) -> Result<(), RedirectRefusal> {
    if uri.len() > 2_000
        || !uri
            .bytes()
            .all(|b| (0x21..=0x7e).contains(&b) && b != b'\\')
    {
        return Err(RedirectRefusal::Characters);
    }
    if uri.contains('*') {
        return Err(RedirectRefusal::Wildcard);
    }
    let parsed = Url::parse(uri).map_err(|_| RedirectRefusal::NotAbsolute)?;
    if uri.contains('#') {
        return Err(RedirectRefusal::Fragment);
    }
    if has_user(uri, &parsed) {
        return Err(RedirectRefusal::UserInfo);
    }
    match parsed.scheme() {
        "https" | "http" => check_web(uri, &parsed),
        scheme if scheme.contains('.') => Ok(()),
        _ => Err(RedirectRefusal::Scheme),
    }
}

/// Is there a user name before the host, even an empty one?
fn has_user(uri: &str, parsed: &Url) -> bool {
    let behind_scheme = uri.get(parsed.scheme().len()..).unwrap_or("");
    let authority = behind_scheme.strip_prefix("://").unwrap_or("");
    let authority = authority.split(['/', '?']).next().unwrap_or("");
    authority.contains('@') || !parsed.username().is_empty() || parsed.password().is_some()
}

fn check_web(uri: &str, parsed: &Url) -> Result<(), RedirectRefusal> {
    // The parser repairs `https:/host` and `https:host`; a byte-exact comparison must not.
    if !uri.starts_with("https://") && !uri.starts_with("http://") {
        return Err(RedirectRefusal::NotAbsolute);
    }
    if parsed.scheme() == "http" && loopback_parts(uri).is_none() {
        return Err(RedirectRefusal::ClearText);
    }
    Ok(())
}

/// Does `presented` match the `registered` URI?
pub fn matches(registered: &str, presented: &str) -> bool {
    if registered == presented {
        return true;
    }
    match (loopback_parts(registered), loopback_parts(presented)) {
        (Some(own), Some(other)) => own == other,
        _ => false,
    }
}

/// Host and everything behind the port, when `uri` is a loopback redirect.
fn loopback_parts(uri: &str) -> Option<(&str, &str)> {
    for host in ["http://127.0.0.1", "http://[::1]"] {
        let Some(rest) = uri.strip_prefix(host) else {
            continue;
        };
        let Some(with_port) = rest.strip_prefix(':') else {
            return (rest.is_empty() || rest.starts_with(['/', '?'])).then_some((host, rest));
        };
        let digits = with_port.bytes().take_while(u8::is_ascii_digit).count();
        let (port, tail) = with_port.split_at(digits);
        port.parse::<u16>().ok()?;
        return (tail.is_empty() || tail.starts_with(['/', '?'])).then_some((host, tail));
    }
    None
}

/// The origin of a redirect URI, for `form-action` and for the consent page; the scheme alone for a private-use one.
pub fn origin(uri: &str) -> Option<String> {
    let parsed = Url::parse(uri).ok()?;
    match parsed.scheme() {
        "http" | "https" => Some(parsed.origin().ascii_serialization()),
        scheme => Some(format!("{scheme}:")),
    }
}

/// May our own page send the browser to `path` after a login? Only a path of our own origin may.
pub fn is_local_path(path: &str) -> bool {
    let mut bytes = path.bytes();
    if bytes.next() != Some(b'/') || matches!(bytes.next(), Some(b'/' | b'\\')) {
        return false;
    }
    let plain = path
        .bytes()
        .all(|b| (0x21..=0x7e).contains(&b) && b != b'\\');
    let start = path
        .get(..4.min(path.len()))
        .unwrap_or("")
        .to_ascii_lowercase();
    plain && start != "/%2f" && start != "/%5c" && start != "/%09"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s21_04_registration_is_strict() {
        use RedirectRefusal::*;
        let cases: &[(&str, Result<(), RedirectRefusal>)] = &[
            ("https://app.example/cb", Ok(())),
            ("https://app.example/cb?tenant=1", Ok(())),
            ("http://127.0.0.1/cb", Ok(())),
            ("http://127.0.0.1:8000/cb", Ok(())),
            ("http://[::1]/cb", Ok(())),
            ("com.example.app:/cb", Ok(())),
            ("http://app.example/cb", Err(ClearText)),
            ("http://localhost/cb", Err(ClearText)),
            ("http://127.0.0.1.evil.example/cb", Err(ClearText)),
            ("http://127.0.0.1@evil.example/cb", Err(UserInfo)),
            ("https://u:p@app.example/cb", Err(UserInfo)),
            ("https://@app.example/cb", Err(UserInfo)),
            ("com.example.app://u@app.example/cb", Err(UserInfo)),
            ("com.example.app://u:p@app.example/cb", Err(UserInfo)),
            ("com.example.app://@app.example/cb", Err(UserInfo)),
            ("com.example.app:/cb?to=http://u@app.example", Ok(())),
            ("https://*.example/cb", Err(Wildcard)),
            ("https://app.example/cb#x", Err(Fragment)),
            ("https://app.example/cb#", Err(Fragment)),
            ("javascript:alert(1)", Err(Scheme)),
            ("data:text/html,x", Err(Scheme)),
            ("myapp:/cb", Err(Scheme)),
            ("/cb", Err(NotAbsolute)),
            ("https:app.example", Err(NotAbsolute)),
            ("https://app.example/c b", Err(Characters)),
            ("https://app.example\\@evil.example", Err(Characters)),
        ];
        for (uri, expected) in cases {
            assert_eq!(check_registration(uri), *expected, "{uri}");
        }
    }

    #[test]
    fn s9700_01_a_match_is_exact_but_for_the_loopback_port() {
        let cases: &[(&str, &str, bool)] = &[
            ("https://a.example/cb", "https://a.example/cb", true),
            ("https://a.example/cb", "https://a.example/cb/", false),
            ("https://a.example/cb", "https://a.example/CB", false),
            ("https://a.example/cb", "https://A.example/cb", false),
            ("https://a.example/cb", "https://a.example:443/cb", false),
            ("https://a.example/cb", "https://a.example/cb?x=1", false),
            ("https://a.example/cb", "https://a.example/%63b", false),
            ("https://a.example/cb", "https://a.example/x/../cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb", true),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:2/cb", true),
            ("http://127.0.0.1/cb", "http://127.0.0.1:51004/other", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:99999/cb", false),
            (
                "http://127.0.0.1/cb",
                "http://127.0.0.1:1@evil.example/cb",
                false,
            ),
            (
                "http://127.0.0.1/cb",
                "http://127.0.0.1.evil.example/cb",
                false,
            ),
            ("http://127.0.0.1/cb", "http://localhost:51004/cb", false),
            ("http://127.0.0.1/cb", "http://[::1]:51004/cb", false),
            ("http://[::1]/cb", "http://[::1]:51004/cb", true),
            ("https://127.0.0.1/cb", "https://127.0.0.1:51004/cb", false),
        ];
        for (registered, presented, expected) in cases {
            assert_eq!(
                matches(registered, presented),
                *expected,
                "{registered} {presented}"
            );
        }
    }

    #[test]
    fn b48_only_a_path_of_our_own_is_returned_to() {
        for path in ["/", "/authorize?x=1", "/account"] {
            assert!(is_local_path(path), "{path}");
        }
        for path in [
            "",
            "https://h",
            "//h",
            "/\\h",
            "\\/h",
            "/%2f%2fh",
            "/%2F/h",
            "/%5Ch",
            "/a\r\nb",
            "javascript:x",
            "/a b",
        ] {
            assert!(!is_local_path(path), "{path:?}");
        }
    }
}
