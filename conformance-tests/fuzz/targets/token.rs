//! A credential has one spelling: what is read is what would be written, one kind never passes for another, and what was changed in
//! one place is nothing any more.
#![no_main]

use curfew_protocol::{
    NodeId, OpaqueToken, ParsedRefresh, ParsedToken, RefreshToken, SecretBytes, TokenKind,
};

/// Reads `text` as every kind; how many it is.
fn read(text: &str) -> usize {
    let opaque = TokenKind::ALL
        .into_iter()
        .filter(|kind| *kind != TokenKind::RefreshToken);
    let as_opaque = opaque.filter(|kind| {
        let parsed = ParsedToken::parse(*kind, text);
        parsed.is_ok_and(|parsed| {
            assert_eq!(TokenKind::of(text), Some(*kind));
            assert_eq!(
                OpaqueToken::new(*kind, parsed.selector, parsed.secret).reveal(),
                text
            );
            true
        })
    });
    let as_refresh = ParsedRefresh::parse(text).is_ok_and(|parsed| {
        let token = RefreshToken {
            family: parsed.family,
            generation: parsed.generation,
            secret: parsed.secret,
            tag: parsed.tag,
        };
        assert_eq!(token.reveal(), text);
        true
    });
    as_opaque.count() + usize::from(as_refresh)
}

/// A credential made of `bytes`, and a place in it.
fn made(bytes: &[u8; 67]) -> (String, usize, u8) {
    let [kind, at, other, rest @ ..] = bytes;
    let (selector, rest) = rest.split_first_chunk::<16>().expect("64 bytes");
    let (secret, rest) = rest.split_first_chunk::<32>().expect("48 bytes");
    let (generation, tag) = rest.split_first_chunk::<8>().expect("16 bytes");
    let secret = SecretBytes::from_bytes(*secret);
    let kind = TokenKind::ALL[usize::from(*kind) % TokenKind::ALL.len()];
    let text = match kind {
        TokenKind::RefreshToken => {
            let token = RefreshToken {
                family: NodeId::from_bytes(*selector),
                generation: u64::from_be_bytes(*generation),
                secret,
                tag: *tag.first_chunk::<8>().expect("8 bytes"),
            };
            token.reveal()
        }
        kind => OpaqueToken::new(kind, *selector, secret).reveal(),
    };
    let at = usize::from(*at) % text.len();
    (text, at, other & 0x7f)
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        assert!(read(text) <= 1);
    }
    if let Some(bytes) = data.first_chunk() {
        let (text, at, other) = made(bytes);
        assert_eq!(read(&text), 1);
        let mut changed = text.clone().into_bytes();
        changed[at] = other;
        let changed = String::from_utf8(changed).expect("ASCII");
        assert!(changed == text || read(&changed) == 0);
    }
});
