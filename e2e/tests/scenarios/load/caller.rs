//! Someone who changes lists through the API, at both pods of the backend.

use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::json;

use super::journal::{Deed, Journal, counted, counter};
use super::random::Random;
use super::{Faults, Shared, which};
use crate::api::{Answer, Api};

/// How long someone asks again who gets no answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Someone at the API.
pub(crate) struct Caller {
    name: String,
    backends: Vec<Api>,
    faults: Faults,
    journal: Journal,
    random: Random,
    /// What they made so far: list, todo, title.
    made: Vec<(String, String, String)>,
    /// For titles and keys that nobody else has.
    number: usize,
}

impl Caller {
    pub(crate) fn new(
        name: String,
        backends: Vec<Api>,
        faults: Faults,
        journal: Journal,
        random: Random,
    ) -> Self {
        Self {
            name,
            backends,
            faults,
            journal,
            random,
            made: Vec::new(),
            number: 0,
        }
    }

    /// Makes a list, and the counter that everybody edits in it.
    pub(crate) async fn make_list(&mut self) -> Shared {
        let name = self.unique();
        let list = self.create("lists", &json!({ "name": name })).await;
        self.note(&list, "list.created", &name, true);
        let title = counter(0, &self.name);
        let path = format!("lists/{list}/todos");
        let counter = self.create(&path, &json!({ "title": title })).await;
        self.note(&list, "todo.added", &title, true);
        Shared { list, counter }
    }

    /// Changes something in one of the lists.
    pub(crate) async fn change(&mut self, lists: &[Shared]) {
        let shared = which(lists, &mut self.random).clone();
        match self.random.below(8) {
            0..4 => self.count(&shared).await,
            4..6 => self.add(&shared.list).await,
            6 => self.complete().await,
            _ => self.delete().await,
        }
    }

    /// Edits a list's counter: one further than it was read.
    async fn count(
        &mut self,
        Shared {
            list,
            counter: todo,
        }: &Shared,
    ) {
        let path = format!("lists/{list}/todos/{todo}");
        let read = self.insist(Method::GET, &path, |request| request).await;
        let count = counted(read.text("title")).expect("a counter");
        let title = counter(count + 1, &self.unique());
        let late = counter(count + 1, &self.unique());
        let etag = read.etag().to_owned();
        let edit = |title: &str| {
            let body = json!({ "title": title });
            let etag = &etag;
            move |request: RequestBuilder| request.header("if-match", etag).json(&body)
        };
        match self.once(Method::PATCH, &path, edit(&title)).await {
            None => self.note(list, "todo.edited", &title, false),
            Some(answer) if answer.status == StatusCode::OK => {
                self.note(list, "todo.edited", &title, true);
                let answer = self.insist(Method::PATCH, &path, edit(&late)).await;
                refused_as_stale(&answer, &etag);
            }
            Some(answer) => {
                refused_as_stale(&answer, &etag);
                self.journal.note_overtaken();
            }
        }
    }

    async fn add(&mut self, list: &str) {
        let title = self.unique();
        let path = format!("lists/{list}/todos");
        let todo = self.create(&path, &json!({ "title": title })).await;
        self.note(list, "todo.added", &title, true);
        self.made.push((list.to_owned(), todo, title));
    }

    /// Completes a todo of their own, which nobody else changes.
    async fn complete(&mut self) {
        let Some((list, todo, title)) = self.made.pop() else {
            return;
        };
        let path = format!("lists/{list}/todos/{todo}");
        let complete = |request: RequestBuilder| {
            request
                .header("if-match", "*")
                .json(&json!({ "done": true }))
        };
        // A repeat changes nothing, and makes no event.
        let answer = self.insist(Method::PATCH, &path, complete).await;
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
        self.note(&list, "todo.completed", &title, true);
    }

    async fn delete(&mut self) {
        let Some((list, todo, title)) = self.made.pop() else {
            return;
        };
        let path = format!("lists/{list}/todos/{todo}");
        let delete = |request: RequestBuilder| request.header("if-match", "*");
        let answer = self.insist(Method::DELETE, &path, delete).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{:?}", answer.body);
        self.note(&list, "todo.deleted", &title, true);
    }

    /// Creates something under a key, so that asking again makes nothing twice;
    /// returns its id.
    async fn create(&mut self, path: &str, body: &serde_json::Value) -> String {
        let key = self.unique().replace(' ', "-");
        let create = |request: RequestBuilder| request.header("idempotency-key", &key).json(body);
        let made = self.insist(Method::POST, path, create).await;
        assert_eq!(made.status, StatusCode::CREATED, "{:?}", made.body);
        if self.random.below(4) == 0 {
            let again = self.insist(Method::POST, path, create).await;
            assert_eq!(again.text("id"), made.text("id"), "the key is the same");
        }
        made.text("id").to_owned()
    }

    fn note(&self, list: &str, event: &'static str, text: &str, acknowledged: bool) {
        self.journal.note(Deed {
            list: list.to_owned(),
            event,
            text: text.to_owned(),
            acknowledged,
        });
    }

    fn unique(&mut self) -> String {
        self.number += 1;
        format!("{} {}", self.name, self.number)
    }

    /// Asks once. No answer, or one of a pod in trouble, says nothing of what was
    /// done.
    async fn once(
        &mut self,
        method: Method,
        path: &str,
        with: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Option<Answer> {
        let api = self.random.one_of(&self.backends);
        match Answer::to(with(api.request(method, path))).await {
            Ok(answer) if !answer.status.is_server_error() => Some(answer),
            trouble => {
                self.faults.may_cause(&trouble);
                None
            }
        }
    }

    /// Asks until there is an answer.
    async fn insist(
        &mut self,
        method: Method,
        path: &str,
        with: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Answer {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = self.once(method.clone(), path, &with).await {
                return answer;
            }
            assert!(Instant::now() < deadline, "no answer to {method} {path}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// An edit of a version that is not the last one is refused, with what is there
/// now.
fn refused_as_stale(answer: &Answer, etag: &str) {
    let refusal = (answer.status, answer.text("code"));
    assert_eq!(refusal, (StatusCode::PRECONDITION_FAILED, "changed"));
    let current = answer.body["current"]["etag"].as_str();
    assert!(
        current.is_some_and(|current| current != etag),
        "{:?}",
        answer.body
    );
}
