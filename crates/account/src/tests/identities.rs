//! Upstream identities on the account page, and the mailed links about them.

use actix_web::http::StatusCode;
use actix_web::test::TestRequest;
use curfew_http::Realm;
use curfew_http::notice::{IdentityChange, IdentityNotice};
use curfew_http::problem::PageContext;
use curfew_http::session::{self, UpstreamBirth};
use curfew_http::sign_in::SignIn;
use curfew_policy::lifetime::LifetimeRules;
use curfew_policy::status::{OwnerStatus, ProviderKind};
use curfew_policy::upstream::ProviderSettings;
use curfew_protocol::{DEFAULT_TENANT, LinkId, NodeId, ProviderId, UserId};
use curfew_store::audit::{AuthenticatedBy, Origin};
use curfew_store::links::{NewLink, Subject};
use curfew_store::nodes::BornThrough;
use curfew_store::providers::{NewProvider, ProviderDescription};
use curfew_store::sessions::UpstreamSession;

use super::support::{App, Browser, PASSWORD, add_user, add_user_with};

const PATH: &str = "/account/identities";
const UNLINK: &str = "/account/identities/unlink";

pub(super) fn subject(text: &str) -> Subject {
    Subject {
        issuer: "https://company.example".to_owned(),
        subject: text.to_owned(),
    }
}

impl App {
    pub(super) fn add_provider(&self, slug: &'static str) -> ProviderId {
        self.write(move |write| {
            let new = NewProvider {
                tenant_id: DEFAULT_TENANT,
                slug: slug.to_owned(),
                kind: ProviderKind::OpenId,
                configured: false,
                description: ProviderDescription {
                    name: format!("The <{slug}>"),
                    issuer: "https://company.example".to_owned(),
                    client_id: "curfew".to_owned(),
                    settings: ProviderSettings::default(),
                },
            };
            write.provider_insert(&new, None)
        })
    }

    pub(super) fn add_link(
        &self,
        user: UserId,
        provider: ProviderId,
        name: &'static str,
    ) -> LinkId {
        self.write(move |write| {
            write.link_insert(&NewLink {
                provider_id: provider,
                user_id: user,
                subject: Some(subject(name)),
                display: format!("{name}@company.example"),
            })
        })
    }

    /// A browser in which `user` is signed in through a link, in a session upstream.
    pub(super) fn signed_in_through(
        &self,
        user: UserId,
        link: LinkId,
        upstream: UpstreamSession,
    ) -> (Browser, NodeId) {
        let started = self.write(move |write| {
            let tenant = write.tenant(DEFAULT_TENANT)?.unwrap();
            let user = write.user(user)?.unwrap();
            let link = write.link(link)?.unwrap();
            let provider = write.provider(link.provider_id)?.unwrap();
            let (rules, origin) = (LifetimeRules::default(), Origin::default());
            let sign_in = SignIn {
                upstream: Some(UpstreamBirth {
                    through: Some(BornThrough {
                        link: link.id,
                        link_epoch: link.epoch,
                        provider_epoch: provider.epoch,
                    }),
                    session: upstream.clone(),
                    ends_at: None,
                    authenticated_at: Some(write.now()),
                }),
                ..SignIn::here(&rules, &tenant, AuthenticatedBy::Nobody, &origin)
            };
            Ok(session::start(write, &user, &sign_in)?.unwrap())
        });
        let mut browser = self.browser();
        let name = self.edge.issuer.cookie_name("session", "");
        browser.cookies.insert(name, started.secret.reveal());
        (browser, started.id)
    }

    pub(super) fn link_status(&self, id: LinkId) -> OwnerStatus {
        let store = &self.edge.store;
        let found = store.read_blocking(move |read| read.link(id)).unwrap();
        found.unwrap().status
    }

    /// The path of the link in the last mail.
    pub(super) fn mailed_path(&self) -> String {
        let mail = self.mails().pop().expect("a mail");
        let link = mail.body.0.lines().find(|line| line.starts_with("http"));
        let path = link.unwrap().strip_prefix("http://127.0.0.1:8080");
        path.unwrap().to_owned()
    }

