//! Values that are still being found out: who reads one first waits for it.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

type Finding<T> = Box<dyn FnOnce() -> T + Send>;

/// A value that is there as soon as somebody reads it. Its clones wait for the same one.
pub struct Awaited<T>(Arc<LazyLock<T, Finding<T>>>);

impl<T> Awaited<T> {
    /// Takes what waits for the value; it is called once at most.
    #[must_use]
    pub fn new(find: impl FnOnce() -> T + Send + 'static) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(find))))
    }
}

impl<T: Send + 'static> From<T> for Awaited<T> {
    fn from(value: T) -> Self {
        Self::new(|| value)
    }
}

impl<T> Deref for Awaited<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Clone for Awaited<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: fmt::Debug> fmt::Debug for Awaited<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: PartialEq> PartialEq for Awaited<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for Awaited<T> {}

impl<T: Serialize> Serialize for Awaited<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de> + Send + 'static> Deserialize<'de> for Awaited<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::from)
    }
}

impl<T: JsonSchema> JsonSchema for Awaited<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn it_is_found_out_once_and_only_when_somebody_reads_it() {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let value = Awaited::new(move || counted.fetch_add(1, Ordering::Relaxed) + 7);
        let twin = value.clone();
        assert_eq!(count.load(Ordering::Relaxed), 0, "nobody has read it");
        assert_eq!(*value, 7);
        assert_eq!(value, twin);
        assert_eq!(count.load(Ordering::Relaxed), 1, "it was asked again");
        let text = serde_json::to_string(&value).unwrap();
        assert_eq!(
            serde_json::from_str::<Awaited<usize>>(&text).unwrap(),
            7.into()
        );
    }
}
