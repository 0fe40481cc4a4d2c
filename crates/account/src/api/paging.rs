//! Long lists come in pages, newest first. Ids are ordered by time, so a page begins below the last id of the one before, and what was
//! ended meanwhile moves nothing.

use curfew_http::Problem;
use curfew_http::body::refused;
use curfew_protocol::{ErrorCode, Form, OAuthError, TokenId};

use super::Call;

const STANDARD: usize = 100;
const LONGEST: usize = 500;

/// Which part of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    limit: usize,
    before: Option<String>,
}

impl Page {
    pub(super) fn of(call: &Call) -> Result<Self, Problem> {
        let query = Form::parse(call.request.query_string().as_bytes(), &[]).map_err(refused)?;
        let invalid = |told: &'static str| OAuthError::new(ErrorCode::InvalidRequest, told);
        let limit = match query.get("limit").map(str::parse) {
            None => STANDARD,
            Some(Ok(limit)) if (1..=LONGEST).contains(&limit) => limit,
            Some(_) => return Err(invalid("limit is a number from 1 to 500").into()),
        };
        let before = query.get("before").map(ToOwned::to_owned);
        if before
            .as_ref()
            .is_some_and(|id| id.parse::<TokenId>().is_err())
        {
            return Err(invalid("before is the id that the page before told as next").into());
        }
        Ok(Self { limit, before })
    }

    /// The wanted items, newest first, and where the next page begins. Ids have one length and sort as they were made.
    pub(super) fn cut<T>(
        &self,
        mut items: Vec<T>,
        id: impl Fn(&T) -> String,
    ) -> (Vec<T>, Option<String>) {
        items.sort_by_cached_key(|item| std::cmp::Reverse(id(item)));
        if let Some(before) = &self.before {
            items.retain(|item| id(item) < *before);
        }
        let is_last = items.len() <= self.limit;
        items.truncate(self.limit);
        let next = items.last().filter(|_| !is_last).map(id);
        (items, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c37_pages_hold_everything_once_whatever_is_ended_between_them() {
        let all: Vec<u32> = (10..20).collect();
        let mut page = Page {
            limit: 4,
            before: None,
        };
        let (first, next) = page.cut(all.clone(), u32::to_string);
        assert_eq!((first, next.as_deref()), (vec![19, 18, 17, 16], Some("16")));
        page.before = next;
        let without = all.into_iter().filter(|n| *n != 16).collect();
        let (second, next) = page.cut(without, u32::to_string);
        assert_eq!(
            (second, next.as_deref()),
            (vec![15, 14, 13, 12], Some("12"))
        );
        page.before = next;
        let (last, next) = page.cut((10..16).collect(), u32::to_string);
        assert_eq!((last, next), (vec![11, 10], None));
    }
}
