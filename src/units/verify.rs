//! Whether what runs after a switch is what the switch was to bring about.

use crate::units::layers::Definition;
use crate::units::set::Origin;

/// What systemd says of a unit that was to be started anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Started {
    /// Whether it is up.
    pub is_active: bool,
    /// `NeedDaemonReload`: its files have changed since systemd read them.
    pub is_outdated: bool,
    /// Whose its file is.
    pub origin: Origin,
    /// When it left the inactive state, in microseconds of the monotonic clock.
    pub since: u64,
}

/// Says why a unit does not run its new definition, if so; `reloaded` is a time after systemd had read the definitions. Pure.
#[must_use]
pub(crate) fn why_not_new(
    new: &Definition,
    started: &Started,
    reloaded: u64,
) -> Option<&'static str> {
    let is_wanted = match new {
        Definition::File(_) => started.origin == Origin::Ours,
        Definition::Theirs(_) | Definition::Foreign(_) => true,
        Definition::Absent | Definition::Masked => return None,
    };
    if !started.is_active {
        // A oneshot that has run, or a failure, which is told as one.
        None
    } else if started.since < reloaded {
        Some(
            "it still runs its old definition: somebody started it before systemd had read the new one",
        )
    } else if !is_wanted {
        Some("systemd runs it from another file than that of the configuration")
    } else if started.is_outdated {
        Some("its files have changed since systemd read them")
    } else {
        None
    }
}

#[cfg(test)]
#[rustfmt::skip] // a row of a table is one line
mod tests {
    use super::*;
    use crate::units::file::UnitFile;

    #[test]
    fn only_what_was_started_anew_from_the_right_files_is_well() {
        let ours = Definition::File(UnitFile::default());
        let theirs = Definition::Theirs(UnitFile::default());
        let well = Started { is_active: true, is_outdated: false, origin: Origin::Ours, since: 20 };
        let table = [
            (&ours, well.clone(), None),
            (&ours, Started { since: 9, ..well.clone() }, Some("old definition")),
            (&ours, Started { is_outdated: true, ..well.clone() }, Some("have changed")),
            (&ours, Started { origin: Origin::Below, ..well.clone() }, Some("another file")),
            (&ours, Started { origin: Origin::Above, ..well.clone() }, Some("another file")),
            (&ours, Started { is_active: false, since: 0, ..well.clone() }, None),
            (&theirs, Started { origin: Origin::Below, ..well.clone() }, None),
            (&theirs, Started { origin: Origin::Below, since: 9, ..well.clone() }, Some("old definition")),
            (&Definition::Masked, Started { since: 9, ..well.clone() }, None),
        ];
        for (definition, started, expected) in table {
            let why = why_not_new(definition, &started, 10);
            assert_eq!(why.is_some(), expected.is_some(), "{started:?} {why:?}");
            assert!(why.unwrap_or_default().contains(expected.unwrap_or_default()), "{started:?} {why:?}");
        }
    }
}
