//! A text for each form that a rule finds, and texts that come near and are none.
//!
//! Every secret here is made up when it is asked for, so that none stands in the
//! source.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// A text with one secret in it.
#[derive(Debug)]
pub struct Example {
    /// The rule that finds it.
    pub rule: &'static str,
    /// What it is an example of.
    pub what: &'static str,
    /// The text, of one line or several.
    pub text: String,
    /// The secret in it, or its beginning: what must never be shown.
    pub secret: String,
}

/// Bytes that look random and are always the same.
fn bytes(count: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[0]
    };
    (0..count).map(|_| next()).collect()
}

fn key(count: usize) -> String {
    STANDARD.encode(bytes(count))
}

fn in_url(text: &str) -> String {
    let escaped = text.replace('+', "%2B").replace('/', "%2F");
    escaped.replace('=', "%3D")
}

fn jwt(header: &str) -> String {
    let payload = URL_SAFE_NO_PAD.encode(r#"{"sub":"somebody","exp":1}"#);
    let header = URL_SAFE_NO_PAD.encode(header);
    format!("{header}.{payload}.{}", URL_SAFE_NO_PAD.encode(bytes(32)))
}

fn pem(label: &str) -> String {
    let dashes = "-----";
    let body = key(48);
    format!("{dashes}BEGIN {label}{dashes}\n{body}\n{dashes}END {label}{dashes}\n")
}

/// Letters and digits, such as applications' secrets are made of.
fn letters(count: usize) -> String {
    let text = URL_SAFE_NO_PAD.encode(bytes(count));
    let text = text.replace('-', "a").replace('_', "b");
    text[..count].to_owned()
}

/// An example of each form.
#[expect(clippy::too_many_lines, reason = "it is a table")]
pub fn all() -> Vec<Example> {
    let [of_32, of_64] = [key(32), key(64)];
    let mut examples = Vec::new();
    let mut add = |rule, what, text: String, secret: &str| {
        examples.push(Example {
            rule,
            what,
            text,
            secret: secret.to_owned(),
        });
    };
    for (what, label) in [
        ("PKCS#8", "PRIVATE KEY"),
        ("PKCS#1", "RSA PRIVATE KEY"),
        ("SEC 1", "EC PRIVATE KEY"),
        ("an encrypted key", "ENCRYPTED PRIVATE KEY"),
        ("OpenSSH", "OPENSSH PRIVATE KEY"),
        ("OpenPGP", "PGP PRIVATE KEY BLOCK"),
    ] {
        add("private-key", what, pem(label), &key(48));
    }
    let in_json = format!(
        "{{ \"pem\": \"{}\" }}",
        pem("PRIVATE KEY").replace('\n', "\\n")
    );
    add("private-key", "PEM in a string", in_json, &key(48));
    let d = URL_SAFE_NO_PAD.encode(bytes(32));
    let jwk = format!(r#"{{ "kty": "EC", "crv": "P-256", "d": "{d}" }}"#);
    add("private-key", "a JSON Web Key", jwk, &d);
    let putty = format!("Private-Lines: 1\n{}\n", key(48));
    add("private-key", "PuTTY", putty, &key(48));

    let storage = format!(
        "DefaultEndpointsProtocol=https;AccountName=todo;AccountKey={of_64};EndpointSuffix=core.windows.net"
    );
    add("connection-string", "Storage", storage, &of_64);
    let bus = format!(
        "Endpoint=sb://todo.servicebus.windows.net/;SharedAccessKeyName=All;SharedAccessKey={of_32}"
    );
    add("connection-string", "Service Bus", bus, &of_32);
    let cosmos =
        format!("AccountEndpoint=https://todo.documents.azure.com:443/;AccountKey={of_64};");
    add("connection-string", "Cosmos DB", cosmos, &of_64);

    add(
        "account-key",
        "alone",
        format!("AccountKey={of_64}"),
        &of_64,
    );
    add(
        "account-key",
        "of a namespace",
        format!("SharedAccessKey={of_32}"),
        &of_32,
    );
    let json = format!(r#""primaryMasterKey": "{of_64}""#);
    add("account-key", "in JSON", json, &of_64);
    add(
        "account-key",
        "in YAML",
        format!("storageKey: {of_64}"),
        &of_64,
    );
    let escaped = in_url(&of_64);
    add(
        "account-key",
        "in a URL",
        format!("AccountKey%3D{escaped}"),
        &escaped,
    );
    let marked = format!("{}+ASt{}==", &of_64[..76], &of_64[..6]);
    add("account-key", "by Storage's mark", marked.clone(), &marked);
    let marked = format!("{}ACDb{}==", &of_64[..76], &of_64[..6]);
    add(
        "account-key",
        "by Cosmos DB's mark",
        marked.clone(),
        &marked,
    );
    let marked = format!("{}+ASb{}=", &of_32[..33], &of_32[..6]);
    add(
        "account-key",
        "by Service Bus' mark",
        marked.clone(),
        &marked,
    );
    let marked = format!("{}JQQJ99{}", letters(52), letters(26));
    add("account-key", "by the common mark", marked.clone(), &marked);

    let signature = in_url(&of_32);
    let rule = "shared-access-signature";
    let url = format!(
        "https://todo.blob.core.windows.net/files/a?sv=2026-04-06&se=2027-01-01&sp=r&sig={signature}"
    );
    add(rule, "of Storage", url, &signature);
    let bus =
        format!("SharedAccessSignature sr=sb%3a%2f%2ftodo&sig={signature}&se=1800000000&skn=All");
    add(rule, "of Service Bus", bus, &signature);
    let header = format!("type%3dmaster%26ver%3d1.0%26sig%3d{signature}");
    add(rule, "of Cosmos DB's master key", header, &signature);
    add(
        rule,
        "of Shared Key",
        format!("SharedKey todo:{of_32}"),
        &of_32,
    );

    let secret = format!("{}8Q~{}", letters(3), letters(34));
    add("client-secret", "by its form", secret.clone(), &secret);
    let secret = letters(32);
    let variable = format!("AZURE_CLIENT_SECRET={secret}");
    add("client-secret", "in a variable", variable, &secret);

    let password = "Tr0ub4dor-and-more";
    let sql = format!("Server=tcp:todo.example,1433;User ID=todo;Password={password};");
    add("password", "in a connection string", sql, password);
    let url = format!("amqps://todo:{password}@todo.example/");
    add("password", "in a URL", url, password);

    for (what, header) in [
        ("of Entra ID", r#"{"alg":"RS256","typ":"JWT"}"#),
        (
            "of this workload",
            r#"{"typ":"JWT","alg":"HS256","kid":"1"}"#,
        ),
        ("with spaces in its header", "{ \"alg\": \"ES256\" }"),
    ] {
        let token = jwt(header);
        add("jwt", what, token.clone(), &token);
    }
    let token = letters(40);
    let header = format!("Authorization: Bearer {token}");
    add("session-token", "in a header", header, &token);
    add(
        "session-token",
        "in a cookie",
        format!("Cookie: session={token}"),
        &token,
    );
    examples
}

/// What comes near, and is no secret.
#[expect(clippy::too_many_lines, reason = "it is a table")]
pub fn near_misses() -> Vec<(&'static str, String)> {
    let [of_32, of_64] = [key(32), key(64)];
    let certificate = pem("CERTIFICATE");
    let public = pem("PUBLIC KEY");
    let dashes = "-----";
    vec![
        ("a certificate", certificate),
        ("a public key", public),
        (
            "a private key's first line alone",
            format!("{dashes}BEGIN PRIVATE KEY{dashes}"),
        ),
        (
            "a public JSON Web Key",
            format!(
                r#"{{ "kty": "EC", "x": "{}" }}"#,
                URL_SAFE_NO_PAD.encode(bytes(32))
            ),
        ),
        (
            "a placeholder in angle brackets",
            "AccountName=todo;AccountKey=<the account's key>".to_owned(),
        ),
        (
            "a variable in place of a key",
            "Endpoint=sb://todo/;SharedAccessKey=${SHARED_ACCESS_KEY}".to_owned(),
        ),
        (
            "a template's variable",
            "AccountName=a;AccountKey={account_key_of_64_bytes}".to_owned(),
        ),
        (
            "an endpoint alone",
            "AccountEndpoint=https://todo.documents.azure.com:443/;".to_owned(),
        ),
        (
            "a hash that no key stands before",
            format!("integrity: sha512-{of_64}"),
        ),
        (
            "a key of another length",
            format!("AccountKey={}", &of_64[..60]),
        ),
        (
            "base64 that goes on",
            format!("key: {of_64}{of_64}").replace("==", "AA"),
        ),
        ("zeros", format!("AccountKey={}", STANDARD.encode([0; 64]))),
        (
            "a signature that goes on",
            format!("?se=1&sig={}", URL_SAFE_NO_PAD.encode(bytes(64))),
        ),
        (
            "a field that is called d",
            format!(r#"{{ "d": "{}" }}"#, URL_SAFE_NO_PAD.encode(bytes(32))),
        ),
        ("a signature of nothing", format!("sig={}", in_url(&of_32))),
        (
            "Cosmos DB's header with a token",
            format!("type=aad&ver=1.0&sig={}", &jwt("{}")[..60]),
        ),
        (
            "a signature that was taken out",
            "?sv=2026-04-06&se=2027-01-01&sig=[redacted]".to_owned(),
        ),
        (
            "a field with a longer name",
            format!("?se=1&design={}", in_url(&of_32)),
        ),
        (
            "a name of a client secret",
            "client_secret = settings.client_secret_of_the_application".to_owned(),
        ),
        (
            "an application's secret that goes on",
            format!("{}8Q~{}", letters(3), letters(40)),
        ),
        (
            "a password that is not told",
            "Server=tcp:todo;User ID=todo;Password=;Encrypt=true".to_owned(),
        ),
        (
            "a password from a variable",
            "amqps://todo:${PASSWORD}@todo.example/".to_owned(),
        ),
        (
            "an address with a port",
            "https://todo.example:8443/a@b".to_owned(),
        ),
        (
            "a token without a signature",
            jwt(r#"{"alg":"none"}"#)
                .rsplit_once('.')
                .map_or_else(String::new, |(unsigned, _)| format!("{unsigned}.")),
        ),
        ("a token without an algorithm", jwt(r#"{"typ":"JWT"}"#)),
        (
            "three words with dots",
            "eyelashes_are_nice.eyebrows_are_too.and_so_on_and_so_forth".to_owned(),
        ),
        (
            "a bearer in words",
            "Bearer tokens_are_never_written_into_any_log_line".to_owned(),
        ),
        (
            "a cookie that was taken out",
            "session=[redacted]; Path=/; HttpOnly; SameSite=Strict".to_owned(),
        ),
    ]
}
