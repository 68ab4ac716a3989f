//! How a pod reads its settings: from variables, all problems at once, before a
//! port opens.
//!
//! [`Vars::from_process`] is the only place of the workload that reads the
//! process environment. A value that is there but cannot be read is always a
//! problem; a default stands in only for a variable that is not set.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::telemetry::redact;

/// The exit code of a pod whose settings are wrong (`EX_USAGE` of `sysexits.h`),
/// so that a crash loop tells a wrong manifest from a fault.
pub const SETTINGS_EXIT_CODE: u8 = 64;

/// The longest part of a wrong value that a problem shows.
const SHOWN_CHARACTERS: usize = 80;

/// The variables of a pod: a name to a value, wherever they come from.
#[derive(Clone)]
pub struct Vars(Arc<Lookup>);

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

impl Vars {
    /// The variables of this process.
    pub fn from_process() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that reads the process environment"
        )]
        let lookup = |name: &str| std::env::var(name).ok();
        Self(Arc::new(lookup))
    }

    /// The given variables and no others.
    pub fn from_pairs<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<String>,
        V: Into<String>,
    {
        let map: BTreeMap<String, String> = pairs
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Self(Arc::new(move |name| map.get(name).cloned()))
    }

    /// The value of a variable. One that is empty counts as not set, because
    /// that is how a manifest's patch unsets it.
    pub fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.trim().is_empty())
    }
}

impl fmt::Debug for Vars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vars(..)")
    }
}

/// A setting that has been asked for. What it holds can be taken only inside
/// [`Reader::group`] or [`Reader::finish`], where every setting was readable.
#[derive(Debug)]
#[must_use = "a setting that is read is part of the settings"]
pub struct Value<T>(Option<T>);

impl<T> Value<T> {
    /// The setting.
    ///
    /// # Panics
    ///
    /// Outside of the closures of [`Reader::group`] and [`Reader::finish`], when
    /// the setting was not readable.
    pub fn get(self) -> T {
        self.0
            .expect("group and finish call their closure only when every setting was readable")
    }
}

/// Reads settings by type and keeps every problem that it meets.
///
/// ```
/// use platform::settings::{Reader, Vars};
///
/// struct Settings { listen: std::net::SocketAddr, drain: std::time::Duration }
///
/// let vars = Vars::from_pairs([("LISTEN", "127.0.0.1:8080")]);
/// let mut reader = Reader::new(&vars);
/// let listen = reader.socket_address("LISTEN", ([127, 0, 0, 1], 8080).into());
/// let drain = reader.seconds("DRAIN_SECONDS", 25);
/// let settings = reader.finish(|| Settings { listen: listen.get(), drain: drain.get() }).unwrap();
/// assert_eq!(settings.drain.as_secs(), 25);
/// ```
#[derive(Debug)]
pub struct Reader {
    vars: Vars,
    problems: Vec<Problem>,
}

impl Reader {
    /// A reader of the given variables.
    pub fn new(vars: &Vars) -> Self {
        Self {
            vars: vars.clone(),
            problems: Vec::new(),
        }
    }

    /// A text that must be there.
    pub fn required(&mut self, name: &'static str, what: &'static str) -> Value<String> {
        self.parsed(name, what, |text| Ok(text.to_owned()))
    }

    /// A text that may be missing.
    pub fn optional(&mut self, name: &'static str) -> Value<Option<String>> {
        Value(Some(self.vars.get(name)))
    }

