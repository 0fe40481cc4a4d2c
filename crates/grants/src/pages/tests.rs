use super::*;
use curfew_http::pages::testing::{Case, prove};
use curfew_http::pages::{Language, Pages};

fn shell() -> Shell {
    Shell {
        base: String::new(),
        name: "Harbour Works".to_owned(),
    }
}

fn full_consent() -> ConsentPage {
    let scope = |name: &str, description: Option<&str>| ConsentScope {
        name: name.to_owned(),
        description: description.map(str::to_owned),
        own: None,
    };
    ConsentPage {
        shell: shell(),
        csrf: "form-token".to_owned(),
        request: "client_id=orchard&scope=trees%3Aread&state=a%26b".to_owned(),
        client: ConsentClient {
            name: "Orchard".to_owned(),
            provenance: Provenance::Administrator,
            redirect_host: Some("orchard.example".to_owned()),
        },
        scopes: vec![
            scope("trees:read", Some("See your trees and what they bear")),
            scope("harvest:write", Some("Add and change harvest records")),
            scope("weather", None),
        ],
        withheld: Vec::new(),
        resources: vec![ConsentResource {
            name: "Orchard API".to_owned(),
            identifier: "https://api.orchard.example/v1".to_owned(),
        }],
        lasts: Lasts::from_seconds(90 * 24 * 3600),
        ends_with_session: false,
        while_away: true,
        username: "ada".to_owned(),
        switch: LocalPath::new("/login?prompt=login").expect("a local path"),
    }
}

fn short_consent() -> ConsentPage {
    ConsentPage {
        client: ConsentClient {
            name: "Intranet".to_owned(),
            provenance: Provenance::FirstParty,
            redirect_host: None,
        },
        scopes: Vec::new(),
        resources: Vec::new(),
        lasts: Lasts::from_seconds(3600),
        ends_with_session: true,
        while_away: false,
        ..full_consent()
    }
}

fn withheld() -> Vec<ConsentScope> {
    let own = ConsentScope {
        name: "curfew:account:write".to_owned(),
        description: None,
        own: Some(OwnWords::AccountWrite),
    };
    let mut withheld = full_consent().scopes;
    withheld.push(own);
    withheld
}

fn form_post() -> FormPostPage {
    let field = |name: &str, value: &str| HiddenField {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let fields = vec![
        field("code", "cfac_code"),
        field("state", "a \"b\" <c>"),
        field("iss", "https://id.example"),
    ];
    FormPostPage::new(
        shell(),
        "Orchard".to_owned(),
        "https://orchard.example/back".to_owned(),
        fields,
    )
    .expect("an https address")
}

fn error_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for reason in [
        AuthorizationErrorReason::Request,
        AuthorizationErrorReason::UnknownClient,
        AuthorizationErrorReason::NotAllowed,
        AuthorizationErrorReason::RedirectUri,
    ] {
        for (name, client) in [("client", Some("Orchard".to_owned())), ("plain", None)] {
            let page = AuthorizationErrorPage {
                shell: shell(),
                reason,
                client,
                code: "invalid_request".to_owned(),
                description: "redirect_uri is not registered for this client".to_owned(),
                correlation_id: "4f1c9a7e20b3".to_owned(),
            };
            cases.push(Case::new("authorization_error.html", name, &page));
        }
    }
    cases
}

fn device_confirm() -> DeviceConfirmPage {
    let consent = full_consent();
    let own = [
        OwnWords::AccountRead,
        OwnWords::AccountWrite,
        OwnWords::ApproveDevices,
        OwnWords::CreateTokens,
        OwnWords::EndUsers,
    ];
    let own = own.map(|own| ConsentScope {
        name: "curfew:x".to_owned(),
        description: None,
        own: Some(own),
    });
    DeviceConfirmPage {
        shell: shell(),
        csrf: "form-token".to_owned(),
        request: "sealed".to_owned(),
        client: "Orchard".to_owned(),
        client_id: "orchard-tv".to_owned(),
        provenance: Provenance::Administrator,
        user_code: "WDJB-MJHT".to_owned(),
        scopes: consent.scopes.into_iter().chain(own).collect(),
        withheld: Vec::new(),
        resources: consent.resources,
        lasts: Lasts::from_seconds(30 * 24 * 3600),
        while_away: true,
        username: "ada".to_owned(),
        differs: true,
        device: DevicePlace {
            address: "203.0.113.7".to_owned(),
            place: Some("Lyon, France".to_owned()),
            agent: Some("OrchardTV/3.1 <b>".to_owned()),
        },
        here: DevicePlace {
            address: "198.51.100.20".to_owned(),
            place: None,
            agent: None,
        },
        minutes: 2,
    }
}

