//! Packages by name and version, told from the names of store paths, and how two sets of them differ. Pure.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The versions that there are of each package, by its name.
pub(crate) type Packages = BTreeMap<String, BTreeSet<String>>;

/// Packages that come, go or change, by name and version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PackagesChange {
    /// New ones among those that the configuration names.
    pub added: BTreeSet<String>,
    /// Those that it does not name any more.
    pub removed: BTreeSet<String>,
    /// Those of which other versions are there, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub changed: BTreeMap<String, Versions>,
    /// New ones that others need.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub needed: BTreeSet<String>,
    /// Those that are no longer needed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unneeded: BTreeSet<String>,
    /// How much there is before and after, with all that the packages need; none where nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closure: Option<ClosureChange>,
}

/// The versions of a package before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Versions {
    /// Before.
    pub from: BTreeSet<String>,
    /// After.
    pub to: BTreeSet<String>,
}

/// The size of a closure before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ClosureChange {
    /// Before.
    pub from: Size,
    /// After.
    pub to: Size,
}

/// How much a closure is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Size {
    /// How many store paths.
    pub paths: usize,
    /// How many bytes they have, without what the file system adds.
    pub bytes: u64,
}

/// What a toplevel comes with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    /// The packages that the configuration names.
    pub named: BTreeSet<String>,
    /// All packages of the closure; none where nobody knows it.
    pub all: Option<(Packages, Size)>,
}

/// Outputs of packages that their names end in.
const OUTPUTS: [&str; 16] = [
    "bin", "data", "debug", "dev", "devdoc", "dist", "doc", "getent", "info", "lib", "libgcc",
    "man", "modules", "static", "terminfo", "tools",
];

/// Splits the name of a package or of a store path into name and version, as `builtins.parseDrvName` does, without the
/// output at its end.
#[must_use]
pub(crate) fn split(full: &str) -> (&str, Option<&str>) {
    let is_version = |at: &usize| {
        let next = full.as_bytes().get(at + 1);
        next.is_some_and(|b| !b.is_ascii_alphabetic())
    };
    let dashes = full.match_indices('-').map(|(at, _)| at);
    let Some(at) = dashes.into_iter().find(is_version) else {
        return (full, None);
    };
    let (name, version) = (&full[..at], &full[at + 1..]);
    let version = match version.rsplit_once('-') {
        Some((version, output)) if OUTPUTS.contains(&output) => version,
        _ => version,
    };
    (name, Some(version))
}

/// Sorts what is in a closure: what has a version is a package.
pub(crate) fn packages_of<'a>(names: impl Iterator<Item = &'a str>) -> Packages {
    let mut packages = Packages::new();
    for (name, version) in names.map(split) {
        if let Some(version) = version {
            let versions = packages.entry(name.to_owned()).or_default();
            versions.insert(version.to_owned());
        }
    }
    packages
}

impl Contents {
    fn packages(&self) -> Packages {
        self.all.as_ref().map_or_else(
            || packages_of(self.named.iter().map(String::as_str)),
            |(packages, _)| packages.clone(),
        )
    }
}

/// Compares what two toplevels come with; nothing is the first one of a host that has none yet.
#[must_use]
pub(crate) fn compare(before: &Contents, after: &Contents) -> PackagesChange {
    // Closures are only compared with closures.
    let known = before.all.is_some() == after.all.is_some();
    let comparable = |contents: &Contents| Contents {
        all: contents.all.clone().filter(|_| known),
        named: contents.named.clone(),
    };
    let (before, after) = (&comparable(before), &comparable(after));
    let (old, new) = (before.packages(), after.packages());
    let changed: BTreeMap<String, Versions> = old
        .iter()
        .filter_map(|(name, from)| {
            let to = new.get(name).filter(|to| *to != from)?.clone();
            let from = from.clone();
            Some((name.clone(), Versions { from, to }))
        })
        .collect();
    let is_told = |full: &String| changed.contains_key(split(full).0);
    let named = |here: &Contents, there: &Contents| -> BTreeSet<String> {
        let gone = here.named.difference(&there.named);
        gone.filter(|full| !is_told(full)).cloned().collect()
    };
    let all = |here: &Packages, there: &Packages, named: &BTreeSet<String>| -> BTreeSet<String> {
        let gone = here.iter().filter(|(name, _)| !there.contains_key(*name));
        gone.flat_map(|(name, versions)| versions.iter().map(move |v| format!("{name}-{v}")))
            .filter(|full| !named.contains(full))
            .collect()
    };
    let (added, removed) = (named(after, before), named(before, after));
    let closure = match (&before.all, &after.all) {
        (Some((_, from)), Some((_, to))) => Some(ClosureChange {
            from: *from,
            to: *to,
        }),
        _ => None,
    };
    PackagesChange {
        needed: all(&new, &old, &added),
        unneeded: all(&old, &new, &removed),
        added,
        removed,
        changed,
        closure: closure.filter(|c| c.from != c.to),
    }
}

