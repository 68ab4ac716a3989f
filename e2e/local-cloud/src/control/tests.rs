//! Who may use the control API: asked right, and with one thing wrong.

mod trust;

use crate::{LocalCloud, Options};

/// A cloud, and what a right request to its control API has.
struct Running {
    url: String,
    token: String,
    client: reqwest::Client,
    _cloud: LocalCloud,
}

impl Running {
    async fn start() -> Self {
        let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/access.json");
        let cloud = LocalCloud::start(Options::new(model))
            .await
            .expect("the cloud starts");
        let token = std::fs::read_to_string(cloud.state_directory().join("control-token"));
        Self {
            url: format!("{}audit", cloud.endpoints().control),
            token: token.expect("the token").trim().to_owned(),
            client: reqwest::Client::builder()
                .no_proxy()
                .build()
                .expect("a client"),
            _cloud: cloud,
        }
    }

    fn authorization(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// Status and text of the answer to a request with these headers.
    async fn ask(&self, headers: &[(&str, &str)]) -> (u16, String) {
        let mut request = self.client.get(&self.url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    }
}

fn refusal(text: &str) -> String {
    format!(r#"{{"error":"{text}"}}"#)
}

#[tokio::test]
async fn who_has_the_token_is_answered_under_both_names_of_the_loopback() {
    let running = Running::start().await;
    let authorization = ("authorization", &*running.authorization());
    let (_, rest) = running.url.split_once("127.0.0.1:").expect("loopback");
    let (port, _) = rest.split_once('/').expect("a path");
    let localhost = format!("localhost:{port}");

    let answer = (200, "[]".to_owned());
    assert_eq!(running.ask(&[authorization]).await, answer);
    assert_eq!(
        running.ask(&[authorization, ("host", &localhost)]).await,
        answer
    );
}

#[tokio::test]
async fn without_the_token_nobody_is_answered() {
    let running = Running::start().await;
    let text = "the control API wants the token in the state directory's file `control-token`";
    let shorter = &running.authorization()[..20];

    for headers in [
        &[][..],
        &[("authorization", "Bearer ")],
        &[("authorization", "Bearer wrong")],
        &[("authorization", shorter)],
        &[("authorization", &running.token)],
    ] {
        assert_eq!(running.ask(headers).await, (401, refusal(text)));
    }
}

#[tokio::test]
async fn a_name_that_somebody_else_points_at_loopback_is_refused() {
    let running = Running::start().await;
    let authorization = ("authorization", &*running.authorization());
    let text = "this is not a host of the control API";

    for host in ["evil.test", "localhost", "127.0.0.1:1"] {
        let answer = running.ask(&[authorization, ("host", host)]).await;
        assert_eq!(answer, (421, refusal(text)), "{host}");
    }
}

#[tokio::test]
async fn a_web_page_is_refused() {
    let running = Running::start().await;
    let authorization = ("authorization", &*running.authorization());
    let text = "the control API answers no web page";

    for origin in ["https://evil.test", "null", "http://localhost"] {
        let answer = running.ask(&[authorization, ("origin", origin)]).await;
        assert_eq!(answer, (403, refusal(text)), "{origin}");
    }
}
