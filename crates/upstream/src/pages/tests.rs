use curfew_http::pages::testing::{Case, prove};
use curfew_http::pages::{Language, LocalPath, OutsideLink, Pages, Shell};
use url::Url;

use super::*;

fn shell() -> Shell {
    Shell {
        base: "/t/harbour".to_owned(),
        name: "Harbour".to_owned(),
    }
}

fn refused(code: Refusal, provider: Option<&str>) -> RefusedPage {
    RefusedPage {
        shell: shell(),
        code,
        provider: provider.map(str::to_owned),
        back: LocalPath::new("/t/harbour/login"),
        signed_in: false,
        correlation_id: "01J9ZQ4Y7V".to_owned(),
    }
}

fn question(note: Option<ProofNote>) -> ProofPage {
    ProofPage {
        shell: shell(),
        csrf: "token".to_owned(),
        request: "7Y".to_owned(),
        provider: "Orchard ID".to_owned(),
        identity: "ada".to_owned(),
        email: Some("ada@harbour.example".to_owned()),
        mail: true,
        sign_in: LocalPath::new("/t/harbour/login?return_to=%2Fx"),
        back: LocalPath::new("/t/harbour/login"),
        note,
    }
}

fn last_question(act: ProofAct, note: Option<ProofNote>) -> ProofConfirmPage {
    ProofConfirmPage {
        shell: shell(),
        csrf: "token".to_owned(),
        act,
        request: Some("7Y".to_owned()),
        token: Some("cfml_x".to_owned()),
        provider: "Orchard ID".to_owned(),
        identity: "ada".to_owned(),
        account: "ada.l".to_owned(),
        back: LocalPath::new("/t/harbour/account/identities"),
        note,
    }
}

#[test]
fn every_page_keeps_the_rules_in_every_language() {
    let mut cases = Vec::new();
    for code in Refusal::ALL {
        let page = refused(*code, Some("Orchard ID"));
        cases.push(Case::new("upstream_refused.html", code.code(), &page));
    }
    let unknown = refused(Refusal::ProofInvalid, None);
    cases.push(Case::new("upstream_refused.html", "nowhere", &unknown));
    let linking = RefusedPage {
        signed_in: true,
        ..refused(Refusal::SessionEnded, Some("Orchard ID"))
    };
    cases.push(Case::new("upstream_refused.html", "linking", &linking));
    let leave = Url::parse("https://id.orchard.example/authorize?state=x&nonce=y").unwrap();
    for (name, adds) in [("adding", true), ("invited", false)] {
        let leaving = ContinuePage {
            shell: shell(),
            provider: "Orchard ID".to_owned(),
            adds,
            leave: OutsideLink::new(&leave).unwrap(),
        };
        cases.push(Case::new("upstream_continue.html", name, &leaving));
    }
    cases.push(Case::new("upstream_proof.html", "plain", &question(None)));
    let bare = ProofPage {
        mail: false,
        email: None,
        ..question(None)
    };
    cases.push(Case::new("upstream_proof.html", "no_mail", &bare));
    for note in ProofNote::ALL {
        let name = ["expired", "too_many", "none"][*note as usize];
        let page = question(Some(*note));
        cases.push(Case::new("upstream_proof.html", name, &page));
        let page = last_question(ProofAct::Confirm, Some(*note));
        cases.push(Case::new("upstream_proof_confirm.html", name, &page));
    }
    for (name, act) in [("session", ProofAct::Confirm), ("mailbox", ProofAct::Prove)] {
        let page = last_question(act, None);
        cases.push(Case::new("upstream_proof_confirm.html", name, &page));
    }
    let sent = ProofSentPage {
        shell: shell(),
        minutes: 15,
    };
    cases.push(Case::new("upstream_proof_sent.html", "plain", &sent));
    prove(TEMPLATES, &cases);
}

#[test]
fn b02_a_refusal_names_its_code_and_what_to_quote_and_nothing_of_the_inside() {
    let pages = Pages::new(&[TEMPLATES], None).unwrap();
    for code in Refusal::ALL {
        let page = refused(*code, Some("Orchard ID"));
        let html = pages.render("upstream_refused.html", &Language::english(), &page);
        let html = html.unwrap();
        assert!(
            html.contains(code.code()) && html.contains("01J9ZQ4Y7V"),
            "{html}"
        );
        let told = html.to_lowercase();
        for inside in ["constraint", "table", "column", "sql", "database"] {
            assert!(!told.contains(inside), "{inside}: {html}");
        }
    }
}
