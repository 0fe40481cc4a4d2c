//! What an account in quarantine may give to a client (E10): only scopes that read, until its person's second proof.
//!
//! The cut is made three times, so that no path goes round it: before a page is shown, which says what is withheld; in the transaction
//! that makes an approval, on the account as it is then; and once more where a token is minted.

use curfew_http::catalogue::{Catalogue, OFFLINE_ACCESS};
use curfew_protocol::{Audiences, ScopeSet};

use crate::audience;

/// What is left, and what is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) scopes: ScopeSet,
    pub(crate) audiences: Audiences,
    pub(crate) withheld: ScopeSet,
}

/// Of what was asked for, nothing reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NothingLeft;

/// Cuts a request down to what reads. `offline_access` alone is nothing: it gives time to something else.
pub(crate) fn cut(
    scopes: &ScopeSet,
    audiences: &Audiences,
    catalogue: &Catalogue,
) -> Result<Cut, NothingLeft> {
    let left = catalogue.read_only(scopes);
    let withheld: ScopeSet = scopes
        .iter()
        .filter(|name| !left.contains(name))
        .map(str::to_owned)
        .collect();
    if !withheld.is_empty() && left.iter().all(|name| name == OFFLINE_ACCESS) {
        return Err(NothingLeft);
    }
    Ok(Cut {
        audiences: audience::keeping(audiences, &left),
        scopes: left,
        withheld,
    })
}

#[cfg(test)]
mod tests {
    use curfew_store::scopes::Scope;

    use super::*;

    fn catalogue() -> Catalogue {
        let scope = |name: &str, read_only| Scope {
            name: name.to_owned(),
            description: String::new(),
            resource_server: None,
            max_lifetime: None,
            personal: false,
            read_only,
        };
        let scopes = vec![scope("look", true), scope("pick", false)];
        Catalogue::new(scopes, Vec::new())
    }

    fn set(text: &str) -> ScopeSet {
        ScopeSet::parse(text).expect("scopes")
    }

    #[test]
    fn e10_only_what_reads_is_left_and_a_word_that_nobody_knows_may_write() {
        let cut = |text| cut(&set(text), &Audiences::default(), &catalogue());
        for (asked, left) in [
            ("", Some("")),
            ("look", Some("look")),
            ("look pick", Some("look")),
            ("look offline_access", Some("look offline_access")),
            ("look gone", Some("look")),
            (
                "curfew:account:read curfew:account:write",
                Some("curfew:account:read"),
            ),
            ("offline_access", Some("offline_access")),
            ("pick", None),
            ("gone", None),
            ("pick offline_access", None),
            (
                "curfew:tokens:create curfew:devices:approve curfew:users:end",
                None,
            ),
        ] {
            let cut = cut(asked);
            assert_eq!(
                cut.as_ref().ok().map(|cut| &cut.scopes),
                left.map(set).as_ref(),
                "{asked}"
            );
            if let Ok(cut) = cut {
                assert_eq!(cut.scopes.union(&cut.withheld), set(asked), "{asked}");
            }
        }
    }
}
