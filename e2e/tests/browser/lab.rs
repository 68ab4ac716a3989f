//! The lab console of the local cloud, as a workshop uses it: press a mistake, see
//! the chain stand still, heal it.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;

use futures::FutureExt as _;
use url::Url;

use crate::axe;
use crate::outline::{button, item, region, words};
use crate::scenario::{Scenario, scenarios};
use crate::visit::Visit;
use crate::window::{Manner, Window};

/// Each button, the step at which the chain stands still, and the code there.
const MISTAKES: [(&str, u8, &str); 7] = [
    ("Wrong subject", 3, "AADSTS700213"),
    ("Drop the issuer's slash", 3, "AADSTS700211"),
    ("Wrong audience", 3, "AADSTS700212"),
    ("Expire token", 3, "AADSTS700024"),
    ("Rotate keys", 3, "AADSTS7000272"),
    ("Revoke role", 5, "ForbiddenByRbac"),
    ("Disable secret version", 5, "SecretDisabled"),
];

pub(crate) fn scenarios() -> Vec<Scenario> {
    let judged = scenarios![the_console_is_judged_by_axe];
    let used = scenarios![
        each_mistake_freezes_the_chain_at_its_step_and_is_healed,
        it_works_with_the_keyboard_alone,
        without_its_key_the_console_says_what_it_wants
    ];
    let judged = judged.into_iter().map(Scenario::with_axe);
    // What is broken there is broken for the workload, too.
    let all = used.into_iter().chain(judged);
    all.map(Scenario::alone).collect()
}

async fn console(visit: &Visit<'_>, manner: Manner) -> Arc<Window> {
    let address = visit.stack().console().expect("the console's address");
    let address = Url::parse(&address).expect("an address");
    let person = visit.person_who("Ada", manner).await;
    let window = person.opens_elsewhere(&address).await;
    window.sees(&words("local cloud, not Azure")).await;
    window.sees(&words("All five steps are done.")).await;
    window
}

/// Plays a part, and mends what it may have left broken.
async fn healed_at_last(visit: &Visit<'_>, part: impl Future<Output = ()>) {
    let played = AssertUnwindSafe(part).catch_unwind().await;
    let healed = visit.stack().control().heal("frontend").await;
    if let Err(panic) = played {
        resume_unwind(panic);
    }
    healed.expect("it is mended");
}

/// What the audit calls it. The vault's role admits who then meets a disabled secret.
fn in_the_audit(code: &str) -> Option<&str> {
    match code {
        "ForbiddenByRbac" => Some("NoRoleAssignment"),
        "SecretDisabled" => None,
        by_entra => Some(by_entra),
    }
}

async fn each_mistake_freezes_the_chain_at_its_step_and_is_healed(visit: &Visit<'_>) {
    let window = console(visit, Manner::MOUSE).await;

    healed_at_last(visit, async {
        for (mistake, step, code) in MISTAKES {
            window.press(&button(mistake)).await;
            let verdict = format!("The chain stands still at step {step}: {code}.");
            window.sees(&words(&verdict)).await;
            window.sees(&item(&format!("✗ refused: {code}"))).await;
            let why = region("Why, and how to mend it");
            let outline = window.until("it is explained", |outline| {
                let told = outline.words_of(outline.only(&why).ok()?);
                told.contains("to mend it").then_some(told)
            });
            let told = outline.await;
            assert!(told.contains(code), "{told}");
            if let Some(denied) = in_the_audit(code) {
                window.sees(&words(&format!("denied: {denied}"))).await;
            }

            window.press(&button("Heal")).await;
            window.sees(&words("All five steps are done.")).await;
            window.sees_no(&why).await;
        }
    })
    .await;
}

async fn it_works_with_the_keyboard_alone(visit: &Visit<'_>) {
    let window = console(visit, Manner::KEYBOARD).await;

    healed_at_last(visit, async {
        window.press(&button("Revoke role")).await;
        window.sees(&item("✗ refused: ForbiddenByRbac")).await;
        window.press(&button("Heal")).await;
        window.sees(&words("All five steps are done.")).await;
    })
    .await;
}

async fn without_its_key_the_console_says_what_it_wants(visit: &Visit<'_>) {
    let address = visit.stack().console().expect("the console's address");
    let (without, _) = address.split_once('#').expect("a key");
    let without = Url::parse(without).expect("an address");

    let window = visit.person("Eve").await.opens_elsewhere(&without).await;

    window
        .sees(&words("the key that stands behind the # of its address"))
        .await;
    let seen = window.watcher().take();
    let of_the_refusal = |said: &String| said.contains("401");
    assert!(seen.console.iter().all(of_the_refusal), "{seen:?}");
}

async fn the_console_is_judged_by_axe(visit: &Visit<'_>) {
    let window = console(visit, Manner::MOUSE).await;

    healed_at_last(visit, async {
        axe::approves(visit, &window).await;
        window.press(&button("Wrong subject")).await;
        window.sees(&item("✗ refused: AADSTS700213")).await;
        axe::approves(visit, &window).await;
    })
    .await;
}
