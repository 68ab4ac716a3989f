//! Someone who visits the pages: keeps the session's cookie, and fills a form
//! with what it hides.

use anyhow::{Context as _, Result, ensure};
use e2e::stack::Stack;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use scraper::{Html, Selector};

pub(crate) struct Visitor {
    client: Client,
    base: Url,
    /// The session's cookie, `name=value`.
    session: String,
}

impl Visitor {
    pub(crate) async fn at(stack: &Stack) -> Result<Self> {
        let client = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .build()?;
        let base = Url::parse(&format!("http://{}/", stack.address("frontend")?))?;
        let first = client.get(base.join("lists")?).send().await?;
        let cookie = first.error_for_status()?.headers()[SET_COOKIE]
            .to_str()?
            .to_owned();
        let (session, _) = cookie.split_once(';').context("a cookie has attributes")?;
        Ok(Self {
            client,
            base,
            session: session.to_owned(),
        })
    }

    /// A page's HTML.
    pub(crate) async fn open(&self, path: &str) -> Result<String> {
        let response = self.send(self.client.get(self.base.join(path)?)).await?;
        Ok(response.error_for_status()?.text().await?)
    }

    /// Sends the first form of a page that has a field of this name; where that
    /// leads to.
    pub(crate) async fn fill(&self, path: &str, field: &str, value: &str) -> Result<String> {
        let (action, mut fields) = form(&self.open(path).await?, field)?;
        fields.push((field.to_owned(), value.to_owned()));
        self.post(&action, |request| request.form(&fields)).await
    }

    /// Posts a form; where that leads to.
    pub(crate) async fn post(
        &self,
        action: &str,
        with: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<String> {
        let request = with(self.client.post(self.base.join(action)?));
        let response = self.send(request).await?;
        ensure!(
            response.status() == StatusCode::SEE_OTHER,
            "{action}: {}",
            response.status()
        );
        Ok(response.headers()[LOCATION].to_str()?.to_owned())
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response> {
        Ok(request.header(COOKIE, &self.session).send().await?)
    }
}

/// The address of the first form with a field of this name, and what it hides.
pub(crate) fn form(html: &str, field: &str) -> Result<(String, Vec<(String, String)>)> {
    let page = Html::parse_document(html);
    let forms = Selector::parse("form[method=post]").expect("a selector");
    let wanted = Selector::parse(&format!("[name={field}]")).expect("a selector");
    let hidden = Selector::parse("input[type=hidden]").expect("a selector");
    let form = page
        .select(&forms)
        .find(|form| form.select(&wanted).next().is_some())
        .with_context(|| format!("no form has a field {field}"))?;
    let action = form.attr("action").context("a form has an address")?;
    let fields = form.select(&hidden).filter_map(|input| {
        Some((
            input.attr("name")?.to_owned(),
            input.attr("value").unwrap_or_default().to_owned(),
        ))
    });
    Ok((action.to_owned(), fields.collect()))
}
