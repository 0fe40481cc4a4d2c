//! Where a browser may be sent: what was registered, and for our own pages a path of our own.
#![no_main]

use curfew_policy::redirect::{check_registration, is_local_path, matches, origin};
use url::Url;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = origin(text);
    if check_registration(text).is_ok() {
        assert!(matches(text, text));
        let url = Url::parse(text).expect("what is registered is a URL");
        assert!(url.fragment().is_none() && url.username().is_empty());
        assert!(!matches(text, "https://evil.example/cb") || text == "https://evil.example/cb");
    }
    if is_local_path(text) {
        let base = Url::parse("https://auth.example/login").expect("a URL");
        let target = base.join(text).expect("a path");
        assert_eq!(target.origin(), base.origin());
        assert!(!text.contains(char::is_control));
    }
    if let Some((registered, presented)) = text.split_once('\n')
        && check_registration(registered).is_ok()
        && matches(registered, presented)
    {
        let [own, other] = [registered, presented].map(|uri| Url::parse(uri).expect("a URL"));
        assert_eq!((own.scheme(), own.host()), (other.scheme(), other.host()));
        assert_eq!((own.path(), own.query()), (other.path(), other.query()));
    }
});
