//! Where a document stands among those of its kind in its partition: the newest
//! first, and no two at the same place. Pages are read by it, so that whatever is
//! added or changed meanwhile, nothing that was there is missed or shown twice.
//!
//! Cosmos DB orders by one property with the index that it has anyway; two would
//! need a composite index.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use uuid::Uuid;

const LENGTH: usize = 24;

/// The microsecond in which a thing was made, and then its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place([u8; LENGTH]);

/// What stands at a place.
pub(crate) trait Placed {
    fn place(&self) -> Place;
}

impl Place {
    /// Before everything that was ever made.
    pub(crate) const FIRST: Self = Self([0xff; LENGTH]);

    pub(crate) fn new(at: OffsetDateTime, id: Uuid) -> Self {
        // Nothing here was made before 1970.
        let micros = u64::try_from(at.unix_timestamp_nanos() / 1000).unwrap_or_default();
        let mut place = [0; LENGTH];
        place[..8].copy_from_slice(&micros.to_be_bytes());
        place[8..].copy_from_slice(id.as_bytes());
        Self(place)
    }

    /// The place as a caller holds it: 32 characters of base64url.
    pub(crate) fn token(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// The place that a caller names. `None` when there is none such.
    pub(crate) fn from_token(token: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        bytes.try_into().ok().map(Self)
    }
}

/// As in documents: hexadecimal, which sorts as the places do.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::Duration;
    use time::macros::datetime;

    const AT: OffsetDateTime = datetime!(2026-11-23 22:05:07 UTC);

    #[test]
    fn places_sort_by_time_and_then_by_id_also_as_text() {
        let id = Uuid::from_u128;
        let places = [
            Place::new(AT, id(9)),
            Place::new(AT + Duration::microseconds(1), id(1)),
            Place::new(AT + Duration::microseconds(1), id(2)),
            Place::new(AT + Duration::days(400), id(0)),
            Place::FIRST,
        ];

        assert!(places.is_sorted());
        assert!(places.map(|place| place.to_string()).is_sorted());
    }

    #[test]
    fn a_token_is_read_as_it_is_written_and_nothing_else_is() {
        let place = Place::new(AT, Uuid::from_u128(7));
        let token = place.token();

        assert_eq!(token.len(), 32);
        assert_eq!(Place::from_token(&token), Some(place));
        for broken in [
            "",
            "a",
            &token[1..],
            &format!("{token}aaaa"),
            &"=".repeat(32),
        ] {
            assert_eq!(Place::from_token(broken), None, "{broken:?}");
        }
    }
}
