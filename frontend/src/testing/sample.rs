//! An access report as a pod's probe makes it on an estate that is as it should
//! be.

use platform::access::AccessReport;
use serde_json::{Value, json};

/// What a pod's probe finds on an estate that is as it should be.
pub(crate) fn access_report(pod: &str) -> AccessReport {
    let is_frontend = pod == "frontend";
    let (vault, blob) = ("403 ForbiddenByRbac", "403 AuthorizationPermissionMismatch");
    let (send, listen) = (
        "amqp:unauthorized-access Send",
        "amqp:unauthorized-access Listen",
    );
    let cells: Vec<Value> = [
        ("vault", "list", "GET /secrets?maxresults=1", vault, vault),
        ("vault/secrets/session-key", "get", "GET /secrets/session-key", "", vault),
        ("vault/secrets/session-key", "update", "PATCH /secrets/session-key/00000000000000000000000000000000", vault, vault),
        ("vault/secrets/share-link-key", "get", "GET /secrets/share-link-key", vault, ""),
        ("vault/secrets/share-link-key", "update", "PATCH /secrets/share-link-key/00000000000000000000000000000000", vault, vault),
        ("cosmos/todos", "read", "GET /dbs/todolist/colls/todos/docs/access-probe-1", "403/5301", ""),
        ("cosmos/todos", "query", "POST /dbs/todolist/colls/todos/docs SELECT TOP 1 c.id FROM c WHERE c.listId = @l", "403/5301", ""),
        ("cosmos/todos", "write", "PUT /dbs/todolist/colls/todos/docs/access-probe-1 If-Match: \"none\"", "403/5301", ""),
        ("cosmos/todos", "delete", "DELETE /dbs/todolist/colls/todos/docs/access-probe-1", "403/5301", ""),
        ("cosmos/activity", "read", "GET /dbs/todolist/colls/activity/docs/access-probe-1", "", "403/5301"),
        ("cosmos/activity", "query", "POST /dbs/todolist/colls/activity/docs SELECT TOP 1 c.id FROM c WHERE c.listId = @l", "", "403/5301"),
        ("cosmos/activity", "write", "PUT /dbs/todolist/colls/activity/docs/access-probe-1 If-Match: \"none\"", "403/5302", "403/5301"),
        ("cosmos/activity", "delete", "DELETE /dbs/todolist/colls/activity/docs/access-probe-1", "403/5302", "403/5301"),
        ("storage", "list-containers", "GET /?comp=list&maxresults=1", blob, blob),
        ("storage/attachments", "list", "GET /attachments?restype=container&comp=list&maxresults=1", "", ""),
        ("storage/attachments", "read", "GET /attachments/access-probe-1", "", ""),
        ("storage/attachments", "write", "PUT /attachments/access-probe-1 If-Match: \"0x0\"", "", ""),
        ("storage/attachments", "delete", "DELETE /attachments/access-probe-1", "", ""),
        ("bus/todo-events", "send", "attach a sender to todo-events", send, ""),
        ("bus/todo-events", "receive", "attach a receiver to todo-events", listen, listen),
        ("bus/attachment-jobs", "send", "attach a sender to attachment-jobs", "", send),
        ("bus/attachment-jobs", "receive", "attach a receiver to attachment-jobs", listen, listen),
    ]
    .into_iter()
    .map(|(resource, action, operation, frontend, backend)| {
        let refusal = if is_frontend { frontend } else { backend };
        let mut cell = json!({ "resource": resource, "action": action, "operation": operation,
            "durationMs": 3 + operation.len() % 17 });
        if refusal.is_empty() {
            cell["outcome"] = json!("allowed");
            cell["detail"] = json!("404: nothing of this name, and this pod may know");
        } else {
            cell["outcome"] = json!("refused");
            cell["code"] = json!(refusal);
            cell["detail"] = json!("Caller is not authorized to perform action on resource. If role assignments were changed recently, wait a few minutes.");
        }
        cell
    })
    .collect();
    let (steps, exchanges) = steps_and_exchanges(pod);
    let report = json!({ "pod": pod, "clientId": "6977c771-7ec5-5c54-9864-189d96bd2654",
        "tenantId": TENANT, "at": "2026-11-23T14:00:00Z", "durationMs": 214,
        "cells": cells, "steps": steps, "exchanges": exchanges });
    serde_json::from_value(report).expect("a report")
}

const TENANT: &str = "0dd17ccc-1660-5815-893b-e60e4270e70b";

