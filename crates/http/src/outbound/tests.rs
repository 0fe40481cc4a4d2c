//! Against servers on the loopback address that answer byte by byte what the test wants.

mod loopback;
mod tls;

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use curfew_policy::addresses::AddressRange;
use curfew_protocol::{Lifetime, Timestamp};
use url::Url;

use super::slots::{IN_FLIGHT, IN_FLIGHT_EACH};
use super::{Answer, Call, Lookup, Outbound, OutboundError, OutboundRules};
use loopback::{Loopback, json};

fn rules(allowed: &[&str]) -> OutboundRules {
    OutboundRules {
        allowed: allowed
            .iter()
            .map(|range| AddressRange::parse(range).unwrap())
            .collect(),
        timeout: Lifetime::from_seconds(1),
        ..OutboundRules::default()
    }
}

/// May call the loopback address.
fn outbound() -> Outbound {
    Outbound::new(&rules(&["127.0.0.1"])).unwrap()
}

async fn get(outbound: &Outbound, url: &str) -> Result<Answer, OutboundError> {
    outbound.get(Call::new(&Url::parse(url).unwrap())).await
}

/// The word of a failed call.
async fn failure(outbound: &Outbound, url: &str) -> &'static str {
    get(outbound, url).await.unwrap_err().as_str()
}

#[actix_web::test]
async fn an_answer_comes_with_status_body_and_the_other_clock() {
    let server = Loopback::start(|stream| {
        let head = "HTTP/1.1 404 Not Found\r\ncontent-type: application/problem+json; charset=utf-8\r\n\
             date: Fri, 15 Jan 2027 08:00:00 GMT\r\ncontent-encoding: identity\r\ncontent-length: 2\r\n\r\n{}";
        stream.write_all(head.as_bytes())
    });
    let answer = get(&outbound(), &server.url("/a?b=c")).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (404, &b"{}"[..]));
    assert_eq!(answer.date, Some(Timestamp::from_seconds(1_800_000_000)));
    assert!(!answer.is_success());
    let sent = server.seen().join("");
    assert!(sent.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{sent}");
    assert!(sent.contains("accept: application/json\r\n"), "{sent}");
    for header in ["accept-encoding", "referer", "cookie", "authorization"] {
        assert!(!sent.contains(header), "{header}: {sent}");
    }
}

#[actix_web::test]
async fn a_form_is_sent_with_its_credential() {
    let server = Loopback::start(|stream| json(stream, "{}"));
    let url = Url::parse(&server.url("/token")).unwrap();
    let call = Call::new(&url).bearer("t0ken").header("x-kind", "test");
    let fields = [("a", "1 2"), ("b", "&")];
    outbound().post_form(call, &fields).await.unwrap();
    let sent = server.seen().join("");
    for part in [
        "POST /token HTTP/1.1\r\n",
        "authorization: Bearer t0ken\r\n",
        "x-kind: test\r\n",
        "content-type: application/x-www-form-urlencoded\r\n",
        "\r\n\r\na=1+2&b=%26",
    ] {
        assert!(sent.contains(part), "{part:?}: {sent:?}");
    }
}

#[actix_web::test]
async fn a_credential_that_would_break_the_header_is_not_sent() {
    let server = Loopback::start(|stream| json(stream, "{}"));
    let url = Url::parse(&server.url("/")).unwrap();
    let call = Call::new(&url).bearer("a\r\nx-evil: 1");
    let refused = outbound().get(call).await.unwrap_err();
    assert_eq!(refused.as_str(), "unsendable");
    assert_eq!(server.seen(), Vec::<String>::new());
}

#[actix_web::test]
async fn a_cookie_is_not_kept() {
    let server = Loopback::start(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")
    });
    let outbound = outbound();
    for _ in 0..2 {
        get(&outbound, &server.url("/")).await.unwrap();
    }
    let sent = server.seen();
    assert_eq!(sent.len(), 2);
    assert!(!sent.join("").contains("cookie"), "{sent:?}");
}

