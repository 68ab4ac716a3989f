//! Times and durations in words.

use time::OffsetDateTime;
use time::macros::format_description;

/// `2026-11-28 12:00:00 UTC`
pub(super) fn moment(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC)
        .format(format_description!(
            "[year]-[month]-[day] [hour]:[minute]:[second] UTC"
        ))
        .expect("every time has this form")
}

/// `12 minutes`, `3 hours 5 minutes`, `2 days`: two units at most.
pub(super) fn length(seconds: i64) -> String {
    const UNITS: [(u64, &str); 4] = [
        (86_400, "day"),
        (3_600, "hour"),
        (60, "minute"),
        (1, "second"),
    ];
    let mut left = seconds.unsigned_abs();
    let mut parts = Vec::new();
    for (size, name) in UNITS {
        let count = left / size;
        left %= size;
        if count > 0 {
            let ending = if count == 1 { "" } else { "s" };
            parts.push(format!("{count} {name}{ending}"));
        } else if !parts.is_empty() {
            break;
        }
        if parts.len() == 2 {
            break;
        }
    }
    if parts.is_empty() {
        return "0 seconds".to_owned();
    }
    parts.join(" ")
}

/// A time and how far it is from now: `2026-11-28 12:00:00 UTC, 5 minutes ago`.
pub(super) fn from_now(at: OffsetDateTime, now: OffsetDateTime) -> String {
    let seconds = (at - now).whole_seconds();
    let far = length(seconds);
    match seconds {
        0 => format!("{}, now", moment(at)),
        1.. => format!("{}, in {far}", moment(at)),
        _ => format!("{}, {far} ago", moment(at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_has_two_units_at_most() {
        for (seconds, words) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (-59, "59 seconds"),
            (60, "1 minute"),
            (3_725, "1 hour 2 minutes"),
            (3_605, "1 hour"),
            (90_000, "1 day 1 hour"),
            (172_800, "2 days"),
        ] {
            assert_eq!(length(seconds), words, "{seconds}");
        }
    }

    #[test]
    fn a_time_says_how_far_it_is() {
        let at = OffsetDateTime::from_unix_timestamp(1_795_867_200).expect("a time");
        let minutes = time::Duration::minutes(5);
        assert_eq!(from_now(at, at), "2026-11-28 12:00:00 UTC, now");
        assert_eq!(
            from_now(at, at + minutes),
            "2026-11-28 12:00:00 UTC, 5 minutes ago"
        );
        assert_eq!(
            from_now(at, at - minutes),
            "2026-11-28 12:00:00 UTC, in 5 minutes"
        );
    }
}
