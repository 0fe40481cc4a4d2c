//! The decision about a device: who decides, what comes of it, and who is told. [`super::decision`] makes it.

use curfew_http::mail_texts::DeviceFacts;
use curfew_http::notice::DeviceNotice;
use curfew_http::problem::PageContext;
use curfew_protocol::{DeviceCodeId, NodeId, TokenId};
use curfew_store::StoreError;
use curfew_store::audit::AuthenticatedBy;

use super::decision::Deciding;
use crate::pages::DeviceOutcome;

/// Who decides.
#[derive(Clone, Copy, Debug)]
pub(super) enum Approver {
    Session(NodeId),
    /// Only with the scope that is made for it.
    Token(TokenId),
}

impl Approver {
    pub(super) const fn credential(self) -> AuthenticatedBy {
        match self {
            Self::Session(id) => AuthenticatedBy::Session(id),
            Self::Token(id) => AuthenticatedBy::BearerToken(id),
        }
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decided {
    Approved,
    Denied,
    Refused(DecisionRefusal),
    /// Whoever decided is not signed in any more.
    SignedOut,
}

/// Why nothing was approved, although somebody wanted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DecisionRefusal {
    /// Decided already, expired, or never there.
    Gone,
    /// The flow is switched off, or the client may not use it any more.
    Off,
    /// The client is not for this person (C30).
    NotAdmitted,
    /// What was asked for is not to be had any more.
    Changed,
    /// The device asked for a longer lifetime than may be given.
    TooLong,
    /// The token that approves may not approve this.
    BeyondToken,
    /// The account is in quarantine, and nothing of what was asked for only reads (E10).
    Quarantined,
    /// The device asked from another address, and that is not allowed here.
    OtherAddress,
}

impl DecisionRefusal {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Off => "device_flow_off",
            Self::NotAdmitted => "not_admitted",
            Self::Changed => "changed",
            Self::TooLong => "lifetime_too_long",
            Self::BeyondToken => "beyond_token",
            Self::Quarantined => "quarantined",
            Self::OtherAddress => "other_address",
        }
    }

    pub(super) const fn outcome(self) -> DeviceOutcome {
        match self {
            Self::Gone => DeviceOutcome::Gone,
            Self::Off => DeviceOutcome::Off,
            Self::NotAdmitted => DeviceOutcome::NotAdmitted,
            Self::Changed | Self::BeyondToken => DeviceOutcome::Changed,
            Self::TooLong => DeviceOutcome::TooLong,
            Self::Quarantined => DeviceOutcome::Quarantined,
            Self::OtherAddress => DeviceOutcome::OtherAddress,
        }
    }
}

/// Approves the device. The person, whose name the mail speaks to, is told of it where mail is sent. `read_only`: no more than what
/// reads was shown, and no more is meant.
pub(super) async fn approve(
    at: &PageContext<'_>,
    (by, username): (Approver, &str),
    device: DeviceCodeId,
    read_only: bool,
) -> Result<Decided, StoreError> {
    let mut deciding = Deciding::new(at, by, device);
    deciding.read_only = read_only;
    deciding.notice = notice(at, username, device).await?;
    let decided = at
        .edge
        .store
        .write(move |write| deciding.approve(write))
        .await?;
    let decided = decided.unwrap_or_else(|decided| decided);
    count(decided);
    Ok(decided)
}

/// Denies it.
pub(super) async fn deny(
    at: &PageContext<'_>,
    by: Approver,
    device: DeviceCodeId,
) -> Result<Decided, StoreError> {
    let deciding = Deciding::new(at, by, device);
    let decided = at
        .edge
        .store
        .write(move |write| deciding.deny(write))
        .await?;
    let decided = decided.unwrap_or_else(|decided| decided);
    count(decided);
    Ok(decided)
}

/// The mail, written before the transaction that queues it.
async fn notice(
    at: &PageContext<'_>,
    username: &str,
    device: DeviceCodeId,
) -> Result<Option<DeviceNotice>, StoreError> {
    if at.edge.mailer.is_none() {
        return Ok(None);
    }
    let found = at.edge.store.read(move |read| {
        let Some((code, request)) = read.device_request(device)? else {
            return Ok(None);
        };
        let client = read.client(code.client)?;
        Ok(client.map(|client| (client.registration.name, request, read.now())))
    });
    Ok(found.await?.and_then(|(client, request, now)| {
        let facts = DeviceFacts {
            client: &client,
            at: now,
            ip: request.ip.as_deref(),
            user_agent: request.user_agent.as_deref(),
        };
        DeviceNotice::of(at.edge, at.realm, &at.language(), (username, facts))
    }))
}

fn count(decided: Decided) {
    let outcome = match decided {
        Decided::Approved => "approved",
        Decided::Denied => "denied",
        Decided::Refused(refusal) => refusal.as_str(),
        Decided::SignedOut => "signed_out",
    };
    metrics::counter!("curfew_device_decisions_total", "outcome" => outcome).increment(1);
}
