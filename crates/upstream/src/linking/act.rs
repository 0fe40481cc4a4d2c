//! Carries out what was decided.

use curfew_http::notice::IdentityChange;
use curfew_http::session::{StartedSession, UpstreamBirth};
use curfew_http::sign_in::SignIn;
use curfew_policy::email::canonical;
use curfew_policy::lifetime::{Caps, Credential};
use curfew_policy::linking::{Decision, FoundBy};
use curfew_policy::status::EmailOrigin;
use curfew_protocol::{LinkId, LinkProofId, NodeId};
use curfew_store::audit::AuditEvent;
use curfew_store::link_proofs::NewLinkProof;
use curfew_store::links::Link;
use curfew_store::upstream_logins::Purpose;
use curfew_store::users::{NewUser, User};
use curfew_store::{StoreError, Write};

use super::bind::{Binding, birth};
use super::facts::Found;
use super::{Done, How, Linking, NotDone, Outcome, Turned, username};
use crate::refusal::Refusal;
use crate::stop::lifetime;

/// The way of one person.
struct Act<'a> {
    own: &'a Linking,
    found: &'a Found,
}

pub(super) fn act(
    write: &mut Write<'_>,
    own: &Linking,
    found: &Found,
    decision: Decision,
) -> Done<Outcome> {
    let act = Act { own, found };
    let done = match decision {
        Decision::SignIn { by, .. } => act.sign_in(write, by)?,
        Decision::BindAndSignIn { legacy, .. } => act.bind(write, legacy)?,
        Decision::Create => act.create(write)?,
        Decision::AskProof { legacy, .. } => act.ask_proof(write, legacy)?,
        Decision::ConfirmLink { .. } => act.ask_to_confirm(write)?,
        Decision::AlreadyLinked { .. } => Ok(Outcome::AlreadyLinked),
        Decision::Refuse(refusal) => Err(act.turned(refusal.into())),
    };
    match done {
        Err(NotDone::Refused(turned)) => own.refuse(write, turned),
        done => Ok(done),
    }
}

