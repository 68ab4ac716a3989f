//! An emulator of Blob Storage asked directly, as each identity, with tokens that name
//! it and that nobody signed. Whatever it lets through, it cannot enforce.

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use e2e::expected::Cell;
use e2e::parity::{ALLOWED, Combination, Credential, Found, Tried};
use local_cloud::names;
use reqwest::{Client, Method, StatusCode};
use serde_json::json;
use time::OffsetDateTime;

const VERSION: &str = "2024-11-04";

pub(crate) async fn storage(
    name: &str,
    expected: &[Cell],
    client: &Client,
    url: &str,
) -> Result<Combination> {
    let mut tried = Vec::new();
    let cells = expected
        .iter()
        .filter(|cell| cell.action.starts_with("storage"));
    for cell in cells {
        let answer = ask(client, url, cell).await?;
        tried.push(Tried {
            cell: cell.clone(),
            credential: Credential::Forged,
            found: answer,
        });
    }
    Ok(Combination {
        name: name.to_owned(),
        is_gated: false,
        ran: Ok(tried),
        scenarios: vec![],
    })
}

/// Tries a cell as the pods' probe does: nothing is changed. That a thing is not there,
/// or a condition does not hold, is said to those alone who were let through.
async fn ask(client: &Client, url: &str, cell: &Cell) -> Result<Found> {
    let blob = format!("/attachments/probe-{}", uuid::Uuid::new_v4());
    let (method, target) = match cell.action.as_str() {
        "storage list-containers" => (Method::GET, "?comp=list&maxresults=1".to_owned()),
        "storage/attachments list" => {
            let list = "/attachments?restype=container&comp=list&maxresults=1";
            (Method::GET, list.to_owned())
        }
        "storage/attachments read" => (Method::GET, blob),
        "storage/attachments write" => (Method::PUT, blob),
        "storage/attachments delete" => (Method::DELETE, blob),
        _ => return Ok(Found::Unsupported("no request is known for it".to_owned())),
    };
    let is_write = method == Method::PUT;
    let mut request = client
        .request(method, format!("{url}{target}"))
        .bearer_auth(nobodys(&cell.identity))
        .header("x-ms-version", VERSION);
    if is_write {
        request = request
            .header("x-ms-blob-type", "BlockBlob")
            .header("if-match", "\"0x0\"")
            .body("never stored");
    }
    let response = request.send().await?;
    let status = response.status();
    let let_through = status.is_success()
        || matches!(
            status,
            StatusCode::NOT_FOUND | StatusCode::PRECONDITION_FAILED
        );
    if let_through {
        return Ok(Found::Answer(ALLOWED.to_owned()));
    }
    let code = response.headers().get("x-ms-error-code");
    let code = code.and_then(|code| code.to_str().ok()).unwrap_or("?");
    Ok(Found::Answer(format!("{} {code}", status.as_u16())))
}

/// An access token for storage that names an identity. Its signature is none.
fn nobodys(identity: &str) -> String {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let header = json!({ "alg": "RS256", "kid": "nobody", "typ": "JWT" });
    let claims = json!({
        "aud": "https://storage.azure.com",
        "iss": names::token_issuer(names::tenant_id()),
        "tid": names::tenant_id(),
        "oid": names::object_id(identity),
        "sub": names::object_id(identity),
        "appid": names::client_id(identity),
        "iat": now - 60,
        "nbf": now - 60,
        "exp": now + 600,
        "ver": "1.0",
    });
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signature = URL_SAFE_NO_PAD.encode("nobody signed this");
    format!("{}.{}.{signature}", part(&header), part(&claims))
}
