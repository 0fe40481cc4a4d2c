//! E10: what a quarantined account gives to clients.

use curfew_policy::lifetime::{Caps, Credential, LifetimeRules};
use curfew_protocol::{Audiences, DEFAULT_TENANT, ScopeSet};
use curfew_store::codes::{ApprovalBasis, NewApproval};
use curfew_store::nodes::{Ancestor, Birth};

use crate::support::{Answer, Server, authorize, query};

impl Server {
    async fn lift(&self) {
        self.write(|write| {
            let ada = write.user_by_username(DEFAULT_TENANT, "ada")?.unwrap();
            write.user_lift_quarantine(ada.id).map(|_| ())
        })
        .await;
    }

    async fn consent_page(&self, scope: &str) -> Answer {
        let changes = [("scope", scope)];
        let asked = self.page(&authorize("asking", &changes)).await;
        assert!(asked.location().starts_with("/consent?"), "{asked:?}");
        self.page(asked.location()).await
    }

    async fn allow(&self, page: &Answer) -> Answer {
        let (csrf, request) = (page.field("csrf"), page.field("request"));
        let mut fields = vec![
            ("csrf", csrf.as_str()),
            ("request", request.as_str()),
            ("decision", "approve"),
        ];
        if page.body.contains("name=\"read_only\"") {
            fields.push(("read_only", "1"));
        }
        self.post_page("/consent", &fields).await
    }

    async fn scope_of(&self, client: &str, answer: &Answer) -> String {
        let code = answer.parameter("code");
        let code = code.unwrap_or_else(|| panic!("{answer:?}"));
        self.redeem(client, &code).await.text("scope")
    }
}

#[actix_web::test]
async fn e10_a_client_that_is_not_asked_about_gets_only_what_reads() {
    let server = Server::start_in_quarantine().await;
    let tokens = server.tokens().await;
    assert_eq!(tokens.text("scope"), "read");
    let refreshed = server.refresh(&tokens.text("refresh_token"), &[]).await;
    assert_eq!(refreshed.text("scope"), "read");
    let wider = [("scope", "read write")];
    let token = refreshed.text("refresh_token");
    server
        .refresh(&token, &wider)
        .await
        .expect_error(400, "invalid_scope");
    server.lift().await;
    let later = server.refresh(&token, &[]).await;
    assert_eq!(
        later.text("scope"),
        "read",
        "what was approved stays what it was"
    );
    assert_eq!(server.tokens().await.text("scope"), "read write");
}

#[actix_web::test]
async fn e10_a_request_of_which_nothing_reads_is_refused_in_words() {
    let server = Server::start_in_quarantine().await;
    for client in ["app", "asking"] {
        let refused = server.page(&authorize(client, &[("scope", "write")])).await;
        assert_eq!(refused.parameter("error").as_deref(), Some("access_denied"));
        let told = refused.parameter("error_description").unwrap();
        assert!(told.contains("may only read until"), "{told}");
        assert_eq!(server.audit()[0], "authorization.refused!access_denied");
    }
}

#[actix_web::test]
async fn e10_the_consent_page_says_what_is_withheld_and_the_consent_covers_no_more() {
    let server = Server::start_in_quarantine().await;
    let page = server.consent_page("read write").await;
    let withheld = page.body.find("withheld-title").unwrap();
    assert!(
        page.body.find("read things").unwrap() < withheld,
        "{page:?}"
    );
    assert!(
        page.body.find("write things").unwrap() > withheld,
        "{page:?}"
    );
    let allowed = server.allow(&page).await;
    assert_eq!(server.scope_of("asking", &allowed).await, "read");
    let again = server
        .page(&authorize("asking", &[("scope", "read write")]))
        .await;
    let scope = server.scope_of("asking", &again).await;
    assert_eq!(scope, "read", "remembered, and no wider");
    server.lift().await;
    let asked = server
        .page(&authorize("asking", &[("scope", "read write")]))
        .await;
    assert!(
        asked.location().starts_with("/consent?"),
        "asked anew: {asked:?}"
    );
}

