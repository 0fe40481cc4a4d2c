//! The load of one measurement: requests of one kind, over and over, on connections that stay open, each with one request under way.
//!
//! ```text
//! bench-load ADDRESS CONNECTIONS SECONDS KIND PATH AUTHORIZATION_FILE [TOKENS_FILE [verify]]
//! ```
//!
//! KIND is `introspect` (each request asks about the next token of the file), `issue` (client credentials), `session` (a page that only
//! looks the session up and leads on) or `device` (a device starts, is approved by a token and gets its own; PATH is the client's id).
//! AUTHORIZATION_FILE holds the value of the Authorization header, for `session` that of the Cookie header. `verify` looks into every
//! answer, which is for counting answers, not for measuring.
//!
//! It never sleeps. A generator that waits for answers must be woken for each of them, and the kernel charges the waking to the
//! server: the faster the generator is than the server, the more, so that the server would be compared to a ceiling that is spared.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::json;

/// An answer may take as long before its connection counts as failed.
const PATIENCE: Duration = Duration::from_secs(10);
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

type Failure = Box<dyn std::error::Error>;

struct Load {
    address: SocketAddr,
    connections: usize,
    duration: Duration,
    kind: Kind,
    verify: bool,
}

/// What is asked.
enum Kind {
    /// The same requests, in turn.
    Turn { requests: Vec<Vec<u8>>, at: usize },
    /// The three requests of a device; each needs the answer before it.
    Device {
        address: String,
        client_id: String,
        authorization: String,
    },
}

/// How far the device of a connection has got.
#[derive(Default)]
enum Talk {
    #[default]
    Start,
    Decided {
        device_code: String,
    },
    Decide,
}

impl Kind {
    fn next(&mut self, talk: &mut Talk, answer: &[u8]) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Turn { requests, at } => {
                let request = requests.get(*at).cloned().unwrap_or_default();
                *at = (*at + 1) % requests.len().max(1);
                Ok(request)
            }
            Self::Device {
                address,
                client_id,
                authorization,
            } => {
                let form = |path: &str, body: &str| post(address, path, ("", FORM), body);
                let (next, request) = match std::mem::take(talk) {
                    Talk::Start => {
                        let body = format!("client_id={client_id}");
                        (Talk::Decide, form("/device_authorization", &body))
                    }
                    Talk::Decide => {
                        let (device_code, user_code) =
                            (member(answer, "device_code")?, member(answer, "user_code")?);
                        let body = json!({ "user_code": user_code, "decision": "approve" });
                        let authorization = format!("Authorization: {authorization}\r\n");
                        let head = (authorization.as_str(), "application/json");
                        let request =
                            post(address, "/api/v1/device-decisions", head, &body.to_string());
                        (Talk::Decided { device_code }, request)
                    }
                    Talk::Decided { device_code } => {
                        let grant = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code";
                        let body = format!(
                            "client_id={client_id}&grant_type={grant}&device_code={device_code}"
                        );
                        (Talk::Start, form("/token", &body))
                    }
                };
                *talk = next;
                Ok(request)
            }
        }
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

fn post(address: &str, path: &str, (headers, kind): (&str, &str), body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\n{headers}Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A member of the JSON body of an answer.
fn member(answer: &[u8], name: &str) -> Result<String, Failure> {
    let end = answer.windows(4).position(|four| four == END_OF_HEAD);
    let body = &answer[end.map_or(0, |end| end + END_OF_HEAD.len())..];
    let body: serde_json::Value = serde_json::from_slice(body)?;
    let text = body[name].as_str();
    Ok(text
        .ok_or_else(|| format!("no {name} in {body}"))?
        .to_owned())
}

impl Load {
    fn of(arguments: &[String]) -> Result<Self, Failure> {
        let [
            address,
            connections,
            seconds,
            kind,
            path,
            authorization,
            rest @ ..,
        ] = arguments
        else {
            return Err("ADDRESS CONNECTIONS SECONDS KIND PATH AUTHORIZATION_FILE".into());
        };
        let authorization = std::fs::read_to_string(authorization)?;
        let authorization = authorization.trim();
        let with = format!("Authorization: {authorization}\r\n");
        let form = |body: &str| post(address, path, (&with, FORM), body);
        let turn = |requests| Kind::Turn { requests, at: 0 };
        let kind = match (kind.as_str(), rest.first()) {
            ("introspect", Some(tokens)) => {
                let tokens = std::fs::read_to_string(tokens)?;
                let bodies = tokens.lines().map(|token| format!("token={token}"));
                turn(bodies.map(|body| form(&body)).collect())
            }
            ("issue", _) => turn(vec![form("grant_type=client_credentials")]),
            ("session", _) => {
                let request = format!(
                    "GET {path} HTTP/1.1\r\nHost: {address}\r\nCookie: {authorization}\r\n\r\n"
                );
                turn(vec![request.into_bytes()])
            }
            ("device", _) => Kind::Device {
                address: address.clone(),
                client_id: path.clone(),
                authorization: authorization.to_owned(),
            },
            _ => {
                return Err(
                    "KIND is introspect, with TOKENS_FILE, issue, session or device".into(),
                );
            }
        };
        Ok(Self {
            address: address.parse()?,
            connections: connections.parse()?,
            duration: Duration::from_secs_f64(seconds.parse()?),
            kind,
            verify: rest.get(1).is_some_and(|word| word == "verify"),
        })
    }

    fn run(mut self) -> Result<Seen, Failure> {
        let nothing = matches!(&self.kind, Kind::Turn { requests, .. } if requests.is_empty());
        if nothing || self.connections == 0 {
            return Err("nothing to ask".into());
        }
        let mut connections = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            let mut talk = Talk::default();
            let first = self.kind.next(&mut talk, &[])?;
            connections.push(Connection::open(self.address, &first, talk)?);
        }
        let mut seen = Seen::default();
        let began = Instant::now();
        while began.elapsed() < self.duration {
            for connection in &mut connections {
                let Some(status) = connection.answered()? else {
                    continue;
                };
                seen.note(connection, status, self.verify);
                let next = self.kind.next(&mut connection.talk, &connection.answer)?;
                connection.ask(&next)?;
            }
        }
        seen.seconds = began.elapsed().as_secs_f64();
        Ok(seen)
    }
}

struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
    asked_at: Instant,
    talk: Talk,
}

impl Connection {
    fn open(address: SocketAddr, first: &[u8], talk: Talk) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut connection = Self {
            stream,
            answer: Vec::with_capacity(4_096),
            asked_at: Instant::now(),
            talk,
        };
        connection.ask(first)?;
        Ok(connection)
    }

    /// A request is far smaller than a socket's buffer, so that it always goes out at once.
    fn ask(&mut self, request: &[u8]) -> Result<(), Failure> {
        self.answer.clear();
        self.asked_at = Instant::now();
        Ok(self.stream.write_all(request)?)
    }

    /// The status, once the whole answer is there.
    fn answered(&mut self) -> Result<Option<u16>, Failure> {
        let mut piece = [0_u8; 4_096];
        match self.stream.read(&mut piece) {
            Ok(0) => return Err("the server closed a connection".into()),
            Ok(length) => self.answer.extend_from_slice(&piece[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return if self.asked_at.elapsed() < PATIENCE {
                    Ok(None)
                } else {
                    Err("an answer did not come".into())
                };
            }
            Err(error) => return Err(error.into()),
        }
        let end = self.answer.windows(4).position(|four| four == END_OF_HEAD);
        let Some(end) = end else { return Ok(None) };
        let head = std::str::from_utf8(&self.answer[..end])?;
        let length: usize = header(head, "content-length").unwrap_or("0").parse()?;
        if self.answer.len() < end + END_OF_HEAD.len() + length {
            return Ok(None);
        }
        let status = head.split(' ').nth(1).ok_or("no status")?;
        Ok(Some(status.parse()?))
    }

    fn says(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.answer).contains(text)
    }
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(own, _)| own.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

#[derive(Default)]
struct Seen {
    seconds: f64,
    bytes: usize,
    /// Answers that were neither a success nor a redirect.
    refused: usize,
    active: usize,
    granted: usize,
    latencies_us: Vec<u32>,
}

impl Seen {
    fn note(&mut self, connection: &Connection, status: u16, verify: bool) {
        let took = connection.asked_at.elapsed().as_micros();
        self.latencies_us
            .push(u32::try_from(took).unwrap_or(u32::MAX));
        self.bytes += connection.answer.len();
        self.refused += usize::from(!(200..400).contains(&status));
        if verify && status == 200 {
            self.active += usize::from(connection.says("\"active\":true"));
            self.granted += usize::from(connection.says("\"access_token\""));
        }
    }

    fn report(mut self) -> serde_json::Value {
        self.latencies_us.sort_unstable();
        let count = self.latencies_us.len();
        let at = |share: usize| self.latencies_us.get(count * share / 100).copied();
        json!({
            "requests": count, "seconds": self.seconds, "per_second": per_second(count, self.seconds),
            "p50_us": at(50), "p90_us": at(90), "p99_us": at(99), "max_us": self.latencies_us.last(),
            "bytes": self.bytes, "refused": self.refused, "active": self.active, "granted": self.granted,
        })
    }
}

fn per_second(count: usize, seconds: f64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / seconds
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match Load::of(&arguments).and_then(|load| load.run()) {
        Ok(seen) => {
            println!("{}", seen.report());
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("bench-load: {failure}");
            ExitCode::FAILURE
        }
    }
}
