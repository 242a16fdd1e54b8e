//! Large maps that are read, and asked, in the order of their keys: each in one pass, and with no search for each key.

use std::collections::{BTreeMap, btree_map};
use std::fmt;
use std::iter::Peekable;
use std::marker::PhantomData;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Asks a map for keys that come in order.
pub(crate) struct InOrder<'a, K, V> {
    rest: Peekable<btree_map::Iter<'a, K, V>>,
}

impl<'a, K: Ord, V> InOrder<'a, K, V> {
    pub(crate) fn of(map: &'a BTreeMap<K, V>) -> Self {
        let rest = map.iter().peekable();
        Self { rest }
    }

    /// Returns what the map has for a key, which must not be less than the one that was asked for before.
    pub(crate) fn find(&mut self, key: &K) -> Option<&'a V> {
        while self.rest.next_if(|(at, _)| *at < key).is_some() {}
        self.rest
            .next_if(|(at, _)| *at == key)
            .map(|(_, value)| value)
    }
}

/// Reads a map whose keys are written in order: it is built at once, and takes half the room.
///
/// # Errors
/// When it is not a map of these.
pub(crate) fn read<'de, D, K, V>(from: D) -> Result<BTreeMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord,
    V: Deserialize<'de>,
{
    from.deserialize_map(Entries(PhantomData))
}

struct Entries<K, V>(PhantomData<(K, V)>);

impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Visitor<'de> for Entries<K, V> {
    type Value = BTreeMap<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(entries.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_in_order_is_found() {
        let map: BTreeMap<u8, u8> = [(1, 10), (3, 30), (5, 50)].into();
        let mut asked = InOrder::of(&map);
        let found: Vec<_> = (0..7).map(|key| asked.find(&key).copied()).collect();
        let expected: Vec<_> = (0..7).map(|key| map.get(&key).copied()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_map_is_read_in_whatever_order_it_is_written() {
        #[derive(Deserialize)]
        struct Has {
            #[serde(deserialize_with = "read")]
            map: BTreeMap<String, u8>,
        }
        let has: Has = serde_json::from_str(r#"{"map":{"b":2,"a":1,"b":3}}"#).unwrap();
        assert_eq!(has.map, [("a".to_owned(), 1), ("b".to_owned(), 3)].into());
    }
}
