//! A server that answers what a test tells it to, for testing clients.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use serde_json::Value;
use url::form_urlencoded;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub target: String,
    pub authorization: Option<String>,
    pub body: String,
    pub at: Instant,
}

impl Asked {
    /// A field of the form; empty where there is none.
    pub fn field(&self, name: &str) -> String {
        form_urlencoded::parse(self.body.as_bytes())
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub enum Reply {
    Json(u16, Value),
    /// Status, a header, nothing else.
    Header(u16, &'static str, String),
    /// The connection is closed without an answer.
    HangUp,
}

/// The server; it ends with the test's process.
#[derive(Clone, Debug)]
pub struct Script {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Script {
    /// Starts a server that answers by `reply`, which is told its own URL and how often that target was asked before.
    pub fn start(reply: impl Fn(&str, &Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let script = Self {
            url,
            asked: Arc::default(),
        };
        let (own, reply) = (script.clone(), Arc::new(reply));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (own, reply) = (own.clone(), Arc::clone(&reply));
                thread::spawn(move || own.serve(&stream, &*reply));
            }
        });
        script
    }

    /// All that was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("the list of requests").clone()
    }

    /// What was asked of one target.
    pub fn asked_of(&self, target: &str) -> Vec<Asked> {
        let mut asked = self.asked();
        asked.retain(|asked| asked.target == target);
        asked
    }

    fn serve(&self, stream: &TcpStream, reply: &dyn Fn(&str, &Asked, usize) -> Reply) {
        let Some(asked) = read(stream) else { return };
        let before = {
            let mut all = self.asked.lock().expect("the list of requests");
            let before = all.iter().filter(|own| own.target == asked.target).count();
            all.push(asked.clone());
            before
        };
        let bytes = match reply(&self.url, &asked, before) {
            Reply::HangUp => return,
            Reply::Json(status, body) => {
                let body = body.to_string();
                format!(
                    "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                )
            }
            Reply::Header(status, name, value) => format!(
                "HTTP/1.1 {status} x\r\n{name}: {value}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            ),
        };
        let mut stream = stream;
        let _ = stream.write_all(bytes.as_bytes());
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut length, mut authorization) = (0, None);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "authorization" => authorization = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked {
        method,
        target,
        authorization,
        body: String::from_utf8_lossy(&body).into_owned(),
        at: Instant::now(),
    })
}
