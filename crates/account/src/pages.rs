//! The models of the account pages: what each template may show, and nothing else.
//!
//! A secret that a page carries (the form token, the mailed link) is plain text here, because it is about to be sent; the models
//! have no `Debug`, so that it is not logged on the way.

#[cfg(test)]
mod tests;

use curfew_http::pages::{LocalPath, Shell, Templates};
use serde::Serialize;

/// Fewest characters of a password, for the pages that ask for one.
pub(crate) const MIN_LENGTH: u32 = curfew_policy::password::MIN_CHARACTERS as u32;

/// The templates of this crate.
pub const TEMPLATES: Templates = &[
    ("login.html", include_str!("../templates/login.html")),
    ("forgot.html", include_str!("../templates/forgot.html")),
    (
        "link_sent.html",
        include_str!("../templates/link_sent.html"),
    ),
    ("password.html", include_str!("../templates/password.html")),
    (
        "link_invalid.html",
        include_str!("../templates/link_invalid.html"),
    ),
    (
        "bootstrap.html",
        include_str!("../templates/bootstrap.html"),
    ),
    ("account.html", include_str!("../templates/account.html")),
    ("logout.html", include_str!("../templates/logout.html")),
    (
        "logout_error.html",
        include_str!("../templates/logout_error.html"),
    ),
    (
        "signed_out.html",
        include_str!("../templates/signed_out.html"),
    ),
    ("sessions.html", include_str!("../templates/sessions.html")),
    (
        "applications.html",
        include_str!("../templates/applications.html"),
    ),
    ("tokens.html", include_str!("../templates/tokens.html")),
    (
        "token_new.html",
        include_str!("../templates/token_new.html"),
    ),
    (
        "token_made.html",
        include_str!("../templates/token_made.html"),
    ),
    ("token.html", include_str!("../templates/token.html")),
    ("confirm.html", include_str!("../templates/confirm.html")),
    (
        "identities.html",
        include_str!("../templates/identities.html"),
    ),
    ("email.html", include_str!("../templates/email.html")),
    (
        "email_confirm.html",
        include_str!("../templates/email_confirm.html"),
    ),
    (
        "email_done.html",
        include_str!("../templates/email_done.html"),
    ),
    (
        "email_invalid.html",
        include_str!("../templates/email_invalid.html"),
    ),
    ("taken.html", include_str!("../templates/taken.html")),
    ("undo.html", include_str!("../templates/undo.html")),
    ("undone.html", include_str!("../templates/undone.html")),
    (
        "undo_invalid.html",
        include_str!("../templates/undo_invalid.html"),
    ),
    (
        "holdings_parts.html",
        include_str!("../templates/holdings_parts.html"),
    ),
];

/// A closed list of words that pages choose a message by; `ALL` is what the tests go through.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$word_meta:meta])* $word:ident,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$word_meta])* $word,)+ }

        impl $name {
            /// Every word, in the order of declaration.
            pub const ALL: &'static [$name] = &[$($name::$word,)+];
        }
    };
}

mod holdings;
mod identities;

pub use holdings::*;
pub use identities::*;

/// `login.html`
#[derive(Serialize)]
pub struct LoginPage {
    pub shell: Shell,
    pub csrf: String,
    /// Where to go afterwards; sent back as it is and judged when it comes.
    pub return_to: String,
    /// Somebody who is signed in is to prove anew who they are; sent back with the form.
    pub reauthenticate: bool,
    /// What was typed before, or empty.
    pub username: String,
    /// Name of the client that asks for the sign-in, when one does.
    pub client: Option<String>,
    pub providers: Vec<ProviderButton>,
    pub told: Option<LoginNotice>,
    pub error: Option<LoginError>,
}

/// A way to sign in elsewhere.
#[derive(Serialize)]
pub struct ProviderButton {
    pub name: String,
    pub href: LocalPath,
}

words! {
    /// Good news above the sign-in form.
    LoginNotice {
        PasswordChanged,
        PasswordSet,
        Bootstrapped,
        SessionEnded,
        LoggedOutEverywhere,
        /// With the identity that was unlinked, the session ended that was begun with it.
        IdentityUnlinked,
        FormExpired,
    }
}

