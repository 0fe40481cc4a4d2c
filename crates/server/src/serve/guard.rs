//! The outermost layer: counts what is under way, refuses heads that are too large, counts answers by class.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::{Error, HttpResponse};

/// Request line and headers together, in bytes.
const HEAD_LIMIT: usize = 16 * 1024;
const LOOK_AGAIN: Duration = Duration::from_millis(10);

static ANSWERS: LazyLock<[metrics::Counter; 5]> = LazyLock::new(|| {
    ["1xx", "2xx", "3xx", "4xx", "5xx"]
        .map(|class| metrics::counter!("curfew_http_responses_total", "class" => class))
});

pub(super) fn describe() {
    metrics::describe_counter!("curfew_http_responses_total", "Answers by class of status");
    metrics::describe_counter!(
        "curfew_introspections_total",
        "Introspections by their answer"
    );
    metrics::describe_counter!(
        "curfew_store_errors_total",
        "Requests that failed because of the database"
    );
    metrics::describe_counter!(
        "curfew_device_decisions_total",
        "Decisions about devices by their outcome"
    );
    metrics::describe_counter!(
        "curfew_device_approvals_from_another_address_total",
        "Devices that asked from another address than their approver was at"
    );
    metrics::describe_counter!(
        "curfew_device_guesses_failed_total",
        "User codes under which no device waits"
    );
    metrics::describe_counter!("curfew_cleaned_up_rows_total", "Rows removed by clean-up");
    metrics::describe_counter!(
        "curfew_last_uses_dropped_total",
        "Uses of credentials that were not remembered, because too many different ones were used within a minute"
    );
    metrics::describe_counter!(
        "curfew_users_made_dormant_total",
        "Accounts made dormant for lack of use"
    );
    metrics::describe_counter!(
        "curfew_outbound_calls_total",
        "Calls to other servers, such as identity providers, by their outcome"
    );
    metrics::describe_counter!(
        "curfew_upstream_logins_total",
        "Ways through upstream providers by their end"
    );
    metrics::describe_counter!(
        "curfew_upstream_dangerous_sign_ins_total",
        "Sign-ins by an e-mail address alone, which dangerous_sign_in_by_email allows"
    );
    metrics::describe_counter!(
        "curfew_upstream_logouts_total",
        "Logout tokens of upstream providers by what became of them"
    );
    LazyLock::force(&ANSWERS);
}

/// Requests that have begun and were not answered yet.
#[derive(Clone, Default)]
pub(super) struct InFlight(Arc<AtomicUsize>);

impl InFlight {
    fn begin(&self) -> Passage {
        self.0.fetch_add(1, Ordering::Relaxed);
        Passage(Self(Arc::clone(&self.0)))
    }

    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Until nothing is under way.
    pub(super) async fn drained(&self) {
        while self.count() > 0 {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// One request under way; dropped when it is answered or its peer went away.
struct Passage(InFlight);

impl Drop for Passage {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) fn pass<S, B>(
    request: ServiceRequest,
    service: &S,
    in_flight: &InFlight,
) -> impl Future<Output = Result<ServiceResponse<EitherBody<B>>, Error>> + use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let passage = in_flight.begin();
    let next = if head_length(&request) > HEAD_LIMIT {
        Err(request)
    } else {
        Ok(service.call(request))
    };
    async move {
        let response = match next {
            Ok(next) => next.await?.map_into_left_body(),
            Err(request) => {
                let mut refusal = HttpResponse::RequestHeaderFieldsTooLarge().finish();
                refusal
                    .head_mut()
                    .set_connection_type(actix_web::http::ConnectionType::Close);
                request.into_response(refusal).map_into_right_body()
            }
        };
        let class = usize::from(response.status().as_u16() / 100).clamp(1, 5);
        ANSWERS[class - 1].increment(1);
        drop(passage);
        Ok(response)
    }
}

fn head_length(request: &ServiceRequest) -> usize {
    let line = request
        .uri()
        .path_and_query()
        .map_or(0, |target| target.as_str().len());
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4);
    headers.sum::<usize>() + line
}
