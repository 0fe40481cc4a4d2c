//! Why somebody does not come in through a provider: a page with a stable code, and nothing else.
//!
//! Each code has a sentence that says what the person can do. What the provider wrote, what the database said, and whose account is
//! concerned stays in the log, where the request's id on the page finds it.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use curfew_http::pages::LocalPath;
use curfew_http::problem::PageContext;
use curfew_http::{answer, origin};
use curfew_policy::linking::LinkRefusal;
use curfew_store::providers::Provider;
use curfew_store::upstream_logins::Purpose;
use serde::Serialize;

use crate::failure::{Denial, UpstreamFailure};
use crate::pages::RefusedPage;

/// Seconds after which it is worth another try when a provider does not answer.
const RETRY_SECONDS: i64 = 10;

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $code:literal $status:ident,)*) => {
        /// A refusal, as the page names it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        pub(crate) enum Refusal { $($(#[$doc])* #[serde(rename = $code)] $name,)* }

        impl Refusal {
            #[cfg(test)]
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable word on the page, in the log, in the audit trail and in the metrics.
            pub(crate) const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }
        }
    };
}

refusals! {
    /// The state parameter is missing, not ours, used, too old, of another provider or of another browser (B40).
    StateInvalid = "upstream_state_invalid" BAD_REQUEST,
    /// What the provider answered cannot be believed.
    AnswerInvalid = "upstream_answer_invalid" BAD_REQUEST,
    /// The provider sent the person back with an error.
    Denied = "upstream_denied" BAD_REQUEST,
    /// The provider does not answer.
    Unavailable = "upstream_unavailable" SERVICE_UNAVAILABLE,
    ProviderDisabled = "provider_disabled" FORBIDDEN,
    OrganizationRequired = "organization_required" FORBIDDEN,
    FreshSignInUnsupported = "fresh_sign_in_unsupported" FORBIDDEN,
    /// The session upstream, to which ours would be bound, has ended.
    UpstreamSessionEnded = "upstream_session_ended" FORBIDDEN,
    /// The session that wanted to add an identity has ended.
    SessionEnded = "session_ended" FORBIDDEN,
    /// The invitation was used, has run out, or was overtaken by events.
    InvitationInvalid = "invitation_invalid" FORBIDDEN,
    AccountDeleted = "account_deleted" FORBIDDEN,
    AccountSuspended = "account_suspended" FORBIDDEN,
    LinkDisabled = "link_disabled" FORBIDDEN,
    EmailNotVerified = "email_not_verified" FORBIDDEN,
    EmailDomainNotAllowed = "email_domain_not_allowed" FORBIDDEN,
    IdentityAlreadyBound = "identity_already_bound" FORBIDDEN,
    IdentityBoundElsewhere = "identity_bound_elsewhere" FORBIDDEN,
    LegacyLinkRefused = "legacy_link_refused" FORBIDDEN,
    AccountExists = "account_exists" FORBIDDEN,
    SignUpsOff = "sign_ups_off" FORBIDDEN,
    InvitationNeeded = "invitation_needed" FORBIDDEN,
    /// What waited for a proof was used, has run out, or was overtaken by events.
    ProofInvalid = "proof_invalid" BAD_REQUEST,
    /// What waits for a proof was begun in another browser.
    ProofElsewhere = "proof_in_another_browser" FORBIDDEN,
}

impl From<LinkRefusal> for Refusal {
    fn from(refusal: LinkRefusal) -> Self {
        match refusal {
            LinkRefusal::AccountDeleted => Self::AccountDeleted,
            LinkRefusal::AccountSuspended => Self::AccountSuspended,
            LinkRefusal::LinkDisabled => Self::LinkDisabled,
            LinkRefusal::EmailNotVerified => Self::EmailNotVerified,
            LinkRefusal::EmailDomainNotAllowed => Self::EmailDomainNotAllowed,
            LinkRefusal::IdentityAlreadyBound => Self::IdentityAlreadyBound,
            LinkRefusal::IdentityBoundElsewhere => Self::IdentityBoundElsewhere,
            LinkRefusal::LegacyLinkRefused => Self::LegacyLinkRefused,
            LinkRefusal::AccountExists => Self::AccountExists,
            LinkRefusal::SignUpsOff => Self::SignUpsOff,
            LinkRefusal::InvitationNeeded => Self::InvitationNeeded,
        }
    }
}

impl From<&UpstreamFailure> for Refusal {
    fn from(failure: &UpstreamFailure) -> Self {
        match failure {
            UpstreamFailure::Invalid(_) => Self::AnswerInvalid,
            UpstreamFailure::Denied(Denial::OrganizationRequired) => Self::OrganizationRequired,
            UpstreamFailure::Denied(Denial::NoFreshSignIn) => Self::FreshSignInUnsupported,
            UpstreamFailure::Unavailable(_) => Self::Unavailable,
        }
    }
}

impl Refusal {
    /// The page. `back` is where the person may go on.
    pub(crate) fn page<'p>(
        self,
        at: &PageContext<'_>,
        provider: impl Into<Option<&'p Provider>>,
        back: Back,
    ) -> HttpResponse {
        let provider = provider.into();
        if let Some(provider) = provider {
            count(provider, self.code());
        }
        let model = RefusedPage {
            shell: at.realm.shell(),
            code: self,
            provider: provider.map(|provider| provider.name.clone()),
            back: LocalPath::new(&at.realm.path(back.path())),
            signed_in: back == Back::Account,
            correlation_id: origin::request_id(at.request, at.edge).to_string(),
        };
        let mut response = answer::page(at, self.status(), "upstream_refused.html", &model);
        if self.status() == StatusCode::SERVICE_UNAVAILABLE {
            let headers = response.headers_mut();
            headers.insert(RETRY_AFTER, RETRY_SECONDS.into());
        }
        response
    }
}

/// Where somebody goes on who was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Back {
    SignIn,
    /// They are signed in, and wanted to add an identity.
    Account,
}

impl Back {
    pub(crate) const fn of(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Link(_) => Self::Account,
            Purpose::SignIn | Purpose::Invitation(_) => Self::SignIn,
        }
    }

    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::SignIn => "/login",
            Self::Account => IDENTITIES,
        }
    }
}

/// The page of the account on which identities are added and removed.
pub(crate) const IDENTITIES: &str = "/account/identities";

/// Counts the end of somebody's way through a provider.
pub(crate) fn count(provider: &Provider, outcome: &'static str) {
    let slug = provider.slug.clone();
    metrics::counter!("curfew_upstream_logins_total", "provider" => slug, "outcome" => outcome)
        .increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_of_the_decision_keeps_its_code_on_the_page() {
        for refusal in LinkRefusal::ALL {
            assert_eq!(Refusal::from(*refusal).code(), refusal.code());
        }
    }

    #[test]
    fn b40_hostile_answers_are_400_and_unwanted_people_403() {
        for (refusal, status) in [
            (Refusal::StateInvalid, 400),
            (Refusal::AnswerInvalid, 400),
            (Refusal::Denied, 400),
            (Refusal::IdentityAlreadyBound, 403),
            (Refusal::ProviderDisabled, 403),
            (Refusal::Unavailable, 503),
        ] {
            assert_eq!(refusal.status().as_u16(), status, "{refusal:?}");
        }
    }
}
