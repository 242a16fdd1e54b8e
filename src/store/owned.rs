//! How what is ours is written down ahead of the effects, for every kind of thing, and the verbs of its record. Pure.
//!
//! While an activation is under way, the record says of each thing what an earlier one left there and what this one makes
//! of it. After a stop either may be what the host shows, and both are ours.

use serde::{Deserialize, Deserializer, Serialize};

use crate::model::names::{FileName, TargetPath};
use crate::store::backups::Backups;

/// Something that is ours. A `T` that is an `Option` has none where nothing of ours is, or will be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owned<T> {
    /// What the last activation that ended left there.
    pub is: T,
    /// What an activation that has begun makes of it.
    // None and a null differ: the second is an activation that takes it away.
    #[serde(
        default = "Option::default",
        skip_serializing_if = "Option::is_none",
        deserialize_with = "read_present"
    )]
    pub becomes: Option<T>,
}

fn read_present<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(from).map(Some)
}

impl<T> Owned<T> {
    /// Returns what an activation that ended left there.
    pub fn at_rest(is: T) -> Self {
        Self { is, becomes: None }
    }

    /// Whether an activation has begun to change it, and has not ended.
    pub fn is_begun(&self) -> bool {
        self.becomes.is_some()
    }

    /// Returns what may be there: what it is, and what it becomes.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.is).chain(&self.becomes)
    }

    /// Writes down what an activation is about to make of it. What may be there from before stays known.
    pub fn claim(&mut self, next: T) {
        self.becomes = Some(next);
    }

    /// Resolves what a stopped activation left open: it is what it was to become where that is done, else what it was.
    pub fn settle(&mut self, is_done: impl FnOnce(&T) -> bool) {
        if let Some(next) = self.becomes.take().filter(is_done) {
            self.is = next;
        }
    }

    /// Notes that the activation has made of it what was claimed.
    pub fn commit(&mut self) {
        if let Some(next) = self.becomes.take() {
            self.is = next;
        }
    }
}

/// Copies that a claim reserves room for, and the time at which it is made.
pub struct Claiming<'a> {
    /// The backups of this host.
    pub backups: &'a mut Backups,
    /// Seconds since 1970.
    pub now: u64,
}

/// What is ours of one kind: the same verbs for all of them.
pub trait Record {
    /// What the host shows of it.
    type Seen: ?Sized;
    /// What an activation does about it.
    type Plan: ?Sized;

    /// Resolves what a stopped activation left open, by what the host shows.
    fn settle(&mut self, seen: &Self::Seen);

    /// Writes down what an activation is about to do. The record must be settled.
    fn claim(&mut self, plan: &Self::Plan, claiming: &mut Claiming<'_>);

    /// Notes that everything of the plan has been done.
    fn commit(&mut self, plan: &Self::Plan);
}

/// What is asked of the records of all kinds alike.
pub(crate) trait Owns {
    /// Whether an activation has begun to change something, and has not ended.
    fn is_begun(&self) -> bool;

    /// Returns the files below `/etc` that a stopped activation may have left half-written.
    fn begun(&self) -> Vec<&TargetPath> {
        Vec::new()
    }

    /// Returns the copies in the backups that belong to what is owned.
    fn backups(&self) -> Vec<&FileName> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_counts_and_else_what_was() {
        let begun = |becomes: &[Option<u8>]| Owned {
            is: Some(1),
            becomes: becomes.first().copied(),
        };
        for (becomes, shown, settled, why) in [
            (&[][..], None, Some(1), "nothing was begun"),
            (&[Some(2)], Some(2), Some(2), "it was done"),
            (&[Some(2)], Some(1), Some(1), "it was not done"),
            (&[Some(2)], Some(9), Some(1), "somebody else was there"),
            (&[None], None, None, "it was taken away"),
            (&[None], Some(1), Some(1), "it was not taken away"),
        ] {
            let mut owned = begun(becomes);
            owned.settle(|next| *next == shown);
            assert_eq!(owned, Owned::at_rest(settled), "{why}");
        }
        let mut owned = begun(&[]);
        owned.claim(None);
        assert!(owned.is_begun());
        assert_eq!(owned.values().collect::<Vec<_>>(), [&Some(1), &None]);
        owned.commit();
        assert_eq!(owned, Owned::at_rest(None));
    }

    #[test]
    fn what_goes_is_told_from_what_stays_in_the_text_too() {
        for (owned, text) in [
            (Owned::at_rest(Some(1)), r#"{"is":1}"#),
            (Owned::at_rest(None), r#"{"is":null}"#),
            (
                Owned {
                    is: Some(1),
                    becomes: Some(None),
                },
                r#"{"is":1,"becomes":null}"#,
            ),
            (
                Owned {
                    is: None,
                    becomes: Some(Some(1)),
                },
                r#"{"is":null,"becomes":1}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&owned).unwrap(), text);
            let read: Owned<Option<u8>> = serde_json::from_str(text).unwrap();
            assert_eq!(read, owned, "{text}");
        }
        let wrong = serde_json::from_str::<Owned<u8>>(r#"{"is":1,"was":2}"#);
        assert!(wrong.is_err(), "an unknown field is refused");
    }
}
