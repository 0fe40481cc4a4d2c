//! A node of the server over a database of its own, with a clock that moves when it is told to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::body::to_bytes;
use actix_web::cookie::Cookie;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, LOCATION};
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, web};
use curfew_http::mailer::Mailer;
use curfew_http::origin::TrustedProxies;
use curfew_http::outbound::{Outbound, OutboundRules};
use curfew_http::pages::Pages;
use curfew_http::password::PasswordHasher;
use curfew_http::rates::RateRules;
use curfew_http::session::UpstreamBirth;
use curfew_http::sign_in::SignIn;
use curfew_http::uses::Uses;
use curfew_http::{Edge, Issuer, Realm, session};
use curfew_policy::lifetime::LifetimeRules;
use curfew_policy::status::EmailOrigin;
use curfew_protocol::{
    Clock, DEFAULT_TENANT, Form, GrantType, Lifetime, ManualClock, NodeId, ParsedToken, ScopeSet,
    Timestamp, TokenId, TokenKind,
};
use curfew_store::audit::{AuditRow, AuthenticatedBy, Origin};
use curfew_store::clients::ClientRegistration;
use curfew_store::scopes::Scope;
use curfew_store::sessions::UpstreamSession;
use curfew_store::users::NewUser;
use curfew_store::{
    DatabaseUrl, Read, ServerKeys, Store, StoreError, StoreOptions, SystemEntropy, Write,
};

pub(crate) const ISSUER: &str = "https://id.example";
pub(crate) const REDIRECT: &str = "https://app.example/cb";
/// The pair of RFC 7636, appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// The clock of the node: seconds as told, milliseconds that grow with every look, so that audit rows keep their order.
struct Ticking(ManualClock, AtomicU64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn now_millis(&self) -> u64 {
        self.0.now_millis() + self.1.fetch_add(1, Ordering::SeqCst)
    }
}

/// One server.
pub(crate) struct Server {
    pub(crate) edge: web::Data<Edge>,
    pub(crate) clock: ManualClock,
    /// The session cookie of `ada`.
    pub(crate) cookie: Cookie<'static>,
    /// The secret of the confidential client `robot`.
    pub(crate) secret: String,
    _folder: tempfile::TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn text(&self, member: &str) -> String {
        let json = self.json();
        json[member]
            .as_str()
            .unwrap_or_else(|| panic!("no {member}: {self:?}"))
            .to_owned()
    }

    #[track_caller]
    pub(crate) fn expect_error(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status.as_u16(), self.text("error").as_str()),
            (status, code),
            "{self:?}"
        );
    }

    pub(crate) fn location(&self) -> &str {
        let location = self
            .headers
            .get(LOCATION)
            .unwrap_or_else(|| panic!("no redirect: {self:?}"));
        location.to_str().unwrap()
    }

    /// A parameter of the redirect.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let (_, query) = self.location().split_once('?')?;
        Form::parse(query.as_bytes(), &[])
            .unwrap()
            .get(name)
            .map(str::to_owned)
    }

    /// The value of a hidden field.
    pub(crate) fn field(&self, name: &str) -> String {
        let at = self
            .body
            .find(&format!("name=\"{name}\""))
            .unwrap_or_else(|| panic!("no {name}: {self:?}"));
        let rest = &self.body[at..];
        let value = rest
            .split("value=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        value
            .replace("&amp;", "&")
            .replace("&#x2f;", "/")
            .replace("&#x27;", "'")
    }
}

fn options(folder: &std::path::Path, clock: &ManualClock) -> StoreOptions {
    let masters = BTreeMap::from([(1, zeroize::Zeroizing::new([7; 32]))]);
    StoreOptions {
        database: DatabaseUrl::Sqlite(folder.join("curfew.db")),
        pool_size: 1,
        epoch_mark: None,
        keys: Arc::new(ServerKeys::new(&masters).unwrap().unwrap()),
        clock: Arc::new(Ticking(clock.clone(), AtomicU64::new(0))),
        entropy: Arc::new(SystemEntropy),
    }
}

fn registration(client_id: &str, grants: &[GrantType], implicit: bool) -> ClientRegistration {
    ClientRegistration {
        client_id: client_id.to_owned(),
        name: client_id.to_owned(),
        grant_types: grants.to_vec(),
        redirect_uris: vec![REDIRECT.to_owned()],
        origins: vec!["https://app.example".to_owned()],
        scopes: ScopeSet::parse("read write").unwrap(),
        resources: vec!["api".to_owned()],
        implicit_consent: implicit,
        ..ClientRegistration::default()
    }
}

