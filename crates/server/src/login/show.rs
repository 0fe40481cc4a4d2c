//! What the person sees while the program waits.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

use super::device::Code;
use crate::commands::maintenance::progress;

/// The lines that say where to go and what to type.
pub(super) fn instructions(code: &Code, with_qr: bool) -> String {
    let complete = code.verification_uri_complete.as_ref();
    let picture = complete
        .filter(|_| with_qr)
        .and_then(|link| qr(link.as_str()))
        .map(|picture| format!("\n{picture}\n\nThe picture holds the link with the code in it.\n"));
    let filled_in =
        || complete.map(|link| format!("\nor open it with the code filled in:\n\n  {link}\n"));
    let picture = picture.or_else(filled_in).unwrap_or_default();
    format!(
        "Open this page, on any device:\n\n  {}\n\nand enter this code:\n\n  {}\n{picture}\n\
         Approve it only if the page shows the same code. The code is good for {} minutes.",
        code.verification_uri,
        code.shown(),
        code.expires_in.div_ceil(60)
    )
}

/// Half-blocks, two rows of the picture to a line. The light parts are drawn, because most terminals are dark; readers take both.
fn qr(text: &str) -> Option<String> {
    let code = QrCode::new(text).ok()?;
    let drawn = code
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .build();
    Some(drawn)
}

/// Turns while the person decides; nothing where there is no terminal.
pub(super) fn spinner(hidden: bool) -> ProgressBar {
    let bar = progress(0, "{spinner} waiting for you to approve (Ctrl-C ends this)");
    if hidden {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
