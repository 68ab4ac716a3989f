//! A cluster's issuer that is not the local cloud's: a process of its own, with
//! another library for tokens, its own keys, its own CA and its own HTTP. It uses
//! nothing of this repository. What it publishes and signs has the form that a
//! Kubernetes API server gives it (1.30 and later).

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{
    BasicConstraints, CertificateParams, IsCa, Issuer as Authority, KeyPair, PKCS_RSA_SHA256,
    RsaKeySize,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

const KEY_ID: &str = "the-key-of-another-cluster";

/// What one issuer is, on the command line of its process.
pub(crate) struct Settings<'a> {
    /// Where it leaves `ca.crt`, `token`, and `requests`, a line for each document
    /// that it was asked for.
    pub(crate) directory: &'a Path,
    /// What its tokens call it.
    pub(crate) issuer: &'a str,
    /// What its discovery document calls it.
    pub(crate) published: &'a str,
    /// `namespace:name` of the service account.
    pub(crate) account: &'a str,
}

/// Serves until the process is ended. Says where in a line, when all files are
/// there.
pub(crate) fn run(settings: &Settings<'_>) -> Result<()> {
    let (tls, ca) = certificate(settings.issuer)?;
    let pkcs8 = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?.serialize_der();
    // The key itself is what PKCS #8 has around it 26 bytes before, at this size.
    let key = EncodingKey::from_rsa_der(&pkcs8[26..]);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let write = |name: &str, text: &str| fs::write(settings.directory.join(name), text);
    write("ca.crt", &ca)?;
    write("token", &token(settings, &key)?)?;
    write("requests", "")?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    let documents = [
        (
            "/.well-known/openid-configuration",
            json!({
                "issuer": settings.published,
                "jwks_uri": format!("{}/openid/v1/jwks", settings.issuer),
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            }),
        ),
        ("/openid/v1/jwks", json!({ "keys": [published(&key)?] })),
    ];
    for connection in listener.incoming() {
        let connection = ServerConnection::new(Arc::clone(&tls))
            .map(|tls| connection.map(|socket| StreamOwned::new(tls, socket)))?;
        // A client that does not trust the certificate goes away.
        if let Err(error) = answer(connection?, &documents, settings.directory) {
            eprintln!("a connection broke: {error:#}");
        }
    }
    Ok(())
}

fn answer(
    mut stream: impl Read + Write,
    documents: &[(&str, Value)],
    directory: &Path,
) -> Result<()> {
    let mut lines = BufReader::new(&mut stream).lines();
    let first = lines.next().context("a request")??;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = first.split(' ').nth(1).context("a path")?;
    let mut requests = fs::OpenOptions::new()
        .append(true)
        .open(directory.join("requests"))?;
    writeln!(requests, "{path}")?;
    let found = documents.iter().find(|(own, _)| *own == path);
    let (status, body) = match found {
        Some((_, document)) => ("200 OK", document.to_string()),
        None => ("404 Not Found", String::new()),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    )?;
    Ok(stream.flush()?)
}

fn published(key: &EncodingKey) -> Result<Value> {
    let mut key = serde_json::to_value(Jwk::from_encoding_key(key, Algorithm::RS256)?)?;
    key["kid"] = KEY_ID.into();
    key["use"] = "sig".into();
    Ok(key)
}

fn token(settings: &Settings<'_>, key: &EncodingKey) -> Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let (namespace, name) = settings.account.split_once(':').context("namespace:name")?;
    let header = Header {
        typ: None,
        kid: Some(KEY_ID.to_owned()),
        ..Header::new(Algorithm::RS256)
    };
    let claims = json!({
        "aud": ["api://AzureADTokenExchange"],
        "exp": now + 3600, "iat": now, "nbf": now,
        "iss": settings.issuer,
        "jti": "2f0c7d6e-4d5b-4f1b-9c37-6b2f0c1f5a11",
        "kubernetes.io": {
            "namespace": namespace,
            "node": { "name": "kind-control-plane", "uid": "6f1c6f0a-8a0e-4a3e-9f0e-5a7f3e1f2b10" },
            "pod": { "name": "frontend-7d9c5b7c6-x2x8v", "uid": "0c3a9a2e-3c5e-4d0f-8b0a-7f7b1f1d6c22" },
            "serviceaccount": { "name": name, "uid": "b1a7f2de-6a0e-4c9c-8f36-3a4f0d9e7c33" },
        },
        "sub": format!("system:serviceaccount:{namespace}:{name}"),
    });
    Ok(jsonwebtoken::encode(&header, &claims, key)?)
}

/// TLS for the issuer's name, and the CA that vouches for it.
fn certificate(issuer: &str) -> Result<(Arc<ServerConfig>, String)> {
    let host = issuer.strip_prefix("https://").context("an https URL")?;
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key)?.pem();
    let authority = Authority::new(ca, ca_key);
    let leaf_key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec![host.to_owned()])?.signed_by(&leaf_key, &authority)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)?;
    Ok((Arc::new(tls), ca_pem))
}