fn device_cases() -> Vec<Case> {
    let entry = |error| DeviceEntryPage {
        shell: shell(),
        csrf: "form-token".to_owned(),
        user_code: "wdjb".to_owned(),
        username: "ada".to_owned(),
        error,
    };
    let near = DeviceConfirmPage {
        differs: false,
        scopes: Vec::new(),
        resources: Vec::new(),
        while_away: false,
        minutes: 0,
        ..device_confirm()
    };
    let cut = DeviceConfirmPage {
        withheld: withheld(),
        ..device_confirm()
    };
    let mut cases = vec![
        Case::new("device.html", "plain", &entry(None)),
        Case::new(
            "device.html",
            "wrong",
            &entry(Some(DeviceEntryError::Wrong)),
        ),
        Case::new(
            "device.html",
            "many",
            &entry(Some(DeviceEntryError::TooMany)),
        ),
        Case::new(
            "device.html",
            "old",
            &entry(Some(DeviceEntryError::Expired)),
        ),
        Case::new("device_confirm.html", "far", &device_confirm()),
        Case::new("device_confirm.html", "near", &near),
        Case::new("device_confirm.html", "withheld", &cut),
    ];
    for outcome in DeviceOutcome::ALL {
        let page = DeviceDonePage {
            shell: shell(),
            outcome,
        };
        cases.push(Case::new("device_done.html", outcome.as_str(), &page));
    }
    cases
}

#[test]
fn every_authorization_page_keeps_the_rules_in_every_language() {
    let mut cases = error_cases();
    cases.extend(device_cases());
    let cut = ConsentPage {
        withheld: withheld(),
        ..full_consent()
    };
    cases.extend([
        Case::new("consent.html", "full", &full_consent()),
        Case::new("consent.html", "short", &short_consent()),
        Case::new("consent.html", "withheld", &cut),
        Case::new("form_post.html", "plain", &form_post()),
        Case::new(
            "expired.html",
            "plain",
            &ExpiredPage {
                shell: shell(),
                restart: LocalPath::new("/account"),
            },
        ),
        Case::new(
            "expired.html",
            "elsewhere",
            &ExpiredPage {
                shell: shell(),
                restart: None,
            },
        ),
    ]);
    prove(TEMPLATES, &cases);
}

#[test]
fn the_pinned_hash_is_that_of_the_script_on_the_page() {
    let pages = Pages::new(&[TEMPLATES], None).expect("the embedded templates parse");
    let html = pages
        .render("form_post.html", &Language::english(), &form_post())
        .expect("rendered");
    assert!(
        html.contains(&format!("<script>{FORM_POST_SCRIPT}</script>")),
        "{html}"
    );
    // echo -n 'document.forms[0].submit()' | openssl dgst -sha256 -binary | base64
    assert_eq!(
        form_post_script_source(),
        "'sha256-ePniVEkSivX/c7XWBGafqh8tSpiRrKiqYeqbG7N1TOE='"
    );
}

#[test]
fn a_form_is_posted_to_the_web_and_nowhere_else() {
    for action in [
        "javascript:alert(1)",
        "com.example.app:/back",
        "data:text/html,x",
        "//h",
        "",
    ] {
        assert!(
            FormPostPage::new(shell(), String::new(), action.to_owned(), Vec::new()).is_none(),
            "{action}"
        );
    }
}

#[test]
fn sxd_02_deny_and_allow_look_alike() {
    let pages = Pages::new(&[TEMPLATES], None).expect("the embedded templates parse");
    let html = pages
        .render("consent.html", &Language::english(), &full_consent())
        .expect("rendered");
    let device = pages
        .render(
            "device_confirm.html",
            &Language::english(),
            &device_confirm(),
        )
        .expect("rendered");
    for (page, html) in [("consent", html), ("device", device)] {
        for (decision, words) in [("deny", "Deny"), ("approve", "Allow")] {
            let button = format!(
                "<button id=\"{page}-{decision}\" type=\"submit\" name=\"decision\" value=\"{decision}\">{words}</button>"
            );
            assert!(html.contains(&button), "{html}");
        }
    }
}
