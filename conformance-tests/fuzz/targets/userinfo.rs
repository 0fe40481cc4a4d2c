//! An address counts as verified only when the same object says so, by the rules of the provider.
#![no_main]

use curfew_policy::email::canonical;
use curfew_policy::linking::EmailFact;
use curfew_policy::upstream::ProviderPolicy;
use curfew_protocol::upstream::UserInfo;
use serde_json::Value;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(info) = UserInfo::parse(data) else {
        return;
    };
    let value: Value = serde_json::from_slice(data).expect("JSON");
    assert_eq!(value["sub"], info.sub.as_str());
    for email_verified_as_text in [false, true] {
        let policy = ProviderPolicy {
            email_verified_as_text,
            ..ProviderPolicy::default()
        };
        let said = &value["email_verified"];
        let believed = *said == true || (email_verified_as_text && *said == "true");
        match EmailFact::of(&info.email, &policy) {
            EmailFact::Verified { key } => {
                assert!(believed);
                assert_eq!(value["email"].as_str().and_then(canonical), Some(key));
            }
            EmailFact::Denied => assert!(value.get("email_verified").is_some() && !believed),
            EmailFact::Unstated => assert!(value.get("email_verified").is_none()),
            EmailFact::None => (),
        }
    }
});
