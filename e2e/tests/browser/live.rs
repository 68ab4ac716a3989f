//! A change in one window arrives in all others, without loading them again.

use serde_json::Value;

use crate::outline::button;
use crate::scenario::{Scenario, scenarios};
use crate::steps::{activity, add, make_a_list, todo};
use crate::visit::Visit;
use crate::window::Window;

pub(crate) fn scenarios() -> Vec<Scenario> {
    scenarios![another_window_and_another_person_see_a_change_at_once]
}

async fn another_window_and_another_person_see_a_change_at_once(visit: &Visit<'_>) {
    let ada = visit.person("Ada").await;
    let window = ada.opens("/").await;
    make_a_list(&window, "Groceries").await;
    let address = window.url().await;
    let beside = ada.opens(address.path()).await;
    let bert = visit.person("Bert").await.opens(address.path()).await;
    let others: [&Window; 2] = [&beside, &bert];
    for other in others {
        other.evaluate("document.isTheOldOne = true").await;
    }

    add(&window, "Milk").await;
    for other in others {
        other.sees(&todo("Milk")).await;
        other.sees(&activity("Added Milk")).await;
    }
    bert.press(&button("Complete Milk")).await;
    for other in [&window, &beside] {
        other.sees(&todo("Done: Milk")).await;
    }

    // Bert's own window went on to another page by his own hand.
    let is_the_old_one = beside.evaluate("document.isTheOldOne === true").await;
    assert_eq!(is_the_old_one, Value::Bool(true), "it was loaded again");
}
