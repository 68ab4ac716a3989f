//! Ages and what is left of a time, as of when the page was made. `access.js`
//! goes on from there, in the same words.

use std::fmt;

use time::OffsetDateTime;

/// A moment whose distance from now is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock {
    direction: Direction,
    at: OffsetDateTime,
    now: OffsetDateTime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Since,
    Until,
}

impl Clock {
    /// How long ago it was.
    pub(super) fn since(at: OffsetDateTime, now: OffsetDateTime) -> Self {
        let direction = Direction::Since;
        Self { direction, at, now }
    }

    /// How long it is until then.
    pub(super) fn until(at: OffsetDateTime, now: OffsetDateTime) -> Self {
        let direction = Direction::Until;
        Self { direction, at, now }
    }

    /// The attribute by which the script finds it: `since` or `until`.
    pub(super) fn attribute(self) -> &'static str {
        match self.direction {
            Direction::Since => "since",
            Direction::Until => "until",
        }
    }

    /// Seconds since 1970, for the script.
    pub(super) fn unix(self) -> i64 {
        self.at.unix_timestamp()
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = (self.at - self.now).whole_seconds();
        match self.direction {
            Direction::Since if seconds > -1 => f.write_str("just now"),
            Direction::Since => write!(f, "{} ago", Span(-seconds)),
            Direction::Until if seconds < 1 => f.write_str("over"),
            Direction::Until => write!(f, "{}", Span(seconds)),
        }
    }
}

/// `42 s`, `9 min 5 s`, `23 h 59 min`, `3 d 4 h`.
struct Span(i64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            seconds @ ..60 => write!(f, "{seconds} s"),
            seconds @ 60..3600 => write!(f, "{} min {} s", seconds / 60, seconds % 60),
            seconds @ 3600..86_400 => {
                write!(f, "{} h {} min", seconds / 3600, seconds % 3600 / 60)
            }
            seconds => write!(f, "{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::Duration;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-23 14:00 UTC);

    #[test]
    fn what_is_left_is_told_in_two_units() {
        for (seconds, text) in [
            (-5, "over"),
            (0, "over"),
            (1, "1 s"),
            (59, "59 s"),
            (60, "1 min 0 s"),
            (3599, "59 min 59 s"),
            (3600, "1 h 0 min"),
            (86_399, "23 h 59 min"),
            (90_000, "1 d 1 h"),
        ] {
            let clock = Clock::until(NOW + Duration::seconds(seconds), NOW);
            assert_eq!(clock.to_string(), text);
        }
    }

    #[test]
    fn an_age_is_told_in_the_same_units() {
        for (seconds, text) in [(-3, "just now"), (0, "just now"), (12, "12 s ago")] {
            let clock = Clock::since(NOW - Duration::seconds(seconds), NOW);
            assert_eq!(clock.to_string(), text);
        }
    }
}
