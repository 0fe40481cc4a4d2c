//! `curfew migrate`, `curfew doctor`, `curfew gc`

use std::time::Duration;

use curfew_store::{Invariant, MigrationState, Store};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::Switch;
use crate::cli::Global;
use crate::config::Config;
use crate::failure::Failure;
use crate::open::{Opened, store_options};
use crate::output::{Output, line};

/// `curfew migrate`
pub(crate) fn migrate(global: &Global, plan: bool) -> Result<(), Failure> {
    let config = Config::load(global.config.as_deref())?;
    let out = Output { json: global.json };
    let options = store_options(&config, 1)?;
    let state = MigrationState::of(&options.database)?;
    let pending = match &state {
        MigrationState::Current => Vec::new(),
        MigrationState::Empty => vec!["everything: the database is empty".to_owned()],
        MigrationState::Behind(steps) => steps.iter().map(|step| step.name.clone()).collect(),
        MigrationState::Ahead => return Err(curfew_store::OpenRefusal::Ahead.into()),
    };
    if !plan {
        Store::migrate(&options)?;
    }
    out.value(
        &json!({ "pending": pending, "applied": !plan }),
        || match (pending.is_empty(), plan) {
            (true, _) => "The database is up to date.".to_owned(),
            (false, true) => format!("To be done:\n  {}", pending.join("\n  ")),
            (false, false) => format!("Done:\n  {}", pending.join("\n  ")),
        },
    );
    Ok(())
}

/// `curfew doctor`. The exit code says whether something was found.
pub(crate) fn doctor(global: &Global, invariants: bool) -> Result<(), Failure> {
    let opened = Opened::open(global)?;
    let out = opened.out;
    let health = opened.admin.health()?;
    let mut findings = Vec::new();
    if invariants {
        let bar = progress(
            Invariant::ALL.len() as u64,
            "{msg:32} [{bar:30}] {pos}/{len}",
        );
        for invariant in Invariant::ALL {
            bar.set_message(invariant.name);
            findings.push(opened.admin.invariant_check(invariant)?);
            bar.inc(1);
        }
        bar.finish_and_clear();
    }
    let broken = findings.iter().any(|finding| finding.violations > 0);
    let in_order = health.clock_in_order && !broken;
    if out.json {
        out.value(
            &json!({ "in_order": in_order, "health": health, "invariants": findings }),
            String::new,
        );
    } else {
        line(&format!(
            "ok    configuration, keys and schema belong together ({})",
            health.backend
        ));
        let mark = if health.clock_in_order {
            "ok   "
        } else {
            "WRONG"
        };
        line(&format!(
            "{mark} this machine's clock is {} s ahead of the database's",
            health.clock_difference
        ));
        for waiting in &health.empty_links {
            line(&format!(
                "note  {} imported links at {} (tenant {}) still wait for their person",
                waiting.links, waiting.provider, waiting.tenant
            ));
        }
        for dangerous in &health.dangerous_providers {
            line(&format!(
                "RISK  the provider {} (tenant {}) signs people in by their address alone: dangerous_sign_in_by_email",
                dangerous.slug, dangerous.tenant
            ));
        }
        for finding in &findings {
            let mark = if finding.violations == 0 {
                "ok   "
            } else {
                "WRONG"
            };
            line(&format!(
                "{mark} {}: {} ({} violations)",
                finding.name, finding.meaning, finding.violations
            ));
        }
    }
    if in_order {
        Ok(())
    } else {
        Err(Failure::Findings)
    }
}

/// `curfew gc`
pub(crate) fn clean_up(global: &Global) -> Result<(), Failure> {
    let opened = Opened::open(global)?;
    let bar = progress(0, "{spinner} {pos} rows removed");
    bar.enable_steady_tick(Duration::from_millis(120));
    let (mut tokens, mut nodes, mut others) = (0, 0, 0);
    loop {
        let step = opened
            .admin
            .store()
            .clean_up_step_blocking(opened.config.lifetimes.retention)?;
        tokens += step.tokens;
        nodes += step.nodes;
        others += step.others;
        bar.set_position((tokens + nodes + others) as u64);
        if !step.more {
            break;
        }
    }
    bar.finish_and_clear();
    let value = json!({ "tokens": tokens, "nodes": nodes, "others": others });
    opened.out.value(&value, || {
        format!("{tokens} tokens, {nodes} nodes and {others} other rows were removed.")
    });
    Ok(())
}

/// A bar on the standard error stream, when that is a terminal.
pub(crate) fn progress(length: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// `curfew device-flow`
pub(crate) fn device_flow(global: &Global, switch: Option<Switch>) -> Result<(), Failure> {
    let opened = Opened::open(global)?;
    if let Some(switch) = switch {
        opened.admin.device_flow_set(switch.is_on())?;
    }
    let state = Switch::of(opened.admin.device_flow()?);
    opened
        .out
        .value(&json!({ "device_flow": state.to_string() }), || {
            format!("The device flow is {state}.")
        });
    Ok(())
}
