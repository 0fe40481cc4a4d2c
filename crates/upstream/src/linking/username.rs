//! The username of an account that is made by signing in.

use curfew_protocol::{TenantId, UserId};
use curfew_store::{StoreError, Write};

/// How many characters are taken over, so that there is room behind them.
const TAKEN_OVER: usize = 40;
/// How many neighbours are tried before chance decides.
const NEIGHBOURS: u32 = 9;
/// For somebody who is known by nothing that could be one.
const NOBODY: &str = "user";

/// A username that nobody has. Somebody else may take it until the commit: then a unique rule of the schema is hit.
pub(super) fn free(
    write: &mut Write<'_>,
    tenant: TenantId,
    known_as: &[String],
) -> Result<String, StoreError> {
    let base = known_as.iter().find_map(|text| plain(text));
    let base = base.unwrap_or_else(|| NOBODY.to_owned());
    if write.user_by_username(tenant, &base)?.is_none() {
        return Ok(base);
    }
    for number in 2..=NEIGHBOURS {
        let neighbour = format!("{base}-{number}");
        if write.user_by_username(tenant, &neighbour)?.is_none() {
            return Ok(neighbour);
        }
    }
    Ok(format!("{base}-{}", UserId::random(write.entropy())))
}

/// The local part of an address, or a name, in what a username is made of.
fn plain(text: &str) -> Option<String> {
    let local = text.split('@').next().unwrap_or("");
    let mut kept = String::new();
    for c in local.chars() {
        let c = c.to_ascii_lowercase();
        match c {
            'a'..='z' | '0'..='9' => kept.push(c),
            '.' | '_' | '-' if !kept.ends_with(['.', '_', '-']) => kept.push(c),
            _ if !kept.ends_with(['.', '_', '-']) => kept.push('-'),
            _ => {}
        }
        if kept.len() == TAKEN_OVER {
            break;
        }
    }
    let kept = kept.trim_matches(['.', '_', '-']);
    (!kept.is_empty()).then(|| kept.to_owned())
}

#[cfg(test)]
mod tests {
    use curfew_policy::resource::is_name;

    use super::{TAKEN_OVER, plain};

    #[test]
    fn a_username_is_made_of_what_somebody_is_known_by() {
        for (text, expected) in [
            ("Ada.Lovelace@harbour.example", Some("ada.lovelace")),
            ("octo-cat", Some("octo-cat")),
            ("Ada Lovelace", Some("ada-lovelace")),
            ("ada+curfew@harbour.example", Some("ada-curfew")),
            ("jürgen@harbour.example", Some("j-rgen")),
            ("..--__", None),
            ("@harbour.example", None),
            ("Иван", None),
            ("", None),
        ] {
            assert_eq!(plain(text).as_deref(), expected, "{text}");
        }
        let long = plain(&"x".repeat(300)).unwrap();
        assert!(long.len() == TAKEN_OVER && is_name(&long));
    }
}
