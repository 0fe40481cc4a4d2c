//! Mailed links: which are good at this moment.

use curfew_policy::status::UserStatus;
use curfew_protocol::{Form, MailedLinkId, ParsedToken, TenantId, TokenKind};
use curfew_store::mailed_links::{LinkKind, MailedLink};
use curfew_store::users::User;
use curfew_store::{Read, StoreError};

/// The secret of a link that a form carries, as text and as what it is.
pub fn presented(form: &Form<'_>) -> Option<(String, ParsedToken)> {
    let text = form.get("link")?;
    let parsed = ParsedToken::parse(TokenKind::MailedLink, text).ok()?;
    Some((text.to_owned(), parsed))
}

/// The link and its user, when it is good: ours, of this tenant, unused, in time, and made under the epochs of today as far as its kind
/// depends on them.
pub fn good_link(
    read: &mut Read<'_>,
    tenant: TenantId,
    presented: &ParsedToken,
) -> Result<Option<(MailedLink, User)>, StoreError> {
    let id = MailedLinkId::from_bytes(presented.selector);
    let Some(link) = read.mailed_link(id)? else {
        return Ok(None);
    };
    let keys = read.keys();
    if !keys.verify(
        TokenKind::MailedLink,
        id.as_bytes(),
        &presented.secret,
        link.digest,
    ) {
        return Ok(None);
    }
    Ok(still_good(read, tenant, &link)?.map(|user| (link, user)))
}

/// The user of a link whose secret was presented before, when it is still good.
pub fn still_good(
    read: &mut Read<'_>,
    tenant: TenantId,
    link: &MailedLink,
) -> Result<Option<User>, StoreError> {
    let Some(user) = read.user(link.user_id)? else {
        return Ok(None);
    };
    let installation_epoch = read.installation_epoch()?;
    let good = link.consumed_at.is_none()
        && !read.now().has_reached(link.expires_at)
        && link.installation_epoch == installation_epoch
        && (link.user_epoch == user.epoch || link.kind.outlives_the_epoch())
        && user.tenant_id == tenant
        && matches!(user.status, UserStatus::Active | UserStatus::Dormant);
    Ok(good.then_some(user))
}

/// The link and its user, when it is a good invitation.
pub fn good_invitation(
    read: &mut Read<'_>,
    tenant: TenantId,
    presented: &ParsedToken,
) -> Result<Option<(MailedLink, User)>, StoreError> {
    let good = good_link(read, tenant, presented)?;
    Ok(good.filter(|(link, _)| link.kind == LinkKind::Invitation))
}
