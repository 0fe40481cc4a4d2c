//! An identity that waits, as long as it may still be bound.

use curfew_http::mailed_link::good_link;
use curfew_policy::email::canonical;
use curfew_policy::linking::EmailFact;
use curfew_policy::status::{OwnerStatus, UserStatus};
use curfew_protocol::{LinkProofId, MailedLinkId, ParsedToken, TenantId};
use curfew_store::link_proofs::{LinkProof, ProvedIdentity};
use curfew_store::mailed_links::LinkKind;
use curfew_store::providers::Provider;
use curfew_store::users::User;
use curfew_store::{Read, StoreError};

use crate::linking::Arrived;

pub(super) struct Waiting {
    pub(super) proof: LinkProof,
    pub(super) identity: ProvedIdentity,
    pub(super) provider: Provider,
    pub(super) user: User,
}

impl Waiting {
    /// `None`: unknown, of another tenant, used, expired, or made under epochs of before. Nobody is told which.
    pub(super) fn load(
        read: &mut Read<'_>,
        tenant: TenantId,
        id: LinkProofId,
    ) -> Result<Option<Self>, StoreError> {
        let Some(proof) = read.link_proof(id)? else {
            return Ok(None);
        };
        let provider = read.provider(proof.provider_id)?;
        let user = read.user(proof.user_id)?;
        let (Some(provider), Some(user)) = (provider, user) else {
            return Ok(None);
        };
        let installation_epoch = read.installation_epoch()?;
        let waits = proof.tenant_id == tenant
            && proof.consumed_at.is_none()
            && !read.now().has_reached(proof.expires_at)
            && proof.installation_epoch == installation_epoch
            && provider.status == OwnerStatus::Active
            && provider.epoch == proof.provider_epoch
            && user.epoch == proof.user_epoch
            && matches!(user.status, UserStatus::Active | UserStatus::Dormant);
        if !waits {
            return Ok(None);
        }
        Ok(Some(Self {
            identity: proof.identity(read.keys())?,
            proof,
            provider,
            user,
        }))
    }

    /// The identity, in the words of the decision. Only an address that the provider vouched for was kept.
    pub(super) fn arrived(&self) -> Arrived {
        let key = self.identity.verified_email.as_deref().and_then(canonical);
        Arrived {
            identity: self.identity.clone(),
            email: key.map_or(EmailFact::None, |key| EmailFact::Verified { key }),
            known_as: Vec::new(),
        }
    }
}

/// What a mailed link proves, when it is good: which link it is, and what waits for it.
pub(super) fn mailed_proof(
    read: &mut Read<'_>,
    tenant: TenantId,
    presented: &ParsedToken,
) -> Result<Option<(MailedLinkId, LinkProofId)>, StoreError> {
    let good = good_link(read, tenant, presented)?;
    Ok(good.and_then(|(link, _)| match link.kind {
        LinkKind::LinkProof(proof) => Some((link.id, proof)),
        LinkKind::Invitation
        | LinkKind::PasswordReset
        | LinkKind::Undo(_)
        | LinkKind::Address(_)
        | LinkKind::UndoLinked(_)
        | LinkKind::UndoUnlinked(_)
        | LinkKind::UndoAddress(_) => None,
    }))
}
