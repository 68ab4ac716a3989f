//! Times, days, durations and sizes as people read them.

use std::fmt;

use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

/// A moment for a person, and for a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct When {
    /// RFC 3339, for the attribute `datetime`.
    pub(super) exact: String,
    /// As of now, for example `5 min ago`.
    pub(super) told: String,
}

impl When {
    /// A moment that has passed.
    pub(super) fn ago(at: OffsetDateTime, now: OffsetDateTime) -> Self {
        let minutes = (now - at).whole_minutes();
        let told = match minutes {
            ..1 => "just now".to_owned(),
            1..60 => format!("{minutes} min ago"),
            60..1440 => format!("{} h ago", minutes / 60),
            _ => day(at),
        };
        Self {
            exact: exact(at),
            told,
        }
    }
}

/// The day on which something is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Due {
    /// `2026-12-24`, for fields and for the attribute `datetime`.
    pub(super) exact: String,
    /// `24 December 2026`.
    pub(super) told: String,
    pub(super) is_over: bool,
}

impl Due {
    pub(super) fn of(day: Date, today: Date) -> Self {
        let told = day.format(format_description!(
            "[day padding:none] [month repr:long] [year]"
        ));
        Self {
            exact: iso_day(day),
            told: told.unwrap_or_default(),
            is_over: day < today,
        }
    }
}

/// `2026-12-24`, as the field of a day has it.
pub(super) fn iso_day(day: Date) -> String {
    day.format(ISO_DAY).unwrap_or_default()
}

/// The day in such a field.
pub(super) fn parse_day(text: &str) -> Option<Date> {
    Date::parse(text, ISO_DAY).ok()
}

const ISO_DAY: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]");

fn exact(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}

fn day(at: OffsetDateTime) -> String {
    at.format(format_description!(
        "[day padding:none] [month repr:short] [year]"
    ))
    .unwrap_or_default()
}

/// `23 November 2026, 14:03 UTC`.
pub(super) fn until(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC)
        .format(format_description!(
            "[day padding:none] [month repr:long] [year], [hour]:[minute] UTC"
        ))
        .unwrap_or_default()
}

/// `2026-11-23 14:03:22 UTC`.
pub(super) fn moment(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC)
        .format(format_description!(
            "[year]-[month]-[day] [hour]:[minute]:[second] UTC"
        ))
        .unwrap_or_default()
}

/// A number of milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Milliseconds(pub(super) u64);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("under 1 ms"),
            ms @ 1..10_000 => write!(f, "{ms} ms"),
            ms => write!(f, "{} s", ms / 1000),
        }
    }
}

/// A size: `812 bytes`, `12.5 KB`, `3 MB`, by 1024 as file managers do.
pub(super) fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        1 => return "1 byte".to_owned(),
        0..1024 => return format!("{bytes} bytes"),
        1024..1_048_576 => (1024, "KB"),
        _ => (1_048_576, "MB"),
    };
    let tenths = (u128::from(bytes) * 10).div_ceil(unit);
    match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("{whole} {name}"),
        (whole, tenth) => format!("{whole}.{tenth} {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::Duration;
    use time::macros::{date, datetime};

    #[test]
    fn a_moment_is_told_as_of_now() {
        let now = datetime!(2026-11-23 14:00 UTC);

        for (ago, told) in [
            (Duration::seconds(-3), "just now"),
            (Duration::seconds(59), "just now"),
            (Duration::minutes(5), "5 min ago"),
            (Duration::hours(3), "3 h ago"),
            (Duration::days(3), "20 Nov 2026"),
        ] {
            assert_eq!(When::ago(now - ago, now).told, told);
        }
    }

    #[test]
    fn a_day_is_told_in_words_and_is_over_when_it_was_yesterday() {
        let due = Due::of(date!(2026 - 12 - 24), date!(2026 - 12 - 24));

        assert_eq!(
            (due.exact.as_str(), due.told.as_str(), due.is_over),
            ("2026-12-24", "24 December 2026", false)
        );
        assert!(Due::of(date!(2026 - 12 - 23), date!(2026 - 12 - 24)).is_over);
        assert_eq!(parse_day("2026-12-24"), Some(date!(2026 - 12 - 24)));
        assert_eq!(parse_day("24.12.2026"), None);
        assert_eq!(parse_day("2026-02-30"), None);
    }

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1023, "1023 bytes"),
            (12_800, "12.5 KB"),
            (1024, "1 KB"),
            (26_214_400, "25 MB"),
            (26_214_401, "25.1 MB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
