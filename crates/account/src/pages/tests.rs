use super::*;
use curfew_http::pages::testing::{Case, prove};

fn shell() -> Shell {
    Shell {
        base: String::new(),
        name: "Harbour Works".to_owned(),
    }
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn login(
    client: Option<String>,
    told: Option<LoginNotice>,
    error: Option<LoginError>,
) -> LoginPage {
    let username = if error.is_some() { "ada" } else { "" };
    LoginPage {
        shell: shell(),
        csrf: "form-token".to_owned(),
        return_to: "/authorize?client_id=orchard&scope=trees:read".to_owned(),
        username: username.to_owned(),
        client,
        providers: Vec::new(),
        told,
        error,
    }
}

fn login_cases() -> Vec<Case> {
    let mut with_providers = login(text("Orchard"), None, None);
    with_providers.shell = Shell {
        base: "/t/acme".to_owned(),
        name: "ACME".to_owned(),
    };
    for (name, path) in [
        ("GitHub", "/t/acme/login/github"),
        ("Company ID", "/t/acme/login/company"),
    ] {
        let href = LocalPath::new(path).expect("a local path");
        with_providers.providers.push(ProviderButton {
            name: name.to_owned(),
            href,
        });
    }
    let mut cases = vec![
        Case::new("login.html", "plain", &login(None, None, None)),
        Case::new("login.html", "client", &login(text("Orchard"), None, None)),
        Case::new("login.html", "providers", &with_providers),
    ];
    cases.extend(
        LoginNotice::ALL
            .iter()
            .map(|told| Case::new("login.html", "notice", &login(None, Some(*told), None))),
    );
    cases.extend(LoginError::ALL.iter().rev().map(|error| {
        Case::new(
            "login.html",
            "error",
            &login(text("Orchard"), None, Some(*error)),
        )
    }));
    cases
}

fn link_cases() -> Vec<Case> {
    let forgot = |error| ForgotPage {
        shell: shell(),
        csrf: "form-token".to_owned(),
        username: String::new(),
        mail: true,
        error,
    };
    let without_mail = ForgotPage {
        mail: false,
        ..forgot(None)
    };
    let mut cases = vec![
        Case::new("forgot.html", "plain", &forgot(None)),
        Case::new("forgot.html", "no_mail", &without_mail),
        Case::new(
            "link_sent.html",
            "one",
            &LinkSentPage {
                shell: shell(),
                minutes: 1,
            },
        ),
        Case::new(
            "link_sent.html",
            "plain",
            &LinkSentPage {
                shell: shell(),
                minutes: 15,
            },
        ),
        Case::new(
            "link_invalid.html",
            "plain",
            &LinkInvalidPage { shell: shell() },
        ),
    ];
    cases.extend(
        ForgotError::ALL
            .iter()
            .map(|error| Case::new("forgot.html", "error", &forgot(Some(*error)))),
    );
    for purpose in LinkPurpose::ALL {
        let page = |error| PasswordPage {
            shell: shell(),
            csrf: "form-token".to_owned(),
            link: "cfml_link".to_owned(),
            purpose: *purpose,
            username: "ada".to_owned(),
            min_length: 12,
            error,
        };
        let name = if *purpose == LinkPurpose::Reset {
            "reset"
        } else {
            "invitation"
        };
        cases.push(Case::new("password.html", name, &page(None)));
        cases.extend(
            PasswordError::ALL
                .iter()
                .map(|error| Case::new("password.html", "error", &page(Some(*error)))),
        );
    }
    cases
}

fn bootstrap_cases() -> Vec<Case> {
    let page = |error| BootstrapPage {
        shell: Shell {
            base: String::new(),
            name: "Curfew".to_owned(),
        },
        csrf: "form-token".to_owned(),
        username: String::new(),
        email: String::new(),
        min_length: 12,
        error,
    };
    let mut cases = vec![Case::new("bootstrap.html", "plain", &page(None))];
    cases.extend(
        BootstrapError::ALL
            .iter()
            .map(|error| Case::new("bootstrap.html", "error", &page(Some(*error)))),
    );
    cases
}

fn account_cases() -> Vec<Case> {
    let page = |name, email, told, error| AccountPage {
        shell: shell(),
        csrf: "form-token".to_owned(),
        username: "ada".to_owned(),
        name,
        email,
        min_length: 12,
        told,
        error,
    };
    let mut cases = vec![
        Case::new("account.html", "bare", &page(None, None, None, None)),
        Case::new(
            "account.html",
            "plain",
            &page(text("Ada Byron"), text("ada@harbour.example"), None, None),
        ),
    ];
    cases.extend(AccountNotice::ALL.iter().map(|told| {
        Case::new(
            "account.html",
            "notice",
            &page(None, None, Some(*told), None),
        )
    }));
    cases.extend(AccountError::ALL.iter().map(|error| {
        Case::new(
            "account.html",
            "error",
            &page(None, None, None, Some(*error)),
        )
    }));
    cases
}

fn logout_cases() -> Vec<Case> {
    let page = |client: Option<&str>, username: Option<&str>| LogoutPage {
        shell: shell(),
        csrf: "form-token".to_owned(),
        client: client.map(str::to_owned),
        username: username.map(str::to_owned),
        client_id: client.map(|_| "orchard".to_owned()),
        post_logout_redirect_uri: client.map(|_| "https://orchard.example/bye".to_owned()),
        state: client.map(|_| "x y".to_owned()),
    };
    let mut cases = vec![
        Case::new("logout.html", "nobody", &page(None, None)),
        Case::new("logout.html", "plain", &page(None, Some("ada"))),
        Case::new("logout.html", "client", &page(Some("Orchard"), Some("ada"))),
        Case::new("logout.html", "client_only", &page(Some("Orchard"), None)),
        Case::new(
            "signed_out.html",
            "plain",
            &SignedOutPage { shell: shell() },
        ),
    ];
    cases.extend(LogoutErrorReason::ALL.iter().map(|reason| {
        let page = LogoutErrorPage {
            shell: shell(),
            reason: *reason,
            correlation_id: "4f1c9a7e20b3".to_owned(),
        };
        Case::new("logout_error.html", "plain", &page)
    }));
    cases
}

#[test]
fn every_account_page_keeps_the_rules_in_every_language() {
    let cases: Vec<Case> = [
        login_cases(),
        link_cases(),
        bootstrap_cases(),
        account_cases(),
        logout_cases(),
    ]
    .into_iter()
    .flatten()
    .collect();
    prove(TEMPLATES, &cases);
}
