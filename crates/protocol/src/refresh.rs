//! A refresh token names its family and its generation, and carries a keyed tag over both.
//!
//! The tag is what makes reuse detection last as long as the family at constant storage: any generation that
//! was ever issued can be told from one that never was, without a row for each. A tag is only eight bytes because
//! forging it wins nothing but the right to end the family, and each try is a request.

use crate::base62;
use crate::ids::NodeId;
use crate::secret::SecretBytes;
use crate::token::{self, TokenKind, TokenSyntax};

pub(crate) const BODY: usize = base62::width(16 + 8 + 32 + 8);

/// A refresh token just minted.
pub struct RefreshToken {
    pub family: NodeId,
    pub generation: u64,
    pub secret: SecretBytes,
    pub tag: [u8; 8],
}

impl RefreshToken {
    /// The text to hand over.
    pub fn reveal(&self) -> String {
        let mut text = String::with_capacity(TokenKind::RefreshToken.length());
        text.push_str(TokenKind::RefreshToken.prefix());
        base62::encode(self.family.as_bytes(), &mut text);
        base62::encode(&self.generation.to_be_bytes(), &mut text);
        base62::encode(self.secret.expose(), &mut text);
        base62::encode(&self.tag, &mut text);
        token::seal(text)
    }
}

/// What a presented refresh token says about itself.
pub struct ParsedRefresh {
    pub family: NodeId,
    pub generation: u64,
    pub secret: SecretBytes,
    pub tag: [u8; 8],
}

impl ParsedRefresh {
    pub fn parse(text: &str) -> Result<Self, TokenSyntax> {
        let body = token::open(TokenKind::RefreshToken, text)?;
        let (family, rest) = body.split_at(base62::width(16));
        let (generation, rest) = rest.split_at(base62::width(8));
        let (secret, tag) = rest.split_at(base62::width(32));
        Ok(Self {
            family: NodeId::from_bytes(base62::decode(family).ok_or(TokenSyntax)?),
            generation: u64::from_be_bytes(base62::decode(generation).ok_or(TokenSyntax)?),
            secret: SecretBytes::from_bytes(base62::decode(secret).ok_or(TokenSyntax)?),
            tag: base62::decode(tag).ok_or(TokenSyntax)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_token_reads_back_as_what_it_was() {
        let token = RefreshToken {
            family: NodeId::from_bytes([3; 16]),
            generation: 41,
            secret: SecretBytes::from_bytes([5; 32]),
            tag: [6; 8],
        };
        let text = token.reveal();
        assert_eq!(text.len(), TokenKind::RefreshToken.length());
        let parsed = ParsedRefresh::parse(&text).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(
            (parsed.family, parsed.generation, parsed.tag),
            (token.family, 41, [6; 8])
        );
        assert!(ParsedRefresh::parse(&text[..text.len() - 1]).is_err());
    }
}
