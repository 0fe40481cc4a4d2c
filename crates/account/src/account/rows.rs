//! From what the store knows to what the pages show.

use actix_web::HttpRequest;
use curfew_http::catalogue::Catalogue;
use curfew_http::pages::OwnWords;
use curfew_protocol::{OwnScope, Timestamp};
use curfew_store::codes::ApprovalBasis;

use crate::holdings::{Approved, ApprovedBy, HeldApproval, HeldIdentity, HeldToken, OwnTreeRow};
use crate::pages::{
    ApprovalRow, ApprovalWords, BasisWord, HoldingNotice, ScopeLine, ThroughWords, TokenRow,
    TreeRowModel,
};
use crate::visit::{Halt, query};

/// What the page before tells.
pub(super) fn told(request: &HttpRequest) -> Result<Option<HoldingNotice>, Halt> {
    Ok(match query(request)?.get("told") {
        Some("session_ended") => Some(HoldingNotice::SessionEnded),
        Some("application_withdrawn") => Some(HoldingNotice::ApplicationWithdrawn),
        Some("token_ended") => Some(HoldingNotice::TokenEnded),
        Some("tokens_ended") => Some(HoldingNotice::TokensEnded),
        Some("device_disowned") => Some(HoldingNotice::DeviceDisowned),
        Some("gone") => Some(HoldingNotice::Gone),
        Some("expired") => Some(HoldingNotice::Expired),
        Some(_) | None => None,
    })
}

pub(super) fn scope_lines<'s>(
    names: impl Iterator<Item = &'s str>,
    catalogue: &Catalogue,
) -> Vec<ScopeLine> {
    names.map(|name| scope_line(name, catalogue)).collect()
}

pub(super) fn scope_line(name: &str, catalogue: &Catalogue) -> ScopeLine {
    let scope = catalogue.scope(name);
    ScopeLine {
        name: name.to_owned(),
        description: scope
            .map(|scope| scope.description.clone())
            .filter(|text| !text.is_empty()),
        own: OwnScope::parse(name).map(OwnWords::of),
    }
}

pub(super) fn approval_row(approval: HeldApproval) -> ApprovalRow {
    ApprovalRow {
        id: approval.id.to_string(),
        client: approval.client.map(|client| client.name),
        created_at: approval.created_at.seconds(),
        expires_at: approval.expires_at.seconds(),
        approved: words(approval.approved),
    }
}

pub(super) fn token_row(token: HeldToken) -> TokenRow {
    TokenRow {
        id: token.id.to_string(),
        kind: token.kind,
        name: token.name,
        client: token.client.map(|client| client.name),
        scopes: token.scopes,
        created_at: token.created_at.seconds(),
        expires_at: token.expires_at.seconds(),
        idle_at: token.idle_at.map(Timestamp::seconds),
        last_used_at: token.last_used_at.map(Timestamp::seconds),
        approved: words(token.approved),
    }
}

fn words(approved: Approved) -> ApprovalWords {
    let (session, token) = match approved.by {
        Some(ApprovedBy::Session(id)) => (Some(id.to_string()), None),
        Some(ApprovedBy::Token(id)) => (None, Some(id.to_string())),
        None => (None, None),
    };
    let (ip, user_agent) = approved
        .device
        .map_or((None, None), |device| (device.ip, device.user_agent));
    ApprovalWords {
        basis: approved.basis.map(|basis| match basis {
            ApprovalBasis::Asked => BasisWord::Asked,
            ApprovalBasis::Remembered => BasisWord::Remembered,
            ApprovalBasis::Implicit => BasisWord::Implicit,
            ApprovalBasis::Device => BasisWord::Device,
        }),
        session,
        token,
        ip,
        user_agent,
    }
}

pub(super) fn through(identity: HeldIdentity) -> ThroughWords {
    ThroughWords {
        provider: identity.provider.name,
        identity: identity.display,
    }
}

/// The rows with the lists that they open and close, and how many are open in the end.
pub(super) fn tree_rows(rows: Vec<OwnTreeRow>) -> (Vec<TreeRowModel>, usize) {
    let mut open = 0;
    let mut shown = Vec::with_capacity(rows.len());
    for row in rows {
        // A row above which something is left out hangs on the nearest one that is shown.
        let level = (row.depth + 1).min(open + 1);
        let closes = open.saturating_sub(level);
        shown.push(TreeRowModel {
            closes,
            opens: level > open,
            edge: row.edge,
            kind: row.kind,
            id: row.id,
            name: row.name,
            client: row.client.map(|client| client.name),
            through: row.through.map(through),
            alive: row.standing.alive,
            cause: row.standing.cause,
            created_at: row.created_at.seconds(),
            expires_at: row.expires_at.seconds(),
            asked: row.asked,
        });
        open = level;
    }
    (shown, open)
}