/// The clients: `app` and `asking` are public, `robot` acts for itself, `once` may not refresh, `tv` is a device.
fn seed(write: &mut Write<'_>) -> Result<Result<String, ()>, StoreError> {
    use GrantType::{AuthorizationCode, ClientCredentials, RefreshToken};
    let (api, _) =
        write.resource_server_insert(DEFAULT_TENANT, "api", "https://api.example", "API")?;
    for (name, max_lifetime) in [("read", None), ("write", Some(Lifetime::from_seconds(120)))] {
        let (name, description) = (name.to_owned(), format!("{name} things"));
        let read_only = name == "read";
        let scope = Scope {
            name,
            description,
            resource_server: Some(api),
            max_lifetime,
            personal: false,
            read_only,
        };
        write.scope_insert(DEFAULT_TENANT, &scope)?;
    }
    let code = [AuthorizationCode, RefreshToken];
    write.client_insert(DEFAULT_TENANT, &registration("app", &code, true), false)?;
    write.client_insert(DEFAULT_TENANT, &registration("asking", &code, false), false)?;
    write.client_insert(
        DEFAULT_TENANT,
        &registration("once", &[AuthorizationCode], true),
        false,
    )?;
    let device = [GrantType::DeviceCode, RefreshToken];
    let tv = ClientRegistration {
        redirect_uris: Vec::new(),
        scopes: ScopeSet::parse("offline_access read write").unwrap(),
        ..registration("tv", &device, false)
    };
    write.client_insert(DEFAULT_TENANT, &tv, false)?;
    let robot = registration("robot", &[ClientCredentials], true);
    let (_, secret) = write.client_insert(DEFAULT_TENANT, &robot, true)?;
    Ok(Ok(secret.map(|secret| secret.reveal()).unwrap_or_default()))
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(false).await
    }

    /// With an `ada` who is in quarantine.
    pub(crate) async fn start_in_quarantine() -> Self {
        Self::start_with(true).await
    }

    async fn start_with(quarantined: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(Timestamp::from_seconds(1_800_000_000));
        let options = options(folder.path(), &clock);
        Store::migrate(&options).unwrap();
        let edge = Edge {
            store: Store::open(options).unwrap(),
            issuer: Issuer::parse(ISSUER).unwrap(),
            lifetimes: LifetimeRules::default(),
            rates: RateRules::default(),
            uses: Uses::default(),
            pages: Pages::new(&[curfew_grants::pages::TEMPLATES], None).unwrap(),
            proxies: TrustedProxies::default(),
            passwords: PasswordHasher::new(1),
            places: curfew_http::places::Places::default(),
            device_same_address: false,
            mailer: None::<Mailer>,
            outbound: Outbound::new(&OutboundRules::default()).unwrap(),
        };
        let secret = edge.store.write(seed).await.unwrap().unwrap();
        let cookie = sign_in(&edge, (quarantined, None)).await;
        Self {
            edge: web::Data::new(edge),
            clock,
            cookie,
            secret,
            _folder: folder,
        }
    }

    /// Another login of `ada`.
    pub(crate) async fn sign_in_again(&mut self) {
        self.cookie = sign_in(&self.edge, (false, None)).await;
    }

    /// Another login of `ada`, in a session that ends with one upstream; its id.
    pub(crate) async fn sign_in_bound(&mut self) -> NodeId {
        let upstream = UpstreamBirth {
            through: None,
            session: UpstreamSession {
                sid: Some("s1".to_owned()),
                bound: true,
            },
            ends_at: None,
            authenticated_at: None,
        };
        self.cookie = sign_in(&self.edge, (false, Some(upstream))).await;
        let parsed = ParsedToken::parse(TokenKind::Session, self.cookie.value()).unwrap();
        NodeId::from_bytes(parsed.selector)
    }

    /// What a device waits for: its code, and the one that the person types.
    pub(crate) async fn device(&self, scope: &str) -> (String, String) {
        let fields = [("client_id", "tv"), ("scope", scope)];
        let request = TestRequest::post().uri("/device_authorization");
        let answer = self.send(request.set_form(fields)).await;
        (answer.text("device_code"), answer.text("user_code"))
    }

    /// The page on which `ada` decides about the device.
    pub(crate) async fn device_page(&self, user_code: &str) -> Answer {
        let csrf = self.page("/device").await.field("csrf");
        let fields = [("csrf", csrf.as_str()), ("user_code", user_code)];
        let entered = self.post_page("/device", &fields).await;
        self.page(entered.location()).await
    }

    /// Says yes on that page, with whatever it carries.
    pub(crate) async fn approve_device(&self, page: &Answer) -> Answer {
        let (csrf, request) = (page.field("csrf"), page.field("request"));
        let mut fields = vec![
            ("csrf", csrf.as_str()),
            ("request", request.as_str()),
            ("decision", "approve"),
        ];
        if page.body.contains("name=\"read_only\"") {
            fields.push(("read_only", "1"));
        }
        self.post_page("/device/confirm", &fields).await
    }

    pub(crate) async fn poll(&self, device_code: &str) -> Answer {
        self.token(&[
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("client_id", "tv"),
            ("device_code", device_code),
        ])
        .await
    }

    pub(crate) fn read<T>(&self, job: impl FnOnce(&mut Read<'_>) -> Result<T, StoreError>) -> T {
        self.edge.store.read_blocking(job).unwrap()
    }

    pub(crate) async fn write(
        &self,
        job: impl Fn(&mut Write<'_>) -> Result<(), StoreError> + Send + 'static,
    ) {
        self.edge
            .store
            .write(move |w| job(w).map(Ok::<_, ()>))
            .await
            .unwrap()
            .unwrap();
    }

    /// The audit trail, newest first, as `event` or `event!reason`.
    pub(crate) fn audit(&self) -> Vec<String> {
        let told = |row: AuditRow| match row.detail {
            Some(detail) if !row.succeeded => format!("{}!{detail}", row.event),
            _ => row.event,
        };
        self.read(|read| read.audit_latest(100))
            .into_iter()
            .map(told)
            .collect()
    }

    pub(crate) async fn send(&self, request: TestRequest) -> Answer {
        let app = App::new()
            .app_data(self.edge.clone())
            .configure(curfew_grants::metadata_routes)
            .service(web::scope("/t/{tenant}").configure(curfew_grants::routes))
            .configure(curfew_grants::routes);
        let service = init_service(app).await;
        let response = call_service(&service, request.to_request()).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = to_bytes(response.into_body()).await.unwrap();
        Answer {
            status,
            headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// A page as `ada` gets it.
    pub(crate) async fn page(&self, path: &str) -> Answer {
        self.send(TestRequest::get().uri(path).cookie(self.cookie.clone()))
            .await
    }

    pub(crate) async fn post_page(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let request = TestRequest::post().uri(path).cookie(self.cookie.clone());
        self.send(request.set_form(fields)).await
    }

    pub(crate) async fn token(&self, fields: &[(&str, &str)]) -> Answer {
        self.send(TestRequest::post().uri("/token").set_form(fields))
            .await
    }

    /// A code for a client with implicit consent.
    pub(crate) async fn code(&self, client_id: &str, scope: &str) -> String {
        let answer = self.page(&authorize(client_id, &[("scope", scope)])).await;
        answer
            .parameter("code")
            .unwrap_or_else(|| panic!("{answer:?}"))
    }

    pub(crate) async fn redeem(&self, client_id: &str, code: &str) -> Answer {
        self.redeem_with(client_id, code, VERIFIER).await
    }

    pub(crate) async fn redeem_with(&self, client_id: &str, code: &str, verifier: &str) -> Answer {
        self.token(&[
            ("grant_type", "authorization_code"),
            ("client_id", client_id),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", verifier),
        ])
        .await
    }

    /// The tokens of a fresh grant to `app`.
    pub(crate) async fn tokens(&self) -> Answer {
        let code = self.code("app", "read write").await;
        self.redeem("app", &code).await
    }

    pub(crate) async fn refresh(&self, token: &str, more: &[(&str, &str)]) -> Answer {
        let mut fields = vec![
            ("grant_type", "refresh_token"),
            ("client_id", "app"),
            ("refresh_token", token),
        ];
        fields.extend_from_slice(more);
        self.token(&fields).await
    }

    pub(crate) fn is_alive(&self, token: &str) -> bool {
        let parsed = curfew_protocol::ParsedToken::parse(TokenKind::AccessToken, token).unwrap();
        self.read(|read| {
            let chain = read.token_chain(TokenId::from_bytes(parsed.selector))?;
            Ok(chain.is_some_and(|chain| chain.judge(read.now()).is_ok()))
        })
    }
}

async fn sign_in(
    edge: &Edge,
    (quarantined, upstream): (bool, Option<UpstreamBirth>),
) -> Cookie<'static> {
    let rules = edge.lifetimes;
    let started = edge.store.write(move |write| {
        let user = match write.user_by_username(DEFAULT_TENANT, "ada")? {
            Some(user) => user,
            None => {
                let id = write.user_insert(&NewUser {
                    tenant_id: DEFAULT_TENANT,
                    username: "ada".to_owned(),
                    name: "Ada".to_owned(),
                    email: None,
                    email_key: None,
                    email_origin: EmailOrigin::Stated,
                    quarantined,
                    administrator: false,
                    password_hash: None,
                })?;
                write.user(id)?.unwrap()
            }
        };
        let tenant = write.tenant(DEFAULT_TENANT)?.unwrap();
        let origin = Origin::default();
        let sign_in = SignIn {
            upstream: upstream.clone(),
            ..SignIn::here(&rules, &tenant, AuthenticatedBy::Nobody, &origin)
        };
        Ok(Ok::<_, ()>(
            session::start(write, &user, &sign_in)?.unwrap(),
        ))
    });
    session::cookie(
        edge,
        &Realm::root(),
        &started.await.unwrap().unwrap().secret,
    )
}

/// The address of a good request, with parameters replaced or added; an empty one is left out.
pub(crate) fn authorize(client_id: &str, changes: &[(&str, &str)]) -> String {
    format!("/authorize?{}", query(client_id, changes))
}

pub(crate) fn query(client_id: &str, changes: &[(&str, &str)]) -> String {
    let mut fields = vec![
        ("response_type", "code"),
        ("client_id", client_id),
        ("redirect_uri", REDIRECT),
        ("scope", "read"),
        ("state", "a state"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in changes {
        fields.retain(|(own, _)| own != name);
        fields.push((name, value));
    }
    fields.retain(|(_, value)| !value.is_empty());
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}
