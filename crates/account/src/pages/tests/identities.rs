use super::*;

fn identity(id: &str, usable: bool, removable: bool) -> IdentityRow {
    IdentityRow {
        id: id.to_owned(),
        provider: "Company ID".to_owned(),
        identity: if removable { "ada@company.example" } else { "" }.to_owned(),
        since: NOW,
        usable,
        removable,
    }
}

pub(super) fn identity_cases() -> Vec<Case> {
    let page = |identities, told, error| IdentitiesPage {
        shell: shell(),
        csrf: "form-token".to_owned(),
        told,
        error,
        identities,
        providers: [("company", "Company ID"), ("github", "GitHub")]
            .map(|(slug, name)| ProviderRow {
                slug: slug.to_owned(),
                name: name.to_owned(),
            })
            .into(),
        has_password: error.is_none(),
    };
    let several = vec![
        identity("7x1", true, true),
        identity("7x2", true, true),
        identity("7x3", false, false),
    ];
    let bare = IdentitiesPage {
        providers: Vec::new(),
        ..page(Vec::new(), None, None)
    };
    let mut cases = vec![
        Case::new("identities.html", "plain", &page(several, None, None)),
        Case::new("identities.html", "none", &bare),
    ];
    cases.extend(IdentityNoticeWord::ALL.iter().map(|told| {
        let page = page(vec![identity("7x1", true, true)], Some(*told), None);
        Case::new("identities.html", "notice", &page)
    }));
    cases.extend(IdentityError::ALL.iter().map(|error| {
        let page = page(vec![identity("7x1", true, false)], None, Some(*error));
        Case::new("identities.html", "error", &page)
    }));
    cases
}

pub(super) fn email_cases() -> Vec<Case> {
    let page = |email: Option<&str>, proved, told, error| EmailPage {
        shell: shell(),
        csrf: "form-token".to_owned(),
        email: email.map(str::to_owned),
        proved,
        quarantined: false,
        mail: true,
        typed: String::new(),
        minutes: 15,
        told,
        error,
    };
    let ada = Some("ada@harbour.example");
    let without_mail = EmailPage {
        mail: false,
        ..page(ada, false, None, None)
    };
    let quarantined = |email| EmailPage {
        quarantined: true,
        ..page(email, false, None, None)
    };
    let mut cases = vec![
        Case::new("email.html", "plain", &page(ada, true, None, None)),
        Case::new("email.html", "unproved", &page(ada, false, None, None)),
        Case::new("email.html", "none", &page(None, false, None, None)),
        Case::new("email.html", "no_mail", &without_mail),
        Case::new("email.html", "quarantined", &quarantined(ada)),
        Case::new("email.html", "quarantined_bare", &quarantined(None)),
        Case::new(
            "email_invalid.html",
            "plain",
            &EmailInvalidPage { shell: shell() },
        ),
    ];
    cases.extend(EmailNotice::ALL.iter().map(|told| {
        let page = page(ada, true, Some(*told), None);
        Case::new("email.html", "notice", &page)
    }));
    cases.extend(EmailError::ALL.iter().map(|error| {
        let page = page(ada, true, None, Some(*error));
        Case::new("email.html", "error", &page)
    }));
    cases.extend([false, true].map(|changes| {
        let page = EmailConfirmPage {
            shell: shell(),
            csrf: "form-token".to_owned(),
            link: "cfml_link".to_owned(),
            username: "ada".to_owned(),
            email: "ada@harbour.example".to_owned(),
            changes,
            expired: changes,
        };
        Case::new("email_confirm.html", "plain", &page)
    }));
    cases.extend(EmailOutcome::ALL.iter().map(|outcome| {
        let page = EmailDonePage {
            shell: shell(),
            outcome: *outcome,
        };
        Case::new("email_done.html", "plain", &page)
    }));
    cases
}

pub(super) fn undo_cases() -> Vec<Case> {
    let page = |what, facts, over: bool, expired| UndoPage {
        shell: shell(),
        csrf: "form-token".to_owned(),
        link: "cfml_link".to_owned(),
        username: "ada".to_owned(),
        what,
        facts,
        over,
        expired,
    };
    let device = || UndoFacts {
        client: text("Television"),
        at: Some(NOW),
        ip: text("192.0.2.7"),
        ..UndoFacts::default()
    };
    let identity = || UndoFacts {
        provider: text("Company ID"),
        identity: text("eve@company.example"),
        ..UndoFacts::default()
    };
    let address = UndoFacts {
        email: text("ada@harbour.example"),
        ..UndoFacts::default()
    };
    let bare = UndoFacts {
        at: Some(NOW),
        ..UndoFacts::default()
    };
    let mut cases = vec![
        Case::new(
            "undo.html",
            "device",
            &page(UndoWhat::Device, device(), false, false),
        ),
        Case::new(
            "undo.html",
            "device_over",
            &page(UndoWhat::Device, bare, true, true),
        ),
        Case::new(
            "undo.html",
            "linked",
            &page(UndoWhat::Linked, identity(), true, false),
        ),
        Case::new(
            "undo.html",
            "unlinked",
            &page(UndoWhat::Unlinked, identity(), true, false),
        ),
        Case::new(
            "undo.html",
            "address",
            &page(UndoWhat::Address, address, true, false),
        ),
        Case::new(
            "undo_invalid.html",
            "plain",
            &UndoInvalidPage { shell: shell() },
        ),
    ];
    cases.extend(UndoWhat::ALL.iter().map(|what| {
        let page = UndonePage {
            shell: shell(),
            what: *what,
        };
        Case::new("undone.html", "plain", &page)
    }));
    cases.extend(TakenWhat::ALL.iter().map(|what| {
        let page = TakenPage {
            shell: shell(),
            what: *what,
        };
        Case::new("taken.html", "plain", &page)
    }));
    cases
}
