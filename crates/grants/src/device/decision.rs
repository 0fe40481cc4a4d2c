//! The decision about a device, in one transaction with everything it rests on. [`super::decide`] is its door.
//!
//! 1. Whoever decides is judged again: a browser session that is alive, or a token that was made for approving devices (C15).
//! 2. Deleting the request is the claim: of two who decide at once one finds nothing (C28).
//! 3. Client, tenant, switches and membership are looked at as they are now; what the device asked for must still be allowed.
//!    An account in quarantine gives the part of it that reads (E10).
//! 4. The approval hangs on its approver: recorded below a session (bound, when the client is session-bound or the session bound
//!    upstream, B50), bound below a token, and then never wider nor longer than that token (C01, C14).
//! 5. A lifetime that was asked and cannot be had is refused, not cut; the device hears `access_denied` (C02, C05).

use curfew_http::notice::DeviceNotice;
use curfew_http::origin;
use curfew_http::problem::PageContext;
use curfew_policy::lifetime::{
    AccessTokenPlan, Caps, Credential, ExpiresAt, LifetimeRefusal, LifetimeRules,
};
use curfew_policy::status::{DeathCause, OwnerStatus};
use curfew_protocol::{DeviceCodeId, GrantType, TenantId, Timestamp};
use curfew_store::audit::{AuditEntry, AuditEvent, Origin};
use curfew_store::clients::Client;
use curfew_store::codes::{ApprovalBasis, ApprovedDevice, NewApproval};
use curfew_store::device_codes::{DeviceCode, DeviceRequest};
use curfew_store::nodes::{Ancestor, Birth};
use curfew_store::tenants::Tenant;
use curfew_store::{StoreError, Write};

use super::decide::{Approver, Decided, DecisionRefusal};
use super::standing::{By, Standing, may_approve, still_to_be_had};
use crate::catalogue::Catalogue;
use crate::quarantine::{self, NothingLeft};

/// Everything the transaction needs.
pub(super) struct Deciding {
    by: Approver,
    device: DeviceCodeId,
    tenant_id: TenantId,
    rules: LifetimeRules,
    origin: Origin,
    same_address: bool,
    /// The person was shown no more than what reads.
    pub(super) read_only: bool,
    /// `None`: this server sends no mail.
    pub(super) notice: Option<DeviceNotice>,
}

type Step<T> = Result<Result<T, Decided>, StoreError>;

impl Deciding {
    pub(super) fn new(at: &PageContext<'_>, by: Approver, device: DeviceCodeId) -> Self {
        Self {
            by,
            device,
            tenant_id: at.realm.tenant_id,
            rules: at.edge.lifetimes,
            origin: origin::of(at.request, at.edge),
            same_address: at.edge.device_same_address,
            read_only: false,
            notice: None,
        }
    }

    pub(super) fn approve(&self, write: &mut Write<'_>) -> Step<Decided> {
        let Some(standing) = self.standing(write)? else {
            return Ok(Err(Decided::SignedOut));
        };
        let (code, request) = match self.claim(write)? {
            Ok(claimed) => claimed,
            Err(refusal) => return Ok(Err(Decided::Refused(refusal))),
        };
        match self.grant(write, &standing, (&code, &request))? {
            Ok(()) => Ok(Ok(Decided::Approved)),
            Err(refusal) => {
                write.device_code_deny(code.id)?;
                let entry = self.entry(AuditEvent::DeviceRefused, &standing, code.client);
                write.audit(&entry.refused(refusal.as_str()))?;
                Ok(Err(Decided::Refused(refusal)))
            }
        }
    }

    pub(super) fn deny(&self, write: &mut Write<'_>) -> Step<Decided> {
        let Some(standing) = self.standing(write)? else {
            return Ok(Err(Decided::SignedOut));
        };
        let code = match self.claim(write)? {
            Ok((code, _)) => code,
            Err(refusal) => return Ok(Err(Decided::Refused(refusal))),
        };
        write.device_code_deny(code.id)?;
        write.audit(&self.entry(AuditEvent::DeviceDenied, &standing, code.client))?;
        Ok(Ok(Decided::Denied))
    }

