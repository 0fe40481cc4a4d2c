//! How long a user code must be so that guessing it stays hopeless (RFC 8628 §5.1).

use curfew_protocol::UserCodeLength;

/// Above so many waiting devices, new codes are longer.
const USUAL_UP_TO: usize = 1_000;

/// Nobody needs to count further.
pub const COUNT_UP_TO: i64 = 1_001;

/// The length of the next code while `waiting` devices wait.
pub const fn user_code_length(waiting: usize) -> UserCodeLength {
    if waiting > USUAL_UP_TO {
        UserCodeLength::UnderLoad
    } else {
        UserCodeLength::Usual
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Failed guesses allowed in the life of a code, times the codes that one may hit, over the number of codes.
    fn probability_of_a_hit(guesses: f64, waiting: f64, letters: i32) -> f64 {
        guesses * waiting / 20f64.powi(letters)
    }

    #[test]
    fn s8628_04_guessing_within_the_budgets_is_hopeless() {
        // One account, one code: five guesses, the figure of the RFC.
        assert!(probability_of_a_hit(5.0, 1.0, 8) < 2f64.powi(-32));
        // Everybody together: one guess a second for ten minutes and a burst of fifty, at the most codes that stay short.
        assert!(probability_of_a_hit(650.0, 1_000.0, 8) < 3e-5);
        // Above that, longer codes: a hundred thousand waiting devices are guessed less easily than a thousand.
        assert!(probability_of_a_hit(650.0, 100_000.0, 10) < 1e-5);
    }

    #[test]
    fn codes_grow_only_above_the_limit() {
        assert_eq!(user_code_length(0), UserCodeLength::Usual);
        assert_eq!(user_code_length(1_000), UserCodeLength::Usual);
        assert_eq!(user_code_length(1_001), UserCodeLength::UnderLoad);
    }
}
