//! Fills a database with living tokens, for measurements.

use curfew_policy::lifetime::{
    AccessTokenPlan, Caps, Credential, ExpiresAt, LifetimeRefusal, LifetimeRules,
};
use curfew_policy::status::NodeKind;
use curfew_protocol::own_api::{OWN_API, OWN_API_EPOCH, OWN_API_IDENTIFIER};
use curfew_protocol::{Audience, Audiences, NodeId, OpaqueToken, OwnScope, Timestamp};
use curfew_store::Write;
use curfew_store::bulk::BulkTokens;
use curfew_store::clients::Client;
use curfew_store::codes::{ApprovalBasis, NewApproval};
use curfew_store::nodes::{Ancestor, Birth, NewNode};
use curfew_store::sessions::NewSession;
use curfew_store::users::User;

use crate::clients::client;
use crate::resources::resource;
use crate::users::user;
use crate::{Admin, AdminError, tenant};

/// Tokens on one node; also what one statement inserts.
const TOKENS_OF_A_NODE: usize = 1_000;
/// Tokens in one transaction.
const TOKENS_AT_ONCE: usize = 20_000;

/// Whose tokens they are to be.
#[derive(Clone, Debug)]
pub struct Filling {
    pub tenant: String,
    pub client_id: String,
    /// Without a user, they are the client's own.
    pub username: Option<String>,
    pub tokens: usize,
    /// How many values are wanted back.
    pub sample: usize,
}

impl Admin {
    /// Stores the tokens; `progress` hears how many there are after each transaction. Answers a sample of their values.
    pub fn fill(
        &self,
        filling: &Filling,
        progress: impl Fn(usize),
    ) -> Result<Vec<String>, AdminError> {
        let nodes = filling.tokens.div_ceil(TOKENS_OF_A_NODE).max(1);
        let keep = filling.sample.div_ceil(nodes);
        let mut sample = Vec::new();
        let mut done = 0;
        while done < filling.tokens {
            let count = (filling.tokens - done).min(TOKENS_AT_ONCE);
            sample.extend(self.fill_step(filling.clone(), count, keep)?);
            done += count;
            progress(done);
        }
        let every = (sample.len() / filling.sample.max(1)).max(1);
        Ok(sample
            .into_iter()
            .step_by(every)
            .take(filling.sample)
            .collect())
    }

    /// One transaction.
    fn fill_step(
        &self,
        filling: Filling,
        tokens: usize,
        keep: usize,
    ) -> Result<Vec<String>, AdminError> {
        let rules = self.rules;
        self.write(move |write| {
            let plot = Plot::new(write, &filling, rules)?;
            let mut kept: Vec<OpaqueToken> = Vec::new();
            let mut left = tokens;
            while left > 0 {
                let count = left.min(TOKENS_OF_A_NODE);
                let (node_id, node_end) = plot.node(write)?;
                kept.extend(write.tokens_insert_bulk(&BulkTokens {
                    node_id,
                    node_expires_at: node_end.timestamp(),
                    scopes: plot.client.registration.scopes.clone(),
                    audiences: plot.audiences.clone(),
                    expires_at: plot.token_end(write.now(), node_end)?,
                    count,
                    keep,
                })?);
                left -= count;
            }
            Ok(kept.iter().map(OpaqueToken::reveal).collect())
        })
    }
}

fn no_room(refusal: LifetimeRefusal) -> AdminError {
    AdminError::invalid(refusal.to_string())
}

/// What the tokens of one transaction hang on.
struct Plot {
    rules: LifetimeRules,
    client: Client,
    audiences: Audiences,
    birth: Birth,
    /// The browser session that gave the approvals.
    session: Option<NodeId>,
}

