//! A look at HTML, just deep enough to hold pages to their rules: tags and their attributes, in order.
//!
//! It reads what our templates write (closed quotes, no tag omitted in a tricky place), not what the web writes.

/// One opening or closing tag.
#[derive(Debug)]
pub(super) struct Tag<'a> {
    pub(super) name: String,
    pub(super) closing: bool,
    pub(super) attributes: Vec<(String, &'a str)>,
    /// Line in the source, from 1.
    pub(super) line: usize,
    /// What follows the tag, up to the end of the source.
    pub(super) rest: &'a str,
}

impl<'a> Tag<'a> {
    pub(super) fn attribute(&self, name: &str) -> Option<&'a str> {
        self.attributes
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| *value)
    }

    /// What the pages' Content-Security-Policy forbids in this tag.
    pub(super) fn forbidden(&self) -> Option<String> {
        if ["style", "iframe", "object", "embed", "base"].contains(&self.name.as_str()) {
            return Some(format!("a <{}> element", self.name));
        }
        self.attributes.iter().find_map(|(name, value)| {
            let value = value.trim().to_ascii_lowercase();
            let links = ["href", "src", "srcset", "formaction"].contains(&name.as_str());
            let outside = value.starts_with("http:")
                || value.starts_with("https:")
                || value.starts_with("//")
                || value.starts_with("data:");
            match name.as_str() {
                "style" => Some("a style attribute".to_owned()),
                handler if handler.starts_with("on") => {
                    Some(format!("the event handler {handler}"))
                }
                "src" | "srcset" if outside => Some(format!("a {name} on another origin")),
                "href" if outside && self.name == "link" => {
                    Some("a link to another origin".to_owned())
                }
                _ if links && value.starts_with("javascript:") => {
                    Some(format!("a script in {name}"))
                }
                _ => None,
            }
        })
    }
}

/// The first thing in a template that the policy would forbid, with its line. Scripts count unless they are the self-submitting
/// page's own, which comes from the model.
pub(super) fn forbidden(source: &str) -> Option<(usize, String)> {
    tags(source).into_iter().find_map(|tag| {
        let own_script = tag.attributes.is_empty() && tag.rest.starts_with("{{ script }}</script>");
        let script = (tag.name == "script" && !tag.closing && !own_script)
            .then(|| "a <script> element".to_owned());
        script
            .or_else(|| tag.forbidden())
            .map(|what| (tag.line, what))
    })
}

pub(super) fn tags(source: &str) -> Vec<Tag<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(open) = source[at..].find('<').map(|offset| at + offset) {
        if source[open..].starts_with("<!--") {
            at = source[open..]
                .find("-->")
                .map_or(source.len(), |end| open + end + 3);
            continue;
        }
        let inner = &source[open + 1..];
        let closing = inner.starts_with('/');
        let inner = inner.strip_prefix('/').unwrap_or(inner);
        let length = inner
            .find(|character: char| !character.is_ascii_alphanumeric())
            .unwrap_or(inner.len());
        if length == 0 {
            at = open + 1;
            continue;
        }
        let name = inner[..length].to_ascii_lowercase();
        let (attributes, rest) = attributes(&inner[length..]);
        at = source.len() - rest.len();
        found.push(Tag {
            name,
            closing,
            attributes,
            line: source[..open].matches('\n').count() + 1,
            rest,
        });
    }
    found
}

/// Attributes up to the end of the tag, and what follows it. Template expressions between attributes are passed over.
fn attributes(mut text: &str) -> (Vec<(String, &str)>, &str) {
    let mut found = Vec::new();
    loop {
        text = text
            .trim_start_matches(|character: char| character.is_whitespace() || character == '/');
        if let Some(rest) = text.strip_prefix('>') {
            return (found, rest);
        }
        if let Some(end) = template_end(text) {
            text = &text[end..];
            continue;
        }
        let length = text
            .find(|character: char| character.is_whitespace() || "=>/{".contains(character))
            .unwrap_or(text.len());
        if text.is_empty() {
            return (found, text);
        }
        let name = text[..length.max(1).min(text.len())].to_ascii_lowercase();
        text = text.get(length.max(1)..).unwrap_or("");
        let value = match text
            .strip_prefix("=\"")
            .and_then(|rest| rest.split_once('"'))
        {
            Some((value, rest)) => {
                text = rest;
                value
            }
            None => "",
        };
        found.push((name, value));
    }
}

fn template_end(text: &str) -> Option<usize> {
    [("{{", "}}"), ("{%", "%}"), ("{#", "#}")]
        .iter()
        .find_map(|(open, close)| {
            text.starts_with(open)
                .then(|| text.find(close).map_or(text.len(), |end| end + close.len()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_policy_forbids_is_found_with_its_line() {
        for (source, expected) in [
            ("<p>\n<b style=\"x\">", Some((2, "a style attribute"))),
            (
                "<a {% if x %}class=\"y\"{% endif %} onclick=\"z\">",
                Some((1, "the event handler onclick")),
            ),
            ("<script>alert(1)</script>", Some((1, "a <script> element"))),
            (
                "<img src=\"https://x/y.png\">",
                Some((1, "a src on another origin")),
            ),
            ("<a href=\" JavaScript:x\">", Some((1, "a script in href"))),
            (
                "<link rel=\"stylesheet\" href=\"//x\">",
                Some((1, "a link to another origin")),
            ),
            ("<style>", Some((1, "a <style> element"))),
            ("<script>{{ script }}</script><!-- <style> --> 1 < 2", None),
            ("<p class=\"style\">style=\"x\" onclick</p>", None),
        ] {
            let found = forbidden(source);
            assert_eq!(
                found.as_ref().map(|(line, what)| (*line, what.as_str())),
                expected,
                "{source}"
            );
        }
    }
}
