//! The pages on which people approve devices.

use actix_web::http::StatusCode;
use curfew_http::pages::Shell;
use serde::Serialize;

use super::{ConsentResource, ConsentScope, Lasts, Provenance};

/// `device.html`: where the code is typed.
#[derive(Serialize)]
pub struct DeviceEntryPage {
    pub shell: Shell,
    pub csrf: String,
    /// What came with the link, or was typed before.
    pub user_code: String,
    /// Who is signed in.
    pub username: String,
    pub error: Option<DeviceEntryError>,
}

/// Why the person is asked again. Wrong, expired and used codes are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceEntryError {
    Wrong,
    TooMany,
    Expired,
}

/// `device_confirm.html`: what is asked, and from where.
#[derive(Serialize)]
pub struct DeviceConfirmPage {
    pub shell: Shell,
    pub csrf: String,
    /// Sealed; sent back as it is.
    pub request: String,
    pub client: String,
    pub client_id: String,
    pub provenance: Provenance,
    /// To be compared with the device's.
    pub user_code: String,
    pub scopes: Vec<ConsentScope>,
    /// What was asked for besides, and the account may not give yet.
    pub withheld: Vec<ConsentScope>,
    pub resources: Vec<ConsentResource>,
    pub lasts: Lasts,
    /// The device may go on without being approved anew.
    pub while_away: bool,
    pub username: String,
    /// The request came from another address than the person is at.
    pub differs: bool,
    pub device: DevicePlace,
    pub here: DevicePlace,
    /// How many whole minutes ago the device asked.
    pub minutes: u64,
}

/// Where somebody or something is.
#[derive(Serialize)]
pub struct DevicePlace {
    pub address: String,
    /// In words, when a database of places is configured and knows.
    pub place: Option<String>,
    /// What the device calls itself.
    pub agent: Option<String>,
}

/// `device_done.html`
#[derive(Serialize)]
pub struct DeviceDonePage {
    pub shell: Shell,
    pub outcome: DeviceOutcome,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceOutcome {
    Approved,
    Denied,
    /// Decided already, or expired.
    Gone,
    Off,
    NotAdmitted,
    Changed,
    TooLong,
    OtherAddress,
    Quarantined,
}

impl DeviceOutcome {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Approved,
        Self::Denied,
        Self::Gone,
        Self::Off,
        Self::NotAdmitted,
        Self::Changed,
        Self::TooLong,
        Self::OtherAddress,
        Self::Quarantined,
    ];

    /// The word in the address.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Gone => "gone",
            Self::Off => "off",
            Self::NotAdmitted => "not_admitted",
            Self::Changed => "changed",
            Self::TooLong => "too_long",
            Self::OtherAddress => "other_address",
            Self::Quarantined => "quarantined",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == word)
    }

    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::Approved | Self::Denied => StatusCode::OK,
            Self::Gone | Self::Changed | Self::TooLong => StatusCode::BAD_REQUEST,
            Self::Off | Self::NotAdmitted | Self::OtherAddress | Self::Quarantined => {
                StatusCode::FORBIDDEN
            }
        }
    }
}
