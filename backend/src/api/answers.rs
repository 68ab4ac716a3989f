//! What operations answer when they did what was asked: a view of the thing, with
//! the headers that belong to it. And the one refusal that shows the thing too.

use std::collections::BTreeMap;

use axum::Json;
use axum::http::header::{ETAG, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use platform::error::ApiError;
use serde::Serialize;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::link::LinkBuilder;
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder};
use utoipa::openapi::{ContentBuilder, Object, Ref, RefOr, ResponseBuilder, Type};
use utoipa::{IntoResponses, ToSchema};

use super::problems::CHANGED;

/// What a caller sees of a thing.
pub(super) trait View: Serialize + ToSchema {
    /// What a later `If-Match` may name; `None` when nobody can change it.
    fn etag(&self) -> Option<&str>;

    /// Where it is to be read.
    fn location(&self) -> String;

    /// By which operation, and where the answer that made it says what that takes.
    fn reading() -> LinkBuilder;
}

/// 200 with a view, and its `ETag`.
pub(super) struct Shown<V>(pub(super) V);

/// 201 with a view, its `ETag` and its `Location`.
pub(super) struct Created<V>(pub(super) V);

/// 412 with the view of the version that there is, and its `ETag`.
pub(super) struct Changed<V>(pub(super) V);

impl<V: View> IntoResponse for Shown<V> {
    fn into_response(self) -> Response {
        tagged(&self.0, Json(&self.0).into_response())
    }
}

impl<V: View> IntoResponse for Created<V> {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::CREATED, Json(&self.0)).into_response();
        response
            .headers_mut()
            .insert(LOCATION, header(&self.0.location()));
        tagged(&self.0, response)
    }
}

impl<V: View> From<Changed<V>> for ApiError {
    fn from(Changed(current): Changed<V>) -> Self {
        let view = serde_json::to_value(&current).expect("a view is JSON");
        let error = Self::new(CHANGED, "it has been changed since").with("current", view);
        match current.etag() {
            Some(etag) => error.header(ETAG, header(etag)),
            None => error,
        }
    }
}

fn tagged<V: View>(view: &V, mut response: Response) -> Response {
    if let Some(etag) = view.etag() {
        response.headers_mut().insert(ETAG, header(etag));
    }
    response
}

fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("ETags and paths are made of visible ASCII")
}

impl<V: View> IntoResponses for Shown<V> {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let response = documented::<V>("It, as it is now.");
        BTreeMap::from([("200".to_owned(), response.build().into())])
    }
}

impl<V: View> IntoResponses for Created<V> {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let response = documented::<V>(
            "It is there now; or it was already, made by the same request under the same \
             `Idempotency-Key`, and is as it is now.",
        );
        let location = text_header("The path to read it at.");
        let response = response
            .header("Location", location)
            .link("read", V::reading().build());
        BTreeMap::from([("201".to_owned(), response.build().into())])
    }
}

impl<V: View> IntoResponses for Changed<V> {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let current = ObjectBuilder::new()
            .property("current", Ref::from_schema_name(V::name()))
            .required("current");
        let schema = AllOfBuilder::new()
            .item(Ref::from_schema_name("Problem"))
            .item(current);
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response = ResponseBuilder::new()
            .description(format!("`{}`: {}", CHANGED.code, CHANGED.meaning))
            .content("application/problem+json", content)
            .header("ETag", text_header("The version that there is."));
        BTreeMap::from([("412".to_owned(), response.build().into())])
    }
}

fn documented<V: View>(description: &str) -> ResponseBuilder {
    let view = Ref::from_schema_name(V::name());
    let content = ContentBuilder::new().schema(Some(view)).build();
    ResponseBuilder::new()
        .description(description)
        .content("application/json", content)
        .header("ETag", text_header("What a later `If-Match` may name."))
}

pub(super) fn text_header(description: &str) -> utoipa::openapi::Header {
    HeaderBuilder::new()
        .schema(Some(Object::with_type(Type::String)))
        .description(Some(description))
        .build()
}
