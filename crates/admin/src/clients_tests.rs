use super::*;

fn web() -> ClientRegistration {
    ClientRegistration {
        client_id: "web".to_owned(),
        name: "Web".to_owned(),
        grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        redirect_uris: vec!["https://app.example/cb".to_owned()],
        scopes: ScopeSet::parse("a b").unwrap(),
        ..ClientRegistration::default()
    }
}

#[test]
fn s21_14_client_credentials_are_for_confidential_clients() {
    let robot = ClientRegistration {
        client_id: "robot".to_owned(),
        name: "Robot".to_owned(),
        grant_types: vec![GrantType::ClientCredentials],
        ..ClientRegistration::default()
    };
    assert!(check(&robot, true).is_ok());
    assert!(check(&robot, false).is_err());
}

#[test]
fn a_registration_that_cannot_work_is_refused() {
    let broken: Vec<(&str, ClientRegistration)> = vec![
        (
            "no grant",
            ClientRegistration {
                grant_types: Vec::new(),
                ..web()
            },
        ),
        (
            "no redirect URI",
            ClientRegistration {
                redirect_uris: Vec::new(),
                ..web()
            },
        ),
        (
            "refresh alone",
            ClientRegistration {
                grant_types: vec![GrantType::RefreshToken],
                ..web()
            },
        ),
        (
            "bad redirect",
            ClientRegistration {
                redirect_uris: vec!["http://app.example/".into()],
                ..web()
            },
        ),
        (
            "bad logout",
            ClientRegistration {
                post_logout_redirect_uris: vec!["/x".into()],
                ..web()
            },
        ),
        (
            "bad origin",
            ClientRegistration {
                origins: vec!["https://a.example/".into()],
                ..web()
            },
        ),
        (
            "bad id",
            ClientRegistration {
                client_id: "a b".into(),
                ..web()
            },
        ),
        (
            "bad name",
            ClientRegistration {
                name: " ".into(),
                ..web()
            },
        ),
        (
            "broad scope",
            ClientRegistration {
                scopes: ScopeSet::parse("admin").unwrap(),
                ..web()
            },
        ),
    ];
    assert!(check(&web(), false).is_ok());
    for (what, registration) in broken {
        assert!(check(&registration, false).is_err(), "{what}");
    }
}

#[test]
fn a20_taking_something_away_narrows_and_giving_does_not() {
    let narrowing: Vec<ClientRegistration> = vec![
        ClientRegistration {
            grant_types: vec![GrantType::AuthorizationCode],
            ..web()
        },
        ClientRegistration {
            redirect_uris: vec!["https://app.example/other".into()],
            ..web()
        },
        ClientRegistration {
            scopes: ScopeSet::parse("a").unwrap(),
            ..web()
        },
        ClientRegistration {
            session_bound: true,
            ..web()
        },
        ClientRegistration {
            access_token_lifetime: Some(Lifetime::from_seconds(5)),
            ..web()
        },
    ];
    for new in narrowing {
        assert!(narrows(&web(), &new), "{new:?}");
        assert!(!narrows(&web(), &web()), "no change");
    }
    let wider = ClientRegistration {
        name: "Other".into(),
        scopes: ScopeSet::parse("a b c").unwrap(),
        implicit_consent: true,
        ..web()
    };
    assert!(!narrows(&web(), &wider));
}
