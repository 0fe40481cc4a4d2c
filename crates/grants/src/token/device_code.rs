//! A device asks whether it was approved, and gets its tokens once (RFC 8628 §3.4 and §3.5).
//!
//! All in one transaction:
//!
//! 1. The code is looked up and its secret compared. What is not ours, or another client's, changes nothing.
//! 2. The switches of installation and tenant are looked at: when the flow is off, it is off for those who wait as well.
//! 3. Denied, expired and pending codes are answered. A poll that comes too early makes the interval grow, for every node.
//! 4. An approval is judged as it is now: user, client, tenant, membership. What died since is `access_denied`, for good.
//! 5. The code is used up by a guarded update; whoever comes later is a replay and ends what the first one got.
//! 6. Only what was approved is minted (C29), for the lifetime that was asked and approved.

use curfew_http::Edge;
use curfew_policy::status::DeathCause;
use curfew_protocol::{DeviceCodeId, Form, GrantType, NodeId, ParsedToken, TokenKind, UserId};
use curfew_store::audit::AuthenticatedBy;
use curfew_store::codes::Approval;
use curfew_store::device_codes::{DeviceCode, DeviceCodeState};
use curfew_store::{StoreError, Write};

use super::Outcome;
use super::caller::{Caller, Mint};
use super::family;
use super::plan::{IssuePlan, Standing};
use super::refusal::TokenRefusal;
use crate::catalogue::Catalogue;
use crate::scopes::OFFLINE_ACCESS;
use crate::{device, engine};

/// What the request presents.
pub(super) struct DeviceGrant {
    /// `None`: no device code of ours, whatever it is.
    code: Option<ParsedToken>,
    code_verifier: Option<String>,
}

impl DeviceGrant {
    pub(super) fn read(form: &Form<'_>) -> Result<Self, TokenRefusal> {
        let code = form
            .get("device_code")
            .ok_or(TokenRefusal::DeviceCodeMissing)?;
        Ok(Self {
            code: ParsedToken::parse(TokenKind::DeviceCode, code).ok(),
            code_verifier: form.get("code_verifier").map(str::to_owned),
        })
    }

    /// Asks. Garbage never reaches the store.
    pub(super) async fn redeem(self, edge: &Edge, caller: Caller) -> Outcome {
        let Some(presented) = self.code else {
            return Ok(Err(TokenRefusal::DeviceCodeUnknown));
        };
        let poll = Poll {
            presented,
            code_verifier: self.code_verifier,
            caller,
        };
        let outcome = edge.store.write(move |write| poll.run(write)).await?;
        match outcome {
            Ok(_) => super::count_issued(GrantType::DeviceCode),
            Err(TokenRefusal::DeviceCodeReplayed) => {
                metrics::counter!("curfew_device_code_replays_total").increment(1);
            }
            Err(_) => {}
        }
        Ok(outcome)
    }
}

struct Poll {
    presented: ParsedToken,
    code_verifier: Option<String>,
    caller: Caller,
}

impl Poll {
    fn run(&self, write: &mut Write<'_>) -> Outcome {
        let id = DeviceCodeId::from_bytes(self.presented.selector);
        let found = write.device_code(id)?.filter(|code| {
            let secret = &self.presented.secret;
            let keys = write.keys();
            keys.verify(TokenKind::DeviceCode, id.as_bytes(), secret, code.digest)
        });
        let Some(code) = found else {
            let refusal = TokenRefusal::DeviceCodeUnknown;
            self.caller.record_own_refusal(write, refusal)?;
            return Ok(Err(refusal));
        };
        if code.client != self.caller.client.key {
            let refusal = TokenRefusal::DeviceCodeOfAnotherClient;
            self.caller.record_own_refusal(write, refusal)?;
            return Ok(Err(refusal));
        }
        if !device::is_switched_on(write, code.tenant_id)? {
            return Ok(Err(TokenRefusal::DeviceFlowOff));
        }
        match code.state {
            DeviceCodeState::Consumed(approval) => self.replay(write, &code, approval),
            DeviceCodeState::Denied => Ok(Err(TokenRefusal::DeviceDenied)),
            _ if self.is_over(write, &code)? => Ok(Err(TokenRefusal::DeviceCodeExpired)),
            DeviceCodeState::Pending if write.device_code_poll(id)? => {
                Ok(Err(TokenRefusal::DevicePending))
            }
            DeviceCodeState::Pending => Ok(Err(TokenRefusal::DeviceTooFast)),
            DeviceCodeState::Approved(approval) => self.redeem(write, &code, approval),
        }
    }

