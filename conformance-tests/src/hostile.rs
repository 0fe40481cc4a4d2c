//! Hostile providers and people: the ways there and back are stopped, bent and tried again.

use demo_provider::Running;
use url::Url;

use crate::browser::Browser;
use crate::linking::person;
use crate::server::Backend;
use crate::upstream::Upstream;
use crate::world::World;

/// What a provider's answer that cannot be believed comes to.
pub const HOSTILE: (u16, &str) = (400, "upstream_answer_invalid");
/// What comes of a discovery document or a key set that cannot be read.
pub const UNUSABLE: (u16, &str) = (503, "upstream_unavailable");

/// A server where everybody whom the provider lets in gets an account, so that a refusal is never for want of one.
pub fn open(backend: Backend) -> (World, Upstream<Running>) {
    let world = World::upstream(backend);
    let work = world.openid("work", vec![person("s-1", "grace")], &["--sign-ups", "on"]);
    (world, work)
}

/// Leaves for the provider, signs in there, and stops before coming back.
#[track_caller]
pub fn almost_back(browser: &mut Browser, upstream: &Upstream<Running>, person: &str) -> String {
    let left = browser.start_upstream(upstream).expect(303);
    let to = left.location().expect("a redirect").to_owned();
    browser.sign_in_elsewhere(&to, person)
}

/// `url` with one parameter changed, or removed.
pub fn with_parameter(url: &str, name: &str, value: Option<&str>) -> String {
    let mut url = Url::parse(url).expect("a URL");
    let kept: Vec<_> = url
        .query_pairs()
        .into_owned()
        .filter(|(own, _)| own != name)
        .collect();
    let added = value.map(|value| (name.to_owned(), value.to_owned()));
    url.query_pairs_mut()
        .clear()
        .extend_pairs(kept.into_iter().chain(added));
    url.into()
}

/// The browser comes back by this URL and is refused, and nothing is left behind.
#[track_caller]
pub fn refused(world: &World, browser: &mut Browser, url: &str, (status, code): (u16, &str)) {
    let before = world.remains();
    let answer = browser.come_back(url);
    browser.assert_refused(&answer, status, code);
    assert_eq!(world.remains(), before, "{url}");
}