    /// Step 1.
    fn standing(&self, write: &mut Write<'_>) -> Result<Option<Standing>, StoreError> {
        let now = write.now();
        let found = match self.by {
            Approver::Session(id) => write.session(id)?.map(|session| {
                let node = session.node.clone();
                (node, By::Session(Box::new(session)))
            }),
            Approver::Token(id) => write
                .token_chain(id)?
                .filter(|token| token.judge(now).is_ok() && may_approve(token))
                .map(|token| (token.node.clone(), By::Token(Box::new(token)))),
        };
        let found =
            found.filter(|(node, _)| node.tenant_id == self.tenant_id && node.judge(now).is_ok());
        Ok(found.and_then(|(node, by)| {
            let user = node.user_id()?;
            Some(Standing { node, user, by })
        }))
    }

    /// Step 2. What has expired, or is from before a restore, is not claimed.
    fn claim(
        &self,
        write: &mut Write<'_>,
    ) -> Result<Result<(DeviceCode, DeviceRequest), DecisionRefusal>, StoreError> {
        let found = write.device_request(self.device)?;
        let (now, epoch) = (write.now(), write.installation_epoch()?);
        let found = found.filter(|(code, _)| {
            code.tenant_id == self.tenant_id
                && !now.has_reached(code.expires_at)
                && code.installation_epoch == epoch
        });
        Ok(match found {
            Some(found) if write.device_request_claim(self.device)? => Ok(found),
            _ => Err(DecisionRefusal::Gone),
        })
    }

