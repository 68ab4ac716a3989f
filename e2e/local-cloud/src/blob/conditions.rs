//! Preconditions of an operation: reading them from headers, judging them.
//!
//! Microsoft Learn, *Specifying conditional headers for Blob service
//! operations*; where that leaves a case open, as Azurite judges it.

use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
use http::{HeaderMap, HeaderName, HeaderValue};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::engine::{Failure, Stamp};
use super::malformed::Malformed;
use super::refusal::Refusal;

/// The preconditions of one request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    matching: Option<Tag>,
    none_match: Option<Tag>,
    modified_since: Option<OffsetDateTime>,
    unmodified_since: Option<OffsetDateTime>,
}

#[derive(Debug, PartialEq, Eq)]
enum Tag {
    Any,
    /// Without quotation marks.
    Is(String),
}

impl Tag {
    fn is(&self, stamp: &Stamp) -> bool {
        match self {
            Self::Any => true,
            Self::Is(etag) => *etag == stamp.etag,
        }
    }
}

impl Conditions {
    /// Reads the conditional headers of a request.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        Ok(Self {
            matching: tag(headers, &IF_MATCH)?,
            none_match: tag(headers, &IF_NONE_MATCH)?,
            modified_since: date(headers, &IF_MODIFIED_SINCE)?,
            unmodified_since: date(headers, &IF_UNMODIFIED_SINCE)?,
        })
    }

    /// Whether the request wants to create, and never to overwrite.
    pub(super) fn wants_new(&self) -> bool {
        self.none_match == Some(Tag::Any)
    }

    /// Judges a read: `If-Match` and `If-Unmodified-Since` and (`If-None-Match`
    /// or `If-Modified-Since`).
    pub(super) fn check_read(&self, current: Option<&Stamp>) -> Result<(), Failure> {
        if self.wants_new() {
            return Err(Failure::UnsatisfiableCondition);
        }
        let Some(current) = current else {
            return match self.matching {
                Some(_) => Err(Failure::ConditionNotMet),
                None => Ok(()),
            };
        };
        let matches = self.matching.as_ref().is_none_or(|tag| tag.is(current));
        let unmodified = self
            .unmodified_since
            .is_none_or(|since| current.last_modified <= since);
        if !matches || !unmodified {
            return Err(Failure::ConditionNotMet);
        }
        let differs = self.none_match.as_ref().map(|tag| !tag.is(current));
        let modified = self
            .modified_since
            .map(|since| current.last_modified > since);
        match (differs, modified) {
            (Some(false), Some(false) | None) | (None, Some(false)) => Err(Failure::NotModified),
            _ => Ok(()),
        }
    }

    /// Judges a write. Two headers are taken only as `If-None-Match` with
    /// `If-Modified-Since`, or `If-Match` with `If-Unmodified-Since`, and then
    /// the `ETag` decides.
    pub(super) fn check_write(&self, current: Option<&Stamp>) -> Result<(), Failure> {
        let for_change = self.matching.is_some() || self.unmodified_since.is_some();
        let for_news = self.none_match.is_some() || self.modified_since.is_some();
        if for_change && for_news {
            return Err(Failure::MultipleConditions);
        }
        let met = match (&self.matching, &self.none_match, current) {
            // Documented: an `If-Match` on what does not exist is not met; `*` is
            // let through as Azurite does.
            (Some(tag), _, None) => *tag == Tag::Any,
            (Some(tag), _, Some(current)) => tag.is(current),
            (None, Some(tag), Some(current)) => !tag.is(current),
            (None, _, None) => true,
            (None, None, Some(current)) => {
                let at = current.last_modified;
                self.modified_since.is_none_or(|since| at > since)
                    && self.unmodified_since.is_none_or(|since| at <= since)
            }
        };
        met.then_some(()).ok_or(Failure::ConditionNotMet)
    }
}

