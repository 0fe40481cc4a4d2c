//! The applications that may do something in a person's name: see them, withdraw one.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::Edge;
use curfew_http::body::RawForm;
use curfew_http::catalogue::Catalogue;

use super::rows::{approval_row, scope_lines, told};
use super::signed::{REPEATED, Signed, field, signed_form, signed_page};
use crate::holdings::{self, Application};
use crate::pages::{ApplicationRow, ApplicationsPage};

const PATH: &str = "/account/applications";

/// Approvals of one application that are shown.
const SHOWN: usize = 5;

pub(crate) async fn get(request: HttpRequest, edge: Data<Edge>) -> HttpResponse {
    signed_page(&request, &edge, PATH, async |own: &Signed<'_>| {
        let (user, tenant) = (own.who.user_id, own.at.realm.tenant_id);
        let (held, catalogue) = own
            .read(move |read| {
                let held = holdings::applications(read, user)?;
                Ok((held, Catalogue::read(read, tenant)?))
            })
            .await?;
        let rows = held.items.into_iter();
        let model = ApplicationsPage {
            shell: own.at.realm.shell(),
            csrf: own.csrf(),
            told: told(own.at.request)?,
            applications: rows
                .map(|application| row(application, &catalogue))
                .collect(),
            more: held.more,
        };
        Ok(own.page("applications.html", &model))
    })
    .await
}

fn row(application: Application, catalogue: &Catalogue) -> ApplicationRow {
    let hidden = application.approvals.len().saturating_sub(SHOWN);
    let approvals = application.approvals.into_iter().take(SHOWN);
    ApplicationRow {
        client_id: application.client.client_id,
        name: application.client.name,
        scopes: scope_lines(application.scopes.iter(), catalogue),
        since: application.since.seconds(),
        expires_at: application.expires_at.seconds(),
        remembered_until: application.remembered_until.map(|until| until.seconds()),
        approvals: approvals.map(approval_row).collect(),
        hidden,
    }
}

pub(crate) async fn withdraw(
    request: HttpRequest,
    edge: Data<Edge>,
    payload: Payload,
) -> HttpResponse {
    let stages = async |own: &Signed<'_>, body: &RawForm| {
        let client_id = field(&body.parse(REPEATED)?, "client_id");
        own.act((PATH, "application_withdrawn"), move |write, actor| {
            holdings::application_withdraw(write, actor, &client_id)
        })
        .await
    };
    signed_form((&request, payload), &edge, PATH, stages).await
}
