//! Requests and answers, apart from what carries them.

use std::time::Duration;

use serde_json::Value;
use url::form_urlencoded;

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub struct Received {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The parameters of the query.
    pub fn query(&self) -> Parameters {
        Parameters::parse(self.query.as_bytes())
    }

    /// The fields of a form.
    pub fn form(&self) -> Parameters {
        let kind = self.header("content-type").unwrap_or("");
        let kind = kind.split(';').next().unwrap_or("").trim();
        if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            Parameters::parse(&self.body)
        } else {
            Parameters::default()
        }
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        let cookies = self.header("cookie")?.split(';');
        let mut pairs = cookies.filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(own, _)| *own == name).map(|(_, value)| value)
    }
}

/// Parameters in their order.
#[derive(Clone, Debug, Default)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    /// A parameter; one without a value counts as absent (RFC 6749 §3.1).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(own, value)| own == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// A parameter that came more than once (RFC 6749 §3.1).
    pub(crate) fn repeated(&self) -> Option<&str> {
        let again =
            self.0.iter().enumerate().find(|(place, (name, _))| {
                self.0[..*place].iter().any(|(earlier, _)| earlier == name)
            });
        again.map(|(_, (name, _))| name.as_str())
    }
}

/// An answer as it leaves.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// How long nothing is said at all.
    pub wait: Duration,
    /// What follows the body, each piece after a pause.
    pub later: Vec<(Duration, Vec<u8>)>,
}

impl Answer {
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            body: body.into(),
            ..Self::default()
        }
        .header("Content-Type", content_type)
        .header("Cache-Control", "no-store")
    }

    pub fn json(status: u16, value: &Value) -> Self {
        Self::new(status, "application/json", value.to_string())
    }

    pub fn text(status: u16, text: &str) -> Self {
        Self::new(status, "text/plain; charset=utf-8", text)
    }

    pub fn redirect(location: &str) -> Self {
        Self::new(303, "text/plain; charset=utf-8", "").header("Location", location)
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}