    /// Steps 3 to 5.
    fn grant(
        &self,
        write: &mut Write<'_>,
        standing: &Standing,
        (code, request): (&DeviceCode, &DeviceRequest),
    ) -> Result<Result<(), DecisionRefusal>, StoreError> {
        let (client, tenant) = match self.facts(write, standing, code)? {
            Ok(facts) => facts,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if request.ip != self.origin.ip {
            metrics::counter!("curfew_device_approvals_from_another_address_total").increment(1);
            if self.same_address {
                return Ok(Err(DecisionRefusal::OtherAddress));
            }
        }
        let catalogue = Catalogue::read(write, self.tenant_id)?;
        if let Err(refusal) = still_to_be_had(request, &client, &catalogue, standing) {
            return Ok(Err(refusal));
        }
        let request = &match self.cut_down(request, &catalogue, standing) {
            Ok(request) => request,
            Err(NothingLeft) => return Ok(Err(DecisionRefusal::Quarantined)),
        };
        let lifetimes = (request, &client, &tenant, &catalogue);
        let end = match self.end(write.now(), standing, lifetimes) {
            Ok(end) => end,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let new = self.approval(standing, (&client, &tenant), request, end);
        let approval = write.approval_insert(&new)?;
        // The insert holds what binds it. Only now is it certain that nobody ended that since it was read.
        if matches!(new.ancestor, Ancestor::Binding { .. }) && self.standing(write)?.is_none() {
            write.node_end(approval, DeathCause::AncestorDied)?;
            return Ok(Err(DecisionRefusal::Changed));
        }
        write.device_code_approve(code.id, (approval, end))?;
        if let Some(notice) = &self.notice {
            notice.queue(write, standing.user, approval)?;
        }
        write.audit(&AuditEntry {
            node_id: Some(approval),
            expires_at: Some(end.timestamp()),
            scopes: Some(request.scopes.to_string()),
            ..self.entry(AuditEvent::DeviceApproved, standing, client.key)
        })?;
        Ok(Ok(()))
    }

    /// What the account may give of the request (E10).
    fn cut_down(
        &self,
        request: &DeviceRequest,
        catalogue: &Catalogue,
        standing: &Standing,
    ) -> Result<DeviceRequest, NothingLeft> {
        if !self.read_only && !standing.is_quarantined() {
            return Ok(request.clone());
        }
        let cut = quarantine::cut(&request.scopes, &request.audiences, catalogue)?;
        Ok(DeviceRequest {
            scopes: cut.scopes,
            audiences: cut.audiences,
            ..request.clone()
        })
    }

    /// Client and tenant as they are now.
    fn facts(
        &self,
        write: &mut Write<'_>,
        standing: &Standing,
        code: &DeviceCode,
    ) -> Result<Result<(Client, Tenant), DecisionRefusal>, StoreError> {
        if !super::is_switched_on(write, self.tenant_id)? {
            return Ok(Err(DecisionRefusal::Off));
        }
        let client = write.client(code.client)?.filter(|client| {
            client.status == OwnerStatus::Active
                && client.epoch == code.client_epoch
                && client.may_use(GrantType::DeviceCode)
        });
        let tenant = write.tenant(self.tenant_id)?;
        let Some((client, tenant)) = client.zip(tenant) else {
            return Ok(Err(DecisionRefusal::Off));
        };
        if !write.client_admits_held(&client, standing.user)? {
            return Ok(Err(DecisionRefusal::NotAdmitted));
        }
        Ok(Ok((client, tenant)))
    }

    /// The end of the approval. The lifetime that was asked for the token must fit below it.
    fn end(
        &self,
        now: Timestamp,
        standing: &Standing,
        (request, client, tenant, catalogue): (&DeviceRequest, &Client, &Tenant, &Catalogue),
    ) -> Result<ExpiresAt, DecisionRefusal> {
        let bound_to = standing.end(now).filter(|_| standing.binds(client));
        let caps = Caps {
            tenant: tenant.limits.approval,
            ancestors: bound_to.as_slice(),
            ..Caps::default()
        };
        let end = self.rules.expires_at(Credential::DeviceApproval, now, caps);
        let end = end.map_err(told)?;
        let plan = AccessTokenPlan {
            rules: self.rules,
            asked: request.requested_lifetime,
            client: client.registration.access_token_lifetime,
            scopes: catalogue.max_lifetimes(&request.scopes),
        };
        let token = plan.expires_at(now, tenant.limits.access_token, end.timestamp());
        token.map_err(told)?;
        Ok(end)
    }

    fn approval(
        &self,
        standing: &Standing,
        (client, tenant): (&Client, &Tenant),
        request: &DeviceRequest,
        expires_at: ExpiresAt,
    ) -> NewApproval {
        let node = &standing.node;
        let binding = Ancestor::Binding {
            id: node.id,
            expires_at: node.facts.expires_at,
        };
        let (birth, ancestor) = match standing.token() {
            Some(token) => (Birth::below_token(token), binding),
            None if standing.binds(client) => (Birth::below(node), binding),
            None => (
                Birth::recorded_below(node, tenant.era),
                Ancestor::Recorded(node.id),
            ),
        };
        let is_bound = matches!(ancestor, Ancestor::Binding { .. });
        NewApproval {
            birth: birth.for_client(Some((client.key, client.epoch))),
            ancestor,
            parent_token: standing.token().map(|token| token.id),
            session_id: node.session_id.filter(|_| is_bound),
            expires_at,
            scopes: request.scopes.clone(),
            audiences: request.audiences.clone(),
            basis: ApprovalBasis::Device,
            device: Some(ApprovedDevice {
                requested_lifetime: request.requested_lifetime,
                ip: request.ip.clone(),
                user_agent: request.user_agent.clone(),
            }),
        }
    }

    fn entry(
        &self,
        event: AuditEvent,
        standing: &Standing,
        client: curfew_protocol::ClientKey,
    ) -> AuditEntry {
        AuditEntry {
            tenant_id: Some(self.tenant_id),
            user_id: Some(standing.user),
            client: Some(client),
            detail: Some(self.device.to_string()),
            ..AuditEntry::new(event, self.by.credential(), self.origin.clone())
        }
    }
}

fn told(refusal: LifetimeRefusal) -> DecisionRefusal {
    match refusal {
        LifetimeRefusal::TooLong { .. } => DecisionRefusal::TooLong,
        LifetimeRefusal::Zero | LifetimeRefusal::AncestorEnded => DecisionRefusal::Changed,
    }
}
