//! What a browser does by itself: it keeps cookies, follows redirects, and says
//! which page a form is from.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::header::{COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response, Url};

use super::page::{Form, Page};

/// How long a browser waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The most redirects before a page.
const MOST_REDIRECTS: usize = 5;

/// A browser. A cheap handle: clones have the same cookies.
#[derive(Clone)]
pub(crate) struct Browser {
    client: reqwest::Client,
    base: Url,
    /// Held for a line.
    cookies: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Browser {
    /// A new browser, without cookies.
    pub(crate) fn at(frontend: SocketAddr) -> Self {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .timeout(PATIENCE)
            .build();
        Self {
            client: client.expect("a client"),
            base: Url::parse(&format!("http://{frontend}/")).expect("a URL"),
            cookies: Arc::default(),
        }
    }

    /// The same browser at another pod of the frontend.
    #[must_use]
    pub(crate) fn moved_to(&self, frontend: SocketAddr) -> Self {
        Self {
            cookies: Arc::clone(&self.cookies),
            ..Self::at(frontend)
        }
    }

    /// Opens a page; an error is one of the connection.
    pub(crate) async fn get(&self, path: &str) -> Result<Page, reqwest::Error> {
        self.page(self.client.get(self.url(path))).await
    }

    /// Sends a form, and shows where that leads.
    pub(crate) async fn submit(&self, form: &Form) -> Result<Page, reqwest::Error> {
        let request = form.fill(self.client.post(self.url(&form.action)));
        let origin = self.base.origin().ascii_serialization();
        self.page(request.header(ORIGIN, origin)).await
    }

    /// Fetches something that is no page.
    pub(crate) async fn fetch(&self, path: &str) -> Result<Response, reqwest::Error> {
        self.send(self.client.get(self.url(path))).await
    }

    /// What it says in the header `Cookie`.
    pub(crate) fn cookie(&self) -> String {
        let cookies = self.cookies.lock().expect("no panic");
        let cookies: Vec<_> = cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
        cookies.join("; ")
    }

    async fn page(&self, request: RequestBuilder) -> Result<Page, reqwest::Error> {
        let mut response = self.send(request).await?;
        for _ in 0..MOST_REDIRECTS {
            let Some(location) = response.headers().get(LOCATION) else {
                break;
            };
            let location = location.to_str().expect("an address").to_owned();
            response = self.fetch(&location).await?;
        }
        Ok(Page {
            status: response.status(),
            path: response.url().path().to_owned(),
            text: response.text().await?,
        })
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, reqwest::Error> {
        let request = match self.cookie() {
            none if none.is_empty() => request,
            cookies => request.header(COOKIE, cookies),
        };
        let response = request.send().await?;
        let set = response.headers().get_all(SET_COOKIE).into_iter();
        let set = set.filter_map(|cookie| cookie.to_str().ok()?.split(';').next());
        let set = set.filter_map(|cookie| cookie.split_once('='));
        let mut cookies = self.cookies.lock().expect("no panic");
        cookies.extend(set.map(|(name, value)| (name.to_owned(), value.to_owned())));
        drop(cookies);
        Ok(response)
    }

    fn url(&self, path: &str) -> Url {
        self.base.join(path).expect("a path of the pages")
    }
}
