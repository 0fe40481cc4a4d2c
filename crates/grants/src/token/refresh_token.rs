//! A refresh token is used (RFC 6749 §6, RFC 9700 §4.14.2).
//!
//! All in one transaction:
//!
//! 1. The family is looked up. Another client's is left alone.
//! 2. It is judged: dead or idle for too long is `invalid_grant`.
//! 3. What was presented is compared: the current generation rotates, the one before is excused once within the grace window, any
//!    other generation that we issued is a replay and ends the family; what we never issued changes nothing.
//! 4. Scopes and resources may only shrink. A request for more is refused and uses nothing up.
//! 5. The family rotates by a guarded update. Whoever loses that race looks again.
//!
//! The family keeps its scopes; only the access token is narrowed.

use curfew_http::Edge;
use curfew_policy::refresh::{RefreshVerdict, decide};
use curfew_policy::status::DeathCause;
use curfew_protocol::{Form, GrantType, Lifetime, ParsedRefresh, RefreshToken};
use curfew_store::audit::{AuditEvent, AuthenticatedBy};
use curfew_store::families::Family;
use curfew_store::{StoreError, Write};

use super::caller::{Caller, Mint};
use super::plan::{IssuePlan, Standing};
use super::refusal::TokenRefusal;
use super::{Outcome, requested_lifetime, resources};
use crate::catalogue::Catalogue;
use crate::engine;

/// How often a lost race is looked at again before the request is answered 503.
const TRIES: usize = 3;

/// What the request presents.
pub(super) struct RefreshGrant {
    /// `None`: no refresh token of ours, whatever it is.
    token: Option<ParsedRefresh>,
    scope: Option<String>,
    resources: Vec<String>,
    lifetime: Option<Lifetime>,
}

impl RefreshGrant {
    pub(super) fn read(form: &Form<'_>) -> Result<Self, TokenRefusal> {
        let token = form
            .get("refresh_token")
            .ok_or(TokenRefusal::RefreshTokenMissing)?;
        Ok(Self {
            token: ParsedRefresh::parse(token).ok(),
            scope: form.get("scope").map(str::to_owned),
            resources: resources(form),
            lifetime: requested_lifetime(form)?,
        })
    }

    /// Uses the token. Garbage never reaches the store.
    pub(super) async fn redeem(self, edge: &Edge, caller: Caller) -> Outcome {
        let Self {
            token,
            scope,
            resources,
            lifetime,
        } = self;
        let Some(presented) = token else {
            return Ok(Err(TokenRefusal::RefreshTokenUnknown));
        };
        let rotation = Rotation {
            presented,
            scope,
            resources,
            lifetime,
            caller,
        };
        let outcome = edge.store.write(move |write| rotation.run(write)).await?;
        match outcome {
            Ok(_) => super::count_issued(GrantType::RefreshToken),
            Err(TokenRefusal::RefreshReplayed) => {
                metrics::counter!("curfew_refresh_replays_total").increment(1);
            }
            Err(_) => {}
        }
        Ok(outcome)
    }
}

struct Rotation {
    presented: ParsedRefresh,
    scope: Option<String>,
    resources: Vec<String>,
    lifetime: Option<Lifetime>,
    caller: Caller,
}

/// How the family goes on.
enum Step {
    Rotate,
    ReplaceUnusedSuccessor,
}

impl Rotation {
    fn run(&self, write: &mut Write<'_>) -> Outcome {
        for _ in 0..TRIES {
            let Some(family) = write.family(self.presented.family)? else {
                self.caller
                    .record_own_refusal(write, TokenRefusal::RefreshTokenUnknown)?;
                return Ok(Err(TokenRefusal::RefreshTokenUnknown));
            };
            let (step, plan) = match self.judge(write, &family)? {
                Ok(judged) => judged,
                Err(refusal) => return self.refuse(write, &family, refusal),
            };
            if let Some(token) = self.step(write, &family, &step)? {
                return self.issue(write, &family, &plan, &token);
            }
        }
        Err(StoreError::Overloaded)
    }

