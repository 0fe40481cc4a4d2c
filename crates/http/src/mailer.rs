//! Sends queued mail by SMTP.

use curfew_protocol::Redacted;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

/// Why the mail settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MailerRefusal {
    #[error("it is not an SMTP URL such as smtps://user:password@mail.example.com")]
    Url(#[source] lettre::transport::smtp::Error),
    #[error("it is not an address such as Curfew <no-reply@example.com>")]
    From(#[source] lettre::address::AddressError),
}

/// A mail could not be handed to the SMTP server.
#[derive(Debug, thiserror::Error)]
pub enum SendFailure {
    #[error("the recipient or the content is not fit for mail")]
    Message(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the SMTP server did not take the mail")]
    Transport(#[source] lettre::transport::smtp::Error),
}

pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailer")
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

impl Mailer {
    pub fn new(smtp_url: &str, from: &str) -> Result<Self, MailerRefusal> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(smtp_url)
            .map_err(MailerRefusal::Url)?
            .build();
        Ok(Self {
            transport,
            from: from.parse().map_err(MailerRefusal::From)?,
        })
    }

    pub async fn send(
        &self,
        recipient: &str,
        subject: &str,
        body: Redacted<String>,
    ) -> Result<(), SendFailure> {
        let message = |error: Box<dyn std::error::Error + Send + Sync>| SendFailure::Message(error);
        let to: Mailbox = recipient
            .parse()
            .map_err(|error| message(Box::new(error)))?;
        let mail = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(subject)
            .header(ContentType::TEXT_PLAIN)
            .body(body.0)
            .map_err(|error| message(Box::new(error)))?;
        self.transport
            .send(mail)
            .await
            .map_err(SendFailure::Transport)?;
        Ok(())
    }
}
