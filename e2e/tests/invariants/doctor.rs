//! The doctor in a live environment, against written answers of `az` and
//! `kubectl`: each prerequisite broken once turns exactly its line red. Those of
//! the local cloud are scenarios.

use std::cell::RefCell;
use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use e2e::doctor::live::{Answer, Command, Environment, Live, Runner, is_read_only};
use e2e::doctor::{Line, State, Wanted, diagnose};
use serde::Deserialize;
use serde_json::{Value, json};

const ANSWERS: &str = include_str!("doctor/answers.json");

const CLUSTER: &str = "az aks show";
const DISCOVERY: &str = "kubectl get --context=aks-todolist --raw";
const NAMESPACES: &str = "kubectl get namespaces";
const OBJECTS: &str = "kubectl get serviceaccounts,pods";
const SHOW_WORKER: &str = "az identity show --resource-group=rg-todolist --name=id-todolist-worker";
const TRUST_OF_WORKER: &str = "az identity federated-credential list --resource-group=rg-todolist --identity-name=id-todolist-worker";
const ROLES_OF_WORKER: &str =
    "az role assignment list --assignee=a1a1a1a1-0000-4000-8000-000000000003";
const COSMOS: &str = "az cosmosdb sql role assignment list";

#[derive(Deserialize)]
struct Document {
    environment: Environment,
    answers: BTreeMap<String, Value>,
}

/// Answers as they are written, and what was asked.
struct Written {
    answers: BTreeMap<String, Value>,
    asked: RefCell<Vec<Command>>,
}

impl Runner for Written {
    fn run(&self, command: &Command) -> Result<Answer> {
        self.asked.borrow_mut().push(command.clone());
        let answer = self.answers.get(&command.to_string());
        let answer = answer.with_context(|| format!("`{command}` has no answer"))?;
        let (stdout, stderr) = match answer {
            Value::String(text) => (text.clone(), String::new()),
            Value::Object(map) if map.contains_key("stderr") => (
                String::new(),
                map["stderr"].as_str().expect("text").to_owned(),
            ),
            other => (other.to_string(), String::new()),
        };
        Ok(Answer {
            success: stderr.is_empty(),
            stdout,
            stderr,
        })
    }
}

fn environment() -> Live<Written> {
    let document: Document = serde_json::from_str(ANSWERS).expect("valid answers");
    Live {
        environment: document.environment,
        runner: Written {
            answers: document.answers,
            asked: RefCell::default(),
        },
    }
}

impl Written {
    /// The answer of the command that begins so.
    fn answer(&mut self, command: &str) -> &mut Value {
        let mut found: Vec<_> = self
            .answers
            .iter_mut()
            .filter(|(line, _)| line.starts_with(command))
            .collect();
        assert_eq!(found.len(), 1, "{command}");
        found.remove(0).1
    }
}

async fn lines(live: &Live<Written>) -> Result<Vec<Line>> {
    let wanted = Wanted::read(&e2e::default_model()).expect("the access file");
    diagnose(live, &wanted).await
}

fn states(lines: &[Line]) -> Vec<State> {
    lines.iter().map(|line| line.state).collect()
}

#[tokio::test]
async fn a_healthy_environment_has_six_lines_that_are_met() {
    let lines = lines(&environment()).await.expect("it can be checked");

    assert_eq!(states(&lines), [State::Met; 6], "{lines:#?}");
    for (line, found) in lines.iter().zip([
        "https://westeurope.oic.prod-aks.azure.com/",
        "todolist/frontend",
        "frontend 6977c771-7ec5-5c54-9864-189d96bd2654",
        "worker trusts system:serviceaccount:todolist:worker",
        "13 role assignments",
        "todolist/backend has 1 pods, all ready",
    ]) {
        assert!(line.found.contains(found), "{line:#?}");
        assert!(
            line.from.contains("az ") || line.from.contains("kubectl "),
            "{line:#?}"
        );
    }
}

/// What is broken: in the answer of a command, at a JSON pointer, the value there
/// from then on. An empty pointer is all of the answer.
struct Broken {
    command: &'static str,
    at: &'static str,
    now: Value,
    /// The line that turns red, what it says, and what mends it.
    line: usize,
    says: &'static str,
    fix: &'static str,
}

fn broken(
    (command, at, now): (&'static str, &'static str, Value),
    line: usize,
    says: &'static str,
    fix: &'static str,
) -> Broken {
    Broken {
        command,
        at,
        now,
        line,
        says,
        fix,
    }
}

