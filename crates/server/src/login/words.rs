//! Texts from a server, made fit for a terminal.

/// Without control characters: a server must not move the cursor, change colours or hide what it wrote.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .take(2_000)
        .map(|c| if is_harmless(c) { c } else { '?' })
        .collect()
}

/// Neither a control character nor one that turns the direction of writing around or takes no place.
fn is_harmless(c: char) -> bool {
    let bends = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !c.is_control() && !bends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_cannot_write_over_the_screen() {
        assert_eq!(printable("a\u{1b}[2Jb\nc\u{202e}d ä"), "a?[2Jb?c?d ä");
    }
}
