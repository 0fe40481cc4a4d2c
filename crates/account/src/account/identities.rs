//! The upstream identities that open the account: see them, link another, unlink one.
//!
//! Linking begins at the provider's own address (`/upstream/{provider}/link`) and comes back here. Unlinking wants a fresh sign-in, and
//! never takes the last way in.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::answer::{see_other, to_login};
use curfew_http::body::RawForm;
use curfew_http::notice::IdentityNotice;
use curfew_http::visit::{Halt, query, with_cookie};
use curfew_http::{Edge, session};
use curfew_protocol::LinkId;

use super::signed::{REPEATED, Signed, account_page, field, signed_form, signed_page};
use crate::holdings::{self, HeldIdentity, HeldProvider, UnlinkRefusal, Unlinked};
use crate::pages::{IdentitiesPage, IdentityError, IdentityNoticeWord, IdentityRow, ProviderRow};

const PATH: &str = "/account/identities";

pub(crate) async fn get(request: HttpRequest, edge: Data<Edge>) -> HttpResponse {
    signed_page(&request, &edge, PATH, async |own: &Signed<'_>| {
        let told = match query(own.at.request)?.get("told") {
            Some("linked") => Some(IdentityNoticeWord::Linked),
            Some("already_linked") => Some(IdentityNoticeWord::AlreadyLinked),
            Some("unlinked") => Some(IdentityNoticeWord::Unlinked),
            Some("expired") => Some(IdentityNoticeWord::Expired),
            Some(_) | None => None,
        };
        page(own, (told, None)).await
    })
    .await
}

pub(crate) async fn unlink(
    request: HttpRequest,
    edge: Data<Edge>,
    payload: Payload,
) -> HttpResponse {
    let shared = edge.clone();
    let stages = async move |own: &Signed<'_>, body: &RawForm| {
        let id: Result<LinkId, _> = field(&body.parse(REPEATED)?, "id").parse();
        let id = id.map_err(|_| Halt::NotFound)?;
        let notice = IdentityNotice::of(&shared, &own.at);
        let (actor, rules) = (own.actor(), own.at.edge.lifetimes);
        let done = own
            .at
            .edge
            .store
            .write(move |write| {
                holdings::identity_unlink(write, (&actor, &rules), id, notice.as_ref())
            })
            .await?;
        match done {
            Ok(Unlinked { signed_out: false }) => {
                Ok(own.redirect(&format!("{PATH}?told=unlinked")))
            }
            Ok(Unlinked { signed_out: true }) => {
                let removal = session::cookie_removal(own.at.edge, own.at.realm);
                let response = own.redirect("/login?told=identity_unlinked");
                Ok(with_cookie(response, Some(removal)))
            }
            Err(UnlinkRefusal::SignedOut) => Ok(to_login(own.at.realm, PATH)),
            Err(UnlinkRefusal::Stale) => Ok(to_fresh_login(own, PATH)),
            Err(UnlinkRefusal::NotFound) => Err(Halt::NotFound),
            Err(UnlinkRefusal::LastWay) => page(own, (None, Some(IdentityError::LastWay))).await,
        }
    };
    signed_form((&request, payload), &edge, PATH, stages).await
}

/// To the sign-in although somebody is signed in, and back to `path`.
pub(super) fn to_fresh_login(own: &Signed<'_>, path: &str) -> HttpResponse {
    let realm = own.at.realm;
    see_other(&realm.fresh_login_path(&realm.path(path)))
}

async fn page(
    own: &Signed<'_>,
    (told, error): (Option<IdentityNoticeWord>, Option<IdentityError>),
) -> Result<HttpResponse, Halt> {
    let id = own.who.user_id;
    let found = own.read(move |read| {
        let user = read.user(id)?;
        let has_password = user.is_some_and(|user| user.password_hash.is_some());
        Ok((holdings::identities(read, id)?, has_password))
    });
    let (held, has_password) = found.await?;
    let model = IdentitiesPage {
        shell: own.at.realm.shell(),
        csrf: own.csrf(),
        told,
        error,
        identities: held.linked.into_iter().map(IdentityRow::from).collect(),
        providers: held.providers.into_iter().map(ProviderRow::from).collect(),
        has_password,
    };
    let status = match error {
        None => StatusCode::OK,
        Some(IdentityError::LastWay) => StatusCode::CONFLICT,
    };
    Ok(account_page(&own.at, status, "identities.html", &model))
}

impl From<HeldIdentity> for IdentityRow {
    fn from(held: HeldIdentity) -> Self {
        Self {
            id: held.id.to_string(),
            provider: held.provider.name,
            identity: held.display,
            since: held.since.seconds(),
            usable: held.usable,
            removable: held.removable,
        }
    }
}

impl From<HeldProvider> for ProviderRow {
    fn from(provider: HeldProvider) -> Self {
        Self {
            slug: provider.slug,
            name: provider.name,
        }
    }
}
