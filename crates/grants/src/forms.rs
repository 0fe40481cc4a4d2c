//! The forms by which people decide: on the consent page, and about devices.

use curfew_http::PageProblem;
use curfew_http::csrf::FormRefusal;
use curfew_http::pages::ErrorKind;
use curfew_http::problem::PageContext;
use curfew_http::session::SignedIn;
use curfew_protocol::Form;

/// What the person decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Approve,
    Deny,
}

impl Decision {
    pub(crate) fn read(form: &Form<'_>) -> Option<Self> {
        match form.get("decision")? {
            "approve" => Some(Self::Approve),
            "deny" => Some(Self::Deny),
            _ => None,
        }
    }
}

/// Is the form one that was made for this session? `Ok(false)`: it was, and lay open too long.
pub(crate) fn is_fresh(
    at: &PageContext<'_>,
    who: &SignedIn,
    form: &Form<'_>,
) -> Result<bool, PageProblem> {
    match who
        .form_owner()
        .check(at.edge, at.request, form.get("csrf"))
    {
        Ok(()) => Ok(true),
        Err(FormRefusal::Expired) => Ok(false),
        Err(FormRefusal::Foreign) => {
            let code = Some("foreign_form");
            Err(PageProblem::new(ErrorKind::Forbidden, code, at))
        }
    }
}