    /// The mail that tells of a change.
    pub(super) fn tell(&self, change: IdentityChange<'static>) {
        let notice = {
            let request = TestRequest::get().uri("/").to_http_request();
            let realm = Realm::root();
            let at = PageContext {
                edge: &self.edge,
                realm: &realm,
                request: &request,
            };
            IdentityNotice::of(&self.edge, &at).unwrap()
        };
        self.write(move |write| notice.queue(write, change));
    }
}

async fn unlink(browser: &mut Browser, id: LinkId) -> super::support::Answer {
    browser.get(PATH).await;
    browser.submit(UNLINK, &[("id", &id.to_string())]).await
}

/// Follows a mailed undo link to its end.
async fn follow(browser: &mut Browser, path: &str) -> super::support::Answer {
    let page = browser.get(path).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let secret = path.split_once('=').unwrap().1;
    browser.submit("/account/undo", &[("link", secret)]).await
}

#[actix_web::test]
async fn the_page_lists_what_is_linked_and_offers_every_active_provider() {
    let app = App::new();
    let (company, off) = (app.add_provider("company"), app.add_provider("off"));
    app.add_link(app.ada, company, "ada");
    app.write(move |write| write.provider_set_status(off, OwnerStatus::Disabled));
    let mut browser = app.signed_in().await;
    assert!(
        browser
            .get("/account")
            .await
            .body
            .contains("id=\"to-identities\"")
    );
    let page = browser.get(PATH).await.body;
    for shown in [
        "The &lt;company&gt;",
        "ada@company.example",
        "id=\"identity-unlink\"",
        "id=\"identity-link-company\"",
        "action=\"/upstream/company/link\"",
    ] {
        assert!(page.contains(shown), "{shown} in {page}");
    }
    assert!(!page.contains("identity-link-off"));
    browser.language = "de";
    assert!(
        browser
            .get(PATH)
            .await
            .body
            .contains("Verknüpfte Identitäten")
    );
    let nobody = app.browser().get(PATH).await;
    assert_eq!(
        nobody.location(),
        "/login?return_to=%2Faccount%2Fidentities"
    );
}

