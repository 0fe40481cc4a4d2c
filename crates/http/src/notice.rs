//! The mails that tell a person of what was done in their name, with the link by which they undo it: whoever was talked into it, or never
//! did it, finds out and can act without signing in.
//!
//! * [`DeviceNotice`]: a device was approved.
//! * [`IdentityNotice`]: how the person signs in was changed.
//!
//! [`AddressMail`] tells of nothing; its link proves an address.

use actix_web::web::Data;
use curfew_policy::lifetime::{Caps, Credential, LifetimeRules};
use curfew_protocol::{LinkId, NodeId, Redacted, UserId};
use curfew_store::audit::Origin;
use curfew_store::mailed_links::LinkKind;
use curfew_store::users::User;
use curfew_store::{StoreError, Write};

use crate::edge::Edge;
use crate::mail_texts::{self, DeviceFacts, IdentityFacts, MailFacts, MailKind, MailText};
use crate::origin;
use crate::pages::Language;
use crate::problem::PageContext;
use crate::realm::Realm;

/// Stands for the link's secret, which only the transaction knows. Nothing else in a mail can look like it: names are cleaned of
/// control characters.
const SECRET: &str = "\u{1}";

/// Written before the transaction, queued in it.
#[derive(Debug)]
pub struct DeviceNotice {
    text: MailText,
    rules: LifetimeRules,
}

