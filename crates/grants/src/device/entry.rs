//! The person types the code that the device shows.
//!
//! 1. Somebody must be signed in: nobody guesses anonymously.
//! 2. A code that arrives with the link is filled in and no more (C31).
//! 3. The guess is counted for the account, the address and in all, before it is answered. Wrong, expired and used codes look the same.
//! 4. A right one leads on to the page of the decision, in the hand of this session only.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::body::RawForm;
use curfew_http::guess::Guess;
use curfew_http::pages::ErrorKind;
use curfew_http::problem::PageContext;
use curfew_http::rates::Bucket;
use curfew_http::session::SignedIn;
use curfew_http::{Edge, PageProblem, answer, origin};
use curfew_protocol::{DeviceCodeId, Form, Lifetime, UserCode, UserId};
use curfew_store::StoreError;

use super::signed_in;
use super::ticket::Ticket;
use crate::authorize::in_realm;
use crate::forms::is_fresh;
use crate::pages::{DeviceEntryError, DeviceEntryPage};

/// The longest text that is shown again in the field.
const SHOWN: usize = 32;

/// `GET /device`
pub(crate) async fn get(edge: Data<Edge>, request: HttpRequest) -> HttpResponse {
    in_realm(&edge, &request, async |at| {
        let query = Form::parse(at.request.query_string().as_bytes(), &[]);
        let query = query.map_err(|_| PageProblem::new(ErrorKind::BadRequest, None, &at))?;
        let typed = query.get("user_code").unwrap_or("");
        let who = signed_in(&at, &own_path(typed)).await?;
        Ok(page(&at, &who, typed, None))
    })
    .await
}

/// `POST /device`
pub(crate) async fn post(edge: Data<Edge>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let form = RawForm::read(&request, payload).await;
    in_realm(&edge, &request, async |at| {
        let malformed = || PageProblem::new(ErrorKind::BadRequest, None, &at);
        let form = form.as_ref().map_err(|_| malformed())?;
        let form = form.parse(&[]).map_err(|_| malformed())?;
        submit(&at, &form).await
    })
    .await
}

fn own_path(typed: &str) -> String {
    if typed.is_empty() {
        return "/device".to_owned();
    }
    super::authorization::complete_link("/device", &shown(typed))
}

async fn submit(at: &PageContext<'_>, form: &Form<'_>) -> Result<HttpResponse, PageProblem> {
    let typed = form.get("user_code").unwrap_or("");
    let who = signed_in(at, &own_path(typed)).await?;
    if !is_fresh(at, &who, form)? {
        return Ok(page(at, &who, typed, Some(DeviceEntryError::Expired)));
    }
    let Some(user_code) = UserCode::parse(typed) else {
        return Ok(page(at, &who, typed, Some(DeviceEntryError::Wrong)));
    };
    let guess = guess(at, who.user_id);
    let unavailable = |error: StoreError| PageProblem::unavailable(&error, at);
    if let Err(wait) = guess.take(at.edge).await.map_err(unavailable)? {
        return Ok(too_many(at, &who, typed, wait));
    }
    let found = look_up(at, user_code.clone(), guess).await;
    match found.map_err(unavailable)? {
        Some(device) => go_on(at, &who, &Ticket { device, user_code }),
        None => {
            metrics::counter!("curfew_device_guesses_failed_total").increment(1);
            Ok(page(at, &who, typed, Some(DeviceEntryError::Wrong)))
        }
    }
}

pub(super) fn guess(at: &PageContext<'_>, user: UserId) -> Guess {
    let ip = origin::client_ip(at.request, at.edge).to_string();
    let rates = &at.edge.rates;
    Guess::new(vec![
        (
            Bucket::new("device_guesses_account", &[&user.to_string()]),
            rates.device_guesses_account,
        ),
        (
            Bucket::new("device_guesses_address", &[&ip]),
            rates.device_guesses_address,
        ),
        (Bucket::new("device_guesses", &[]), rates.device_guesses),
    ])
}

/// The device that waits under the code and may still be decided about. The guess was right then, and is given back.
pub(super) async fn look_up(
    at: &PageContext<'_>,
    user_code: UserCode,
    guess: Guess,
) -> Result<Option<DeviceCodeId>, StoreError> {
    let tenant = at.realm.tenant_id;
    let found = at.edge.store.write(move |write| {
        let Some(id) = write.device_code_by_user_code(tenant, &user_code)? else {
            return Ok(Ok::<_, ()>(None));
        };
        let (now, epoch) = (write.now(), write.installation_epoch()?);
        let waits = write.device_code(id)?.is_some_and(|code| {
            !now.has_reached(code.expires_at) && code.installation_epoch == epoch
        });
        if waits {
            guess.give_back(write)?;
        }
        Ok(Ok(waits.then_some(id)))
    });
    Ok(found.await?.unwrap_or_default())
}

fn go_on(
    at: &PageContext<'_>,
    who: &SignedIn,
    ticket: &Ticket,
) -> Result<HttpResponse, PageProblem> {
    let sealed = ticket.seal(at.edge, who, at.edge.store.clock().now());
    match sealed {
        Some(sealed) => {
            let path = at.realm.path("/device/confirm");
            Ok(answer::see_other(&format!("{path}?request={sealed}")))
        }
        None => Err(PageProblem::new(ErrorKind::Internal, None, at)),
    }
}

/// What was typed, short enough to be repeated.
fn shown(typed: &str) -> String {
    typed.chars().take(SHOWN).collect()
}

fn page(
    at: &PageContext<'_>,
    who: &SignedIn,
    typed: &str,
    error: Option<DeviceEntryError>,
) -> HttpResponse {
    let now = at.edge.store.clock().now();
    let model = DeviceEntryPage {
        shell: at.realm.shell(),
        csrf: who.form_owner().token(at.edge, now),
        user_code: shown(typed),
        username: who.username.clone(),
        error,
    };
    let status = match error {
        None => StatusCode::OK,
        Some(DeviceEntryError::TooMany) => StatusCode::TOO_MANY_REQUESTS,
        Some(DeviceEntryError::Wrong | DeviceEntryError::Expired) => StatusCode::BAD_REQUEST,
    };
    answer::page(at, status, "device.html", &model)
}

fn too_many(at: &PageContext<'_>, who: &SignedIn, typed: &str, wait: Lifetime) -> HttpResponse {
    let mut response = page(at, who, typed, Some(DeviceEntryError::TooMany));
    answer::retry_after(&mut response, wait);
    response
}
