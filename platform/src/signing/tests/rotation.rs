//! Versions that come, go and come back: which one signs, and which ones verify.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_new_version_is_taken_up_and_the_old_one_is_honoured() {
    let (vault, replica) = one();
    let old = replica.sign().await.expect("a token");

    vault.add('b', Duration::ZERO);
    advance(CACHED + 59 * SECOND).await;
    assert_eq!(replica.signs_with().await, 'a');
    advance(CACHED).await;
    assert_eq!(replica.signs_with().await, 'b');

    assert_eq!(replica.verify(&old).await.expect("honoured"), claims());
}

#[tokio::test(start_paused = true)]
async fn no_replica_refuses_what_another_signs_while_versions_come() {
    let (vault, first) = one();
    let mut replicas = vec![first];
    for second in 0..400 {
        // Their lists are fetched at different times.
        if [3, 6, 20].contains(&second) {
            replicas.push(replica(&vault));
        }
        for (digit, at) in [('b', 64), ('c', 67), ('d', 95), ('e', 200)] {
            if second == at {
                vault.add(digit, Duration::ZERO);
            }
        }
        for replica in &replicas {
            let token = replica.sign().await.expect("a token");
            for other in &replicas {
                let verified = other.verify(&token).await;
                assert!(verified.is_ok(), "second {second}: {verified:?}");
            }
        }
        advance(SECOND).await;
    }
    for replica in &replicas {
        assert_eq!(replica.signs_with().await, 'e');
    }
}

#[tokio::test(start_paused = true)]
async fn a_disabled_version_is_refused_within_the_caches_time() {
    let (vault, replica) = one();
    vault.add('b', DAY / 2);
    let token = replica.sign().await.expect("a token");

    vault.switch(&id('b'), false);

    let disabled = Instant::now();
    while replica.verify(&token).await.is_ok() {
        assert!(disabled.elapsed() < CACHED, "it is still honoured");
        advance(SECOND).await;
    }
    assert_eq!(refused(replica.verify(&token).await), "withdrawn");
    assert_eq!(replica.signs_with().await, 'a');
}

#[tokio::test(start_paused = true)]
async fn a_replica_without_traffic_asks_before_it_believes_again() {
    let (vault, replica) = one();
    let token = replica.sign().await.expect("a token");

    vault.switch(&id('a'), false);
    advance(CACHED).await;

    assert_eq!(refused(replica.verify(&token).await), "withdrawn");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_enabled_again_is_honoured_again() {
    let (vault, replica) = one();
    let token = replica.sign().await.expect("a token");

    vault.switch(&id('a'), false);
    advance(CACHED).await;
    assert_eq!(refused(replica.verify(&token).await), "withdrawn");
    vault.switch(&id('a'), true);
    advance(CACHED).await;

    assert_eq!(replica.verify(&token).await.expect("good"), claims());
    assert_eq!(vault.asked().values, 2, "its value was not kept meanwhile");
}

#[tokio::test(start_paused = true)]
async fn a_version_disabled_since_the_list_is_withdrawn_and_asked_for_once() {
    let (vault, replica_1) = one();
    vault.add('b', DAY / 2);
    let token = replica_1.sign().await.expect("a token");
    let replica_2 = replica(&vault);
    vault.disable_behind_the_list(&id('b'));

    assert_eq!(replica_2.signs_with().await, 'a');
    let before = vault.asked();
    for _ in 0..100 {
        assert_eq!(refused(replica_2.verify(&token).await), "withdrawn");
    }

    assert_eq!(vault.asked(), before);
}

#[tokio::test(start_paused = true)]
async fn a_young_version_signs_when_there_is_no_other() {
    let vault = vault();
    vault.add('a', Duration::ZERO);
    let (replica_1, replica_2) = (replica(&vault), replica(&vault));
    assert_eq!(replica_1.signs_with().await, 'a');
    replica_2.sign().await.expect("a token");

    vault.add('b', Duration::ZERO);
    vault.switch(&id('a'), false);
    advance(CACHED).await;

    assert_eq!(replica_1.signs_with().await, 'b');
    let token = replica_1.sign().await.expect("a token");
    assert_eq!(replica_2.verify(&token).await.expect("good"), claims());
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_no_key_signs_nothing_and_is_read_once() {
    let (vault, replica) = one();
    vault.add_value('b', DAY / 2, "a pass phrase");

    for _ in 0..10 {
        assert_eq!(replica.signs_with().await, 'a');
    }
    assert_eq!(vault.asked().values, 2);
    let token = forge_as('b', &payload(&vault), 'b');
    assert_eq!(refused(replica.verify(&token).await), "forged");
}

#[tokio::test(start_paused = true)]
async fn without_an_enabled_version_nothing_is_signed_and_the_error_says_so() {
    let (vault, replica) = one();
    vault.switch(&id('a'), false);

    let error = replica.sign().await.expect_err("nothing to sign with");

    assert_eq!(
        error_chain(&error),
        "the signing keys are not to be had: the secret \"session-key\" has no enabled version \
         whose value is base64 of 32 bytes or more"
    );
}
