//! Is the person in an organisation or a team of which one is required?
//!
//! Somebody who was invited and has not agreed is no member (B26). GitHub answers 404 to who is no member; anything else that is no
//! membership is no answer, and the login ends.

use curfew_http::outbound::Answer;
use curfew_policy::upstream::OrganizationRule;
use curfew_protocol::upstream::GithubMembership;

use super::Api;
use crate::failure::{Asked, Denial, Unavailable, UpstreamFailure};

/// Membership in any one is enough.
pub(super) async fn check(api: &Api<'_>, login: &str) -> Result<(), UpstreamFailure> {
    let rules = &api.contact.provider.github.organizations;
    for rule in rules {
        if is_met(api, rule, login).await? {
            return Ok(());
        }
    }
    if rules.is_empty() {
        return Ok(());
    }
    Err(Denial::OrganizationRequired.into())
}

/// A team is asked about only below its organisation: who left that is in none of its teams.
async fn is_met(
    api: &Api<'_>,
    rule: &OrganizationRule,
    login: &str,
) -> Result<bool, UpstreamFailure> {
    let organization = rule.organization.as_str();
    if !is_member(api, &["user", "memberships", "orgs", organization]).await? {
        return Ok(false);
    }
    for team in &rule.teams {
        let path = ["orgs", organization, "teams", team, "memberships", login];
        if is_member(api, &path).await? {
            return Ok(true);
        }
    }
    Ok(rule.teams.is_empty())
}

async fn is_member(api: &Api<'_>, path: &[&str]) -> Result<bool, UpstreamFailure> {
    let asked = Asked::GithubMembership;
    match api.ask(asked, path).await? {
        Answer { status: 404, .. } => Ok(false),
        answer if answer.status == 200 => GithubMembership::parse(&answer.body)
            .map(GithubMembership::is_member)
            .map_err(|error| UpstreamFailure::unreadable(asked, error)),
        Answer { status, .. } => Err(Unavailable::Status { asked, status }.into()),
    }
}
