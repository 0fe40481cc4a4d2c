//! How long may it live? The one place that makes an [`ExpiresAt`], and the only file with durations.
//!
//! The shortest of all caps wins: the configured lifetime, the client's, the tenant's maximum, each scope's maximum
//! and the end of every ancestor that binds. What was asked explicitly and is too long is refused; what was not asked is
//! clamped. An ancestor that ends at this very second leaves no room, and nothing is minted.

use curfew_protocol::{Lifetime, Timestamp};

/// When a credential ends. Made here only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExpiresAt(Timestamp);

impl ExpiresAt {
    pub const fn timestamp(self) -> Timestamp {
        self.0
    }
}

/// What a lifetime is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Credential {
    AccessToken,
    RefreshFamily,
    AuthorizationCode,
    Session,
    AdminSession,
    Approval,
    Consent,
    ClientGrant,
    Invitation,
    PasswordReset,
    Bootstrap,
    DeviceCode,
    DeviceApproval,
    PersonalAccessToken,
    UndoLink,
    UpstreamLogin,
    LinkProof,
    AddressLink,
}

/// No credential may be minted with this lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LifetimeRefusal {
    #[error("the requested lifetime is longer than the {longest} allowed")]
    TooLong { longest: Lifetime },
    #[error("a lifetime is at least one second")]
    Zero,
    #[error("what this would be derived from has ended")]
    AncestorEnded,
}

/// Everything that bears on one lifetime.
#[derive(Clone, Copy, Debug, Default)]
pub struct Caps<'a> {
    /// What the request asks for.
    pub asked: Option<Lifetime>,
    /// What the client is registered with.
    pub client: Option<Lifetime>,
    /// The tenant's maximum for this kind.
    pub tenant: Option<Lifetime>,
    /// The maximum of each granted scope that has one.
    pub scopes: &'a [Lifetime],
    /// The end of each ancestor that binds.
    pub ancestors: &'a [Timestamp],
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])* $field:ident = $default:literal ($min:literal ..= $max:literal),)*) => {
        /// The configured lifetimes, in seconds.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct LifetimeRules { $($(#[doc = $doc])* pub $field: Lifetime,)* }

        impl Default for LifetimeRules {
            fn default() -> Self {
                Self { $($field: Lifetime::from_seconds($default),)* }
            }
        }

        impl LifetimeRules {
            /// Name, default, smallest and largest value (seconds), and meaning of each setting.
            pub const REFERENCE: &'static [Setting] = &[$(Setting {
                name: stringify!($field), default: $default, min: $min, max: $max,
                meaning: concat!($($doc,)*),
            },)*];

            /// Sets one lifetime by name. `Err` tells the setting whose range was left; `None` that there is no such name.
            pub fn set(&mut self, name: &str, seconds: u32) -> Option<Result<(), Setting>> {
                let setting = *Self::REFERENCE.iter().find(|setting| setting.name == name)?;
                if !(setting.min..=setting.max).contains(&seconds) {
                    return Some(Err(setting));
                }
                match name { $(stringify!($field) => self.$field = Lifetime::from_seconds(seconds),)* _ => return None }
                Some(Ok(()))
            }

            /// The value of one lifetime by name.
            pub fn get(&self, name: &str) -> Option<Lifetime> {
                match name { $(stringify!($field) => Some(self.$field),)* _ => None }
            }
        }
    };
}

/// One row of the generated reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    pub name: &'static str,
    pub default: u32,
    pub min: u32,
    pub max: u32,
    pub meaning: &'static str,
}

