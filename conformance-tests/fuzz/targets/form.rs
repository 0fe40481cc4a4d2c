//! No parameter comes twice, none has a NUL, and an empty one is absent.
#![no_main]

use curfew_protocol::Form;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    for repeatable in [&[][..], &["resource"]] {
        let Ok(form) = Form::parse(data, repeatable) else {
            continue;
        };
        for name in ["client_id", "scope", "resource", "a", ""] {
            let values: Vec<_> = form.all(name).collect();
            assert!(values.len() <= 1 || repeatable.contains(&name));
            assert!(
                values
                    .iter()
                    .all(|value| !value.is_empty() && !value.contains('\0'))
            );
            assert_eq!(form.get(name), values.first().copied());
        }
    }
});
