//! A JSON object in which a repeated member is an error, not an overwrite: what
//! one reader takes from the first and another from the last must not exist.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

/// A JSON object as a map; a repeated key is an error, not an overwrite.
pub(crate) struct UniqueMap<V>(pub(crate) BTreeMap<String, V>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for UniqueMap<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Unique<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for Unique<V> {
            type Value = BTreeMap<String, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
                let mut map = BTreeMap::new();
                while let Some(key) = members.next_key::<String>()? {
                    if map.contains_key(&key) {
                        return Err(A::Error::custom(format!("`{key}` is declared twice")));
                    }
                    map.insert(key, members.next_value()?);
                }
                Ok(map)
            }
        }

        deserializer.deserialize_map(Unique(PhantomData)).map(Self)
    }
}
