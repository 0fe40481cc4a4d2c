//! The HTTP client of the sign-in: https, or a loopback address; no redirects, small answers, and an end to all waiting.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use url::Url;

use super::words::printable;
use crate::failure::Failure;

const CONNECT: Duration = Duration::from_secs(10);
const WHOLE_REQUEST: Duration = Duration::from_secs(30);
/// The largest answer that is read, in bytes.
const ANSWER_LIMIT: usize = 1024 * 1024;

/// Why a request has no answer that could be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpFailure {
    /// Nothing came, or not all of it: whether the server did what was asked is not known.
    #[error("{url} cannot be reached: {why}")]
    Unreachable { url: String, why: String },
    /// An error of the protocol (RFC 6749 §5.2, RFC 6750 §3.1).
    #[error("{url} refused: {error}{}", described(.description))]
    Refused {
        url: String,
        status: u16,
        error: String,
        description: String,
        retry_after: Option<u64>,
    },
    #[error("{url} answered {status}, which is not what this program understands")]
    Unexpected { url: String, status: u16 },
    #[error("{0}")]
    NotAllowed(String),
}

fn described(description: &str) -> String {
    if description.is_empty() {
        String::new()
    } else {
        format!(" ({description})")
    }
}

impl HttpFailure {
    /// The code of a refusal; empty for anything else.
    pub(super) fn code(&self) -> &str {
        match self {
            Self::Refused { error, .. } => error,
            Self::Unreachable { .. } | Self::Unexpected { .. } | Self::NotAllowed(_) => "",
        }
    }

    /// Is it worth asking once more?
    pub(super) fn is_hiccup(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } | Self::Unexpected { status, .. } => *status >= 500,
            Self::NotAllowed(_) => false,
        }
    }
}

impl From<HttpFailure> for Failure {
    fn from(failure: HttpFailure) -> Self {
        Self::told(failure.to_string())
    }
}

/// Talks to one server.
#[derive(Clone, Debug)]
pub(super) struct Http {
    client: Client,
}

impl Http {
    /// For `issuer`. A loopback address is never asked for by way of a proxy.
    pub(super) fn new(issuer: &Url) -> Result<Self, Failure> {
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT)
            .timeout(WHOLE_REQUEST)
            .user_agent(concat!("curfew/", env!("CARGO_PKG_VERSION")));
        if is_loopback(issuer) {
            builder = builder.no_proxy();
        }
        let client = builder
            .build()
            .map_err(|error| Failure::told(format!("no HTTP client can be made: {error}")))?;
        Ok(Self { client })
    }

    pub(super) async fn get(&self, url: &Url) -> Result<Value, HttpFailure> {
        let request = self.client.get(checked(url)?);
        self.send(url, request).await
    }

    pub(super) async fn form(
        &self,
        url: &Url,
        fields: &[(&str, &str)],
    ) -> Result<Value, HttpFailure> {
        let request = self.client.post(checked(url)?).form(fields);
        self.send(url, request).await
    }

    /// A call with a bearer token.
    pub(super) async fn call(
        &self,
        (method, url): (Method, &Url),
        token: &str,
        body: Option<&Value>,
    ) -> Result<Value, HttpFailure> {
        let mut request = self
            .client
            .request(method, checked(url)?)
            .bearer_auth(token);
        if let Some(body) = body {
            request = request.json(body);
        }
        self.send(url, request).await
    }

    async fn send(&self, url: &Url, request: RequestBuilder) -> Result<Value, HttpFailure> {
        let response = request
            .send()
            .await
            .map_err(|error| unreachable_because(url, &error))?;
        let status = response.status();
        let retry_after = response
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let body = body(url, response).await?;
        if status == StatusCode::NO_CONTENT || (status.is_success() && body.is_empty()) {
            return Ok(Value::Null);
        }
        let unexpected = || HttpFailure::Unexpected {
            url: printable(url.as_str()),
            status: status.as_u16(),
        };
        let Ok(value) = serde_json::from_slice::<Value>(&body) else {
            return Err(unexpected());
        };
        if status.is_success() {
            return Ok(value);
        }
        match value["error"].as_str() {
            Some(error) => Err(HttpFailure::Refused {
                url: printable(url.as_str()),
                status: status.as_u16(),
                error: printable(error),
                description: printable(value["error_description"].as_str().unwrap_or("")),
                retry_after,
            }),
            None => Err(unexpected()),
        }
    }
}

async fn body(url: &Url, mut response: Response) -> Result<Vec<u8>, HttpFailure> {
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| unreachable_because(url, &error))?
    {
        if body.len() + chunk.len() > ANSWER_LIMIT {
            return Err(HttpFailure::NotAllowed(format!(
                "{} answers with more than 1 MiB, which no server of this kind does",
                printable(url.as_str())
            )));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The innermost cause says most: "connection refused" and not "error sending request".
fn unreachable_because(url: &Url, error: &reqwest::Error) -> HttpFailure {
    let mut why: &dyn std::error::Error = error;
    if error.is_timeout() {
        return HttpFailure::Unreachable {
            url: printable(url.as_str()),
            why: "no answer in time".to_owned(),
        };
    }
    while let Some(cause) = why.source() {
        why = cause;
    }
    HttpFailure::Unreachable {
        url: printable(url.as_str()),
        why: why.to_string(),
    }
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Tokens travel encrypted, or do not leave the machine.
pub(super) fn is_safe(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

fn checked(url: &Url) -> Result<Url, HttpFailure> {
    if is_safe(url) {
        return Ok(url.clone());
    }
    Err(HttpFailure::NotAllowed(format!(
        "{} is not asked, because what is sent there could be read on the way; it must be https",
        printable(url.as_str())
    )))
}
