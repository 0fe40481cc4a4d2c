//! The API of one's own account, at `/api/v1` of each tenant, opened by a bearer token (RFC 6750).
//!
//! 1. The table below names every operation with the scope that it takes; there is no other way to a handler, so none is without its
//!    token.
//! 2. The token is judged and the call written down (`curfew_http::bearer`).
//! 3. The handler reads what is asked, runs an operation of `holdings` as that person, by that token, and writes the answer. What is
//!    somebody else's is not there: 404, as is what was ended a moment ago (C37).
//!
//! Bodies are JSON, answers are never cached, errors are those of RFC 6749 §5.2 and RFC 6750 §3. The description of all this
//! (`document.rs`) is compared with the table by a test.

mod answers;
mod applications;
mod document;
mod elsewhere;
mod identities;
mod me;
mod paging;
mod sessions;
#[cfg(test)]
mod tests;
mod tokens;
mod users;

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{self, Data, Payload, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::bearer::{self, BearerUser};
use curfew_http::problem::method_not_allowed;
use curfew_http::{Edge, Problem, Realm, answer, body, origin};
use curfew_protocol::{ErrorCode, OAuthError, OwnScope};
use curfew_store::audit::Origin;
use curfew_store::{Read, StoreError, Write};
use serde::de::DeserializeOwned;

use crate::holdings::{Actor, HoldingRefusal, Outcome};

pub use document::document;

macro_rules! resources {
    ($($path:literal { $($method:ident $scope:ident $handler:path,)* })*) => {
        /// Every operation: method, path, and the scope it takes.
        #[cfg(test)]
        const OPERATIONS: &[(&str, &str, OwnScope)] =
            &[$($((stringify!($method), $path, OwnScope::$scope),)*)*];

        /// Registers the API, relative to the tenant.
        pub(crate) fn routes(config: &mut ServiceConfig) {
            config.service(
                web::resource("/api/v1/openapi.json")
                    .route(web::get().to(document::get))
                    .default_service(web::to(|| async { method_not_allowed("GET") })),
            );
            $({
                let allowed = [$(stringify!($method)),*].join(", ").to_uppercase();
                let resource = web::resource($path);
                $(let resource = resource.route(web::$method().to(
                    |edge: Data<Edge>, request: HttpRequest, payload: Payload| {
                        answered((edge, request, payload), OwnScope::$scope, $handler)
                    },
                ));)*
                config.service(resource.default_service(web::to(move || {
                    let refusal = method_not_allowed(&allowed);
                    async { refusal }
                })));
            })*
        }
    };
}

resources! {
    "/api/v1/me" {
        get AccountRead me::show,
    }
    "/api/v1/me/logout-everywhere" {
        post AccountWrite me::logout_everywhere,
    }
    "/api/v1/me/sessions" {
        get AccountRead sessions::list,
    }
    "/api/v1/me/sessions/{id}" {
        delete AccountWrite sessions::end,
    }
    "/api/v1/me/identities" {
        get AccountRead identities::list,
    }
    "/api/v1/me/applications" {
        get AccountRead applications::list,
    }
    "/api/v1/me/applications/{client_id}" {
        delete AccountWrite applications::withdraw,
    }
    "/api/v1/me/tokens" {
        get AccountRead tokens::list,
        post CreateTokens tokens::make,
        delete AccountWrite tokens::end_all,
    }
    "/api/v1/me/tokens/{id}" {
        get AccountRead tokens::show,
        delete AccountWrite tokens::end,
    }
    "/api/v1/users/{user}/logout-everywhere" {
        post EndUsers users::logout_everywhere,
    }
}

/// A call whose token was found good.
pub(crate) struct Call {
    edge: Data<Edge>,
    realm: Realm,
    request: HttpRequest,
    /// Until it is read.
    payload: Option<Payload>,
    caller: BearerUser,
}

async fn answered<F, A>(
    (edge, request, payload): (Data<Edge>, HttpRequest, Payload),
    scope: OwnScope,
    handler: F,
) -> Result<HttpResponse, Problem>
where
    F: FnOnce(Call) -> A,
    A: Future<Output = Result<HttpResponse, Problem>>,
{
    let Some(realm) = Realm::of(&request, &edge).await? else {
        return Err(Problem::not_found("there is nothing at this address"));
    };
    let caller = bearer::authenticate(&edge, &realm, &request, scope).await?;
    handler(Call {
        edge,
        realm,
        request,
        payload: Some(payload),
        caller,
    })
    .await
}

impl Call {
    /// A part of the path.
    fn part(&self, name: &str) -> String {
        let part = self.request.match_info().get(name);
        part.unwrap_or_default().to_owned()
    }

    /// The body; `members` tells what it is made of.
    async fn body<T: DeserializeOwned>(&mut self, members: &'static str) -> Result<T, Problem> {
        let payload = self.payload.take();
        let payload = payload.ok_or(Problem::oauth(OAuthError::new(
            ErrorCode::InvalidRequest,
            "the body was read before",
        )))?;
        Ok(body::json(&self.request, payload, members).await?)
    }

    fn origin(&self) -> Origin {
        origin::of(&self.request, &self.edge)
    }

    fn actor(&self) -> Actor {
        Actor {
            tenant_id: self.caller.tenant_id(),
            user_id: self.caller.user_id(),
            by: self.caller.authenticated_by(),
            origin: self.origin(),
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Read<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        Ok(self.edge.store.read(job).await?)
    }

    async fn write<T, R>(
        &self,
        job: impl Fn(&mut Write<'_>, &Actor) -> Outcome<T, R> + Send + 'static,
    ) -> Result<T, Problem>
    where
        T: Send + 'static,
        R: Into<Problem> + Send + 'static,
    {
        let actor = self.actor();
        let done = self.edge.store.write(move |write| job(write, &actor));
        done.await?.map_err(Into::into)
    }
}

impl From<HoldingRefusal> for Problem {
    fn from(refusal: HoldingRefusal) -> Self {
        match refusal {
            HoldingRefusal::SignedOut => Self::invalid_token(),
            HoldingRefusal::NotFound => Self::not_found("there is nothing of yours by this name"),
        }
    }
}

/// 204: it is done, and there is nothing to say.
fn done() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((CACHE_CONTROL, "no-store"))
        .finish()
}

/// 201 with where it is.
fn created<T: serde::Serialize>(location: &str, body: &T) -> HttpResponse {
    let mut response = answer::json(body);
    if let Ok(location) = actix_web::http::header::HeaderValue::from_str(location) {
        let header = actix_web::http::header::LOCATION;
        response.headers_mut().insert(header, location);
    }
    *response.status_mut() = StatusCode::CREATED;
    response
}
