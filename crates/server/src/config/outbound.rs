//! Which other servers may be called.

use std::path::{Path, PathBuf};

use curfew_policy::addresses::AddressRange;

use super::raw::Raw;

#[derive(Clone, Debug)]
pub(crate) struct OutboundSettings {
    pub(crate) allowed: Vec<AddressRange>,
    pub(crate) ca_file: Option<PathBuf>,
}

impl OutboundSettings {
    pub(super) fn take(raw: &mut Raw, base: &Path) -> Self {
        let key = "outbound.allowed_addresses";
        let entries = raw.list(key).unwrap_or_default();
        let allowed = AddressRange::parse_all(&entries).unwrap_or_else(|entry| {
            raw.wrong(
                key,
                &format!(
                    "`{entry}` is no address range; write 10.1.0.0/16, fd00::/8 or a single address"
                ),
            );
            Vec::new()
        });
        Self {
            allowed,
            ca_file: raw.text("outbound.ca_file").map(|file| base.join(file)),
        }
    }
}
