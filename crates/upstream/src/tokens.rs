//! What a token endpoint answers, whatever the provider's kind (RFC 6749 §5).

use curfew_http::outbound::Answer;
use curfew_protocol::upstream::TokenAnswer;
use curfew_protocol::upstream::token_answer::GrantedTokens;

use crate::failure::{Asked, Unavailable, UpstreamFailure};

/// The tokens, if there are any. GitHub refuses with the status 200, so the body is asked first.
pub(crate) fn granted(answer: &Answer) -> Result<GrantedTokens, UpstreamFailure> {
    let (asked, status) = (Asked::Tokens, answer.status);
    let unanswered = Unavailable::Status { asked, status };
    if status >= 500 || status == 429 {
        return Err(unanswered.into());
    }
    match TokenAnswer::parse(&answer.body) {
        Ok(TokenAnswer::Refused(refusal)) => Err(UpstreamFailure::refused(&refusal)),
        Ok(TokenAnswer::Granted(tokens)) if answer.is_success() => Ok(tokens),
        Err(error) if answer.is_success() => Err(UpstreamFailure::unreadable(asked, error)),
        Ok(TokenAnswer::Granted(_)) | Err(_) => Err(unanswered.into()),
    }
}
