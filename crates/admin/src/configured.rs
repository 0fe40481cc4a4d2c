//! Providers that the configuration describes: after each start the database says what the configuration says.
//!
//! 1. Each is put in place in a transaction of its own: inserted, or updated where it differs.
//! 2. What vanished from the configuration is kept, because links hang on it, and is told.
//! 3. What is dangerous is told at every start (B51).

use curfew_policy::status::OwnerStatus;
use curfew_policy::upstream_draft::CheckedProvider;
use curfew_protocol::Redacted;
use curfew_store::audit::{AuditEntry, AuditEvent};
use curfew_store::providers::{NewProvider, Provider};
use curfew_store::{Read, Write};

use crate::providers::{description, differences};
use crate::{Admin, AdminError, tenant};

/// A provider as the configuration describes it.
#[derive(Clone, Debug)]
pub struct ConfiguredProvider {
    pub tenant: String,
    pub slug: String,
    pub checked: CheckedProvider,
    pub secret: Option<Redacted<String>>,
}

/// What was done to make the database say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reconciled {
    Added,
    Changed,
    Same,
}

/// A provider by tenant and slug.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct ProviderName {
    pub tenant: String,
    pub slug: String,
}

impl Admin {
    /// Puts one in place. Nodes that start together may both try; the second finds what the first inserted.
    pub fn provider_reconcile(
        &self,
        configured: &ConfiguredProvider,
    ) -> Result<Reconciled, AdminError> {
        match self.reconcile_once(configured.clone()) {
            Err(AdminError::Store(error)) if error.is_unique_violation() => {
                self.reconcile_once(configured.clone())
            }
            done => done,
        }
    }

    fn reconcile_once(&self, configured: ConfiguredProvider) -> Result<Reconciled, AdminError> {
        let (added, changed) = (
            self.entry(AuditEvent::ProviderAdded),
            self.entry(AuditEvent::ProviderChanged),
        );
        self.write(move |write| {
            let owner = tenant(write, &configured.tenant)?;
            let (done, entry, what) = match write.provider_by_slug(owner.id, &configured.slug)? {
                None => {
                    let new = NewProvider {
                        tenant_id: owner.id,
                        slug: configured.slug.clone(),
                        kind: configured.checked.kind,
                        configured: true,
                        description: description(&configured.checked),
                    };
                    write.provider_insert(&new, configured.secret.as_ref())?;
                    (Reconciled::Added, &added, String::new())
                }
                Some(found) => match adjust(write, &found, &configured)? {
                    None => return Ok(Reconciled::Same),
                    Some(what) => (Reconciled::Changed, &changed, format!(": {what}")),
                },
            };
            write.audit(&AuditEntry {
                tenant_id: Some(owner.id),
                detail: Some(format!("{}{what}, by the configuration", configured.slug)),
                ..entry.clone()
            })?;
            Ok(done)
        })
    }

    /// Providers that came from a configuration which does not describe them any more.
    pub fn providers_vanished(
        &self,
        configured: &[ConfiguredProvider],
    ) -> Result<Vec<ProviderName>, AdminError> {
        self.providers_where(|name, provider| {
            let described = configured
                .iter()
                .any(|own| own.tenant == name.tenant && own.slug == name.slug);
            provider.configured && !described && provider.status == OwnerStatus::Active
        })
    }

    /// Providers that sign people in by their address alone (B51).
    pub fn providers_dangerous(&self) -> Result<Vec<ProviderName>, AdminError> {
        self.providers_where(|_, provider| {
            provider.status == OwnerStatus::Active
                && provider.settings.policy.dangerous_sign_in_by_email
        })
    }

    fn providers_where(
        &self,
        wanted: impl Fn(&ProviderName, &Provider) -> bool,
    ) -> Result<Vec<ProviderName>, AdminError> {
        self.read(|read| {
            let mut found = Vec::new();
            for (name, provider) in all(read)? {
                if wanted(&name, &provider) {
                    found.push(name);
                }
            }
            Ok(found)
        })
    }
}

/// Those of all tenants, tombstones aside.
fn all(read: &mut Read<'_>) -> Result<Vec<(ProviderName, Provider)>, AdminError> {
    let mut found = Vec::new();
    for owner in read.tenant_list()? {
        for provider in read.provider_list(owner.id)? {
            if provider.status != OwnerStatus::Deleted && owner.status != OwnerStatus::Deleted {
                let name = ProviderName {
                    tenant: owner.slug.clone(),
                    slug: provider.slug.clone(),
                };
                found.push((name, provider));
            }
        }
    }
    Ok(found)
}

/// Makes the stored provider say what the configuration says. Answers what was changed.
fn adjust(
    write: &mut Write<'_>,
    found: &Provider,
    configured: &ConfiguredProvider,
) -> Result<Option<String>, AdminError> {
    if found.kind != configured.checked.kind {
        return Err(AdminError::Invalid(format!(
            "the provider `{0}` of the tenant `{1}` is of the kind {2}, and the configuration makes it {3}: the people of one are not \
             those of the other. Give [upstream.{0}] another name; or take it out of the configuration, delete the old one with \
             `curfew upstream delete {0}`, and put it back",
            found.slug, configured.tenant, found.kind, configured.checked.kind
        )));
    }
    let (was, is) = (found.description(), description(&configured.checked));
    let mut changed = Vec::new();
    if was != is {
        write.provider_update(found.id, &is)?;
        changed.push(differences(&was, &is));
    }
    let stored = found.client_secret(write.keys())?;
    let same = stored.as_ref().map(|secret| &secret.0)
        == configured.secret.as_ref().map(|secret| &secret.0);
    if !same {
        write.provider_set_client_secret(found.id, configured.secret.as_ref())?;
        changed.push("client_secret".to_owned());
    }
    if !found.configured {
        write.provider_set_configured(found.id, true)?;
        changed.push("configured".to_owned());
    }
    Ok((!changed.is_empty()).then(|| changed.join(" ")))
}
