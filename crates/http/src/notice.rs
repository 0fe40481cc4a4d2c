//! The mail that tells a person of a device approved in their name, with the link by which they undo it: whoever was talked into an
//! approval, or never gave one, finds out and can act without signing in.

use curfew_policy::lifetime::{Caps, Credential, LifetimeRules};
use curfew_protocol::{NodeId, Redacted, UserId};
use curfew_store::mailed_links::LinkKind;
use curfew_store::{StoreError, Write};

use crate::edge::Edge;
use crate::mail_texts::{self, DeviceFacts, MailFacts, MailText};
use crate::pages::Language;
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
