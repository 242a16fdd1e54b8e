//! Programs that do not take links into the store: their files are copies, with the mode that they ask for.
//!
//! Each line is what the program itself says: cron `NUMBER OF HARD LINKS > 1` of a store that was optimised,
//! `visudo -c` `bad permissions, should be mode 0440`, `NetworkManager` `File permissions (444) are insecure`, sshd `bad
//! ownership or modes for directory /nix/store`. logrotate takes links.

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

const CRON: &str = "cron ignores files with more than one hard link";
const RUN_PARTS: &str = "run-parts only runs executable files";
const SUDO: &str = "visudo requires this mode";

const CONSUMERS: [Consumer; 10] = [
    Consumer {
        place: "cron.hourly/",
        mode: 0o755,
        why: RUN_PARTS,
    },
    Consumer {
        place: "cron.daily/",
        mode: 0o755,
        why: RUN_PARTS,
    },
    Consumer {
        place: "cron.weekly/",
        mode: 0o755,
        why: RUN_PARTS,
    },
    Consumer {
        place: "cron.monthly/",
        mode: 0o755,
        why: RUN_PARTS,
    },
    Consumer {
        place: "ssh/authorized_keys.d/",
        mode: 0o444,
        why: "sshd reads no keys from a folder that a group can write to",
    },
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
        why: "NetworkManager ignores connections that others can read",
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

/// Folders of which files with a dot in their names are passed over, and by whom.
const DOTLESS: [(&str, &str); 6] = [
    ("cron.d/", "cron"),
    ("cron.hourly/", "run-parts"),
    ("cron.daily/", "run-parts"),
    ("cron.weekly/", "run-parts"),
    ("cron.monthly/", "run-parts"),
    ("sudoers.d/", "sudo"),
];

/// Returns the program that does not read what is at this target, because of its name.
#[must_use]
pub(crate) fn find_blind(target: &TargetPath) -> Option<&'static str> {
    let found = DOTLESS.iter().find(|(folder, _)| {
        let name = target.as_str().strip_prefix(folder);
        name.is_some_and(|name| name.contains('.') && !name.contains('/'))
    });
    found.map(|(_, who)| *who)
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
            ("cron.daily/job", Some(0o755)),
        ] {
            let found = find(&target.parse().unwrap()).map(|consumer| consumer.mode);
            assert_eq!(found, expected, "{target}");
        }
    }

    #[test]
    fn names_with_a_dot_are_passed_over_in_some_folders() {
        for (target, expected) in [
            ("cron.d/a.b", Some("cron")),
            ("cron.d/a", None),
            ("cron.d/a/b.c", None),
            ("sudoers.d/a.b", Some("sudo")),
            ("logrotate.d/a.b", None),
        ] {
            assert_eq!(find_blind(&target.parse().unwrap()), expected, "{target}");
        }
    }
}
