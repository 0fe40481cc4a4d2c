//! Requirements 1.A: users, clients and tenants die properly.
//!
//! The table: every kind of credential × every change of state × the endpoint that takes the credential. The kinds come from
//! the server's own list, and nothing here matches with a wildcard: a new kind has no row, and this file does not compile.

use conformance_tests::upstream::{Registration, Upstream};
use conformance_tests::{
    Backend, Browser, Client, Code, Device, PASSWORD, ResourceServer, Setup, Tokens, World,
    on_both_backends,
};
use curfew_protocol::TokenKind;
use demo_provider::{Person, Running};

/// What may happen to those a credential hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    UserSuspended,
    UserSuspendedAndBack,
    UserDeleted,
    UserSuspendedThenDeleted,
    UserDeletedThenSuspended,
    UserDeletedAndRestored,
    UserDeletedAndRecreated,
    PasswordSetByTheOperator,
    UserLoggedOutEverywhere,
    ClientDisabled,
    ClientDisabledAndBack,
    ClientDeleted,
    TenantDisabled,
    TenantDisabledAndBack,
    TenantDeleted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Dies,
    Lives,
}

use Change::*;
use Fate::{Dies, Lives};

/// The table.
fn fate(kind: TokenKind, change: Change) -> Fate {
    match kind {
        TokenKind::AccessToken
        | TokenKind::RefreshToken
        | TokenKind::AuthorizationCode
        | TokenKind::DeviceCode => match change {
            UserSuspended
            | UserSuspendedAndBack
            | UserDeleted
            | UserSuspendedThenDeleted
            | UserDeletedThenSuspended
            | UserDeletedAndRestored
            | UserDeletedAndRecreated
            | PasswordSetByTheOperator
            | UserLoggedOutEverywhere
            | ClientDisabled
            | ClientDisabledAndBack
            | ClientDeleted
            | TenantDisabled
            | TenantDisabledAndBack
            | TenantDeleted => Dies,
        },
        TokenKind::Session | TokenKind::PersonalAccessToken => match change {
            UserSuspended
            | UserSuspendedAndBack
            | UserDeleted
            | UserSuspendedThenDeleted
            | UserDeletedThenSuspended
            | UserDeletedAndRestored
            | UserDeletedAndRecreated
            | PasswordSetByTheOperator
            | UserLoggedOutEverywhere
            | TenantDisabled
            | TenantDisabledAndBack
            | TenantDeleted => Dies,
            ClientDisabled | ClientDisabledAndBack | ClientDeleted => Lives,
        },
        TokenKind::MailedLink => match change {
            UserSuspended
            | UserSuspendedAndBack
            | UserDeleted
            | UserSuspendedThenDeleted
            | UserDeletedThenSuspended
            | UserDeletedAndRestored
            | UserDeletedAndRecreated
            | PasswordSetByTheOperator
            | UserLoggedOutEverywhere
            | TenantDisabled
            | TenantDeleted => Dies,
            // The way in for somebody who has no password yet: it opens nothing that the tenant's administrators did not offer.
            TenantDisabledAndBack => Lives,
            ClientDisabled | ClientDisabledAndBack | ClientDeleted => Lives,
        },
        // A registration, not something issued under it: it is good exactly while its client is.
        TokenKind::ClientSecret => match change {
            ClientDisabled | ClientDeleted | TenantDisabled | TenantDeleted => Dies,
            UserSuspended
            | UserSuspendedAndBack
            | UserDeleted
            | UserSuspendedThenDeleted
            | UserDeletedThenSuspended
            | UserDeletedAndRestored
            | UserDeletedAndRecreated
            | PasswordSetByTheOperator
            | UserLoggedOutEverywhere
            | ClientDisabledAndBack
            | TenantDisabledAndBack => Lives,
        },
        // A visitor's, before it is known who they are: only the tenant and the provider answer for it.
        TokenKind::UpstreamState => match change {
            TenantDisabled | TenantDeleted => Dies,
            UserSuspended
            | UserSuspendedAndBack
            | UserDeleted
            | UserSuspendedThenDeleted
            | UserDeletedThenSuspended
            | UserDeletedAndRestored
            | UserDeletedAndRecreated
            | PasswordSetByTheOperator
            | UserLoggedOutEverywhere
            | ClientDisabled
            | ClientDisabledAndBack
            | ClientDeleted
            | TenantDisabledAndBack => Lives,
        },
        // The installation's, before anybody is there to lose it.
        TokenKind::BootstrapSecret => match change {
            UserSuspended
            | UserSuspendedAndBack
            | UserDeleted
            | UserSuspendedThenDeleted
            | UserDeletedThenSuspended
            | UserDeletedAndRestored
            | UserDeletedAndRecreated
            | PasswordSetByTheOperator
            | UserLoggedOutEverywhere
            | ClientDisabled
            | ClientDisabledAndBack
            | ClientDeleted
            | TenantDisabled
            | TenantDisabledAndBack
            | TenantDeleted => Lives,
        },
    }
}

