//! A server with one user, and browsers that keep their cookies.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT_LANGUAGE, COOKIE, ORIGIN};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::web::{self, Data};
use curfew_http::mailer::Mailer;
use curfew_http::origin::TrustedProxies;
use curfew_http::outbound::{Outbound, OutboundRules};
use curfew_http::pages::Pages;
use curfew_http::password::{PasswordHasher, hash};
use curfew_http::rates::RateRules;
use curfew_http::uses::Uses;
use curfew_http::{Edge, Issuer};
use curfew_policy::lifetime::LifetimeRules;
use curfew_policy::status::{EmailOrigin, UserStatus};
use curfew_protocol::{Clock, DEFAULT_TENANT, ManualClock, Redacted, Timestamp, UserId};
use curfew_store::clients::ClientRegistration;
use curfew_store::mails::Mail;
use curfew_store::users::{NewUser, User};
use curfew_store::{
    DatabaseUrl, ServerKeys, Store, StoreError, StoreOptions, SystemEntropy, Write,
};
use zeroize::Zeroizing;

use crate::pages::TEMPLATES;

pub(super) const PASSWORD: &str = "correct horse battery";
pub(super) const OTHER: &str = "an entirely different one";
const ORIGIN_OF_ALL: &str = "http://127.0.0.1:8080";

/// Hashed once: it costs 25 ms each time.
pub(super) fn password_hash() -> Redacted<String> {
    static HASH: OnceLock<Redacted<String>> = OnceLock::new();
    HASH.get_or_init(|| hash(PASSWORD, &SystemEntropy).unwrap())
        .clone()
}

/// Seconds as told, milliseconds that grow with every look, so that audit rows keep their order.
struct Ticking(ManualClock, AtomicU64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn now_millis(&self) -> u64 {
        self.0.now_millis() + self.1.fetch_add(1, Ordering::SeqCst)
    }
}

pub(super) struct App {
    pub(super) edge: Data<Edge>,
    pub(super) clock: ManualClock,
    pub(super) ada: UserId,
    folder: tempfile::TempDir,
}

impl App {
    /// With the user `ada`, and no mail.
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with_mail() -> Self {
        Self::with(|edge| {
            edge.mailer =
                Some(Mailer::new("smtp://127.0.0.1:1", "Curfew <no-reply@example.com>").unwrap());
        })
    }

    pub(super) fn with(change: impl FnOnce(&mut Edge)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(Timestamp::from_seconds(1_800_000_000));
        let keys = BTreeMap::from([(1, Zeroizing::new([7; 32]))]);
        let options = StoreOptions {
            database: DatabaseUrl::Sqlite(folder.path().join("curfew.db")),
            pool_size: 1,
            epoch_mark: None,
            keys: Arc::new(ServerKeys::new(&keys).unwrap().unwrap()),
            clock: Arc::new(Ticking(clock.clone(), AtomicU64::new(0))),
            entropy: Arc::new(SystemEntropy),
        };
        Store::migrate(&options).unwrap();
        let mut edge = Edge {
            store: Store::open(options).unwrap(),
            issuer: Issuer::parse(ORIGIN_OF_ALL).unwrap(),
            lifetimes: LifetimeRules::default(),
            rates: RateRules::default(),
            uses: Uses::default(),
            pages: Pages::new(&[TEMPLATES], None).unwrap(),
            proxies: TrustedProxies::default(),
            passwords: PasswordHasher::new(2),
            places: curfew_http::places::Places::default(),
            device_same_address: false,
            mailer: None,
            outbound: Outbound::new(&OutboundRules::default()).unwrap(),
        };
        change(&mut edge);
        let ada = add_user(&edge.store, "ada", Some("ada@harbour.example"));
        Self {
            edge: Data::new(edge),
            clock,
            ada,
            folder,
        }
    }

    pub(super) fn browser(&self) -> Browser {
        Browser {
            edge: self.edge.clone(),
            cookies: BTreeMap::new(),
            language: "en",
            page: String::new(),
        }
    }

    /// A browser in which `ada` is signed in.
    pub(super) async fn signed_in(&self) -> Browser {
        let mut browser = self.browser();
        let answer = browser.sign_in("ada", PASSWORD).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        browser
    }

    pub(super) fn write<T: Send + 'static>(
        &self,
        job: impl Fn(&mut Write<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        let store = &self.edge.store;
        beside(|| store.write_blocking(move |write| job(write).map(Ok::<_, ()>)))
            .unwrap()
            .unwrap()
    }

    pub(super) fn user(&self) -> User {
        let ada = self.ada;
        self.edge
            .store
            .read_blocking(move |read| read.user(ada))
            .unwrap()
            .unwrap()
    }

    pub(super) fn set_status(&self, status: UserStatus) {
        let ada = self.ada;
        self.write(move |write| write.user_set_status(ada, status));
    }

    /// The audit trail's events and details, newest first.
    pub(super) fn audit(&self) -> Vec<(String, Option<String>)> {
        let rows = self
            .edge
            .store
            .read_blocking(|read| read.audit_latest(100))
            .unwrap();
        rows.into_iter()
            .map(|row| (row.event, row.detail))
            .collect()
    }

    pub(super) fn mails(&self) -> Vec<Mail> {
        self.edge
            .store
            .read_blocking(|read| read.mails_due(100))
            .unwrap()
    }

