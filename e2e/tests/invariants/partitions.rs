//! Whoever waits for an answer waits for one partition: what a query across
//! partitions costs grows with everything that is stored. Only the two sweeps, for
//! which nobody waits, ask all of them.

use super::access_paths;

/// The queries across partitions: where they are, and who asks.
const ACROSS: [(&str, &str, &str); 2] = [
    (
        "backend/src/store/outbox.rs",
        "unsent_events",
        "backend/src/relay/post.rs",
    ),
    (
        "backend/src/store.rs",
        "pending_since_before",
        "backend/src/worker/sweep.rs",
    ),
];

/// The lines of the workload that run, each with its file and function.
fn lines() -> Vec<(String, String, String)> {
    let mut all = Vec::new();
    for source in access_paths::sources() {
        let path = e2e::repository().join(&source.file);
        let text = std::fs::read_to_string(path).expect("a readable file");
        let mut function = String::new();
        let code = text.lines().take_while(|line| *line != "mod tests {");
        for line in code.map(str::trim).filter(|line| !line.starts_with("//")) {
            if let Some(name) = access_paths::function_name(line) {
                name.clone_into(&mut function);
            }
            all.push((source.file.clone(), function.clone(), line.to_owned()));
        }
    }
    all
}

/// Whether a line says that a query is of more than one partition.
fn is_across(line: &str) -> bool {
    let mut scopes = line.split("FeedScope::").skip(1);
    scopes.any(|scope| !scope.starts_with("partition("))
}

#[test]
fn no_request_waits_for_a_query_across_partitions() {
    let lines = lines();
    let partitions = lines
        .iter()
        .filter(|(.., line)| line.contains("FeedScope::partition("));
    assert!(partitions.count() > 2, "the test reads the code rightly");

    let across: Vec<_> = lines
        .iter()
        .filter(|(.., line)| is_across(line))
        .map(|(file, function, _)| (file.as_str(), function.as_str()))
        .collect();
    let known = ACROSS.map(|(file, function, _)| (file, function));
    assert_eq!(across, known, "queries across partitions");

    for (_, function, sweep) in ACROSS {
        let call = format!(".{function}(");
        let callers = lines.iter().filter(|(.., line)| line.contains(&call));
        let callers: Vec<_> = callers.map(|(file, ..)| file.as_str()).collect();
        assert_eq!(callers, [sweep], "who asks all partitions for {function}");
    }
}
