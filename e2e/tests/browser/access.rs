//! The Access page, as a workshop uses it: steps with clocks that go on, and a
//! matrix whose cells open into reasons.

use std::time::{Duration, Instant};

use crate::outline::{Outline, Sought, button, definition, disclosure, region, row};
use crate::scenario::{Scenario, scenarios};
use crate::visit::Visit;
use crate::window::{Manner, Window};

/// How long it may take until the probes may run again.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![
        an_allowed_cell_opens_into_the_line_that_grants_it,
        a_cell_opens_with_the_keyboard_alone,
        a_cell_opens_without_javascript,
        a_refused_cell_opens_into_the_refusal,
        its_clocks_go_on,
        a_button_runs_the_probes_again,
        the_button_works_with_the_keyboard_alone,
        the_button_works_without_javascript,
        the_button_is_of_the_session_as_every_form
    ]
}

pub(crate) fn cell(action: &str, outcome: &str) -> Sought {
    disclosure(outcome).within(row(action))
}

async fn an_allowed_cell_opens_into_the_line_that_grants_it(visit: &Visit<'_>) {
    an_allowed_cell_opens(visit, Manner::MOUSE).await;
}

async fn a_cell_opens_with_the_keyboard_alone(visit: &Visit<'_>) {
    an_allowed_cell_opens(visit, Manner::KEYBOARD).await;
}

async fn a_cell_opens_without_javascript(visit: &Visit<'_>) {
    an_allowed_cell_opens(visit, Manner::NO_SCRIPTS).await;
}

async fn an_allowed_cell_opens(visit: &Visit<'_>, manner: Manner) {
    let window = visit.person_who("Ada", manner).await.opens("/access").await;
    let action = "get secrets/session-key";

    window
        .press(&cell(action, "allowed Key Vault Secrets User"))
        .await;

    let grant = "Key Vault Secrets User at vault/secrets/session-key access.json, line ";
    let told = definition(grant).within(row(action));
    let number = window
        .until(&format!("{told} comes"), |outline| {
            let words = outline.words_of(outline.only(&told).ok()?);
            words.strip_prefix(grant)?.parse::<usize>().ok()
        })
        .await;
    let model = std::fs::read_to_string(e2e::default_model()).expect("infra/access.json");
    let line = model.lines().nth(number - 1).expect("there is this line");
    for part in [
        "frontend",
        "Key Vault Secrets User",
        "vault/secrets/session-key",
    ] {
        assert!(line.contains(part), "line {number} is {line}");
    }
}

async fn a_refused_cell_opens_into_the_refusal(visit: &Visit<'_>) {
    let window = visit.person("Ada").await.opens("/access").await;
    let action = "get secrets/session-key";

    // The backend's.
    window.press(&cell(action, "403 ForbiddenByRbac")).await;

    window
        .sees(&definition("Caller is not authorized").within(row(action)))
        .await;
}

async fn its_clocks_go_on(visit: &Visit<'_>) {
    let window = visit.person("Ada").await.opens("/access").await;
    let steps = region("Five steps");
    let told = |outline: &Outline| Some(outline.words_of(outline.only(&steps).ok()?));

    let before = window.until("the steps are there", told).await;

    window
        .until("a clock goes on", |outline| {
            told(outline).filter(|now| *now != before)
        })
        .await;
}

async fn a_button_runs_the_probes_again(visit: &Visit<'_>) {
    the_button_works(visit, Manner::MOUSE).await;
}

async fn the_button_works_with_the_keyboard_alone(visit: &Visit<'_>) {
    the_button_works(visit, Manner::KEYBOARD).await;
}

async fn the_button_works_without_javascript(visit: &Visit<'_>) {
    the_button_works(visit, Manner::NO_SCRIPTS).await;
}

async fn the_button_works(visit: &Visit<'_>, manner: Manner) {
    let control = visit.stack().control();
    let window = visit.person_who("Ada", manner).await.opens("/access").await;
    let before = control.audit(0).await.expect("the audit").len() as u64;

    runs_the_probes_until(&window, "both pods have tried again", async || {
        let since = control.audit(before).await.expect("the audit");
        let has_run = |pod: &str| {
            let mut of_pod = since
                .iter()
                .filter(|did| did.identity.as_deref() == Some(pod));
            of_pod.any(|did| did.operation == "GetSecrets")
        };
        has_run("frontend") && has_run("backend")
    })
    .await;
}

async fn the_button_is_of_the_session_as_every_form(visit: &Visit<'_>) {
    let window = visit.person("Ada").await.opens("/access").await;
    window.sees(&button("Run the probes again")).await;

    let refused = window
        .evaluate(
            "fetch('/access', { method: 'POST', body: new URLSearchParams({ csrf: 'x' }) })
                .then(answer => answer.status)",
        )
        .await;

    assert_eq!(refused, 403);
    // The browser's console tells that it was refused, and nothing else.
    let is_refusal = |line: &String| line.contains("403");
    window
        .until("the console tells of the refusal", |_| {
            let console = window.watcher().seen().console;
            console.iter().any(is_refusal).then_some(())
        })
        .await;
    let console = window.watcher().take().console;
    assert!(console.iter().all(is_refusal), "{console:?}");
}

/// Presses the button until something is so: probes run once per five seconds, and
/// may have run a moment ago.
pub(crate) async fn runs_the_probes_until(
    window: &Window,
    what: &str,
    is_so: impl AsyncFn() -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        window.press(&button("Run the probes again")).await;
        if is_so().await {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{what}: not within {PATIENCE:?}\n{}",
            window.story().await
        );
    }
}
