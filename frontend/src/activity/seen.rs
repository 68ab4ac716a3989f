//! How much of a list's history somebody has seen.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::Entry;

/// The places beyond a gap that are remembered. What fills a gap comes within
/// seconds, or never: then the gap is passed over.
const MOST_BEYOND: usize = 64;

/// The places of a history that have been seen: all through one of them, and
/// some beyond. Entries may come out of order, because they are delivered so;
/// each is new once.
///
/// As text it is the value of an event's `id`: `4`, or `4.6.7` when 5 has not
/// come. A browser that comes back with it misses nothing and gets nothing twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    through: u64,
    beyond: BTreeSet<u64>,
}

impl Seen {
    /// What is seen of a history by somebody who has read its newest entries, of
    /// which there are at most so many.
    pub(crate) fn of(newest: &[Entry], most: usize) -> Self {
        let places = || newest.iter().map(|entry| entry.sequence);
        let through = match places().min() {
            Some(first) if newest.len() >= most => first - 1,
            _ => 0,
        };
        let mut seen = Self {
            through,
            ..Self::default()
        };
        for place in places() {
            seen.insert(place);
        }
        seen
    }

    /// The place through which nothing is missing.
    pub(super) fn through(&self) -> u64 {
        self.through
    }

    pub(super) fn contains(&self, place: u64) -> bool {
        place <= self.through || self.beyond.contains(&place)
    }

    /// Notes a place. True when it is new.
    pub(super) fn insert(&mut self, place: u64) -> bool {
        if self.contains(place) {
            return false;
        }
        self.beyond.insert(place);
        if self.beyond.len() > MOST_BEYOND {
            self.pass_over();
        }
        self.close_up();
        true
    }

    /// Gives up what is missing before this place.
    pub(super) fn skip_to(&mut self, place: u64) {
        if place > self.through + 1 {
            self.through = place - 1;
            self.beyond = self.beyond.split_off(&place);
            self.close_up();
        }
    }

    /// What both have seen.
    pub(super) fn and(&self, other: &Self) -> Self {
        let (less, more) = if self.through <= other.through {
            (self, other)
        } else {
            (other, self)
        };
        let beyond = less.beyond.iter().copied();
        let mut both = Self {
            through: less.through,
            beyond: beyond.filter(|place| more.contains(*place)).collect(),
        };
        both.close_up();
        both
    }

    /// The gap before the first place beyond is one no more.
    fn pass_over(&mut self) {
        if let Some(first) = self.beyond.pop_first() {
            self.through = first;
        }
    }

    /// Moves on over places that follow on one another.
    fn close_up(&mut self) {
        while self.beyond.first() == Some(&(self.through + 1)) {
            self.pass_over();
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.through)?;
        self.beyond
            .iter()
            .try_for_each(|place| write!(f, ".{place}"))
    }
}

/// What is not written by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotSeen;

impl FromStr for Seen {
    type Err = NotSeen;

    fn from_str(text: &str) -> Result<Self, NotSeen> {
        let mut places = text.splitn(MOST_BEYOND + 2, '.').map(place);
        let mut seen = Self {
            through: places.next().ok_or(NotSeen)??,
            ..Self::default()
        };
        for place in places {
            seen.insert(place?);
        }
        Ok(seen)
    }
}

/// A number that a browser can hold, and no other way of writing one.
fn place(text: &str) -> Result<u64, NotSeen> {
    let is_number = (1..=16).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse() {
        Ok(place) if is_number => Ok(place),
        _ => Err(NotSeen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::tests::entry;

    fn seen(text: &str) -> Seen {
        text.parse().expect("places")
    }

    #[test]
    fn entries_out_of_order_are_each_new_once_and_gaps_close() {
        let mut seen = Seen::default();

        for (place, is_new, text) in [
            (1, true, "1"),
            (1, false, "1"),
            (4, true, "1.4"),
            (3, true, "1.3.4"),
            (4, false, "1.3.4"),
            (2, true, "4"),
            (2, false, "4"),
        ] {
            assert_eq!(seen.insert(place), is_new, "{place}");
            assert_eq!(seen.to_string(), text);
        }
    }

    #[test]
    fn a_gap_that_never_closes_is_passed_over() {
        let mut seen = Seen::default();
        for place in (2..).take(MOST_BEYOND + 1) {
            assert!(seen.insert(place));
        }

        assert_eq!(seen.to_string(), "66");
        assert!(!seen.insert(1));
    }

    #[test]
    fn a_whole_history_begins_at_its_beginning_and_a_part_of_one_does_not() {
        let newest = [entry(4, "todo.added", ""), entry(2, "todo.added", "")];

        assert_eq!(Seen::of(&newest, 30).to_string(), "0.2.4");
        assert_eq!(Seen::of(&newest, 2).to_string(), "2.4");
        assert_eq!(Seen::of(&[], 30).to_string(), "0");
    }

    #[test]
    fn what_two_have_seen_is_what_each_of_them_has() {
        for (one, other, both) in [
            ("4", "2", "2"),
            ("4.6", "4", "4"),
            ("4.6.8", "6", "4.6"),
            ("2.5.6", "4.6", "2.6"),
        ] {
            assert_eq!(seen(one).and(&seen(other)), seen(both), "{one} {other}");
            assert_eq!(seen(other).and(&seen(one)), seen(both), "{other} {one}");
        }
    }

    #[test]
    fn skipping_gives_up_what_is_missing() {
        let mut places = seen("4.6.9");

        places.skip_to(6);
        assert_eq!(places, seen("6.9"));
        places.skip_to(3);
        assert_eq!(places, seen("6.9"));
        places.skip_to(20);
        assert_eq!(places, seen("19"));
    }

    #[test]
    fn places_are_read_as_they_are_written_and_nothing_else_is() {
        assert_eq!(seen("4.6.7").to_string(), "4.6.7");

        let endless = "1".repeat(100);
        let many = vec!["1"; 100].join(".");
        for text in ["", ".", "4.", "-1", "+4", "4,6", "4 ", &endless, &many] {
            assert_eq!(text.parse::<Seen>(), Err(NotSeen), "{text}");
        }
    }
}