#[actix_web::test]
async fn b36_unlinking_ends_the_sessions_born_through_it_and_leaves_an_account_that_was_linked() {
    let app = App::with_mail();
    let link = app.add_link(app.ada, app.add_provider("company"), "ada");
    let (mut through, _) = app.signed_in_through(app.ada, link, UpstreamSession::default());
    let mut here = app.signed_in().await;
    assert!(through.is_signed_in().await);
    let done = unlink(&mut here, link).await;
    assert_eq!(done.location(), "/account/identities?told=unlinked");
    assert!(
        here.get(done.location())
            .await
            .body
            .contains("It was unlinked")
    );
    assert!(!through.is_signed_in().await && here.is_signed_in().await);
    assert_eq!(app.link_status(link), OwnerStatus::Deleted);
    assert!(app.user().ever_linked);
    let told = ("identity.unlinked".to_owned(), Some("company".to_owned()));
    assert_eq!(app.audit()[0], told);
    let mail = app.mails().pop().unwrap();
    assert_eq!(mail.recipient, "ada@harbour.example");
    assert!(
        mail.body.0.contains("ada@company.example at The <company>"),
        "{}",
        mail.body.0
    );
    assert_eq!(unlink(&mut here, link).await.status, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn whoever_unlinks_the_identity_they_came_in_through_is_signed_out_and_told_why() {
    let app = App::new();
    let link = app.add_link(app.ada, app.add_provider("company"), "ada");
    let (mut browser, _) = app.signed_in_through(app.ada, link, UpstreamSession::default());
    let done = unlink(&mut browser, link).await;
    assert_eq!(done.location(), "/login?told=identity_unlinked");
    assert_eq!(browser.session_cookie(), None);
    assert!(
        browser
            .get(done.location())
            .await
            .body
            .contains("Sign in another way")
    );
}

#[actix_web::test]
async fn unlinking_wants_a_fresh_sign_in() {
    let app = App::new();
    let link = app.add_link(app.ada, app.add_provider("company"), "ada");
    let mut browser = app.signed_in().await;
    app.clock.advance(299);
    assert_eq!(
        unlink(
            &mut browser,
            app.add_link(app.ada, app.add_provider("other"), "b")
        )
        .await
        .location(),
        "/account/identities?told=unlinked"
    );
    app.clock.advance(1);
    let stale = unlink(&mut browser, link).await;
    assert_eq!(
        stale.location(),
        "/login?return_to=%2Faccount%2Fidentities&reauth=1"
    );
    assert_eq!(app.link_status(link), OwnerStatus::Active);
    let page = browser.get(stale.location()).await;
    assert_eq!(page.status, StatusCode::OK, "the sign-in is shown again");
    let again = [
        ("username", "ada"),
        ("password", PASSWORD),
        ("return_to", PATH),
    ];
    assert_eq!(browser.submit("/login", &again).await.location(), PATH);
    let done = unlink(&mut browser, link).await;
    assert_eq!(done.location(), "/account/identities?told=unlinked");
}

#[actix_web::test]
async fn the_last_way_in_is_never_unlinked() {
    let app = App::new();
    let eve = add_user_with(&app.edge.store, "eve", None, None);
    let (company, other) = (app.add_provider("company"), app.add_provider("other"));
    let (first, second) = (
        app.add_link(eve, company, "eve"),
        app.add_link(eve, other, "eva"),
    );
    let (mut browser, _) = app.signed_in_through(eve, first, UpstreamSession::default());
    app.write(move |write| write.provider_set_status(other, OwnerStatus::Disabled));
    let page = browser.get(PATH).await.body;
    assert!(
        page.contains("only way into your account") && page.contains("/login/forgot"),
        "{page}"
    );
    let refused = unlink(&mut browser, first).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(
        refused.body.contains("Set a password first"),
        "{}",
        refused.body
    );
    assert_eq!(app.link_status(first), OwnerStatus::Active);
    app.write(move |write| write.provider_set_status(other, OwnerStatus::Active));
    let done = unlink(&mut browser, second).await;
    assert_eq!(done.location(), "/account/identities?told=unlinked");
    assert_eq!(
        unlink(&mut browser, first).await.status,
        StatusCode::CONFLICT
    );
}

#[actix_web::test]
async fn b37_only_ones_own_active_link_is_there_to_be_unlinked() {
    let app = App::new();
    let company = app.add_provider("company");
    let eve = add_user(&app.edge.store, "eve", None);
    let (hers, own) = (
        app.add_link(eve, company, "eve"),
        app.add_link(app.ada, company, "ada"),
    );
    app.write(move |write| write.link_set_status(own, OwnerStatus::Disabled));
    let mut browser = app.signed_in().await;
    assert_eq!(
        unlink(&mut browser, hers).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        unlink(&mut browser, own).await.status,
        StatusCode::NOT_FOUND
    );
    browser.get(PATH).await;
    let odd = browser.submit(UNLINK, &[("id", "' OR 1=1")]).await;
    assert_eq!(odd.status, StatusCode::NOT_FOUND);
    assert_eq!(app.link_status(hers), OwnerStatus::Active);
    assert_eq!(app.link_status(own), OwnerStatus::Disabled);
}

#[actix_web::test]
async fn a_linked_identity_is_taken_away_by_the_mailed_link_once_and_signed_out() {
    let app = App::with_mail();
    let link = app.add_link(app.ada, app.add_provider("company"), "thief");
    let (mut thief, _) = app.signed_in_through(app.ada, link, UpstreamSession::default());
    app.tell(IdentityChange::Linked(link));
    let path = app.mailed_path();
    let mut browser = app.browser();
    let page = browser.get(&path).await.body;
    assert!(
        page.contains("thief@company.example") && page.contains("take it away"),
        "{page}"
    );
    assert!(thief.is_signed_in().await, "looking changes nothing");
    let done = follow(&mut browser, &path).await;
    assert_eq!(done.location(), "/account/undone?what=linked");
    let next = browser.get(done.location()).await.body;
    assert!(next.contains("That way to sign in is gone"), "{next}");
    assert!(!thief.is_signed_in().await);
    assert_eq!(app.link_status(link), OwnerStatus::Deleted);
    assert!(app.user().ever_linked);
    let row = (
        "identity.change_undone".to_owned(),
        Some("linked company".to_owned()),
    );
    assert_eq!(app.audit()[0], row);
    assert_eq!(browser.get(&path).await.status, StatusCode::BAD_REQUEST);
}

#[actix_web::test]
async fn an_unlinked_identity_comes_back_by_the_mailed_link_unless_it_is_bound_anew() {
    let app = App::with_mail();
    let company = app.add_provider("company");
    let link = app.add_link(app.ada, company, "ada");
    let mut here = app.signed_in().await;
    let unlinked = unlink(&mut here, link).await;
    assert_eq!(unlinked.location(), "/account/identities?told=unlinked");
    let path = app.mailed_path();
    let eve = add_user(&app.edge.store, "eve", None);
    let anew = app.add_link(eve, company, "ada");
    let mut browser = app.browser();
    let taken = follow(&mut browser, &path).await;
    assert_eq!(taken.status, StatusCode::CONFLICT);
    assert!(
        taken.body.contains("cannot be brought back"),
        "{}",
        taken.body
    );
    app.write(move |write| write.link_set_status(anew, OwnerStatus::Deleted));
    let done = follow(&mut browser, &path).await;
    assert_eq!(done.location(), "/account/undone?what=unlinked");
    assert_eq!(app.link_status(link), OwnerStatus::Active);
    let row = (
        "identity.change_undone".to_owned(),
        Some("unlinked company".to_owned()),
    );
    assert_eq!(app.audit()[0], row);
    assert_eq!(browser.get(&path).await.status, StatusCode::BAD_REQUEST);
}

#[actix_web::test]
async fn a_thief_who_signs_out_everywhere_does_not_void_the_link_that_takes_his_identity_away() {
    let app = App::with_mail();
    let link = app.add_link(app.ada, app.add_provider("company"), "thief");
    app.tell(IdentityChange::Linked(link));
    let (path, ada) = (app.mailed_path(), app.ada);
    app.write(move |write| write.user_epoch_raise(ada));
    let mut thief = app.signed_in().await;
    let done = follow(&mut app.browser(), &path).await;
    assert_eq!(done.location(), "/account/undone?what=linked");
    assert_eq!(app.link_status(link), OwnerStatus::Deleted);
    assert!(!thief.is_signed_in().await, "or it would be linked again");
}

/// Otherwise it could be linked anew past the administrator.
#[actix_web::test]
async fn what_an_administrator_disabled_is_not_taken_away_by_mail() {
    let app = App::with_mail();
    let link = app.add_link(app.ada, app.add_provider("company"), "thief");
    app.tell(IdentityChange::Linked(link));
    let path = app.mailed_path();
    app.write(move |write| write.link_set_status(link, OwnerStatus::Disabled));
    let done = follow(&mut app.browser(), &path).await;
    assert_eq!(done.location(), "/account/undone?what=linked");
    assert_eq!(app.link_status(link), OwnerStatus::Disabled);
}

#[actix_web::test]
async fn an_identity_comes_back_only_under_the_epoch_that_it_was_taken_away_under() {
    let app = App::with_mail();
    let link = app.add_link(app.ada, app.add_provider("company"), "thief");
    app.write(move |write| write.link_set_status(link, OwnerStatus::Deleted));
    app.tell(IdentityChange::Unlinked(link));
    let (path, ada) = (app.mailed_path(), app.ada);
    app.write(move |write| write.user_epoch_raise(ada));
    let dead = app.browser().get(&path).await;
    assert_eq!(dead.status, StatusCode::BAD_REQUEST);
    assert_eq!(app.link_status(link), OwnerStatus::Deleted);
}

#[actix_web::test]
async fn the_list_of_sessions_names_the_identity_that_was_signed_in_with() {
    let app = App::new();
    let link = app.add_link(app.ada, app.add_provider("company"), "ada");
    let (mut browser, _) = app.signed_in_through(app.ada, link, UpstreamSession::default());
    app.signed_in().await;
    let page = browser.get("/account/sessions").await.body;
    assert_eq!(page.matches("Signed in through").count(), 1, "{page}");
    assert!(
        page.contains("The &lt;company&gt; · ada@company.example"),
        "{page}"
    );
}
