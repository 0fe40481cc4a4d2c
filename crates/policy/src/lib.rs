//! Pure judgement: is it alive, how long may it live, is this redirect, scope, resource or address acceptable.
//!
//! Every function here is a function of its arguments. Facts come from the store, the verdict goes back to whoever asked.

pub mod addresses;
pub mod device;
pub mod email;
pub mod lifetime;
pub mod limits;
pub mod linking;
pub mod liveness;
pub mod password;
pub mod pkce;
pub mod redirect;
pub mod refresh;
pub mod resource;
pub mod special_use;
pub mod standing;
pub mod status;
pub mod upstream;
pub mod upstream_checks;
pub mod upstream_draft;
pub mod upstream_presets;
