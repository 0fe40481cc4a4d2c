//! A code is redeemed (RFC 6749 §4.1.3, RFC 7636 §4.6).
//!
//! All in one transaction:
//!
//! 1. The code is looked up and its secret compared. What is not ours, or another client's, changes nothing: whoever steals a
//!    code can neither use it up nor have it taken for a replay.
//! 2. The approval behind it is judged. A code that was used before is a replay: the approval ends, and with it everything that
//!    was made from it (RFC 9700 §4.2.4).
//! 3. Redirect URI and PKCE are checked. A wrong one ends code and approval: only somebody who did not begin this flow has the
//!    code without them, and he gets one try.
//! 4. What was approved is cut down to what is still allowed today, and to what the request names.
//! 5. The code is consumed by a guarded update; a refresh family is founded when the client may refresh; the token is minted on it,
//!    or on the approval when there is none.

use curfew_http::Edge;
use curfew_policy::status::DeathCause;
use curfew_protocol::{CodeId, Form, GrantType, Lifetime, ParsedToken, TokenKind};
use curfew_store::audit::AuthenticatedBy;
use curfew_store::codes::Code;
use curfew_store::{StoreError, Write};

use super::caller::{Caller, Mint};
use super::family;
use super::plan::{IssuePlan, Standing};
use super::refusal::TokenRefusal;
use super::{Outcome, requested_lifetime, resources};
use crate::catalogue::Catalogue;
use crate::engine;

/// What the request presents.
pub(super) struct CodeGrant {
    /// `None`: no code of ours, whatever it is.
    code: Option<ParsedToken>,
    redirect_uri: Option<String>,
    code_verifier: Option<String>,
    resources: Vec<String>,
    lifetime: Option<Lifetime>,
}

impl CodeGrant {
    pub(super) fn read(form: &Form<'_>) -> Result<Self, TokenRefusal> {
        let code = form.get("code").ok_or(TokenRefusal::CodeMissing)?;
        Ok(Self {
            code: ParsedToken::parse(TokenKind::AuthorizationCode, code).ok(),
            redirect_uri: form.get("redirect_uri").map(str::to_owned),
            code_verifier: form.get("code_verifier").map(str::to_owned),
            resources: resources(form),
            lifetime: requested_lifetime(form)?,
        })
    }

    /// Redeems the code. Garbage never reaches the store.
    pub(super) async fn redeem(self, edge: &Edge, caller: Caller) -> Outcome {
        let Self {
            code,
            redirect_uri,
            code_verifier,
            resources,
            lifetime,
        } = self;
        let Some(presented) = code else {
            return Ok(Err(TokenRefusal::CodeUnknown));
        };
        let redemption = Redemption {
            presented,
            redirect_uri,
            code_verifier,
            resources,
            lifetime,
            caller,
        };
        let outcome = edge.store.write(move |write| redemption.run(write)).await?;
        match outcome {
            Ok(_) => super::count_issued(GrantType::AuthorizationCode),
            Err(TokenRefusal::CodeReplayed) => {
                metrics::counter!("curfew_code_replays_total").increment(1);
            }
            Err(_) => {}
        }
        Ok(outcome)
    }
}

struct Redemption {
    presented: ParsedToken,
    redirect_uri: Option<String>,
    code_verifier: Option<String>,
    resources: Vec<String>,
    lifetime: Option<Lifetime>,
    caller: Caller,
}

/// What the refusal of a code leaves behind.
enum Aftermath {
    Nothing,
    /// The approval ends, and everything below it.
    EndApproval(DeathCause),
}

impl Redemption {
    fn run(&self, write: &mut Write<'_>) -> Outcome {
        let id = CodeId::from_bytes(self.presented.selector);
        let found = write.code(id)?.filter(|code| {
            let secret = &self.presented.secret;
            write.keys().verify(
                TokenKind::AuthorizationCode,
                id.as_bytes(),
                secret,
                code.digest,
            )
        });
        let Some(code) = found else {
            self.caller
                .record_own_refusal(write, TokenRefusal::CodeUnknown)?;
            return Ok(Err(TokenRefusal::CodeUnknown));
        };
        let plan = match self.judge(write, &code)? {
            Ok(plan) => plan,
            Err((refusal, aftermath)) => return self.refuse(write, &code, refusal, aftermath),
        };
        if !write.code_consume(code.id)? {
            let replay = Aftermath::EndApproval(DeathCause::Replayed);
            return self.refuse(write, &code, TokenRefusal::CodeReplayed, replay);
        }
        match self.issue(write, &code, &plan)? {
            Ok(response) => Ok(Ok(response)),
            Err(refusal) => self.refuse(write, &code, refusal, Aftermath::Nothing),
        }
    }

