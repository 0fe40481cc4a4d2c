//! `curfew serve`
//!
//! 1. Configuration, keys and database are opened and checked; whatever is wrong is told here, and nothing starts.
//! 2. The upstream providers that the configuration describes are put in place.
//! 3. The public listener and the one for metrics are bound, then the jobs start.
//! 4. SIGINT or SIGTERM: nothing new is accepted, requests under way get their time, then everything ends.

mod guard;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::http::KeepAlive;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer};
use curfew_account::Readiness;
use curfew_admin::Admin;
use curfew_http::password::PasswordHasher;
use curfew_http::places::Places;
use curfew_http::uses::Uses;
use curfew_http::{Edge, log};
use curfew_store::Store;
use curfew_upstream::UpstreamClient;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::cli::Global;
use crate::config::{Config, Limits, Listen};
use crate::failure::Failure;
use crate::open::{outbound, pages, store_options};
use crate::readiness::ClockCheck;
use crate::{jobs, telemetry, tls, upstreams};

use guard::InFlight;

/// How long a peer may take to say goodbye.
const DISCONNECT: Duration = Duration::from_secs(2);
/// Between the last answer and the end, so that it leaves the machine.
const FLUSH: Duration = Duration::from_millis(50);

/// How long the store may take to learn of the last uses.
const LAST_FLUSH: Duration = Duration::from_secs(5);

/// `curfew serve`
pub(crate) fn run(global: &Global) -> Result<(), Failure> {
    let config = Config::load(global.config.as_deref())?;
    telemetry::start(&config.log);
    let store = Store::open(store_options(&config, config.database.pool_size)?)?;
    let node = Node::new(config, store)?;
    actix_web::rt::System::new().block_on(node.serve(Vec::new(), || {}))
}

/// One server process, ready to start.
pub(crate) struct Node {
    edge: Data<Edge>,
    clock: ClockCheck,
    readiness: Data<Readiness>,
    listen: Listen,
    limits: Limits,
    blocking_threads: usize,
    tls: Option<rustls::ServerConfig>,
    metrics: PrometheusHandle,
}

impl Node {
    pub(crate) fn new(config: Config, store: Store) -> Result<Self, Failure> {
        let metrics = PrometheusBuilder::new()
            .install_recorder()
            .map_err(|error| Failure::told(format!("metrics cannot be counted: {error}")))?;
        guard::describe();
        upstreams::describe();
        let admin = Admin::for_command_line(store.clone(), config.lifetimes);
        upstreams::put_in_place(&admin, &config.upstreams)?;
        let pages = pages(&config)?;
        let outbound = outbound(&config)?;
        let mailer = config.mail.as_ref().map(|mail| mail.mailer()).transpose();
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let edge = Edge {
            store,
            issuer: config.issuer,
            lifetimes: config.lifetimes,
            rates: config.rates,
            uses: Uses::default(),
            pages,
            proxies: config.proxies,
            passwords: PasswordHasher::new(cores),
            places: places(config.places.as_deref())?,
            device_same_address: config.device_same_address,
            mailer: mailer
                .map_err(|refusal| Failure::told(format!("mail cannot be sent: {refusal}")))?,
            outbound,
        };
        let clock = ClockCheck::default();
        Ok(Self {
            edge: Data::new(edge),
            readiness: Data::new(clock.readiness()),
            clock,
            listen: config.listen,
            limits: config.limits,
            blocking_threads: config.database.pool_size.clamp(8, 64) as usize,
            tls: config.tls.as_ref().map(tls::load).transpose()?,
            metrics,
        })
    }

    /// Until a signal comes. `companions` listen beside the server and end with it; `ready` is called when all is bound.
    pub(crate) async fn serve(
        self,
        mut companions: Vec<Server>,
        ready: impl FnOnce(),
    ) -> Result<(), Failure> {
        let (stop, stopped) = watch::channel(false);
        self.clock.measure(&self.edge.store).await?;
        let in_flight = InFlight::default();
        let public = self.public_listener(&in_flight)?;
        if let Some(address) = self.listen.metrics {
            companions.push(metrics_listener(address, &self.metrics)?);
        }
        let jobs = actix_web::rt::spawn(jobs::run(
            self.edge.clone(),
            self.clock.clone(),
            self.metrics.clone(),
            stopped,
        ));
        let handles: Vec<ServerHandle> = std::iter::once(&public)
            .chain(&companions)
            .map(Server::handle)
            .collect();
        let signals = stop_on_signal(handles, stop, in_flight, self.limits.shutdown_timeout);
        actix_web::rt::spawn(signals);
        tracing::info!(
            address = %self.listen.public, issuer = self.edge.issuer.origin(), workers = self.listen.workers,
            database = self.edge.store.backend_name(), "ready"
        );
        ready();
        let companions: Vec<_> = companions.into_iter().map(actix_web::rt::spawn).collect();
        public
            .await
            .map_err(|source| Failure::io("the server stopped", source))?;
        for companion in companions {
            // They were told to stop together with the public listener.
            let _ = companion.await;
        }
        let _ = tokio::time::timeout(DISCONNECT, jobs).await;
        // Last, when no request can use anything any more.
        let _ = tokio::time::timeout(LAST_FLUSH, jobs::flush_uses(&self.edge)).await;
        tracing::info!("stopped");
        Ok(())
    }