#[actix_web::test]
async fn b52_a_body_of_ten_megabytes_is_not_read_to_its_end() {
    let written = Arc::new(AtomicUsize::new(0));
    let count = written.clone();
    let server = Loopback::start(move |stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")?;
        let chunk = [b' '; 0x8000];
        for _ in 0..320 {
            stream.write_all(b"8000\r\n")?;
            stream.write_all(&chunk)?;
            stream.write_all(b"\r\n")?;
            count.fetch_add(chunk.len(), Ordering::SeqCst);
        }
        stream.write_all(b"0\r\n\r\n")
    });
    let outbound = outbound();
    assert_eq!(failure(&outbound, &server.url("/")).await, "too_large");
    drop(server);
    assert!(written.load(Ordering::SeqCst) < 10 * 1024 * 1024);
    // A size that is announced is refused before it is read, also below a smaller limit.
    let server = Loopback::start(|stream| json(stream, "[0,1,2,3,4]"));
    let url = Url::parse(&server.url("/")).unwrap();
    let small = outbound.get(Call::new(&url).limit(10)).await;
    assert_eq!(small.unwrap_err().as_str(), "too_large");
    assert!(outbound.get(Call::new(&url).limit(11)).await.is_ok());
}

#[actix_web::test]
async fn b52_a_body_that_drips_ends_at_the_deadline() {
    let server = Loopback::start(|stream| {
        stream.write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{",
        )?;
        hang(stream)
    });
    assert_eq!(failure(&outbound(), &server.url("/")).await, "too_slow");
}

/// Until the caller goes away.
fn hang(stream: &mut TcpStream) -> io::Result<()> {
    stream.read(&mut [0]).map(|_| ())
}

#[actix_web::test]
async fn b52_no_redirect_is_followed_wherever_it_leads() {
    let elsewhere = Loopback::start(|stream| json(stream, "{}"));
    for target in [
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        elsewhere.url("/"),
        "/same-origin".to_owned(),
        "file:///etc/passwd".to_owned(),
    ] {
        for status in ["301", "302", "303", "307", "308", "304"] {
            let head = format!(
                "HTTP/1.1 {status} X\r\nlocation: {target}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}"
            );
            let server = Loopback::start(move |stream| stream.write_all(head.as_bytes()));
            let word = failure(&outbound(), &server.url("/")).await;
            assert_eq!(word, "redirected", "{status} {target}");
            assert_eq!(server.seen().len(), 1);
        }
    }
    assert_eq!(elsewhere.seen(), Vec::<String>::new());
}

#[actix_web::test]
async fn b52_what_is_not_json_is_refused() {
    for kind in [
        "content-type: text/html",
        "content-type: text/plain",
        "content-type: application/jsonp",
        "content-type: application/jwt",
        "content-type: text/json",
        "content-type:",
        "content-type: application/json\r\ncontent-type: text/html",
        "x-nothing: here",
    ] {
        let head = format!("HTTP/1.1 502 Bad Gateway\r\n{kind}\r\ncontent-length: 6\r\n\r\n<html>");
        let server = Loopback::start(move |stream| stream.write_all(head.as_bytes()));
        let refused = get(&outbound(), &server.url("/")).await.unwrap_err();
        assert_eq!(refused.as_str(), "wrong_type", "{kind}");
        let text = refused.to_string();
        assert!(text.contains("502") && !text.contains("html"), "{text}");
    }
}

#[actix_web::test]
async fn b52_a_compressed_answer_is_refused_before_it_can_swell() {
    for encoding in ["gzip", "br", "deflate, gzip", "zstd", "Identity, gzip"] {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: {encoding}\r\ncontent-length: 4\r\n\r\n\x1f\u{1}\u{8}\u{0}"
        );
        let server = Loopback::start(move |stream| stream.write_all(head.as_bytes()));
        let word = failure(&outbound(), &server.url("/")).await;
        assert_eq!(word, "encoded", "{encoding}");
    }
}

