//! The pages: plain HTML without scripts. Everything that was not written here is escaped.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::wire::Answer;

const STYLE: &str = "
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 26rem; margin: 3rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; }
.who { display: grid; grid-template-columns: auto 1fr; gap: 0 .6rem; padding: .6rem .8rem; margin: .4rem 0; border: 1px solid #8888; border-radius: .5rem; }
.who small { grid-column: 2; }
input[type=text] { display: block; width: 100%; box-sizing: border-box; font: inherit; padding: .5rem; }
button { font: inherit; padding: .5rem 1.2rem; margin: 1rem .5rem 0 0; border-radius: .5rem; border: 1px solid #8888; cursor: pointer; }
button.main { background: #2a5bd7; border-color: #2a5bd7; color: #fff; }
.note { opacity: .75; }
";

/// The text as HTML shows it.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A field that the form carries along.
pub(crate) fn hidden(name: &str, value: &str) -> String {
    format!(
        "<input type=\"hidden\" name=\"{}\" value=\"{}\">",
        escape(name),
        escape(value)
    )
}

/// A whole page; `body` is HTML already.
pub(crate) fn page(status: u16, title: &str, body: &str) -> Answer {
    let title = escape(title);
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<main>\n<h1>{title}</h1>\n{body}</main>\n</body>\n</html>\n"
    );
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
    // No `form-action`: browsers hold every redirect after a form to it, and where the client sends its people is not known here.
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; frame-ancestors 'none'"
    );
    Answer::new(status, "text/html; charset=utf-8", html)
        .header("Content-Security-Policy", &policy)
        .header("Referrer-Policy", "no-referrer")
        .header("X-Content-Type-Options", "nosniff")
}

/// A page that leads nowhere.
pub(crate) fn dead_end(status: u16, title: &str, text: &str) -> Answer {
    page(status, title, &format!("<p>{}</p>\n", escape(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_its_place() {
        let field = hidden("a", "\"><script>alert('1')</script>&");
        let shown = "<input type=\"hidden\" name=\"a\" value=\"&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;\">";
        assert_eq!(field, shown);
        let page = page(200, "<b>", "");
        let html = String::from_utf8(page.body).unwrap();
        assert!(!html.contains("<b>") && html.contains("&lt;b&gt;"));
    }
}
