//! What came back, as far as it may be used.

use chrono::DateTime;
use curfew_protocol::Timestamp;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, DATE, HeaderMap};
use reqwest::{RequestBuilder, Response};

use super::error::OutboundError;

/// An answer that is JSON by its own word, within the limit. Its status may be any but a redirect's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    /// The other server's clock.
    pub date: Option<Timestamp>,
}

impl Answer {
    pub const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }
}

/// Sends the request and takes its answer.
pub(super) async fn receive(
    request: RequestBuilder,
    limit: usize,
) -> Result<Answer, OutboundError> {
    let response = request
        .send()
        .await
        .map_err(|error| OutboundError::of(&error))?;
    let status = response.status().as_u16();
    if (300..=399).contains(&status) {
        return Err(OutboundError::Redirected { status });
    }
    let headers = response.headers();
    if is_encoded(headers) {
        return Err(OutboundError::Encoded);
    }
    if !is_json(headers) {
        return Err(OutboundError::WrongType { status });
    }
    let date = date(headers);
    Ok(Answer {
        status,
        body: body(response, limit).await?,
        date,
    })
}

async fn body(mut response: Response, limit: usize) -> Result<Vec<u8>, OutboundError> {
    let too_large = OutboundError::TooLarge { limit };
    // What the other side announces is not believed, but it may save the reading.
    if response
        .content_length()
        .is_some_and(|length| length > limit as u64)
    {
        return Err(too_large);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| OutboundError::of(&error))?
    {
        if chunk.len() > limit - body.len() {
            return Err(too_large);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// `application/json` or `application/…+json` (RFC 6839 §3.1), with any parameters; said once.
fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let Ok(text) = value.to_str() else {
        return false;
    };
    let kind = text.split(';').next().unwrap_or("").trim();
    let subtype = kind
        .to_ascii_lowercase()
        .strip_prefix("application/")
        .map(str::to_owned);
    subtype.is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get(DATE)?.to_str().ok()?;
    let date = DateTime::parse_from_rfc2822(text).ok()?;
    Some(Timestamp::from_seconds(date.timestamp()))
}
