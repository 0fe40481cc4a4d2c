//! A domain of the list admits exactly the addresses whose whole domain it is. The first line is an address, each other one an entry.
#![no_main]

use curfew_policy::email::canonical;
use curfew_policy::linking::{domain_allowed, parse_domain};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let mut lines = text.split('\n');
    let address = lines.next().unwrap_or_default();
    let domains: Vec<String> = lines.filter_map(parse_domain).collect();
    for domain in &domains {
        assert_eq!(parse_domain(domain).as_ref(), Some(domain));
        assert!(!domain.contains('@') && !domain.starts_with('.') && domain.is_ascii());
        let key = canonical(&format!("a@{domain}"));
        // A name may be too long for an address.
        assert!(key.is_none_or(|key| domain_allowed(&key, &domains)));
        assert!(!domain_allowed(
            &format!("a@x{domain}"),
            std::slice::from_ref(domain)
        ));
        assert!(!domain_allowed(
            &format!("a@x.{domain}"),
            std::slice::from_ref(domain)
        ));
        assert!(!domain_allowed(
            &format!("a@{domain}.x"),
            std::slice::from_ref(domain)
        ));
    }
    let allowed = domain_allowed(address, &domains);
    let whole = |domain: &String| {
        let local = address
            .strip_suffix(domain.as_str())
            .and_then(|rest| rest.strip_suffix('@'));
        local.is_some_and(|local| !local.is_empty() && !local.contains('@'))
    };
    assert_eq!(allowed, domains.iter().any(whole));
});
