//! The description and the routes say the same.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{OPERATIONS, document};

/// What another crate answers.
const ELSEWHERE: &str = "/api/v1/device-decisions";

/// Method, path and scope of everything that the description tells of.
fn described() -> BTreeSet<(String, String, String)> {
    let document = serde_json::to_value(document()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().unwrap();
        item.iter()
            .map(move |(method, operation)| (method.clone(), path.clone(), scope(operation)))
    });
    operations.collect()
}

fn scope(operation: &Value) -> String {
    let scope = &operation["security"][0]["bearer"][0];
    scope.as_str().unwrap_or_default().to_owned()
}

#[test]
fn every_route_is_described_with_its_scope_and_nothing_else_is() {
    let registered: BTreeSet<_> = OPERATIONS
        .iter()
        .map(|(method, path, scope)| {
            let scope = scope.as_str().to_owned();
            ((*method).to_owned(), (*path).to_owned(), scope)
        })
        .collect();
    let mut described = described();
    described.retain(|(_, path, _)| path != ELSEWHERE);
    assert_eq!(described, registered);
}
