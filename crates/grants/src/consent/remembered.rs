//! When a person need not be asked.

use curfew_http::problem::PageContext;
use curfew_protocol::UserId;
use curfew_store::clients::Client;
use curfew_store::codes::ApprovalBasis;
use curfew_store::{Read, StoreError};

use crate::audience;
use crate::authorize::Pending;
use crate::authorize::request::ValidatedRequest;

/// On what the request may be approved without asking; `None`: the person has to be asked.
pub(crate) async fn basis(
    at: &PageContext<'_>,
    pending: &Pending,
) -> Result<Option<ApprovalBasis>, StoreError> {
    if pending.request.prompt().consent {
        return Ok(None);
    }
    if pending.request.client().registration.implicit_consent {
        return Ok(Some(ApprovalBasis::Implicit));
    }
    let (request, user_id) = (pending.request.clone(), pending.who.user_id);
    let remembered = at.edge.store.read(move |read| {
        let Some(user) = read.user(user_id)? else {
            return Ok(false);
        };
        is_remembered(read, (user.id, user.epoch), request.client(), &request)
    });
    Ok(remembered.await?.then_some(ApprovalBasis::Remembered))
}

/// Does a remembered consent of `user` cover the request: its scopes and audiences, under the same epochs, in time?
pub(crate) fn is_remembered(
    read: &mut Read<'_>,
    (user, user_epoch): (UserId, i64),
    client: &Client,
    request: &ValidatedRequest,
) -> Result<bool, StoreError> {
    let now = read.now();
    let consent = read.consent(user, client.key)?;
    Ok(consent.is_some_and(|consent| {
        consent.holds(user_epoch, client.epoch, now)
            && request.scopes().is_subset_of(&consent.scopes)
            && audience::covers(&consent.audiences, request.audiences())
    }))
}
