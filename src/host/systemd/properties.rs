//! The properties of a unit, as systemd sends them.

use std::collections::HashMap;

use zbus::zvariant::{OwnedValue, Value};

/// The properties of a unit, by name; one that this systemd does not know reads as empty.
pub(crate) struct Properties(pub(super) HashMap<String, OwnedValue>);

impl Properties {
    /// Gives a text.
    #[must_use]
    pub(crate) fn text(&self, name: &str) -> String {
        match self.0.get(name).map(|v| &**v) {
            Some(Value::Str(text)) => text.to_string(),
            _ => String::new(),
        }
    }

    /// Gives a list of texts.
    pub(crate) fn list(&self, name: &str) -> impl Iterator<Item = String> {
        let array = match self.0.get(name).map(|v| &**v) {
            Some(Value::Array(array)) => Some(array),
            _ => None,
        };
        array
            .into_iter()
            .flat_map(|a| a.iter())
            .filter_map(|v| match v {
                Value::Str(text) => Some(text.to_string()),
                _ => None,
            })
    }

    /// Gives a truth value.
    #[must_use]
    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.0.get(name).map(|v| &**v), Some(Value::Bool(true)))
    }

    /// Returns a time, in microseconds; 0 where there is none.
    #[must_use]
    pub(crate) fn time(&self, name: &str) -> u64 {
        match self.0.get(name).map(|v| &**v) {
            Some(Value::U64(time)) => *time,
            _ => 0,
        }
    }

    /// Gives a number.
    #[must_use]
    pub(crate) fn number(&self, name: &str) -> i32 {
        match self.0.get(name).map(|v| &**v) {
            Some(Value::I32(number)) => *number,
            Some(Value::U32(number)) => i32::try_from(*number).unwrap_or_default(),
            _ => 0,
        }
    }
}
