//! How JSON names what is below `/etc`: by its whole path, where the types have what follows `/etc/`.
//!
//! For `#[serde(with = "in_etc")]` in what is printed and in saved plans. Manifest, state and journal name targets as
//! `environment.etc` does.

use std::collections::BTreeMap;

use serde::de::Error;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::names::TargetPath;

/// The folder of all targets.
const ETC: &str = "/etc/";

/// What can be written with whole paths.
pub(crate) trait Shown {
    /// Writes it.
    fn show<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error>;
}

/// What can be read from whole paths.
pub(crate) trait Named: Sized {
    /// Reads it.
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error>;
}

/// Writes targets by their whole paths.
///
/// # Errors
/// Those of the serialiser.
pub(crate) fn serialize<T: Shown, S: Serializer>(targets: &T, to: S) -> Result<S::Ok, S::Error> {
    targets.show(to)
}

/// Reads targets from their whole paths.
///
/// # Errors
/// When one is not below `/etc`, or is no plain path.
pub(crate) fn deserialize<'de, T: Named, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    T::read(from)
}

fn below_etc<E: Error>(path: &str) -> Result<TargetPath, E> {
    let target = path.strip_prefix(ETC);
    let target = target.ok_or_else(|| E::custom(format!("path {path:?} is not below /etc")))?;
    target.parse().map_err(E::custom)
}

impl Shown for TargetPath {
    fn show<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{ETC}{self}"))
    }
}

impl Named for TargetPath {
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        below_etc(&String::deserialize(from)?)
    }
}

impl Shown for Vec<TargetPath> {
    fn show<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter().map(|target| format!("{ETC}{target}")))
    }
}

impl Named for Vec<TargetPath> {
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let paths = Vec::<String>::deserialize(from)?;
        paths.iter().map(|path| below_etc(path)).collect()
    }
}

impl<V: Serialize> Shown for BTreeMap<TargetPath, V> {
    fn show<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.len()))?;
        for (target, value) in self {
            map.serialize_entry(&format!("{ETC}{target}"), value)?;
        }
        map.end()
    }
}

impl<V: for<'a> Deserialize<'a>> Named for BTreeMap<TargetPath, V> {
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let paths = BTreeMap::<String, V>::deserialize(from)?;
        let named = paths.into_iter();
        named
            .map(|(p, value)| Ok((below_etc(&p)?, value)))
            .collect()
    }
}
