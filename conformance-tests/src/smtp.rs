//! A mail server that takes everything and keeps it (RFC 5321, as much of it as a client needs).

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

/// A mail as it came.
#[derive(Clone, Debug, Default)]
pub struct Mail {
    pub recipients: Vec<String>,
    /// Headers and body, soft line breaks removed.
    pub text: String,
}

/// Its threads end with the test's process.
#[derive(Debug)]
pub struct MailServer {
    address: SocketAddr,
    mails: Receiver<Mail>,
}

impl MailServer {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let (sender, mails) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let sender = sender.clone();
                thread::spawn(move || talk(&stream, &sender));
            }
        });
        Self { address, mails }
    }

    /// What `mail.smtp_url` says.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// The next mail, waited for.
    pub fn next(&self, patience: Duration) -> Mail {
        self.mails.recv_timeout(patience).expect("a mail comes")
    }
}

fn talk(stream: &TcpStream, mails: &Sender<Mail>) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let mut out = stream;
    let mut say = |text: &str| out.write_all(format!("{text}\r\n").as_bytes()).ok();
    say("220 mail.test ESMTP")?;
    let mut mail = Mail::default();
    while let Some(Ok(line)) = lines.next() {
        let verb = line.get(..4).unwrap_or("").to_ascii_uppercase();
        match verb.as_str() {
            "RCPT" => {
                let address = line.split(['<', '>']).nth(1).unwrap_or_default();
                mail.recipients.push(address.to_owned());
                say("250 ok")?;
            }
            "DATA" => {
                say("354 go on")?;
                let body: Vec<String> = lines
                    .by_ref()
                    .map_while(Result::ok)
                    .take_while(|line| line != ".")
                    .collect();
                mail.text = body.join("\n").replace("=\n", "").replace("=3D", "=");
                mails.send(std::mem::take(&mut mail)).ok()?;
                say("250 kept")?;
            }
            "QUIT" => {
                say("221 bye")?;
                return Some(());
            }
            _ => {
                say("250 ok")?;
            }
        }
    }
    Some(())
}
