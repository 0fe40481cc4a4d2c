//! The device flow, from both sides: the device that asks and polls, and the person in the browser.

use serde_json::Value;

use crate::browser::Browser;
use crate::html;
use crate::wire::{Http, Request, Response};
use crate::world::{Client, PASSWORD};

/// The grant type's name on the wire.
pub const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A device that waits.
#[derive(Clone, Debug)]
pub struct Device {
    pub client: Client,
    pub device_code: String,
    pub user_code: String,
    /// Everything that the endpoint answered.
    pub answer: Value,
}

impl Device {
    /// What the device asks with.
    pub fn polling(&self) -> Request {
        let fields = [
            ("grant_type", DEVICE_GRANT),
            ("device_code", self.device_code.as_str()),
        ];
        Request::token(&self.client, &fields)
    }
}

impl Request {
    pub fn device_authorization(client: &Client, fields: &[(&str, &str)]) -> Self {
        Self::of_client("/device_authorization", client, fields)
    }
}

impl Http {
    /// Starts a device with these parameters.
    #[track_caller]
    pub fn start_device(&self, client: &Client, fields: &[(&str, &str)]) -> Device {
        let answer = self
            .send(&Request::device_authorization(client, fields))
            .expect(200);
        Device {
            client: client.clone(),
            device_code: answer.member("device_code"),
            user_code: answer.member("user_code"),
            answer: answer.json(),
        }
    }

    pub fn poll(&self, device: &Device) -> Response {
        self.send(&device.polling())
    }
}

impl Browser {
    /// Opens the page where codes are typed, signing in where needed.
    #[track_caller]
    pub fn device_page(&mut self, path: &str, user: &str) -> Response {
        let mut answer = self.get(path);
        for _ in 0..4 {
            if let Some(location) = answer.location() {
                let location = location.to_owned();
                answer = self.get(&location);
            } else if html::by_id(&answer.text(), "login-submit").is_some() {
                answer = self.submit(&answer, &[("username", user), ("password", PASSWORD)]);
            } else {
                return answer;
            }
        }
        panic!("no page for the code comes: {answer:?}");
    }

    /// Types a code; the answer is the page of the decision, or the entry page once more.
    #[track_caller]
    pub fn type_code(&mut self, tenant_path: &str, user_code: &str, user: &str) -> Response {
        let page = self.device_page(&format!("{tenant_path}/device"), user);
        let answer = self.submit(&page, &[("user_code", user_code)]);
        match answer.location().map(str::to_owned) {
            Some(location) => self.get(&location),
            None => answer,
        }
    }

    /// Types the code and decides; the answer is the last page.
    #[track_caller]
    pub fn decide_device(&mut self, device: &Device, user: &str, decision: &str) -> Response {
        let tenant_path = device.client.tenant_path.clone();
        let page = self.type_code(&tenant_path, &device.user_code, user);
        assert!(
            html::by_id(&page.text(), "device-approve").is_some(),
            "{page:?}"
        );
        let answer = self.submit(&page, &[("decision", decision)]);
        match answer.location().map(str::to_owned) {
            Some(location) => self.get(&location),
            None => answer,
        }
    }

    /// Approves the device as `ada`.
    #[track_caller]
    pub fn approve_device(&mut self, device: &Device) {
        let page = self.decide_device(device, "ada", "approve").expect(200);
        assert!(page.text().contains("The device is connected"), "{page:?}");
    }
}
