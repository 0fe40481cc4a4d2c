//! Where an address is, roughly, by an optional database file in the MaxMind format. Nothing is asked over the network.

use std::net::IpAddr;
use std::path::Path;

use maxminddb::{Reader, geoip2};

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("it is no database of places in the MaxMind format")]
pub struct PlacesError(#[source] maxminddb::MaxMindDbError);

/// Knows places, or nothing when no file is configured.
#[derive(Debug, Default)]
pub struct Places(Option<Reader<Vec<u8>>>);

impl Places {
    /// Reads a city or country database into memory.
    pub fn open(file: &Path) -> Result<Self, PlacesError> {
        Reader::open_readfile(file)
            .map(|reader| Self(Some(reader)))
            .map_err(PlacesError)
    }

    /// `Paris, France`, `France`, or nothing.
    pub fn of(&self, address: &str) -> Option<String> {
        let reader = self.0.as_ref()?;
        let address: IpAddr = address.parse().ok()?;
        let found = reader.lookup(address).ok()?;
        let city: geoip2::City<'_> = found.decode().ok()??;
        let words: Vec<&str> = [city.city.names.english, city.country.names.english]
            .into_iter()
            .flatten()
            .collect();
        (!words.is_empty()).then(|| words.join(", "))
    }
}
