//! Programs that do not take links into the store: their files are copies, with the mode that they ask for.
//!
//! Each line is what the program itself says: cron `NUMBER OF HARD LINKS > 1` of a store that was optimised,
//! `visudo -c -P` `bad permissions, should be mode 0440`, `NetworkManager` `File permissions (444) are insecure`.

use crate::model::names::TargetPath;

/// A program that does not take a link.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Consumer {
    /// A path below `/etc`; with a `/` at its end, all files in that folder.
    place: &'static str,
    /// The mode that the copy gets.
    pub mode: u32,
    /// Who, and why; ends the sentence "a copy, since".
    pub why: &'static str,
}

const CRON: &str = "cron reads no file of which there is more than one hard link";
const SUDO: &str = "visudo asks for this mode";

const CONSUMERS: [Consumer; 5] = [
    Consumer {
        place: "crontab",
        mode: 0o644,
        why: CRON,
    },
    Consumer {
        place: "cron.d/",
        mode: 0o644,
        why: CRON,
    },
    Consumer {
        place: "NetworkManager/system-connections/",
        mode: 0o600,
        why: "NetworkManager ignores connections that others may read",
    },
    Consumer {
        place: "sudoers",
        mode: 0o440,
        why: SUDO,
    },
    Consumer {
        place: "sudoers.d/",
        mode: 0o440,
        why: SUDO,
    },
];

/// Returns the program that takes no link at this target.
#[must_use]
pub(crate) fn find(target: &TargetPath) -> Option<&'static Consumer> {
    let target = target.as_str();
    CONSUMERS
        .iter()
        .find(|consumer| match target.strip_prefix(consumer.place) {
            Some("") => true,
            Some(name) => consumer.place.ends_with('/') && !name.contains('/'),
            None => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_file_or_the_files_of_a_folder() {
        for (target, expected) in [
            ("crontab", Some(0o644)),
            ("crontabs", None),
            ("cron.d/job", Some(0o644)),
            ("cron.d/folder/job", None),
            ("sudoers.d/us", Some(0o440)),
            ("sudoers.dist", None),
        ] {
            let found = find(&target.parse().unwrap()).map(|consumer| consumer.mode);
            assert_eq!(found, expected, "{target}");
        }
    }
}
