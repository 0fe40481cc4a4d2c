//! `curfew upstream test`: would a sign-in through the provider work?

use curfew_upstream::{CheckLine, Contact, UpstreamProvider, Verdict};
use serde_json::json;

use crate::failure::Failure;
use crate::login::block_on;
use crate::open::{Opened, outbound};
use crate::output::line;

pub(super) fn run(opened: &Opened, slug: &str) -> Result<(), Failure> {
    let found = opened.admin.provider_show(opened.at(slug))?.provider;
    let provider = UpstreamProvider::of(&found, opened.admin.store().keys())?;
    let outbound = outbound(&opened.config)?;
    let lines = block_on(async {
        let contact = Contact {
            outbound: &outbound,
            provider: &provider,
            now: opened.admin.store().clock().now(),
        };
        Ok(curfew_upstream::check(contact).await)
    })?;
    let works = lines.iter().all(CheckLine::is_ok);
    if opened.out.json {
        let told: Vec<_> = lines
            .iter()
            .map(|line| json!({ "what": line.what, "verdict": word(line.verdict), "words": line.words }))
            .collect();
        let value = json!({ "provider": slug, "works": works, "checks": told });
        opened.out.value(&value, String::new);
    } else {
        for found in &lines {
            let mark = mark(found.verdict);
            line(&format!("{mark} {}: {}", found.what, found.words));
        }
    }
    if works {
        Ok(())
    } else {
        Err(Failure::Findings)
    }
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Good => "good",
        Verdict::Warning => "warning",
        Verdict::Bad => "bad",
    }
}

const fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Good => "ok   ",
        Verdict::Warning => "weak ",
        Verdict::Bad => "WRONG",
    }
}
