mod identities;

use super::*;
use curfew_http::pages::testing::{Case, prove};
use curfew_http::pages::{Lasts, OwnWords};
use curfew_policy::standing::Kind;
use curfew_policy::status::DeathCause;
use curfew_protocol::OwnScope;
use curfew_store::tree::Edge;

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
        reauthenticate: false,
        username: username.to_owned(),
        client,
        providers: Vec::new(),
        told,
        error,
    }
}

fn provider(name: &str, path: &str) -> ProviderButton {
    ProviderButton {
        name: name.to_owned(),
        href: LocalPath::new(path).expect("a local path"),
    }
}

fn login_cases() -> Vec<Case> {
    let mut with_providers = login(text("Orchard"), None, None);
    with_providers.reauthenticate = true;
    with_providers.shell = Shell {
        base: "/t/acme".to_owned(),
        name: "ACME".to_owned(),
    };
    for (name, path) in [
        ("GitHub", "/t/acme/upstream/github/start"),
        ("Company ID", "/t/acme/upstream/company/start"),
    ] {
        with_providers.providers.push(provider(name, path));
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
            providers: match purpose {
                LinkPurpose::Reset => Vec::new(),
                LinkPurpose::Invitation => vec![provider("GitHub", "/upstream/github/start")],
            },
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

const NOW: i64 = 1_800_000_000;

fn approval(basis: BasisWord) -> ApprovalRow {
    let device = basis == BasisWord::Device;
    ApprovalRow {
        id: "08iHMSIsZ4".to_owned(),
        client: text("Television"),
        created_at: NOW,
        expires_at: NOW + 86_400,
        approved: ApprovalWords {
            basis: Some(basis),
            session: device.then(|| "08iHMSIsZ1".to_owned()),
            token: (!device).then(|| "08iHMSIsZ2".to_owned()),
            ip: device.then(|| "192.0.2.7".to_owned()),
            user_agent: device.then(|| "tv/1.0".to_owned()),
        },
    }
}

fn scope(own: Option<OwnWords>, description: Option<&str>) -> ScopeLine {
    ScopeLine {
        name: "notes:read".to_owned(),
        description: description.map(str::to_owned),
        own,
    }
}

fn through() -> ThroughWords {
    ThroughWords {
        provider: "Company ID".to_owned(),
        identity: "ada@company.example".to_owned(),
    }
}

fn list_cases() -> Vec<Case> {
    let sessions = |told| SessionsPage {
        shell: shell(),
        csrf: "form-token".to_owned(),
        told,
        sessions: ["08iHMSIsZ1", "08iHMSIsZ2"]
            .map(|id| SessionRow {
                id: id.to_owned(),
                this: id.ends_with('1'),
                ip: "2001:db8::7".to_owned(),
                user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0".to_owned(),
                signed_in_at: NOW,
                through: id.ends_with('2').then(through),
                last_used_at: id.ends_with('1').then_some(NOW),
                idle_at: NOW + 3_600,
                expires_at: NOW + 43_200,
            })
            .into(),
    };
    let mut scopes = vec![scope(None, Some("Read your notes")), scope(None, None)];
    let own = OwnScope::ALL.iter().map(|own| OwnWords::of(*own));
    scopes.extend(own.map(|own| scope(Some(own), None)));
    let application = |client_id: &str, remembered_until, hidden| ApplicationRow {
        client_id: client_id.to_owned(),
        name: "Orchard".to_owned(),
        scopes: scopes.clone(),
        since: NOW,
        expires_at: NOW + 86_400,
        remembered_until,
        approvals: BasisWord::ALL
            .iter()
            .map(|basis| approval(*basis))
            .collect(),
        hidden,
    };
    let mut bare = application("bare", Some(NOW), 0);
    (bare.scopes, bare.approvals) = (Vec::new(), Vec::new());
    let applications = |applications, more| ApplicationsPage {
        shell: shell(),
        csrf: "form-token".to_owned(),
        told: None,
        applications,
        more,
    };
    let full = vec![
        application("one", None, 1),
        application("many", Some(NOW), 7),
        bare,
    ];
    let mut cases = vec![
        Case::new("sessions.html", "plain", &sessions(None)),
        Case::new(
            "applications.html",
            "none",
            &applications(Vec::new(), false),
        ),
        Case::new("applications.html", "plain", &applications(full, true)),
    ];
    cases.extend(
        HoldingNotice::ALL
            .iter()
            .map(|told| Case::new("sessions.html", "notice", &sessions(Some(*told)))),
    );
    cases.extend(ConfirmAct::ALL.iter().map(|act| {
        let page = ConfirmPage {
            shell: shell(),
            csrf: "form-token".to_owned(),
            act: *act,
        };
        Case::new("confirm.html", "plain", &page)
    }));
    cases
}

fn new_token_cases() -> Vec<Case> {
    let page = |error| NewTokenPage {
        shell: shell(),
        csrf: "form-token".to_owned(),
        name: String::new(),
        scopes: vec![
            ScopeChoice {
                scope: scope(None, Some("Read your notes")),
                resource: text("Notes"),
                at_most: Some(Lasts::from_seconds(3_600)),
                chosen: true,
            },
            ScopeChoice {
                scope: scope(Some(OwnWords::AccountRead), None),
                resource: None,
                at_most: None,
                chosen: false,
            },
        ],
        lifetimes: [86_400, 2_592_000]
            .map(|seconds| LifetimeChoice {
                seconds,
                lasts: Lasts::from_seconds(seconds.unsigned_abs()),
                chosen: seconds == 86_400,
            })
            .into(),
        quarantined: error == Some(NewTokenError::Withheld),
        error,
        longest: error.map(|_| Lasts::from_seconds(3_600)),
    };
    let mut cases = vec![Case::new("token_new.html", "plain", &page(None))];
    cases.extend(
        NewTokenError::ALL
            .iter()
            .map(|error| Case::new("token_new.html", "error", &page(Some(*error)))),
    );
    cases
}

fn token_cases() -> Vec<Case> {
    let row = |kind, id: &str| TokenRow {
        id: id.to_owned(),
        kind,
        name: (kind == Kind::PersonalAccessToken).then(|| "back-up".to_owned()),
        client: (kind == Kind::Approval).then(|| "Television".to_owned()),
        scopes: "notes:read".to_owned(),
        created_at: NOW,
        expires_at: NOW + 600,
        idle_at: (kind == Kind::RefreshFamily).then_some(NOW + 300),
        last_used_at: (kind == Kind::RefreshFamily).then_some(NOW),
        approved: approval(BasisWord::Device).approved,
    };
    let tokens = TokensPage {
        shell: shell(),
        csrf: "form-token".to_owned(),
        told: None,
        personal: vec![row(Kind::PersonalAccessToken, "08iHMSIsZ1")],
        devices: vec![row(Kind::Approval, "08iHMSIsZ2")],
        others: vec![
            row(Kind::RefreshFamily, "08iHMSIsZ3"),
            row(Kind::AccessToken, "08iHMSIsZ4"),
            row(Kind::Exchange, "08iHMSIsZ5"),
        ],
        more: true,
    };
    let none = TokensPage {
        shell: shell(),
        csrf: "form-token".to_owned(),
        told: Some(HoldingNotice::TokensEnded),
        personal: Vec::new(),
        devices: Vec::new(),
        others: Vec::new(),
        more: false,
    };
    let made = MadeTokenPage {
        shell: shell(),
        token: format!("cfpt_{}", "0aZ".repeat(23)),
        id: "08iHMSIsZ1".to_owned(),
        name: "back-up".to_owned(),
        expires_at: NOW,
    };
    let mut cases = vec![
        Case::new("tokens.html", "plain", &tokens),
        Case::new("tokens.html", "none", &none),
        Case::new("token_made.html", "plain", &made),
        Case::new("token.html", "plain", &tree()),
    ];
    cases.extend(new_token_cases());
    cases
}

/// Every kind, every edge and every cause of death once.
fn tree() -> TokenPage {
    let kinds = [
        Kind::Session,
        Kind::Approval,
        Kind::RefreshFamily,
        Kind::AccessToken,
        Kind::Exchange,
        Kind::PersonalAccessToken,
        Kind::ClientGrant,
        Kind::AccessToken,
        Kind::AccessToken,
        Kind::AccessToken,
        Kind::AccessToken,
    ];
    let edges = [Edge::Root, Edge::Recorded, Edge::Binding, Edge::Minted];
    let causes = DeathCause::ALL.iter().map(|cause| Some(*cause));
    let causes = causes.chain([None, None]);
    let rows = kinds.into_iter().zip(causes).enumerate();
    let rows = rows.map(|(index, (kind, cause))| TreeRowModel {
        closes: if index == 9 { 3 } else { 0 },
        opens: index < 8,
        edge: edges[index.min(3)],
        kind,
        id: format!("08iHMSIsZ{index}"),
        name: (kind == Kind::PersonalAccessToken).then(|| "back-up".to_owned()),
        client: (kind == Kind::Approval).then(|| "Orchard".to_owned()),
        through: (kind == Kind::Session).then(through),
        alive: index == 10,
        cause,
        created_at: NOW,
        expires_at: NOW + 600,
        asked: index == 3,
    });
    TokenPage {
        shell: shell(),
        csrf: "form-token".to_owned(),
        id: "08iHMSIsZ3".to_owned(),
        may_end: true,
        rows: rows.collect(),
        open: 5,
        cut: true,
    }
}

fn account_cases() -> Vec<Case> {
    let page = |name, email, told, error: Option<AccountError>| AccountPage {
        shell: shell(),
        csrf: "form-token".to_owned(),
        username: "ada".to_owned(),
        name,
        quarantined: false,
        mail: error.is_none(),
        has_password: true,
        email,
        min_length: 12,
        told,
        error,
        devices: Vec::new(),
    };
    let quarantined = |email: Option<String>, mail| AccountPage {
        quarantined: true,
        has_password: false,
        mail,
        ..page(None, email, None, None)
    };
    let mut with_devices = page(text("Ada Byron"), text("ada@harbour.example"), None, None);
    with_devices.devices = vec![approval(BasisWord::Device), approval(BasisWord::Asked)];
    with_devices.devices[1].id = "08iHMSIsZ5".to_owned();
    let mut cases = vec![
        Case::new("account.html", "devices", &with_devices),
        Case::new(
            "account.html",
            "quarantined",
            &quarantined(text("ada@harbour.example"), true),
        ),
        Case::new("account.html", "no_mail", &quarantined(None, false)),
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
        list_cases(),
        token_cases(),
        identities::undo_cases(),
        identities::identity_cases(),
        identities::email_cases(),
    ]
    .into_iter()
    .flatten()
    .collect();
    prove(TEMPLATES, &cases);
}