impl PackagesChange {
    /// Whether there is nothing to tell.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns how many packages come, change or go.
    #[must_use]
    pub(crate) fn count(&self) -> usize {
        self.added.len()
            + self.removed.len()
            + self.changed.len()
            + self.needed.len()
            + self.unneeded.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_names_from_versions() {
        for (full, name, version) in [
            ("nginx-1.24.0", "nginx", Some("1.24.0")),
            ("glibc-2.35-163", "glibc", Some("2.35-163")),
            ("libidn2-2.3.2-bin", "libidn2", Some("2.3.2")),
            ("python3.11-foo-bar-0.1", "python3.11-foo-bar", Some("0.1")),
            ("unit-nginx.service", "unit-nginx.service", None),
            ("etc-motd", "etc-motd", None),
            ("a-", "a-", None),
            ("x-unstable-2024-01-02", "x-unstable", Some("2024-01-02")),
        ] {
            assert_eq!(split(full), (name, version), "{full}");
        }
    }

    fn contents(named: &[&str], all: Option<&[&str]>) -> Contents {
        Contents {
            named: named.iter().map(|n| (*n).to_owned()).collect(),
            all: all.map(|all| {
                let size = Size {
                    paths: all.len(),
                    bytes: 10 * all.len() as u64,
                };
                (packages_of(all.iter().copied()), size)
            }),
        }
    }

    #[test]
    fn tells_what_comes_goes_and_changes() {
        let before = contents(
            &["hello-2.10", "jq-1.6"],
            Some(&["hello-2.10", "jq-1.6", "oniguruma-6.9", "glibc-2.35"]),
        );
        let after = contents(
            &["hello-2.12", "git-2.40"],
            Some(&[
                "hello-2.12",
                "git-2.40",
                "zlib-1.3",
                "glibc-2.35",
                "glibc-2.37",
            ]),
        );
        let change = compare(&before, &after);
        let text = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(" ");
        assert_eq!(text(&change.added), "git-2.40");
        assert_eq!(text(&change.removed), "jq-1.6");
        assert_eq!(text(&change.needed), "zlib-1.3");
        assert_eq!(text(&change.unneeded), "oniguruma-6.9");
        assert_eq!(text(&change.changed["hello"].to), "2.12");
        assert_eq!(text(&change.changed["glibc"].from), "2.35");
        assert_eq!(text(&change.changed["glibc"].to), "2.35 2.37");
        let closure = change.closure.unwrap();
        assert_eq!((closure.from.paths, closure.to.bytes), (4, 50));
        assert_eq!(change.count(), 6);
        assert!(compare(&after, &after).is_empty());
    }

    #[test]
    fn without_closures_the_names_are_compared() {
        let before = contents(&["hello-2.10"], Some(&["hello-2.10", "glibc-2.35"]));
        let after = contents(&["hello-2.12", "tool"], None);
        let change = compare(&before, &after);
        assert_eq!(change.changed.keys().collect::<Vec<_>>(), ["hello"]);
        assert_eq!(change.added.iter().collect::<Vec<_>>(), ["tool"]);
        assert_eq!((change.count(), change.closure), (2, None));
    }
}
