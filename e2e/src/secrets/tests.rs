//! Each rule finds its examples and none of what comes near.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::examples::{self, Example};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::rules::RULES;
use super::*;

fn scanned(text: &str) -> Vec<Finding> {
    let mut scan = Scan::default();
    scan.look_at("logs", [Ok(Content::new("a.log", text))])
        .expect("there is something to look at");
    scan.judged_by(&Exceptions::default()).findings
}

fn exceptions(text: &str) -> Result<Exceptions> {
    let directory = tempfile::tempdir().expect("a directory");
    let file: PathBuf = directory.path().join("exceptions.json");
    std::fs::write(&file, text).expect("written");
    Exceptions::read(&file)
}

/// An exception to an example in `a.log`.
fn exception(example: &Example, digest: &str) -> Exceptions {
    let Example { rule, .. } = example;
    let text = format!(
        r#"[{{ "rule": "{rule}", "part": "logs", "within": "a.log", "digest": "{digest}", "because": "made up" }}]"#
    );
    exceptions(&text).expect("an exception")
}

#[test]
fn every_rule_finds_its_examples_at_their_line_and_does_not_show_them() {
    for Example {
        rule,
        what,
        text,
        secret,
    } in examples::all()
    {
        for (before, after, line) in [("", "", 1), ("one\ntwo\n", "\nfour", 3), ("x: \"", "\"", 1)]
        {
            let found = scanned(&format!("{before}{text}{after}"));

            assert_eq!(found.len(), 1, "{rule}, {what}: {found:?}");
            assert_eq!(found[0].rule, rule, "{what}");
            let last = line + text.matches('\n').count();
            assert!(
                (line..=last).contains(&found[0].line),
                "{what}: {}",
                found[0]
            );
            let told = format!("{} {found:?}", found[0]);
            for at in 0..=secret.len() - 8 {
                assert!(!told.contains(&secret[at..at + 8]), "{what}: {told}");
            }
        }
    }
}

#[test]
fn no_rule_is_without_an_example() {
    let found: BTreeSet<_> = examples::all().iter().map(|example| example.rule).collect();
    let rules: BTreeSet<_> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(found, rules);
}

#[test]
fn what_comes_near_is_not_found() {
    for (what, text) in examples::near_misses() {
        assert_eq!(scanned(&text), [], "{what}");
    }
}

#[test]
fn two_secrets_on_a_line_are_two_findings() {
    let [first, second] = [10, 18].map(|at| examples::all().swap_remove(at));
    let found = scanned(&format!("{} {}", first.text, second.text));
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn to_look_at_nothing_is_an_error() {
    let mut scan = Scan::default();
    for contents in [vec![], vec![Ok(Content::new("empty.log", ""))]] {
        let error = scan
            .look_at("logs", contents)
            .expect_err("nothing is there");
        assert_eq!(error.to_string(), "logs: there was nothing to look at");
    }
}

#[test]
fn what_cannot_be_read_is_an_error_and_not_left_out() {
    let gone = sources::kept(&[PathBuf::from("/no/such/file")]).expect("listed");
    let error = Scan::default()
        .look_at("logs", gone)
        .expect_err("unreadable");
    assert_eq!(error.to_string(), "/no/such/file cannot be read");
}

#[test]
fn a_value_is_found_in_every_form() {
    let value = "pl4in-v4lue/with+signs";
    let hex = hexadecimal(value.as_bytes()).to_uppercase();
    let inside = URL_SAFE_NO_PAD.encode([&[7, 255, 254][..], value.as_bytes()].concat());
    for (what, text) in [
        ("as it is", value.to_owned()),
        ("in base64", STANDARD.encode(value)),
        ("in base64url", URL_SAFE_NO_PAD.encode(value)),
        ("in hexadecimal digits", hex),
        ("in a URL", "pl4in-v4lue%2Fwith%2Bsigns".to_owned()),
    ] {
        let canary = Canary::new("key", value).expect("long enough");
        let mut scan = Scan::with(vec![canary]);
        let content = Content::new("page", format!("<p>\n{text}</p>"));
        scan.look_for_values_in("pages", [Ok(content)])
            .expect("looked at");
        let found = scan.judged_by(&Exceptions::default()).findings;
        assert_eq!(found.len(), 1, "{what}");
        assert_eq!(
            found[0].to_string().lines().next(),
            Some("vault-value page:2")
        );
        assert!(!format!("{found:?}").contains("pl4in"), "{what}");
    }
    // What stands for bytes is found by these bytes too.
    let canary = Canary::new("key", &STANDARD.encode(value)).expect("long enough");
    let places: Vec<_> = canary.places(inside.as_bytes()).collect();
    assert_eq!(places.len(), 1);
    assert!(Canary::new("short", "abc").is_none());
}

#[test]
fn a_page_may_have_a_token_but_no_value() {
    let token = examples::all().pop().expect("an example").text;
    let canary = Canary::new("key", "something else").expect("long enough");
    let mut scan = Scan::with(vec![canary]);
    scan.look_for_values_in("pages", [Ok(Content::new("page", token))])
        .expect("looked at");
    assert_eq!(scan.judged_by(&Exceptions::default()).findings, []);

    let error = Scan::default().look_for_values_in("pages", [Ok(Content::new("page", "p"))]);
    let error = error.expect_err("no value is known").to_string();
    assert_eq!(error, "pages: there is no value to look for");
}

#[test]
fn an_exception_accepts_one_value_in_one_place() {
    let examples = examples::all();
    let (example, other) = (&examples[0], &examples[9]);
    let digest = scanned(&example.text)[0].digest.clone();

    let look = |name: &str, text: &str, exceptions: &Exceptions| {
        let mut scan = Scan::default();
        let content = Content::new(name, text);
        scan.look_at("logs", [Ok(content)]).expect("looked at");
        let report = scan.judged_by(exceptions);
        let found = report.findings.into_iter().map(|finding| finding.rule);
        (found.collect::<Vec<_>>(), report.accepted.len())
    };
    let accepted = exception(example, &digest);
    assert_eq!(look("a.log", &example.text, &accepted), (vec![], 1));
    let both = format!("{}\n{}", example.text, other.text);
    assert_eq!(
        look("a.log", &both, &accepted),
        (vec![other.rule.to_owned()], 1)
    );
    let stale = "stale-exception".to_owned();
    let moved = (vec![example.rule.to_owned(), stale.clone()], 0);
    assert_eq!(look("b.log", &example.text, &accepted), moved);
    let another = exception(example, "0123456789ab");
    assert_eq!(look("a.log", &example.text, &another), moved);
    assert_eq!(look("a.log", "nothing", &accepted), (vec![stale], 0));
}

#[test]
fn an_exception_to_what_was_not_looked_at_is_not_stale() {
    let accepted = exception(&examples::all()[0], "0123456789ab");
    let mut scan = Scan::default();
    scan.did_not_look_at("logs", "none were named".to_owned());
    assert_eq!(scan.judged_by(&accepted).findings, []);
}

#[test]
fn an_exception_is_complete_or_an_error() {
    for (entry, told) in [
        (r#"{ "rule": "jwt" }"#, "is no list of exceptions"),
        (
            r#"{ "rule": "jot", "part": "logs", "within": "a", "digest": "0123456789ab", "because": "b" }"#,
            "there is no rule `jot`",
        ),
        (
            r#"{ "rule": "jwt", "part": "logs", "within": "a", "digest": "", "because": "b" }"#,
            "`` is no digest",
        ),
        (
            r#"{ "rule": "jwt", "part": "logs", "within": "a", "digest": "0123456789ab", "because": " " }"#,
            "the exception to `jwt` needs a reason",
        ),
    ] {
        let error = exceptions(&format!("[{entry}]")).expect_err(entry);
        assert!(error.to_string().contains(told), "{error}");
    }
}

/// An archive with these files.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive
            .append_data(&mut header, name, *content)
            .expect("written");
    }
    archive.into_inner().expect("an archive")
}

