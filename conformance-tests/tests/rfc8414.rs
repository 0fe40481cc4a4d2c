//! RFC 8414, Authorization Server Metadata.

use conformance_tests::{World, on_both_backends};
use serde_json::json;

on_both_backends! {
    fn rfc8414_the_metadata_name_the_issuer_and_every_endpoint(backend) {
        let world = World::start(backend);
        let answer = world.http().get("/.well-known/oauth-authorization-server").expect(200);
        assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("application/json")), "{answer:?}");
        let metadata = answer.json();
        let issuer = world.issuer();
        assert_eq!(metadata["issuer"], issuer);
        for (member, path) in [("authorization_endpoint", "authorize"), ("token_endpoint", "token"), ("introspection_endpoint", "introspect"), ("revocation_endpoint", "revoke")] {
            assert_eq!(metadata[member], format!("{issuer}/{path}"), "{member}");
        }
        // S9700-08
        assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
        // S9700-10: no response type hands out access tokens in the front channel.
        assert_eq!(metadata["response_types_supported"], json!(["code"]));
        // RFC 9207 §3
        assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
        let has = |member: &str, word: &str| metadata[member].as_array().is_some_and(|list| list.iter().any(|own| own == word));
        for grant in ["authorization_code", "refresh_token", "client_credentials"] {
            assert!(has("grant_types_supported", grant), "{grant}");
        }
        assert!(!has("grant_types_supported", "implicit") && !has("grant_types_supported", "password"));
        for method in ["client_secret_basic", "client_secret_post", "none"] {
            assert!(has("token_endpoint_auth_methods_supported", method), "{method}");
        }
        assert!(!has("introspection_endpoint_auth_methods_supported", "none"));
        for mode in ["query", "form_post"] {
            assert!(has("response_modes_supported", mode), "{mode}");
        }
    }

    /// Discovery is public: any script may read it, without credentials.
    fn rfc8414_any_origin_may_read_the_metadata(backend) {
        let world = World::start(backend);
        let answer = world.http().get("/.well-known/oauth-authorization-server").expect(200);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{answer:?}");
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }

    /// §3.1: the well-known part stands before the issuer's path.
    fn rfc8414_each_tenant_has_an_issuer_of_its_own(backend) {
        let world = World::start(backend);
        world.run(&["tenant", "add", "acme", "--name", "Acme"], "");
        let metadata = world.http().get("/.well-known/oauth-authorization-server/t/acme").expect(200).json();
        let issuer = format!("{}/t/acme", world.issuer());
        assert_eq!(metadata["issuer"], issuer.as_str());
        assert_eq!(metadata["token_endpoint"], format!("{issuer}/token"));
        assert_eq!(world.http().get("/.well-known/oauth-authorization-server/t/nobody").status, 404);

        // A client of one tenant does not exist in the other.
        let resource = world.add_resource_to("acme", "acme-api");
        world.add_scope_to("acme", "notes", "acme-api");
        let robot = world.add_robot_to("acme", "acme-robot");
        let token = world.http().client_credentials(&robot).expect(200).member("access_token");
        let answer = world.http().introspect(&resource, &token).expect(200).json();
        assert_eq!((&answer["active"], &answer["iss"]), (&json!(true), &json!(issuer)));
        world.assert_dead(&token);
        let mut stray = robot.clone();
        stray.tenant_path = String::new();
        world.http().client_credentials(&stray).expect_error(401, "invalid_client");
    }

    /// C33, S9700-22: whatever a request claims about its host, the URLs come from the configuration.
    fn s9700_22_forged_host_and_forwarding_headers_change_nothing(backend) {
        let world = World::start(backend);
        let request = conformance_tests::Request::get("/.well-known/oauth-authorization-server")
            .header("Host", "evil.example")
            .header("X-Forwarded-Host", "evil.example")
            .header("X-Forwarded-Proto", "https")
            .header("Forwarded", "host=evil.example;proto=https");
        let answer = world.http().send(&request);
        assert!(!answer.text().contains("evil.example"), "{answer:?}");
        if answer.status == 200 {
            assert_eq!(answer.json()["issuer"], world.issuer());
        }
    }

    fn rfc8414_health_and_readiness_tell_their_state(backend) {
        let world = World::start(backend);
        assert_eq!(world.http().get("/health").expect(200).json()["status"], "ok");
        assert_eq!(world.http().get("/ready").expect(200).json()["status"], "ready");
        let metrics = world.metrics(0).get("/metrics").expect(200).text();
        assert!(metrics.contains("# TYPE"), "{metrics}");
        // The public listener does not serve them.
        assert_eq!(world.http().get("/metrics").status, 404);
    }
}
