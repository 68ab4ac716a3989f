//! Attacks with tokens, all of them at every door: Entra ID's token endpoint, the
//! four services, Microsoft Graph, and the backend's API.
//!
//! `table.rs` has the attacks, a row each: how the token is made from a good one,
//! and what each door has to answer. Where only a careful reader sees what is
//! wrong, the issuer's own key signs, so that nothing else stands in the way.
//!
//! One cloud and one backend serve all rows: each is tried at each door first, and
//! the tests then judge what was seen.

#![cfg(test)]

#[path = "../refusals/amqp.rs"]
mod amqp;
mod doors;
mod draft;
mod ear;
mod run;
mod table;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use run::{Run, Seen};
use table::Attack;

fn main() -> ExitCode {
    e2e::use_executable(env!("CARGO_BIN_EXE_e2e"));
    platform::pod::install_crypto_provider();
    let arguments = Arguments::from_args();
    let attacks = table::attacks();
    let run: Option<&'static Run> = if arguments.list {
        None
    } else {
        match run::all(&attacks, |name| is_wanted(&arguments, name)) {
            Ok(run) => Some(Box::leak(Box::new(run))),
            Err(error) => {
                eprintln!("the attacks were not tried: {error:?}");
                return ExitCode::FAILURE;
            }
        }
    };
    let trials = attacks.iter().flat_map(|attack| trials(attack, run));
    let whole = [
        Trial::test(
            "an address in a token is never asked for anything",
            move || {
                let asked = run.ok_or("there was no run")?.asked;
                if asked == 0 {
                    return Ok(());
                }
                Err(Failed::from(format!("somebody asked there {asked} times")))
            },
        ),
        Trial::test("no log holds what was presented", move || {
            let leaks = &run.ok_or("there was no run")?.leaks;
            if leaks.is_empty() {
                return Ok(());
            }
            Err(Failed::from(leaks.join("\n")))
        }),
    ];
    libtest_mimic::run(&arguments, trials.chain(whole).collect()).exit_code()
}

/// A test for each door that the attack is for.
fn trials(attack: &Attack, run: Option<&'static Run>) -> Vec<Trial> {
    let doors = doors::ALL.into_iter();
    doors
        .filter_map(|door| {
            let expected = attack.expected(door)?;
            let name = trial_name(door.name(), attack.name);
            let key = (door.name(), attack.name);
            Some(Trial::test(name, move || {
                let seen = run.ok_or("there was no run")?.seen.get(&key);
                judge(seen.ok_or("it was not tried")?, &expected)
            }))
        })
        .collect()
}

fn trial_name(door: &str, attack: &str) -> String {
    format!("{door}: {attack}")
}

fn judge(seen: &Seen, expected: &doors::Answer) -> Result<(), Failed> {
    if seen.answer != *expected {
        let story = format!(
            "expected {expected:?}, and it was {:?}\n{}",
            seen.answer, seen.body
        );
        return Err(Failed::from(story));
    }
    match &seen.traces {
        Some(wrong) => Err(Failed::from(wrong.clone())),
        None => Ok(()),
    }
}

fn is_wanted(arguments: &Arguments, name: &str) -> bool {
    !arguments.is_filtered_out(&Trial::test(name, || Ok(())))
}
