//! What an authorization request says, once it is known to be good.
//!
//! First the address: a client of this tenant and a redirect URI of that client ([`Addressed`]). Only who is past that can be
//! answered by a redirect at all. Then the rest ([`ValidatedRequest`]), in the order of RFC 6749 §4.1.1: response type, PKCE,
//! scopes, resources.

use curfew_http::{Edge, Realm};
use curfew_policy::status::OwnerStatus;
use curfew_policy::{pkce, redirect, resource};
use curfew_protocol::{Audiences, ClientKey, GrantType, ResponseMode, ScopeSet};
use curfew_store::StoreError;
use curfew_store::clients::Client;

use super::parameters::Parameters;
use super::prompt::Prompt;
use super::refusal::{AddressRefusal, AuthorizeRefusal};
use crate::catalogue::Catalogue;
use crate::{audience, engine, quarantine, scopes};

/// The longest `state`, in characters.
const MAX_STATE: usize = 2_000;

/// Client and redirect URI belong together.
#[derive(Debug)]
pub(crate) struct Addressed {
    client: Client,
    redirect_uri: String,
    redirect_uri_sent: bool,
}

/// Where and how an answer goes back.
#[derive(Clone, Debug)]
pub(crate) struct ReplyTo {
    pub(crate) redirect_uri: String,
    pub(crate) client_name: String,
    pub(crate) state: Option<String>,
    pub(crate) mode: ResponseMode,
}

impl Addressed {
    /// Finds the client and compares the redirect URI byte by byte, but for the port of a loopback one. `Err` names the client
    /// too, when there is one.
    pub(crate) async fn find(
        edge: &Edge,
        realm: &Realm,
        parameters: &Parameters<'_>,
    ) -> Result<Result<Self, (AddressRefusal, Option<String>)>, StoreError> {
        let Some(client_id) = parameters.get("client_id").map(str::to_owned) else {
            return Ok(Err((AddressRefusal::ClientMissing, None)));
        };
        // What could not be registered is not looked up.
        if !resource::is_name(&client_id) {
            return Ok(Err((AddressRefusal::ClientUnknown, None)));
        }
        let found = edge
            .store
            .read(move |read| read.client_by_client_id(&client_id))
            .await?;
        let Some(client) = found.filter(|client| {
            client.tenant_id == realm.tenant_id && client.status == OwnerStatus::Active
        }) else {
            return Ok(Err((AddressRefusal::ClientUnknown, None)));
        };
        let sent = parameters.get("redirect_uri");
        Ok(match redirect_uri(&client, sent) {
            Ok(uri) => Ok(Self {
                redirect_uri: uri,
                redirect_uri_sent: sent.is_some(),
                client,
            }),
            Err(refusal) => Err((refusal, Some(client.registration.name))),
        })
    }

    pub(crate) const fn client_key(&self) -> ClientKey {
        self.client.key
    }

    /// How to answer. What cannot be told apart from a good request here is taken for one; [`ValidatedRequest::read`] complains.
    pub(crate) fn reply_to(&self, parameters: &Parameters<'_>) -> ReplyTo {
        let mode = parameters
            .get("response_mode")
            .and_then(ResponseMode::parse);
        let state = parameters.get("state").filter(|state| !is_too_long(state));
        ReplyTo {
            redirect_uri: self.redirect_uri.clone(),
            client_name: self.client.registration.name.clone(),
            state: state.map(str::to_owned),
            mode: mode
                .filter(|_| self.is_web())
                .unwrap_or(ResponseMode::Query),
        }
    }

    /// May a form be posted there?
    fn is_web(&self) -> bool {
        ["https://", "http://"]
            .iter()
            .any(|scheme| self.redirect_uri.starts_with(scheme))
    }
}

fn is_too_long(state: &str) -> bool {
    state.chars().count() > MAX_STATE
}

fn redirect_uri(client: &Client, sent: Option<&str>) -> Result<String, AddressRefusal> {
    let registered = &client.registration.redirect_uris;
    match (sent, registered.as_slice()) {
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(AddressRefusal::RedirectUriMissing),
        (Some(sent), _) if registered.iter().any(|own| redirect::matches(own, sent)) => {
            Ok(sent.to_owned())
        }
        (Some(_), _) => Err(AddressRefusal::RedirectUriForeign),
    }
}

