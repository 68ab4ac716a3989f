//! How seldom Key Vault is asked, and how long keys serve while it is away.

use super::*;

#[tokio::test(start_paused = true)]
async fn while_key_vault_is_away_keys_serve_until_their_time_is_over() {
    let (vault, replica) = one();
    let token = replica.sign().await.expect("a token");
    vault.go(true);

    let left = Instant::now();
    let error = loop {
        match replica.verify(&token).await {
            Ok(_) => advance(SECOND).await,
            Err(error) => break error,
        }
    };

    assert_eq!(left.elapsed(), CACHED);
    let chain = error_chain(&error);
    assert!(
        chain.starts_with("the signing keys are not to be had: ")
            && chain.contains(
                "the versions of the secret \"session-key\" cannot be read: Key Vault did not answer"
            ),
        "{chain}"
    );
    assert!(replica.sign().await.is_err());
    vault.go(false);
    advance(SECOND).await;
    assert_eq!(replica.verify(&token).await.expect("back"), claims());
}

#[tokio::test(start_paused = true)]
async fn a_short_absence_of_key_vault_is_not_noticed_and_nobody_waits() {
    let (vault, replica) = one();
    let token = replica.sign().await.expect("a token");
    *vault.takes.lock().unwrap() = 3 * SECOND;

    for second in 0..600 {
        vault.go(second % 100 < 20);
        let begin = Instant::now();
        replica.verify(&token).await.expect("good all the time");
        replica.sign().await.expect("a token");
        assert_eq!(begin.elapsed(), Duration::ZERO, "second {second}");
        tokio::time::sleep(SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn requests_at_the_same_time_ask_once() {
    let (vault, replica) = one();
    *vault.takes.lock().unwrap() = SECOND;

    let tokens = futures::future::join_all((0..50).map(|_| replica.sign())).await;

    assert!(tokens.iter().all(Result::is_ok));
    assert_eq!(
        vault.asked(),
        Asked {
            lists: 1,
            values: 1
        }
    );
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_key_vault_is_left_alone_for_a_second() {
    let (vault, replica) = one();
    vault.go(true);

    for _ in 0..50 {
        assert!(replica.sign().await.is_err());
    }

    assert_eq!(
        vault.asked(),
        Asked {
            lists: 1,
            values: 0
        }
    );
}

#[tokio::test(start_paused = true)]
async fn any_number_of_made_up_versions_costs_key_vault_a_list_a_second() {
    let (vault, replica) = one();
    let mut number = 0_u32;

    for _ in 0..60 {
        for _ in 0..100 {
            number += 1;
            let header = json!({ "alg": "HS256", "kid": format!("{number:032x}") });
            let token = forge(&header, &payload(&vault), 'f');
            assert_eq!(refused(replica.verify(&token).await), "forged");
        }
        advance(SECOND).await;
    }

    assert_eq!(
        vault.asked(),
        Asked {
            lists: 60,
            values: 0
        }
    );
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_made_up_versions_hides_no_real_one() {
    let vault = vault();
    vault.add('a', Duration::ZERO);
    let (replica_1, replica_2) = (replica(&vault), replica(&vault));
    let flood = forge_as('0', &payload(&vault), 'f');
    assert_eq!(refused(replica_2.verify(&flood).await), "forged");
    vault.switch(&id('a'), false);
    vault.add('b', Duration::ZERO);
    let token = replica_1.sign().await.expect("a token");

    let signed = Instant::now();
    while replica_2.verify(&token).await.is_err() {
        assert_eq!(refused(replica_2.verify(&flood).await), "forged");
        assert!(signed.elapsed() < SECOND, "it is still unknown");
        advance(SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_can_wait_for_its_key() {
    let (vault, replica) = one();
    vault.go(true);
    assert!(replica.keys.warm_up().await.is_err());

    vault.go(false);
    advance(SECOND).await;

    replica.keys.warm_up().await.expect("the key");
    assert_eq!(
        vault.asked(),
        Asked {
            lists: 2,
            values: 1
        }
    );
}
