//! The load of one measurement: POSTs of one kind, over and over, on connections that stay open, each with one request under way.
//!
//! ```text
//! bench-load ADDRESS CONNECTIONS SECONDS KIND PATH AUTHORIZATION_FILE [TOKENS_FILE [verify]]
//! ```
//!
//! KIND is `introspect` (each request asks about the next token of the file) or `issue` (client credentials). AUTHORIZATION_FILE holds
//! the value of the Authorization header. `verify` looks into every answer, which is for counting answers, not for measuring.
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
    requests: Vec<Vec<u8>>,
    verify: bool,
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
        let bodies = match (kind.as_str(), rest.first()) {
            ("introspect", Some(tokens)) => std::fs::read_to_string(tokens)?
                .lines()
                .map(|token| format!("token={token}"))
                .collect(),
            ("issue", _) => vec!["grant_type=client_credentials".to_owned()],
            _ => return Err("KIND is introspect, with TOKENS_FILE, or issue".into()),
        };
        let authorization = std::fs::read_to_string(authorization)?;
        let request = |body: &String| {
            format!(
                "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: {}\r\n\
                 Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
                authorization.trim(),
                body.len()
            )
        };
        Ok(Self {
            address: address.parse()?,
            connections: connections.parse()?,
            duration: Duration::from_secs_f64(seconds.parse()?),
            requests: bodies
                .iter()
                .map(|body| request(body).into_bytes())
                .collect(),
            verify: rest.get(1).is_some_and(|word| word == "verify"),
        })
    }

    fn run(&self) -> Result<Seen, Failure> {
        if self.requests.is_empty() || self.connections == 0 {
            return Err("nothing to ask".into());
        }
        let mut requests = self.requests.iter().cycle();
        let mut next = || requests.next().map_or(&[][..], Vec::as_slice);
        let mut connections = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            connections.push(Connection::open(self.address, next())?);
        }
        let mut seen = Seen::default();
        let began = Instant::now();
        while began.elapsed() < self.duration {
            for connection in &mut connections {
                let Some(status) = connection.answered()? else {
                    continue;
                };
                seen.note(connection, status, self.verify);
                connection.ask(next())?;
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
}

impl Connection {
    fn open(address: SocketAddr, first: &[u8]) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut connection = Self {
            stream,
            answer: Vec::with_capacity(4_096),
            asked_at: Instant::now(),
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
    /// Answers that were not 200.
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
        self.refused += usize::from(status != 200);
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
