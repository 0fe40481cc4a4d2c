//! Calls to other servers, made so that they cannot be turned against us.
//!
//! Whom to call is said by administrators, but also by documents of the providers they named, and by whoever answers for a name. So
//! every call goes this way, and no other client is used for it:
//!
//! 1. The URL is https; http only to a loopback address that the configuration lists. It carries no user name. [`address`]
//! 2. A slot is waited for, so that a server that hangs holds few of our requests and none of another server's. [`slots`]
//! 3. The address is judged at the moment of connecting, whatever the name led to a second before. Proxies that the environment names
//!    are not used, for they would connect where we would not. [`address`]
//! 4. The answer is taken as it is: no redirect is followed, no cookie kept, no compression accepted; it is JSON and small. [`answer`]
//! 5. All of this ends at one deadline.
//!
//! Connections are not kept: each worker has a runtime of its own, and one that ends would break those of the others.

mod address;
mod answer;
mod error;
mod slots;
#[cfg(test)]
mod tests;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use curfew_policy::addresses::AddressRange;
use curfew_policy::lifetime::{LifetimeRules, OUTBOUND_CONNECT};
use curfew_protocol::{Lifetime, Redacted};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, RequestBuilder};
use url::Url;

pub use address::{Lookup, SystemLookup};
pub use answer::Answer;
pub use error::{OutboundError, OutboundRefusal};

use address::{Guarded, check_url};
use slots::Slots;

/// The largest answer that is read when the caller names no smaller limit, in bytes.
pub const ANSWER_LIMIT: usize = 1024 * 1024;

/// What the configuration decides about outbound calls.
#[derive(Clone, Debug)]
pub struct OutboundRules {
    /// Special-use addresses that may be called all the same.
    pub allowed: Vec<AddressRange>,
    /// Certificates (PEM) that are trusted beside the system's.
    pub roots: Vec<u8>,
    /// The end of a call.
    pub timeout: Lifetime,
}

impl Default for OutboundRules {
    fn default() -> Self {
        Self {
            allowed: Vec::new(),
            roots: Vec::new(),
            timeout: LifetimeRules::default().outbound_call,
        }
    }
}

/// One call, before it is made.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    url: &'a Url,
    accept: &'static str,
    authorization: Option<Redacted<String>>,
    headers: Vec<(&'static str, &'static str)>,
    limit: usize,
}

impl<'a> Call<'a> {
    pub const fn new(url: &'a Url) -> Self {
        Self {
            url,
            accept: "application/json",
            authorization: None,
            headers: Vec::new(),
            limit: ANSWER_LIMIT,
        }
    }

    /// The kind of JSON that is wanted.
    #[must_use]
    pub const fn accept(mut self, accept: &'static str) -> Self {
        self.accept = accept;
        self
    }

    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.authorization(format!("Bearer {token}"))
    }

    /// The whole value of the `Authorization` header.
    #[must_use]
    pub fn authorization(mut self, value: String) -> Self {
        self.authorization = Some(Redacted(value));
        self
    }

    #[must_use]
    pub fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The largest answer that is read, in bytes.
    #[must_use]
    pub const fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }
}

/// Makes calls to other servers. One for the whole node.
pub struct Outbound {
    client: Client,
    slots: Slots,
    allowed: Arc<[AddressRange]>,
    timeout: Duration,
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbound")
            .field("allowed", &self.allowed)
            .finish_non_exhaustive()
    }
}

impl Outbound {
    pub fn new(rules: &OutboundRules) -> Result<Self, OutboundRefusal> {
        Self::with_lookup(rules, Arc::new(SystemLookup))
    }

    /// Names are looked up by `lookup`; what it answers is judged like anybody's answer.
    pub fn with_lookup(
        rules: &OutboundRules,
        lookup: Arc<dyn Lookup>,
    ) -> Result<Self, OutboundRefusal> {
        let allowed: Arc<[AddressRange]> = rules.allowed.clone().into();
        let client = trust::client(&rules.roots, || {
            Client::builder()
                .dns_resolver(Guarded::new(lookup.clone(), allowed.clone()))
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .no_proxy()
                .connect_timeout(duration(OUTBOUND_CONNECT))
                .pool_max_idle_per_host(0)
                .http1_only()
                .user_agent(concat!("curfew/", env!("CARGO_PKG_VERSION")))
        })?;
        Ok(Self {
            client,
            slots: Slots::default(),
            allowed,
            timeout: duration(rules.timeout),
        })
    }

    pub async fn get(&self, call: Call<'_>) -> Result<Answer, OutboundError> {
        let request = self.client.get(call.url.clone());
        self.make(call, request).await
    }

    /// A POST of `application/x-www-form-urlencoded` fields.
    pub async fn post_form(
        &self,
        call: Call<'_>,
        fields: &[(&str, &str)],
    ) -> Result<Answer, OutboundError> {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.post_encoded_form(call, body.into_bytes()).await
    }

    /// The same with a body that is encoded already.
    pub async fn post_encoded_form(
        &self,
        call: Call<'_>,
        body: Vec<u8>,
    ) -> Result<Answer, OutboundError> {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        let request = self.client.post(call.url.clone());
        self.make(call, request.header(CONTENT_TYPE, form).body(body))
            .await
    }

    async fn make(&self, call: Call<'_>, request: RequestBuilder) -> Result<Answer, OutboundError> {
        let outcome = self.make_in_time(call, request).await;
        let word = outcome
            .as_ref()
            .map_or_else(OutboundError::as_str, |_| "answered");
        metrics::counter!("curfew_outbound_calls_total", "outcome" => word).increment(1);
        outcome
    }

    async fn make_in_time(
        &self,
        call: Call<'_>,
        request: RequestBuilder,
    ) -> Result<Answer, OutboundError> {
        check_url(call.url, &self.allowed)?;
        let request = with_headers(request, &call)?;
        let mut deadline = std::pin::pin!(tokio::time::sleep(self.timeout));
        let _slot = tokio::select! {
            slot = self.slots.take(call.url) => slot,
            () = &mut deadline => return Err(OutboundError::Busy),
        };
        tokio::select! {
            answer = answer::receive(request, call.limit) => answer,
            () = &mut deadline => Err(OutboundError::TooSlow),
        }
    }
}

fn with_headers(
    mut request: RequestBuilder,
    call: &Call<'_>,
) -> Result<RequestBuilder, OutboundError> {
    request = request.header(ACCEPT, call.accept);
    for (name, value) in &call.headers {
        request = request.header(*name, *value);
    }
    if let Some(Redacted(value)) = &call.authorization {
        // A token of another server may hold anything.
        let mut value = HeaderValue::from_str(value).map_err(|_| OutboundError::Unsendable)?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    Ok(request)
}

fn duration(lifetime: Lifetime) -> Duration {
    Duration::from_secs(lifetime.seconds().unsigned_abs())
}