fn steps_and_exchanges(pod: &str) -> (Value, Value) {
    let issuer = format!(
        "https://eastus.oic.local-cloud.test/{TENANT}/8318da29-a62d-5772-9562-ba038981b162/"
    );
    let subject = format!("system:serviceaccount:todolist:{pod}");
    let audience = json!(["api://AzureADTokenExchange"]);
    let expires = 1_795_446_000;
    let projected = json!({
        "header": { "alg": "RS256", "kid": "dVn2nE0bEC4Xl1hRVJ9nJyo8yq0X3k1mZCXTY2m0p0E" },
        "claims": { "aud": audience, "exp": expires, "iat": expires - 3600, "iss": issuer,
            "kubernetes.io": { "namespace": "todolist",
                "pod": { "name": "frontend-5d8c7b6f9-x2x7k", "uid": "0b8a" },
                "serviceaccount": { "name": pod, "uid": "5a1c" } },
            "nbf": expires - 3600, "sub": subject } });
    let object = "f0b7c0c5-19b4-5c37-9f83-19bdcbf4d2f1";
    let access = json!({
        "header": { "alg": "RS256", "kid": "entra-1", "typ": "JWT" },
        "claims": { "aud": "https://servicebus.azure.net", "iss": format!("https://sts.windows.net/{TENANT}/"),
            "appid": "6977c771-7ec5-5c54-9864-189d96bd2654", "oid": object, "sub": object,
            "tid": TENANT, "ver": "1.0", "iat": expires - 3600, "exp": expires } });
    let steps = json!([
        { "number": 1, "title": "Kubernetes issues a service-account token to the pod", "outcome": "done",
          "summary": format!("a token for {subject} in /var/run/secrets/azure/tokens/azure-identity-token"),
          "at": "2026-11-23T14:00:00Z", "durationMs": 0, "token": projected,
          "values": [["file", "/var/run/secrets/azure/tokens/azure-identity-token"], ["iss", issuer],
              ["sub", subject], ["aud", audience], ["exp", expires]] },
        { "number": 2, "title": "The pod presents it to Entra ID and asks for one resource", "outcome": "done",
          "summary": "asked for https://servicebus.azure.net/.default", "at": "2026-11-23T14:00:00Z", "durationMs": 18, "token": projected,
          "values": [["request", format!("POST https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token")],
              ["client_id", "6977c771-7ec5-5c54-9864-189d96bd2654"],
              ["scope", "https://servicebus.azure.net/.default"], ["at", "2026-11-23T14:00:00Z"]] },
        { "number": 3, "title": "Entra ID checks the trust in the cluster's issuer", "outcome": "done",
          "summary": "a federated credential has this issuer, subject and audience, and the issuer's published keys made the signature",
          "at": "2026-11-23T14:00:00Z", "durationMs": null, "token": null,
          "values": [["iss", issuer], ["sub", subject], ["aud", audience]] },
        { "number": 4, "title": "Entra ID issues an access token", "outcome": "done",
          "summary": "an access token for https://servicebus.azure.net", "at": "2026-11-23T14:00:00Z", "durationMs": null, "token": access,
          "values": [["iss", format!("https://sts.windows.net/{TENANT}/")], ["aud", "https://servicebus.azure.net"],
              ["oid", object], ["sub", object], ["appid", "6977c771-7ec5-5c54-9864-189d96bd2654"],
              ["tid", TENANT], ["expires", "2026-11-23T15:00:00Z"]] },
        { "number": 5, "title": "The resource validates the token and the role assignment", "outcome": "done",
          "summary": "attach a sender to attachment-jobs: allowed", "at": "2026-11-23T14:00:00Z",
          "durationMs": 9, "token": null,
          "values": [["action", "bus/attachment-jobs send"], ["request", "attach a sender to attachment-jobs"],
              ["answer", "allowed"], ["allowed", 8], ["refused", 14], ["failed", 0]] }
    ]);
    let exchanges: Vec<Value> = [
        "vault.azure.net",
        "cosmos.azure.com",
        "storage.azure.com",
        "servicebus.azure.net",
    ]
    .iter()
    .map(|resource| {
        json!({ "scope": format!("https://{resource}/.default"),
            "at": "2026-11-23T14:00:00Z", "durationMs": 18, "assertion": projected,
            "outcome": "issued", "expiresAt": "2026-11-23T15:00:00Z", "token": access })
    })
    .collect();
    (steps, json!(exchanges))
}