    fn public_listener(&self, in_flight: &InFlight) -> Result<Server, Failure> {
        let (edge, readiness) = (self.edge.clone(), self.readiness.clone());
        let upstream = Data::new(UpstreamClient::default());
        let (in_flight, limits) = (in_flight.clone(), self.limits);
        let keep_alive = match limits.keep_alive {
            Duration::ZERO => KeepAlive::Disabled,
            idle => KeepAlive::Timeout(idle),
        };
        let server = HttpServer::new(move || {
            let in_flight = in_flight.clone();
            App::new()
                .app_data(edge.clone())
                .app_data(readiness.clone())
                .app_data(upstream.clone())
                .configure(root_routes)
                .service(web::scope("/t/{tenant}").configure(tenant_routes))
                .default_service(web::to(curfew_http::visit::not_found))
                .wrap(from_fn(log::requests))
                .wrap_fn(move |request, service| guard::pass(request, service, &in_flight))
        })
        .workers(self.listen.workers)
        .worker_max_blocking_threads(self.blocking_threads)
        .max_connections(limits.connections)
        .client_request_timeout(limits.request_timeout)
        .client_disconnect_timeout(DISCONNECT)
        .keep_alive(keep_alive)
        .shutdown_timeout(limits.shutdown_timeout)
        .disable_signals();
        let address = self.listen.public;
        let bound = match &self.tls {
            Some(tls) => server.bind_rustls_0_23(address, tls.clone()),
            None => server.bind(address),
        };
        Ok(bound
            .map_err(|source| cannot_bind("listen.public", address, source))?
            .run())
    }
}

fn places(file: Option<&Path>) -> Result<Places, Failure> {
    let Some(file) = file else {
        return Ok(Places::default());
    };
    Places::open(file).map_err(|error| {
        let cause = std::error::Error::source(&error)
            .map_or_else(String::new, |cause| format!(" ({cause})"));
        Failure::told(format!(
            "geoip.database = {} cannot be used: {error}{cause}",
            file.display()
        ))
    })
}

fn cannot_bind(key: &str, address: SocketAddr, source: std::io::Error) -> Failure {
    Failure::io(
        format!(
            "{key} = {address} cannot be listened on; stop what listens there, or choose another"
        ),
        source,
    )
}

/// What lives at every tenant.
fn tenant_routes(config: &mut ServiceConfig) {
    config
        .configure(curfew_tokens::routes)
        .configure(curfew_grants::routes)
        .configure(curfew_account::routes)
        .configure(curfew_upstream::routes);
}

/// What lives at the issuer's root only, and the default tenant.
fn root_routes(config: &mut ServiceConfig) {
    // Routes are tried in this order, and the metadata's has a variable part: the hot ones come first.
    config
        .configure(tenant_routes)
        .configure(curfew_grants::metadata_routes);
}

fn metrics_listener(address: SocketAddr, metrics: &PrometheusHandle) -> Result<Server, Failure> {
    let metrics = Arc::new(metrics.clone());
    let server = HttpServer::new(move || {
        let metrics = Arc::clone(&metrics);
        App::new().route(
            "/metrics",
            web::get().to(move || {
                let text = metrics.render();
                async move {
                    HttpResponse::Ok()
                        .content_type("text/plain; version=0.0.4")
                        .body(text)
                }
            }),
        )
    })
    .workers(1)
    .disable_signals();
    let bound = server
        .bind(address)
        .map_err(|source| cannot_bind("listen.metrics", address, source))?;
    Ok(bound.run())
}

/// Waits for the signal, then for the requests under way. Idle connections are not waited for: nobody is owed an answer on them.
async fn stop_on_signal(
    handles: Vec<ServerHandle>,
    stop: watch::Sender<bool>,
    in_flight: InFlight,
    seconds: u64,
) {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        tracing::error!("signals cannot be heard; only killing the process ends it");
        return;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping");
    let _ = stop.send(true);
    for handle in &handles {
        handle.pause().await;
    }
    let drained = tokio::time::timeout(Duration::from_secs(seconds), in_flight.drained()).await;
    if drained.is_err() {
        tracing::warn!(
            requests = in_flight.count(),
            "requests were still under way when the time was up"
        );
    }
    tokio::time::sleep(FLUSH).await;
    for handle in &handles {
        handle.stop(false).await;
    }
}
