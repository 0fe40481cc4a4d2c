//! The code that a person carries from a device to the browser (RFC 8628 §6.1).

use std::fmt;

use zeroize::Zeroize;

use crate::secret::Entropy;

/// Letters that are not mistaken for each other, and spell no words: 20 of them, so that 8 make 34.5 bits.
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// How long a new code is: longer while many are outstanding, because each of them can be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserCodeLength {
    Usual,
    UnderLoad,
}

impl UserCodeLength {
    const fn letters(self) -> usize {
        match self {
            Self::Usual => 8,
            Self::UnderLoad => 10,
        }
    }
}

/// A user code in its canonical form: capital letters without hyphen. Shown only to whom it is for; what is stored is its keyed digest.
#[derive(Clone, PartialEq, Eq)]
pub struct UserCode(String);

impl UserCode {
    pub fn random(length: UserCodeLength, entropy: &dyn Entropy) -> Self {
        let mut code = String::with_capacity(length.letters());
        while code.len() < length.letters() {
            let mut bytes = [0u8; 16];
            entropy.fill(&mut bytes);
            // 240 is the largest multiple of 20 in a byte: what lies above would favour some letters.
            let fair = bytes.iter().filter(|byte| **byte < 240);
            let missing = length.letters() - code.len();
            code.extend(
                fair.take(missing)
                    .map(|byte| char::from(ALPHABET[usize::from(byte % 20)])),
            );
            bytes.zeroize();
        }
        Self(code)
    }

    /// Reads what a person typed: case, spaces and dashes of any kind do not matter (RFC 8628 §6.1). `None`: no code of ours.
    pub fn parse(typed: &str) -> Option<Self> {
        if typed.len() > 64 {
            return None;
        }
        let letters: String = typed
            .chars()
            .filter(|c| !c.is_whitespace() && !is_dash(*c))
            .map(|c| c.to_ascii_uppercase())
            .collect();
        let known = letters.bytes().all(|byte| ALPHABET.contains(&byte));
        let lengths = [UserCodeLength::Usual, UserCodeLength::UnderLoad];
        let fits = lengths
            .iter()
            .any(|length| length.letters() == letters.len());
        (known && fits).then_some(Self(letters))
    }

    /// What its digest is made of.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

fn is_dash(c: char) -> bool {
    matches!(
        c,
        '-' | '\u{ad}' | '\u{2010}'
            ..='\u{2015}' | '\u{2043}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' | '_'
    )
}

/// In two halves, as people read it.
impl fmt::Display for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, second) = self.0.split_at(self.0.len() / 2);
        write!(f, "{first}-{second}")
    }
}

impl fmt::Debug for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserCode([redacted])")
    }
}

impl Drop for UserCode {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(std::sync::atomic::AtomicU8);

    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            for byte in bytes {
                *byte = self.0.fetch_add(7, std::sync::atomic::Ordering::SeqCst);
            }
        }
    }

    #[test]
    fn c27_every_way_of_typing_a_code_is_the_same_code() {
        let code = UserCode::parse("WDJBMJHT").map(|code| code.to_string());
        assert_eq!(code.as_deref(), Some("WDJB-MJHT"));
        for typed in [
            "wdjb-mjht",
            " WDJB MJHT ",
            "wdjb\u{2010}mjht",
            "WDJB\u{2013}MJHT",
            "W D J B\u{a0}M-J-H-T",
            "wdjb\u{2212}mjht",
        ] {
            assert_eq!(
                UserCode::parse(typed).map(|code| code.to_string()),
                code,
                "{typed}"
            );
        }
    }

    #[test]
    fn c27_what_no_code_can_be_is_none() {
        for typed in [
            "",
            "WDJBMJH",
            "WDJBMJHTT",
            "WDJA-MJHT",
            "WDJ8-MJHT",
            "ẀDJB-MJHT",
            "WDJBMJHTWDJ",
            "wdjbmjht;",
            &"-".repeat(65),
        ] {
            assert!(UserCode::parse(typed).is_none(), "{typed}");
        }
    }

    #[test]
    fn s8628_04_codes_have_their_length_and_use_the_whole_alphabet() {
        let entropy = Counting(std::sync::atomic::AtomicU8::new(0));
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let code = UserCode::random(UserCodeLength::Usual, &entropy);
            assert_eq!(code.as_bytes().len(), 8);
            seen.extend(code.as_bytes().to_vec());
        }
        assert_eq!(seen.len(), ALPHABET.len());
        let long = UserCode::random(UserCodeLength::UnderLoad, &entropy);
        assert_eq!(long.to_string().len(), 11);
        assert_eq!(UserCode::parse(&long.to_string()), Some(long));
    }
}