fn tag(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Tag>, Refusal> {
    let tag = match text(headers, name)? {
        None => return Ok(None),
        Some("*") => Tag::Any,
        // One ETag per request (documented).
        Some(tags) if tags.contains(',') => return Err(Failure::MultipleConditions.into()),
        Some(tag) => Tag::Is(tag.trim().trim_matches('"').to_owned()),
    };
    Ok(Some(tag))
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Result<Option<OffsetDateTime>, Refusal> {
    let date = text(headers, name)?.map(|date| OffsetDateTime::parse(date, &Rfc2822));
    date.transpose()
        .map_err(|_| Malformed::InvalidHeader(name.to_string()).into())
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refusal> {
    let value = headers.get(name).map(HeaderValue::to_str);
    value
        .transpose()
        .map_err(|_| Malformed::InvalidHeader(name.to_string()).into())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const SAME: &str = "Mon, 02 Feb 2026 10:00:00 GMT";
    const BEFORE: &str = "Mon, 02 Feb 2026 09:59:59 GMT";

    fn conditions(headers: &[(&'static str, &'static str)]) -> Conditions {
        let map = headers
            .iter()
            .map(|(name, value)| {
                let name: HeaderName = name.parse().expect("a header name");
                (name, HeaderValue::from_static(value))
            })
            .collect();
        Conditions::of(&map).expect("the headers are well-formed")
    }

    fn current() -> Stamp {
        Stamp {
            etag: "0x1".to_owned(),
            last_modified: datetime!(2026-02-02 10:00:00 UTC),
        }
    }

    #[test]
    fn a_read_is_judged_as_documented() {
        use Failure::{ConditionNotMet, NotModified, UnsatisfiableCondition};
        for (headers, expected) in [
            (&[][..], Ok(())),
            (&[("if-match", "\"0x1\"")], Ok(())),
            (&[("if-match", "0x1")], Ok(())),
            (&[("if-match", "*")], Ok(())),
            (&[("if-match", "\"0x2\"")], Err(ConditionNotMet)),
            (&[("if-none-match", "\"0x1\"")], Err(NotModified)),
            (&[("if-none-match", "\"0x2\"")], Ok(())),
            (&[("if-none-match", "*")], Err(UnsatisfiableCondition)),
            (&[("if-modified-since", SAME)], Err(NotModified)),
            (&[("if-modified-since", BEFORE)], Ok(())),
            (&[("if-unmodified-since", SAME)], Ok(())),
            (&[("if-unmodified-since", BEFORE)], Err(ConditionNotMet)),
            (
                &[("if-none-match", "0x1"), ("if-modified-since", BEFORE)],
                Ok(()),
            ),
            (
                &[("if-none-match", "0x1"), ("if-modified-since", SAME)],
                Err(NotModified),
            ),
        ] {
            assert_eq!(
                conditions(headers).check_read(Some(&current())),
                expected,
                "{headers:?}"
            );
        }
        assert_eq!(
            conditions(&[("if-match", "*")]).check_read(None),
            Err(ConditionNotMet)
        );
        assert_eq!(
            conditions(&[("if-none-match", "0x1")]).check_read(None),
            Ok(())
        );
    }

    #[test]
    fn a_write_is_judged_as_documented() {
        use Failure::{ConditionNotMet, MultipleConditions};
        for (headers, on_one, on_none) in [
            (&[][..], Ok(()), Ok(())),
            (&[("if-match", "\"0x1\"")], Ok(()), Err(ConditionNotMet)),
            (
                &[("if-match", "\"0x0\"")],
                Err(ConditionNotMet),
                Err(ConditionNotMet),
            ),
            (&[("if-match", "*")], Ok(()), Ok(())),
            (&[("if-none-match", "0x1")], Err(ConditionNotMet), Ok(())),
            (&[("if-none-match", "0x2")], Ok(()), Ok(())),
            (&[("if-modified-since", SAME)], Err(ConditionNotMet), Ok(())),
            (
                &[("if-unmodified-since", BEFORE)],
                Err(ConditionNotMet),
                Ok(()),
            ),
            (
                &[("if-match", "0x1"), ("if-unmodified-since", BEFORE)],
                Ok(()),
                Err(ConditionNotMet),
            ),
            (
                &[("if-match", "0x1"), ("if-none-match", "0x2")],
                Err(MultipleConditions),
                Err(MultipleConditions),
            ),
        ] {
            let conditions = conditions(headers);
            assert_eq!(
                conditions.check_write(Some(&current())),
                on_one,
                "{headers:?}"
            );
            assert_eq!(
                conditions.check_write(None),
                on_none,
                "{headers:?} on nothing"
            );
        }
    }
}
