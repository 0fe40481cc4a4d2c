//! A session with all that its person can approve in it: what lives and dies together, and what does not.

use crate::browser::Browser;
use crate::wire::{Http, Response};
use crate::world::{Client, Tokens, World};

/// What a personal access token is asked for with.
pub const OWN_TOKEN: [(&str, &str); 2] = [("name", "back-up"), ("scope", "notes")];

/// A session, the tokens of a client and of a device that were approved in it, and a personal access token that was made in it.
#[derive(Clone, Debug)]
pub struct Family {
    pub browser: Browser,
    pub tokens: Tokens,
    pub device: Tokens,
    pub own: String,
    device_client: Client,
}

impl World {
    /// A public client of devices that may refresh.
    #[track_caller]
    pub fn add_tv(&self) -> Client {
        let options = [
            "--public",
            "--grant",
            "device_code",
            "--grant",
            "refresh_token",
            "--scope",
            "notes",
            "--scope",
            "offline_access",
        ];
        self.add_client("tv", "", &options)
    }

    /// A device that may ask for `notes`, which from now on may be put into personal tokens as well.
    #[track_caller]
    pub fn add_device(&self) -> Client {
        self.run(&["scope", "change", "notes", "--personal", "true"], "");
        self.add_tv()
    }

    /// Lets whoever is signed in approve one of everything.
    #[track_caller]
    pub fn family(&self, device_client: &Client, mut browser: Browser) -> Family {
        let device = self
            .http()
            .start_device(device_client, &[("scope", "notes offline_access")]);
        browser.approve_device(&device);
        Family {
            tokens: self.tokens(&mut browser, &self.web),
            device: Tokens::of(&self.http().poll(&device)),
            own: browser.made_token(&OWN_TOKEN),
            browser,
            device_client: device_client.clone(),
        }
    }
}

impl Family {
    fn refreshed(&self, world: &World, node: &Http) -> [Response; 2] {
        [
            node.refresh(&world.web, self.tokens.refresh()),
            node.refresh(&self.device_client, self.device.refresh()),
        ]
    }

    /// What was approved, each at its own endpoint and at every node.
    #[track_caller]
    pub fn assert_approvals_dead(&self, world: &World) {
        for token in [&self.tokens.access, &self.device.access, &self.own] {
            world.assert_dead(token);
        }
        for node in world.nodes() {
            for answer in self.refreshed(world, &node) {
                answer.expect_error(400, "invalid_grant");
            }
        }
    }

    /// What was approved; the refresh tokens are rotated.
    #[track_caller]
    pub fn assert_approvals_alive(&mut self, world: &World) {
        world.assert_alive(&self.own);
        let [web, device] = self.refreshed(world, &world.http());
        for (own, again) in [(&mut self.tokens, web), (&mut self.device, device)] {
            world.assert_alive(&own.access);
            *own = Tokens::of(&again);
            world.assert_alive(&own.access);
        }
    }

    /// All of it is dead at every node.
    #[track_caller]
    pub fn assert_dead(mut self, world: &World) {
        self.assert_approvals_dead(world);
        for node in world.nodes() {
            let mut here = self.browser.clone();
            here.http = node;
            assert!(!here.is_signed_in(), "the session lives");
        }
        // Nor does the session approve anything any more: the way ends at the sign-in.
        let answer = self.browser.get(&world.request(&world.web).target());
        let to = answer.location().unwrap_or_default();
        assert!(to.contains("/login"), "{answer:?}");
    }

    /// All of it lives.
    #[track_caller]
    pub fn assert_alive(&mut self, world: &World) {
        self.assert_approvals_alive(world);
        assert!(self.browser.is_signed_in(), "the session is dead");
    }
}
