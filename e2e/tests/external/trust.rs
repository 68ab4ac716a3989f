//! What Entra ID says to the token of another cluster.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use e2e::control::Control;
use libtest_mimic::{Failed, Trial};
use local_cloud::{EXCHANGE_AUDIENCE, ExternalIssuer, FederatedCredential, names};
use serde_json::Value;
use tempfile::TempDir;

use crate::BE_AN_ISSUER;
use crate::cloud_process::{self, CloudProcess};

/// What kind and k3s call the issuer of a cluster unless they are told otherwise.
const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
const ACCOUNT: &str = "todolist:frontend";
const SUBJECT: &str = "system:serviceaccount:todolist:frontend";

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |name: &str, run: fn() -> Result<()>| {
        Trial::test(name, move || {
            run().map_err(|error| Failed::from(format!("{error:?}")))
        })
    };
    vec![
        trial("a_declared_issuer_with_a_credential_is_trusted", trusted),
        trial(
            "without_a_credential_the_issuer_is_not_even_asked",
            without_a_credential,
        ),
        trial("the_token_of_another_account_is_refused", another_account),
        trial("an_issuer_that_nobody_declared_is_not_found", not_declared),
        trial(
            "an_issuer_with_the_certificate_of_another_ca_is_refused",
            wrong_ca,
        ),
        trial(
            "a_discovery_document_of_another_issuer_is_refused",
            other_document,
        ),
        trial("the_same_issuer_with_other_keys_is_refused", other_keys),
    ]
}

/// A running issuer; dropping it ends it.
struct Issuer {
    directory: TempDir,
    process: Child,
    /// What it said about where it is.
    address: String,
}

impl Issuer {
    fn start() -> Result<Self> {
        Self::with(ISSUER, ACCOUNT)
    }

    fn with(published: &str, account: &str) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let process = Command::new(std::env::current_exe()?)
            .arg(BE_AN_ISSUER)
            .arg(directory.path())
            .args([ISSUER, published, account])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut issuer = Self {
            directory,
            process,
            address: String::new(),
        };
        let said = issuer.process.stdout.take().context("it is piped")?;
        BufReader::new(said).read_line(&mut issuer.address)?;
        ensure!(!issuer.address.is_empty(), "the issuer ended");
        Ok(issuer)
    }

    fn read(&self, file: &str) -> Result<String> {
        let path = self.directory.path().join(file);
        std::fs::read_to_string(&path).with_context(|| format!("{}", path.display()))
    }

    /// How the local cloud is told about it.
    fn declaration(&self) -> Result<ExternalIssuer> {
        Ok(ExternalIssuer {
            issuer: ISSUER.to_owned(),
            ca: Some(self.read("ca.crt")?),
            address: Some(self.address.trim().parse()?),
        })
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        if let Err(error) = self.process.kill().and_then(|()| self.process.wait()) {
            eprintln!("the issuer's end was not seen: {error}");
        }
    }
}

/// A local cloud, and a client of it.
struct Cloud {
    process: CloudProcess,
    control: Control,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

/// An answer of the token endpoint.
struct Answer {
    status: u16,
    body: Value,
}

impl Answer {
    fn code(&self) -> u64 {
        self.body["error_codes"][0].as_u64().unwrap_or_default()
    }

    fn is(&self, status: u16, code: u64) -> Result<()> {
        ensure!(
            self.status == status && self.code() == code,
            "{} {:#}, not {status} and {code}",
            self.status,
            self.body
        );
        Ok(())
    }
}

impl Cloud {
    fn start() -> Result<Self> {
        let process = CloudProcess::start(&e2e::default_model())?;
        let endpoints = cloud_process::endpoints(&process.state)?;
        let ca = std::fs::read(process.state.join("ca.pem"))?;
        let http = reqwest::Client::builder()
            .tls_certs_only([reqwest::Certificate::from_pem(&ca)?])
            .proxy(reqwest::Proxy::https(&endpoints.proxy)?)
            .build()?;
        Ok(Self {
            control: Control::open(&process.state, &endpoints)?,
            process,
            http,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
        })
    }

    /// What `az identity federated-credential create` does.
    fn trust(&self, issuer: &str) -> Result<()> {
        let credential = FederatedCredential {
            name: "another-cluster".to_owned(),
            issuer: issuer.to_owned(),
            subject: SUBJECT.to_owned(),
            audience: EXCHANGE_AUDIENCE.to_owned(),
        };
        let write = self
            .control
            .put_federated_credential("frontend", &credential);
        self.runtime.block_on(write)
    }

