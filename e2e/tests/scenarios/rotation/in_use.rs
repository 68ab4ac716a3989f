//! Both keys are replaced while everybody is at work: only what was withdrawn is
//! refused, and whoever is told so goes on.

use super::links::Links;
use super::sessions::Sites;
use super::{Signing, a_new_version_comes_and_the_old_one_goes, believing};
use crate::api::Api;
use crate::load::{self, Faults, Journal, Random, Withdrawn};
use crate::replicas::two_of_each;
use crate::stage::start;

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_replaced_while_everybody_is_at_work_and_nothing_is_lost() {
    let stack = start(believing::<Sites>(believing::<Links>(two_of_each()))).await;
    let withdrawn = Withdrawn::default();
    let mut sessions = Signing::<Sites>::of(&stack).await;
    let mut links = Signing::<Links>::of(&stack).await;
    sessions.withdrawn = withdrawn.clone();
    links.withdrawn = withdrawn.clone();
    let journal = Journal::default();
    let faults = Faults::Rotation(withdrawn.clone());

    let replacing = async {
        let mut acknowledged = journal.acknowledged();
        let begun = acknowledged
            .wait_for(|count| *count >= load::FEW_BEGINNING)
            .await;
        drop(begun.expect("the journal is kept"));
        tokio::join!(
            a_new_version_comes_and_the_old_one_goes(&sessions),
            a_new_version_comes_and_the_old_one_goes(&links),
        );
        withdrawn.close();
    };
    tokio::join!(
        load::run(&stack, &journal, &faults, Random::from(3)),
        replacing
    );

    journal.is_kept(&stack, &Api::at(&stack).await).await;
    stack.stop(|_| {}).await.expect("everything ends");
}