    /// A value that must be there, read by `parse`, whose error completes the
    /// sentence `NAME: "value" ...`, for example `is not a queue's name`.
    pub fn parsed<T>(
        &mut self,
        name: &'static str,
        what: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Value<T> {
        match self.vars.get(name) {
            Some(text) => self.understand(name, &text, parse),
            None => self.missing(name, what),
        }
    }

    /// As [`parsed`](Self::parsed), for a variable that may be missing.
    pub fn parsed_if_set<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Value<Option<T>> {
        match self.vars.get(name) {
            Some(text) => Value(self.understand(name, &text, parse).0.map(Some)),
            None => Value(Some(None)),
        }
    }

    /// As [`parsed`](Self::parsed), with what holds when the variable is missing.
    pub fn parsed_or<T>(
        &mut self,
        name: &'static str,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Value<T> {
        match self.vars.get(name) {
            Some(text) => self.understand(name, &text, parse),
            None => Value(Some(default)),
        }
    }

    /// An https address. Its path ends in `/`, so that joining a path to it
    /// adds to it.
    pub fn url(&mut self, name: &'static str, what: &'static str) -> Value<Url> {
        self.parsed(name, what, |text| base_url(text, &["https"]))
    }

    /// An http or https address, for a service of the same cluster.
    pub fn cluster_url(&mut self, name: &'static str, what: &'static str) -> Value<Url> {
        self.parsed(name, what, |text| base_url(text, &["http", "https"]))
    }

    /// As [`cluster_url`](Self::cluster_url), for a variable that may be missing.
    pub fn cluster_url_if_set(&mut self, name: &'static str) -> Value<Option<Url>> {
        self.parsed_if_set(name, |text| base_url(text, &["http", "https"]))
    }

    /// The issuer of tokens, an https address, kept as it is written: issuers
    /// are compared byte for byte.
    pub fn issuer(&mut self, name: &'static str, what: &'static str) -> Value<String> {
        self.parsed(name, what, |text| {
            base_url(text, &["https"]).map(|_| text.to_owned())
        })
    }

    /// An address and a port to listen on.
    pub fn socket_address(&mut self, name: &'static str, default: SocketAddr) -> Value<SocketAddr> {
        self.parsed_or(name, default, |text| {
            text.parse()
                .map_err(|_| "is not an address and a port, such as 0.0.0.0:8080".to_owned())
        })
    }

    /// A whole number of seconds, and how many they are by default.
    pub fn seconds(&mut self, name: &'static str, default: u64) -> Value<Duration> {
        self.parsed_or(name, Duration::from_secs(default), |text| {
            text.parse()
                .map(Duration::from_secs)
                .map_err(|_| "is not a whole number of seconds".to_owned())
        })
    }

    /// A switch: `on` or `off`.
    pub fn switch(&mut self, name: &'static str, default: bool) -> Value<bool> {
        self.parsed_or(name, default, |text| match text {
            "on" => Ok(true),
            "off" => Ok(false),
            _ => Err("is neither on nor off".to_owned()),
        })
    }

    /// The path of a file that is there now.
    pub fn file(&mut self, name: &'static str, what: &'static str) -> Value<PathBuf> {
        self.parsed(name, what, existing_file)
    }

    /// As [`file`](Self::file), for a variable that may be missing.
    pub fn file_if_set(&mut self, name: &'static str) -> Value<Option<PathBuf>> {
        self.parsed_if_set(name, existing_file)
    }

    /// The value of a variable, for a reader that words its own problem.
    pub fn peek(&self, name: &str) -> Option<String> {
        self.vars.get(name)
    }

    /// Adds a problem that concerns several variables.
    pub fn problem<T>(&mut self, text: impl Into<String>) -> Value<T> {
        self.problems.push(Problem(text.into()));
        Value(None)
    }

    /// Puts settings together that belong together, when all could be read.
    pub fn group<T>(&self, build: impl FnOnce() -> T) -> Value<T> {
        Value(self.problems.is_empty().then(build))
    }

    /// The settings, or every problem that was met.
    pub fn finish<T>(self, build: impl FnOnce() -> T) -> Result<T, SettingsError> {
        if self.problems.is_empty() {
            Ok(build())
        } else {
            Err(SettingsError {
                problems: self.problems,
            })
        }
    }

    fn understand<T>(
        &mut self,
        name: &'static str,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Value<T> {
        match parse(text) {
            Ok(value) => Value(Some(value)),
            Err(complaint) => self.problem(format!("{name}: \"{}\" {complaint}", shown(text))),
        }
    }

    fn missing<T>(&mut self, name: &'static str, what: &'static str) -> Value<T> {
        self.problem(format!("{name} is not set ({what})"))
    }
}

/// Everything that is wrong with the settings of a pod. Its text has a line for
/// each problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError {
    problems: Vec<Problem>,
}

impl SettingsError {
    /// The code that the process ends with.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(SETTINGS_EXIT_CODE)
    }

    /// The problems of both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.problems.extend(other.problems);
        self
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem(text)) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            f.write_str(text)?;
        }
        Ok(())
    }
}

impl std::error::Error for SettingsError {}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Problem(String);

