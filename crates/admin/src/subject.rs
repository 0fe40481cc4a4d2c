//! What a pasted text is: a credential's value, or the id of a token or node. A value is believed only when its digest fits.

use curfew_policy::standing::Standing;
use curfew_protocol::{
    CodeId, DeviceCodeId, NodeId, ParsedRefresh, ParsedToken, Timestamp, TokenId, TokenKind,
};
use curfew_store::device_codes::DeviceCodeState;
use curfew_store::tree::Subject;
use curfew_store::{KeyedDigest, Read};

use crate::AdminError;

const NOT_FOUND: &str = "nothing is known of this token; it was never issued here, its value was altered, or clean-up has \
     removed it long after its end";

/// Finds the subject of `text`. The text itself never goes into an error: it may be a secret.
pub(crate) fn find(read: &mut Read<'_>, text: &str) -> Result<Subject, AdminError> {
    let found = match TokenKind::of(text) {
        None => by_id(read, text)?,
        Some(kind @ (TokenKind::AccessToken | TokenKind::PersonalAccessToken)) => {
            access_token(read, kind, text)?
        }
        Some(TokenKind::RefreshToken) => refresh_token(read, text)?,
        Some(TokenKind::AuthorizationCode) => code(read, text)?,
        Some(TokenKind::Session) => session(read, text)?,
        Some(TokenKind::DeviceCode) => device_code(read, text)?,
        Some(TokenKind::ClientSecret | TokenKind::MailedLink | TokenKind::BootstrapSecret) => {
            return Err(AdminError::invalid(
                "this is no token but a client's or resource server's secret, a mailed link or the bootstrap secret; use \
                 `curfew client rotate-secret`, `curfew resource rotate-secret` or `curfew user invite` to replace it",
            ));
        }
        Some(TokenKind::UpstreamState) => {
            return Err(AdminError::invalid(
                "this is no token but the state of a sign-in upstream; it is used up when the person comes back, and ends by itself",
            ));
        }
    };
    found.ok_or_else(|| AdminError::invalid(NOT_FOUND))
}

fn by_id(read: &mut Read<'_>, text: &str) -> Result<Option<Subject>, AdminError> {
    let Ok(token_id) = text.parse::<TokenId>() else {
        return Err(AdminError::invalid(
            "this is neither a token nor an id; an id is 22 letters and digits, a token starts with cfat_, cfpt_ or cfrt_",
        ));
    };
    if let Some(token) = read.token_chain(token_id)? {
        return Ok(Some(Subject::Token(token)));
    }
    Ok(read.node_subject(NodeId::from_bytes(*token_id.as_bytes()))?)
}

fn fits(read: &Read<'_>, kind: TokenKind, parsed: &ParsedToken, stored: KeyedDigest) -> bool {
    read.keys()
        .verify(kind, &parsed.selector, &parsed.secret, stored)
}

fn access_token(
    read: &mut Read<'_>,
    kind: TokenKind,
    text: &str,
) -> Result<Option<Subject>, AdminError> {
    let Ok(parsed) = ParsedToken::parse(kind, text) else {
        return Ok(None);
    };
    let token = read.token_chain(TokenId::from_bytes(parsed.selector))?;
    Ok(token
        .filter(|token| fits(read, kind, &parsed, token.digest))
        .map(Subject::Token))
}

fn session(read: &mut Read<'_>, text: &str) -> Result<Option<Subject>, AdminError> {
    let kind = TokenKind::Session;
    let Ok(parsed) = ParsedToken::parse(kind, text) else {
        return Ok(None);
    };
    let id = NodeId::from_bytes(parsed.selector);
    match read
        .session(id)?
        .filter(|session| fits(read, kind, &parsed, session.digest))
    {
        Some(_) => Ok(read.node_subject(id)?),
        None => Ok(None),
    }
}

fn code(read: &mut Read<'_>, text: &str) -> Result<Option<Subject>, AdminError> {
    let kind = TokenKind::AuthorizationCode;
    let Ok(parsed) = ParsedToken::parse(kind, text) else {
        return Ok(None);
    };
    let code = read.code(CodeId::from_bytes(parsed.selector))?;
    let Some(code) = code.filter(|code| fits(read, kind, &parsed, code.digest)) else {
        return Ok(None);
    };
    let standing = code_standing(code.consumed_at, code.expires_at, read.now());
    let chain = code.approval.node;
    let standing = standing.unwrap_or_else(|| Standing::of(chain.judge(read.now())));
    Ok(Some(Subject::Node { chain, standing }))
}

/// The approval that a device code led to; one that still waits leads to nothing yet.
fn device_code(read: &mut Read<'_>, text: &str) -> Result<Option<Subject>, AdminError> {
    let kind = TokenKind::DeviceCode;
    let Ok(parsed) = ParsedToken::parse(kind, text) else {
        return Ok(None);
    };
    let code = read.device_code(DeviceCodeId::from_bytes(parsed.selector))?;
    let Some(code) = code.filter(|code| fits(read, kind, &parsed, code.digest)) else {
        return Ok(None);
    };
    match code.state {
        DeviceCodeState::Approved(approval) | DeviceCodeState::Consumed(approval) => {
            Ok(read.node_subject(approval)?)
        }
        DeviceCodeState::Pending | DeviceCodeState::Denied => Err(AdminError::invalid(
            "this is a device code that nobody approved; no token came of it, and it expires by itself",
        )),
    }
}

fn code_standing(
    consumed_at: Option<Timestamp>,
    expires_at: Timestamp,
    now: Timestamp,
) -> Option<Standing> {
    if consumed_at.is_some() {
        return Some(Standing::dead("code_redeemed"));
    }
    now.has_reached(expires_at)
        .then(|| Standing::dead("code_expired"))
}

/// The tag proves that an older generation was issued here; the present one must show its secret.
fn refresh_token(read: &mut Read<'_>, text: &str) -> Result<Option<Subject>, AdminError> {
    let Ok(parsed) = ParsedRefresh::parse(text) else {
        return Ok(None);
    };
    let Some(family) = read.family(parsed.family)? else {
        return Ok(None);
    };
    let presented = family.compare(read.keys(), &parsed);
    let is_present = presented.generation == family.state.generation;
    if !presented.tag_is_ours || (is_present && !presented.is_current_secret) {
        return Ok(None);
    }
    let found = read.node_subject(parsed.family)?;
    Ok(match found {
        Some(Subject::Node { chain, standing }) if standing.alive && !is_present => {
            Some(Subject::Node {
                chain,
                standing: Standing::dead("refresh_rotated"),
            })
        }
        other => other,
    })
}
