use super::*;
use curfew_protocol::Lifetime;

const NOW: Timestamp = Timestamp::from_seconds(1_000);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn owner<S>(status: S) -> OwnerFacts<S> {
    OwnerFacts {
        status,
        epoch_now: 5,
        epoch_at_birth: 5,
    }
}

fn node() -> NodeFacts {
    NodeFacts {
        expires_at: at(2_000),
        ended: None,
        limits: TenantLimits::default(),
        bound_since: BoundSince::default().and(Some(LimitKind::Approval), at(0)),
        session_idle_at: None,
        installation_epoch_now: 1,
        installation_epoch_at_birth: 1,
        tenant: owner(OwnerStatus::Active),
        user: Some(owner(UserStatus::Active)),
        client: Some(owner(OwnerStatus::Active)),
        link: Some(owner(OwnerStatus::Active)),
        provider: Some(owner(OwnerStatus::Active)),
    }
}

fn token() -> TokenFacts {
    TokenFacts {
        created_at: at(900),
        expires_at: at(1_500),
        ended: None,
        limit: LimitKind::AccessToken,
    }
}

#[test]
fn a_sound_token_lives_until_its_own_end() {
    let alive = judge_token(&token(), &node(), NOW).map(Alive::expires_at);
    assert_eq!(alive, Ok(at(1_500)));
}

#[test]
fn each_cause_of_death_is_told_apart() {
    type Change = fn(&mut TokenFacts, &mut NodeFacts);
    let cases: &[(Change, DeadBecause)] = &[
        (
            |t, _| t.ended = Some(DeathCause::Revoked),
            DeadBecause::TokenEnded(DeathCause::Revoked),
        ),
        (
            |_, n| n.ended = Some(DeathCause::Replayed),
            DeadBecause::NodeEnded(DeathCause::Replayed),
        ),
        (|t, _| t.expires_at = NOW, DeadBecause::TokenExpired),
        (|_, n| n.expires_at = NOW, DeadBecause::NodeExpired),
        (
            |_, n| n.session_idle_at = Some(NOW),
            DeadBecause::SessionIdle,
        ),
        (
            |_, n| n.limits.access_token = Some(Lifetime::from_seconds(100)),
            DeadBecause::OverTenantLimit,
        ),
        (
            |_, n| n.limits.approval = Some(Lifetime::from_seconds(1_000)),
            DeadBecause::OverTenantLimit,
        ),
        (
            |_, n| n.installation_epoch_now = 2,
            DeadBecause::OwnerEpochMoved(Owner::Installation),
        ),
        (
            |_, n| n.tenant.epoch_now = 6,
            DeadBecause::OwnerEpochMoved(Owner::Tenant),
        ),
        (
            |_, n| {
                n.user = Some(OwnerFacts {
                    epoch_now: 6,
                    ..owner(UserStatus::Active)
                })
            },
            DeadBecause::OwnerEpochMoved(Owner::User),
        ),
        (
            |_, n| {
                n.client = Some(OwnerFacts {
                    epoch_now: 6,
                    ..owner(OwnerStatus::Active)
                })
            },
            DeadBecause::OwnerEpochMoved(Owner::Client),
        ),
        (
            |_, n| n.tenant.status = OwnerStatus::Disabled,
            DeadBecause::OwnerNotActive(Owner::Tenant),
        ),
        (
            |_, n| n.user = Some(owner(UserStatus::Suspended)),
            DeadBecause::OwnerNotActive(Owner::User),
        ),
        (
            |_, n| n.user = Some(owner(UserStatus::Deleted)),
            DeadBecause::OwnerNotActive(Owner::User),
        ),
        (
            |_, n| n.user = Some(owner(UserStatus::Dormant)),
            DeadBecause::OwnerNotActive(Owner::User),
        ),
        (
            |_, n| n.client = Some(owner(OwnerStatus::Deleted)),
            DeadBecause::OwnerNotActive(Owner::Client),
        ),
        (
            |_, n| n.link = Some(owner(OwnerStatus::Deleted)),
            DeadBecause::OwnerNotActive(Owner::Link),
        ),
        (
            |_, n| n.provider = Some(owner(OwnerStatus::Disabled)),
            DeadBecause::OwnerNotActive(Owner::Provider),
        ),
        (
            |_, n| {
                n.link = Some(OwnerFacts {
                    epoch_now: 6,
                    ..owner(OwnerStatus::Active)
                })
            },
            DeadBecause::OwnerEpochMoved(Owner::Link),
        ),
        (
            |_, n| {
                n.provider = Some(OwnerFacts {
                    epoch_now: 6,
                    ..owner(OwnerStatus::Active)
                })
            },
            DeadBecause::OwnerEpochMoved(Owner::Provider),
        ),
    ];
    for (change, expected) in cases {
        let (mut token, mut node) = (token(), node());
        change(&mut token, &mut node);
        assert_eq!(judge_token(&token, &node, NOW), Err(*expected));
    }
}

#[test]
fn a21_an_epoch_that_is_smaller_than_at_birth_is_no_better_than_a_larger_one() {
    let mut node = node();
    node.tenant.epoch_now = 4;
    assert_eq!(
        judge_node(&node, NOW),
        Err(DeadBecause::OwnerEpochMoved(Owner::Tenant))
    );
}

#[test]
fn c10_the_boundary_second_is_dead() {
    let token = TokenFacts {
        expires_at: at(1_000),
        ..token()
    };
    assert_eq!(
        judge_token(&token, &node(), at(999)).map(Alive::expires_at),
        Ok(at(1_000))
    );
    assert_eq!(
        judge_token(&token, &node(), at(1_000)),
        Err(DeadBecause::TokenExpired)
    );
}

#[test]
fn c11_a_lower_limit_shortens_what_exists() {
    let mut node = node();
    node.limits.access_token = Some(Lifetime::from_seconds(200));
    assert_eq!(
        judge_token(&token(), &node, NOW).map(Alive::expires_at),
        Ok(at(1_100))
    );
}

#[test]
fn the_home_of_a_token_is_never_later_than_its_nodes() {
    let node = NodeFacts {
        expires_at: at(1_200),
        ..node()
    };
    assert_eq!(
        judge_token(&token(), &node, NOW).map(Alive::expires_at),
        Ok(at(1_200))
    );
}
