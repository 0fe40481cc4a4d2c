//! Upstream identity providers: added, changed, disabled, moved to another issuer, and kept like the configuration says.

use curfew_policy::resource::is_slug;
use curfew_policy::status::OwnerStatus;
use curfew_policy::upstream_checks::check_secret;
use curfew_policy::upstream_draft::{CheckedProvider, Field, Flaw, ProviderDraft, Standing};
use curfew_protocol::upstream::metadata::is_endpoint;
use curfew_protocol::{Redacted, TenantId};
use curfew_store::audit::{AuditEntry, AuditEvent};
use curfew_store::links::LinkCounts;
use curfew_store::providers::{NewProvider, Provider, ProviderDescription};
use curfew_store::{Read, Write};

use crate::{Admin, AdminError, check_step, taken, tenant};

/// A provider with what hangs on it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ShownProvider {
    #[serde(flatten)]
    pub provider: Provider,
    pub has_client_secret: bool,
    pub links: LinkCounts,
}

/// What a change did.
#[derive(Clone, Debug)]
pub struct ChangedProvider {
    pub shown: ShownProvider,
    /// The issuer before, if there is another now: the links stay under that one.
    pub old_issuer: Option<String>,
    /// With another issuer or client id it is another provider: what was born through the one that it was is dead.
    pub ended: bool,
}

/// What moving the links to another issuer did, or would do.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Rebound {
    pub links: usize,
    pub dry_run: bool,
}

/// Why a description was not taken, by the options of the command line.
fn flawed(flaws: &[Flaw]) -> AdminError {
    let told: Vec<String> = flaws
        .iter()
        .map(|flaw| format!("{}: {}", flaw.field.option(), flaw.problem))
        .collect();
    AdminError::invalid(told.join("\n"))
}

/// The provider of that slug in the tenant.
pub(crate) fn provider(
    read: &mut Read<'_>,
    owner: TenantId,
    slug: &str,
) -> Result<Provider, AdminError> {
    read.provider_by_slug(owner, slug)?
        .ok_or_else(|| AdminError::not_found("upstream", slug))
}

pub(crate) fn description(checked: &CheckedProvider) -> ProviderDescription {
    ProviderDescription {
        name: checked.name.clone(),
        issuer: checked.issuer.clone(),
        client_id: checked.client_id.clone(),
        settings: checked.settings.clone(),
    }
}

fn shown(read: &mut Read<'_>, provider: Provider) -> Result<ShownProvider, AdminError> {
    Ok(ShownProvider {
        has_client_secret: provider.has_client_secret(),
        links: read.link_counts(provider.id)?,
        provider,
    })
}

/// What came from the configuration and is described there no more is changed here from now on. Called when nothing refuses the change
/// any more, in its transaction.
fn release(
    write: &mut Write<'_>,
    found: &Provider,
    template: &AuditEntry,
) -> Result<(), AdminError> {
    if !found.configured {
        return Ok(());
    }
    write.provider_set_configured(found.id, false)?;
    write.audit(&AuditEntry {
        event: AuditEvent::ProviderChanged,
        tenant_id: Some(found.tenant_id),
        detail: Some(format!("{}: no longer in the configuration", found.slug)),
        ..template.clone()
    })?;
    Ok(())
}

impl Admin {
    pub fn provider_add(
        &self,
        (tenant_slug, slug): (&str, &str),
        draft: ProviderDraft,
        secret: Option<Redacted<String>>,
    ) -> Result<ShownProvider, AdminError> {
        if !is_slug(slug) {
            return Err(AdminError::invalid(format!(
                "`{slug}` cannot be a provider's slug; use 1 to 63 lower-case letters, digits and inner hyphens"
            )));
        }
        let checked = draft.complete(slug).map_err(|flaws| flawed(&flaws))?;
        let plain = secret.as_ref().map(|secret| secret.0.as_str());
        check_secret(checked.kind, plain).map_err(|flaw| flawed(&[flaw]))?;
        let (tenant_slug, slug) = (tenant_slug.to_owned(), slug.to_owned());
        let entry = self.entry(AuditEvent::ProviderAdded);
        self.write(move |write| {
            let owner = tenant(write, &tenant_slug)?;
            let inserted = write.provider_insert(
                &NewProvider {
                    tenant_id: owner.id,
                    slug: slug.clone(),
                    kind: checked.kind,
                    configured: false,
                    description: description(&checked),
                },
                secret.as_ref(),
            );
            taken(inserted, "upstream", &slug)?;
            write.audit(&AuditEntry {
                tenant_id: Some(owner.id),
                detail: Some(slug.clone()),
                ..entry.clone()
            })?;
            let added = provider(write, owner.id, &slug)?;
            shown(write, added)
        })
    }

