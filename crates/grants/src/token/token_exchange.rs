//! A client gets a token for another token (RFC 8693).
//!
//! 1. The client holds a token that was issued to it, or that is meant for the resource server it serves. Any other it may not exchange.
//! 2. With an actor token of its own the new token says who acts for whom (`act`, §4.1); without one the client stands for the subject,
//!    and a chain of actors that the subject token tells of is kept.
//! 3. What it gets is never more than what it gave: scopes and audiences are a part of the subject token's, and the end is not after
//!    the subject's, nor after the actor's.
//! 4. The new token hangs on a node of its own that the subject token binds: when that dies, so does this (E08).

use curfew_http::Edge;
use curfew_policy::lifetime::{AccessTokenPlan, ExpiresAt};
use curfew_policy::status::{DeathCause, NodeKind};
use curfew_protocol::{Form, GrantType, Lifetime, ParsedToken, ScopeSet, TokenId, TokenKind};
use curfew_store::audit::AuthenticatedBy;
use curfew_store::nodes::{Ancestor, Birth, NewNode};
use curfew_store::tokens::TokenChain;
use curfew_store::{StoreError, Write};
use serde_json::{Value, json};

use super::caller::{Caller, Mint};
use super::plan::{IssuePlan, Standing};
use super::refusal::TokenRefusal;
use super::{Outcome, requested_lifetime, resources};
use crate::catalogue::Catalogue;

/// The only kind of token that is exchanged, and that comes of it (RFC 8693 §3).
pub(super) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// What the request asks for.
pub(super) struct ExchangeGrant {
    subject: ParsedSubject,
    actor: Option<ParsedSubject>,
    scope: Option<ScopeSet>,
    /// `resource` and `audience`: identifiers or ids of resource servers.
    targets: Vec<String>,
    lifetime: Option<Lifetime>,
}

/// A token of ours, by its text.
struct ParsedSubject {
    kind: TokenKind,
    token: ParsedToken,
}

impl ParsedSubject {
    /// `None`: no access token of ours.
    fn parse(text: &str) -> Option<Self> {
        let kind = TokenKind::of(text).filter(|kind| {
            matches!(
                kind,
                TokenKind::AccessToken | TokenKind::PersonalAccessToken
            )
        })?;
        let token = ParsedToken::parse(kind, text).ok()?;
        Some(Self { kind, token })
    }

    fn read(
        form: &Form<'_>,
        name: &str,
        refusal: TokenRefusal,
    ) -> Result<Option<Self>, TokenRefusal> {
        let kind = form.get(&format!("{name}_type"));
        match (form.get(name), kind) {
            (None, None) => Ok(None),
            (Some(text), Some(ACCESS_TOKEN)) => Self::parse(text).map(Some).ok_or(refusal),
            (Some(_), Some(_)) => Err(TokenRefusal::TokenTypeUnsupported),
            (None, Some(_)) | (Some(_), None) => Err(TokenRefusal::RequestInvalid),
        }
    }

    /// The token behind it, alive and of the caller's tenant.
    fn find(
        &self,
        write: &mut Write<'_>,
        caller: &Caller,
    ) -> Result<Option<TokenChain>, StoreError> {
        let id = TokenId::from_bytes(self.token.selector);
        let now = write.now();
        let found = write.token_chain(id)?;
        Ok(found.filter(|token| {
            let keys = write.keys();
            keys.verify(self.kind, id.as_bytes(), &self.token.secret, token.digest)
                && token.node.tenant_id == caller.client.tenant_id
                && token.judge(now).is_ok()
        }))
    }
}

