//! The commands of the doctor: these and no others, and each only reads.

use std::fmt;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// A command that only reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The cluster.
    ShowCluster {
        /// Its resource group.
        group: String,
        /// Its name.
        name: String,
    },
    /// A user-assigned identity.
    ShowIdentity {
        /// Its resource group.
        group: String,
        /// Its name.
        name: String,
    },
    /// What an identity trusts.
    ListCredentials {
        /// Its resource group.
        group: String,
        /// Its name.
        identity: String,
    },
    /// The Azure roles of a principal, at any scope.
    ListRoles {
        /// The principal's object id.
        assignee: String,
    },
    /// The role assignments of a Cosmos DB account's own system.
    ListCosmosRoles {
        /// Its resource group.
        group: String,
        /// Its name.
        account: String,
    },
    /// What the API server publishes as an issuer.
    Discovery {
        /// The kubectl context.
        context: Option<String>,
    },
    /// The namespaces of the cluster.
    Namespaces {
        /// The kubectl context.
        context: Option<String>,
    },
    /// Service accounts and pods of a namespace.
    Objects {
        /// The kubectl context.
        context: Option<String>,
        /// The namespace.
        namespace: String,
    },
    /// The last lines of a pod's log.
    Logs {
        /// The kubectl context.
        context: Option<String>,
        /// The namespace.
        namespace: String,
        /// The pod.
        pod: String,
    },
}

/// What may be run: the words of a command, and the options that it may have.
/// Whoever adds a line adds a command that changes nothing and shows no secret.
const READ_ONLY: [(&[&str], &[&str]); 9] = [
    (
        &["az", "aks", "show"],
        &["--resource-group", "--name", "--output"],
    ),
    (
        &["az", "identity", "show"],
        &["--resource-group", "--name", "--output"],
    ),
    (
        &["az", "identity", "federated-credential", "list"],
        &["--resource-group", "--identity-name", "--output"],
    ),
    (
        &["az", "role", "assignment", "list"],
        &["--assignee", "--all", "--include-inherited", "--output"],
    ),
    (
        &["az", "cosmosdb", "sql", "role", "assignment", "list"],
        &["--resource-group", "--account-name", "--output"],
    ),
    (
        &["kubectl", "get"],
        &["--context", "--raw=/.well-known/openid-configuration"],
    ),
    (
        &["kubectl", "get", "namespaces"],
        &["--context", "--output"],
    ),
    (
        &["kubectl", "get", "serviceaccounts,pods"],
        &["--context", "--namespace", "--output"],
    ),
    (
        &["kubectl", "logs"],
        &["--context", "--namespace", "--tail", "--all-containers"],
    ),
];

impl Command {
    /// Program and arguments. Every value is joined to its option, so that none
    /// can be taken for an option of its own.
    pub fn line(&self) -> Vec<String> {
        let option = |name: &str, value: &str| format!("--{name}={value}");
        let json = || option("output", "json");
        let in_context = |context: &Option<String>| context.as_ref().map(|c| option("context", c));
        let (words, options): (&[&str], Vec<Option<String>>) = match self {
            Self::ShowCluster { group, name } => (
                &["az", "aks", "show"],
                vec![
                    Some(option("resource-group", group)),
                    Some(option("name", name)),
                    Some(json()),
                ],
            ),
            Self::ShowIdentity { group, name } => (
                &["az", "identity", "show"],
                vec![
                    Some(option("resource-group", group)),
                    Some(option("name", name)),
                    Some(json()),
                ],
            ),
            Self::ListCredentials { group, identity } => (
                &["az", "identity", "federated-credential", "list"],
                vec![
                    Some(option("resource-group", group)),
                    Some(option("identity-name", identity)),
                    Some(json()),
                ],
            ),
            Self::ListRoles { assignee } => (
                &["az", "role", "assignment", "list"],
                vec![
                    Some(option("assignee", assignee)),
                    Some("--all".to_owned()),
                    Some("--include-inherited".to_owned()),
                    Some(json()),
                ],
            ),
            Self::ListCosmosRoles { group, account } => (
                &["az", "cosmosdb", "sql", "role", "assignment", "list"],
                vec![
                    Some(option("resource-group", group)),
                    Some(option("account-name", account)),
                    Some(json()),
                ],
            ),
            Self::Discovery { context } => (
                &["kubectl", "get"],
                vec![
                    in_context(context),
                    Some("--raw=/.well-known/openid-configuration".to_owned()),
                ],
            ),
            Self::Namespaces { context } => (
                &["kubectl", "get", "namespaces"],
                vec![in_context(context), Some(json())],
            ),
            Self::Objects { context, namespace } => (
                &["kubectl", "get", "serviceaccounts,pods"],
                vec![
                    in_context(context),
                    Some(option("namespace", namespace)),
                    Some(json()),
                ],
            ),
            Self::Logs {
                context,
                namespace,
                pod,
            } => {
                let words = ["kubectl", "logs"].map(str::to_owned).into_iter();
                let options = [
                    in_context(context),
                    Some(option("namespace", namespace)),
                    Some("--all-containers".to_owned()),
                    Some(option("tail", "500")),
                ];
                // The name is behind a mark, after which nothing is an option.
                let pod = ["--".to_owned(), pod.clone()];
                return words
                    .chain(options.into_iter().flatten())
                    .chain(pod)
                    .collect();
            }
        };
        let words = words.iter().map(|&word| word.to_owned());
        words.chain(options.into_iter().flatten()).collect()
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line().join(" "))
    }
}

