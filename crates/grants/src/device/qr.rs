//! The complete link as a picture, which a device may show beside the code.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use curfew_http::{Edge, Problem, Realm};
use curfew_protocol::{ErrorCode, Form, OAuthError, UserCode};
use qrcode::QrCode;
use qrcode::render::svg;

/// `GET /device/qr.svg?user_code=…`: says nothing that its caller did not know, and asks nobody whether the code exists.
pub(crate) async fn get(edge: Data<Edge>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let Some(realm) = Realm::of(&request, &edge).await? else {
        return Ok(HttpResponse::NotFound().finish());
    };
    let query = Form::parse(request.query_string().as_bytes(), &[]).ok();
    let code = query
        .as_ref()
        .and_then(|query| query.get("user_code"))
        .and_then(UserCode::parse)
        .ok_or_else(|| {
            let told = "user_code is missing or cannot be one";
            OAuthError::new(ErrorCode::InvalidRequest, told)
        })?;
    let verification_uri = format!("{}/device", realm.issuer(&edge));
    let link = super::authorization::complete_link(&verification_uri, &code.to_string());
    let Ok(picture) = QrCode::new(link.as_bytes()) else {
        return Ok(HttpResponse::InternalServerError().finish());
    };
    let picture = picture
        .render()
        .min_dimensions(240, 240)
        .dark_color(svg::Color("#000"))
        .light_color(svg::Color("#fff"))
        .build();
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "image/svg+xml"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("content-security-policy", "default-src 'none'"))
        .insert_header(("x-content-type-options", "nosniff"))
        .body(picture))
}
