//! Times, durations and sizes as people read them.

use std::fmt;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

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

fn exact(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}

fn day(at: OffsetDateTime) -> String {
    at.format(format_description!(
        "[day padding:none] [month repr:short] [year]"
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

/// A size: `812 bytes`, `12.5 KB`, `3.0 MB`, by 1024 as file managers do.
pub(super) fn size(bytes: u64) -> String {
    let tenths_of = |unit: u64| (bytes * 10).div_ceil(unit);
    match bytes {
        1 => "1 byte".to_owned(),
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => {
            let tenths = tenths_of(1024);
            format!("{}.{} KB", tenths / 10, tenths % 10)
        }
        _ => {
            let tenths = tenths_of(1_048_576);
            format!("{}.{} MB", tenths / 10, tenths % 10)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::Duration;
    use time::macros::datetime;

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
    fn sizes_are_short() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1023, "1023 bytes"),
            (12_800, "12.5 KB"),
            (26_214_400, "25.0 MB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
