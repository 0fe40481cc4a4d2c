//! B50: what is approved in a session that ends with one upstream ends no later, and with it.

use curfew_policy::status::DeathCause;
use curfew_protocol::{NodeId, ParsedToken, TokenId, TokenKind};

use crate::support::Server;

impl Server {
    fn ends(&self, id: NodeId) -> i64 {
        self.read(|read| Ok(read.node_chain(id)?.unwrap().facts.expires_at.seconds()))
    }

    /// The ends of the nodes that an access token hangs on, itself first.
    fn ends_above(&self, token: &str) -> Vec<i64> {
        let parsed = ParsedToken::parse(TokenKind::AccessToken, token).unwrap();
        self.read(|read| {
            let token = read
                .token_chain(TokenId::from_bytes(parsed.selector))?
                .unwrap();
            let mut ends = vec![token.facts.expires_at.seconds()];
            let mut above = Some(token.node.id);
            while let Some(id) = above {
                ends.push(read.node_chain(id)?.unwrap().facts.expires_at.seconds());
                above = read.node_edges(id)?.unwrap().parent_id;
            }
            Ok(ends)
        })
    }

    async fn end(&self, id: NodeId) {
        self.write(move |write| {
            write
                .node_end(id, DeathCause::LoggedOutUpstream)
                .map(|_| ())
        })
        .await;
    }
}

#[actix_web::test]
async fn b50_an_approval_and_its_family_end_with_the_session_bound_upstream() {
    let mut server = Server::start().await;
    let session = server.sign_in_bound().await;
    let end = server.ends(session);
    let tokens = server.tokens().await;
    let (access, refresh) = (tokens.text("access_token"), tokens.text("refresh_token"));
    let ends = server.ends_above(&access);
    assert_eq!(ends.len(), 4, "token, family, approval, session");
    assert!(ends.iter().all(|own| *own <= end), "{ends:?} after {end}");
    assert!(server.is_alive(&access));
    server.end(session).await;
    assert!(!server.is_alive(&access));
    server
        .refresh(&refresh, &[])
        .await
        .expect_error(400, "invalid_grant");
}

#[actix_web::test]
async fn b50_a_device_approved_in_a_session_bound_upstream_ends_with_it() {
    let mut server = Server::start().await;
    let session = server.sign_in_bound().await;
    let end = server.ends(session);
    let (device_code, user_code) = server.device("read offline_access").await;
    let page = server.device_page(&user_code).await;
    let done = server.approve_device(&page).await;
    assert_eq!(done.location(), "/device/done?outcome=approved");
    let access = server.poll(&device_code).await.text("access_token");
    let ends = server.ends_above(&access);
    assert_eq!(ends.len(), 4, "token, family, approval, session");
    assert!(ends.iter().all(|own| *own <= end), "{ends:?} after {end}");
    server.end(session).await;
    assert!(!server.is_alive(&access));
}

#[actix_web::test]
async fn c04_a_device_approved_in_any_other_session_outlives_it() {
    let server = Server::start().await;
    let (device_code, user_code) = server.device("read offline_access").await;
    let page = server.device_page(&user_code).await;
    server.approve_device(&page).await;
    let access = server.poll(&device_code).await.text("access_token");
    let ends = server.ends_above(&access);
    assert_eq!(ends.len(), 3, "token, family, approval");
    assert!(ends[2] - 1_800_000_000 > 43_200, "{ends:?}");
}
