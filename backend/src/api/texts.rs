//! What the texts of requests look like, as JSON Schema: exactly what
//! `todos/text.rs` takes, so that a caller can know before it asks.

use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{Object, RefOr, Schema};

/// Control characters, as of Unicode's category Cc.
const CONTROL: &str = r"\u0000-\u001f\u007f-\u009f";

/// White space that is no control character.
const SPACE: &str = r"\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000";

/// The characters of a token of RFC 9110.
const TOKEN: &str = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";

pub(super) fn list_name() -> RefOr<Schema> {
    line(100, "").into()
}

pub(super) fn title() -> RefOr<Schema> {
    line(200, "").into()
}

pub(super) fn file_name() -> RefOr<Schema> {
    line(200, r"/\\").into()
}

pub(super) fn notes() -> RefOr<Schema> {
    notes_of(Type::String.into()).into()
}

pub(super) fn notes_or_null() -> RefOr<Schema> {
    notes_of(or_null()).into()
}

pub(super) fn due_date_or_null() -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(or_null())
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Date)))
        .build()
        .into()
}

pub(super) fn content_type() -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(127))
        .pattern(Some(format!("^{TOKEN}/{TOKEN} *(;[ -~]*)?$")))
        .build()
        .into()
}

/// A UUID in its usual form.
pub(super) fn uuid() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)))
        .build()
}

/// Some text of which every character, and the length, is told by the pattern.
pub(super) fn matching(pattern: &str) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(pattern))
        .build()
}

/// A text on one line that has something besides white space.
fn line(longest: usize, nor: &str) -> Object {
    let any = format!("[^{CONTROL}{nor}]");
    let visible = format!("[^{CONTROL}{SPACE}{nor}]");
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(longest))
        .pattern(Some(format!("^{any}*{visible}{any}*$")))
        .build()
}

fn notes_of(r#type: SchemaType) -> Object {
    ObjectBuilder::new()
        .schema_type(r#type)
        .max_length(Some(2000))
        .pattern(Some(
            r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$",
        ))
        .build()
}

fn or_null() -> SchemaType {
    SchemaType::from_iter([Type::String, Type::Null])
}
