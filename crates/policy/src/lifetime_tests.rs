use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

fn seconds(value: u32) -> Lifetime {
    Lifetime::from_seconds(value)
}

fn access_token(caps: Caps<'_>) -> Result<i64, LifetimeRefusal> {
    LifetimeRules::default()
        .expires_at(Credential::AccessToken, NOW, caps)
        .map(|end| end.timestamp().since(NOW).seconds())
}

#[test]
fn the_shortest_cap_wins() {
    let ancestor = [NOW.after(seconds(50))];
    let scopes = [seconds(300), seconds(40)];
    let cases: &[(Caps<'_>, i64)] = &[
        (Caps::default(), 600),
        (
            Caps {
                client: Some(seconds(900)),
                ..Caps::default()
            },
            900,
        ),
        (
            Caps {
                client: Some(seconds(100)),
                ..Caps::default()
            },
            100,
        ),
        (
            Caps {
                tenant: Some(seconds(70)),
                ..Caps::default()
            },
            70,
        ),
        (
            Caps {
                client: Some(seconds(900)),
                tenant: Some(seconds(70)),
                ..Caps::default()
            },
            70,
        ),
        (
            Caps {
                scopes: &scopes,
                ..Caps::default()
            },
            40,
        ),
        (
            Caps {
                ancestors: &ancestor,
                ..Caps::default()
            },
            50,
        ),
        (
            Caps {
                asked: Some(seconds(30)),
                ancestors: &ancestor,
                ..Caps::default()
            },
            30,
        ),
    ];
    for (caps, expected) in cases {
        assert_eq!(access_token(*caps), Ok(*expected), "{caps:?}");
    }
}

#[test]
fn c02_what_was_asked_and_is_too_long_is_refused_not_clamped() {
    let ancestor = [NOW.after(seconds(50))];
    let caps = Caps {
        asked: Some(seconds(51)),
        ancestors: &ancestor,
        ..Caps::default()
    };
    assert_eq!(
        access_token(caps),
        Err(LifetimeRefusal::TooLong {
            longest: seconds(50)
        })
    );
}

#[test]
fn c09_an_ancestor_that_ends_now_leaves_no_room() {
    for end in [
        NOW,
        Timestamp::from_seconds(NOW.seconds() - 1),
        Timestamp::from_seconds(i64::MIN),
    ] {
        let ancestors = [end];
        let caps = Caps {
            ancestors: &ancestors,
            ..Caps::default()
        };
        assert_eq!(access_token(caps), Err(LifetimeRefusal::AncestorEnded));
    }
}

#[test]
fn c06_the_hard_cap_stands_above_all() {
    let caps = Caps {
        client: Some(seconds(u32::MAX)),
        ..Caps::default()
    };
    assert_eq!(access_token(caps), Ok(HARD_CAP.seconds()));
}

#[test]
fn d07_the_idle_end_never_passes_the_absolute_end() {
    let absolute = NOW.after(seconds(5));
    assert_eq!(idle_at(seconds(3_600), NOW, absolute), absolute);
}

#[test]
fn every_default_lies_in_its_own_range() {
    for setting in LifetimeRules::REFERENCE {
        assert!(
            (setting.min..=setting.max).contains(&setting.default),
            "{}",
            setting.name
        );
    }
}

#[test]
fn d07_a_busy_session_never_goes_idle_whatever_its_idle_lifetime() {
    for idle in [30, 299, 300, 900, 3_600] {
        let (idle, absolute) = (seconds(idle), NOW.after(seconds(10_000)));
        let (mut idle_end, mut now, mut moves) = (idle_at(idle, NOW, absolute), NOW, 0);
        while !now.has_reached(absolute) {
            assert!(!now.has_reached(idle_end), "{idle} at {now:?}");
            if let Some(next) = idle_move(idle_end, idle, now, absolute) {
                assert!(next > idle_end && next <= absolute);
                (idle_end, moves) = (next, moves + 1);
            }
            now = now.after(seconds(1));
        }
        assert!(
            moves < 10_000 / 300.min(idle.seconds() / 2) + 2,
            "{idle}: {moves}"
        );
    }
}

#[test]
fn dormancy_is_off_until_it_is_set() {
    let mut rules = LifetimeRules::default();
    assert_eq!(rules.dormant_at(NOW), None);
    rules.dormancy = SHORTEST_DORMANCY;
    assert_eq!(rules.dormant_at(NOW), Some(NOW.after(seconds(86_400))));
}

#[test]
fn a_sign_in_is_fresh_until_its_time_is_reached() {
    let rules = LifetimeRules::default();
    let fresh = |later| rules.is_fresh(NOW, NOW.after(seconds(later)));
    assert!(fresh(0) && fresh(299));
    assert!(!fresh(300) && !fresh(3_600));
}