    /// Expired, or from before a restore.
    fn is_over(&self, write: &mut Write<'_>, code: &DeviceCode) -> Result<bool, StoreError> {
        Ok(write.now().has_reached(code.expires_at)
            || code.installation_epoch != write.installation_epoch()?)
    }

    /// Steps 4 to 6.
    fn redeem(&self, write: &mut Write<'_>, code: &DeviceCode, approval: NodeId) -> Outcome {
        let Some(approval) = write.approval(approval)? else {
            return Err(StoreError::Corrupt("an approval vanished".to_owned()));
        };
        let plan = match self.judge(write, code, &approval)? {
            Ok(plan) => plan,
            Err(refusal) => return self.refuse(write, code, &approval, refusal),
        };
        if !write.device_code_consume(code.id)? {
            return self.replay(write, code, approval.node.id);
        }
        match self.issue(write, code, &approval, &plan)? {
            Ok(response) => Ok(Ok(response)),
            Err(refusal) => self.refuse(write, code, &approval, refusal),
        }
    }

    /// Changes nothing.
    fn judge(
        &self,
        write: &mut Write<'_>,
        code: &DeviceCode,
        approval: &Approval,
    ) -> Result<Result<IssuePlan, TokenRefusal>, StoreError> {
        if let Err(because) = approval.node.judge(write.now()) {
            return Ok(Err(TokenRefusal::DeviceDead(because)));
        }
        if let Some(challenge) = &code.code_challenge
            && let Err(refusal) = engine::verify_pkce(challenge, self.code_verifier.as_deref())
        {
            return Ok(Err(refusal.into()));
        }
        let client = &self.caller.client;
        if let Some(user) = approval.node.user_id()
            && !write.client_admits_held(client, user)?
        {
            return Ok(Err(TokenRefusal::DeviceDenied));
        }
        let catalogue = Catalogue::read(write, client.tenant_id)?;
        let now = write.now();
        Ok(self.plan(approval, &catalogue).and_then(|plan| {
            plan.expires_at(now, &approval.node)?;
            Ok(plan)
        }))
    }

    fn plan(&self, approval: &Approval, catalogue: &Catalogue) -> Result<IssuePlan, TokenRefusal> {
        let approved = (&approval.scopes, &approval.audiences);
        let standing = Standing::of(&approval.node, approved, &self.caller, catalogue)?;
        let scopes = standing.scopes().clone();
        let asked = approval
            .device
            .as_ref()
            .and_then(|device| device.requested_lifetime);
        IssuePlan::new(&standing, scopes, (&[], asked), &self.caller, catalogue)
    }

    /// A refresh token is for those who asked for it and may have it.
    fn issue(
        &self,
        write: &mut Write<'_>,
        code: &DeviceCode,
        approval: &Approval,
        plan: &IssuePlan,
    ) -> Outcome {
        let may_refresh = self.caller.client.may_use(GrantType::RefreshToken)
            && plan.scopes().contains(OFFLINE_ACCESS);
        let home = family::home(write, &self.caller, approval, may_refresh)?;
        let (node, refresh_token) = match home {
            Ok(home) => home,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let minted = match plan.mint(write, &node)? {
            Ok(minted) => minted,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let mint = Mint {
            minted,
            node: &node,
            plan,
            refresh_token: refresh_token.as_ref(),
            issued_token_type: None,
        };
        let (by, used) = (
            AuthenticatedBy::DeviceCode(code.id),
            self.caller.use_of(&node, write.now()),
        );
        self.caller.granted(write, by, &mint, used).map(Ok)
    }

    fn replay(&self, write: &mut Write<'_>, code: &DeviceCode, approval: NodeId) -> Outcome {
        write.node_end(approval, DeathCause::Replayed)?;
        let user = write.node_chain(approval)?.and_then(|node| node.user_id());
        self.record(
            write,
            code,
            (approval, user),
            TokenRefusal::DeviceCodeReplayed,
        )
    }

    fn refuse(
        &self,
        write: &mut Write<'_>,
        code: &DeviceCode,
        approval: &Approval,
        refusal: TokenRefusal,
    ) -> Outcome {
        let whose = (approval.node.id, approval.node.user_id());
        self.record(write, code, whose, refusal)
    }

    fn record(
        &self,
        write: &mut Write<'_>,
        code: &DeviceCode,
        whose: (NodeId, Option<UserId>),
        refusal: TokenRefusal,
    ) -> Outcome {
        let by = AuthenticatedBy::DeviceCode(code.id);
        self.caller.record_refusal(write, by, whose, refusal)?;
        Ok(Err(refusal))
    }
}
