//! RFC 8707, Resource Indicators: a token is meant for somebody.

use conformance_tests::{Tokens, World, on_both_backends};

fn world_of_two(
    backend: conformance_tests::Backend,
) -> (
    World,
    conformance_tests::ResourceServer,
    conformance_tests::Client,
) {
    let world = World::start(backend);
    let photos = world.add_resource("photos");
    world.add_scope("albums", "photos");
    let client = world.add_client(
        "desk",
        "https://desk.example.test/cb",
        &[
            "--grant",
            "authorization_code",
            "--grant",
            "refresh_token",
            "--grant",
            "client_credentials",
            "--consent",
            "implicit",
            "--scope",
            "notes",
            "--scope",
            "albums",
        ],
    );
    (world, photos, client)
}

on_both_backends! {
    /// §2.2, S9700-16: the token request narrows the audience.
    fn s9700_16_a_token_asked_for_one_resource_is_dead_at_every_other(backend) {
        let (world, photos, client) = world_of_two(backend);
        let code = world.signed_in("ada").obtain_code(&world.request(&client).scope("notes albums"));
        let tokens = Tokens::of(&world.redeem(&client, &code));
        let alive_at = |resource, token: &str| world.http().introspect(resource, token).expect(200).json()["active"] == true;
        assert!(alive_at(&world.api, &tokens.access) && alive_at(&photos, &tokens.access));

        let fields = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh()), ("resource", photos.identifier.as_str())];
        let narrowed = Tokens::of(&world.http().token(&client, &fields));
        assert!(alive_at(&photos, &narrowed.access) && !alive_at(&world.api, &narrowed.access));
    }

    /// §2: unknown, malformed or unregistered targets.
    fn rfc8707_an_unknown_resource_is_an_invalid_target(backend) {
        let (world, _, client) = world_of_two(backend);
        let mut browser = world.signed_in("ada");
        for resource in ["https://unknown.example.test", "not-a-uri", "https://api.example.test#x", "https://api.example.test/"] {
            let answer = browser.authorize(&world.request(&client).set("resource", resource));
            assert_eq!(answer.location_parameter("error").as_deref(), Some("invalid_target"), "{resource}: {answer:?}");
            let fields = [("grant_type", "client_credentials"), ("resource", resource)];
            world.http().token(&client, &fields).expect_error(400, "invalid_target");
        }
    }

    /// S9700-12, E05: a refresh stays within what was granted.
    fn s9700_12_a_refresh_token_is_bound_to_the_granted_resources(backend) {
        let (world, photos, client) = world_of_two(backend);
        let request = world.request(&client).scope("notes").set("resource", &world.api.identifier);
        let code = world.signed_in("ada").obtain_code(&request);
        let tokens = Tokens::of(&world.redeem(&client, &code));
        let fields = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh()), ("resource", photos.identifier.as_str())];
        world.http().token(&client, &fields).expect_error(400, "invalid_target");
        Tokens::of(&world.refresh(&client, tokens.refresh()));
    }

    /// §2: the parameter may come more than once.
    fn rfc8707_several_resources_may_be_named(backend) {
        let (world, photos, client) = world_of_two(backend);
        let fields = [("grant_type", "client_credentials"), ("resource", photos.identifier.as_str()), ("resource", world.api.identifier.as_str())];
        let token = world.http().token(&client, &fields).expect(200).member("access_token");
        for resource in [&world.api, &photos] {
            assert_eq!(world.http().introspect(resource, &token).expect(200).json()["active"], true);
        }
    }
}