/// Whether a command line is on the list: its words exactly, and no other option.
pub fn is_read_only(line: &[String]) -> bool {
    let is_option = |word: &&String| word.starts_with('-');
    READ_ONLY.iter().any(|(words, options)| {
        let Some(rest) = line.get(words.len()..) else {
            return false;
        };
        let own = line.iter().zip(*words).all(|(own, word)| own == word);
        let (rest, target) = match rest.iter().position(|word| word == "--") {
            Some(at) => (&rest[..at], &rest[at + 1..]),
            None => (rest, &rest[rest.len()..]),
        };
        // Of all commands, one has a name behind the mark.
        let target_is_pod =
            target.is_empty() || (words == &["kubectl", "logs"] && target.len() == 1);
        let known = rest.iter().all(|word| {
            is_option(&word)
                && options
                    .iter()
                    .any(|option| word == option || word.starts_with(&format!("{option}=")))
        });
        own && known && target_is_pod
    })
}

/// What a command answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Whether it succeeded.
    pub success: bool,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Answer {
    /// The answer as JSON.
    pub fn json(&self, command: &Command) -> Result<Value> {
        if !self.success {
            let why = self.stderr.lines().find(|line| !line.trim().is_empty());
            bail!(
                "`{command}` failed: {}",
                why.unwrap_or("it does not say why")
            );
        }
        serde_json::from_str(&self.stdout).with_context(|| format!("`{command}` answered no JSON"))
    }

    /// Whether what was asked for is not there.
    pub fn is_not_found(&self) -> bool {
        !self.success && self.stderr.contains("ResourceNotFound")
    }
}

/// What runs commands.
pub trait Runner {
    /// Runs one.
    fn run(&self, command: &Command) -> Result<Answer>;
}

/// The programs that are installed.
pub struct Installed;

impl Runner for Installed {
    fn run(&self, command: &Command) -> Result<Answer> {
        let line = command.line();
        if !is_read_only(&line) {
            bail!("`{command}` is not on the list of commands that only read");
        }
        let output = std::process::Command::new(&line[0])
            .args(&line[1..])
            .output()
            .with_context(|| format!("`{}` cannot be run; is it installed?", line[0]))?;
        Ok(Answer {
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_writes_or_shows_secrets_is_not_on_the_list() {
        for line in [
            "az role assignment create --assignee=x",
            "az aks get-credentials --name=x",
            "az aks show --name=x --query=y",
            "az keyvault secret show --name=x",
            "az identity federated-credential delete --identity-name=x",
            "kubectl get secrets --namespace=x",
            "kubectl get serviceaccounts,pods,secrets --output=json",
            "kubectl get --raw=/api/v1/secrets",
            "kubectl delete pods --namespace=x",
            "kubectl logs --namespace=x -- a b",
            "kubectl get namespaces -- x",
            "kubectl logs -f",
            "kubectl exec --namespace=x -- sh",
            "sh -c az",
            "az",
        ] {
            let line: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert!(!is_read_only(&line), "{line:?}");
        }
    }
}
