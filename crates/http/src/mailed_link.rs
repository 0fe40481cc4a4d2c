//! Mailed links: which are good at this moment.

use curfew_policy::status::UserStatus;
use curfew_protocol::{MailedLinkId, ParsedToken, TenantId, TokenKind};
use curfew_store::mailed_links::MailedLink;
use curfew_store::users::User;
use curfew_store::{Read, StoreError};

/// The link and its user, when it is good: ours, of this tenant, unused, in time, and made under the epochs of today.
pub fn good_link(
    read: &mut Read<'_>,
    tenant: TenantId,
    presented: &ParsedToken,
) -> Result<Option<(MailedLink, User)>, StoreError> {
    let id = MailedLinkId::from_bytes(presented.selector);
    let Some(link) = read.mailed_link(id)? else {
        return Ok(None);
    };
    let Some(user) = read.user(link.user_id)? else {
        return Ok(None);
    };
    let installation_epoch = read.installation_epoch()?;
    let good = read.keys().verify(
        TokenKind::MailedLink,
        id.as_bytes(),
        &presented.secret,
        link.digest,
    ) && link.consumed_at.is_none()
        && !read.now().has_reached(link.expires_at)
        && link.installation_epoch == installation_epoch
        && link.user_epoch == user.epoch
        && user.tenant_id == tenant
        && matches!(user.status, UserStatus::Active | UserStatus::Dormant);
    Ok(good.then_some((link, user)))
}
