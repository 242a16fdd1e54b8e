//! Validated names and paths: a value of these types has passed its check, wherever it came from.
//!
//! Each type parses from a string (`FromStr`, serde) and refuses what could escape its place.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::text::Text;

/// Says why a string is not the kind of name that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameError(String);

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NameError {}

/// Declares a string newtype that can only be made through its check.
macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(try_from = "Text", into = "Text")]
        #[schemars(with = "String")]
        pub struct $name(Text);

        impl $name {
            /// Gives the checked string.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl TryFrom<Text> for $name {
            type Error = NameError;
            fn try_from(text: Text) -> Result<Self, NameError> {
                $check(&text)?;
                Ok(Self(text))
            }
        }
        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(s: String) -> Result<Self, NameError> {
                s.parse()
            }
        }
        impl FromStr for $name {
            type Err = NameError;
            fn from_str(s: &str) -> Result<Self, NameError> {
                Text::from(s).try_into()
            }
        }
        impl From<$name> for Text {
            fn from(name: $name) -> Text {
                name.0
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.as_str().to_owned()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl AsRef<Path> for $name {
            fn as_ref(&self) -> &Path {
                Path::new(self.as_str())
            }
        }
    };
}

name_type! {
    /// A path below `/etc`, relative and plain: `nginx/nginx.conf`.
    ///
    /// Never absolute, never with `..`, `.`, empty components, NUL or newline.
    TargetPath, check_target
}

name_type! {
    /// An absolute path without `..` or NUL, such as a store path or a program of the host.
    AbsolutePath, check_absolute
}

name_type! {
    /// A systemd unit file name with one of the known suffixes (systemd.unit(5)).
    UnitName, check_unit
}

name_type! {
    /// One path component: the name of a file in a folder.
    FileName, check_file_name
}

impl TargetPath {
    /// Returns the path, relative to the root.
    #[must_use]
    pub fn in_etc(&self) -> PathBuf {
        Path::new("etc").join(self.as_str())
    }

    /// Gives the target of `name` below this one.
    ///
    /// # Errors
    /// When `name` is not a plain relative path.
    pub fn join(&self, name: &str) -> Result<Self, NameError> {
        format!("{}/{name}", self.0).try_into()
    }

    /// Gives the folders above this target, nearest last: `a`, `a/b` for `a/b/c`.
    pub fn parents(&self) -> impl Iterator<Item = TargetPath> + '_ {
        self.0
            .match_indices('/')
            .map(|(at, _)| Self(self.0[..at].into()))
    }

    /// Returns the folder that it is in; empty for `/etc` itself.
    #[must_use]
    pub(crate) fn folder(&self) -> &str {
        last_slash(&self.0).map_or("", |end| &self.0[..end])
    }

    /// Gives the last component.
    #[must_use]
    pub fn file_name(&self) -> &str {
        after_last_slash(&self.0)
    }
}

/// Finds the last slash. By bytes: a search of texts takes ten times as long, and this is asked of thousands.
fn last_slash(path: &str) -> Option<usize> {
    path.bytes().rposition(|b| b == b'/')
}

/// Returns the last component of a path.
pub(crate) fn after_last_slash(path: &str) -> &str {
    last_slash(path).map_or(path, |end| &path[end + 1..])
}

/// Returns all folders above these targets, each once.
pub(crate) fn folders_above<'a>(
    targets: impl Iterator<Item = &'a TargetPath>,
) -> BTreeSet<TargetPath> {
    let mut folders = BTreeSet::new();
    // Targets come in order, so most are in the folder of the one before.
    let mut last = "";
    for target in targets {
        if target.folder() != last {
            last = target.folder();
            folders.extend(target.parents());
        }
    }
    folders
}

impl FileName {
    /// Gives the name `N-FILE` for a file of `target`'s name, cut to a length that any file system takes.
    #[must_use]
    pub fn numbered(number: u64, target: &TargetPath) -> Self {
        let mut name = format!("{number}-{}", target.file_name());
        while name.len() > 200 {
            name.pop();
        }
        Self(name.into())
    }
}

impl UnitName {
    /// Gives the suffix without its dot: `service`.
    #[must_use]
    pub fn suffix(&self) -> &str {
        self.0.rsplit('.').next().unwrap_or_default()
    }
}

