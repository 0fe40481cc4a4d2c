//! The device flow from the device's side (RFC 8628).
//!
//! 1. A device code is asked for, bound to this process by a challenge (§3.1).
//! 2. The person is shown where to go and what to type (§3.3; `show.rs`).
//! 3. The token endpoint is asked again and again, never faster than it wants (§3.4, §3.5), until the person has decided, the code has
//!    expired, or Ctrl-C was pressed. A token that arrives after Ctrl-C is handed back at once.

use std::pin::Pin;
use std::time::Duration;

use curfew_protocol::GrantType;
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use super::client::{Client, Granted};
use super::http::{HttpFailure, is_safe};
use super::pkce::Binding;
use super::words::printable;
use crate::failure::Failure;

/// A device authorization response (§3.2).
#[derive(Deserialize)]
pub(super) struct Code {
    device_code: String,
    pub(super) user_code: String,
    pub(super) verification_uri: Url,
    pub(super) verification_uri_complete: Option<Url>,
    pub(super) expires_in: u64,
    #[serde(default = "five")]
    interval: u64,
}

/// Where the server names no interval (§3.2).
const fn five() -> u64 {
    5
}

/// Asks for a device code.
pub(super) async fn authorize(
    client: &Client,
    scope: &str,
    binding: &Binding,
) -> Result<Code, Failure> {
    let Some(endpoint) = &client.metadata.device_authorization_endpoint else {
        return Err(Failure::told(format!(
            "{} does not offer the device flow",
            client.issuer
        )));
    };
    let fields = [
        ("client_id", client.id.as_str()),
        ("scope", scope),
        ("code_challenge", &binding.challenge),
        ("code_challenge_method", "S256"),
    ];
    let answer = client.http.form(endpoint, &fields).await;
    let answer = answer.map_err(|failure| client.explained(failure))?;
    let code: Code = serde_json::from_value(answer)
        .map_err(|error| Failure::told(format!("{endpoint} answered no device code: {error}")))?;
    let links = [
        Some(&code.verification_uri),
        code.verification_uri_complete.as_ref(),
    ];
    if !links.into_iter().flatten().all(is_safe) {
        return Err(Failure::told(format!(
            "{endpoint} sends people to an address that is not https; nobody should sign in there"
        )));
    }
    Ok(code)
}

/// How fast the token endpoint is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pace {
    interval: u64,
    /// Questions in a row that got no answer.
    hiccups: u32,
}

/// How much `slow_down` slows down (§3.5), in seconds.
const SLOW_DOWN: u64 = 5;
/// Nobody waits longer than this between two questions, in seconds, unless the server says so.
const LONGEST: u64 = 60;

impl Pace {
    const fn new(interval: u64) -> Self {
        let interval = if interval == 0 { 1 } else { interval };
        Self {
            interval,
            hiccups: 0,
        }
    }

    /// The wait before the next question, in seconds. No answer at all doubles it, each time (§3.5).
    fn wait(self) -> u64 {
        let doubled = self.interval << self.hiccups.min(6);
        doubled.min(LONGEST).max(self.interval)
    }

    const fn answered(&mut self) {
        self.hiccups = 0;
    }

    const fn hiccup(&mut self) {
        self.hiccups += 1;
    }

    fn slow_down(&mut self, retry_after: Option<u64>) {
        self.interval += SLOW_DOWN;
        self.interval = self.interval.max(retry_after.unwrap_or(0).min(LONGEST));
    }
}

/// What a question was answered with.
enum Answer {
    Granted(Box<Granted>),
    Pending,
    SlowDown(Option<u64>),
    Hiccup,
    Over(Failure),
}

/// Waits for the person. `interrupt` ends it: then nothing is left behind.
pub(super) async fn wait(
    client: &Client,
    (code, binding): (&Code, &Binding),
    interrupt: impl Future<Output = ()>,
) -> Result<Granted, Failure> {
    let mut interrupt = std::pin::pin!(interrupt);
    let end = Instant::now() + Duration::from_secs(code.expires_in.min(24 * 3600));
    let mut pace = Pace::new(code.interval);
    loop {
        let next = Instant::now() + Duration::from_secs(pace.wait());
        if next >= end {
            tokio::select! {
                () = tokio::time::sleep_until(end) => return Err(expired()),
                () = interrupt.as_mut() => return Err(interrupted()),
            }
        }
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = interrupt.as_mut() => return Err(interrupted()),
        }
        match ask(client, (code, binding), interrupt.as_mut()).await {
            Answer::Granted(granted) => return Ok(*granted),
            Answer::Pending => pace.answered(),
            Answer::SlowDown(retry_after) => {
                pace.answered();
                pace.slow_down(retry_after);
            }
            Answer::Hiccup => pace.hiccup(),
            Answer::Over(failure) => return Err(failure),
        }
    }
}

/// One question. It is not broken off: the answer may hold tokens, and they would live on without an owner.
async fn ask(
    client: &Client,
    (code, binding): (&Code, &Binding),
    interrupt: Pin<&mut impl Future<Output = ()>>,
) -> Answer {
    let fields = [
        ("grant_type", GrantType::DeviceCode.as_str()),
        ("device_code", &code.device_code),
        ("client_id", &client.id),
        ("code_verifier", &binding.verifier),
    ];
    let question = client.token(&fields);
    let mut question = std::pin::pin!(question);
    tokio::select! {
        answer = question.as_mut() => understood(client, answer),
        () = interrupt => {
            if let Ok(granted) = question.await {
                client.revoke(&granted.tokens).await;
            }
            Answer::Over(interrupted())
        }
    }
}

fn understood(client: &Client, answer: Result<Granted, HttpFailure>) -> Answer {
    let failure = match answer {
        Ok(granted) => return Answer::Granted(Box::new(granted)),
        Err(failure) => failure,
    };
    match (failure.code(), &failure) {
        ("authorization_pending", _) => Answer::Pending,
        ("slow_down", HttpFailure::Refused { retry_after, .. }) => Answer::SlowDown(*retry_after),
        ("access_denied", _) => {
            Answer::Over(Failure::told("the request was denied; nobody is signed in"))
        }
        ("expired_token", _) => Answer::Over(expired()),
        _ if failure.is_hiccup() => Answer::Hiccup,
        _ => Answer::Over(client.explained(failure)),
    }
}

fn expired() -> Failure {
    Failure::told("the code has expired before anybody entered it; run `curfew login` again")
}

fn interrupted() -> Failure {
    Failure::told("interrupted; nobody is signed in, and nothing was kept")
}

impl Code {
    /// The code as it is to be typed.
    pub(super) fn shown(&self) -> String {
        printable(&self.user_code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8628_slow_down_adds_five_seconds_for_good() {
        let mut pace = Pace::new(5);
        pace.slow_down(None);
        pace.answered();
        assert_eq!(pace.wait(), 10);
        pace.slow_down(Some(30));
        assert_eq!(pace.wait(), 30);
    }

    #[test]
    fn rfc8628_a_server_that_cannot_be_reached_is_asked_half_as_often_each_time() {
        let mut pace = Pace::new(5);
        let waits: Vec<_> = (0..6)
            .map(|_| {
                pace.hiccup();
                pace.wait()
            })
            .collect();
        assert_eq!(waits, [10, 20, 40, 60, 60, 60]);
        pace.answered();
        assert_eq!(pace.wait(), 5);
        assert_eq!(Pace::new(0).wait(), 1);
        assert_eq!(Pace::new(600).wait(), 600);
    }
}