/// One credential of each kind, all alive, in a tenant of their own.
struct Estate {
    api: ResourceServer,
    client: Client,
    robot: Client,
    browser: Browser,
    tokens: Tokens,
    code: Code,
    device: Device,
    personal: String,
    link: String,
    /// Ends with the estate.
    _provider: Upstream<Running>,
    /// Somebody who signed in at the provider, and the URL with the state parameter that leads them back.
    visitor: Browser,
    back: String,
}

const TENANT: &str = "acme";

impl Estate {
    fn of(world: &World) -> Self {
        world.run(&["tenant", "add", TENANT, "--name", "Acme"], "");
        let api = world.add_resource_to(TENANT, "acme-api");
        world.add_scope_to(TENANT, "notes", "acme-api");
        world.add_user_to(TENANT, "bob");
        let client = world.add_web_to(TENANT, "acme-web");
        let robot = world.add_robot_to(TENANT, "acme-robot");
        let mut browser = world.browser();
        let request = || world.request(&client).user("bob");
        let code = browser.obtain_code(&request());
        let tokens = Tokens::of(&world.redeem(&client, &code));
        let code = browser.obtain_code(&request());
        let grants = ["authorization_code", "refresh_token", "device_code"];
        let mut change = vec!["client", "change", "acme-web", "--tenant", TENANT];
        change.extend(grants.iter().flat_map(|grant| ["--grant", grant]));
        world.run(&change, "");
        let device = world.http().start_device(&client, &[("scope", "notes")]);
        browser.decide_device(&device, "bob", "approve").expect(200);
        let personal = personal_access_token(world, &mut browser);
        let invited = world.cli(&["user", "invite", "bob", "--tenant", TENANT]);
        let link = invited["invitation_url"]
            .as_str()
            .unwrap_or_else(|| panic!("no link in {invited}"));
        let link = link.trim_start_matches(world.issuer()).to_owned();
        let provider = provider(world);
        let mut visitor = world.browser();
        let started = visitor.start_upstream(&provider).expect(303);
        let to = started.location().expect("a redirect").to_owned();
        let back = visitor.sign_in_elsewhere(&to, "s-carol");
        Self {
            api,
            robot,
            browser,
            tokens,
            code,
            device,
            personal,
            link,
            client,
            _provider: provider,
            visitor,
            back,
        }
    }

