//! Whether and how mail is sent.

use curfew_http::mailer::{Mailer, MailerRefusal};
use curfew_protocol::Redacted;

use super::raw::Raw;

#[derive(Clone, Debug)]
pub(crate) struct MailSettings {
    smtp_url: Redacted<String>,
    from: String,
}

impl MailSettings {
    pub(super) fn take(raw: &mut Raw) -> Option<Self> {
        let (url, from) = (raw.text("mail.smtp_url"), raw.text("mail.from"));
        let Some(url) = url else {
            if from.is_some() {
                raw.missing(
                    "mail.smtp_url",
                    "mail.from is set, and needs the server that takes the mail",
                );
            }
            return None;
        };
        let Some(from) = from else {
            raw.missing("mail.from", "mail.smtp_url is set, and mail needs a sender, such as Curfew <no-reply@example.com>");
            return None;
        };
        let settings = Self {
            smtp_url: Redacted(url),
            from,
        };
        match settings.mailer() {
            Ok(_) => Some(settings),
            Err(refusal @ MailerRefusal::Url(_)) => {
                raw.wrong("mail.smtp_url", &refusal.to_string());
                None
            }
            Err(refusal @ MailerRefusal::From(_)) => {
                raw.wrong("mail.from", &refusal.to_string());
                None
            }
        }
    }

    pub(crate) fn mailer(&self) -> Result<Mailer, MailerRefusal> {
        Mailer::new(&self.smtp_url.0, &self.from)
    }
}
