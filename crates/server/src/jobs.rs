//! What runs beside the requests: clean-up, last uses, dormant accounts, mail, the comparison of clocks, dangerous providers, metrics. All stop when the
//! server does.

use std::time::Duration;

use actix_web::web::Data;
use curfew_admin::Admin;
use curfew_http::Edge;
use curfew_protocol::{Lifetime, Timestamp};
use curfew_store::StoreError;
use curfew_store::mails::Mail;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

use crate::readiness::ClockCheck;
use crate::upstreams;

const CLEAN_UP_EVERY: Duration = Duration::from_secs(60);
/// Between two batches, so that clean-up never crowds out a request.
const CLEAN_UP_PAUSE: Duration = Duration::from_millis(100);
const FLUSH_EVERY: Duration = Duration::from_secs(60);
/// The first look at who is dormant comes soon after the start, the next ones an hour apart.
const DORMANCY_FIRST: Duration = Duration::from_secs(5);
const DORMANCY_EVERY: Duration = Duration::from_secs(3_600);
const MAIL_EVERY: Duration = Duration::from_secs(2);
const CLOCK_EVERY: Duration = Duration::from_secs(5);
const PROVIDERS_EVERY: Duration = Duration::from_secs(60);
const METRICS_EVERY: Duration = Duration::from_secs(5);
const MAILS_AT_ONCE: i64 = 20;
/// The wait before the second attempt; it doubles with each, up to [`LONGEST_WAIT`].
const FIRST_WAIT: i64 = 30;
const LONGEST_WAIT: i64 = 3_600;

/// Until `stop` says so.
pub(crate) async fn run(
    edge: Data<Edge>,
    clock: ClockCheck,
    metrics: PrometheusHandle,
    stop: watch::Receiver<bool>,
) {
    tokio::join!(
        clean_up(&edge, stop.clone()),
        last_uses(&edge, stop.clone()),
        dormancy(&edge, stop.clone()),
        mail(&edge, stop.clone()),
        upkeep(&metrics, stop.clone()),
        dangerous_providers(&edge, stop.clone()),
        compare_clocks(&edge, &clock, stop)
    );
}

/// Waits. True: it is time to stop.
async fn stopped_within(stop: &mut watch::Receiver<bool>, wait: Duration) -> bool {
    tokio::select! {
        () = tokio::time::sleep(wait) => *stop.borrow(),
        // An error means that nobody is left to say stop.
        _ = stop.changed() => true,
    }
}

async fn clean_up(edge: &Edge, mut stop: watch::Receiver<bool>) {
    let mut pause = CLEAN_UP_EVERY;
    while !stopped_within(&mut stop, pause).await {
        pause = match edge.store.clean_up_step(edge.lifetimes.retention).await {
            Ok(step) => {
                let removed = step.tokens + step.nodes + step.others;
                metrics::counter!("curfew_cleaned_up_rows_total").increment(removed as u64);
                if step.more {
                    CLEAN_UP_PAUSE
                } else {
                    CLEAN_UP_EVERY
                }
            }
            Err(error) => {
                tracing::warn!(%error, "clean-up failed and will be tried again");
                CLEAN_UP_EVERY
            }
        };
    }
}

async fn last_uses(edge: &Edge, mut stop: watch::Receiver<bool>) {
    while !stopped_within(&mut stop, FLUSH_EVERY).await {
        flush_uses(edge).await;
    }
}

/// Tells the store which credentials were used. False: it knows only a part of them.
pub(crate) async fn flush_uses(edge: &Edge) -> bool {
    let flushed = edge.uses.flush(&edge.store).await;
    if let Err(error) = &flushed {
        tracing::warn!(%error, "the last uses of credentials wait for the database");
    }
    flushed.is_ok()
}