fn base_url(text: &str, schemes: &[&str]) -> Result<Url, String> {
    let wanted = schemes.join(" or ");
    let mut url = Url::parse(text).map_err(|error| format!("is not a {wanted} URL: {error}"))?;
    if !schemes.contains(&url.scheme()) {
        return Err(format!("is not a {wanted} URL"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("is not a base URL: it has a query or a fragment".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("is not a base URL: it has a user or a password".to_owned());
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

fn existing_file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => Ok(path),
        Ok(_) => Err("is not a file".to_owned()),
        Err(error) => Err(format!("cannot be read: {error}")),
    }
}

/// What a problem shows of a wrong value: its beginning, and nothing that looks
/// like a secret or has one in a URL's user part.
fn shown(text: &str) -> String {
    let text = match Url::parse(text) {
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            format!("{}://[redacted]@..", url.scheme())
        }
        _ => redact(text).into_owned(),
    };
    if text.chars().count() > SHOWN_CHARACTERS {
        let start: String = text.chars().take(SHOWN_CHARACTERS).collect();
        format!("{start}..")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader<const N: usize>(pairs: [(&str, &str); N]) -> Reader {
        Reader::new(&Vars::from_pairs(pairs))
    }

    fn problem_of<T>(mut reader: Reader, read: impl FnOnce(&mut Reader) -> Value<T>) -> String {
        let _value = read(&mut reader);
        reader
            .finish(|| ())
            .expect_err("the value should be refused")
            .to_string()
    }

    #[test]
    fn every_problem_is_listed_on_a_line_of_its_own() {
        let mut reader = reader([("DRAIN_SECONDS", "abc"), ("ACCESS_PROBE", "yes")]);
        let queue = reader.required("ORDERS_QUEUE", "name of the queue");
        let drain = reader.seconds("DRAIN_SECONDS", 25);
        let probe = reader.switch("ACCESS_PROBE", false);

        let error = reader
            .finish(|| (queue.get(), drain.get(), probe.get()))
            .expect_err("three problems");

        assert_eq!(
            error.to_string(),
            "ORDERS_QUEUE is not set (name of the queue)\n\
             DRAIN_SECONDS: \"abc\" is not a whole number of seconds\n\
             ACCESS_PROBE: \"yes\" is neither on nor off"
        );
    }

    #[test]
    fn a_default_stands_in_only_for_a_variable_that_is_not_set() {
        let mut unset = reader([]);
        assert_eq!(
            unset.seconds("DRAIN_SECONDS", 25).get(),
            Duration::from_secs(25)
        );

        let wrong = problem_of(reader([("DRAIN_SECONDS", "-1")]), |r| {
            r.seconds("DRAIN_SECONDS", 25)
        });
        assert_eq!(
            wrong,
            "DRAIN_SECONDS: \"-1\" is not a whole number of seconds"
        );
    }

    #[test]
    fn an_empty_variable_counts_as_not_set() {
        let mut reader = reader([("SERVICE_BUS_CUSTOM_ENDPOINT", "")]);

        assert_eq!(reader.optional("SERVICE_BUS_CUSTOM_ENDPOINT").get(), None);
    }

    #[test]
    fn a_url_gets_the_slash_that_joining_needs() {
        let mut reader = reader([("KEY_VAULT_URL", "https://localvault.vault.azure.net")]);

        let url = reader.url("KEY_VAULT_URL", "the vault").get();

        assert_eq!(url.as_str(), "https://localvault.vault.azure.net/");
    }

    #[test]
    fn a_resource_is_reached_by_https_only() {
        let problem = problem_of(reader([("KEY_VAULT_URL", "http://vault")]), |r| {
            r.url("KEY_VAULT_URL", "the vault")
        });

        assert_eq!(
            problem,
            "KEY_VAULT_URL: \"http://vault\" is not a https URL"
        );
    }

    #[test]
    fn an_issuer_is_kept_as_it_is_written() {
        let mut reader = reader([("CLUSTER_ISSUER", "https://oic.example.test/Tenant")]);

        let issuer = reader
            .issuer("CLUSTER_ISSUER", "the cluster's issuer")
            .get();

        assert_eq!(issuer, "https://oic.example.test/Tenant");
    }

    #[test]
    fn an_address_without_a_port_is_refused() {
        let problem = problem_of(reader([("LISTEN", "localhost")]), |r| {
            r.socket_address("LISTEN", ([127, 0, 0, 1], 8080).into())
        });

        assert_eq!(
            problem,
            "LISTEN: \"localhost\" is not an address and a port, such as 0.0.0.0:8080"
        );
    }

    #[test]
    fn a_file_that_is_missing_is_named_with_the_reason() {
        let problem = problem_of(reader([("BACKEND_TOKEN_FILE", "/nowhere/token")]), |r| {
            r.file("BACKEND_TOKEN_FILE", "the token for the backend")
        });

        assert!(
            problem.starts_with("BACKEND_TOKEN_FILE: \"/nowhere/token\" cannot be read: "),
            "{problem}"
        );
    }

    #[test]
    fn a_problem_shows_no_secret_and_no_endless_value() {
        let problem = problem_of(
            reader([("KEY_VAULT_URL", "https://user:hunter2@vault.azure.net/")]),
            |r| r.url("KEY_VAULT_URL", "the vault"),
        );
        assert!(!problem.contains("hunter2"), "{problem}");

        let token = format!("eyJ{}", "a".repeat(400));
        let problem = problem_of(reader([("LISTEN", token.as_str())]), |r| {
            r.socket_address("LISTEN", ([127, 0, 0, 1], 8080).into())
        });
        assert!(!problem.contains("eyJ"), "{problem}");
        assert!(problem.len() < 200, "{problem}");
    }
}
