//! What ends a request before its time: what ends any page, or a refusal of this crate's.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::pages::ErrorKind;
use curfew_http::problem::PageContext;
use curfew_http::visit::{Halt, visit};
use curfew_http::{Edge, PageProblem};
use curfew_policy::lifetime::{ExpiresAt, LifetimeRefusal};
use curfew_protocol::OAuthError;
use curfew_store::StoreError;
use curfew_store::providers::Provider;

use crate::failure::UpstreamFailure;
use crate::refusal::{Back, Refusal, count};

#[derive(Debug)]
pub(crate) enum Stop {
    Halt(Halt),
    /// A page of our own.
    Page(Box<HttpResponse>),
}

impl From<Halt> for Stop {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Halt(error.into())
    }
}

impl From<OAuthError> for Stop {
    fn from(error: OAuthError) -> Self {
        Self::Halt(error.into())
    }
}

impl Stop {
    pub(crate) fn page(page: HttpResponse) -> Self {
        Self::Page(Box::new(page))
    }

    /// Before somebody was sent off.
    pub(crate) fn failed(
        at: &PageContext<'_>,
        (provider, back): (&Provider, Back),
        failure: &UpstreamFailure,
    ) -> Self {
        log_failure(provider, failure);
        Self::page(Refusal::from(failure).page(at, provider, back))
    }

    /// Others were faster, every time. That is no fault of the provider's.
    pub(crate) fn overtaken(at: &PageContext<'_>, provider: &Provider) -> Self {
        count(provider, "overtaken");
        Self::page(PageProblem::new(ErrorKind::Unavailable, None, at).into_response())
    }
}

/// What an operator needs to know of it. The texts are cleaned and cut already (B53).
pub(crate) fn log_failure(provider: &Provider, failure: &UpstreamFailure) {
    let (provider, reason) = (provider.slug.as_str(), failure.as_str());
    match failure {
        UpstreamFailure::Unavailable(_) => {
            tracing::error!(provider, reason, %failure, "an upstream provider failed");
        }
        UpstreamFailure::Invalid(_) | UpstreamFailure::Denied(_) => {
            tracing::warn!(provider, reason, %failure, "an answer from a provider was refused");
        }
    }
}

/// Runs the stages of a page of this crate in the tenant that the path names.
pub(crate) async fn pages<F>(request: &HttpRequest, edge: &Data<Edge>, stages: F) -> HttpResponse
where
    F: AsyncFnOnce(PageContext<'_>) -> Result<HttpResponse, Stop>,
{
    visit(request, edge, async |at: PageContext<'_>| {
        match stages(at).await {
            Ok(response) => Ok(response),
            Err(Stop::Page(page)) => Ok(*page),
            Err(Stop::Halt(halt)) => Err(halt),
        }
    })
    .await
}

/// A lifetime for which nobody asks and that hangs on nothing always has an end.
pub(crate) fn lifetime(end: Result<ExpiresAt, LifetimeRefusal>) -> Result<ExpiresAt, StoreError> {
    end.map_err(|refusal| StoreError::Corrupt(format!("a lifetime: {refusal}")))
}