#[actix_web::test]
async fn b49_an_address_that_is_set_aside_is_not_called_unless_it_is_listed() {
    let server = Loopback::start(|stream| json(stream, "{}"));
    let port = server.address.port();
    let closed = Outbound::new(&rules(&[])).unwrap();
    assert_eq!(failure(&closed, &server.url("/")).await, "refused_address");
    let open = outbound();
    assert!(get(&open, &server.url("/")).await.is_ok());
    assert_eq!(server.seen().len(), 1);
    for url in [
        "https://169.254.169.254/latest/meta-data/",
        "https://10.0.0.1/",
        "https://0x7f.0.0.2/",
        "https://2130706434/",
        "https://[::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://[fd00::1]/",
        "https://0.0.0.0/",
        &format!("http://[::1]:{port}/"),
        &format!("http://127.0.0.2:{port}/"),
    ] {
        assert_eq!(failure(&open, url).await, "refused_address", "{url}");
    }
    // The whole answer, and nothing of the query.
    let refused = get(&closed, "https://10.0.0.1/?secret=1").await;
    let text = refused.unwrap_err().to_string();
    assert!(
        text.contains("10.0.0.1 is set aside (private use)"),
        "{text}"
    );
    assert!(text.contains("outbound.allowed_addresses") && !text.contains("secret"));
}

#[actix_web::test]
async fn b52_clear_text_is_for_a_listed_loopback_address_only() {
    let open = Outbound::new(&rules(&["127.0.0.1", "10.0.0.0/8"])).unwrap();
    for url in [
        "http://provider.example/",
        "http://10.0.0.1/",
        "http://localhost.example/",
        "https://user@provider.example/",
        "https://:password@provider.example/",
        "ftp://provider.example/",
        "data:application/json,{}",
        "file:///etc/passwd",
    ] {
        assert_eq!(failure(&open, url).await, "insecure_url", "{url}");
    }
}

/// Answers from a list, in turn; the last answer stays.
struct Turning(Vec<Vec<IpAddr>>, AtomicUsize);

impl Turning {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let answers = answers
            .iter()
            .map(|answer| answer.iter().map(|ip| ip.parse().unwrap()).collect());
        Arc::new(Self(answers.collect(), AtomicUsize::new(0)))
    }
}

impl Lookup for Turning {
    fn addresses(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let turn = self.1.fetch_add(1, Ordering::SeqCst);
        Ok(self.0[turn.min(self.0.len() - 1)].clone())
    }
}

#[actix_web::test]
async fn b52_a_name_that_leads_elsewhere_the_second_time_is_judged_the_second_time() {
    let server = Loopback::start(|stream| json(stream, "{}"));
    let url = format!("http://localhost:{}/", server.address.port());
    let lookup = Turning::new(&[&["127.0.0.1"], &["169.254.169.254"], &["10.0.0.1", "::1"]]);
    let outbound = Outbound::with_lookup(&rules(&["127.0.0.1"]), lookup.clone()).unwrap();
    assert!(get(&outbound, &url).await.is_ok());
    assert_eq!(failure(&outbound, &url).await, "refused_address");
    assert_eq!(failure(&outbound, &url).await, "refused_address");
    assert_eq!(
        (server.seen().len(), lookup.1.load(Ordering::SeqCst)),
        (1, 3)
    );
}

#[actix_web::test]
async fn b52_a_name_is_called_at_none_but_its_plain_addresses() {
    let server = Loopback::start(|stream| json(stream, "{}"));
    let port = server.address.port();
    for (name, addresses, word) in [
        // Refused, although this machine would have answered.
        ("provider.example", &["127.0.0.1"][..], "refused_address"),
        ("provider.example", &["::ffff:127.0.0.1"], "refused_address"),
        (
            "provider.example",
            &["10.0.0.1", "fd00::1"],
            "refused_address",
        ),
        // Nobody there: an empty answer is no permission.
        ("provider.example", &[], "unreachable"),
    ] {
        let outbound = Outbound::with_lookup(&rules(&[]), Turning::new(&[addresses])).unwrap();
        let found = failure(&outbound, &format!("https://{name}:{port}/")).await;
        assert_eq!(found, word, "{addresses:?}");
    }
    // `localhost` in clear text is this machine, and not what somebody lets it lead to, listed or not.
    let lookup = Turning::new(&[&["10.0.0.1"]]);
    let outbound = Outbound::with_lookup(&rules(&["10.0.0.0/8"]), lookup).unwrap();
    let found = failure(&outbound, &format!("http://localhost:{port}/")).await;
    assert_eq!(found, "refused_address");
    assert_eq!(server.seen(), Vec::<String>::new());
}

struct Failing;