impl Act<'_> {
    fn turned(&self, refusal: Refusal) -> NotDone {
        NotDone::Refused(Turned {
            refusal,
            victim: self.found.person.as_ref().map(|user| user.id),
        })
    }

    /// The account that the decision is about, as it was read under the hold.
    fn person(&self) -> Result<User, StoreError> {
        let missing = || StoreError::Corrupt("a decision about nobody".to_owned());
        self.found.person.clone().ok_or_else(missing)
    }

    fn sign_in(&self, write: &mut Write<'_>, by: FoundBy) -> Done<Outcome> {
        let user = self.person()?;
        let link = match by {
            FoundBy::Subject => self.found.link.as_ref(),
            // The account's link belongs to another subject, or there is none. So the session is born through no link: it ends like one
            // that a password began, and neither the provider's end nor a logout there ends it.
            FoundBy::DangerousEmail => None,
        };
        if !self.has_time(write, user.administrator) {
            return Ok(Err(self.turned(Refusal::UpstreamSessionEnded)));
        }
        if let Err(refused) = self.redeem(write)? {
            return Ok(Err(refused));
        }
        if let Some(link) = link {
            self.keep_up(write, link, &user)?;
        }
        let how = match by {
            FoundBy::Subject => How::Known,
            FoundBy::DangerousEmail => How::Dangerous,
        };
        let started = self.start(write, user, (link, how))?;
        Ok(Ok(Outcome::SignedIn(started, how)))
    }

    fn bind(&self, write: &mut Write<'_>, legacy: Option<LinkId>) -> Done<Outcome> {
        let mut user = self.person()?;
        if !self.has_time(write, user.administrator) {
            return Ok(Err(self.turned(Refusal::UpstreamSessionEnded)));
        }
        let invited = match self.redeem(write)? {
            Ok(invited) => invited,
            Err(refused) => return Ok(Err(refused)),
        };
        if invited {
            // As when a password is set by it: every other link of the account is dead (A24).
            user.epoch = write.user_epoch_raise(user.id)?;
        }
        let binding = Binding {
            provider: &self.found.provider,
            user: user.id,
            identity: &self.own.arrived.identity,
            legacy: legacy.or_else(|| self.found.empty_link()),
        };
        let entry = self.own.entry(AuditEvent::IdentityLinked, Some(user.id));
        let link = match binding.run(write, &entry)? {
            Ok(link) => link,
            Err(refused) => return Ok(Err(refused)),
        };
        let started = self.start(write, user, (Some(&link), How::Linked))?;
        if let (Some(notice), false) = (&self.own.notice, invited) {
            notice.queue(write, IdentityChange::Linked(link.id))?;
        }
        Ok(Ok(Outcome::SignedIn(started, How::Linked)))
    }

    fn create(&self, write: &mut Write<'_>) -> Done<Outcome> {
        if !self.has_time(write, false) {
            return Ok(Err(self.turned(Refusal::UpstreamSessionEnded)));
        }
        let (tenant, arrived) = (self.own.tenant_id, &self.own.arrived);
        let username = username::free(write, tenant, &arrived.known_as)?;
        let identity = &arrived.identity;
        let id = write.user_insert(&NewUser {
            tenant_id: tenant,
            name: identity.name.clone().unwrap_or_else(|| username.clone()),
            username,
            email: identity.verified_email.clone(),
            email_key: arrived.email_key().map(str::to_owned),
            email_origin: EmailOrigin::Upstream,
            quarantined: self.found.provider.settings.policy.quarantine,
            administrator: false,
            password_hash: None,
        })?;
        let mut added = self.own.entry(AuditEvent::UserAdded, Some(id));
        added.detail = Some(format!("signed_up {}", self.found.provider.slug));
        write.audit(&added)?;
        let binding = Binding {
            provider: &self.found.provider,
            user: id,
            identity,
            legacy: None,
        };
        let link = match binding.run(write, &added)? {
            Ok(link) => link,
            Err(refused) => return Ok(Err(refused)),
        };
        let user = write.user(id)?;
        let user = user.ok_or_else(|| StoreError::Corrupt("a user just made".to_owned()))?;
        let started = self.start(write, user, (Some(&link), How::Created))?;
        Ok(Ok(Outcome::SignedIn(started, How::Created)))
    }

    fn ask_proof(&self, write: &mut Write<'_>, legacy: Option<LinkId>) -> Done<Outcome> {
        Ok(Ok(Outcome::AskProof(self.wait(write, legacy, None)?)))
    }

    fn ask_to_confirm(&self, write: &mut Write<'_>) -> Done<Outcome> {
        let session = match self.own.purpose {
            Purpose::Link(session) => Some(session),
            Purpose::SignIn | Purpose::Invitation(_) => None,
        };
        Ok(Ok(Outcome::Confirm(self.wait(write, None, session)?)))
    }

    /// The identity waits until its person proves that the account is theirs, too.
    fn wait(
        &self,
        write: &mut Write<'_>,
        empty_link: Option<LinkId>,
        session_id: Option<NodeId>,
    ) -> Result<LinkProofId, StoreError> {
        let (user, own) = (self.person()?, self.own);
        let (rules, now) = (&own.rules, write.now());
        let proof = write.link_proof_insert(&NewLinkProof {
            tenant_id: own.tenant_id,
            provider_id: self.found.provider.id,
            provider_epoch: self.found.provider.epoch,
            user: (user.id, user.epoch),
            empty_link,
            session_id,
            browser: own.browser.clone(),
            identity: own.arrived.identity.clone(),
            return_to: own.return_to.clone(),
            expires_at: lifetime(rules.expires_at(Credential::LinkProof, now, Caps::default()))?,
        })?;
        let mut asked = own.entry(AuditEvent::IdentityProofAsked, Some(user.id));
        asked.detail = Some(self.found.provider.slug.clone());
        write.audit(&asked)?;
        Ok(proof)
    }

    /// Uses the invitation up that brought the person here. True: there was one.
    fn redeem(&self, write: &mut Write<'_>) -> Done<bool> {
        match self.own.purpose {
            Purpose::SignIn | Purpose::Link(_) => Ok(Ok(false)),
            Purpose::Invitation(link) if write.mailed_link_consume(link)? => Ok(Ok(true)),
            Purpose::Invitation(_) => Ok(Err(self.turned(Refusal::InvitationInvalid))),
        }
    }

    /// What the provider says now about somebody who is known: how they are called, and, where nobody else vouches for the address of
    /// the account, the address. One that another account has, that is not verified, or that is one of several providers' word, changes
    /// nothing (B32, B33).
    fn keep_up(&self, write: &mut Write<'_>, link: &Link, user: &User) -> Result<(), StoreError> {
        let (arrived, own) = (&self.own.arrived, self.own);
        if link.display != arrived.identity.display {
            write.link_set_display(link.id, &arrived.identity.display)?;
        }
        let (Some(email), Some(key)) = (&arrived.identity.verified_email, arrived.email_key())
        else {
            return Ok(());
        };
        let unchanged = user.email.as_deref().and_then(canonical).as_deref() == Some(key);
        let follows = user.email_origin == EmailOrigin::Upstream && self.found.is_only_link();
        if unchanged || !follows || write.user_by_email_key(own.tenant_id, key)?.is_some() {
            return Ok(());
        }
        write.user_set_email(user.id, (email, Some(key)), EmailOrigin::Upstream)?;
        let mut changed = own.entry(AuditEvent::AddressChanged, Some(user.id));
        changed.detail = Some(format!("by_upstream {}", self.found.provider.slug));
        write.audit(&changed)
    }

    /// Asked before anything is written, so that a refusal leaves nothing behind.
    fn has_time(&self, write: &Write<'_>, administrator: bool) -> bool {
        self.session(birth(
            &self.found.provider,
            &self.own.arrived.identity,
            None,
        ))
        .has_time(write.now(), administrator)
    }

    fn session(&self, upstream: UpstreamBirth) -> SignIn<'_> {
        SignIn {
            rules: &self.own.rules,
            tenant: &self.found.tenant,
            previous: self.own.previous,
            by: self.own.by,
            origin: &self.own.origin,
            upstream: Some(upstream),
            detail: Some(self.found.provider.slug.clone()),
        }
    }

    fn start(
        &self,
        write: &mut Write<'_>,
        user: User,
        (link, how): (Option<&Link>, How),
    ) -> Result<StartedSession, StoreError> {
        let provider = &self.found.provider;
        let mut session = self.session(birth(provider, &self.own.arrived.identity, link));
        if how == How::Dangerous {
            session.detail = Some(format!("dangerous_sign_in_by_email {}", provider.slug));
        }
        // The decision let this account in, and there is time: anything else is undone.
        session.run(write, user)?.map_err(|refusal| {
            StoreError::Corrupt(format!("a sign-in that was decided: {refusal:?}"))
        })
    }
}