fn refuse(what: &str, value: &str, why: &str) -> NameError {
    NameError(format!("{what} {value:?} {why}"))
}

fn check_target(s: &str) -> Result<(), NameError> {
    let bad = |why| Err(refuse("etc target", s, why));
    if s.starts_with('/') {
        return bad("must be relative to /etc, without a leading `/`");
    }
    check_components(s, s).or_else(bad)
}

fn check_absolute(s: &str) -> Result<(), NameError> {
    let bad = |why| Err(refuse("path", s, why));
    let Some(rest) = s.strip_prefix('/') else {
        return bad("must be absolute");
    };
    if rest.is_empty() {
        return Ok(());
    }
    check_components(s, rest).or_else(bad)
}

fn check_components(whole: &str, relative: &str) -> Result<(), &'static str> {
    if whole.bytes().any(|b| matches!(b, 0 | b'\n')) {
        return Err("must not contain NUL or a newline");
    }
    if whole.len() > 4095 {
        return Err("is longer than a path can be");
    }
    // By bytes: each name of a configuration comes through here more than once.
    for part in relative.as_bytes().split(|b| *b == b'/') {
        match part {
            b"" => return Err("must not have empty components (`//`, or a trailing `/`)"),
            b"." | b".." => return Err("must not contain `.` or `..`"),
            p if p.len() > 255 => return Err("has a component longer than 255 bytes"),
            _ => {}
        }
    }
    Ok(())
}

fn check_file_name(s: &str) -> Result<(), NameError> {
    if s.contains('/') {
        return Err(refuse("file name", s, "must not contain `/`"));
    }
    check_components(s, s).map_err(|why| refuse("file name", s, why))
}

/// The unit types that a unit file can have (systemd.unit(5)); scopes have no files.
const UNIT_SUFFIXES: [&str; 10] = [
    "service",
    "socket",
    "device",
    "mount",
    "automount",
    "swap",
    "target",
    "path",
    "timer",
    "slice",
];

fn check_unit(s: &str) -> Result<(), NameError> {
    let bad = |why| Err(refuse("unit name", s, why));
    let Some((stem, suffix)) = s.rsplit_once('.') else {
        return bad("has no unit suffix such as `.service`");
    };
    if !UNIT_SUFFIXES.contains(&suffix) {
        return bad("does not end in a known unit suffix such as `.service`");
    }
    if stem.is_empty() || s.len() > 255 {
        return bad("must have 1 to 255 characters");
    }
    if stem.starts_with('@') {
        return bad("has an instance without a template name");
    }
    if !stem
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b":-_.\\@".contains(&b))
    {
        return bad("may only contain letters, digits and `:-_.\\@`");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_targets_that_leave_etc() {
        for (input, why) in [
            ("/etc/motd", "absolute"),
            ("../motd", "parent"),
            ("a/../b", "parent inside"),
            ("a//b", "empty component"),
            ("a/", "trailing slash"),
            ("./a", "dot"),
            ("", "empty"),
            ("a\0b", "NUL"),
            ("a\nb", "newline"),
        ] {
            assert!(input.parse::<TargetPath>().is_err(), "{why}: {input:?}");
        }
        for input in ["motd", "nginx/nginx.conf", "..a", "a b", "ü"] {
            assert!(input.parse::<TargetPath>().is_ok(), "{input:?}");
        }
    }

    #[test]
    fn refuses_strings_that_are_no_unit_names() {
        for input in [
            "",
            "foo",
            "foo.servic",
            ".service",
            "a/b.service",
            "@x.service",
            "a b.service",
        ] {
            assert!(input.parse::<UnitName>().is_err(), "{input:?}");
        }
        for input in [
            "nginx.service",
            "a@.service",
            "a@b.service",
            "dev-sda\\x2d1.swap",
            "-.mount",
        ] {
            assert!(input.parse::<UnitName>().is_ok(), "{input:?}");
        }
    }

    #[test]
    fn parents_go_from_the_outermost_in() {
        let t: TargetPath = "a/b/c".parse().unwrap();
        let parents: Vec<_> = t.parents().map(String::from).collect();
        assert_eq!(parents, ["a", "a/b"]);
    }
}