const WITHOUT_SLASH: &str = "https://westeurope.oic.prod-aks.azure.com/99999999-8888-7777-6666-555555555555/12121212-3434-5656-7878-909090909090";

const ACCOUNT: &str = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-todolist\
                       /providers/Microsoft.Storage/storageAccounts/sttodolist";

const A_ROLE_OF_ITS_OWN: &str = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-todolist\
                                 /providers/Microsoft.DocumentDB/databaseAccounts/cosmos-todolist\
                                 /sqlRoleDefinitions/5d5d5d5d-0000-4000-8000-000000000000";

fn each_broken() -> Vec<Broken> {
    let mut all = vec![
        broken(
            (
                CLUSTER,
                "/oidcIssuerProfile/issuerUrl",
                json!(WITHOUT_SLASH),
            ),
            1,
            "lacks the slash `/` at the end",
            "wherever the issuer is named",
        ),
        broken(
            (CLUSTER, "/oidcIssuerProfile", Value::Null),
            1,
            "the cluster has no OIDC issuer",
            "--enable-oidc-issuer",
        ),
        broken(
            (
                CLUSTER,
                "/securityProfile/workloadIdentity/enabled",
                json!(false),
            ),
            1,
            "workload identity is off",
            "--enable-workload-identity",
        ),
        broken(
            (NAMESPACES, "/items/2/metadata/name", json!("other")),
            2,
            "there is no namespace `todolist`",
            "kubectl create namespace todolist",
        ),
        broken(
            (OBJECTS, "/items/3/metadata/name", json!("labourer")),
            2,
            "there is no service account `todolist/worker`",
            "kubectl --namespace todolist create serviceaccount worker",
        ),
        broken(
            (
                SHOW_WORKER,
                "",
                json!({ "stderr": "ERROR: (ResourceNotFound) The Resource was not found." }),
            ),
            3,
            "there is no identity `worker`",
            "az identity create",
        ),
        broken(
            (
                OBJECTS,
                "/items/3/metadata/annotations/azure.workload.identity~1client-id",
                json!("d88330ca-c6e3-5911-831b-f32089104fdd"),
            ),
            3,
            "and not `60369a45-56c2-5353-8d23-fedc2fecaee0` of `worker`",
            "azure.workload.identity/client-id=60369a45-56c2-5353-8d23-fedc2fecaee0",
        ),
    ];
    all.extend(each_broken_trust());
    all.extend(each_broken_role_or_pod());
    all
}

fn each_broken_trust() -> [Broken; 4] {
    [
        broken(
            (TRUST_OF_WORKER, "", json!([])),
            4,
            "identity `worker` has no federated credential",
            "--subject system:serviceaccount:todolist:worker",
        ),
        broken(
            (TRUST_OF_WORKER, "/0/issuer", json!(WITHOUT_SLASH)),
            4,
            "lacks the slash `/` at the end",
            "az identity federated-credential create",
        ),
        broken(
            (
                TRUST_OF_WORKER,
                "/0/subject",
                json!("system:serviceaccount:todolist:Worker"),
            ),
            4,
            "`W` instead of `w`; only the case differs",
            "--subject system:serviceaccount:todolist:worker",
        ),
        broken(
            (
                TRUST_OF_WORKER,
                "/0/audiences",
                json!(["api://AzureADTokenExchang"]),
            ),
            4,
            "lacks `e` at the end",
            "--audiences api://AzureADTokenExchange",
        ),
    ]
}

