//! A number that is taken is one person, an address that is taken is the only primary one.
#![no_main]

use curfew_protocol::upstream::{GithubEmails, GithubMembership, GithubUser};
use serde_json::Value;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(user) = GithubUser::parse(data) {
        let value: Value = serde_json::from_slice(data).expect("JSON");
        assert_eq!(value["id"].as_u64(), Some(user.id));
        assert!((1..=1 << 53).contains(&user.id));
        assert!(
            user.login
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        );
    }
    if let Ok(emails) = GithubEmails::parse(data)
        && let Some(email) = emails.primary_verified()
    {
        let value: Value = serde_json::from_slice(data).expect("JSON");
        let primary = value.as_array().expect("a list").iter();
        let primary: Vec<_> = primary.filter(|entry| entry["primary"] == true).collect();
        assert!(matches!(primary[..], [one] if one["email"] == email && one["verified"] == true));
    }
    if GithubMembership::parse(data).is_ok_and(GithubMembership::is_member) {
        let value: Value = serde_json::from_slice(data).expect("JSON");
        assert_eq!(value["state"], "active");
    }
});
