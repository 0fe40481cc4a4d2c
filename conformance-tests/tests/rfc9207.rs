//! RFC 9207, Authorization Server Issuer Identification.

use conformance_tests::{World, html, on_both_backends};

on_both_backends! {
    /// S9700-23: in success and in error, by query and by form post.
    fn s9700_23_every_authorization_response_names_its_issuer(backend) {
        let world = World::start(backend);
        let mut browser = world.signed_in("ada");
        let good = world.request(&world.web);
        let denied = browser.authorize_and(&world.request(&world.app), "deny");
        let answers = [browser.authorize(&good), browser.authorize(&good.clone().set("scope", "unheard-of")), denied];
        for answer in answers {
            assert_eq!(answer.location_parameter("iss").as_deref(), Some(world.issuer()), "{answer:?}");
        }
        let page = browser.authorize(&good.clone().set("response_mode", "form_post")).expect(200).text();
        assert_eq!(html::input(&page, "iss").as_deref(), Some(world.issuer()));
        assert_eq!(html::input(&page, "state").as_deref(), Some(good.get("state")));
        assert!(html::input(&page, "code").is_some());
        assert_eq!(html::form_action(&page).as_deref(), Some("https://app.example.test/cb"));
    }

    /// A tenant is an issuer of its own.
    fn s9700_23_a_tenant_names_its_own_issuer(backend) {
        let world = World::start(backend);
        world.run(&["tenant", "add", "acme"], "");
        world.add_resource_to("acme", "acme-api");
        world.add_scope_to("acme", "notes", "acme-api");
        world.add_user_to("acme", "bob");
        let client = world.add_web_to("acme", "acme-web");
        let answer = world.browser().authorize(&world.request(&client).user("bob"));
        assert!(answer.location_parameter("code").is_some(), "{answer:?}");
        assert_eq!(answer.location_parameter("iss"), Some(format!("{}/t/acme", world.issuer())));
    }
}
