//! Trust, changed through the control API.

use serde_json::{Value, json};

use super::Running;

impl Running {
    /// Status and answer to a request of the control API.
    async fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let method = method.parse().expect("a method");
        let url = self.url.replace("audit", path);
        let request = self.client.request(method, url).json(body);
        let request = request.header("authorization", self.authorization());
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("text");
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }
}

#[tokio::test]
async fn a_federated_credential_is_listed_changed_and_deleted() {
    let running = Running::start().await;
    let path = "identities/frontend/federated-credentials";
    let one = format!("{path}/todolist-frontend");
    let (status, listed) = running.call("GET", path, &Value::Null).await;
    assert_eq!((status, listed.as_array().map(Vec::len)), (200, Some(1)));
    assert_eq!(listed[0]["name"], "todolist-frontend");
    let subject = "system:serviceaccount:todolist:frontend";
    assert_eq!(listed[0]["subject"], subject);

    let wrong = json!({ "issuer": listed[0]["issuer"], "subject": "wrong", "audiences": ["a"] });
    let (status, written) = running.call("PUT", &one, &wrong).await;
    assert_eq!((status, &written["subject"]), (200, &json!("wrong")));

    let two = json!({ "issuer": "i", "subject": "s", "audiences": ["a", "b"] });
    let refused = running.call("PUT", &one, &two).await;
    let text = "Federated identity credentials must have exactly one audience.";
    let error = json!({ "error": { "code": "BadRequest", "message": text } });
    assert_eq!(refused, (400, error));

    let (status, _) = running.call("DELETE", &one, &Value::Null).await;
    assert_eq!(status, 204);
    let (_, listed) = running.call("GET", path, &Value::Null).await;
    assert_eq!(listed, json!([]));
    let (status, _) = running
        .call(
            "GET",
            "identities/nobody/federated-credentials",
            &Value::Null,
        )
        .await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn an_external_issuer_is_declared_and_withdrawn() {
    let running = Running::start().await;
    let external = json!({
        "issuer": "https://kubernetes.default.svc.cluster.local", "ca": null, "address": "127.0.0.1:6443",
    });
    let (status, _) = running.call("PUT", "issuers", &external).await;
    assert_eq!(status, 204);
    let listed = running.call("GET", "issuers", &Value::Null).await;
    assert_eq!(listed, (200, json!([external])));

    let loopback = json!({ "issuer": "https://localhost" });
    let (status, _) = running.call("PUT", "issuers", &loopback).await;
    assert_eq!(status, 400);

    let name = json!({ "issuer": external["issuer"] });
    assert_eq!(running.call("DELETE", "issuers", &name).await.0, 204);
    assert_eq!(running.call("DELETE", "issuers", &name).await.0, 404);
}

#[tokio::test]
async fn a_resource_takes_its_identity_and_its_roles_with_it() {
    let running = Running::start().await;
    let resource = json!({ "resource": "Microsoft.Compute/virtualMachines/build" });
    let (status, first) = running.call("POST", "resources", &resource).await;
    assert_eq!((status, &first["name"]), (201, &json!("build")));
    let grant = json!({ "identity": "build", "role": "Key Vault Secrets User", "scope": "vault" });
    assert_eq!(running.call("POST", "grants", &grant).await.0, 204);
    let wanted = json!({ "resource": resource["resource"], "audience": "https://vault.azure.net" });
    let (status, token) = running.call("POST", "resources/token", &wanted).await;
    assert_eq!((status, &token["client_id"]), (200, &first["clientId"]));

    assert_eq!(running.call("DELETE", "resources", &resource).await.0, 204);
    assert_eq!(running.call("DELETE", "resources", &resource).await.0, 404);
    let (status, _) = running.call("POST", "resources/token", &wanted).await;
    assert_eq!(status, 400);
    let (_, second) = running.call("POST", "resources", &resource).await;
    assert_ne!(second["principalId"], first["principalId"]);
    let (status, _) = running.call("DELETE", "grants", &grant).await;
    assert_eq!(status, 404, "the roles of the first are not the second's");
}
