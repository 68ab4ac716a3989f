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
mod edited;
mod faults;
mod grants;
mod hostile;
mod kubelet;
mod load;
mod mistakes;
mod outsider;
mod person;
mod properties;
mod raw;
mod records;
mod replicas;
mod rollover;
mod rotation;
mod secrets;
mod stage;
mod start_and_end;
mod story;
mod telemetry;
mod up;
mod worker;
