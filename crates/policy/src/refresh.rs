//! What a presented refresh token means (RFC 9700 §4.14.2).
//!
//! | presented                                   | verdict                                                             |
//! |---------------------------------------------|---------------------------------------------------------------------|
//! | the current generation with its secret      | rotate                                                              |
//! | the one before, with its secret, in time    | the answer was lost: replace the unused successor, once             |
//! | an older or future generation with our tag  | replay: the family ends                                             |
//! | anything without our tag                    | unknown: nothing happens, or whoever reads a log could end families |

use curfew_protocol::{Lifetime, Timestamp};

/// What was presented, after all digests were compared.
#[derive(Clone, Copy, Debug)]
pub struct Presented {
    pub generation: u64,
    /// The keyed tag shows that we issued this generation of this family.
    pub tag_is_ours: bool,
    pub is_current_secret: bool,
    pub is_previous_secret: bool,
}

/// The family as it stands.
#[derive(Clone, Copy, Debug)]
pub struct FamilyState {
    pub generation: u64,
    pub previous_generation: Option<u64>,
    pub rotated_at: Timestamp,
    pub grace_used: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshVerdict {
    Rotate,
    ReplaceUnusedSuccessor,
    Replay,
    Unknown,
}

/// Decides; `grace` is how long a lost answer may be asked for again.
pub fn decide(
    presented: &Presented,
    family: &FamilyState,
    now: Timestamp,
    grace: Lifetime,
) -> RefreshVerdict {
    if !presented.tag_is_ours {
        return RefreshVerdict::Unknown;
    }
    if presented.generation == family.generation {
        // The right generation and tag with a wrong secret was put together from parts: nobody was issued that.
        return if presented.is_current_secret {
            RefreshVerdict::Rotate
        } else {
            RefreshVerdict::Unknown
        };
    }
    let in_time = !now.has_reached(family.rotated_at.after(grace));
    let was_previous = family.previous_generation == Some(presented.generation);
    if was_previous && presented.is_previous_secret && in_time && !family.grace_used {
        return RefreshVerdict::ReplaceUnusedSuccessor;
    }
    RefreshVerdict::Replay
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(100);
    const GRACE: Lifetime = Lifetime::from_seconds(10);

    fn presented(generation: u64) -> Presented {
        Presented {
            generation,
            tag_is_ours: true,
            is_current_secret: generation == 5,
            is_previous_secret: generation == 4,
        }
    }

    fn family(rotated_at: i64, grace_used: bool) -> FamilyState {
        let rotated_at = Timestamp::from_seconds(rotated_at);
        FamilyState {
            generation: 5,
            previous_generation: Some(4),
            rotated_at,
            grace_used,
        }
    }

    #[test]
    fn every_case_of_the_table() {
        use RefreshVerdict::*;
        let garbage = Presented {
            tag_is_ours: false,
            ..presented(4)
        };
        let forged = Presented {
            is_current_secret: false,
            ..presented(5)
        };
        let stolen = Presented {
            is_previous_secret: false,
            ..presented(4)
        };
        let cases: &[(Presented, FamilyState, RefreshVerdict)] = &[
            (presented(5), family(0, false), Rotate),
            (presented(5), family(99, true), Rotate),
            (presented(4), family(99, false), ReplaceUnusedSuccessor),
            (presented(4), family(91, false), ReplaceUnusedSuccessor),
            (presented(4), family(90, false), Replay),
            (presented(4), family(99, true), Replay),
            (presented(3), family(99, false), Replay),
            (presented(0), family(99, false), Replay),
            (presented(6), family(99, false), Replay),
            (stolen, family(99, false), Replay),
            (garbage, family(99, false), Unknown),
            (forged, family(99, false), Unknown),
        ];
        for (presented, family, expected) in cases {
            assert_eq!(
                decide(presented, family, NOW, GRACE),
                *expected,
                "{presented:?} {family:?}"
            );
        }
    }
}