rules! {
    /// An access token.
    access_token = 600 (1 ..= 86_400),
    /// A refresh family, from its first token to its absolute end.
    refresh_absolute = 7_776_000 (60 ..= 31_536_000),
    /// A refresh token that nobody uses.
    refresh_idle = 2_592_000 (60 ..= 31_536_000),
    /// The time in which one reuse of a refresh token is taken for a lost answer.
    refresh_grace = 10 (0 ..= 60),
    /// An authorization code.
    authorization_code = 60 (5 ..= 600),
    /// A browser session, from the login to its absolute end.
    session_absolute = 43_200 (60 ..= 2_592_000),
    /// A browser session that nobody uses.
    session_idle = 3_600 (30 ..= 2_592_000),
    /// An administrator's browser session, absolute.
    admin_session_absolute = 28_800 (60 ..= 86_400),
    /// An administrator's browser session that nobody uses.
    admin_session_idle = 900 (30 ..= 86_400),
    /// How long a consent is remembered.
    consent = 31_536_000 (0 ..= 94_608_000),
    /// An approval that no refresh token is made from: as long as its longest access token may live.
    approval = 31_536_000 (60 ..= 94_608_000),
    /// The standing grant under which a client acts for itself; renewed as needed.
    client_grant = 2_592_000 (60 ..= 31_536_000),
    /// A mailed invitation.
    invitation = 604_800 (60 ..= 2_592_000),
    /// A mailed link to set a new password.
    password_reset = 900 (60 ..= 86_400),
    /// A device code and the user code beside it.
    device_code = 600 (60 ..= 1_800),
    /// How long a device waits between two questions whether it was approved.
    device_poll_interval = 5 (1 ..= 60),
    /// What a person allowed a device, with everything that hangs on it.
    device_approval = 2_592_000 (60 ..= 31_536_000),
    /// A personal access token for which no lifetime is asked.
    personal_access_token = 2_592_000 (60 ..= 31_536_000),
    /// The longest lifetime that may be asked for a personal access token.
    personal_access_token_max = 7_776_000 (60 ..= 94_608_000),
    /// The mailed link by which a person undoes what was done in their name: a device approved, an identity linked or unlinked, another address.
    undo_link = 2_592_000 (3_600 ..= 7_776_000),
    /// The way to an upstream provider and back.
    upstream_login = 600 (60 ..= 1_800),
    /// How long an upstream identity waits for the proof that an account is its person's; the mailed link as well.
    link_proof = 900 (60 ..= 86_400),
    /// A mailed link that proves an address.
    address_link = 900 (60 ..= 86_400),
    /// How recent a sign-in must be for changing how one signs in.
    fresh_sign_in = 300 (30 ..= 3_600),
    /// The secret with which the first administrator is made.
    bootstrap = 86_400 (60 ..= 604_800),
    /// How long a consent or login form may lie open.
    interaction = 600 (30 ..= 3_600),
    /// How long a client's previous secret stays good after a rotation.
    secret_overlap = 86_400 (0 ..= 2_592_000),
    /// How long rows are kept after they can no longer matter, before clean-up removes them.
    retention = 86_400 (0 ..= 31_536_000),
    /// A person who for so long neither signs in nor uses any session or token becomes dormant, until the next sign-in. 0 is never; anything else is a day or more.
    dormancy = 0 (0 ..= 94_608_000),
    /// One call to another server, such as an identity provider, from its beginning to the last byte of the answer.
    outbound_call = 5 (1 ..= 30),
}

/// No lifetime of any kind exceeds this (C06).
pub const HARD_CAP: Lifetime = Lifetime::from_seconds(94_608_000);

/// A shorter dormancy would take people for dormant who are away for a night.
pub const SHORTEST_DORMANCY: Lifetime = Lifetime::from_seconds(86_400);

/// A browser session's idle end is moved at most this often; each move is a write.
const IDLE_MOVE_STEP: Lifetime = Lifetime::from_seconds(300);

/// By how much a device that polls too fast is slowed down, each time (RFC 8628 §3.5).
pub const SLOW_DOWN_STEP: Lifetime = Lifetime::from_seconds(5);

/// For how long an approval given to a device is shown to a person as one that may be disowned.
pub const DEVICES_SHOWN: Lifetime = Lifetime::from_seconds(2_592_000);

