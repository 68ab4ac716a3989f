//! What a role opens, and what is refused without one.

use super::*;

#[tokio::test]
async fn a_caller_without_a_role_is_refused_whatever_there_is() {
    let setup = Setup::new();
    setup.put("a", "1").await;
    let contributor = Scope::new(["storage", "containers", "attachments"]);
    let revoked = Grant {
        identity: "worker".to_owned(),
        role: "Storage Blob Data Contributor".to_owned(),
        scope: contributor,
    };
    assert!(setup.fixture.gate.revoke(&revoked));
    let before = setup.account.digest();
    for (identity, line) in [
        ("worker", "GET /attachments/a"),
        ("worker", "GET /attachments/absent"),
        ("worker", "HEAD /attachments/a"),
        ("worker", "PUT /attachments/a"),
        ("worker", "PUT /attachments/a?comp=block&blockid=QQ=="),
        ("worker", "PUT /attachments/a?comp=blocklist"),
        ("worker", "DELETE /attachments/a"),
        ("worker", "GET /attachments?restype=container&comp=list"),
        ("worker", "GET /attachments?restype=container"),
        ("worker", "DELETE /attachments?restype=container"),
        // The role is at one container.
        (FRONTEND, "GET /?comp=list"),
        (FRONTEND, "GET /another/a"),
        (FRONTEND, "PUT /another?restype=container"),
    ] {
        let headers = [("x-ms-blob-type", "BlockBlob"), ("if-match", "\"0x0\"")];
        let conditional = line.ends_with("/a") || line.ends_with("absent");
        let headers = if conditional {
            &headers[..]
        } else {
            &headers[..1]
        };
        let answer = setup.send(identity, line, headers, "").await;

        assert_eq!(
            answer.refusal(),
            (403, "AuthorizationPermissionMismatch"),
            "{identity} {line}"
        );
    }
    assert_eq!(setup.account.digest(), before);
}

/// What each operation asks the gate for, shown by roles that grant less.
#[tokio::test]
async fn a_role_for_one_kind_of_operation_is_none_for_another() {
    let setup = Setup::new();
    setup.put("a", "1").await;
    let grant = |role: &str, scope: &[&str]| Grant {
        identity: "worker".to_owned(),
        role: role.to_owned(),
        scope: Scope::new(scope.iter().copied()),
    };
    let gate = &setup.fixture.gate;
    let container = ["storage", "containers", "attachments"];
    assert!(gate.revoke(&grant("Storage Blob Data Contributor", &container)));
    let ask = async |line: &str| {
        let headers = [("x-ms-blob-type", "BlockBlob")];
        let answer = setup.send("worker", line, &headers, "").await;
        answer.status.as_u16()
    };
    let before = setup.account.digest();

    let reader = grant("Storage Blob Data Reader", &container);
    gate.grant(reader.clone()).expect("the grant is valid");
    for line in [
        "GET /attachments/a",
        "HEAD /attachments/a",
        "GET /attachments/a?comp=blocklist",
        "GET /attachments?restype=container&comp=list",
        "GET /attachments?restype=container",
    ] {
        assert_eq!(ask(line).await, 200, "{line}");
    }
    for line in [
        "PUT /attachments/a",
        "PUT /attachments/a?comp=block&blockid=QQ==",
        "PUT /attachments/a?comp=blocklist",
        "PUT /attachments/a?comp=metadata",
        "DELETE /attachments/a",
        "PUT /attachments?restype=container",
        "DELETE /attachments?restype=container",
        "GET /?comp=list",
    ] {
        assert_eq!(ask(line).await, 403, "{line}");
    }
    assert!(gate.revoke(&reader));

    // The management of an account is no data action of its blobs.
    gate.grant(grant("Contributor", &["storage"]))
        .expect("the grant is valid");
    for line in ["GET /?comp=list", "GET /attachments?restype=container"] {
        assert_eq!(ask(line).await, 200, "{line}");
    }
    for line in [
        "GET /attachments/a",
        "HEAD /attachments/a",
        "GET /attachments/a?comp=blocklist",
        "GET /attachments?restype=container&comp=list",
        "PUT /attachments/a",
        "DELETE /attachments/a",
    ] {
        assert_eq!(ask(line).await, 403, "{line}");
    }
    assert_eq!(setup.account.digest(), before);
}