#[actix_web::test]
async fn e10_who_was_shown_what_reads_agrees_to_no_more_when_the_quarantine_ends_meanwhile() {
    let server = Server::start_in_quarantine().await;
    let page = server.consent_page("read write").await;
    server.lift().await;
    let allowed = server.allow(&page).await;
    assert_eq!(server.scope_of("asking", &allowed).await, "read");
}

#[actix_web::test]
async fn e10_a_form_without_the_mark_widens_nothing() {
    let server = Server::start_in_quarantine().await;
    let page = server.consent_page("read write").await;
    let csrf = page.field("csrf");
    let query = query("asking", &[("scope", "read write")]);
    let fields = [
        ("csrf", csrf.as_str()),
        ("request", query.as_str()),
        ("decision", "approve"),
    ];
    let allowed = server.post_page("/consent", &fields).await;
    assert_eq!(server.scope_of("asking", &allowed).await, "read");
}

#[actix_web::test]
async fn e10_a_device_gets_only_what_reads_and_the_page_says_so() {
    let server = Server::start_in_quarantine().await;
    let (device_code, user_code) = server.device("read write offline_access").await;
    let page = server.device_page(&user_code).await;
    assert!(page.body.contains("withheld-title") && page.body.contains("write things"));
    let done = server.approve_device(&page).await;
    assert_eq!(done.location(), "/device/done?outcome=approved");
    let tokens = server.poll(&device_code).await;
    assert_eq!(tokens.text("scope"), "offline_access read");
}

#[actix_web::test]
async fn e10_a_device_that_asks_for_nothing_that_reads_gets_nothing() {
    let server = Server::start_in_quarantine().await;
    let (device_code, user_code) = server.device("write offline_access").await;
    let page = server.device_page(&user_code).await;
    assert_eq!(page.status, 403);
    assert!(page.body.contains("Confirm your address"), "{page:?}");
    server
        .poll(&device_code)
        .await
        .expect_error(400, "authorization_pending");
    server.lift().await;
    server.clock.advance(5);
    let page = server.device_page(&user_code).await;
    let done = server.approve_device(&page).await;
    assert_eq!(done.location(), "/device/done?outcome=approved");
    server.clock.advance(5);
    let tokens = server.poll(&device_code).await;
    assert_eq!(tokens.text("scope"), "offline_access write");
}

#[actix_web::test]
async fn e10_what_was_approved_by_whatever_path_is_cut_once_more_at_the_mint() {
    let server = Server::start_in_quarantine().await;
    for (scopes, left) in [("read write", Some("read")), ("write", None)] {
        // An approval as nothing of ours makes it.
        let code = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
        let made = code.clone();
        server
            .write(move |write| {
                let ada = write.user_by_username(DEFAULT_TENANT, "ada")?.unwrap();
                let session = write.session_list(ada.id)?.remove(0).id;
                let client = write.client_by_client_id("app")?.unwrap();
                let session = write.node_chain(session)?.unwrap();
                let (rules, now) = (LifetimeRules::default(), write.now());
                let end = |kind| rules.expires_at(kind, now, Caps::default()).unwrap();
                let approval_end = end(Credential::Approval);
                let birth = Birth::recorded_below(&session, session.era);
                let approval = write.approval_insert(&NewApproval {
                    birth: birth.for_client(Some((client.key, client.epoch))),
                    ancestor: Ancestor::Recorded(session.id),
                    parent_token: None,
                    session_id: None,
                    expires_at: approval_end,
                    scopes: ScopeSet::parse(scopes).unwrap(),
                    audiences: Audiences::default(),
                    basis: ApprovalBasis::Implicit,
                    device: None,
                })?;
                let new = curfew_store::codes::NewCode {
                    expires_at: end(Credential::AuthorizationCode),
                    redirect_uri: crate::support::REDIRECT.to_owned(),
                    redirect_uri_sent: true,
                    code_challenge: crate::support::CHALLENGE.to_owned(),
                };
                let (_, text) = write.code_insert(approval, approval_end, &new)?;
                *made.lock().unwrap() = text.reveal();
                Ok(())
            })
            .await;
        let code = code.lock().unwrap().clone();
        let answer = server.redeem("app", &code).await;
        match left {
            Some(left) => assert_eq!(answer.text("scope"), left),
            None => answer.expect_error(400, "invalid_grant"),
        }
    }
}
