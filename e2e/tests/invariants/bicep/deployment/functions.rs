//! Values, and the functions of Bicep that take nothing but values.

use serde_json::{Value as Json, json};

/// What `uniqueString` comes to.
pub(crate) const UNIQUE: &str = "unique";

/// The member by which a value that only Azure knows is told.
pub(super) const LATER: &str = "$later";

pub(super) type Known<T> = Result<T, String>;

/// A function that has no lambda.
pub(super) fn of_values(function: &str, values: &[Json]) -> Known<Json> {
    let texts = || values.iter().map(text).collect::<Vec<_>>();
    let first = || list(&values[0]);
    Ok(match function {
        "items" => {
            let members = values[0].as_object().ok_or("items of no object")?;
            let each = members.iter();
            each.map(|(key, value)| json!({ "key": key, "value": value }))
                .collect()
        }
        "objectKeys" => {
            let members = values[0].as_object().ok_or("keys of no object")?;
            members.keys().map(|name| json!(name)).collect()
        }
        "union" => {
            let mut members = serde_json::Map::new();
            for one in values {
                let more = one.as_object().ok_or("a union of no object")?;
                members.extend(more.clone());
            }
            Json::Object(members)
        }
        "concat" => {
            let lists: Vec<_> = values.iter().map(list).collect::<Known<_>>()?;
            Json::Array(lists.concat())
        }
        "flatten" => {
            let lists: Vec<_> = first()?.iter().map(list).collect::<Known<_>>()?;
            Json::Array(lists.concat())
        }
        "range" => {
            let (start, count) = (number(&values[0])?, number(&values[1])?);
            (start..start + count).map(|at| json!(at)).collect()
        }
        "length" => json!(first()?.len()),
        "empty" => json!(match &values[0] {
            Json::Array(list) => list.is_empty(),
            Json::Object(members) => members.is_empty(),
            Json::Null => true,
            other => text(other).is_empty(),
        }),
        "contains" => json!(match &values[0] {
            Json::Array(list) => list.contains(&values[1]),
            Json::Object(members) => members.contains_key(&text(&values[1])),
            other => text(other).contains(&text(&values[1])),
        }),
        "indexOf" => {
            let at = first()?.iter().position(|one| *one == values[1]);
            json!(at.map_or(-1, |at| i64::try_from(at).expect("small")))
        }
        "max" => json!(number(&values[0])?.max(number(&values[1])?)),
        "last" => first()?.last().cloned().unwrap_or_default(),
        "join" => {
            let each: Vec<_> = first()?.iter().map(text).collect();
            json!(each.join(&text(&values[1])))
        }
        "split" => {
            let [whole, at] = &texts()[..] else {
                return Err("split".to_owned());
            };
            whole.split(at.as_str()).map(|part| json!(part)).collect()
        }
        "replace" => {
            let [whole, from, to] = &texts()[..] else {
                return Err("replace".to_owned());
            };
            json!(whole.replace(from.as_str(), to))
        }
        "startsWith" => json!(text(&values[0]).starts_with(&text(&values[1]))),
        "uniqueString" => json!(UNIQUE),
        "guid" => json!(format!("guid({})", texts().join(", "))),
        "newGuid" => json!("guid()"),
        "base64" => json!(format!("base64({})", text(&values[0]))),
        "subscriptionResourceId" => json!(format!("/{}", texts().join("/"))),
        other => return called(other).ok_or_else(|| format!("the function `{other}`")),
    })
}

/// What Azure tells of where a deployment goes.
pub(super) fn called(function: &str) -> Option<Json> {
    Some(match function {
        "tenant" => json!({ "tenantId": "<tenant>" }),
        "subscription" => json!({ "id": "/subscriptions/s", "subscriptionId": "s" }),
        "resourceGroup" => json!({ "id": "/subscriptions/s/resourceGroups/g", "name": "g" }),
        "environment" => json!({ "suffixes": { "storage": "core.windows.net" } }),
        _ => return None,
    })
}

/// A value as a text takes it.
pub(super) fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Object(members) if members.contains_key(LATER) => {
            format!("<{}>", text(&members[LATER]))
        }
        other => other.to_string(),
    }
}

/// The same with a text in place of what only Azure knows.
pub(super) fn plain(value: &Json) -> Json {
    match value {
        Json::Array(list) => list.iter().map(plain).collect(),
        Json::Object(members) if members.contains_key(LATER) => json!(text(value)),
        Json::Object(members) => {
            let each = members.iter();
            Json::Object(each.map(|(name, one)| (name.clone(), plain(one))).collect())
        }
        other => other.clone(),
    }
}

pub(super) fn list(value: &Json) -> Known<&[Json]> {
    let list = value.as_array().map(Vec::as_slice);
    list.ok_or_else(|| format!("no list: {value}"))
}

pub(super) fn truth(value: &Json) -> Known<bool> {
    value
        .as_bool()
        .ok_or_else(|| format!("neither true nor false: {value}"))
}

pub(super) fn number(value: &Json) -> Known<i64> {
    value.as_i64().ok_or_else(|| format!("no number: {value}"))
}
