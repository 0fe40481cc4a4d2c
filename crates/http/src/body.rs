//! Request bodies: one form or one JSON object, small, of the right type, read before anything else is thought.

use actix_web::HttpRequest;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Bytes, Payload};
use curfew_protocol::{ErrorCode, Form, FormError, OAuthError};
use serde::de::DeserializeOwned;

/// The largest body, in bytes.
pub const BODY_LIMIT: usize = 64 * 1024;

/// A form's bytes as they came.
#[derive(Debug)]
pub struct RawForm(Bytes);

fn invalid(description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequest, description)
}

impl RawForm {
    /// Reads the body of `request`, if it is a form.
    pub async fn read(request: &HttpRequest, payload: Payload) -> Result<Self, OAuthError> {
        if !is_form(request) {
            return Err(invalid(
                "the body must be application/x-www-form-urlencoded",
            ));
        }
        read(payload).await.map(Self)
    }

    /// The form as a query string, for an endpoint that takes its parameters either way. `None`: it is no text.
    pub fn as_query(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The parameters. `repeatable` names those that may come more than once.
    pub fn parse(&self, repeatable: &[&str]) -> Result<Form<'_>, OAuthError> {
        Form::parse(&self.0, repeatable).map_err(refused)
    }
}

async fn read(payload: Payload) -> Result<Bytes, OAuthError> {
    match payload.to_bytes_limited(BODY_LIMIT).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(invalid("the body could not be read")),
        Err(_) => Err(invalid("the body is larger than 64 KiB")),
    }
}

/// Reads a JSON object. `T` denies unknown members, and the parser repeated ones and deep nesting; `members` tells the caller, in a
/// sentence, what the object is made of.
pub async fn json<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: Payload,
    members: &'static str,
) -> Result<T, OAuthError> {
    if !is_of_type(request, "application/json") {
        return Err(invalid("the body must be application/json"));
    }
    let bytes = read(payload).await?;
    serde_json::from_slice(&bytes).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => invalid(members),
        _ => invalid("the body is not valid JSON, or nested too deeply"),
    })
}

fn is_form(request: &HttpRequest) -> bool {
    is_of_type(request, "application/x-www-form-urlencoded")
}

fn is_of_type(request: &HttpRequest, wanted: &str) -> bool {
    let Some(value) = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let kind = value.split(';').next().unwrap_or("").trim();
    kind.eq_ignore_ascii_case(wanted)
}

/// What is told of a form that cannot be read.
pub fn refused(error: FormError) -> OAuthError {
    invalid(match error {
        FormError::Repeated => "a parameter is sent more than once",
        FormError::Encoding => "a parameter is not valid percent-encoded UTF-8",
        FormError::TooMany => "too many parameters",
    })
}
