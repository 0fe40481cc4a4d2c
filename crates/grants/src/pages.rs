//! The models of the authorization pages: what each template may show, and nothing else.
//!
//! A secret that a page carries (the form token, a code in a form) is plain text here, because it is about to be sent; the models
//! have no `Debug`, so that it is not logged on the way.

mod device;
#[cfg(test)]
mod tests;

pub use curfew_http::pages::{Lasts, OwnWords};
pub use device::{
    DeviceConfirmPage, DeviceDonePage, DeviceEntryError, DeviceEntryPage, DeviceOutcome,
    DevicePlace,
};

use curfew_http::pages::{LocalPath, Shell, Templates};
use serde::Serialize;

/// The templates of this crate.
pub const TEMPLATES: Templates = &[
    ("consent.html", include_str!("../templates/consent.html")),
    (
        "authorization_error.html",
        include_str!("../templates/authorization_error.html"),
    ),
    (
        "form_post.html",
        include_str!("../templates/form_post.html"),
    ),
    ("expired.html", include_str!("../templates/expired.html")),
    ("asks.html", include_str!("../templates/asks.html")),
    ("device.html", include_str!("../templates/device.html")),
    (
        "device_confirm.html",
        include_str!("../templates/device_confirm.html"),
    ),
    (
        "device_done.html",
        include_str!("../templates/device_done.html"),
    ),
];

/// The only script of all pages: it presses the button of `form_post.html`. It must contain nothing that HTML escapes, or its
/// hash would not be that of what the browser runs.
pub const FORM_POST_SCRIPT: &str = "document.forms[0].submit()";

/// What `script-src` must say for [`FORM_POST_SCRIPT`] to run: `'sha256-…'`, quotes included.
pub fn form_post_script_source() -> String {
    curfew_http::pages::script_source(FORM_POST_SCRIPT)
}

/// `consent.html`
#[derive(Serialize)]
pub struct ConsentPage {
    pub shell: Shell,
    pub csrf: String,
    /// The authorization request's own query; sent back as it is and judged again when it comes.
    pub request: String,
    pub client: ConsentClient,
    /// Without `offline_access`, which is `while_away`.
    pub scopes: Vec<ConsentScope>,
    /// What was asked for besides, and the account may not give yet.
    pub withheld: Vec<ConsentScope>,
    pub resources: Vec<ConsentResource>,
    /// After this the approval and all that hangs on it has ended.
    pub lasts: Lasts,
    /// Client or session are bound: signing out ends the access as well.
    pub ends_with_session: bool,
    /// The client may go on while the user is away.
    pub while_away: bool,
    /// Who is signed in.
    pub username: String,
    /// Where the user goes to sign in as someone else.
    pub switch: LocalPath,
}

/// Who asks.
#[derive(Serialize)]
pub struct ConsentClient {
    pub name: String,
    pub provenance: Provenance,
    /// Host that the answer goes to; for a private-use scheme the scheme, for loopback `localhost` in words of the caller.
    pub redirect_host: Option<String>,
}

/// Why the client is there at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Provenance {
    /// Run by the same people as the tenant.
    FirstParty,
    /// Registered by an administrator of the tenant.
    Administrator,
}

/// One scope, in the operator's words.
#[derive(Serialize)]
pub struct ConsentScope {
    pub name: String,
    pub description: Option<String>,
    /// A scope of our own API, whose sentence is in the message catalogue.
    pub own: Option<OwnWords>,
}

/// One resource server that the tokens will be for.
#[derive(Serialize)]
pub struct ConsentResource {
    pub name: String,
    pub identifier: String,
}

/// `authorization_error.html`: the request is answered here, because it names no place that may be trusted with an answer.
#[derive(Serialize)]
pub struct AuthorizationErrorPage {
    pub shell: Shell,
    pub reason: AuthorizationErrorReason,
    /// Name of the client, when there is one.
    pub client: Option<String>,
    /// The OAuth error code.
    pub code: String,
    /// One fixed sentence for the client's developer.
    pub description: String,
    pub correlation_id: String,
}

/// What the person is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthorizationErrorReason {
    /// Unknown, disabled or deleted.
    UnknownClient,
    /// Not registered, or missing.
    RedirectUri,
    /// Malformed, repeated or contradictory parameters.
    Request,
    /// The client lacks the grant, the scope or the resource, and cannot be told by a redirect.
    NotAllowed,
}

/// `form_post.html`: the answer to a client that asked for `response_mode=form_post`.
#[derive(Serialize)]
pub struct FormPostPage {
    shell: Shell,
    client: String,
    action: String,
    fields: Vec<HiddenField>,
    script: &'static str,
}

/// One parameter of the authorization response.
#[derive(Serialize)]
pub struct HiddenField {
    pub name: String,
    pub value: String,
}

impl FormPostPage {
    /// `action` is the validated redirect URI, byte for byte. None unless it is an `https` or `http` address: a form cannot be
    /// posted to an application's private scheme, and must not be to `javascript:`.
    pub fn new(
        shell: Shell,
        client: String,
        action: String,
        fields: Vec<HiddenField>,
    ) -> Option<FormPostPage> {
        let postable = ["https://", "http://"]
            .iter()
            .any(|scheme| action.starts_with(scheme));
        postable.then_some(FormPostPage {
            shell,
            client,
            action,
            fields,
            script: FORM_POST_SCRIPT,
        })
    }
}

/// `expired.html`: the form token or the request behind a page has run out.
#[derive(Serialize)]
pub struct ExpiredPage {
    pub shell: Shell,
    /// Where to start over, when that is on this server.
    pub restart: Option<LocalPath>,
}
