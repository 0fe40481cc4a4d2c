//! An HTTP/1.1 client that sends exactly what it is told, follows nothing, stores nothing and hides nothing.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;
use url::{Url, form_urlencoded};

/// No answer within this time is a failure of the test.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request as it goes over the wire.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// A form POST.
    pub fn form(target: &str, fields: &[(&str, &str)]) -> Self {
        Self::new("POST", target).body("application/x-www-form-urlencoded", encode(fields))
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn basic(self, id: &str, secret: &str) -> Self {
        let value = basic(id, secret);
        self.header("Authorization", &value)
    }

    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("Content-Type", content_type)
    }

    /// The bytes to send to `host`.
    pub fn bytes(&self, host: &str, keep: bool) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        let has = |name: &str| {
            self.headers
                .iter()
                .any(|(own, _)| own.eq_ignore_ascii_case(name))
        };
        if !has("host") {
            head.push_str(&format!("Host: {host}\r\n"));
        }
        if !keep {
            head.push_str("Connection: close\r\n");
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let bodiless = self.body.is_empty() && matches!(self.method.as_str(), "GET" | "HEAD");
        if !bodiless && !has("content-length") && !has("transfer-encoding") {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// `application/x-www-form-urlencoded`
pub fn encode(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

/// The value of an `Authorization` header (RFC 6749 §2.3.1: both parts are form-encoded first).
pub fn basic(id: &str, secret: &str) -> String {
    use base64::Engine as _;
    let part = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", part(id), part(secret));
    format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(pair)
    )
}

/// An answer.
#[derive(Clone)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = self.text();
        let body: String = body.chars().take(2_000).collect();
        writeln!(f, "{}", self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {value}")?;
        }
        write!(f, "\n{body}")
    }
}

impl Response {
    /// The value of a header; the first where it came more than once.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn headers(&self, name: &str) -> Vec<&str> {
        let matching = self
            .headers
            .iter()
            .filter(|(own, _)| own.eq_ignore_ascii_case(name));
        matching.map(|(_, value)| value.as_str()).collect()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; `null` where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// A member of the JSON body that is a text.
    pub fn member(&self, name: &str) -> String {
        match &self.json()[name] {
            Value::String(text) => text.clone(),
            other => panic!("the member {name} is {other} in {self:?}"),
        }
    }

    /// The `error` member of an OAuth error; empty where there is none.
    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or("").to_owned()
    }

    /// Where a redirect leads.
    pub fn location(&self) -> Option<&str> {
        self.header("location")
    }

    /// A query parameter of the place a redirect leads to.
    pub fn location_parameter(&self, name: &str) -> Option<String> {
        let url = Url::parse(self.location()?).ok()?;
        url.query_pairs()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.into_owned())
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// Expects the OAuth error `code` with `status`.
    #[track_caller]
    pub fn expect_error(self, status: u16, code: &str) -> Self {
        assert_eq!(
            (self.status, self.error().as_str()),
            (status, code),
            "{self:?}"
        );
        self
    }
}

/// Where a node listens.
#[derive(Clone, Debug)]
pub struct Http {
    pub address: SocketAddr,
    /// The authority that goes into `Host`: the issuer's, whichever node is spoken to.
    pub host: String,
}

impl Http {
    /// Sends one request on a connection of its own.
    #[track_caller]
    pub fn send(&self, request: &Request) -> Response {
        self.try_send(request)
            .unwrap_or_else(|error| panic!("no answer from {}: {error}", self.address))
    }

    pub fn try_send(&self, request: &Request) -> io::Result<Response> {
        let mut stream = self.connect()?;
        // A server may refuse a body before it has read it all; its answer counts, not the broken pipe.
        let sent = stream.write_all(&request.bytes(&self.host, false));
        let answer = read_response(&mut BufReader::new(&stream), request.method == "HEAD");
        match (sent, answer) {
            (_, Ok(answer)) => Ok(answer),
            (Err(error), Err(_)) | (Ok(()), Err(error)) => Err(error),
        }
    }

    /// Sends bytes as they are and reads one answer; `None` when the server just hangs up.
    pub fn send_raw(&self, bytes: &[u8]) -> Option<Response> {
        let mut stream = self.connect().expect("the server accepts connections");
        let _ = stream.write_all(bytes);
        read_response(&mut BufReader::new(&stream), false).ok()
    }

    pub fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// A connection that serves request after request.
    pub fn keep(&self) -> Connection {
        Connection {
            http: self.clone(),
            stream: None,
        }
    }

    #[track_caller]
    pub fn get(&self, target: &str) -> Response {
        self.send(&Request::get(target))
    }

    #[track_caller]
    pub fn post(&self, target: &str, fields: &[(&str, &str)]) -> Response {
        self.send(&Request::form(target, fields))
    }
}

/// Keeps one connection open, and opens another when the server has closed it.
#[derive(Debug)]
pub struct Connection {
    http: Http,
    stream: Option<BufReader<TcpStream>>,
}

impl Connection {
    pub fn send(&mut self, request: &Request) -> io::Result<Response> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => BufReader::new(self.http.connect()?),
        };
        stream
            .get_mut()
            .write_all(&request.bytes(&self.http.host, true))?;
        let answer = read_response(&mut stream, request.method == "HEAD")?;
        let closes = answer
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"));
        if !closes {
            self.stream = Some(stream);
        }
        Ok(answer)
    }
}

/// Opens a connection for each request, sends everything but the last byte, and then releases all of them together.
/// Request number n goes to place n of `places`, round and round.
pub fn release_together(places: &[Http], requests: &[Request]) -> Vec<io::Result<Response>> {
    let mut waiting = Vec::with_capacity(requests.len());
    for (number, request) in requests.iter().enumerate() {
        let place = &places[number % places.len()];
        let bytes = request.bytes(&place.host, false);
        let stream = place.connect().and_then(|mut stream| {
            stream.write_all(&bytes[..bytes.len() - 1])?;
            Ok(stream)
        });
        waiting.push((stream, bytes[bytes.len() - 1]));
    }
    for (stream, last) in &mut waiting {
        if let Ok(stream) = stream {
            // What goes wrong here shows when the answer is read.
            let _ = stream.write_all(&[*last]);
        }
    }
    waiting
        .into_iter()
        .map(|(stream, _)| read_response(&mut BufReader::new(stream?), false))
        .collect()
}

fn read_response(reader: &mut impl BufRead, headless: bool) -> io::Result<Response> {
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, "this is not an HTTP answer");
    let status_line = read_line(reader)?;
    let status = status_line
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .ok_or_else(malformed)?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(malformed)?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut response = Response {
        status,
        headers,
        body: Vec::new(),
    };
    if status == 100 {
        return read_response(reader, headless);
    }
    if headless || status == 204 || status == 304 {
        return Ok(response);
    }
    if response
        .header("transfer-encoding")
        .is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    {
        loop {
            let size = read_line(reader)?;
            let size = size.split(';').next().unwrap_or("").trim();
            let size = usize::from_str_radix(size, 16).map_err(|_| malformed())?;
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk)?;
            if size == 0 {
                return Ok(response);
            }
            response.body.extend_from_slice(&chunk[..size]);
        }
    }
    match response.header("content-length").map(str::parse::<usize>) {
        Some(length) => {
            response.body = vec![0; length.map_err(|_| malformed())?];
            reader.read_exact(&mut response.body)?;
        }
        None => {
            reader.read_to_end(&mut response.body)?;
        }
    }
    Ok(response)
}

fn read_line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    reader
        .by_ref()
        .take(64 * 1024)
        .read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the server hung up",
        ));
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}
