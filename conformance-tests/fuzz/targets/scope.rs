//! A set of scopes reads back as itself, and narrowing only narrows.
#![no_main]

use curfew_protocol::ScopeSet;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(set) = ScopeSet::parse(text) else {
        return;
    };
    assert_eq!(ScopeSet::parse(&set.to_string()).as_ref(), Ok(&set));
    let (first, second) = text.split_at(text.floor_char_boundary(text.len() / 2));
    if let (Ok(first), Ok(second)) = (ScopeSet::parse(first), ScopeSet::parse(second)) {
        let (both, either) = (first.intersection(&second), first.union(&second));
        assert!(both.is_subset_of(&first) && both.is_subset_of(&second));
        assert!(first.is_subset_of(&either) && second.is_subset_of(&either));
        assert!(
            first
                .iter()
                .all(|scope| second.contains(scope) == both.contains(scope))
        );
    }
});