    /// The providers of a tenant that are not deleted.
    pub fn provider_list(&self, tenant_slug: &str) -> Result<Vec<Provider>, AdminError> {
        self.read(|read| {
            let owner = tenant(read, tenant_slug)?;
            let mut providers = read.provider_list(owner.id)?;
            providers.retain(|provider| provider.status != OwnerStatus::Deleted);
            Ok(providers)
        })
    }

    pub fn provider_show(
        &self,
        (tenant_slug, slug): (&str, &str),
    ) -> Result<ShownProvider, AdminError> {
        self.read(|read| {
            let owner = tenant(read, tenant_slug)?;
            let found = provider(read, owner.id, slug)?;
            shown(read, found)
        })
    }

    /// Finds one and works on it, with its audit row. The job answers what the audit row is to say behind the slug.
    pub(crate) fn provider_write<T, J>(
        &self,
        at: (&str, &str),
        event: AuditEvent,
        job: J,
    ) -> Result<T, AdminError>
    where
        T: Send + 'static,
        J: Fn(&mut Write<'_>, &Provider) -> Result<(T, Option<String>), AdminError>
            + Send
            + 'static,
    {
        self.write(self.provider_job(at, event, job))
    }

    /// The same, to be done or rehearsed.
    fn provider_job<T, J>(
        &self,
        (tenant_slug, slug): (&str, &str),
        event: AuditEvent,
        job: J,
    ) -> impl Fn(&mut Write<'_>) -> Result<T, AdminError> + Send + 'static + use<T, J>
    where
        T: Send + 'static,
        J: Fn(&mut Write<'_>, &Provider) -> Result<(T, Option<String>), AdminError>
            + Send
            + 'static,
    {
        let (tenant_slug, slug) = (tenant_slug.to_owned(), slug.to_owned());
        let entry = self.entry(event);
        move |write| {
            let owner = tenant(write, &tenant_slug)?;
            let found = provider(write, owner.id, &slug)?;
            let (done, detail) = job(write, &found)?;
            let detail = detail.map_or_else(|| slug.clone(), |detail| format!("{slug}: {detail}"));
            write.audit(&AuditEntry {
                tenant_id: Some(owner.id),
                detail: Some(detail),
                ..entry.clone()
            })?;
            Ok(done)
        }
    }

    /// Changes what was said. Links stay under the issuer that they were made with (B17). Whoever calls this, sets a secret or deletes
    /// has looked that the configuration does not describe the provider: the next start would put it back.
    pub fn provider_change(
        &self,
        at: (&str, &str),
        draft: ProviderDraft,
    ) -> Result<ChangedProvider, AdminError> {
        let template = self.entry(AuditEvent::ProviderChanged);
        self.provider_write(at, AuditEvent::ProviderChanged, move |write, found| {
            let standing = Standing {
                kind: found.kind,
                name: &found.name,
                issuer: &found.issuer,
                client_id: &found.client_id,
                settings: &found.settings,
            };
            let checked = draft
                .clone()
                .apply(standing)
                .map_err(|flaws| flawed(&flaws))?;
            let next = description(&checked);
            release(write, found, &template)?;
            write.provider_update(found.id, &next)?;
            let provider = provider(write, found.tenant_id, &found.slug)?;
            let changed = ChangedProvider {
                ended: provider.epoch != found.epoch,
                old_issuer: (provider.issuer != found.issuer).then(|| found.issuer.clone()),
                shown: shown(write, provider)?,
            };
            Ok((changed, Some(differences(&found.description(), &next))))
        })
    }

    /// Replaces the client secret; `None` takes it away.
    pub fn provider_set_secret(
        &self,
        at: (&str, &str),
        secret: Option<Redacted<String>>,
    ) -> Result<(), AdminError> {
        let template = self.entry(AuditEvent::ProviderChanged);
        self.provider_write(at, AuditEvent::ProviderChanged, move |write, found| {
            let plain = secret.as_ref().map(|secret| secret.0.as_str());
            check_secret(found.kind, plain).map_err(|flaw| flawed(&[flaw]))?;
            release(write, found, &template)?;
            write.provider_set_client_secret(found.id, secret.as_ref())?;
            Ok(((), Some("client_secret".to_owned())))
        })
    }

    /// Disables, enables or deletes. Every step ends the sessions that were born through it, so enabling again revives nothing.
    pub fn provider_set_status(
        &self,
        at: (&str, &str),
        next: OwnerStatus,
    ) -> Result<(), AdminError> {
        let template = self.entry(AuditEvent::ProviderStatusChanged);
        self.provider_write(
            at,
            AuditEvent::ProviderStatusChanged,
            move |write, found| {
                check_step("upstream", &found.slug, found.status, next)?;
                if next == OwnerStatus::Deleted {
                    release(write, found, &template)?;
                }
                write.provider_set_status(found.id, next)?;
                Ok(((), Some(next.to_string())))
            },
        )
    }

    /// The provider goes under another issuer, and its links move along, in one transaction (B17). A dry run takes it back. Unlike after a
    /// change of the issuer, what was born through it lives on: the administrator says that it is the same provider.
    pub fn provider_rebind(
        &self,
        at: (&str, &str),
        (old, new): (&str, &str),
        dry_run: bool,
    ) -> Result<Rebound, AdminError> {
        check_issuers(old, new)?;
        let (old, new) = (old.to_owned(), new.to_owned());
        let job = self.provider_job(at, AuditEvent::ProviderRebound, move |write, found| {
            check_rebind(write, found, &old, &new)?;
            let links = write.links_rebind(found.id, &old, &new)?;
            let told = format!("{links} links from {old} to {new}");
            Ok((Rebound { links, dry_run }, Some(told)))
        });
        if dry_run {
            self.rehearse(job)
        } else {
            self.write(job)
        }
    }
}

fn check_issuers(old: &str, new: &str) -> Result<(), AdminError> {
    if old == new {
        return Err(AdminError::invalid(
            "the two issuers are the same, byte for byte; there is nothing to do",
        ));
    }
    let unfit = |issuer: &&str| !is_endpoint(issuer) || issuer.contains('?');
    match [old, new].into_iter().find(unfit) {
        None => Ok(()),
        Some(issuer) => Err(AdminError::Invalid(format!(
            "`{}` cannot be an issuer; it is an https address without query, fragment and user name (http only for 127.0.0.1, [::1] \
             and localhost)",
            issuer.escape_debug()
        ))),
    }
}

/// How many of the links that stand in the way are named.
const NAMED: usize = 20;

/// May the links move?
fn check_rebind(
    read: &mut Read<'_>,
    found: &Provider,
    old: &str,
    new: &str,
) -> Result<(), AdminError> {
    if found.issuer != old && found.issuer != new {
        return Err(AdminError::Invalid(format!(
            "the issuer of `{}` is {}, which is neither of the two; issuers are compared byte for byte",
            found.slug, found.issuer
        )));
    }
    let twice = read.links_bound_twice(found.id, old, new)?;
    if twice.is_empty() {
        return Ok(());
    }
    let mut told = format!(
        "{} identities are bound under both issuers; take the newer links away first, and run this again:",
        twice.len()
    );
    for link in twice.iter().take(NAMED) {
        told.push_str(&format!(
            "\n  curfew user unlink {} {}",
            link.user_id, link.id
        ));
    }
    if let Some(more) = twice.len().checked_sub(NAMED).filter(|more| *more > 0) {
        told.push_str(&format!(
            "\n  and {more} more, which are named when these are gone"
        ));
    }
    Err(AdminError::Invalid(told))
}

/// Which parts of a description differ; for the audit trail, so names only.
pub(crate) fn differences(old: &ProviderDescription, new: &ProviderDescription) -> String {
    let (was, is) = (&old.settings, &new.settings);
    let (before, after) = (&was.policy, &is.policy);
    let parts = [
        (Field::Name, old.name != new.name),
        (Field::Issuer, old.issuer != new.issuer),
        (Field::ClientId, old.client_id != new.client_id),
        (
            Field::EmailFallback,
            before.email_fallback != after.email_fallback,
        ),
        (
            Field::LegacyLinks,
            before.legacy_links != after.legacy_links,
        ),
        (Field::SignUps, before.sign_ups != after.sign_ups),
        (Field::Domains, before.domains != after.domains),
        (Field::Quarantine, before.quarantine != after.quarantine),
        (
            Field::BindToUpstream,
            before.bind_to_upstream != after.bind_to_upstream,
        ),
        (
            Field::DangerousSignInByEmail,
            before.dangerous_sign_in_by_email != after.dangerous_sign_in_by_email,
        ),
        (
            Field::EmailVerifiedAsText,
            before.email_verified_as_text != after.email_verified_as_text,
        ),
        (Field::Organizations, was.organizations != is.organizations),
        (Field::ApiUrl, was.api_url != is.api_url),
        (Field::Scopes, was.scopes != is.scopes),
    ];
    let changed: Vec<&str> = parts
        .into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(field, _)| field.key())
        .collect();
    if changed.is_empty() {
        return "nothing".to_owned();
    }
    changed.join(" ")
}

#[cfg(test)]
#[path = "providers_tests.rs"]
mod tests;
