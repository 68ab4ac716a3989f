//! Scenarios that the test binary `scenarios` has played, read from what it prints.

use super::Colour;

/// A scenario that was played to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Played {
    /// As the test is called.
    pub name: String,
    /// What it said when it failed.
    pub failure: Option<String>,
}

impl Played {
    /// Every scenario of a run. One that was ignored was not played.
    pub fn read(output: &str) -> Vec<Self> {
        let results = output.lines().filter_map(|line| {
            let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
            Some((name, result.trim()))
        });
        let played = results.filter_map(|(name, result)| match result {
            "ok" => Some(Self {
                name: name.to_owned(),
                failure: None,
            }),
            "FAILED" => Some(Self {
                name: name.to_owned(),
                failure: Some(said(output, name)),
            }),
            _ => None,
        });
        played.collect()
    }

    /// Nobody promises that a scenario may fail.
    pub fn colour(&self) -> Colour {
        match self.failure {
            None => Colour::Green,
            Some(_) => Colour::Red,
        }
    }
}

/// What a test said before it failed, without the way through the code.
fn said(output: &str, name: &str) -> String {
    let heading = format!("---- {name} stdout ----");
    let after = output.lines().skip_while(|line| *line != heading).skip(1);
    let own = after.take_while(|line| {
        !line.starts_with("---- ") && *line != "failures:" && *line != "stack backtrace:"
    });
    let said: Vec<_> = own.filter(|line| !line.trim().is_empty()).collect();
    if said.is_empty() {
        return "it says nothing".to_owned();
    }
    said.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "
running 3 tests
test story::it_goes_all_the_way ... ok
test faults::it_needs_a_tool ... ignored, no tool
test chaos::nothing_is_lost ... FAILED

failures:

---- chaos::nothing_is_lost stdout ----

thread 'chaos::nothing_is_lost' (3) panicked at e2e/tests/scenarios/chaos.rs:1:2:
a to-do is lost
the end of the audit:
stack backtrace:
   0: rust_begin_unwind


failures:
    chaos::nothing_is_lost

test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 84 filtered out; finished in 7.00s
";

    #[test]
    fn a_failed_scenario_is_told_with_what_it_said() {
        let played = Played::read(OUTPUT);
        let names: Vec<_> = played.iter().map(|played| &*played.name).collect();
        assert_eq!(
            names,
            ["story::it_goes_all_the_way", "chaos::nothing_is_lost"]
        );
        assert_eq!(played[0].failure, None);
        let failure = played[1].failure.as_deref().expect("it failed");
        assert!(
            failure.ends_with("a to-do is lost\nthe end of the audit:"),
            "{failure}"
        );
        assert!(failure.starts_with("thread "), "{failure}");
    }

    #[test]
    fn a_run_that_ends_before_it_tells_has_played_nothing() {
        assert_eq!(Played::read("error: could not compile"), []);
        let silent = Played::read("test a::b ... FAILED");
        assert_eq!(silent[0].failure.as_deref(), Some("it says nothing"));
    }
}