#[test]
fn a_secret_in_a_layer_or_in_the_configuration_of_an_image_is_found() {
    let example = &examples::all()[0];
    let layer = archive(&[("program", b"x"), ("etc/key.pem", example.text.as_bytes())]);
    let above = archive(&[("etc/.wh.key.pem", b"")]);
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut zipped, &layer).expect("written");
    let zipped = zipped.finish().expect("written");
    let environment = format!(
        r#"{{ "config": {{ "Env": ["{}"] }} }}"#,
        examples::all()[13].text
    );
    for (image, file) in [
        (
            archive(&[
                ("0123456789abcdef/layer.tar", &layer),
                ("1/layer.tar", &above),
            ]),
            "todolist-x: 0123456789ab/etc/key.pem",
        ),
        (
            archive(&[("blobs/sha256/fedcba9876543210", &zipped)]),
            "todolist-x: fedcba987654/etc/key.pem",
        ),
        (
            archive(&[
                ("1/layer.tar", &above),
                ("config.json", environment.as_bytes()),
            ]),
            "todolist-x: config.json",
        ),
    ] {
        let mut scan = Scan::default();
        let contents = images::archived("todolist-x", &image).expect("an image");
        scan.look_at("images", contents).expect("looked at");
        let found = scan.judged_by(&Exceptions::default()).findings;
        assert_eq!(found.len(), 1, "{file}");
        assert_eq!(found[0].file, file);
    }
}

#[test]
fn an_image_that_cannot_be_read_is_an_error() {
    let zstandard = archive(&[("blobs/sha256/01", &[0x28, 0xb5, 0x2f, 0xfd, 0, 0])]);
    let nothing = archive(&[("manifest.json", b"[]")]);
    for (image, told) in [
        (&zstandard[..], "todolist-x: blobs/sha256/01 cannot be read"),
        (&nothing[..], "todolist-x has no layer that can be read"),
    ] {
        let error = images::archived("todolist-x", image).expect_err(told);
        assert_eq!(error.to_string(), told);
    }
}

#[test]
fn a_vault_may_keep_its_own_values_and_no_key_to_something_else() {
    let own = "c2lnbmluZyBrZXkgb2YgdGhlIHNlc3Npb25zISEhISE";
    let mut scan = Scan::with(vec![Canary::new("session-key", own).expect("long enough")]);
    let examples = examples::all().into_iter();
    let keys = examples.filter(|example| example.rule == "connection-string");
    let keys: Vec<_> = keys.map(|example| example.text).collect();
    assert!(!keys.is_empty());
    let kept = keys.iter().map(String::as_str).chain([own]);

    let contents = kept.map(|value| Ok(Content::new("a secret", value)));
    scan.look_for_forms_in("vault", contents).expect("values");

    let report = scan.judged_by(&Exceptions::default());
    let rules: Vec<_> = report.findings.iter().map(|it| it.rule.as_str()).collect();
    assert_eq!(rules, vec!["connection-string"; keys.len()]);
}