impl DeviceNotice {
    /// `None`: this server sends no mail.
    pub fn of(
        edge: &Edge,
        realm: &Realm,
        language: &Language,
        (username, device): (&str, DeviceFacts<'_>),
    ) -> Option<Self> {
        edge.mailer.as_ref()?;
        let rules = edge.lifetimes;
        let link = format!("{}/account/undo?link={SECRET}", realm.issuer(edge));
        let facts = MailFacts {
            place: &realm.name,
            username,
            link: &link,
            lasts: Some(rules.undo_link),
        };
        let text = mail_texts::device_approved(&edge.pages, language, facts, device);
        Some(Self { text, rules })
    }

    /// Makes the link and queues the mail, in the transaction that approved the device. A person without an address gets none.
    pub fn queue(
        &self,
        write: &mut Write<'_>,
        user: UserId,
        approval: NodeId,
    ) -> Result<(), StoreError> {
        let until = self
            .rules
            .expires_at(Credential::UndoLink, write.now(), Caps::default());
        let (Some(user), Ok(until)) = (write.user(user)?, until) else {
            return Ok(());
        };
        let Some(address) = &user.email else {
            return Ok(());
        };
        let link =
            write.mailed_link_insert(user.id, user.epoch, &LinkKind::Undo(approval), until)?;
        let body = Redacted(self.text.body.0.replace(SECRET, &link.reveal()));
        write.mail_insert(address, &self.text.subject, &body, until)?;
        Ok(())
    }
}

/// A change of how somebody signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityChange<'a> {
    /// An upstream identity was bound to the account of its link.
    Linked(LinkId),
    /// It was taken away.
    Unlinked(LinkId),
    /// The account got another address than this one, where the mail goes.
    Address { user: UserId, old: &'a str },
    /// The account got back an address of before in place of this one, where the mail goes. That is not to be undone.
    AddressPutBack { user: UserId, replaced: &'a str },
}

/// What was changed, as the transaction finds it.
struct Changed {
    kind: MailKind,
    undo: Option<LinkKind>,
    user: User,
    address: Option<String>,
    provider: String,
    identity: String,
}

impl Changed {
    fn address(kind: MailKind, undo: Option<LinkKind>, user: User, mailbox: &str) -> Self {
        Self {
            kind,
            undo,
            user,
            address: Some(mailbox.to_owned()),
            provider: String::new(),
            identity: String::new(),
        }
    }
}

/// Made before the transaction; the mail is written in it, because only there it is known whose account is concerned.
#[derive(Clone, Debug)]
pub struct IdentityNotice {
    edge: Data<Edge>,
    realm: Realm,
    language: Language,
    origin: Origin,
}

impl IdentityNotice {
    /// `None`: this server sends no mail.
    pub fn of(edge: &Data<Edge>, at: &PageContext<'_>) -> Option<Self> {
        edge.mailer.as_ref()?;
        Some(Self {
            edge: edge.clone(),
            realm: at.realm.clone(),
            language: at.language(),
            origin: origin::of(at.request, edge),
        })
    }

    /// Makes the link that undoes the change, if one does, and queues the mail, in the transaction that made the change, and after everything in it
    /// that moves the user's epoch: the link is good under the epoch of this moment. A person without an address gets none.
    pub fn queue(
        &self,
        write: &mut Write<'_>,
        change: IdentityChange<'_>,
    ) -> Result<(), StoreError> {
        let changed = match change {
            IdentityChange::Linked(link) => self.about(
                write,
                link,
                (MailKind::IdentityLinked, LinkKind::UndoLinked(link)),
            )?,
            IdentityChange::Unlinked(link) => self.about(
                write,
                link,
                (MailKind::IdentityUnlinked, LinkKind::UndoUnlinked(link)),
            )?,
            IdentityChange::Address { user, old } => {
                let undo = LinkKind::UndoAddress(old.to_owned());
                let user = write.user(user)?;
                user.map(|user| Changed::address(MailKind::AddressChanged, Some(undo), user, old))
            }
            IdentityChange::AddressPutBack { user, replaced } => {
                let user = write.user(user)?;
                user.map(|user| Changed::address(MailKind::AddressPutBack, None, user, replaced))
            }
        };
        changed.map_or(Ok(()), |changed| self.send(write, &changed))
    }

    fn about(
        &self,
        write: &mut Write<'_>,
        link: LinkId,
        (kind, undo): (MailKind, LinkKind),
    ) -> Result<Option<Changed>, StoreError> {
        let Some(link) = write.link(link)? else {
            return Ok(None);
        };
        let provider = write.provider(link.provider_id)?;
        let (Some(user), Some(provider)) = (write.user(link.user_id)?, provider) else {
            return Ok(None);
        };
        Ok(Some(Changed {
            kind,
            undo: Some(undo),
            address: user.email.clone(),
            user,
            provider: provider.name,
            identity: link.display,
        }))
    }

    fn send(&self, write: &mut Write<'_>, changed: &Changed) -> Result<(), StoreError> {
        let (rules, now) = (&self.edge.lifetimes, write.now());
        let until = rules.expires_at(Credential::UndoLink, now, Caps::default());
        let (Some(address), Ok(until)) = (&changed.address, until) else {
            return Ok(());
        };
        let user = &changed.user;
        let issuer = self.realm.issuer(&self.edge);
        let link = match &changed.undo {
            Some(undo) => {
                let link = write.mailed_link_insert(user.id, user.epoch, undo, until)?;
                format!("{issuer}/account/undo?link={}", link.reveal())
            }
            None => String::new(),
        };
        let facts = MailFacts {
            place: &self.realm.name,
            username: &user.username,
            link: &link,
            lasts: Some(rules.undo_link),
        };
        let identity = IdentityFacts {
            provider: &changed.provider,
            identity: &changed.identity,
            at: now,
            ip: self.origin.ip.as_deref(),
            user_agent: self.origin.user_agent.as_deref(),
        };
        let (pages, about) = (&self.edge.pages, (changed.kind, facts));
        let text = mail_texts::identity_changed(pages, &self.language, about, identity);
        write.mail_insert(address, &text.subject, &text.body, until)?;
        Ok(())
    }
}

/// Made before the transaction; the mail is written in it.
#[derive(Clone, Debug)]
pub struct AddressMail {
    edge: Data<Edge>,
    realm: Realm,
    language: Language,
}

impl AddressMail {
    /// `None`: this server sends no mail.
    pub fn of(edge: &Data<Edge>, at: &PageContext<'_>) -> Option<Self> {
        edge.mailer.as_ref()?;
        Some(Self {
            edge: edge.clone(),
            realm: at.realm.clone(),
            language: at.language(),
        })
    }

    /// Makes the link that proves the address and queues the mail with it.
    pub fn queue(
        &self,
        write: &mut Write<'_>,
        user: &User,
        address: &str,
    ) -> Result<(), StoreError> {
        let rules = &self.edge.lifetimes;
        let until = rules.expires_at(Credential::AddressLink, write.now(), Caps::default());
        let Ok(until) = until else { return Ok(()) };
        let kind = LinkKind::Address(address.to_owned());
        let link = write.mailed_link_insert(user.id, user.epoch, &kind, until)?;
        let issuer = self.realm.issuer(&self.edge);
        let facts = MailFacts {
            place: &self.realm.name,
            username: &user.username,
            link: &format!("{issuer}/account/email/confirm?link={}", link.reveal()),
            lasts: Some(rules.address_link),
        };
        let (pages, kind) = (&self.edge.pages, MailKind::AddressProof);
        let text = mail_texts::write(pages, &self.language, kind, facts);
        write.mail_insert(address, &text.subject, &text.body, until)?;
        Ok(())
    }
}
