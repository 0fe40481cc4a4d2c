//! A server with people, a provider that says what a test wants it to say, and browsers that keep their cookies.

use std::collections::{BTreeMap, HashMap};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use actix_web::http::header::{COOKIE, ORIGIN};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::web::{self, Data};
use curfew_http::mailer::Mailer;
use curfew_http::origin::TrustedProxies;
use curfew_http::pages::Pages;
use curfew_http::password::PasswordHasher;
use curfew_http::places::Places;
use curfew_http::rates::RateRules;
use curfew_http::sign_in::SignIn;
use curfew_http::uses::Uses;
use curfew_http::{Edge, Issuer, Realm, session};
use curfew_policy::email::canonical;
use curfew_policy::lifetime::LifetimeRules;
use curfew_policy::status::{EmailOrigin, OwnerStatus, ProviderKind};
use curfew_policy::upstream::{ProviderPolicy, ProviderSettings};
use curfew_protocol::{
    Clock, DEFAULT_TENANT, Entropy as _, Form, ManualClock, NodeId, ProviderId, Redacted,
    Timestamp, UserId,
};
use curfew_store::audit::{AuthenticatedBy, Origin};
use curfew_store::links::{Link, NewLink, Subject};
use curfew_store::providers::{NewProvider, Provider, ProviderDescription};
use curfew_store::users::{NewUser, User};
use curfew_store::{
    DatabaseUrl, Read, ServerKeys, Store, StoreError, StoreOptions, SystemEntropy, Write,
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::UpstreamClient;
use crate::testing::keys::Key;
use crate::testing::server::{Reply, Request, Server};
use crate::testing::{NOW, outbound};

pub(super) const HERE: &str = "http://127.0.0.1:8080";
pub(super) const SLUG: &str = "idp";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Backend {
    Sqlite,
    Postgres,
}

/// Each test on both databases.
macro_rules! on_both_backends {
    ($($(#[$meta:meta])* async fn $name:ident($backend:ident) $body:block)+) => {$(
        mod $name {
            use super::*;

            async fn test($backend: Backend) $body

            #[actix_web::test]
            async fn on_sqlite() {
                test(Backend::Sqlite).await;
            }

            #[actix_web::test]
            async fn on_postgres() {
                test(Backend::Postgres).await;
            }
        }
    )+};
}
pub(super) use on_both_backends;

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

/// What the provider says.
#[derive(Default)]
struct Words {
    metadata: Value,
    /// Claims by the code that they are redeemed for.
    codes: HashMap<String, Value>,
    silent: bool,
}

/// An OpenID provider that vouches for whatever it is told.
pub(super) struct Idp {
    pub(super) server: Server,
    words: Arc<Mutex<Words>>,
    key: Arc<Key>,
}

impl Idp {
    fn start() -> Self {
        let words = Arc::new(Mutex::new(Words::default()));
        let key = Arc::new(Key::p256());
        let (heard, signing) = (words.clone(), key.clone());
        let server = Server::start(move |_, request| say(&heard, &signing, request));
        let url = &server.url;
        words.lock().unwrap().metadata = json!({
            "issuer": url,
            "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{url}/token"),
            "jwks_uri": format!("{url}/jwks"),
            "id_token_signing_alg_values_supported": ["ES256"],
        });
        Self { server, words, key }
    }

    /// From now on, or no longer, nothing is answered but an error.
    pub(super) fn be_silent(&self, silent: bool) {
        self.words.lock().unwrap().silent = silent;
    }

    /// Lets the person in whom `claims` describe: where the browser that was sent to `location` goes back to.
    pub(super) fn let_in(&self, location: &str, claims: &Value) -> String {
        let query = Query::of(location);
        let code = format!("code-{}", query.get("state"));
        let mut all = json!({
            "iss": self.server.url, "aud": "curfew", "nonce": query.get("nonce"),
            "iat": NOW.seconds(), "exp": NOW.seconds() + 3_600,
        });
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        self.words.lock().unwrap().codes.insert(code.clone(), all);
        let callback = query.get("redirect_uri").strip_prefix(HERE).unwrap();
        let parameters = [("code", code.as_str()), ("state", query.get("state"))];
        format!("{callback}?{}", encoded(&parameters))
    }

    /// A signed logout token.
    pub(super) fn logout_token(&self, claims: &Value) -> String {
        let mut all = json!({
            "iss": self.server.url, "aud": "curfew", "iat": NOW.seconds(),
            "exp": NOW.seconds() + 120, "jti": "j-1",
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        });
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        let header = json!({"alg": "ES256", "kid": "k1", "typ": "logout+jwt"});
        self.key.token(&header, &all.to_string())
    }
}

fn say(words: &Mutex<Words>, key: &Key, request: &Request) -> Reply {
    let words = words.lock().unwrap();
    if words.silent {
        return Reply::json(503, &json!({"error": "away"}));
    }
    match request.line.as_str() {
        "GET /.well-known/openid-configuration" => Reply::json(200, &words.metadata),
        "GET /jwks" => Reply::json(200, &json!({"keys": [key.jwk("k1")]})),
        "POST /token" => {
            let form = Form::parse(request.body.as_bytes(), &[]).unwrap();
            let claims = form.get("code").and_then(|code| words.codes.get(code));
            let Some(claims) = claims else {
                return Reply::json(400, &json!({"error": "invalid_grant"}));
            };
            let header = json!({"alg": "ES256", "kid": "k1"});
            let token = key.token(&header, &claims.to_string());
            Reply::json(
                200,
                &json!({"access_token": "a", "token_type": "Bearer", "id_token": token}),
            )
        }
        _ => Reply::json(404, &json!({})),
    }
}

/// The parameters of an address.
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    pub(super) fn of(location: &str) -> Self {
        let (_, query) = location.split_once('?').unwrap_or((location, ""));
        let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned();
        Self(pairs.collect())
    }

    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

pub(super) fn encoded(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

/// One server and one provider.
pub(super) struct Place {
    pub(super) edge: Data<Edge>,
    pub(super) client: Data<UpstreamClient>,
    pub(super) clock: ManualClock,
    pub(super) idp: Idp,
    pub(super) provider: ProviderId,
    _folder: tempfile::TempDir,
}

fn postgres_database() -> String {
    let url = std::env::var("CURFEW_TEST_POSTGRES_URL").expect(
        "CURFEW_TEST_POSTGRES_URL names a throw-away PostgreSQL cluster; see conformance-tests/postgres",
    );
    let mut random = [0u8; 8];
    SystemEntropy.fill(&mut random);
    let name = format!("upstream_{:016x}", u64::from_be_bytes(random));
    let statement = format!("CREATE DATABASE {name}");
    let made = Command::new("psql")
        .args(["-qX", &url, "-c", &statement])
        .status();
    assert!(made.unwrap().success(), "the database is made");
    let (server, rest) = url.rsplit_once('/').unwrap();
    let query = rest.split_once('?').map(|(_, query)| format!("?{query}"));
    format!("{server}/{name}{}", query.unwrap_or_default())
}

impl Place {
    /// With the provider's default policy, and no mail.
    pub(super) fn new() -> Self {
        Self::with_policy(|_| {})
    }

    pub(super) fn with_policy(change: impl FnOnce(&mut ProviderPolicy)) -> Self {
        Self::made(Backend::Sqlite, change, |_| {})
    }

    pub(super) fn with_mail() -> Self {
        Self::made(
            Backend::Sqlite,
            |_| {},
            |edge| {
                let from = "Curfew <no-reply@example.com>";
                edge.mailer = Some(Mailer::new("smtp://127.0.0.1:1", from).unwrap());
            },
        )
    }

    pub(super) fn made(
        backend: Backend,
        policy: impl FnOnce(&mut ProviderPolicy),
        change: impl FnOnce(&mut Edge),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(NOW);
        let keys = BTreeMap::from([(1, Zeroizing::new([7; 32]))]);
        let options = StoreOptions {
            database: match backend {
                Backend::Sqlite => DatabaseUrl::Sqlite(folder.path().join("curfew.db")),
                Backend::Postgres => DatabaseUrl::Postgres(postgres_database()),
            },
            pool_size: 8,
            epoch_mark: None,
            keys: Arc::new(ServerKeys::new(&keys).unwrap().unwrap()),
            clock: Arc::new(Ticking(clock.clone(), AtomicU64::new(0))),
            entropy: Arc::new(SystemEntropy),
        };
        let mut edge = beside(|| {
            Store::migrate(&options).unwrap();
            edge(Store::open(options).unwrap())
        });
        change(&mut edge);
        let idp = Idp::start();
        let mut settings = ProviderSettings::default();
        policy(&mut settings.policy);
        let provider = add_provider(&edge.store, SLUG, (&idp.server.url, settings));
        Self {
            edge: Data::new(edge),
            client: Data::new(UpstreamClient::default()),
            clock,
            idp,
            provider,
            _folder: folder,
        }
    }

    pub(super) fn browser(&self) -> Browser {
        Browser {
            edge: self.edge.clone(),
            client: self.client.clone(),
            cookies: BTreeMap::new(),
            page: String::new(),
        }
    }

    pub(super) fn read<T: Send>(
        &self,
        job: impl FnOnce(&mut Read<'_>) -> Result<T, StoreError> + Send,
    ) -> T {
        beside(|| self.edge.store.read_blocking(job)).unwrap()
    }

    pub(super) fn write<T: Send + 'static>(
        &self,
        job: impl Fn(&mut Write<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        write(&self.edge.store, job)
    }

    /// Another provider of the same site, under another name.
    pub(super) fn add_provider(&self, slug: &str) -> ProviderId {
        let settings = ProviderSettings::default();
        add_provider(&self.edge.store, slug, (&self.idp.server.url, settings))
    }

    pub(super) fn provider(&self) -> Provider {
        let id = self.provider;
        self.read(move |read| read.provider(id)).unwrap()
    }

    pub(super) fn change_policy(&self, change: impl FnOnce(&mut ProviderPolicy)) {
        let mut description = self.provider().description();
        change(&mut description.settings.policy);
        let id = self.provider;
        self.write(move |write| write.provider_update(id, &description));
    }

    pub(super) fn disable_provider(&self) {
        let id = self.provider;
        self.write(move |write| write.provider_set_status(id, OwnerStatus::Disabled));
    }

    /// An account that an administrator made, with nothing but an address.
    pub(super) fn add_user(&self, username: &str, email: &str) -> UserId {
        self.add(&new_user(username, email))
    }

    pub(super) fn add_user_with_password(&self, username: &str, email: &str) -> UserId {
        self.add(&NewUser {
            password_hash: Some(Redacted("not a hash".to_owned())),
            ..new_user(username, email)
        })
    }

    pub(super) fn add(&self, new: &NewUser) -> UserId {
        let new = new.clone();
        self.write(move |write| write.user_insert(&new))
    }

    pub(super) fn user(&self, id: UserId) -> User {
        self.read(move |read| read.user(id)).unwrap()
    }

    pub(super) fn user_count(&self) -> usize {
        self.read(|read| read.user_list(DEFAULT_TENANT)).len()
    }

    pub(super) fn user_named(&self, username: &str) -> Option<User> {
        let username = username.to_owned();
        self.read(move |read| read.user_by_username(DEFAULT_TENANT, &username))
    }

    pub(super) fn links(&self, user: UserId) -> Vec<Link> {
        self.read(move |read| read.links_of_user(user))
    }

    pub(super) fn add_link(&self, user: UserId, subject: Option<&str>) -> Link {
        let new = NewLink {
            provider_id: self.provider,
            user_id: user,
            subject: subject.map(|subject| self.subject(subject)),
            display: "before".to_owned(),
        };
        let id = self.write(move |write| write.link_insert(&new));
        self.read(move |read| read.link(id)).unwrap()
    }

    pub(super) fn subject(&self, subject: &str) -> Subject {
        Subject {
            issuer: self.idp.server.url.clone(),
            subject: subject.to_owned(),
        }
    }

    pub(super) fn living_sessions(&self, user: UserId) -> usize {
        let sessions = self.read(move |read| read.session_list(user));
        sessions.iter().filter(|session| session.alive).count()
    }

    /// The audit trail's events and details, newest first.
    pub(super) fn audit(&self) -> Vec<(String, String)> {
        let rows = self.read(|read| read.audit_latest(100)).into_iter();
        rows.map(|row| (row.event, row.detail.unwrap_or_default()))
            .collect()
    }

    /// The details of one event, newest first.
    pub(super) fn audited(&self, event: &str) -> Vec<String> {
        let rows = self.audit().into_iter();
        rows.filter(|(own, _)| own == event)
            .map(|(_, detail)| detail)
            .collect()
    }

    /// A session of that user in a new browser.
    pub(super) fn signed_in(&self, user: UserId) -> (Browser, NodeId) {
        let mut browser = self.browser();
        let id = self.sign_in(&mut browser, user);
        (browser, id)
    }

    pub(super) fn sign_in(&self, browser: &mut Browser, user: UserId) -> NodeId {
        let rules = self.edge.lifetimes;
        let started = self.write(move |write| {
            let tenant = write.tenant(DEFAULT_TENANT)?.unwrap();
            let user = write.user(user)?.unwrap();
            let origin = Origin::default();
            let sign_in = SignIn::here(&rules, &tenant, AuthenticatedBy::Nobody, &origin);
            Ok(session::start(write, &user, &sign_in)?.unwrap())
        });
        let cookie = session::cookie(&self.edge, &Realm::root(), &started.secret);
        let (name, value) = (cookie.name().to_owned(), cookie.value().to_owned());
        browser.cookies.insert(name, value);
        started.id
    }
}

fn edge(store: Store) -> Edge {
    Edge {
        store,
        issuer: Issuer::parse(HERE).unwrap(),
        lifetimes: LifetimeRules::default(),
        rates: RateRules::default(),
        uses: Uses::default(),
        pages: Pages::new(&[crate::pages::TEMPLATES], None).unwrap(),
        proxies: TrustedProxies::default(),
        passwords: PasswordHasher::new(1),
        places: Places::default(),
        device_same_address: false,
        mailer: None,
        outbound: outbound(),
    }
}

pub(super) fn new_user(username: &str, email: &str) -> NewUser {
    NewUser {
        tenant_id: DEFAULT_TENANT,
        username: username.to_owned(),
        name: username.to_owned(),
        email: Some(email.to_owned()),
        email_key: canonical(email),
        email_origin: EmailOrigin::Stated,
        quarantined: false,
        administrator: false,
        password_hash: None,
    }
}

fn add_provider(
    store: &Store,
    slug: &str,
    (issuer, settings): (&str, ProviderSettings),
) -> ProviderId {
    let new = NewProvider {
        tenant_id: DEFAULT_TENANT,
        slug: slug.to_owned(),
        kind: ProviderKind::OpenId,
        configured: false,
        description: ProviderDescription {
            name: "Orchard <ID>".to_owned(),
            issuer: issuer.to_owned(),
            client_id: "curfew".to_owned(),
            settings,
        },
    };
    let secret = Redacted("s3cret".to_owned());
    write(store, move |write| {
        write.provider_insert(&new, Some(&secret))
    })
}

fn write<T: Send + 'static>(
    store: &Store,
    job: impl Fn(&mut Write<'_>) -> Result<T, StoreError> + Send + 'static,
) -> T {
    beside(|| store.write_blocking(move |write| job(write).map(Ok::<_, ()>)))
        .unwrap()
        .unwrap()
}

/// On a thread that may wait.
pub(super) fn beside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}

/// A person as the provider describes them.
pub(super) fn person(subject: &str, email: &str) -> Value {
    json!({"sub": subject, "email": email, "email_verified": true, "name": "Ada L."})
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
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

    /// A refusal with a stable code, which leaves no session in the browser.
    #[track_caller]
    pub(super) fn expect_refusal(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert!(
            self.body.contains(&format!("<code>{code}</code>")),
            "{self:?}"
        );
        assert!(!self.starts_session(), "{self:?}");
    }

    /// A redirect by which somebody is signed in.
    #[track_caller]
    pub(super) fn expect_sign_in(&self, return_to: &str) {
        assert_eq!((self.status, self.location()), (303, return_to), "{self:?}");
        assert!(self.starts_session(), "{self:?}");
    }

    /// Where the page leads that stands between a form and the provider.
    pub(super) fn leads_to(&self) -> String {
        let link = self.body.split_once("rel=\"external\" href=\"");
        let link = link.unwrap_or_else(|| panic!("a link: {self:?}")).1;
        let link = link.split('"').next().unwrap_or("");
        link.replace("&#x2f;", "/").replace("&amp;", "&")
    }

    pub(super) fn starts_session(&self) -> bool {
        self.cookies
            .iter()
            .any(|cookie| cookie.contains("_session_"))
    }
}

#[derive(Clone)]
pub(super) struct Browser {
    edge: Data<Edge>,
    client: Data<UpstreamClient>,
    pub(super) cookies: BTreeMap<String, String>,
    /// The last page, whose form token the next form carries.
    page: String,
}

impl Browser {
    pub(super) async fn get(&mut self, path: &str) -> Answer {
        self.send(TestRequest::get().uri(path)).await
    }

    /// Submits `fields` with the form token of the last page.
    pub(super) async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.field("csrf");
        let mut all = fields.to_vec();
        all.push(("csrf", &token));
        self.post(path, &all).await
    }

    /// A hidden field of the last page.
    pub(super) fn field(&self, name: &str) -> String {
        let marker = format!("name=\"{name}\" value=\"");
        let rest = self.page.split_once(&marker).map_or("", |(_, rest)| rest);
        rest.split('"').next().unwrap_or("").to_owned()
    }

    pub(super) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let request = TestRequest::post()
            .uri(path)
            .insert_header((ORIGIN, HERE))
            .insert_header(("content-type", "application/x-www-form-urlencoded"))
            .set_payload(encoded(fields));
        self.send(request).await
    }

    /// Goes to the provider; the answer's location is where.
    pub(super) async fn leave(&mut self) -> Answer {
        let answer = self.get("/upstream/idp/start?return_to=%2Fapp").await;
        assert_eq!(answer.status, 303, "{answer:?}");
        answer
    }

    /// To the provider and back.
    pub(super) async fn come_back_as(&mut self, place: &Place, claims: &Value) -> Answer {
        let left = self.leave().await;
        let back = place.idp.let_in(left.location(), claims);
        self.get(&back).await
    }

    pub(super) async fn send(&mut self, request: TestRequest) -> Answer {
        let app = init_service(
            actix_web::App::new()
                .app_data(self.edge.clone())
                .app_data(self.client.clone())
                .service(web::scope("/t/{tenant}").configure(crate::routes))
                .configure(crate::routes),
        )
        .await;
        let cookies = self.cookies.iter();
        let jar: Vec<String> = cookies.map(|(n, v)| format!("{n}={v}")).collect();
        let mut request = request;
        if !jar.is_empty() {
            request = request.insert_header((COOKIE, jar.join("; ")));
        }
        let response = call_service(&app, request.to_request()).await;
        let set = response.headers().get_all("set-cookie");
        let cookies: Vec<String> = set
            .map(|value| value.to_str().unwrap().to_owned())
            .collect();
        let headers = response.headers().iter();
        let headers = headers
            .map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned()))
            .collect();
        let status = response.status().as_u16();
        let body = String::from_utf8_lossy(&read_body(response).await).into_owned();
        for cookie in &cookies {
            let (name, rest) = cookie.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        self.page.clone_from(&body);
        Answer {
            status,
            headers,
            cookies,
            body,
        }
    }
}
