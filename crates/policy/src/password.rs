//! What may be a password. Length is all that is asked (NIST SP 800-63B §5.1.1.2): no character classes.

/// The smallest number of characters.
pub const MIN_CHARACTERS: usize = 10;
/// The largest number of bytes; a longer one would only burn our time.
pub const MAX_BYTES: usize = 1_024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordRefusal {
    TooShort,
    TooLong,
    /// The password is the username or the e-mail address.
    Obvious,
    /// The two entries differ.
    Mismatch,
}

/// Checks a new password and its repetition. `known` are words that everybody knows of the person.
pub fn check_new(password: &str, again: &str, known: &[&str]) -> Result<(), PasswordRefusal> {
    if password.len() > MAX_BYTES {
        return Err(PasswordRefusal::TooLong);
    }
    if password.chars().count() < MIN_CHARACTERS {
        return Err(PasswordRefusal::TooShort);
    }
    if known.iter().any(|word| word.eq_ignore_ascii_case(password)) {
        return Err(PasswordRefusal::Obvious);
    }
    if password != again {
        return Err(PasswordRefusal::Mismatch);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_identity_and_repetition_are_checked() {
        let long = "x".repeat(MAX_BYTES + 1);
        let cases: &[(&str, &str, Result<(), PasswordRefusal>)] = &[
            ("correct horse", "correct horse", Ok(())),
            ("ääääääääää", "ääääääääää", Ok(())),
            ("short", "short", Err(PasswordRefusal::TooShort)),
            (&long, &long, Err(PasswordRefusal::TooLong)),
            (
                "Alice@example.com",
                "Alice@example.com",
                Err(PasswordRefusal::Obvious),
            ),
            (
                "correct horse",
                "correct hors",
                Err(PasswordRefusal::Mismatch),
            ),
        ];
        for (password, again, expected) in cases {
            assert_eq!(
                check_new(password, again, &["alice@example.com"]),
                *expected
            );
        }
    }
}
