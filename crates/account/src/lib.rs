//! Signing in with a local password, browser sessions, and the account page.
//!
//! Each endpoint is a file, and reads as its stages in order: the form, who sent it, what limits it, what is verified, one
//! transaction, the answer. The frame around all of them is [`visit`], in the edge kit. Paths are relative: the server mounts [`routes`] at the root
//! for the default tenant and under `/t/{tenant}` for the others.

mod account;
pub mod api;
mod assets;
mod bootstrap;
mod forgot;
mod guess;
mod health;
mod login;
mod logout;
mod notice;
mod password_link;
mod providers;
mod sign_in;
#[cfg(test)]
mod tests;

pub mod holdings;
pub mod pages;

use actix_web::{HttpResponse, Resource, web};
use curfew_http::{problem, visit};

pub use health::Readiness;

/// Registers the endpoints of this crate.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.service(
        reading(web::resource(["", "/"]))
            .get(account::home)
            .head(account::home),
    )
    .service(
        acting("/login")
            .get(login::get)
            .head(login::get)
            .post(login::post),
    )
    .service(
        acting("/login/forgot")
            .get(forgot::get)
            .head(forgot::get)
            .post(forgot::post),
    )
    .service(
        acting("/login/password")
            .get(password_link::get)
            .head(password_link::get)
            .post(password_link::post),
    )
    .service(
        acting("/bootstrap")
            .get(bootstrap::get)
            .head(bootstrap::get)
            .post(bootstrap::post),
    )
    .service(
        acting("/logout")
            .get(logout::get)
            .head(logout::get)
            .post(logout::post),
    )
    .service(
        shown("/signed-out")
            .get(logout::signed_out)
            .head(logout::signed_out),
    )
    .service(shown("/account").get(account::get).head(account::get))
    .service(
        web::resource("/account/password")
            .post(account::post)
            .default_service(web::to(|| refused("POST"))),
    )
    .configure(holding_routes)
    .configure(sign_in_routes)
    .service(
        shown("/assets/style.css")
            .get(assets::style)
            .head(assets::style),
    )
    .service(
        shown("/assets/logo.svg")
            .get(assets::logo)
            .head(assets::logo),
    )
    .service(
        shown("/assets/logo.png")
            .get(assets::logo)
            .head(assets::logo),
    )
    .service(shown("/health").get(health::health).head(health::health))
    .service(shown("/ready").get(health::ready).head(health::ready))
    .configure(api::routes);
}

/// The pages on which people see what they hold, and end it. What a form is posted to has a path of its own.
fn holding_routes(cfg: &mut web::ServiceConfig) {
    use account::{applications, new_token, sessions, tokens};
    cfg.service(
        shown("/account/sessions")
            .get(sessions::get)
            .head(sessions::get),
    )
    .service(posted("/account/sessions/end").post(sessions::end))
    .service(
        acting("/account/sessions/end-all")
            .get(sessions::ask_end_all)
            .head(sessions::ask_end_all)
            .post(sessions::end_all),
    )
    .service(
        shown("/account/applications")
            .get(applications::get)
            .head(applications::get),
    )
    .service(posted("/account/applications/withdraw").post(applications::withdraw))
    .service(posted("/account/devices/disown").post(tokens::disown))
    .service(shown("/account/tokens").get(tokens::get).head(tokens::get))
    .service(
        acting("/account/tokens/new")
            .get(new_token::get)
            .head(new_token::get)
            .post(new_token::post),
    )
    .service(shown("/account/tokens/made").get(new_token::made))
    .service(posted("/account/tokens/end").post(tokens::end))
    .service(
        acting("/account/tokens/end-all")
            .get(tokens::ask_end_all)
            .head(tokens::ask_end_all)
            .post(tokens::end_all),
    )
    .service(
        shown("/account/tokens/{id}")
            .get(tokens::one)
            .head(tokens::one),
    );
}

/// The pages about how somebody signs in, and the mailed links about it.
fn sign_in_routes(cfg: &mut web::ServiceConfig) {
    use account::{email, identities, undo};
    cfg.service(
        shown("/account/identities")
            .get(identities::get)
            .head(identities::get),
    )
    .service(posted("/account/identities/unlink").post(identities::unlink))
    .service(
        acting("/account/email")
            .get(email::get)
            .head(email::get)
            .post(email::post),
    )
    .service(posted("/account/email/own").post(email::own))
    .service(
        acting("/account/email/confirm")
            .get(email::confirm_get)
            .head(email::confirm_get)
            .post(email::confirm_post),
    )
    .service(
        shown("/account/email/confirmed")
            .get(email::confirmed)
            .head(email::confirmed),
    )
    .service(
        acting("/account/undo")
            .get(undo::get)
            .head(undo::get)
            .post(undo::post),
    )
    .service(shown("/account/undone").get(undo::done).head(undo::done));
}

fn posted(path: &str) -> Resource {
    web::resource(path).default_service(web::to(|| refused("POST")))
}

fn reading(resource: Resource) -> Resource {
    resource.default_service(web::to(|| refused("GET, HEAD")))
}

fn shown(path: &str) -> Resource {
    reading(web::resource(path))
}

fn acting(path: &str) -> Resource {
    web::resource(path).default_service(web::to(|| refused("GET, HEAD, POST")))
}

async fn refused(methods: &'static str) -> HttpResponse {
    problem::method_not_allowed(methods)
}
