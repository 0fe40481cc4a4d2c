//! The query of an authorization request, as parameters.

use curfew_protocol::{Form, FormError};
use url::form_urlencoded;

use super::refusal::AddressRefusal;

/// The longest query. It travels once more, encoded again, in the address of the login page.
const MAX_QUERY: usize = 8_000;

/// Spells a query anew, with nothing in it but what every header and address may carry. Names, values and their order stay.
pub(crate) fn canonical(query: &str) -> String {
    let pairs = form_urlencoded::parse(query.as_bytes());
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

/// Parameters, read strictly where client and redirect URI are concerned.
#[derive(Debug)]
pub(crate) struct Parameters<'q> {
    form: Form<'q>,
    repeated: bool,
}

impl<'q> Parameters<'q> {
    /// Reads them. Repetition of `client_id` and `redirect_uri` is an error at once; of anything else it is one that the client
    /// can be told ([`Self::has_repetition`]).
    pub(crate) fn parse(query: &'q str) -> Result<Self, AddressRefusal> {
        if query.len() > MAX_QUERY {
            return Err(AddressRefusal::Malformed);
        }
        match Form::parse(query.as_bytes(), &["resource"]) {
            Ok(form) => Ok(Self {
                form,
                repeated: false,
            }),
            Err(FormError::Repeated) => Self::parse_with_repetition(query),
            Err(FormError::Encoding | FormError::TooMany) => Err(AddressRefusal::Malformed),
        }
    }

    fn parse_with_repetition(query: &'q str) -> Result<Self, AddressRefusal> {
        let names: Vec<_> = form_urlencoded::parse(query.as_bytes())
            .map(|(name, _)| name)
            .filter(|name| name != "client_id" && name != "redirect_uri")
            .collect();
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        match Form::parse(query.as_bytes(), &names) {
            Ok(form) => Ok(Self {
                form,
                repeated: true,
            }),
            Err(FormError::Repeated) => Err(AddressRefusal::Repeated),
            Err(FormError::Encoding | FormError::TooMany) => Err(AddressRefusal::Malformed),
        }
    }

    /// Is a parameter repeated that must not be?
    pub(crate) const fn has_repetition(&self) -> bool {
        self.repeated
    }

    /// The one value of `name`; `None` when there is none or more than one.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.form.all(name);
        let first = values.next()?;
        values.next().is_none().then_some(first)
    }

    pub(crate) fn resources(&self) -> Vec<String> {
        self.form.all("resource").map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s21_01_repetition_of_client_and_redirect_uri_is_told_apart() {
        for query in [
            "client_id=a&client_id=a",
            "client_id=a&redirect_uri=x&redirect_uri=x&scope=a",
        ] {
            assert_eq!(
                Parameters::parse(query).err(),
                Some(AddressRefusal::Repeated),
                "{query}"
            );
        }
        for query in [
            "client_id=a&scope=a&scope=b",
            "client_id=a&other=1&other=2",
            "state=&state=x",
        ] {
            let parameters = Parameters::parse(query).unwrap();
            assert!(parameters.has_repetition(), "{query}");
            assert_eq!(parameters.get("scope"), None);
        }
        let parameters = Parameters::parse("client_id=a&resource=x&resource=y").unwrap();
        assert!(!parameters.has_repetition());
        assert_eq!(parameters.resources(), ["x", "y"]);
    }

    #[test]
    fn what_cannot_be_read_is_malformed() {
        let long = format!("state={}", "x".repeat(MAX_QUERY));
        for query in ["client_id=%zz", "client_id=%ff", long.as_str()] {
            assert_eq!(
                Parameters::parse(query).err(),
                Some(AddressRefusal::Malformed),
                "{query}"
            );
        }
    }

    #[test]
    fn a_canonical_query_means_the_same() {
        let query = canonical("state=a b+c%20&scope=x\"'<>\u{e4}&scope=&flag");
        assert_eq!(query, "state=a+b+c+&scope=x%22%27%3C%3E%C3%A4&scope=&flag=");
        assert_eq!(canonical(&query), query);
    }
}
