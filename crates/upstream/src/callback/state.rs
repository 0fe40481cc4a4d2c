//! The state parameter: whoever presents it rightly uses it up, whatever else is wrong, so that nothing can be tried twice with it.

use curfew_protocol::{ParsedToken, ProviderId, TenantId, TokenKind, UpstreamLoginId};
use curfew_store::audit::{AuditEntry, AuditEvent, AuthenticatedBy, Origin};
use curfew_store::upstream_logins::UpstreamLogin;
use curfew_store::{Read, Store, StoreError, Write};

use crate::refusal::Refusal;

/// Who arrives, and where.
#[derive(Clone)]
pub(super) struct Arriving {
    pub(super) tenant_id: TenantId,
    /// The provider whose address it is, and its epoch.
    pub(super) provider: (ProviderId, i64),
    pub(super) active: bool,
    pub(super) slug: String,
    /// The value of the cookie that the browser is known by.
    pub(super) browser: Option<String>,
    pub(super) origin: Origin,
}

/// Why nobody is expected here with that state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// Missing, mangled, never given out, or removed since.
    Unknown,
    Replayed,
    OtherPlace,
    OtherBrowser,
    Expired,
    ProviderChanged,
}

impl Unfit {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "state_unknown",
            Self::Replayed => "state_replayed",
            Self::OtherPlace => "state_of_another_provider",
            Self::OtherBrowser => "state_of_another_browser",
            Self::Expired => "state_expired",
            Self::ProviderChanged => "provider_disabled_meanwhile",
        }
    }

    pub(super) const fn refusal(self) -> Refusal {
        match self {
            Self::Unknown
            | Self::Replayed
            | Self::OtherPlace
            | Self::OtherBrowser
            | Self::Expired => Refusal::StateInvalid,
            Self::ProviderChanged => Refusal::ProviderDisabled,
        }
    }
}

impl Arriving {
    /// Uses the state up, in a transaction of its own. One that we never gave out is found by a read, so that a flood writes nothing.
    pub(super) async fn use_up(
        self,
        store: &Store,
        state: Option<&str>,
    ) -> Result<Result<UpstreamLogin, Unfit>, StoreError> {
        let parsed = state.map(|text| ParsedToken::parse(TokenKind::UpstreamState, text));
        let Some(Ok(state)) = parsed else {
            return Ok(Err(Unfit::Unknown));
        };
        let looked_up = store.read(move |read| Ok((genuine(read, &state)?.is_some(), state)));
        match looked_up.await? {
            (true, state) => store.write(move |write| self.run(write, &state)).await,
            (false, _) => Ok(Err(Unfit::Unknown)),
        }
    }

    fn run(
        &self,
        write: &mut Write<'_>,
        state: &ParsedToken,
    ) -> Result<Result<UpstreamLogin, Unfit>, StoreError> {
        let Some(login) = genuine(write, state)? else {
            return Ok(Err(Unfit::Unknown));
        };
        let judged = if write.upstream_login_consume(login.id)? {
            self.judge(write, &login)
        } else {
            Err(Unfit::Replayed)
        };
        match judged {
            Ok(()) => Ok(Ok(login)),
            Err(unfit) => {
                let mut entry =
                    refused_entry(&login, &self.slug, unfit.refusal(), self.origin.clone());
                entry.detail = entry
                    .detail
                    .map(|code| format!("{code} {}", unfit.as_str()));
                write.audit(&entry)?;
                Ok(Err(unfit))
            }
        }
    }

    fn judge(&self, write: &Write<'_>, login: &UpstreamLogin) -> Result<(), Unfit> {
        let (provider, epoch) = self.provider;
        if login.tenant_id != self.tenant_id || login.provider_id != provider {
            return Err(Unfit::OtherPlace);
        }
        let same = |cookie: &String| login.is_of_browser(write.keys(), cookie);
        if !self.browser.as_ref().is_some_and(same) {
            return Err(Unfit::OtherBrowser);
        }
        if write.now().has_reached(login.expires_at) {
            return Err(Unfit::Expired);
        }
        if !self.active || login.provider_epoch != epoch {
            return Err(Unfit::ProviderChanged);
        }
        Ok(())
    }
}

/// The login that this state was given out for.
fn genuine(read: &mut Read<'_>, state: &ParsedToken) -> Result<Option<UpstreamLogin>, StoreError> {
    let id = UpstreamLoginId::from_bytes(state.selector);
    let login = read.upstream_login(id)?;
    let (keys, kind) = (read.keys(), TokenKind::UpstreamState);
    Ok(login.filter(|login| keys.verify(kind, id.as_bytes(), &state.secret, login.digest)))
}

/// The row of a login that came to nothing.
pub(super) fn refused_entry(
    login: &UpstreamLogin,
    slug: &str,
    refusal: Refusal,
    origin: Origin,
) -> AuditEntry {
    let by = AuthenticatedBy::UpstreamLogin(login.id);
    AuditEntry {
        tenant_id: Some(login.tenant_id),
        ..AuditEntry::new(AuditEvent::IdentityRefused, by, origin)
            .refused(&format!("{} {slug}", refusal.code()))
    }
}
