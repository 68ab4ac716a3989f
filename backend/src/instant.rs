//! Instants as they are written: RFC 3339 in UTC, always with six digits of the
//! second, so that texts sort as the instants do. Cosmos DB orders by the text.

use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer, Serializer};
use time::OffsetDateTime;
use time::UtcOffset;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

const FORMAT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// Now, to the microsecond: what is kept is what is written.
pub(crate) fn now() -> OffsetDateTime {
    let now = OffsetDateTime::now_utc();
    now.replace_microsecond(now.microsecond())
        .expect("the microsecond of an instant is one")
}

/// An instant as text.
pub(crate) fn text(instant: OffsetDateTime) -> String {
    instant
        .to_offset(UtcOffset::UTC)
        .format(FORMAT)
        .expect("every part of the format is one that an instant has")
}

pub(crate) fn serialize<S: Serializer>(
    instant: &OffsetDateTime,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(*instant))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<OffsetDateTime, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
    OffsetDateTime::parse(&text, &Rfc3339).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_whole_second_is_written_as_long_as_any_other_and_sorts_before_its_parts() {
        let whole = text(datetime!(2026-11-23 22:05:07 UTC));
        let later = text(datetime!(2026-11-23 22:05:07.001 UTC));

        assert_eq!(whole, "2026-11-23T22:05:07.000000Z");
        assert!(whole < later);
    }

    #[test]
    fn another_offset_is_written_as_utc() {
        assert_eq!(
            text(datetime!(2026-11-23 23:05:07.5 +1)),
            "2026-11-23T22:05:07.500000Z"
        );
    }

    #[test]
    fn now_is_what_its_text_says() {
        let now = now();

        assert_eq!(OffsetDateTime::parse(&text(now), &Rfc3339), Ok(now));
    }
}
