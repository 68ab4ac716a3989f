use super::*;

fn faults() -> (Faults, Clock) {
    let clock = Clock::system();
    (Faults::new(clock.clone()), clock)
}

#[test]
fn a_fault_happens_as_often_as_it_was_told_to() {
    let (faults, _) = faults();
    let switch = Switch {
        times: Some(2),
        seconds: Some(7),
        ..Switch::on(Name::TokenThrottled)
    };
    faults.switch_on(switch).expect("a fault");

    let throttled = Some(TokenFault::Throttled { retry_after: 7 });
    assert_eq!(faults.at_token_endpoint("frontend"), throttled);
    assert_eq!(faults.active()[0].happened, 1);
    assert_eq!(faults.at_token_endpoint("backend"), throttled);
    assert_eq!(faults.at_token_endpoint("frontend"), None);
    assert_eq!(faults.active(), []);
}

#[test]
fn a_fault_is_over_when_its_time_is() {
    let (faults, clock) = faults();
    let switch = Switch {
        for_seconds: Some(60),
        ..Switch::on(Name::TokenLoop)
    };
    faults.switch_on(switch).expect("a fault");

    clock.advance(std::time::Duration::from_secs(59));
    assert_eq!(faults.at_token_endpoint("worker"), Some(TokenFault::Loop));
    clock.advance(std::time::Duration::from_secs(1));

    assert_eq!(faults.at_token_endpoint("worker"), None);
}

#[test]
fn a_fault_of_one_identity_is_nobody_elses() {
    let (faults, _) = faults();
    let switch = Switch {
        identity: Some("backend".to_owned()),
        ..Switch::on(Name::TokenUnavailable)
    };
    faults.switch_on(switch).expect("a fault");

    assert_eq!(faults.at_token_endpoint("frontend"), None);
    assert_eq!(
        faults.at_token_endpoint("backend"),
        Some(TokenFault::Unavailable { status: 503 })
    );
}

#[test]
fn one_fault_is_cleared_by_its_number_and_all_without() {
    let (faults, _) = faults();
    let first = faults.switch_on(Switch::on(Name::TokenLoop)).expect("on");
    faults.switch_on(Switch::on(Name::SlowKeys)).expect("on");

    assert_eq!(faults.clear(Some(first)), 1);
    assert_eq!(faults.at_token_endpoint("frontend"), None);
    assert!(faults.issuer_takes().is_some());
    assert_eq!(faults.clear(None), 1);
    assert_eq!(faults.issuer_takes(), None);
}

#[test]
fn a_parameter_that_a_fault_does_not_have_is_refused() {
    let (faults, _) = faults();
    let with = |fault, change: fn(&mut Switch)| {
        let mut switch = Switch::on(fault);
        change(&mut switch);
        faults.switch_on(switch)
    };

    let refusal = |what: &str| Err(format!("this fault has no `{what}`"));
    let identity = |switch: &mut Switch| switch.identity = Some("worker".to_owned());
    assert_eq!(with(Name::SlowKeys, identity), refusal("identity"));
    assert_eq!(
        with(Name::TokenLoop, |s| s.seconds = Some(1)),
        refusal("seconds")
    );
    assert_eq!(with(Name::RoleDelay, |s| s.code = Some(1)), refusal("code"));
    assert_eq!(
        with(Name::IssuerUnreachable, |s| s.code = Some(503)),
        Err("`code` is one of [50166, 90061, 501661]".to_owned())
    );
}

#[test]
fn a_flapping_trust_is_seen_old_and_new_in_turn() {
    let (faults, clock) = faults();
    faults
        .switch_on(Switch::on(Name::TrustFlapping))
        .expect("a fault");
    let begin = clock.now();

    let seen = [(); 4].map(|()| faults.trust_seen_as_of("frontend") < begin);

    assert_eq!(seen, [true, false, true, false]);
}