async fn dormancy(edge: &Edge, mut stop: watch::Receiver<bool>) {
    if edge.lifetimes.dormancy.seconds() == 0 {
        return;
    }
    let (mut pause, mut after) = (DORMANCY_FIRST, None);
    while !stopped_within(&mut stop, pause).await {
        // Nobody is made dormant whose use only this node knows of.
        if !flush_uses(edge).await {
            pause = FLUSH_EVERY;
            continue;
        }
        (pause, after) = match edge.store.dormancy_step(edge.lifetimes, after).await {
            Ok(step) => {
                let count = step.made_dormant as u64;
                metrics::counter!("curfew_users_made_dormant_total").increment(count);
                let pause = step.next.map_or(DORMANCY_EVERY, |_| CLEAN_UP_PAUSE);
                (pause, step.next)
            }
            Err(error) => {
                tracing::warn!(%error, "the search for dormant accounts failed and will begin anew");
                (DORMANCY_EVERY, None)
            }
        };
    }
}

async fn compare_clocks(edge: &Edge, clock: &ClockCheck, mut stop: watch::Receiver<bool>) {
    while !stopped_within(&mut stop, CLOCK_EVERY).await {
        // A database that does not answer makes the node not ready by itself.
        let _ = clock.measure(&edge.store).await;
    }
}

async fn upkeep(metrics: &PrometheusHandle, mut stop: watch::Receiver<bool>) {
    while !stopped_within(&mut stop, METRICS_EVERY).await {
        metrics.run_upkeep();
    }
}

/// Keeps the count true while the command line changes providers (B51).
async fn dangerous_providers(edge: &Edge, mut stop: watch::Receiver<bool>) {
    while !stopped_within(&mut stop, PROVIDERS_EVERY).await {
        let admin = Admin::for_command_line(edge.store.clone(), edge.lifetimes);
        let counted = tokio::task::spawn_blocking(move || upstreams::count_dangerous(&admin)).await;
        if let Ok(Err(error)) = counted {
            tracing::warn!(%error, "the upstream providers cannot be counted");
        }
    }
}

async fn mail(edge: &Edge, mut stop: watch::Receiver<bool>) {
    if edge.mailer.is_none() {
        return;
    }
    while !stopped_within(&mut stop, MAIL_EVERY).await {
        let due = match edge.store.read(|read| read.mails_due(MAILS_AT_ONCE)).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(%error, "the queued mail cannot be read");
                continue;
            }
        };
        for mail in due {
            if *stop.borrow() {
                return;
            }
            let id = mail.id;
            if let Err(error) = deliver(edge, mail).await {
                tracing::warn!(%error, mail = %id, "a mail waits for the database");
            }
        }
    }
}

/// One attempt. Whoever claims the mail tries alone; what is delivered, or has expired, is removed.
async fn deliver(edge: &Edge, mail: Mail) -> Result<(), StoreError> {
    let Some(mailer) = &edge.mailer else {
        return Ok(());
    };
    let (now, id) = (edge.store.clock().now(), mail.id);
    let remove = move || {
        edge.store
            .write(move |write| write.mail_delete(id).map(Ok::<_, ()>))
    };
    if now.has_reached(mail.expires_at) {
        tracing::warn!(mail = %id, attempts = mail.attempts, "a mail expired before it could be delivered");
        remove().await?.unwrap_or_default();
        return Ok(());
    }
    let (claimed, next) = (mail.clone(), next_attempt(now, mail.attempts));
    let claim = edge
        .store
        .write(move |write| write.mail_claim(&claimed, next).map(Ok::<_, ()>))
        .await?;
    if claim != Ok(true) {
        return Ok(());
    }
    match mailer.send(&mail.recipient, &mail.subject, mail.body).await {
        Ok(()) => {
            remove().await?.unwrap_or_default();
            tracing::info!(mail = %id, "a mail was handed over");
        }
        Err(failure) => {
            let cause = std::error::Error::source(&failure).map(ToString::to_string);
            tracing::warn!(%failure, cause, mail = %id, attempts = mail.attempts + 1, "a mail will be tried again");
        }
    }
    Ok(())
}

fn next_attempt(now: Timestamp, attempts: i32) -> Timestamp {
    let doublings = u32::try_from(attempts).unwrap_or(0).min(16);
    let wait = FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT);
    now.after(Lifetime::from_seconds(
        u32::try_from(wait).unwrap_or(u32::MAX),
    ))
}
