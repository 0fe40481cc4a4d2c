//! Refuses to build seeded faults into anything that could be taken for a product.

fn main() {
    println!("cargo::rerun-if-env-changed=CURFEW_BUILD_SEEDED_FAULTS");
    println!("cargo::rerun-if-changed=../../migrations");
    let wanted = std::env::var_os("CARGO_FEATURE_SEEDED_FAULTS").is_some();
    let release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let allowed =
        std::env::var("CURFEW_BUILD_SEEDED_FAULTS").is_ok_and(|value| value == "for-tests-only");
    assert!(
        !(wanted && release && !allowed),
        "the feature seeded-faults breaks the promises of the product on purpose; release builds refuse it. \
         The test that needs it sets CURFEW_BUILD_SEEDED_FAULTS=for-tests-only"
    );
}
