//! The models of the pages on the way through a provider: what each template may show, and nothing else.
//!
//! A secret that a page carries (the form token, the mailed link) is plain text here, because it is about to be sent; the models
//! have no `Debug`, so that it is not logged on the way.

#[cfg(test)]
mod tests;

use actix_web::http::StatusCode;
use curfew_http::pages::{LocalPath, OutsideLink, Shell, Templates};
use serde::Serialize;

use crate::refusal::Refusal;

/// The templates of this crate.
pub const TEMPLATES: Templates = &[
    (
        "upstream_refused.html",
        include_str!("../templates/upstream_refused.html"),
    ),
    (
        "upstream_continue.html",
        include_str!("../templates/upstream_continue.html"),
    ),
    (
        "upstream_proof.html",
        include_str!("../templates/upstream_proof.html"),
    ),
    (
        "upstream_proof_confirm.html",
        include_str!("../templates/upstream_proof_confirm.html"),
    ),
    (
        "upstream_proof_sent.html",
        include_str!("../templates/upstream_proof_sent.html"),
    ),
];

/// `upstream_refused.html`: nobody was signed in and nothing was linked.
#[derive(Serialize)]
pub(crate) struct RefusedPage {
    pub shell: Shell,
    /// Chooses the sentence, and is shown for support.
    pub code: Refusal,
    /// The provider's name, where one is known.
    pub provider: Option<String>,
    /// Where the person may go on.
    pub back: Option<LocalPath>,
    /// `back` leads to the account, not to the sign-in.
    pub signed_in: bool,
    /// What the person quotes and the operator finds in the log.
    pub correlation_id: String,
}

/// `upstream_continue.html`: the last step before a provider, for somebody who adds an identity or accepts an invitation with one.
#[derive(Serialize)]
pub(crate) struct ContinuePage {
    pub shell: Shell,
    pub provider: String,
    /// Somebody signed in adds it; the way back is to their account.
    pub adds: bool,
    pub leave: OutsideLink,
}

/// `upstream_proof.html`: the question whose the account is. It tells nothing about the account.
#[derive(Serialize)]
pub(crate) struct ProofPage {
    pub shell: Shell,
    pub csrf: String,
    /// Which waiting identity it is about.
    pub request: String,
    pub provider: String,
    /// What the person recognises the identity by.
    pub identity: String,
    /// The address that was proved upstream.
    pub email: Option<String>,
    /// A mail can be sent.
    pub mail: bool,
    pub sign_in: Option<LocalPath>,
    pub back: Option<LocalPath>,
    pub note: Option<ProofNote>,
}

/// What went wrong with an answer to the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProofNote {
    Expired,
    TooManyMails,
    NoMail,
}

impl ProofNote {
    #[cfg(test)]
    pub(crate) const ALL: &'static [Self] = &[Self::Expired, Self::TooManyMails, Self::NoMail];

    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::Expired | Self::NoMail => StatusCode::BAD_REQUEST,
            Self::TooManyMails => StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

/// `upstream_proof_confirm.html`: the last question before an identity is linked.
#[derive(Serialize)]
pub(crate) struct ProofConfirmPage {
    pub shell: Shell,
    pub csrf: String,
    pub act: ProofAct,
    /// Which waiting identity it is about, for somebody who is signed in.
    pub request: Option<String>,
    /// The mailed link's secret, carried through the form.
    pub token: Option<String>,
    pub provider: String,
    pub identity: String,
    /// The username of whoever is signed in, or the address where the mail went.
    pub account: String,
    pub back: Option<LocalPath>,
    pub note: Option<ProofNote>,
}

/// What stands behind the yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ProofAct {
    /// A session of the account.
    Confirm,
    /// The mailbox.
    Prove,
}

/// `upstream_proof_sent.html`
#[derive(Serialize)]
pub(crate) struct ProofSentPage {
    pub shell: Shell,
    /// How long the link lives, at the most.
    pub minutes: u32,
}
