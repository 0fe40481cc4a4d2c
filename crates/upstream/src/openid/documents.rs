//! What a provider publishes about itself: its discovery document and its keys, remembered for a while.
//!
//! They are kept by provider and issuer, so that a provider that was set to another issuer is asked anew. Whoever needs a document that
//! somebody else is fetching waits for that one instead of asking as well. A document that is refused is never kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use curfew_http::outbound::Call;
use curfew_policy::lifetime::{UPSTREAM_DOCUMENTS, UPSTREAM_KEYS_AGAIN};
use curfew_protocol::upstream::{JwsHeader, KeySet, ProviderMetadata};
use curfew_protocol::{ProviderId, Timestamp};
use tokio::sync::MutexGuard;
use url::Url;

use crate::client::{Contact, address};
use crate::failure::{Asked, InvalidAnswer, Unavailable, UpstreamFailure, for_log};
use crate::provider::UpstreamProvider;

/// Appended to the issuer (OpenID Connect Discovery 1.0 §4).
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

#[derive(Debug, Default)]
pub(crate) struct Documents {
    published: Mutex<HashMap<(ProviderId, String), Arc<Published>>>,
}

/// What one provider published under one issuer.
#[derive(Debug, Default)]
struct Published {
    metadata: tokio::sync::Mutex<Option<Kept<ProviderMetadata>>>,
    keys: tokio::sync::Mutex<KeptKeys>,
}

#[derive(Debug)]
struct Kept<T> {
    document: Arc<T>,
    since: Timestamp,
}

impl<T> Kept<T> {
    fn new(document: T, since: Timestamp) -> Self {
        Self {
            document: Arc::new(document),
            since,
        }
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        now.since(self.since) < UPSTREAM_DOCUMENTS
    }
}

#[derive(Debug, Default)]
struct KeptKeys {
    keys: Option<Kept<KeySet>>,
    /// When a token last made us ask again before the time.
    asked_again: Option<Timestamp>,
}

impl KeptKeys {
    /// The kept keys, if they serve the token or may not be asked for again yet (B42).
    fn serving(&self, header: &JwsHeader, now: Timestamp) -> Option<Arc<KeySet>> {
        let kept = self.keys.as_ref().filter(|kept| kept.is_fresh(now))?;
        let (kid, algorithm) = (header.kid.as_deref(), header.algorithm);
        let fits = !kept.document.candidates(kid, algorithm).is_empty();
        let too_soon = self
            .asked_again
            .is_some_and(|asked| now.since(asked) < UPSTREAM_KEYS_AGAIN);
        (fits || too_soon).then(|| kept.document.clone())
    }
}

impl Documents {
    fn of(&self, provider: &UpstreamProvider) -> Arc<Published> {
        let mut published = self
            .published
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // What was published under an issuer that this provider no longer has is of no use.
        published.retain(|(id, issuer), _| *id != provider.id || *issuer == provider.issuer);
        let key = (provider.id, provider.issuer.clone());
        published.entry(key).or_default().clone()
    }

    pub(crate) async fn metadata(
        &self,
        contact: Contact<'_>,
    ) -> Result<Arc<ProviderMetadata>, UpstreamFailure> {
        let published = self.of(contact.provider);
        let mut kept = waited(contact, Asked::Metadata, &published.metadata).await?;
        if let Some(kept) = kept.as_ref().filter(|kept| kept.is_fresh(contact.now)) {
            return Ok(kept.document.clone());
        }
        let metadata = fetch_metadata(contact).await?;
        Ok(kept
            .insert(Kept::new(metadata, contact.now))
            .document
            .clone())
    }

    /// The keys that a token with this header may have been signed with are among these, or there are none.
    pub(super) async fn keys(
        &self,
        contact: Contact<'_>,
        metadata: &ProviderMetadata,
        header: &JwsHeader,
    ) -> Result<Arc<KeySet>, UpstreamFailure> {
        let published = self.of(contact.provider);
        let mut kept = waited(contact, Asked::Keys, &published.keys).await?;
        if let Some(keys) = kept.serving(header, contact.now) {
            return Ok(keys);
        }
        if kept
            .keys
            .as_ref()
            .is_some_and(|keys| keys.is_fresh(contact.now))
        {
            kept.asked_again = Some(contact.now);
        }
        let keys = fetch_keys(contact, metadata).await?;
        let keys = kept.keys.insert(Kept::new(keys, contact.now));
        Ok(keys.document.clone())
    }
}

/// Waits as long as a call may take for whoever is asking for the same.
async fn waited<'m, T>(
    contact: Contact<'_>,
    asked: Asked,
    mutex: &'m tokio::sync::Mutex<T>,
) -> Result<MutexGuard<'m, T>, UpstreamFailure> {
    tokio::time::timeout(contact.outbound.timeout(), mutex.lock())
        .await
        .map_err(|_| Unavailable::Waiting { asked }.into())
}

/// Where the discovery document of an issuer lies.
pub(super) fn metadata_url(issuer: &str) -> Result<Url, UpstreamFailure> {
    address(&format!("{}{WELL_KNOWN}", issuer.trim_end_matches('/')))
}

async fn fetch_metadata(contact: Contact<'_>) -> Result<ProviderMetadata, UpstreamFailure> {
    let url = metadata_url(&contact.provider.issuer)?;
    let answer = contact.fetch(Asked::Metadata, Call::new(&url)).await?;
    let metadata = ProviderMetadata::parse(&answer.body)
        .map_err(|error| UpstreamFailure::unreadable(Asked::Metadata, error))?;
    if !metadata.matches_issuer(&contact.provider.issuer) {
        return Err(InvalidAnswer::OtherIssuer(for_log(&metadata.issuer)).into());
    }
    Ok(metadata)
}

pub(super) async fn fetch_keys(
    contact: Contact<'_>,
    metadata: &ProviderMetadata,
) -> Result<KeySet, UpstreamFailure> {
    let url = address(&metadata.jwks_uri)?;
    let answer = contact.fetch(Asked::Keys, Call::new(&url)).await?;
    KeySet::parse(&answer.body).map_err(|error| UpstreamFailure::unreadable(Asked::Keys, error))
}
