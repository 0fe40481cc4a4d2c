//! The pages about how somebody signs in: upstream identities, the e-mail address, and the mailed links that undo a change of either.

use curfew_http::pages::Shell;
use serde::Serialize;

/// `identities.html`
#[derive(Serialize)]
pub struct IdentitiesPage {
    pub shell: Shell,
    pub csrf: String,
    pub told: Option<IdentityNoticeWord>,
    pub error: Option<IdentityError>,
    pub identities: Vec<IdentityRow>,
    /// Where another identity may be linked.
    pub providers: Vec<ProviderRow>,
    /// Without one, a password is to be set before the last identity goes.
    pub has_password: bool,
}

#[derive(Serialize)]
pub struct IdentityRow {
    pub id: String,
    pub provider: String,
    /// What the person recognises it by; may be empty.
    pub identity: String,
    pub since: i64,
    /// It signs in at the moment.
    pub usable: bool,
    pub removable: bool,
}

#[derive(Serialize)]
pub struct ProviderRow {
    pub slug: String,
    pub name: String,
}

words! {
    /// What just happened to an identity.
    IdentityNoticeWord {
        Linked,
        AlreadyLinked,
        Unlinked,
        Expired,
    }
}

words! {
    /// Why an identity was not unlinked.
    IdentityError {
        LastWay,
    }
}

/// `email.html`: the account's address, and how to get another.
#[derive(Serialize)]
pub struct EmailPage {
    pub shell: Shell,
    pub csrf: String,
    pub email: Option<String>,
    /// Its mailbox has proved it.
    pub proved: bool,
    pub quarantined: bool,
    /// Whether this server sends mail at all.
    pub mail: bool,
    /// What was typed before, or empty.
    pub typed: String,
    /// How many minutes a link lives.
    pub minutes: u32,
    pub told: Option<EmailNotice>,
    pub error: Option<EmailError>,
}

words! {
    EmailNotice {
        /// A link is on its way, if it may be.
        Sent,
        Expired,
    }
}

words! {
    /// Why no link is sent. Never "somebody has it".
    EmailError {
        Invalid,
        Unchanged,
        TooManyAttempts,
    }
}

/// `email_confirm.html`: what a mailed link would set.
#[derive(Serialize)]
pub struct EmailConfirmPage {
    pub shell: Shell,
    pub csrf: String,
    /// The link's secret, carried through the form.
    pub link: String,
    pub username: String,
    pub email: String,
    /// It is another address than the account has.
    pub changes: bool,
    /// The form lay open for too long.
    pub expired: bool,
}

/// `email_done.html`
#[derive(Serialize)]
pub struct EmailDonePage {
    pub shell: Shell,
    pub outcome: EmailOutcome,
}

words! {
    /// What came of a mailed link.
    EmailOutcome {
        Changed,
        Confirmed,
        /// Confirmed, and the account may be used in full from now on.
        Lifted,
    }
}

/// `email_invalid.html`: used, expired or mangled; the page does not say which.
#[derive(Serialize)]
pub struct EmailInvalidPage {
    pub shell: Shell,
}

/// `undo.html`: what a mailed link would undo.
#[derive(Serialize)]
pub struct UndoPage {
    pub shell: Shell,
    pub csrf: String,
    /// The link's secret, carried through the form.
    pub link: String,
    pub username: String,
    pub what: UndoWhat,
    pub facts: UndoFacts,
    /// It is as the link would make it already.
    pub over: bool,
    /// The form lay open for too long.
    pub expired: bool,
}

words! {
    /// What a mailed link undoes.
    UndoWhat {
        Device,
        Linked,
        Unlinked,
        Address,
    }
}

/// What is known of it.
#[derive(Default, Serialize)]
pub struct UndoFacts {
    /// Of a device.
    pub client: Option<String>,
    pub at: Option<i64>,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    /// Of an identity.
    pub provider: Option<String>,
    pub identity: Option<String>,
    /// The address that would come back.
    pub email: Option<String>,
}

/// `undone.html`
#[derive(Serialize)]
pub struct UndonePage {
    pub shell: Shell,
    pub what: UndoWhat,
}

/// `undo_invalid.html`: used, expired, unknown or foreign; the page does not say which.
#[derive(Serialize)]
pub struct UndoInvalidPage {
    pub shell: Shell,
}

/// `taken.html`: a good link that cannot do what it is for.
#[derive(Serialize)]
pub struct TakenPage {
    pub shell: Shell,
    pub what: TakenWhat,
}

words! {
    /// What another account has by now.
    TakenWhat {
        Identity,
        Address,
    }
}