    /// Steps 1 to 4, without changing anything.
    fn judge(
        &self,
        write: &mut Write<'_>,
        family: &Family,
    ) -> Result<Result<(Step, IssuePlan), TokenRefusal>, StoreError> {
        let step = match self.judge_token(write, family) {
            Ok(step) => step,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let catalogue = Catalogue::read(write, self.caller.client.tenant_id)?;
        let plan = self.plan(family, &catalogue);
        Ok(plan.and_then(|plan| {
            plan.expires_at(write.now(), &family.node)?;
            Ok((step, plan))
        }))
    }

    fn judge_token(&self, write: &Write<'_>, family: &Family) -> Result<Step, TokenRefusal> {
        let now = write.now();
        let owner = family.node.client.as_ref().map(|client| client.key);
        if owner != Some(self.caller.client.key) {
            return Err(TokenRefusal::RefreshTokenOfAnotherClient);
        }
        let presented = family.compare(write.keys(), &self.presented);
        if !presented.tag_is_ours {
            return Err(TokenRefusal::RefreshTokenUnknown);
        }
        family.node.judge(now).map_err(TokenRefusal::Dead)?;
        if now.has_reached(family.idle_at) {
            return Err(TokenRefusal::RefreshIdle);
        }
        match decide(
            &presented,
            &family.state,
            now,
            self.caller.rules.refresh_grace,
        ) {
            RefreshVerdict::Rotate => Ok(Step::Rotate),
            RefreshVerdict::ReplaceUnusedSuccessor => Ok(Step::ReplaceUnusedSuccessor),
            RefreshVerdict::Replay => Err(TokenRefusal::RefreshReplayed),
            RefreshVerdict::Unknown => Err(TokenRefusal::RefreshTokenUnknown),
        }
    }

    fn plan(&self, family: &Family, catalogue: &Catalogue) -> Result<IssuePlan, TokenRefusal> {
        let approved = (&family.scopes, &family.audiences);
        let standing = Standing::of(&family.node, approved, &self.caller, catalogue)?;
        let issued_to = family.node.client.as_ref();
        let scopes = engine::refresh(&engine::RefreshRequest {
            client_id: &self.caller.client.registration.client_id,
            scope: self.scope.as_deref(),
            issued_to: issued_to.map_or("", |client| &client.client_id),
            scopes: standing.scopes(),
        })?;
        let asked = (self.resources.as_slice(), self.lifetime);
        IssuePlan::new(&standing, scopes, asked, &self.caller, catalogue)
    }

    /// `None`: somebody else was faster.
    fn step(
        &self,
        write: &mut Write<'_>,
        family: &Family,
        step: &Step,
    ) -> Result<Option<RefreshToken>, StoreError> {
        match step {
            Step::Rotate => {
                let (now, end) = (write.now(), family.node.facts.expires_at);
                write.family_rotate(family, self.caller.rules.refresh_idle_at(now, end))
            }
            Step::ReplaceUnusedSuccessor => write.family_replace_successor(family),
        }
    }

    fn issue(
        &self,
        write: &mut Write<'_>,
        family: &Family,
        plan: &IssuePlan,
        refresh_token: &RefreshToken,
    ) -> Outcome {
        let node = &family.node;
        let minted = match plan.mint(write, node)? {
            Ok(minted) => minted,
            Err(refusal) => return self.refuse(write, family, refusal),
        };
        let by = AuthenticatedBy::RefreshToken(node.id);
        self.caller.record_node(
            write,
            AuditEvent::RefreshRotated,
            by,
            (node.id, node.user_id()),
        )?;
        let mint = Mint {
            minted,
            node,
            plan,
            refresh_token: Some(refresh_token),
            issued_token_type: None,
        };
        let used = self.caller.use_of(node, write.now());
        self.caller.granted(write, by, &mint, used).map(Ok)
    }

    fn refuse(&self, write: &mut Write<'_>, family: &Family, refusal: TokenRefusal) -> Outcome {
        let node = &family.node;
        if refusal == TokenRefusal::RefreshReplayed {
            write.node_end(node.id, DeathCause::Replayed)?;
        }
        // A handle without our tag may come from a log that anybody read.
        if refusal == TokenRefusal::RefreshTokenUnknown {
            self.caller.record_own_refusal(write, refusal)?;
        } else {
            let by = AuthenticatedBy::RefreshToken(node.id);
            self.caller
                .record_refusal(write, by, (node.id, node.user_id()), refusal)?;
        }
        Ok(Err(refusal))
    }
}
