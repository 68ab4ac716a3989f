//! Pages: `?limit=` and `&after=`, and what they look like.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use platform::error::ApiError;
use platform::error::kinds::INVALID;
use serde::Serialize;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Object, Required};
use utoipa::{IntoParams, ToSchema};

use super::paths::parse_uuid;
use super::texts;
use crate::store::{Page, Paging, Place};
use crate::todos::TodoId;

/// The most things on a page.
const MOST: usize = 200;

/// The things on a page when the caller does not say.
const USUAL: usize = 50;

/// A place, as base64url.
const PLACE: &str = "^[A-Za-z0-9_-]{32}$";

/// Which page is asked for.
pub(super) struct AskedPage(pub(super) Paging);

/// Which page of attachments is asked for, and of which todo.
pub(super) struct AskedAttachments {
    pub(super) todo: Option<TodoId>,
    pub(super) paging: Paging,
}

/// A page of things.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PageView<T> {
    items: Vec<T>,
    /// What `after` of the next page is; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

impl<T> PageView<T> {
    pub(super) fn new<F>(page: Page<F>, view: impl FnMut(F) -> T) -> Self {
        Self {
            items: page.items.into_iter().map(view).collect(),
            next: page.next.map(Place::token),
        }
    }
}

/// The parameters of a query, each at most once and none that is not known.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn of(parts: &Parts) -> Result<Self, ApiError> {
        let Query(pairs) = Query::try_from_uri(&parts.uri)
            .map_err(|_| ApiError::new(INVALID, "the query cannot be read"))?;
        Ok(Self(pairs))
    }

    fn take(&mut self, name: &'static str) -> Result<Option<String>, ApiError> {
        let Some(at) = self.0.iter().position(|(n, _)| n == name) else {
            return Ok(None);
        };
        let (_, value) = self.0.swap_remove(at);
        if self.0.iter().any(|(n, _)| n == name) {
            return Err(ApiError::invalid(name, format!("{name} is there twice")));
        }
        Ok(Some(value))
    }

    fn take_paging(&mut self) -> Result<Paging, ApiError> {
        let limit = match self.take("limit")? {
            None => USUAL,
            Some(text) => parse_limit(&text).ok_or_else(|| {
                ApiError::invalid("limit", format!("limit is a number from 1 to {MOST}"))
            })?,
        };
        let after = match self.take("after")? {
            None => None,
            Some(token) => Some(Place::from_token(&token).ok_or_else(|| {
                ApiError::invalid("after", "after is what `next` of another page was")
            })?),
        };
        Ok(Paging { limit, after })
    }

    fn nothing_else(self) -> Result<(), ApiError> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(ApiError::new(
            INVALID,
            "the query has a parameter that this operation does not know",
        ))
    }
}

fn parse_limit(text: &str) -> Option<usize> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let limit = text.parse().ok().filter(|_| digits)?;
    (1..=MOST).contains(&limit).then_some(limit)
}

impl<S: Send + Sync> FromRequestParts<S> for AskedPage {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let mut parameters = Parameters::of(parts)?;
        let paging = parameters.take_paging()?;
        parameters.nothing_else()?;
        Ok(Self(paging))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for AskedAttachments {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let mut parameters = Parameters::of(parts)?;
        let paging = parameters.take_paging()?;
        let todo = match parameters.take("todo")? {
            None => None,
            Some(text) => {
                let id = parse_uuid(&text);
                Some(id.ok_or_else(|| ApiError::invalid("todo", "todo is the id of a todo"))?)
            }
        };
        parameters.nothing_else()?;
        Ok(Self {
            todo: todo.map(TodoId),
            paging,
        })
    }
}

impl IntoParams for AskedPage {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let limit = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(MOST))
            .default(Some(USUAL.into()))
            .build();
        let after = texts::matching(PLACE);
        vec![
            parameter("limit", "The most things on the page.", limit),
            parameter("after", "The `next` of the page before.", after),
        ]
    }
}

impl IntoParams for AskedAttachments {
    fn into_params(within: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let mut parameters = AskedPage::into_params(within);
        let todo = parameter("todo", "Only attachments of this todo.", texts::uuid());
        parameters.push(todo);
        parameters
    }
}

fn parameter(name: &str, description: &str, schema: Object) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}
