//! Carries out what was decided.

use curfew_http::notice::IdentityChange;
use curfew_policy::email::canonical;
use curfew_policy::lifetime::{Caps, Credential};
use curfew_policy::linking::{Decision, FoundBy};
use curfew_policy::status::EmailOrigin;
use curfew_protocol::{LinkId, LinkProofId, NodeId, UserId};
use curfew_store::audit::{AuditEvent, AuthenticatedBy};
use curfew_store::link_proofs::NewLinkProof;
use curfew_store::links::Link;
use curfew_store::upstream_logins::Purpose;
use curfew_store::users::{NewUser, User};
use curfew_store::{StoreError, Write};

use super::bind::Entrance;
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
        Decision::SignIn { user, by } => act.sign_in(write, user, by)?,
        Decision::BindAndSignIn { user, legacy } => act.bind(write, user, legacy)?,
        Decision::Create => act.create(write)?,
        Decision::AskProof { user, .. } => Ok(Outcome::AskProof(act.wait(write, user, None)?)),
        Decision::ConfirmLink { user } => act.ask_to_confirm(write, user)?,
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
    fn person(&self, decided: UserId) -> Result<User, StoreError> {
        let person = self.found.person.clone();
        let held = person.filter(|user| user.id == decided);
        held.ok_or_else(|| StoreError::Corrupt("a decision about somebody else".to_owned()))
    }

    fn sign_in(&self, write: &mut Write<'_>, user: UserId, by: FoundBy) -> Done<Outcome> {
        let mut user = self.person(user)?;
        let link = match by {
            FoundBy::Subject => self.found.link.as_ref(),
            // The account's link belongs to another subject, or there is none. So the session is born through no link: it ends like one
            // that a password began, and neither the provider's end nor a logout there ends it.
            FoundBy::DangerousEmail => None,
        };
        if !self.entrance().has_time(write, user.administrator) {
            return Ok(Err(self.turned(Refusal::UpstreamSessionEnded)));
        }
        if let Err(refused) = self.redeem(write)? {
            return Ok(Err(refused));
        }
        if let Some(link) = link {
            self.keep_up(write, link, &mut user)?;
        }
        let how = match by {
            FoundBy::Subject => How::Known,
            FoundBy::DangerousEmail => How::Dangerous,
        };
        let started = self.entrance().start(write, user, link)?;
        Ok(Ok(Outcome::SignedIn(started, how)))
    }

    fn bind(&self, write: &mut Write<'_>, user: UserId, legacy: Option<LinkId>) -> Done<Outcome> {
        let mut user = self.person(user)?;
        if !self.entrance().has_time(write, user.administrator) {
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
        let entrance = self.entrance();
        // It is the invitation that let the identity have the account.
        let by = match self.own.purpose {
            Purpose::Invitation(link) => AuthenticatedBy::MailedLink(link),
            Purpose::SignIn | Purpose::Link(_) => entrance.by,
        };
        let waiting = legacy.or_else(|| self.found.empty_link());
        let link = match (Entrance { by, ..entrance }).bind(write, user.id, waiting)? {
            Ok(link) => link,
            Err(refused) => return Ok(Err(refused)),
        };
        let started = entrance.start(write, user, Some(&link))?;
        if let (Some(notice), false) = (&self.own.notice, invited) {
            notice.queue(write, IdentityChange::Linked(link.id))?;
        }
        Ok(Ok(Outcome::SignedIn(started, How::Linked)))
    }

    fn create(&self, write: &mut Write<'_>) -> Done<Outcome> {
        if !self.entrance().has_time(write, false) {
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
        let link = self.entrance().make(write, id)?;
        let user = write.user(id)?;
        let user = user.ok_or_else(|| StoreError::Corrupt("a user just made".to_owned()))?;
        let started = self.entrance().start(write, user, Some(&link))?;
        Ok(Ok(Outcome::SignedIn(started, How::Created)))
    }

    fn ask_to_confirm(&self, write: &mut Write<'_>, user: UserId) -> Done<Outcome> {
        let session = match self.own.purpose {
            Purpose::Link(session) => Some(session),
            Purpose::SignIn | Purpose::Invitation(_) => None,
        };
        Ok(Ok(Outcome::Confirm(self.wait(write, user, session)?)))
    }

    /// The identity waits until its person proves that the account is theirs, too.
    fn wait(
        &self,
        write: &mut Write<'_>,
        user: UserId,
        session_id: Option<NodeId>,
    ) -> Result<LinkProofId, StoreError> {
        let (user, own) = (self.person(user)?, self.own);
        let (rules, now) = (&own.rules, write.now());
        let proof = write.link_proof_insert(&NewLinkProof {
            tenant_id: own.tenant_id,
            provider_id: self.found.provider.id,
            provider_epoch: self.found.provider.epoch,
            user: (user.id, user.epoch),
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

    /// What the provider says now about somebody who is known: how they are called, and perhaps their address.
    fn keep_up(
        &self,
        write: &mut Write<'_>,
        link: &Link,
        user: &mut User,
    ) -> Result<(), StoreError> {
        let arrived = &self.own.arrived;
        if link.display != arrived.identity.display {
            write.link_set_display(link.id, &arrived.identity.display)?;
        }
        let unchanged =
            |key: &str| user.email.as_deref().and_then(canonical).as_deref() == Some(key);
        match (&arrived.identity.verified_email, arrived.email_key()) {
            (Some(email), Some(key)) if !unchanged(key) && self.may_follow(user) => {
                self.follow(write, user, (email, key))
            }
            _ => Ok(()),
        }
    }

    /// Does the address of the account follow what the provider says? Only where nobody else vouches for it, and nothing else than the
    /// provider opens the account: otherwise whoever holds the upstream account for a while would get more than that (B32, B33). Not in
    /// quarantine, which the proof of the address ends (E10).
    fn may_follow(&self, user: &User) -> bool {
        user.email_origin == EmailOrigin::Upstream
            && self.found.is_only_link()
            && user.password_hash.is_none()
            && !user.quarantined
    }

    /// Another address, like any other change of it: what was mailed to the old one is void, every session ends, and the old one is
    /// told. One that another account has changes nothing.
    fn follow(
        &self,
        write: &mut Write<'_>,
        user: &mut User,
        (email, key): (&str, &str),
    ) -> Result<(), StoreError> {
        if write.user_by_email_key(self.own.tenant_id, key)?.is_some() {
            return Ok(());
        }
        write.user_set_email(user.id, (email, Some(key)), EmailOrigin::Upstream)?;
        user.epoch = write.user_epoch_raise(user.id)?;
        let old = user.email.replace(email.to_owned());
        if let (Some(notice), Some(old)) = (&self.own.notice, &old) {
            let user = user.id;
            notice.queue(write, IdentityChange::Address { user, old })?;
        }
        let mut changed = self.own.entry(AuditEvent::AddressChanged, Some(user.id));
        changed.detail = Some(format!("by_upstream {}", self.found.provider.slug));
        write.audit(&changed)
    }

    /// By what this identity lets somebody in.
    fn entrance(&self) -> Entrance<'_> {
        Entrance {
            tenant: &self.found.tenant,
            provider: &self.found.provider,
            identity: &self.own.arrived.identity,
            rules: &self.own.rules,
            previous: self.own.previous,
            by: self.own.by,
            origin: &self.own.origin,
        }
    }
}
