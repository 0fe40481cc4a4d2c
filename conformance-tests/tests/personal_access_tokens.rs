//! Tokens that people make for their own programs: made in the browser, introspected like any other, ended by their owner.

use conformance_tests::{Backend, Browser, Response, Setup, World, html, on_both_backends};

/// A world in which people may put `notes` into their tokens.
fn world(setup: Setup) -> World {
    let world = World::with(setup);
    world.run(&["scope", "change", "notes", "--personal", "true"], "");
    world
}

fn ids(page: &Response, prefix: &str) -> Vec<String> {
    let tags = html::tags(&page.text());
    let ids = tags.iter().filter_map(|tag| tag.get("id"));
    ids.filter_map(|id| id.strip_prefix(prefix).map(str::to_owned))
        .collect()
}

fn end(browser: &mut Browser, id: &str) -> Response {
    let page = browser.get("/account").expect(200).text();
    let csrf = html::input(&page, "csrf").expect("a form token");
    browser.post("/account/tokens/end", &[("id", id), ("csrf", &csrf)])
}

const NOTES: [(&str, &str); 2] = [("name", "back-up"), ("scope", "notes")];

on_both_backends! {
    fn s7662_a_personal_token_is_introspected_without_a_client(backend) {
        let world = world(Setup::new(backend));
        let mut browser = world.signed_in("ada");
        let token = browser.made_token(&NOTES);
        assert!(token.starts_with("cfpt_"), "{token}");
        let answer = world.introspect(&token);
        assert_eq!((&answer["active"], &answer["scope"]), (&true.into(), &"notes".into()), "{answer}");
        assert!(answer.get("client_id").is_none() && answer.get("act").is_none(), "{answer}");
        assert_eq!(answer["username"], "ada");
        assert_eq!(answer["aud"], world.api.identifier.as_str());
        assert!(answer["auth_time"].as_i64().expect("a time") <= answer["iat"].as_i64().expect("a time"));
        assert_eq!(answer["exp"].as_i64().unwrap_or(0) - answer["iat"].as_i64().unwrap_or(0), 2_592_000);
        // A resource server that it is not for learns nothing.
        let other = world.add_resource("other");
        assert_eq!(world.http().introspect(&other, &token).text(), r#"{"active":false}"#);
        let altered = format!("{}x", &token[..token.len() - 1]);
        world.assert_dead(&altered);
        world.assert_dead(&token.replacen("cfpt_", "cfat_", 1));
    }

    fn c37_its_owner_lists_it_without_the_secret_and_ends_it_once(backend) {
        let world = world(Setup::new(backend));
        let mut browser = world.signed_in("ada");
        let token = browser.made_token(&NOTES);
        let reload = browser.get("/account/tokens/made").expect(303);
        assert_eq!(reload.location(), Some("/account/tokens"), "shown once");
        let page = browser.get("/account/tokens").expect(200);
        assert!(page.text().contains("back-up") && !page.text().contains("cfpt_"), "{page:?}");
        let id = ids(&page, "token-revoke-").remove(0);
        assert_eq!(world.introspect(&token)["jti"], id.as_str());
        world.add_user("eve");
        let mut eve = world.signed_in("eve");
        assert_eq!(eve.get(&format!("/account/tokens/{id}")).status, 404, "someone else's");
        assert_eq!(end(&mut eve, &id).location(), Some("/account/tokens?told=gone"));
        world.assert_alive(&token);
        let tree = browser.get(&format!("/account/tokens/{id}")).expect(200).text();
        assert!(tree.contains("Browser session") && tree.contains("back-up"), "{tree}");
        assert_eq!(end(&mut browser, &id).location(), Some("/account/tokens?told=token_ended"));
        world.assert_dead(&token);
        assert_eq!(end(&mut browser, &id).location(), Some("/account/tokens?told=gone"));
    }

    fn c04_it_outlives_the_session_that_made_it_but_not_the_tenants_maximum(backend) {
        let world = world(Setup::new(backend).time_travel());
        let mut browser = world.signed_in("ada");
        let token = browser.made_token(&[NOTES[0], NOTES[1], ("lifetime", "86400")]);
        browser.sign_out();
        world.assert_alive(&token);
        world.advance(86_399);
        world.assert_alive(&token);
        world.advance(1);
        world.assert_dead(&token);
        let mut browser = world.signed_in("ada");
        let long = browser.made_token(&NOTES);
        world.run(&["tenant", "change", "default", "--max-personal-access-token", "3600"], "");
        world.assert_alive(&long);
        let mut refused = world.signed_in("ada");
        let answer = refused.make_token(&[NOTES[0], NOTES[1], ("lifetime", "3601")]).expect(400);
        assert!(answer.text().contains("one hour"), "c02: the longest is told: {answer:?}");
        world.advance(3_600);
        world.assert_dead(&long);
    }

    fn s7009_no_client_ends_a_persons_token_and_the_refusal_is_written_down(backend) {
        let world = world(Setup::new(backend));
        let token = world.signed_in("ada").made_token(&NOTES);
        for client in [&world.app, &world.web] {
            world.revoke(client, &token).expect(200);
            world.assert_alive(&token);
        }
        let log = world.cli(&["audit", "search", "--event", "revocation.refused"]).to_string();
        assert!(log.contains("not_the_clients_token"), "{log}");
        // An operator ends it with the value, which goes by standard input.
        world.run(&["token", "revoke", "--stdin"], &format!("{token}\n"));
        world.assert_dead(&token);
    }

    fn e14_a_token_that_was_used_shows_when(backend) {
        let world = world(Setup::new(backend));
        let mut browser = world.signed_in("ada");
        let token = browser.made_token(&NOTES);
        world.assert_alive(&token);
        let page = browser.get("/account/tokens").expect(200).text();
        assert!(page.contains("Last used"), "{page}");
    }

    fn everything_that_ends_a_person_ends_their_tokens(backend) {
        let world = world(Setup::new(backend));
        let token = world.signed_in("ada").made_token(&NOTES);
        world.run(&["user", "suspend", "ada"], "");
        world.assert_dead(&token);
        world.run(&["user", "unsuspend", "ada"], "");
        world.assert_dead(&token);
        let token = world.signed_in("ada").made_token(&NOTES);
        world.run(&["resource", "disable", "api"], "");
        world.run(&["resource", "enable", "api"], "");
        world.assert_dead(&token);
    }
}

#[test]
fn a_scope_that_is_not_personal_is_not_offered() {
    let world = World::start(Backend::Sqlite);
    let mut browser = world.signed_in("ada");
    let page = browser.get("/account/tokens/new").expect(200).text();
    assert!(!page.contains("value=\"notes\""), "{page}");
    let refused = browser.make_token(&NOTES).expect(400);
    assert!(
        refused.text().contains("Choose from the list"),
        "{refused:?}"
    );
}