impl ExchangeGrant {
    pub(super) fn read(form: &Form<'_>) -> Result<Self, TokenRefusal> {
        if form
            .get("requested_token_type")
            .is_some_and(|kind| kind != ACCESS_TOKEN)
        {
            return Err(TokenRefusal::TokenTypeUnsupported);
        }
        let subject = ParsedSubject::read(form, "subject_token", TokenRefusal::SubjectToken)?;
        let scope = form.get("scope").map(ScopeSet::parse).transpose();
        let mut targets = resources(form);
        targets.extend(form.all("audience").map(str::to_owned));
        Ok(Self {
            subject: subject.ok_or(TokenRefusal::SubjectTokenMissing)?,
            actor: ParsedSubject::read(form, "actor_token", TokenRefusal::ActorToken)?,
            scope: scope.map_err(|_| TokenRefusal::Scope)?,
            targets,
            lifetime: requested_lifetime(form)?,
        })
    }

    pub(super) async fn redeem(self, edge: &Edge, caller: Caller) -> Outcome {
        let exchange = Exchange {
            asked: self,
            caller,
        };
        let outcome = edge.store.write(move |write| exchange.run(write)).await?;
        if outcome.is_ok() {
            super::count_issued(GrantType::TokenExchange);
        }
        Ok(outcome)
    }
}

struct Exchange {
    asked: ExchangeGrant,
    caller: Caller,
}

impl Exchange {
    fn run(&self, write: &mut Write<'_>) -> Outcome {
        let Some(subject) = self.asked.subject.find(write, &self.caller)? else {
            return self.refuse(write, None, TokenRefusal::SubjectToken);
        };
        let actor = match &self.asked.actor {
            None => None,
            Some(presented) => match presented.find(write, &self.caller)? {
                Some(actor) if self.is_own(&actor) => Some(actor),
                _ => return self.refuse(write, Some(&subject), TokenRefusal::ActorToken),
            },
        };
        let catalogue = Catalogue::read(write, self.caller.client.tenant_id)?;
        if !self.is_own(&subject) && !self.is_meant_for_caller(&subject, &catalogue) {
            return self.refuse(write, Some(&subject), TokenRefusal::SubjectToken);
        }
        let planned = self.plan(write, &subject, actor.as_ref(), &catalogue);
        match planned {
            Ok((plan, end)) => self.issue(write, (&subject, actor.as_ref()), &plan, end),
            Err(refusal) => self.refuse(write, Some(&subject), refusal),
        }
    }

    /// Was it issued to the caller?
    fn is_own(&self, token: &TokenChain) -> bool {
        let client = token.node.client.as_ref();
        client.is_some_and(|client| client.key == self.caller.client.key)
    }

    /// Is it meant for the resource server that the caller serves, as that is now?
    fn is_meant_for_caller(&self, token: &TokenChain, catalogue: &Catalogue) -> bool {
        let Some(serves) = &self.caller.client.registration.serves else {
            return false;
        };
        let served = catalogue
            .resource_servers()
            .iter()
            .find(|server| server.resource_id.as_ref() == Some(serves));
        served.is_some_and(|server| {
            let audience = token.audiences.find(server.key);
            audience.is_some_and(|audience| audience.epoch == server.epoch)
        })
    }

    /// What the new token will be, and when it ends.
    fn plan(
        &self,
        write: &Write<'_>,
        subject: &TokenChain,
        actor: Option<&TokenChain>,
        catalogue: &Catalogue,
    ) -> Result<(IssuePlan, ExpiresAt), TokenRefusal> {
        let now = write.now();
        let had = ScopeSet::parse(&subject.scopes).map_err(|_| TokenRefusal::Scope)?;
        let approved = (&had, &subject.audiences);
        let standing = Standing::of(&subject.node, approved, &self.caller, catalogue)?;
        let scopes = match &self.asked.scope {
            None => standing.scopes().clone(),
            Some(asked) if asked.is_subset_of(standing.scopes()) => asked.clone(),
            Some(_) => return Err(TokenRefusal::Scope),
        };
        let targets = self.identifiers(catalogue);
        let asked = (targets.as_slice(), self.asked.lifetime);
        let plan = IssuePlan::new(&standing, scopes, asked, &self.caller, catalogue)?;
        let mut ancestor = subject.judge(now).map_err(TokenRefusal::Dead)?.expires_at();
        if let Some(actor) = actor {
            ancestor = ancestor.min(actor.judge(now).map_err(TokenRefusal::Dead)?.expires_at());
        }
        let lifetime: &AccessTokenPlan = plan.lifetime();
        let tenant = subject.node.facts.limits.access_token;
        let end = lifetime.expires_at(now, tenant, ancestor)?;
        Ok((plan, end))
    }

