//! What a person who typed the right code carries from page to page: sealed, bound to the session, and good for as long as a form is.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use curfew_http::Edge;
use curfew_http::session::SignedIn;
use curfew_protocol::{DeviceCodeId, NodeId, Timestamp, UserCode};

/// Which device, and the code that was typed, which the page shows for comparison.
pub(super) struct Ticket {
    pub(super) device: DeviceCodeId,
    pub(super) user_code: UserCode,
}

/// What is sealed: as text, because a code is text.
type Sealed = (DeviceCodeId, String, i64);

fn context(session: NodeId) -> Vec<u8> {
    [b"device ticket".as_slice(), session.as_bytes()].concat()
}

impl Ticket {
    /// For the address of the next page. Nothing in it can be read or changed outside.
    pub(super) fn seal(&self, edge: &Edge, who: &SignedIn, now: Timestamp) -> Option<String> {
        let sealed: Sealed = (self.device, self.user_code.to_string(), now.seconds());
        let plain = serde_json::to_vec(&sealed).ok()?;
        let keys = edge.store.keys();
        let sealed = keys.seal(&context(who.session_id), &plain).ok()?;
        Some(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// `None`: altered, another session's, or too old.
    pub(super) fn open(text: &str, edge: &Edge, who: &SignedIn, now: Timestamp) -> Option<Self> {
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let keys = edge.store.keys();
        let plain = keys.open(&context(who.session_id), &sealed).ok()?;
        let (device, user_code, seconds): Sealed = serde_json::from_slice(&plain).ok()?;
        let end = Timestamp::from_seconds(seconds).after(edge.lifetimes.interaction);
        let user_code = UserCode::parse(&user_code)?;
        (!now.has_reached(end)).then_some(Self { device, user_code })
    }
}