/// The lifetimes that people are offered for a personal access token, as far as they are allowed: 1, 7, 30, 60, 90, 180 and 365 days.
pub const PERSONAL_ACCESS_TOKEN_CHOICES: [Lifetime; 7] = [
    Lifetime::from_seconds(86_400),
    Lifetime::from_seconds(604_800),
    Lifetime::from_seconds(2_592_000),
    Lifetime::from_seconds(5_184_000),
    Lifetime::from_seconds(7_776_000),
    Lifetime::from_seconds(15_552_000),
    Lifetime::from_seconds(31_536_000),
];

/// How far a node's clock may differ from the database's before the node calls itself not ready.
pub const CLOCK_TOLERANCE: Lifetime = Lifetime::from_seconds(2);

/// How long another server may take to accept a connection.
pub const OUTBOUND_CONNECT: Lifetime = Lifetime::from_seconds(3);

/// For how long what an upstream provider published about itself, its keys included, is taken for true.
pub const UPSTREAM_DOCUMENTS: Lifetime = Lifetime::from_seconds(3_600);

/// How often a token with an unknown key may make us ask for a provider's keys again (B42).
pub const UPSTREAM_KEYS_AGAIN: Lifetime = Lifetime::from_seconds(60);

/// By how much the times in an upstream token may differ from our clock.
pub const UPSTREAM_LEEWAY: Lifetime = Lifetime::from_seconds(10);

/// How old a logout token of an upstream provider may be; for as long it is remembered, so that it is obeyed once.
pub const UPSTREAM_LOGOUT_AGE: Lifetime = Lifetime::from_seconds(300);

/// By how much an upstream provider's clock may differ from ours before an administrator is told.
pub const UPSTREAM_CLOCK_TOLERANCE: Lifetime = Lifetime::from_seconds(60);

impl LifetimeRules {
    const fn standard(&self, credential: Credential) -> Lifetime {
        match credential {
            Credential::AccessToken => self.access_token,
            Credential::RefreshFamily => self.refresh_absolute,
            Credential::AuthorizationCode => self.authorization_code,
            Credential::Session => self.session_absolute,
            Credential::AdminSession => self.admin_session_absolute,
            Credential::Approval => self.approval,
            Credential::Consent => self.consent,
            Credential::ClientGrant => self.client_grant,
            Credential::Invitation => self.invitation,
            Credential::PasswordReset => self.password_reset,
            Credential::Bootstrap => self.bootstrap,
            Credential::DeviceCode => self.device_code,
            Credential::DeviceApproval => self.device_approval,
            Credential::PersonalAccessToken => self.personal_access_token,
            Credential::UndoLink => self.undo_link,
            Credential::UpstreamLogin => self.upstream_login,
            Credential::LinkProof => self.link_proof,
            Credential::AddressLink => self.address_link,
        }
    }

    /// The longest that may be asked for.
    fn longest_asked(&self, credential: Credential) -> Lifetime {
        match credential {
            Credential::PersonalAccessToken => self
                .personal_access_token
                .max(self.personal_access_token_max),
            other => self.standard(other),
        }
    }

    /// The end of a `credential` born at `now`.
    pub fn expires_at(
        &self,
        credential: Credential,
        now: Timestamp,
        caps: Caps<'_>,
    ) -> Result<ExpiresAt, LifetimeRefusal> {
        if caps.asked.is_some_and(|asked| asked.seconds() == 0) {
            return Err(LifetimeRefusal::Zero);
        }
        let longest = self.longest(credential, now, caps);
        if longest.seconds() == 0 {
            return Err(LifetimeRefusal::AncestorEnded);
        }
        match caps.asked {
            Some(asked) if asked > longest => Err(LifetimeRefusal::TooLong { longest }),
            Some(asked) => Ok(ExpiresAt(now.after(asked))),
            None => Ok(ExpiresAt(now.after(longest))),
        }
    }

    /// The longest that may be asked for under these caps; zero when an ancestor has ended.
    pub fn longest_allowed(
        &self,
        credential: Credential,
        now: Timestamp,
        caps: Caps<'_>,
    ) -> Lifetime {
        let asked = Some(HARD_CAP);
        self.longest(credential, now, Caps { asked, ..caps })
    }