fn each_broken_role_or_pod() -> [Broken; 8] {
    [
        broken(
            (ROLES_OF_WORKER, "/0/scope", json!(ACCOUNT)),
            5,
            "`worker` has `Storage Blob Data Contributor` on `/subscriptions/11111111-2222-3333-4444-555555555555/\
             resourceGroups/rg-todolist/providers/Microsoft.Storage/storageAccounts/sttodolist`, \
             which no grant gives it",
            "az role assignment delete",
        ),
        broken(
            (COSMOS, "/3/roleDefinitionId", json!(A_ROLE_OF_ITS_OWN)),
            5,
            "`worker` has `5d5d5d5d-0000-4000-8000-000000000000` on",
            "az cosmosdb sql role assignment delete",
        ),
        broken(
            (
                ROLES_OF_WORKER,
                "/0/roleDefinitionName",
                json!("Storage Blob Data Reader"),
            ),
            5,
            "`worker` has no `Storage Blob Data Contributor` on `storage/containers/attachments`",
            "az role assignment create",
        ),
        broken(
            (
                COSMOS,
                "/0/principalId",
                json!("a1a1a1a1-0000-4000-8000-000000000009"),
            ),
            5,
            "`frontend` has no `Cosmos DB Built-in Data Reader`",
            "az cosmosdb sql role assignment create",
        ),
        broken(
            (
                OBJECTS,
                "/items/6/metadata/labels/azure.workload.identity~1use",
                Value::Null,
            ),
            6,
            "worker-6d5f9c7b8-abcde lacks the label",
            "label the pods in the template",
        ),
        broken(
            (OBJECTS, "/items/6/spec/containers/0/env", json!([])),
            6,
            "has not been changed by the webhook",
            "see that the webhook runs",
        ),
        broken(
            (
                OBJECTS,
                "/items/6/status/conditions/1/status",
                json!("False"),
            ),
            6,
            "is not ready; its log says AADSTS700213: No matching federated identity record found for \
             presented assertion subject 'system:serviceaccount:todolist:worker'",
            "cargo explain",
        ),
        broken(
            (
                OBJECTS,
                "/items/6/spec/serviceAccountName",
                json!("default"),
            ),
            6,
            "no pod runs as service account `todolist/worker`",
            "name `worker` as its serviceAccountName",
        ),
    ]
}

#[tokio::test]
async fn each_prerequisite_that_is_broken_turns_exactly_its_line_red() {
    for broken in each_broken() {
        let mut live = environment();
        let answer = live.runner.answer(broken.command);
        *answer.pointer_mut(broken.at).expect(broken.at) = broken.now;

        let lines = lines(&live).await.expect("it can be checked");

        let what = format!("{} {}", broken.command, broken.at);
        let mut expected = [State::Met; 6];
        expected[broken.line - 1] = State::Failed;
        let found: Vec<_> = states(&lines)
            .into_iter()
            // What a missing thing is about is not looked at.
            .zip(expected)
            .map(|(found, expected)| match found {
                State::NotChecked if expected == State::Met => State::Met,
                found => found,
            })
            .collect();
        assert_eq!(found, expected, "{what}: {lines:#?}");
        let problems = &lines[broken.line - 1].problems;
        let told = problems
            .iter()
            .any(|problem| problem.what.contains(broken.says) && problem.fix.contains(broken.fix));
        assert!(told, "{what}: {problems:#?}");
    }
}

#[tokio::test]
async fn every_command_that_is_run_is_on_the_list_of_those_that_only_read() {
    let mut live = environment();
    let answer = live.runner.answer(OBJECTS);
    *answer
        .pointer_mut("/items/6/status/conditions/1/status")
        .expect("a status") = json!("False");

    lines(&live).await.expect("it can be checked");

    let asked = live.runner.asked.borrow();
    let mut words: Vec<_> = asked
        .iter()
        .map(|command| command.line()[..3].join(" "))
        .collect();
    words.sort();
    words.dedup();
    assert!(words.len() >= 8, "every kind is asked: {words:?}");
    for command in asked.iter() {
        assert!(is_read_only(&command.line()), "{command}");
    }
}

#[tokio::test]
async fn a_value_can_never_become_an_option() {
    let mut live = environment();
    live.environment.cluster = "--debug".to_owned();
    let error = lines(&live).await.expect_err("there is no such answer");
    let asked = live.runner.asked.borrow();

    assert!(
        asked[0].line().contains(&"--name=--debug".to_owned()),
        "{error:#}"
    );
}

#[tokio::test]
async fn what_cannot_be_asked_is_no_red_line_but_an_error() {
    let mut live = environment();
    *live.runner.answer(DISCOVERY) = json!({ "stderr": "Unable to connect to the server" });
    let error = lines(&live)
        .await
        .expect_err("the cluster cannot be reached");
    assert!(
        format!("{error:#}").contains("Unable to connect"),
        "{error:#}"
    );

    let mut live = environment();
    *live.runner.answer(COSMOS) = json!({ "stderr": "ERROR: (AuthorizationFailed) no" });
    let error = lines(&live).await.expect_err("it may not be read");
    assert!(
        format!("{error:#}").contains("AuthorizationFailed"),
        "{error:#}"
    );
}
