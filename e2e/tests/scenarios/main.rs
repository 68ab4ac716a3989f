//! The scenarios: the whole workload on the local cloud, used as a person or an
//! administrator would use it. A module for each story.

#![cfg(test)]

mod access_page;
mod api;
mod backend_calls;
mod chaos;
mod conventions;
mod crashes;
mod doctor;
mod grants;
mod hostile;
mod load;
mod outsider;
mod person;
mod raw;
mod records;
mod replicas;
mod rotation;
mod stage;
mod story;
mod telemetry;
mod up;
mod worker;
