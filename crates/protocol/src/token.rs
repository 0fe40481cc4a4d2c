//! The shape of an opaque credential: `prefix_` + selector + secret + checksum.
//!
//! The selector finds the row and may be logged. The secret proves possession. The checksum lets a scanner,
//! and our own edge, throw out garbage without asking the database; it protects nothing.

use std::fmt;

use crate::base62;
use crate::secret::SecretBytes;

const CHECKSUM: usize = 6;

/// What a credential is for, visible in its prefix, so that one kind never passes for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    AccessToken,
    RefreshToken,
    AuthorizationCode,
    Session,
    ClientSecret,
    MailedLink,
    BootstrapSecret,
    DeviceCode,
    PersonalAccessToken,
    /// The state parameter with which an upstream provider sends somebody back.
    UpstreamState,
}

impl TokenKind {
    pub const ALL: [Self; 10] = [
        Self::AccessToken,
        Self::RefreshToken,
        Self::AuthorizationCode,
        Self::Session,
        Self::ClientSecret,
        Self::MailedLink,
        Self::BootstrapSecret,
        Self::DeviceCode,
        Self::PersonalAccessToken,
        Self::UpstreamState,
    ];

    pub const fn prefix(self) -> &'static str {
        match self {
            Self::AccessToken => "cfat_",
            Self::RefreshToken => "cfrt_",
            Self::AuthorizationCode => "cfac_",
            Self::Session => "cfss_",
            Self::ClientSecret => "cfcs_",
            Self::MailedLink => "cfml_",
            Self::BootstrapSecret => "cfbs_",
            Self::DeviceCode => "cfdc_",
            Self::PersonalAccessToken => "cfpt_",
            Self::UpstreamState => "cfus_",
        }
    }

    /// The kind that a presented text claims to be.
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| text.starts_with(kind.prefix()))
    }

    /// Length of the whole text, in characters.
    pub const fn length(self) -> usize {
        let body = match self {
            Self::RefreshToken => crate::refresh::BODY,
            _ => base62::width(48),
        };
        self.prefix().len() + body + CHECKSUM
    }
}

/// Text that is not a credential of the wanted kind: length, alphabet, prefix or checksum is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a well-formed credential of this kind")]
pub struct TokenSyntax;

/// A credential just minted, on its way to its owner.
pub struct OpaqueToken {
    kind: TokenKind,
    selector: [u8; 16],
    secret: SecretBytes,
}

impl OpaqueToken {
    pub const fn new(kind: TokenKind, selector: [u8; 16], secret: SecretBytes) -> Self {
        Self {
            kind,
            selector,
            secret,
        }
    }

    pub const fn secret(&self) -> &SecretBytes {
        &self.secret
    }

    /// The text to hand over. There is no other way to print a token.
    pub fn reveal(&self) -> String {
        let mut text = String::with_capacity(self.kind.length());
        text.push_str(self.kind.prefix());
        base62::encode(&self.selector, &mut text);
        base62::encode(self.secret.expose(), &mut text);
        seal(text)
    }
}

impl fmt::Debug for OpaqueToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}([redacted])", self.kind)
    }
}

/// What a presented credential says about itself, before anyone looked it up.
pub struct ParsedToken {
    pub selector: [u8; 16],
    pub secret: SecretBytes,
}

impl ParsedToken {
    /// Reads `text` as a credential of `kind` (any but a refresh token).
    pub fn parse(kind: TokenKind, text: &str) -> Result<Self, TokenSyntax> {
        let body = open(kind, text)?;
        let (selector, secret) = body.split_at(base62::width(16));
        Ok(Self {
            selector: base62::decode(selector).ok_or(TokenSyntax)?,
            secret: SecretBytes::from_bytes(base62::decode(secret).ok_or(TokenSyntax)?),
        })
    }
}

/// Appends the checksum.
pub(crate) fn seal(mut text: String) -> String {
    let mut checksum = String::with_capacity(CHECKSUM);
    base62::checksum(&text, &mut checksum);
    text.push_str(&checksum);
    text
}

/// Checks length, prefix and checksum; returns the digits between.
pub(crate) fn open(kind: TokenKind, text: &str) -> Result<&[u8], TokenSyntax> {
    if text.len() != kind.length() || !text.is_ascii() {
        return Err(TokenSyntax);
    }
    let (sealed, checksum) = text.split_at(text.len() - CHECKSUM);
    let body = sealed.strip_prefix(kind.prefix()).ok_or(TokenSyntax)?;
    let mut expected = String::with_capacity(CHECKSUM);
    base62::checksum(sealed, &mut expected);
    if expected == checksum {
        Ok(body.as_bytes())
    } else {
        Err(TokenSyntax)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(kind: TokenKind) -> String {
        OpaqueToken::new(kind, [7; 16], SecretBytes::from_bytes([9; 32])).reveal()
    }

    #[test]
    fn a_token_reads_back_as_what_it_was() {
        for kind in TokenKind::ALL
            .into_iter()
            .filter(|k| *k != TokenKind::RefreshToken)
        {
            let text = sample(kind);
            assert_eq!(text.len(), kind.length());
            let parsed =
                ParsedToken::parse(kind, &text).unwrap_or_else(|e| panic!("{kind:?}: {e}"));
            assert_eq!(parsed.selector, [7; 16]);
            assert_eq!(parsed.secret.expose(), &[9; 32]);
        }
    }

    #[test]
    fn every_single_byte_change_is_refused() {
        let text = sample(TokenKind::AccessToken);
        for position in 0..text.len() {
            for replacement in ['0', 'A', 'z', '_', '-', ' ', '\u{0}'] {
                let mut altered: Vec<char> = text.chars().collect();
                if altered[position] == replacement {
                    continue;
                }
                altered[position] = replacement;
                let altered: String = altered.into_iter().collect();
                assert!(
                    ParsedToken::parse(TokenKind::AccessToken, &altered).is_err(),
                    "{altered}"
                );
            }
        }
    }

    #[test]
    fn a_token_of_one_kind_is_never_read_as_another() {
        for minted in TokenKind::ALL {
            for wanted in TokenKind::ALL {
                if minted != wanted && wanted != TokenKind::RefreshToken {
                    assert!(ParsedToken::parse(wanted, &sample(minted)).is_err());
                }
            }
        }
    }

    #[test]
    fn a_group_above_sixty_four_bits_is_refused_even_with_a_right_checksum() {
        let text = seal(format!("cfat_{}", "z".repeat(base62::width(48))));
        assert!(ParsedToken::parse(TokenKind::AccessToken, &text).is_err());
    }
}
