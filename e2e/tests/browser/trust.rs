//! The trust does not hold: the Access page shows at which value, and is there also
//! while the frontend can do nothing else. Then the trust is mended.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::{Path, PathBuf};

use e2e::stack::Stack;
use futures::FutureExt as _;
use local_cloud::TokenRequest;
use serde_json::json;

use crate::access::{cell, runs_the_probes_until};
use crate::drawing;
use crate::outline::{Sought, disclosure, row, words};
use crate::scenario::{Scenario, scenarios};
use crate::visit::Visit;
use crate::window::Window;

pub(crate) fn scenarios() -> Vec<Scenario> {
    let scenarios = scenarios![a_subject_that_is_not_trusted_is_marked_until_it_is];
    // Nobody else gets anywhere meanwhile.
    scenarios.into_iter().map(Scenario::alone).collect()
}

/// The signs between the values of steps 2 and 3, and what became of each step.
const DRAWN: &str = "({
    signs: [...document.querySelectorAll('.fig-ribbon')]
        .map(value => `${value.classList[1]} ${value.querySelector('text').textContent}`),
    steps: [...document.querySelectorAll('.fig-station')].map(step => step.classList[1]),
})";

fn third_step(state: &str) -> Sought {
    disclosure(&format!(
        "Entra ID checks the trust in the cluster's issuer {state}"
    ))
}

async fn a_subject_that_is_not_trusted_is_marked_until_it_is(visit: &Visit<'_>) {
    let window = visit.person("Ada").await.opens("/access").await;
    window.sees(&third_step("done")).await;

    while_it_is_broken(visit, async || {
        until_it_shows(&window, &third_step("failed")).await;
        let drawn = json!({
            "signs": ["iss ?", "sub ≠", "aud ?"],
            "steps": ["done", "done", "failed", "not-reached", "not-reached"],
        });
        window.comes_to(DRAWN, &drawn).await;
        drawing::stays_within(&window).await;
        window.sees(&words("AADSTS700213")).await;
        window.sees(&words("0 allowed, 0 refused")).await;
    })
    .await;
    // The button of before is of no session.
    window.open("/access").await;
    until_it_shows(&window, &third_step("done")).await;

    let drawn = json!({ "signs": ["iss =", "sub =", "aud ="], "steps": vec!["done"; 5] });
    window.comes_to(DRAWN, &drawn).await;
    let action = "get secrets/session-key";
    let allowed = "allowed Key Vault Secrets User";
    window
        .sees(&cell(action, allowed).within(row(action)))
        .await;
}

async fn until_it_shows(window: &Window, sought: &Sought) {
    let what = format!("the page shows {sought}");
    runs_the_probes_until(window, &what, async || {
        let shown = |outline: &crate::outline::Outline| Some(!outline.find(sought).is_empty());
        window.until("there is a page", shown).await
    })
    .await;
}

/// What people see while the frontend runs as a service account that no identity
/// trusts. However that ends, the frontend has its own again: others need it.
pub(crate) async fn while_it_is_broken(visit: &Visit<'_>, they_see: impl AsyncFnOnce()) {
    let stack = visit.stack();
    let file = token_file(&stack.cloud_state().join("pods"));
    let own = std::fs::read_to_string(&file).expect("the pod's token");
    let request = TokenRequest {
        namespace: "todolist".to_owned(),
        service_account: "somebody-else".to_owned(),
        audience: "api://AzureADTokenExchange".to_owned(),
        lifetime_seconds: 3600,
        age_seconds: 0,
    };
    let other = stack.control().sign_token(&request).await.expect("signed");

    start_with(stack, &file, &other).await;
    let seen = AssertUnwindSafe(they_see()).catch_unwind().await;
    start_with(stack, &file, &own).await;
    let ready = stack.wait_until_ready("frontend").await;
    ready.expect("the frontend is well again");
    if let Err(panic) = seen {
        resume_unwind(panic);
    }
}

/// Starts the frontend again with another token in its file: it keeps access
/// tokens for a day, and what it read of the file for minutes.
async fn start_with(stack: &Stack, file: &Path, token: &str) {
    stack.kill_pod("frontend").await.expect("it was there");
    std::fs::write(file, token).expect("the token is replaced");
    stack.start_again("frontend", &[]).await.expect("it starts");
}

/// Where the frontend's token for Entra ID is.
fn token_file(pods: &Path) -> PathBuf {
    let mut directories = vec![pods.to_owned()];
    while let Some(directory) = directories.pop() {
        let entries = std::fs::read_dir(&directory).expect("a directory");
        for path in entries.map(|entry| entry.expect("an entry").path()) {
            let of_frontend = path.to_string_lossy().contains("todolist.frontend");
            if of_frontend && path.ends_with("azure-identity-token") {
                return path;
            }
            if of_frontend && path.is_dir() {
                directories.push(path);
            }
        }
    }
    panic!("no token in {}", pods.display());
}