words! {
    /// Why a sign-in failed. Deliberately coarse: wrong name, wrong password, suspended and deleted all read the same.
    LoginError {
        Credentials,
        TooManyAttempts,
    }
}

/// `forgot.html`
#[derive(Serialize)]
pub struct ForgotPage {
    pub shell: Shell,
    pub csrf: String,
    pub username: String,
    /// Whether this server sends mail at all; if not, the page says whom to ask instead.
    pub mail: bool,
    pub error: Option<ForgotError>,
}

words! {
    /// Why no link is sent. Never "no such account".
    ForgotError {
        Empty,
        TooManyAttempts,
        Expired,
    }
}

/// `link_sent.html`: the same answer whether or not there is such an account.
#[derive(Serialize)]
pub struct LinkSentPage {
    pub shell: Shell,
    /// How long a link lives.
    pub minutes: u32,
}

/// `password.html`: set a password by a mailed link.
#[derive(Serialize)]
pub struct PasswordPage {
    pub shell: Shell,
    pub csrf: String,
    /// The link's secret, carried through the form.
    pub link: String,
    pub purpose: LinkPurpose,
    pub username: String,
    /// Fewest characters of a password.
    pub min_length: u32,
    /// Ways to accept an invitation without a password.
    pub providers: Vec<ProviderButton>,
    pub error: Option<PasswordError>,
}

words! {
    /// What the mailed link was sent for.
    LinkPurpose {
        Reset,
        Invitation,
    }
}

words! {
    /// Why a new password is refused.
    PasswordError {
        Mismatch,
        TooShort,
        TooLong,
        Obvious,
        Expired,
    }
}

/// `link_invalid.html`: used, expired or mangled; the page does not say which.
#[derive(Serialize)]
pub struct LinkInvalidPage {
    pub shell: Shell,
}

/// `bootstrap.html`: the first administrator. The secret is never shown again.
#[derive(Serialize)]
pub struct BootstrapPage {
    pub shell: Shell,
    pub csrf: String,
    pub username: String,
    pub email: String,
    pub min_length: u32,
    pub error: Option<BootstrapError>,
}

words! {
    /// Why the first administrator was not made.
    BootstrapError {
        Secret,
        Username,
        Email,
        Taken,
        Mismatch,
        TooShort,
        TooLong,
        Obvious,
        TooManyAttempts,
        Expired,
    }
}

/// `account.html`: the signed-in landing.
#[derive(Serialize)]
pub struct AccountPage {
    pub shell: Shell,
    pub csrf: String,
    pub username: String,
    pub name: Option<String>,
    pub email: Option<String>,
    /// No scope that writes, until the address is confirmed.
    pub quarantined: bool,
    /// Whether this server sends mail at all.
    pub mail: bool,
    /// Without one there is none to be changed.
    pub has_password: bool,
    pub min_length: u32,
    pub told: Option<AccountNotice>,
    pub error: Option<AccountError>,
    /// Approvals of late that were given to devices.
    pub devices: Vec<ApprovalRow>,
}

words! {
    /// What just happened to the account.
    AccountNotice {
        PasswordChanged,
        DeviceDisowned,
        Gone,
        Expired,
    }
}

words! {
    /// Why the password was not changed.
    AccountError {
        Current,
        Mismatch,
        TooShort,
        TooLong,
        Obvious,
        Unchanged,
        TooManyAttempts,
        Expired,
    }
}

/// `logout.html`: the question before the end of a session.
#[derive(Serialize)]
pub struct LogoutPage {
    pub shell: Shell,
    pub csrf: String,
    /// Name of the client that asks for the sign-out.
    pub client: Option<String>,
    /// Who is signed in.
    pub username: Option<String>,
    pub client_id: Option<String>,
    pub post_logout_redirect_uri: Option<String>,
    pub state: Option<String>,
}

/// `logout_error.html`
#[derive(Serialize)]
pub struct LogoutErrorPage {
    pub shell: Shell,
    pub reason: LogoutErrorReason,
    pub correlation_id: String,
}

words! {
    /// Why a sign-out request is not followed.
    LogoutErrorReason {
        UnknownClient,
        RedirectUri,
        Request,
    }
}

/// `signed_out.html`
#[derive(Serialize)]
pub struct SignedOutPage {
    pub shell: Shell,
}