    /// A target may be named by its identifier or by its id.
    fn identifiers(&self, catalogue: &Catalogue) -> Vec<String> {
        let servers = catalogue.resource_servers();
        let identifier = |target: &String| {
            let known = servers
                .iter()
                .find(|server| server.resource_id.as_ref() == Some(target));
            known.map_or_else(|| target.clone(), |server| server.identifier.clone())
        };
        self.asked.targets.iter().map(identifier).collect()
    }

    fn issue(
        &self,
        write: &mut Write<'_>,
        (subject, actor): (&TokenChain, Option<&TokenChain>),
        plan: &IssuePlan,
        expires_at: ExpiresAt,
    ) -> Outcome {
        let now = write.now();
        let act = act(subject, actor);
        let client = &self.caller.client;
        let id = write.node_insert(&NewNode {
            kind: NodeKind::Exchange,
            birth: Birth::below_token(subject).for_client(Some((client.key, client.epoch))),
            ancestor: Ancestor::Binding {
                id: subject.node.id,
                expires_at: subject.node.facts.expires_at,
            },
            parent_token: Some(subject.id),
            session_id: subject.node.session_id,
            expires_at,
            actor: act.as_deref(),
        })?;
        // The insert holds what binds the new node. Only now is it certain that nobody ended it since it was read.
        let still = write.token_chain(subject.id)?;
        if still.is_none_or(|token| token.judge(now).is_err()) {
            write.node_end(id, DeathCause::AncestorDied)?;
            return self.refuse(write, Some(subject), TokenRefusal::SubjectToken);
        }
        let Some(node) = write.node_chain(id)? else {
            return Err(StoreError::Corrupt("a node vanished".to_owned()));
        };
        let minted = match plan.mint_until(write, &node, expires_at)? {
            Ok(minted) => minted,
            Err(refusal) => return self.refuse(write, Some(subject), refusal),
        };
        let mint = Mint {
            minted,
            node: &node,
            plan,
            refresh_token: None,
            issued_token_type: Some(ACCESS_TOKEN),
        };
        let (by, used) = (
            AuthenticatedBy::BearerToken(subject.id),
            self.caller.use_of_token(subject, now),
        );
        self.caller.granted(write, by, &mint, used).map(Ok)
    }

    fn refuse(
        &self,
        write: &mut Write<'_>,
        subject: Option<&TokenChain>,
        refusal: TokenRefusal,
    ) -> Outcome {
        match subject {
            Some(subject) => {
                let by = AuthenticatedBy::BearerToken(subject.id);
                let whose = (subject.node.id, subject.node.user_id());
                self.caller.record_refusal(write, by, whose, refusal)?;
            }
            None => self.caller.record_own_refusal(write, refusal)?,
        }
        Ok(Err(refusal))
    }
}

/// The act claim of the new token: the actor, and below it whoever acted before.
fn act(subject: &TokenChain, actor: Option<&TokenChain>) -> Option<String> {
    let Some(actor) = actor else {
        return subject.node.actor.clone();
    };
    let node = &actor.node;
    let client_id = node.client.as_ref().map(|client| client.client_id.clone());
    let sub = node
        .user
        .as_ref()
        .map(|user| user.id.to_string())
        .or_else(|| client_id.clone());
    let mut act = json!({ "sub": sub, "client_id": client_id });
    let before = subject.node.actor.as_deref();
    if let Some(before) = before.and_then(|text| serde_json::from_str::<Value>(text).ok()) {
        act["act"] = before;
    }
    Some(act.to_string())
}
