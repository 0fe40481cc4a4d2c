//! `curfew upstream test` for GitHub.

use crate::check::{CheckLine, clock, told};
use crate::client::Contact;
use crate::failure::{Asked, Unavailable, UpstreamFailure};

use super::{api_call, api_url, site};

pub(crate) async fn check(contact: Contact<'_>) -> Vec<CheckLine> {
    let mut lines = vec![address(contact)];
    lines.extend(api(contact).await);
    if contact.provider.client_secret.is_none() {
        lines.push(CheckLine::bad(
            "client authentication",
            "GitHub redeems no code without the client's secret; set it",
        ));
    }
    lines
}

fn address(contact: Contact<'_>) -> CheckLine {
    const WHAT: &str = "endpoints";
    match site(contact.provider, "login/oauth/authorize") {
        Ok(url) if url.scheme() == "https" => CheckLine::good(WHAT, url),
        Ok(url) => CheckLine::warning(WHAT, format!("{url} is not https, which is for tests only")),
        Err(failure) => CheckLine::bad(WHAT, told(&failure)),
    }
}

/// Without a token the interface answers with its list of addresses, or refuses; both show that it is there.
async fn api(contact: Contact<'_>) -> Vec<CheckLine> {
    const WHAT: &str = "REST interface";
    let url = match api_url(contact.provider) {
        Ok(url) => url,
        Err(failure) => return vec![CheckLine::bad(WHAT, told(&failure))],
    };
    let asked = Asked::GithubUser;
    match contact.outbound.get(api_call(&url)).await {
        Ok(answer) if matches!(answer.status, 200 | 401 | 403) => vec![
            CheckLine::good(WHAT, format!("{url} answers")),
            clock(answer.date, contact.now),
        ],
        Ok(answer) => {
            let status = answer.status;
            let failure = Unavailable::Status { asked, status }.into();
            vec![CheckLine::bad(WHAT, format!("{url}: {}", told(&failure)))]
        }
        Err(error) => {
            let failure = UpstreamFailure::not_taken(asked, error);
            vec![CheckLine::bad(WHAT, format!("{url}: {}", told(&failure)))]
        }
    }
}
