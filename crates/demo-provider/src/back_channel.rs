//! Telling the clients that somebody signed out (Back-Channel Logout 1.0).

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use serde_json::json;
use url::{Host, Url};

use crate::hooks::{JwtDraft, apply};
use crate::jwt;
use crate::keys::Algorithm;
use crate::provider::{Broken, Provider, Told};
use crate::state::{self, Session};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// Seconds in which a logout token is good (§4 asks for two minutes at most).
const LOGOUT_TOKEN: i64 = 120;
/// How long a client may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// As much of an answer as tells its status.
const STATUS_LINE: u64 = 64;

/// A logout token on its way.
#[derive(Debug)]
pub(crate) struct Notice {
    client_id: String,
    uri: String,
    token: String,
}

/// What each client that took part in the session gets.
pub(crate) fn notices(provider: &Provider, session: &Session) -> Result<Vec<Notice>, Broken> {
    let clients = session.clients.iter().filter_map(|id| provider.client(id));
    let with_address =
        clients.filter_map(|client| Some((client.id, client.backchannel_logout_uri?)));
    let notices = with_address.map(|(client_id, uri)| {
        let token = logout_token(provider, &client_id, &session.subject, &session.sid)?;
        Ok(Notice {
            client_id,
            uri,
            token,
        })
    });
    notices.collect()
}

/// §2.4
pub(crate) fn logout_token(
    provider: &Provider,
    client_id: &str,
    subject: &str,
    sid: &str,
) -> Result<String, Broken> {
    let now = provider.now();
    let claims = json!({
        "iss": provider.issuer(),
        "sub": subject,
        "aud": client_id,
        "iat": now,
        "exp": now + LOGOUT_TOKEN,
        "jti": state::random()?,
        "sid": sid,
        "events": {EVENT: {}},
    });
    let client = provider.client(client_id);
    let algorithm = client.map_or(Algorithm::Es256, |client| client.algorithm);
    let mut draft = JwtDraft::new("logout+jwt", claims, provider.key(algorithm));
    apply(&provider.hooks().logout_token, &mut draft);
    jwt::compact(&draft)
}

/// §2.5. Waits for the answer, so it must not run on a thread that serves.
pub(crate) fn send(notice: &Notice) -> Told {
    Told {
        client_id: notice.client_id.clone(),
        status: post(&notice.uri, &notice.token),
    }
}

/// Clear text only: this provider and its clients live on one machine.
fn post(uri: &str, token: &str) -> Option<u16> {
    let url = Url::parse(uri).ok().filter(|url| url.scheme() == "http")?;
    let host = url.host()?;
    let port = url.port_or_known_default()?;
    let name = match &host {
        Host::Domain(name) => (*name).to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    let address = (name.as_str(), port).to_socket_addrs().ok()?.next()?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let body = format!("logout_token={token}");
    let request = format!(
        "POST {target} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut start = Vec::new();
    // What came before the peer hung up tells enough.
    let _ = stream.take(STATUS_LINE).read_to_end(&mut start);
    let start = String::from_utf8_lossy(&start).into_owned();
    start.split(' ').nth(1)?.parse().ok()
}