    /// Presents the credential where it belongs; does it still open anything?
    fn works(&mut self, world: &World, kind: TokenKind) -> bool {
        match kind {
            TokenKind::AccessToken | TokenKind::PersonalAccessToken => {
                let token = match kind {
                    TokenKind::PersonalAccessToken => &self.personal,
                    _ => &self.tokens.access,
                };
                let answer = world.http().introspect(&self.api, token);
                match answer.status {
                    200 if answer.json()["active"] == true => true,
                    200 => {
                        assert_eq!(answer.text(), r#"{"active":false}"#);
                        false
                    }
                    // The resource server may be dead itself, and then nothing is told to it.
                    401 | 404 => false,
                    _ => panic!("{answer:?}"),
                }
            }
            TokenKind::RefreshToken => granted(&world.refresh(&self.client, self.tokens.refresh())),
            TokenKind::AuthorizationCode => granted(&world.redeem(&self.client, &self.code)),
            TokenKind::DeviceCode => granted(&world.http().poll(&self.device)),
            TokenKind::Session => {
                let answer = self.browser.get(&format!("/t/{TENANT}/account"));
                assert!([200, 303, 401, 404].contains(&answer.status), "{answer:?}");
                answer.status == 200
            }
            TokenKind::MailedLink => {
                let answer = world.browser().get(&self.link);
                assert!(answer.status < 500, "{answer:?}");
                answer.status == 200 && answer.text().contains("password-submit")
            }
            TokenKind::ClientSecret => {
                let mut robot = self.robot.clone();
                if self.client.secret.is_none() {
                    robot.secret = None;
                }
                granted(&world.http().client_credentials(&robot))
            }
            TokenKind::UpstreamState => {
                let answer = self.visitor.come_back(&self.back);
                match answer.status {
                    303 => self.visitor.session().is_some(),
                    404 => false,
                    403 => {
                        answer.expect_refused(403, "provider_disabled");
                        false
                    }
                    _ => {
                        answer.expect_refused(400, "upstream_state_invalid");
                        false
                    }
                }
            }
            TokenKind::BootstrapSecret => {
                let mut browser = world.browser();
                let page = browser.get("/bootstrap");
                page.status == 200
            }
        }
    }
}

/// Where carol, whom nobody knows yet, may sign up.
fn provider(world: &World) -> Upstream<Running> {
    let registration = Registration {
        tenant: TENANT,
        slug: "work",
        options: &["--sign-ups", "on"],
    };
    let carol = Person::new("s-carol", "Carol", "carol@example.test");
    world.openid_at(registration, vec![carol])
}

/// Makes one on the account page, as a person does.
fn personal_access_token(world: &World, browser: &mut Browser) -> String {
    let change = ["scope", "change", "notes", "--personal", "true"];
    world.run(&[change.as_slice(), &["--tenant", TENANT]].concat(), "");
    let page = browser
        .get(&format!("/t/{TENANT}/account/tokens/new"))
        .expect(200);
    let fields = [
        ("name", "backup"),
        ("scope", "notes"),
        ("lifetime", "86400"),
    ];
    let made = browser.submit(&page, &fields);
    let made = made.location().unwrap_or_else(|| panic!("{made:?}"));
    let made = browser.get(made).expect(200).text();
    let start = made.find("cfpt_").expect("the token is shown");
    let end = made[start..].find('<').expect("its end");
    made[start..start + end].to_owned()
}

fn granted(answer: &conformance_tests::Response) -> bool {
    match (answer.status, answer.error().as_str()) {
        (200, _) => true,
        (400, "invalid_grant" | "access_denied") | (401, "invalid_client") | (404, _) => false,
        _ => panic!("{answer:?}"),
    }
}

fn apply(world: &World, change: Change) {
    let user = |verb: &str| world.run(&["user", verb, "bob", "--tenant", TENANT], "");
    // Both clients of the estate, so that every kind that hangs on a client is asked about.
    let client = |verb: &str| {
        for id in ["acme-web", "acme-robot"] {
            world.run(&["client", verb, id, "--tenant", TENANT], "");
        }
    };
    let tenant = |verb: &str| world.run(&["tenant", verb, TENANT], "");
    match change {
        UserSuspended => {
            user("suspend");
        }
        UserSuspendedAndBack => {
            user("suspend");
            user("unsuspend");
        }
        UserDeleted => {
            user("delete");
        }
        UserSuspendedThenDeleted => {
            user("suspend");
            user("delete");
        }
        UserDeletedThenSuspended => {
            user("delete");
            // There is nobody left to suspend; whatever is said to that, nothing may come back to life.
            world.try_cli(&["user", "suspend", "bob", "--tenant", TENANT], "");
        }
        UserDeletedAndRestored => {
            user("delete");
            user("restore");
        }
        UserDeletedAndRecreated => {
            user("delete");
            world.add_user_to(TENANT, "bob");
        }
        PasswordSetByTheOperator => {
            world.run(
                &["user", "set-password", "bob", "--tenant", TENANT],
                "another long enough password\n",
            );
        }
        UserLoggedOutEverywhere => {
            user("logout-everywhere");
        }
        ClientDisabled => client("disable"),
        ClientDisabledAndBack => {
            client("disable");
            client("enable");
        }
        ClientDeleted => client("delete"),
        TenantDisabled => {
            tenant("disable");
        }
        TenantDisabledAndBack => {
            tenant("disable");
            tenant("enable");
        }
        TenantDeleted => {
            tenant("delete");
        }
    }
}

fn every_kind_after(backend: Backend, change: Change) {
    let world = World::with(Setup::new(backend).with_upstreams());
    let mut estate = Estate::of(&world);
    // A bystander in another tenant, who must not be touched by any of this.
    let bystander = world.tokens(&mut world.signed_in("ada"), &world.web);
    apply(&world, change);
    let mut wrong = Vec::new();
    for kind in TokenKind::ALL {
        let expected = fate(kind, change) == Lives;
        if estate.works(&world, kind) != expected {
            wrong.push(format!(
                "{kind:?} should be {}",
                if expected { "alive" } else { "dead" }
            ));
        }
    }
    assert!(wrong.is_empty(), "after {change:?}: {wrong:?}");
    world.assert_alive(&bystander.access);
    world.run(&["doctor", "--invariants"], "");
}

on_both_backends! {
    /// However many tokens there are, one row of the user's is written, and one of the trail with its link.
    fn d18_ending_everything_of_a_user_writes_one_row(backend) {
        let world = World::start(backend);
        let options = ["--grant", "authorization_code", "--scope", "notes", "--resource", "api"];
        world.add_client("many", "https://app.example.test/cb", &options);
        let fill = ["bench-fill", "--tokens", "5000", "--client", "many", "--user", "ada", "--sample", "5"];
        let filled = world.cli(&fill);
        let tokens: Vec<String> = filled["tokens"].as_array().expect("a sample").iter().map(|token| token.as_str().expect("text").to_owned()).collect();
        for token in &tokens {
            world.assert_alive(token);
        }
        let rows = |table: &str| world.query(&format!("SELECT count(*) FROM {table}"));
        let untouched = |table: &str| world.query(&format!("SELECT count(*) FROM {table} WHERE ended_at IS NOT NULL"));
        let (audits, epoch) = (rows("audit"), world.query("SELECT epoch FROM users WHERE username = 'ada'"));
        world.run(&["user", "logout-everywhere", "ada"], "");
        assert_eq!((untouched("tokens").trim(), untouched("nodes").trim()), ("0", "0"));
        let number = |text: &str| text.trim().parse::<u64>().expect("a number");
        assert_eq!(number(&world.query("SELECT epoch FROM users WHERE username = 'ada'")), number(&epoch) + 1);
        assert_eq!(number(&rows("audit")), number(&audits) + 1);
        for token in tokens {
            world.assert_dead(&token);
        }
    }

    /// The estate is alive before anything happens to it; otherwise the table would prove nothing.
    fn every_credential_works_before_anything_happens(backend) {
        let world = World::with(Setup::new(backend).with_upstreams());
        let mut estate = Estate::of(&world);
        for kind in TokenKind::ALL {
            assert!(estate.works(&world, kind), "{kind:?}");
        }
    }

    fn a01_a02_every_credential_of_a_deleted_user_is_dead(backend) { every_kind_after(backend, UserDeleted) }
    fn a03_it_makes_no_difference_that_the_user_was_suspended_first(backend) { every_kind_after(backend, UserSuspendedThenDeleted) }
    fn a03_it_makes_no_difference_that_the_user_is_suspended_afterwards(backend) { every_kind_after(backend, UserDeletedThenSuspended) }
    fn a04_every_credential_of_a_suspended_user_is_dead(backend) { every_kind_after(backend, UserSuspended) }
    fn a04_unsuspending_resurrects_nothing(backend) { every_kind_after(backend, UserSuspendedAndBack) }
    fn a07_a_restored_user_gets_nothing_back(backend) { every_kind_after(backend, UserDeletedAndRestored) }
    fn a08_a_recreated_user_inherits_nothing(backend) { every_kind_after(backend, UserDeletedAndRecreated) }
    fn a24_a_new_password_ends_everything(backend) { every_kind_after(backend, PasswordSetByTheOperator) }
    fn d03_logging_out_everywhere_ends_everything(backend) { every_kind_after(backend, UserLoggedOutEverywhere) }
    fn a20_a_disabled_client_is_dead_with_all_its_tokens(backend) { every_kind_after(backend, ClientDisabled) }
    fn a20_enabling_a_client_again_revives_nothing(backend) { every_kind_after(backend, ClientDisabledAndBack) }
    fn a20_a_deleted_client_is_dead_with_all_its_tokens(backend) { every_kind_after(backend, ClientDeleted) }
    fn a21_a_disabled_tenant_is_dead_with_all_in_it(backend) { every_kind_after(backend, TenantDisabled) }
    fn a21_enabling_a_tenant_again_revives_nothing(backend) { every_kind_after(backend, TenantDisabledAndBack) }
    fn a21_a_deleted_tenant_is_dead_with_all_in_it(backend) { every_kind_after(backend, TenantDeleted) }

    /// A04: nor does the right password open the door.
    fn a04_suspended_and_deleted_users_cannot_sign_in(backend) {
        let world = World::start(backend);
        for verb in ["suspend", "delete"] {
            let name = format!("to-{verb}");
            world.add_user(&name);
            world.run(&["user", verb, &name], "");
            let mut browser = world.browser();
            let answer = browser.sign_in(&name, PASSWORD);
            assert_ne!(answer.status, 303, "{answer:?}");
            assert_eq!(browser.session(), None);
            // The answer is that for a wrong password: nobody learns who exists.
            let wrong = world.browser().sign_in("nobody", PASSWORD);
            assert_eq!(answer.status, wrong.status);
        }
        world.add_user("back");
        world.run(&["user", "suspend", "back"], "");
        world.run(&["user", "unsuspend", "back"], "");
        assert_eq!(world.browser().sign_in("back", PASSWORD).status, 303);
    }

    /// A08, A11: a new person under an old name has a new, random id.
    fn a08_a11_a_recreated_user_is_somebody_else(backend) {
        let world = World::start(backend);
        let first = world.add_user("eve");
        let subject = |world: &World| {
            let tokens = world.tokens(&mut world.signed_in("eve"), &world.web);
            world.introspect(&tokens.access)["sub"].clone()
        };
        let old = subject(&world);
        world.run(&["user", "delete", "eve"], "");
        let second = world.add_user("eve");
        assert_ne!(first, second);
        assert_ne!(subject(&world), old);
        // The consent of the old one is not the new one's.
        let mut browser = world.signed_in("eve");
        browser.consent_page(&world.request(&world.app).user("eve"));
    }

    /// D09: epochs decide, not clocks: within one second everything ends and begins again.
    fn d09_what_was_ended_and_what_began_in_the_same_second_are_told_apart(backend) {
        let world = World::start(backend);
        let mut browser = world.signed_in("ada");
        for _ in 0..4 {
            let old = world.tokens(&mut browser, &world.web);
            world.run(&["user", "logout-everywhere", "ada"], "");
            assert!(!browser.is_signed_in());
            browser.sign_in("ada", PASSWORD);
            let new = world.tokens(&mut browser, &world.web);
            world.assert_dead(&old.access);
            world.assert_alive(&new.access);
        }
    }

    /// D02: whatever value the cookie had over time.
    fn d02_every_cookie_of_a_session_is_dead_after_signing_out(backend) {
        let world = World::start(backend);
        let mut browser = world.signed_in("ada");
        let mut jars = vec![browser.clone()];
        for _ in 0..2 {
            browser.sign_in_at("/login?reauth=1", "ada", PASSWORD);
            jars.push(browser.clone());
        }
        browser.sign_out();
        for (number, mut jar) in jars.into_iter().enumerate() {
            assert!(!jar.is_signed_in(), "cookie number {number} still opens the account");
        }
    }

    /// A12: named by itself, because it is the one that is redeemed later.
    fn a12_a_code_from_before_the_deletion_is_invalid_grant(backend) {
        let world = World::start(backend);
        world.add_user("eve");
        let code = world.code(&mut world.signed_in("eve"), &world.web);
        world.run(&["user", "delete", "eve"], "");
        world.redeem(&world.web, &code).expect_error(400, "invalid_grant");
    }

    /// A19: each of many, not one of them many times.
    fn a19_of_many_deleted_users_every_single_one_is_dead(backend) {
        let world = World::start(backend);
        let names: Vec<_> = (0..4).map(|number| format!("user{number}")).collect();
        let tokens: Vec<_> = names.iter().map(|name| {
            world.add_user(name);
            let mut browser = world.signed_in(name);
            [world.tokens(&mut browser, &world.web), world.tokens(&mut browser, &world.web)]
        }).collect();
        for name in &names[..3] {
            world.run(&["user", "delete", name], "");
        }
        for dead in tokens[..3].iter().flatten() {
            world.assert_dead(&dead.access);
            world.refresh(&world.web, dead.refresh()).expect_error(400, "invalid_grant");
        }
        for alive in &tokens[3] {
            world.assert_alive(&alive.access);
        }
    }

    /// A20: with the grant type taken away, what it gave is dead, and it gives no more.
    fn a20_a_removed_grant_type_takes_its_tokens_along(backend) {
        let world = World::start(backend);
        let mut browser = world.signed_in("ada");
        let tokens = world.tokens(&mut browser, &world.web);
        world.run(&["client", "change", "web", "--grant", "authorization_code"], "");
        let answer = world.refresh(&world.web, tokens.refresh());
        assert!(["unauthorized_client", "invalid_grant"].contains(&answer.error().as_str()), "{answer:?}");
        world.assert_dead(&tokens.access);
        world.run(&["client", "change", "web", "--grant", "authorization_code", "--grant", "refresh_token"], "");
        world.refresh(&world.web, tokens.refresh()).expect_error(400, "invalid_grant");
        world.assert_dead(&tokens.access);
    }

    /// A22
    fn a22_a_disabled_service_account_is_401(backend) {
        let world = World::start(backend);
        let token = world.robot_token();
        world.run(&["client", "disable", "robot"], "");
        world.http().client_credentials(&world.robot).expect_error(401, "invalid_client");
        world.assert_dead(&token);
        world.run(&["client", "enable", "robot"], "");
        world.assert_dead(&token);
        let fresh = world.robot_token();
        world.assert_alive(&fresh);
    }

    /// A23: a scope that the client lost is not refreshed into.
    fn a23_a_refresh_never_brings_back_a_lost_privilege(backend) {
        let world = World::start(backend);
        world.add_scope("photos", "api");
        world.run(&["client", "change", "web", "--scope", "notes", "--scope", "photos"], "");
        let request = world.request(&world.web).scope("notes photos");
        let code = world.signed_in("ada").obtain_code(&request);
        let tokens = Tokens::of(&world.redeem(&world.web, &code));
        world.run(&["client", "change", "web", "--scope", "notes"], "");
        let answer = world.refresh(&world.web, tokens.refresh());
        match answer.status {
            200 => assert_eq!(answer.member("scope"), "notes"),
            _ => { answer.expect_error(400, "invalid_grant"); }
        }
        let seen = world.introspect(&tokens.access);
        assert!(seen["scope"].as_str().is_none_or(|scope| !scope.contains("photos")), "{seen}");
    }

    /// A24, D13: on the account page; who changed it stays signed in, with a new session, and nobody else does.
    fn a24_changing_the_password_ends_every_other_session(backend) {
        let world = World::start(backend);
        let (mut here, mut elsewhere) = (world.signed_in("ada"), world.signed_in("ada"));
        let tokens = world.tokens(&mut elsewhere, &world.web);
        let before = here.session();
        let page = here.get("/account").expect(200);
        let new = "a completely different passphrase";
        let answer = here.submit(&page, &[("current_password", PASSWORD), ("password", new), ("password_again", new)]);
        assert_eq!(answer.status, 303, "{answer:?}");
        assert_ne!(here.session(), before);
        assert!(here.is_signed_in() && !elsewhere.is_signed_in());
        world.assert_dead(&tokens.access);
        world.refresh(&world.web, tokens.refresh()).expect_error(400, "invalid_grant");
        assert_ne!(world.browser().sign_in("ada", PASSWORD).status, 303);
        assert_eq!(world.browser().sign_in("ada", new).status, 303);
    }

    /// A24, E11: a wrong current password changes nothing.
    fn a24_the_current_password_is_asked_for(backend) {
        let world = World::start(backend);
        let mut browser = world.signed_in("ada");
        let page = browser.get("/account").expect(200);
        let new = "a completely different passphrase";
        let answer = browser.submit(&page, &[("current_password", "wrong"), ("password", new), ("password_again", new)]);
        assert_ne!(answer.status, 303, "{answer:?}");
        assert_eq!(world.browser().sign_in("ada", PASSWORD).status, 303);
    }

    /// A25, E03: the schema itself refuses a credential without an end.
    fn a25_no_credential_can_be_stored_without_an_expiry(backend) {
        let world = World::start(backend);
        for table in ["nodes", "tokens", "codes", "consents", "mailed_links", "bootstraps", "upstream_logins", "link_proofs"] {
            let required = match backend {
                Backend::Sqlite => format!("SELECT \"notnull\" FROM pragma_table_info('{table}') WHERE name = 'expires_at'"),
                Backend::Postgres => format!("SELECT (is_nullable = 'NO')::int FROM information_schema.columns WHERE table_name = '{table}' AND column_name = 'expires_at'"),
            };
            assert_eq!(world.query(&required), "1", "{table}");
        }
    }

    /// A resource server that was disabled gets nothing back either.
    fn e07_a_disabled_resource_server_gets_no_answers_and_old_tokens_stay_dead_for_it(backend) {
        let world = World::start(backend);
        let token = world.robot_token();
        world.run(&["resource", "disable", "api"], "");
        world.http().introspect(&world.api, &token).expect_error(401, "invalid_client");
        world.run(&["resource", "enable", "api"], "");
        world.assert_dead(&token);
        let fresh = world.robot_token();
        world.assert_alive(&fresh);
    }

    /// What is bound to a session dies with it; what is merely recorded lives on.
    fn d01_a_session_bound_client_ends_with_the_session(backend) {
        let world = World::start(backend);
        let options = ["--grant", "authorization_code", "--grant", "refresh_token", "--consent", "implicit", "--scope", "notes", "--session-bound"];
        let bound = world.add_client("bound", "https://bound.example.test/cb", &options);
        let mut browser = world.signed_in("ada");
        let with_session = world.tokens(&mut browser, &bound);
        let without = world.tokens(&mut browser, &world.web);
        world.assert_alive(&with_session.access);
        browser.sign_out();
        world.assert_dead(&with_session.access);
        world.refresh(&bound, with_session.refresh()).expect_error(400, "invalid_grant");
        world.assert_alive(&without.access);
    }
}

/// D10: no node has to hear of a new epoch first.
#[test]
fn d10_what_begins_after_everything_was_ended_is_alive_at_every_node_at_once() {
    let world = World::with(Setup::new(Backend::Postgres).nodes(3));
    for round in 0..5 {
        let old = world.tokens(&mut world.signed_in("ada"), &world.web);
        world.run(&["user", "logout-everywhere", "ada"], "");
        let mut browser = Browser::new(world.node(round % 3), world.issuer());
        let new = world.tokens(&mut browser, &world.web);
        world.assert_dead(&old.access);
        for node in world.nodes() {
            assert_eq!(
                node.introspect(&world.api, &new.access).expect(200).json()["active"],
                true
            );
        }
    }
}

/// A27: acknowledged anywhere, dead everywhere, in the same moment.
#[test]
fn a27_what_one_node_acknowledges_is_dead_at_every_other() {
    let world = World::with(Setup::new(Backend::Postgres).nodes(3));
    for round in 0..30 {
        let (born, dies) = (world.node(round % 3), world.node((round + 1) % 3));
        let token = born
            .client_credentials(&world.robot)
            .expect(200)
            .member("access_token");
        world.assert_alive(&token);
        dies.revoke(&world.robot, &token).expect(200);
        world.assert_dead(&token);
    }
    world.add_user("eve");
    let tokens = world.tokens(&mut world.signed_in("eve"), &world.web);
    world.run(&["user", "delete", "eve"], "");
    world.assert_dead(&tokens.access);
    for node in world.nodes() {
        node.refresh(&world.web, tokens.refresh())
            .expect_error(400, "invalid_grant");
    }
}