impl Lookup for Failing {
    fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Err(io::Error::other(format!("{name}\r\nis unknown")))
    }
}

#[actix_web::test]
async fn what_cannot_be_reached_is_told_without_the_query() {
    let server = Loopback::start(|stream| json(stream, "{}"));
    let url = format!("{}?secret=1", server.url("/"));
    drop(server);
    let text = get(&outbound(), &url).await.unwrap_err().to_string();
    assert!(
        text.contains("refused") && !text.contains("secret"),
        "{text}"
    );
    let outbound = Outbound::with_lookup(&rules(&[]), Arc::new(Failing)).unwrap();
    let unknown = get(&outbound, "https://provider.example/?secret=1").await;
    let text = unknown.unwrap_err().to_string();
    assert!(text.contains("provider.exampleis unknown"), "{text}");
    assert!(!text.contains("secret"), "{text}");
    // Cut off in the middle of the answer.
    let server = Loopback::start(|stream| {
        stream.write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{",
        )
    });
    let word = failure(&super::tests::outbound(), &server.url("/")).await;
    assert_eq!(word, "unreachable");
}

#[actix_web::test]
async fn b52_a_server_that_hangs_leaves_room_for_the_others() {
    let hanging = Loopback::start(hang);
    let working = Loopback::start(|stream| json(stream, "{}"));
    let patient = OutboundRules {
        timeout: Lifetime::from_seconds(30),
        ..rules(&["127.0.0.1"])
    };
    let outbound = Arc::new(Outbound::new(&patient).unwrap());
    let stuck: Vec<_> = (0..IN_FLIGHT_EACH + IN_FLIGHT)
        .map(|_| {
            let (outbound, url) = (outbound.clone(), hanging.url("/"));
            actix_web::rt::spawn(async move { get(&outbound, &url).await })
        })
        .collect();
    while hanging.seen().len() < IN_FLIGHT_EACH {
        tokio::task::yield_now().await;
    }
    for _ in 0..IN_FLIGHT {
        assert!(get(&outbound, &working.url("/")).await.is_ok());
    }
    assert_eq!(hanging.seen().len(), IN_FLIGHT_EACH);
    for call in stuck {
        assert!(!call.is_finished());
        call.abort();
    }
}

#[actix_web::test]
async fn b52_who_finds_no_room_until_the_deadline_is_told_so() {
    let server = Loopback::start(|stream| json(stream, "{}"));
    let other = Loopback::start(|stream| json(stream, "{}"));
    let outbound = outbound();
    let url = |text: &str| Url::parse(text).unwrap();
    let mut held = Vec::new();
    for _ in 0..IN_FLIGHT_EACH {
        held.push(outbound.slots.take(&url(&server.url("/"))).await);
    }
    assert_eq!(failure(&outbound, &server.url("/")).await, "busy");
    assert!(get(&outbound, &other.url("/")).await.is_ok());
    for call in 0..IN_FLIGHT - IN_FLIGHT_EACH {
        let origin = format!("https://{}.example/", call / IN_FLIGHT_EACH);
        held.push(outbound.slots.take(&url(&origin)).await);
    }
    assert_eq!(failure(&outbound, &other.url("/")).await, "busy");
    drop(held);
    assert!(get(&outbound, &server.url("/")).await.is_ok());
    assert_eq!((server.seen().len(), other.seen().len()), (1, 1));
}

struct Stuck(std::sync::Mutex<std::sync::mpsc::Receiver<()>>);

impl Lookup for Stuck {
    fn addresses(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let _ = self.0.lock().unwrap().recv();
        Ok(Vec::new())
    }
}

#[actix_web::test]
async fn b52_a_look_up_that_hangs_ends_at_the_deadline() {
    let (release, wait) = std::sync::mpsc::channel();
    let stuck = Arc::new(Stuck(std::sync::Mutex::new(wait)));
    let outbound = Outbound::with_lookup(&rules(&["127.0.0.1"]), stuck).unwrap();
    assert_eq!(
        failure(&outbound, "https://provider.example/").await,
        "too_slow"
    );
    let server = Loopback::start(|stream| json(stream, "{}"));
    assert!(get(&outbound, &server.url("/")).await.is_ok());
    drop(release);
}