    fn declare(&self, issuer: &ExternalIssuer) -> Result<()> {
        self.runtime.block_on(self.control.declare_issuer(issuer))
    }

    /// The frontend's identity asks for Key Vault with a token of the issuer.
    fn exchange(&self, issuer: &Issuer) -> Result<Answer> {
        let (host, tenant) = (names::LOGIN_HOST, names::tenant_id());
        let form = [
            ("grant_type", "client_credentials".to_owned()),
            ("client_id", names::client_id("frontend").to_string()),
            ("scope", "https://vault.azure.net/.default".to_owned()),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned(),
            ),
            ("client_assertion", issuer.read("token")?),
        ];
        let request = self
            .http
            .post(format!("https://{host}/{tenant}/oauth2/v2.0/token"))
            .form(&form);
        self.runtime.block_on(async {
            let response = request.send().await?;
            Ok(Answer {
                status: response.status().as_u16(),
                body: response.json().await?,
            })
        })
    }

    /// The status with which Key Vault answers to an access token.
    fn read_secret(&self, token: &str) -> Result<u16> {
        let url = "https://localvault.vault.azure.net/secrets/session-key?api-version=7.5";
        let request = self.http.get(url).bearer_auth(token);
        let response = self.runtime.block_on(request.send())?;
        Ok(response.status().as_u16())
    }

    /// Answers with what an exchange at a cloud of one's own gives.
    fn asked(trust: bool, declared: Option<&ExternalIssuer>, with: &Issuer) -> Result<Answer> {
        let cloud = Self::start()?;
        if trust {
            cloud.trust(ISSUER)?;
        }
        if let Some(declared) = declared {
            cloud.declare(declared)?;
        }
        cloud.exchange(with)
    }
}

fn trusted() -> Result<()> {
    let (cloud, issuer) = (Cloud::start()?, Issuer::start()?);
    cloud.declare(&issuer.declaration()?)?;
    cloud.trust(ISSUER)?;

    let answer = cloud.exchange(&issuer)?;

    answer.is(200, 0)?;
    let token = answer.body["access_token"].as_str().context("a token")?;
    let status = cloud.read_secret(token)?;
    ensure!(status == 200, "Key Vault answers {status}");
    ensure!(
        issuer.read("requests")? == "/.well-known/openid-configuration\n/openid/v1/jwks\n",
        "asked for: {}",
        issuer.read("requests")?
    );
    ensure!(cloud.process.state.exists(), "the cloud runs");
    Ok(())
}

fn without_a_credential() -> Result<()> {
    let issuer = Issuer::start()?;
    let answer = Cloud::asked(false, Some(&issuer.declaration()?), &issuer)?;
    answer.is(401, 700_211)?;
    let asked = issuer.read("requests")?;
    ensure!(asked.is_empty(), "the issuer was asked for {asked}");
    Ok(())
}

fn another_account() -> Result<()> {
    let issuer = Issuer::with(ISSUER, "todolist:worker")?;
    Cloud::asked(true, Some(&issuer.declaration()?), &issuer)?.is(401, 700_213)
}

fn not_declared() -> Result<()> {
    let issuer = Issuer::start()?;
    Cloud::asked(true, None, &issuer)?.is(400, UNREACHABLE)
}

fn wrong_ca() -> Result<()> {
    let (issuer, other) = (Issuer::start()?, Issuer::start()?);
    let declaration = ExternalIssuer {
        ca: Some(other.read("ca.crt")?),
        ..issuer.declaration()?
    };
    Cloud::asked(true, Some(&declaration), &issuer)?.is(400, UNREACHABLE)?;
    let asked = issuer.read("requests")?;
    ensure!(asked.is_empty(), "the issuer was asked for {asked}");
    Ok(())
}

fn other_document() -> Result<()> {
    let issuer = Issuer::with("https://other.example", ACCOUNT)?;
    let answer = Cloud::asked(true, Some(&issuer.declaration()?), &issuer)?;
    ensure!(answer.code() == 700_221, "{:#}", answer.body);
    Ok(())
}

/// Both have a key of the same id.
fn other_keys() -> Result<()> {
    let (declared, other) = (Issuer::start()?, Issuer::start()?);
    let answer = Cloud::asked(true, Some(&declared.declaration()?), &other)?;
    ensure!(answer.status != 200, "{:#}", answer.body);
    ensure!(answer.code() == 700_027, "{:#}", answer.body);
    Ok(())
}

/// The issuer's metadata could not be fetched.
const UNREACHABLE: u64 = 50_166;