impl Plot {
    fn new(
        write: &mut Write<'_>,
        filling: &Filling,
        rules: LifetimeRules,
    ) -> Result<Self, AdminError> {
        let owner = tenant(write, &filling.tenant)?;
        let client = client(write, owner.id, &filling.client_id)?;
        let person = match &filling.username {
            Some(username) => Some(user(write, owner.id, username)?),
            None => None,
        };
        let audiences = audiences(write, &client)?;
        let of_client = Some((client.key, client.epoch));
        let of_person = person.as_ref().map(|user| (user.id, user.epoch));
        let birth = write.birth(owner.id, of_person, of_client)?;
        let birth = birth.ok_or_else(|| AdminError::invalid("the tenant is not active"))?;
        let session = match &person {
            Some(user) => Some(session(write, &rules, user, birth)?),
            None => None,
        };
        Ok(Self {
            rules,
            client,
            audiences,
            birth,
            session,
        })
    }

    /// An approval of the user's, or a standing grant of the client's.
    fn node(&self, write: &mut Write<'_>) -> Result<(NodeId, ExpiresAt), AdminError> {
        let now = write.now();
        let end = |credential| {
            self.rules
                .expires_at(credential, now, Caps::default())
                .map_err(no_room)
        };
        let Some(session) = self.session else {
            let expires_at = end(Credential::ClientGrant)?;
            let id = write.node_insert(&NewNode {
                kind: NodeKind::ClientGrant,
                birth: self.birth,
                ancestor: Ancestor::None,
                parent_token: None,
                actor: None,
                session_id: None,
                expires_at,
            })?;
            return Ok((id, expires_at));
        };
        let expires_at = end(Credential::Approval)?;
        let id = write.approval_insert(&NewApproval {
            birth: self.birth,
            ancestor: Ancestor::Recorded(session),
            session_id: None,
            parent_token: None,
            device: None,
            expires_at,
            scopes: self.client.registration.scopes.clone(),
            audiences: self.audiences.clone(),
            basis: ApprovalBasis::Implicit,
        })?;
        Ok((id, expires_at))
    }

    /// As late as the rules allow: the measurements take their time.
    fn token_end(&self, now: Timestamp, node_end: ExpiresAt) -> Result<ExpiresAt, AdminError> {
        let mut rules = self.rules;
        let longest = LifetimeRules::REFERENCE
            .iter()
            .find(|rule| rule.name == "access_token");
        if let Some(rule) = longest {
            rules.set(rule.name, rule.max);
        }
        let plan = AccessTokenPlan {
            asked: None,
            rules,
            client: None,
            scopes: Vec::new(),
        };
        plan.expires_at(now, None, node_end.timestamp())
            .map_err(no_room)
    }
}

fn session(
    write: &mut Write<'_>,
    rules: &LifetimeRules,
    user: &User,
    birth: Birth,
) -> Result<NodeId, AdminError> {
    let expires_at = rules
        .expires_at(Credential::Session, write.now(), Caps::default())
        .map_err(no_room)?;
    let (id, _) = write.session_insert(&NewSession {
        birth: Birth {
            client: None,
            ..birth
        },
        expires_at,
        idle_lifetime: rules.session_idle_lifetime(user.administrator),
        ip: "127.0.0.1".to_owned(),
        user_agent: "bench-fill".to_owned(),
        upstream: None,
    })?;
    Ok(id)
}

/// Every resource server of the client, with all of the client's scopes.
fn audiences(write: &mut Write<'_>, client: &Client) -> Result<Audiences, AdminError> {
    let mut audiences = Vec::new();
    for resource_id in &client.registration.resources {
        let server = resource(write, client.tenant_id, resource_id)?;
        audiences.push(Audience {
            key: server.key,
            epoch: server.epoch,
            identifier: server.identifier,
            scopes: client.registration.scopes.clone(),
        });
    }
    if own_scopes(client).next().is_some() {
        audiences.push(Audience {
            key: OWN_API,
            epoch: OWN_API_EPOCH,
            identifier: OWN_API_IDENTIFIER.to_owned(),
            scopes: own_scopes(client).map(str::to_owned).collect(),
        });
    }
    Ok(Audiences(audiences))
}

fn own_scopes(client: &Client) -> impl Iterator<Item = &str> {
    let all = client.registration.scopes.iter();
    all.filter(|scope| OwnScope::parse(scope).is_some())
}