    fn longest(&self, credential: Credential, now: Timestamp, caps: Caps<'_>) -> Lifetime {
        // A client registered with a lifetime of its own replaces the standard one; a request does so too.
        let standard = match (caps.asked, caps.client) {
            (None, own) => own.unwrap_or_else(|| self.standard(credential)),
            (Some(_), None) => self.longest_asked(credential),
            (Some(_), Some(own)) => own.max(self.longest_asked(credential)),
        };
        let own_caps = caps.tenant.into_iter().chain(caps.scopes.iter().copied());
        let remainders = caps.ancestors.iter().map(|end| end.since(now));
        own_caps
            .chain(remainders)
            .fold(standard.min(HARD_CAP), Lifetime::min)
    }

    /// How long a session may lie unused, decided at its birth.
    pub const fn session_idle_lifetime(&self, admin: bool) -> Lifetime {
        if admin {
            self.admin_session_idle
        } else {
            self.session_idle
        }
    }

    /// When an unused refresh token goes idle: never after the family's absolute end.
    pub fn refresh_idle_at(&self, now: Timestamp, absolute: Timestamp) -> Timestamp {
        idle_at(self.refresh_idle, now, absolute)
    }

    /// Is a sign-in of that moment recent enough for changing how one signs in?
    pub fn is_fresh(&self, authenticated_at: Timestamp, now: Timestamp) -> bool {
        !now.has_reached(authenticated_at.after(self.fresh_sign_in))
    }

    /// The latest sign-in that is not fresh at that moment.
    pub fn no_longer_fresh(&self, now: Timestamp) -> Timestamp {
        Timestamp::from_seconds(now.seconds().saturating_sub(self.fresh_sign_in.seconds()))
    }

    /// When a person who was last active at that moment is taken for dormant. `None`: never.
    pub fn dormant_at(&self, last_active: Timestamp) -> Option<Timestamp> {
        (self.dormancy.seconds() > 0).then(|| last_active.after(self.dormancy))
    }
}

/// When what is used now goes idle: never after its absolute end (D07).
pub fn idle_at(idle: Lifetime, now: Timestamp, absolute: Timestamp) -> Timestamp {
    now.after(idle).min(absolute)
}

/// Where a session's idle end, now at `current`, moves by a use. `None`: not yet worth a write. A short idle lifetime is moved more
/// often, or a busy session would go idle between two moves; the absolute end is always reached.
pub fn idle_move(
    current: Timestamp,
    idle: Lifetime,
    now: Timestamp,
    absolute: Timestamp,
) -> Option<Timestamp> {
    let next = idle_at(idle, now, absolute);
    let gained = next.since(current).seconds();
    let step = IDLE_MOVE_STEP.seconds().min(idle.seconds() / 2);
    (gained > step || (gained > 0 && next == absolute)).then_some(next)
}

/// All that decides an access token's end but the tenant and the ancestor, which are known inside the transaction only.
#[derive(Clone, Debug)]
pub struct AccessTokenPlan {
    pub rules: LifetimeRules,
    /// What the request asks for.
    pub asked: Option<Lifetime>,
    pub client: Option<Lifetime>,
    /// The maximum of each granted scope that has one.
    pub scopes: Vec<Lifetime>,
}

impl AccessTokenPlan {
    /// The end of a token born at `now` below an ancestor that ends at `ancestor`.
    pub fn expires_at(
        &self,
        now: Timestamp,
        tenant: Option<Lifetime>,
        ancestor: Timestamp,
    ) -> Result<ExpiresAt, LifetimeRefusal> {
        let ancestors = [ancestor];
        let caps = Caps {
            asked: self.asked,
            client: self.client,
            tenant,
            scopes: &self.scopes,
            ancestors: &ancestors,
        };
        self.rules.expires_at(Credential::AccessToken, now, caps)
    }
}

#[cfg(test)]
#[path = "lifetime_tests.rs"]
mod tests;