/// A request that may be put before a person.
#[derive(Clone, Debug)]
pub(crate) struct ValidatedRequest {
    pub(super) client: Client,
    pub(super) reply_to: ReplyTo,
    pub(super) redirect_uri_sent: bool,
    pub(super) code_challenge: String,
    pub(super) scopes: ScopeSet,
    pub(super) audiences: Audiences,
    /// What was asked for besides, and an account in quarantine may not give.
    pub(super) withheld: ScopeSet,
    pub(super) prompt: Prompt,
}

impl ValidatedRequest {
    /// Validates everything behind the address.
    pub(crate) fn read(
        addressed: Addressed,
        parameters: &Parameters<'_>,
        catalogue: &Catalogue,
    ) -> Result<Self, AuthorizeRefusal> {
        let prompt = read_form(&addressed, parameters)?;
        let scopes = negotiate(&addressed, parameters, catalogue)?;
        let resources = parameters.resources();
        let audiences = audience::choose(&resources, &addressed.client, &scopes, catalogue)?;
        let challenge = parameters.get("code_challenge").unwrap_or("");
        Ok(Self {
            reply_to: addressed.reply_to(parameters),
            client: addressed.client,
            redirect_uri_sent: addressed.redirect_uri_sent,
            code_challenge: challenge.to_owned(),
            scopes,
            audiences,
            withheld: ScopeSet::default(),
            prompt,
        })
    }

    /// The request as an account in quarantine may grant it (E10).
    pub(crate) fn cut_down(self, catalogue: &Catalogue) -> Result<Self, AuthorizeRefusal> {
        let cut = quarantine::cut(&self.scopes, &self.audiences, catalogue)?;
        Ok(Self {
            scopes: cut.scopes,
            audiences: cut.audiences,
            withheld: cut.withheld,
            ..self
        })
    }

    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) const fn reply_to(&self) -> &ReplyTo {
        &self.reply_to
    }

    pub(crate) const fn scopes(&self) -> &ScopeSet {
        &self.scopes
    }

    pub(crate) const fn audiences(&self) -> &Audiences {
        &self.audiences
    }

    pub(crate) const fn withheld(&self) -> &ScopeSet {
        &self.withheld
    }

    pub(crate) const fn prompt(&self) -> &Prompt {
        &self.prompt
    }
}

/// What can be said without the tenant's scopes and without the machine.
fn read_form(
    addressed: &Addressed,
    parameters: &Parameters<'_>,
) -> Result<Prompt, AuthorizeRefusal> {
    if parameters.has_repetition() {
        return Err(AuthorizeRefusal::Repeated);
    }
    if parameters.get("state").is_some_and(is_too_long) {
        return Err(AuthorizeRefusal::StateTooLong);
    }
    if parameters.get("request").is_some() || parameters.get("request_uri").is_some() {
        return Err(AuthorizeRefusal::RequestObject);
    }
    match parameters.get("response_mode").map(ResponseMode::parse) {
        None | Some(Some(ResponseMode::Query)) => {}
        Some(Some(ResponseMode::FormPost)) if addressed.is_web() => {}
        Some(Some(ResponseMode::FormPost)) => return Err(AuthorizeRefusal::FormPostNeedsWeb),
        Some(None) => return Err(AuthorizeRefusal::ResponseModeUnsupported),
    }
    if parameters.get("response_type").is_none() {
        return Err(AuthorizeRefusal::ResponseTypeMissing);
    }
    Prompt::parse(parameters.get("prompt").unwrap_or("")).ok_or(AuthorizeRefusal::PromptUnsupported)
}

fn negotiate(
    addressed: &Addressed,
    parameters: &Parameters<'_>,
    catalogue: &Catalogue,
) -> Result<ScopeSet, AuthorizeRefusal> {
    let client = &addressed.client;
    let scope = parameters.get("scope");
    let request = engine::AuthorizationRequest {
        client_id: &client.registration.client_id,
        redirect_uri: &addressed.redirect_uri,
        response_type: parameters.get("response_type"),
        scope,
        // Checked before, because the machine knows nothing of its shape.
        code_challenge: parameters
            .get("code_challenge")
            .filter(|c| pkce::is_s256_challenge(c)),
        code_challenge_method: parameters.get("code_challenge_method"),
    };
    engine::authorize(&request, || {
        if !client.may_use(GrantType::AuthorizationCode) {
            return Err(AuthorizeRefusal::GrantNotAllowed);
        }
        Ok(scopes::grant(scope, client, catalogue)?)
    })
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
