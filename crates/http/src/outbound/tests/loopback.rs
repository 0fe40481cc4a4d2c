//! A server of a few lines: reads a request, lets the test answer.

use std::io::{self, Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

type Seen = Arc<Mutex<Vec<String>>>;

pub(super) struct Loopback {
    pub(super) address: SocketAddr,
    seen: Seen,
    stopping: Arc<AtomicBool>,
    listening: Option<JoinHandle<()>>,
}

impl Loopback {
    /// Each connection gets one answer, on a thread of its own.
    pub(super) fn start(
        answer: impl Fn(&mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let seen = Seen::default();
        let note = seen.clone();
        let mut server = Self::start_raw(move |mut stream| {
            let request = read_request(&mut stream)?;
            note.lock().unwrap().push(request);
            answer(&mut stream)
        });
        server.seen = seen;
        server
    }

    /// The same without having read the request.
    pub(super) fn start_raw(
        serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stopping = Arc::new(AtomicBool::new(false));
        let (stop, serve) = (stopping.clone(), Arc::new(serve));
        let listening = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (serve, stream) = (serve.clone(), stream.unwrap());
                // The caller may hang up in the middle; that is what some tests are about.
                std::thread::spawn(move || serve(stream).is_ok());
            }
        });
        Self {
            address,
            seen: Seen::default(),
            stopping,
            listening: Some(listening),
        }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The requests so far.
    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}

/// Head and announced body.
pub(super) fn read_request(stream: &mut impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        bytes.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    bytes.extend(body);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

pub(super) fn json(stream: &mut TcpStream, body: &str) -> io::Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes())
}
