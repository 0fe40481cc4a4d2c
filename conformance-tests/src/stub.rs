//! An HTTP/1.1 server that a test answers for: what it sends is what it is told, down to the byte.

use std::fmt;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use demo_provider::{Answer, Received};

/// A peer that says nothing for so long is gone.
const PATIENCE: Duration = Duration::from_secs(30);

/// What becomes of a request.
#[derive(Clone, Debug)]
pub enum Reply {
    Answer(Answer),
    /// These bytes, whatever they are.
    Bytes(Vec<u8>),
    HangUp,
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

type Replies = dyn Fn(&Received) -> Reply + Send + Sync;

/// One connection for each request. It ends with its owner; a reply that is under way may outlive it.
pub struct Stub {
    address: SocketAddr,
    ending: Arc<AtomicBool>,
    received: Arc<Mutex<Vec<Received>>>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Stub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stub({})", self.address)
    }
}

impl Stub {
    /// Listens on a free port of 127.0.0.1.
    pub fn start(reply: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let ending = Arc::new(AtomicBool::new(false));
        let received = Arc::new(Mutex::new(Vec::new()));
        let reply: Arc<Replies> = Arc::new(reply);
        let (stop, all) = (Arc::clone(&ending), Arc::clone(&received));
        let thread = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (reply, all) = (Arc::clone(&reply), Arc::clone(&all));
                // A peer that breaks off has its reasons.
                thread::spawn(move || serve(&stream, &*reply, &all).ok());
            }
        });
        Self {
            address,
            ending,
            received,
            thread: Some(thread),
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it lives, as a URL without a path.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request since the start.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().expect("no panic").clone()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(stream: &TcpStream, reply: &Replies, all: &Mutex<Vec<Received>>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let received = read(stream)?;
    all.lock().expect("no panic").push(received.clone());
    match reply(&received) {
        Reply::Answer(answer) => write(stream, &answer),
        Reply::Bytes(bytes) => (&*stream).write_all(&bytes),
        Reply::HangUp => Ok(()),
    }
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "this is not an HTTP request")
}

fn read(stream: &TcpStream) -> io::Result<Received> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_ascii_whitespace();
    let method = words.next().ok_or_else(malformed)?.to_owned();
    let target = words.next().ok_or_else(malformed)?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut received = Received {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        ..Received::default()
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(malformed)?;
        let header = (name.to_owned(), value.trim().to_owned());
        received.headers.push(header);
    }
    let length = received.header("content-length").unwrap_or("0");
    received.body = vec![0; length.parse().map_err(|_| malformed())?];
    reader.read_exact(&mut received.body)?;
    Ok(received)
}

fn write(mut stream: &TcpStream, answer: &Answer) -> io::Result<()> {
    thread::sleep(answer.wait);
    let mut head = format!("HTTP/1.1 {} Said\r\nConnection: close\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let later = answer.later.iter().map(|(_, piece)| piece.len());
    let length = answer.body.len() + later.sum::<usize>();
    head.push_str(&format!("Content-Length: {length}\r\n\r\n"));
    stream.write_all(head.as_bytes())?;
    stream.write_all(&answer.body)?;
    for (pause, piece) in &answer.later {
        thread::sleep(*pause);
        stream.write_all(piece)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Http, Request};

    fn http(stub: &Stub) -> Http {
        Http {
            address: stub.address(),
            host: stub.address().to_string(),
        }
    }

    #[test]
    fn a_request_is_understood_and_answered_as_told() {
        let stub = Stub::start(|received| {
            let told = format!(
                "{} {} {:?}",
                received.method,
                received.path,
                received.form().get("a")
            );
            Answer::text(201, &told).header("X-Odd", "yes").into()
        });
        let answer = http(&stub)
            .send(&Request::form("/place?q=1", &[("a", "b c")]))
            .expect(201);
        assert_eq!(answer.text(), "POST /place Some(\"b c\")");
        assert_eq!(answer.header("x-odd"), Some("yes"));
        assert_eq!(stub.received()[0].query().get("q"), Some("1"));
    }

    #[test]
    fn bytes_go_out_as_they_are_and_a_stub_may_hang_up() {
        let stub = Stub::start(|received| match received.path.as_str() {
            "/bytes" => Reply::Bytes(b"HTTP/1.1 299 Odd\r\ncontent-length: 1\r\n\r\nx".to_vec()),
            _ => Reply::HangUp,
        });
        assert_eq!(http(&stub).get("/bytes").expect(299).text(), "x");
        assert!(http(&stub).try_send(&Request::get("/")).is_err());
        let place = http(&stub);
        drop(stub);
        assert!(place.connect().is_err(), "it ends with its owner");
    }
}
