//! The scenarios: the whole workload on the local cloud, used as a person or an
//! administrator would use it. A module for each story.

#![cfg(test)]

mod backend_calls;
mod crashes;
mod grants;
mod outsider;
mod person;
mod replicas;
mod story;
mod up;
