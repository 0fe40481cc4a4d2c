//! Upstream providers beside the requests: what the configuration describes is put in place at the start, and what is dangerous is told
//! and counted (B51).

use curfew_admin::{Admin, ConfiguredProvider, Reconciled};

use crate::config::UpstreamSettings;
use crate::failure::Failure;

/// Providers that sign people in by their address alone.
const DANGEROUS: &str = "curfew_upstream_dangerous_providers";

pub(crate) fn describe() {
    metrics::describe_gauge!(
        DANGEROUS,
        "Active upstream providers with dangerous_sign_in_by_email"
    );
}

/// Makes the database say what the configuration says, one transaction for each provider.
pub(crate) fn put_in_place(admin: &Admin, upstreams: &[UpstreamSettings]) -> Result<(), Failure> {
    let configured: Vec<ConfiguredProvider> = upstreams
        .iter()
        .map(UpstreamSettings::configured)
        .collect::<Result<_, _>>()?;
    for own in &configured {
        let (provider, tenant) = (&own.slug, &own.tenant);
        let done = admin
            .provider_reconcile(own)
            .map_err(|error| Failure::told(format!("[upstream.{provider}]: {error}")))?;
        match done {
            Reconciled::Added => {
                tracing::info!(%provider, %tenant, "an upstream provider was added by the configuration");
            }
            Reconciled::Changed => {
                tracing::info!(%provider, %tenant, "an upstream provider was changed by the configuration");
            }
            Reconciled::Same => {}
        }
    }
    for vanished in admin.providers_vanished(&configured)? {
        let remedy = format!(
            "curfew upstream disable {} --tenant {}",
            vanished.slug, vanished.tenant
        );
        tracing::warn!(
            provider = vanished.slug,
            tenant = vanished.tenant,
            remedy,
            "an upstream provider is no longer in the configuration; it goes on working, because people may be linked there"
        );
    }
    for dangerous in admin.providers_dangerous()? {
        tracing::warn!(
            provider = dangerous.slug,
            tenant = dangerous.tenant,
            "dangerous_sign_in_by_email is set: whoever comes with the verified address of an account is signed in to it"
        );
    }
    count_dangerous(admin)
}

/// Tells the metrics. Called now and then, because the command line may change a provider while servers run.
pub(crate) fn count_dangerous(admin: &Admin) -> Result<(), Failure> {
    let count = admin.providers_dangerous()?.len();
    metrics::gauge!(DANGEROUS).set(u32::try_from(count).unwrap_or(u32::MAX));
    Ok(())
}
