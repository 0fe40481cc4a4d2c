//! Just enough reading of our own pages: tags with their attributes, and the text of a heading.

/// An element's tag: its name and attributes, references resolved.
#[derive(Clone, Debug)]
pub struct Tag {
    pub name: String,
    pub attributes: Vec<(String, String)>,
}

impl Tag {
    pub fn get(&self, attribute: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(name, _)| name == attribute)
            .map(|(_, value)| value.as_str())
    }
}

/// All opening tags of a page, in order.
pub fn tags(page: &str) -> Vec<Tag> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some(open) = rest.find('<') {
        rest = &rest[open + 1..];
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        let end = end_of_tag(rest);
        found.push(parse(&rest[..end]));
        rest = &rest[end..];
    }
    found
}

/// The place of the `>` that ends the tag; one inside quotes does not.
fn end_of_tag(text: &str) -> usize {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '>') => return at,
            (None, '"' | '\'') => quote = Some(c),
            (Some(own), c) if own == c => quote = None,
            _ => {}
        }
    }
    text.len()
}

fn parse(tag: &str) -> Tag {
    let name_end = tag
        .find(|c: char| c.is_ascii_whitespace() || c == '/')
        .unwrap_or(tag.len());
    let mut attributes = Vec::new();
    let mut rest = &tag[name_end..];
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if rest.is_empty() {
            break;
        }
        let end = rest
            .find(|c: char| c.is_ascii_whitespace() || c == '=')
            .unwrap_or(rest.len());
        let name = rest[..end].to_ascii_lowercase();
        rest = rest[end.max(1)..].trim_start();
        let Some(value) = rest.strip_prefix('=') else {
            attributes.push((name, String::new()));
            continue;
        };
        let value = value.trim_start();
        let (value, after) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].split_once(quote).unwrap_or((&value[1..], "")),
            _ => value.split_at(
                value
                    .find(|c: char| c.is_ascii_whitespace())
                    .unwrap_or(value.len()),
            ),
        };
        attributes.push((name, unescape(value)));
        rest = after;
    }
    Tag {
        name: tag[..name_end].to_ascii_lowercase(),
        attributes,
    }
}

/// Resolves the character references that our templates write.
pub fn unescape(text: &str) -> String {
    let named = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&#39;", "'"),
        ("&#x2f;", "/"),
    ];
    let text = named
        .iter()
        .fold(text.to_owned(), |text, (reference, plain)| {
            text.replace(reference, plain)
        });
    text.replace("&amp;", "&")
}

/// The page's inputs that have a name, with their values: what a browser sends along.
pub fn inputs(page: &str) -> Vec<(String, String)> {
    let inputs = tags(page).into_iter().filter(|tag| tag.name == "input");
    let named = inputs.filter_map(|tag| {
        let name = tag.get("name")?.to_owned();
        Some((name, tag.get("value").unwrap_or("").to_owned()))
    });
    named.collect()
}

/// The value of one input.
pub fn input(page: &str, name: &str) -> Option<String> {
    inputs(page)
        .into_iter()
        .find(|(own, _)| own == name)
        .map(|(_, value)| value)
}

/// Where the page's form goes.
pub fn form_action(page: &str) -> Option<String> {
    let form = tags(page).into_iter().find(|tag| tag.name == "form")?;
    form.get("action").map(str::to_owned)
}

/// The element with this id.
pub fn by_id(page: &str, id: &str) -> Option<Tag> {
    tags(page).into_iter().find(|tag| tag.get("id") == Some(id))
}

/// The text of the first heading.
pub fn heading(page: &str) -> String {
    let text = page
        .split_once("<h1")
        .and_then(|(_, rest)| rest.split_once('>'))
        .map_or("", |(_, rest)| rest);
    let text = text.split_once("</h1>").map_or("", |(text, _)| text);
    let mut plain = String::new();
    let mut inside = false;
    for c in text.chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            c if !inside => plain.push(c),
            _ => {}
        }
    }
    unescape(plain.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"<!doctype html><h1 class="a">Sign <b>in</b> &amp; go</h1><form method=post action="/login?a=1&amp;b=2">
        <input type="hidden" name="csrf" value="a&quot;b>c"><input id='username' name=username required></form>"#;

    #[test]
    fn inputs_are_found_with_their_values() {
        assert_eq!(input(PAGE, "csrf").as_deref(), Some("a\"b>c"));
        assert_eq!(input(PAGE, "username").as_deref(), Some(""));
        assert_eq!(form_action(PAGE).as_deref(), Some("/login?a=1&b=2"));
        assert!(by_id(PAGE, "username").is_some_and(|tag| tag.get("required").is_some()));
    }

    #[test]
    fn a_heading_is_read_without_its_markup() {
        assert_eq!(heading(PAGE), "Sign in & go");
    }
}
