//! Something that changes, and what it was before: a node that has not heard of
//! the last changes still sees that.

use time::OffsetDateTime;

/// More changes than anybody makes within the longest delay.
const MOST: usize = 256;

/// A value with its past.
#[derive(Clone, Debug)]
pub(crate) struct History<T> {
    now: T,
    /// What was, and until when; the oldest first.
    before: Vec<(OffsetDateTime, T)>,
}

impl<T: Clone> History<T> {
    pub(crate) fn new(now: T) -> Self {
        Self {
            now,
            before: Vec::new(),
        }
    }

    /// As it is now.
    pub(crate) fn now(&self) -> &T {
        &self.now
    }

    /// As it was at a time.
    pub(crate) fn as_of(&self, at: OffsetDateTime) -> &T {
        let was = self.before.iter().find(|(until, _)| at < *until);
        was.map_or(&self.now, |(_, was)| was)
    }

    /// Changes it, at a time.
    pub(crate) fn change<R>(&mut self, at: OffsetDateTime, change: impl FnOnce(&mut T) -> R) -> R {
        let before = self.now.clone();
        let result = change(&mut self.now);
        self.before.push((at, before));
        if self.before.len() > MOST {
            self.before.remove(0);
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::Duration;
    use time::macros::datetime;

    const NOON: OffsetDateTime = datetime!(2026-11-28 12:00 UTC);

    #[test]
    fn it_tells_what_was_at_any_time() {
        let mut history = History::new("first");
        history.change(NOON, |value| *value = "second");
        history.change(NOON + Duration::minutes(5), |value| *value = "third");

        assert_eq!(history.as_of(NOON - Duration::seconds(1)), &"first");
        assert_eq!(history.as_of(NOON), &"second");
        assert_eq!(history.as_of(NOON + Duration::minutes(4)), &"second");
        assert_eq!(history.as_of(NOON + Duration::minutes(5)), &"third");
    }

    #[test]
    fn its_past_has_a_bound() {
        let mut history = History::new(0);
        for change in 1..=MOST * 2 {
            history.change(NOON, |value| *value = change);
        }

        assert_eq!(history.before.len(), MOST);
        assert_eq!(history.as_of(NOON), &(MOST * 2));
    }
}