    /// Steps 1 to 4, without changing anything.
    fn judge(
        &self,
        write: &mut Write<'_>,
        code: &Code,
    ) -> Result<Result<IssuePlan, (TokenRefusal, Aftermath)>, StoreError> {
        let now = write.now();
        let node = &code.approval.node;
        let quietly = |refusal| Ok(Err((refusal, Aftermath::Nothing)));
        if node.client.as_ref().map(|client| client.key) != Some(self.caller.client.key) {
            return quietly(TokenRefusal::CodeOfAnotherClient);
        }
        if let Err(because) = node.judge(now) {
            return quietly(TokenRefusal::Dead(because));
        }
        if code.consumed_at.is_some() {
            let replay = Aftermath::EndApproval(DeathCause::Replayed);
            return Ok(Err((TokenRefusal::CodeReplayed, replay)));
        }
        if now.has_reached(code.expires_at) {
            return quietly(TokenRefusal::CodeExpired);
        }
        if let Err(refusal) = self.validate(code) {
            return Ok(Err((refusal, Aftermath::EndApproval(DeathCause::Revoked))));
        }
        let catalogue = Catalogue::read(write, self.caller.client.tenant_id)?;
        let plan = self.plan(code, &catalogue).and_then(|plan| {
            plan.expires_at(now, node)?;
            Ok(plan)
        });
        Ok(plan.map_err(|refusal| (refusal, Aftermath::Nothing)))
    }

    /// Redirect URI and PKCE.
    fn validate(&self, code: &Code) -> Result<(), TokenRefusal> {
        if code.redirect_uri_sent && self.redirect_uri.is_none() {
            return Err(TokenRefusal::RedirectUri);
        }
        let issued_to = code.approval.node.client.as_ref();
        engine::redeem_code(&engine::CodeRedemption {
            client_id: &self.caller.client.registration.client_id,
            presented_redirect_uri: self.redirect_uri.as_deref(),
            code_verifier: self.code_verifier.as_deref(),
            issued_to: issued_to.map_or("", |client| &client.client_id),
            redirect_uri: &code.redirect_uri,
            code_challenge: &code.code_challenge,
            scopes: &code.approval.scopes,
        })?;
        Ok(())
    }

    fn plan(&self, code: &Code, catalogue: &Catalogue) -> Result<IssuePlan, TokenRefusal> {
        let approved = (&code.approval.scopes, &code.approval.audiences);
        let standing = Standing::of(&code.approval.node, approved, &self.caller, catalogue)?;
        let scopes = standing.scopes().clone();
        let asked = (self.resources.as_slice(), self.lifetime);
        IssuePlan::new(&standing, scopes, asked, &self.caller, catalogue)
    }

    /// Step 5, after the code was consumed.
    fn issue(&self, write: &mut Write<'_>, code: &Code, plan: &IssuePlan) -> Outcome {
        let may_refresh = self.caller.client.may_use(GrantType::RefreshToken);
        let home = family::home(write, &self.caller, &code.approval, may_refresh)?;
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
            AuthenticatedBy::Code(code.id),
            self.caller.use_of(&code.approval.node, write.now()),
        );
        self.caller.granted(write, by, &mint, used).map(Ok)
    }

    fn refuse(
        &self,
        write: &mut Write<'_>,
        code: &Code,
        refusal: TokenRefusal,
        aftermath: Aftermath,
    ) -> Outcome {
        let node = &code.approval.node;
        if let Aftermath::EndApproval(cause) = aftermath {
            // Whoever was first: from now on it is used up.
            let _first = write.code_consume(code.id)?;
            write.node_end(node.id, cause)?;
        }
        let by = AuthenticatedBy::Code(code.id);
        self.caller
            .record_refusal(write, by, (node.id, node.user_id()), refusal)?;
        Ok(Err(refusal))
    }
}