    /// From now on, whoever opens the database finds none.
    pub(super) fn break_store(&self) {
        for name in ["curfew.db", "curfew.db-wal", "curfew.db-shm"] {
            std::fs::write(self.folder.path().join(name), [b'x'; 8_192]).unwrap();
        }
    }

    /// An account that was made by signing in upstream, with a password nevertheless.
    pub(super) fn add_quarantined(&self, username: &str, email: Option<&str>) -> UserId {
        let new = NewUser {
            email_origin: EmailOrigin::Upstream,
            quarantined: true,
            ..new_user(username, email, Some(password_hash()))
        };
        insert(&self.edge.store, new)
    }

    pub(super) fn add_client(&self) {
        self.write(|write| {
            let registration = ClientRegistration {
                client_id: "orchard".to_owned(),
                name: "Orchard <x>".to_owned(),
                redirect_uris: vec!["https://orchard.example/cb".to_owned()],
                post_logout_redirect_uris: vec!["https://orchard.example/bye?a=1".to_owned()],
                ..ClientRegistration::default()
            };
            write
                .client_insert(DEFAULT_TENANT, &registration, false)
                .map(|_| ())
        });
    }
}

pub(super) fn add_user(store: &Store, username: &str, email: Option<&str>) -> UserId {
    add_user_with(store, username, email, Some(password_hash()))
}

pub(super) fn add_user_with(
    store: &Store,
    username: &str,
    email: Option<&str>,
    password_hash: Option<Redacted<String>>,
) -> UserId {
    insert(store, new_user(username, email, password_hash))
}

fn new_user(
    username: &str,
    email: Option<&str>,
    password_hash: Option<Redacted<String>>,
) -> NewUser {
    NewUser {
        tenant_id: DEFAULT_TENANT,
        username: username.to_owned(),
        name: username.to_owned(),
        email: email.map(ToOwned::to_owned),
        email_key: email.map(ToOwned::to_owned),
        email_origin: EmailOrigin::Stated,
        quarantined: false,
        administrator: false,
        password_hash,
    }
}

fn insert(store: &Store, new: NewUser) -> UserId {
    let added =
        beside(|| store.write_blocking(move |write| write.user_insert(&new).map(Ok::<_, ()>)));
    added.unwrap().unwrap()
}

/// On a thread that may wait.
pub(super) fn beside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) cookies: Vec<String>,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(super) fn location(&self) -> &str {
        self.header("location")
    }
}

#[derive(Clone)]
pub(super) struct Browser {
    edge: Data<Edge>,
    pub(super) cookies: BTreeMap<String, String>,
    pub(super) language: &'static str,
    /// The last page, whose form token the next form carries.
    page: String,
}

impl Browser {
    pub(super) async fn get(&mut self, path: &str) -> Answer {
        self.send(TestRequest::get().uri(path)).await
    }

    /// Submits `fields` with the form token of the last page.
    pub(super) async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self
            .page
            .split_once("name=\"csrf\" value=\"")
            .map_or("", |(_, rest)| rest);
        let token = token.split('"').next().unwrap_or("").to_owned();
        let mut all = fields.to_vec();
        all.push(("csrf", &token));
        self.post(path, &all).await
    }

    /// Posts `fields` as they are.
    pub(super) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let request = TestRequest::post()
            .uri(path)
            .insert_header((ORIGIN, ORIGIN_OF_ALL))
            .insert_header(("content-type", "application/x-www-form-urlencoded"))
            .set_payload(body);
        self.send(request).await
    }

    pub(super) async fn sign_in(&mut self, username: &str, password: &str) -> Answer {
        self.get("/login").await;
        self.submit("/login", &[("username", username), ("password", password)])
            .await
    }

    pub(super) async fn is_signed_in(&mut self) -> bool {
        let answer = self.get("/account").await;
        assert!(answer.status == StatusCode::OK || answer.location().starts_with("/login"));
        answer.status == StatusCode::OK
    }

    pub(super) fn session_cookie(&self) -> Option<&String> {
        self.cookies
            .iter()
            .find(|(name, _)| name.contains("_session_"))
            .map(|(_, value)| value)
    }

    pub(super) async fn send(&mut self, request: TestRequest) -> Answer {
        let app = init_service(
            actix_web::App::new()
                .app_data(self.edge.clone())
                .service(web::scope("/t/{tenant}").configure(crate::routes))
                .configure(crate::routes)
                .default_service(web::to(curfew_http::visit::not_found)),
        )
        .await;
        let jar: Vec<String> = self
            .cookies
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        let mut request = request.append_header((ACCEPT_LANGUAGE, self.language));
        if !jar.is_empty() {
            request = request.insert_header((COOKIE, jar.join("; ")));
        }
        let response = call_service(&app, request.to_request()).await;
        let answer_cookies: Vec<String> = response
            .headers()
            .get_all("set-cookie")
            .map(|value| value.to_str().unwrap().to_owned())
            .collect();
        let headers = response.headers().iter();
        let headers = headers
            .map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned()))
            .collect();
        let status = response.status();
        let body = String::from_utf8_lossy(&read_body(response).await).into_owned();
        for cookie in &answer_cookies {
            let (name, rest) = cookie.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            match cookie.contains("Max-Age=0") {
                true => self.cookies.remove(name),
                false => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        self.page.clone_from(&body);
        Answer {
            status,
            headers,
            cookies: answer_cookies,
            body,
        }
    }
}
