//! What is known of a store path, in the words of `nix-store --dump-db` and `--load-db`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// Where each store path is.
const STORE: &str = "/nix/store/";

/// The length of the hash in a store path.
const HASH: usize = 32;

/// How much of the hash is enough to ask whether a path is there: 80 bits.
pub(crate) const TAG: usize = 16;

/// The longest name after the hash.
const NAME_MAX: usize = 211;

/// A path of the store: `/nix/store/HASH-NAME`, and nothing below it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StorePath(String);

impl StorePath {
    /// Returns the whole path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns its name in the store.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0[STORE.len()..]
    }

    /// Returns the beginning of its hash, by which it is asked for.
    #[must_use]
    pub(crate) fn tag(&self) -> &str {
        &self.name()[..TAG]
    }

    /// Returns the store path that a path is, or is below of.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        let rest = path.strip_prefix(STORE)?;
        let name = rest.split('/').next()?;
        format!("{STORE}{name}").parse().ok()
    }
}

impl FromStr for StorePath {
    type Err = anyhow::Error;

    fn from_str(path: &str) -> Result<Self> {
        let is_name = |name: &str| {
            let (Some(hash), Some(rest)) = (name.get(..HASH), name.get(HASH..)) else {
                return false;
            };
            let name = rest.strip_prefix('-').unwrap_or_default();
            hash.bytes()
                .all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
                && (1..=NAME_MAX).contains(&name.len())
                && !name.starts_with('.')
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"+-._?=".contains(&b))
        };
        if !path.strip_prefix(STORE).is_some_and(is_name) {
            bail!("{path:?} is not a store path");
        }
        Ok(Self(path.to_owned()))
    }
}

impl TryFrom<String> for StorePath {
    type Error = anyhow::Error;

    fn try_from(path: String) -> Result<Self> {
        path.parse()
    }
}

impl From<StorePath> for String {
    fn from(path: StorePath) -> Self {
        path.0
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// A store path, what must be in it, and what it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct PathInfo {
    /// The path.
    pub path: StorePath,
    /// SHA-256 of its archive, in hexadecimal.
    pub nar_sha256: String,
    /// The size of its archive.
    pub nar_size: u64,
    /// The paths that it refers to, itself included if it does.
    pub references: BTreeSet<StorePath>,
}

/// Reads what `nix-store --dump-db` prints. Pure.
///
/// # Errors
/// When it is not that.
pub(crate) fn parse(text: &str) -> Result<Vec<PathInfo>> {
    let mut lines = text.lines();
    let mut infos = Vec::new();
    while let Some(path) = lines.next() {
        let info = parse_one(path, &mut lines)
            .with_context(|| format!("reading what is known of {path:?}"))?;
        infos.push(info);
    }
    Ok(infos)
}

fn parse_one<'a>(path: &str, lines: &mut impl Iterator<Item = &'a str>) -> Result<PathInfo> {
    let mut next = || lines.next().context("it is truncated");
    let hash = next()?;
    let nar_sha256 = hash.strip_prefix("sha256:").unwrap_or(hash).to_owned();
    check_hash(&nar_sha256)?;
    let nar_size = next()?.parse().context("its size")?;
    let _deriver = next()?;
    let count: usize = next()?.parse().context("its number of references")?;
    let references = (0..count).map(|_| next()?.parse()).collect::<Result<_>>()?;
    Ok(PathInfo {
        path: path.parse()?,
        nar_sha256,
        nar_size,
        references,
    })
}

fn check_hash(hash: &str) -> Result<()> {
    if hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_hexdigit()) {
        bail!("{hash:?} is not SHA-256 in hexadecimal");
    }
    Ok(())
}

/// Writes what `nix-store --load-db` reads. Pure.
#[must_use]
pub(crate) fn render<'a>(infos: impl IntoIterator<Item = &'a PathInfo>) -> String {
    let mut text = String::new();
    for info in infos {
        let (path, hash, size) = (&info.path, &info.nar_sha256, info.nar_size);
        // The empty line is that of the derivation, which does not travel.
        text += &format!("{path}\n{hash}\n{size}\n\n{}\n", info.references.len());
        for reference in &info.references {
            text += &format!("{reference}\n");
        }
    }
    text
}

/// Returns the paths so that each comes after those that it refers to. Pure.
///
/// # Errors
/// When one refers to a path that is not among them.
pub(crate) fn order(infos: Vec<PathInfo>) -> Result<Vec<PathInfo>> {
    let known: BTreeSet<StorePath> = infos.iter().map(|i| i.path.clone()).collect();
    for info in &infos {
        if let Some(missing) = info.references.iter().find(|r| !known.contains(*r)) {
            bail!("{} refers to {missing}, which is not sent", info.path);
        }
    }
    let mut done: BTreeSet<StorePath> = BTreeSet::new();
    let (mut ordered, mut rest) = (Vec::new(), infos);
    while !rest.is_empty() {
        let ready = |info: &PathInfo| {
            let mut needed = info.references.iter();
            needed.all(|r| *r == info.path || done.contains(r))
        };
        let (now, later): (Vec<_>, Vec<_>) = rest.into_iter().partition(ready);
        if now.is_empty() {
            bail!(
                "the paths refer to each other in a circle: {}",
                later[0].path
            );
        }
        done.extend(now.iter().map(|i| i.path.clone()));
        ordered.extend(now);
        rest = later;
    }
    Ok(ordered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(letter: char) -> StorePath {
        format!("/nix/store/{}-{letter}", letter.to_string().repeat(32))
            .parse()
            .unwrap()
    }

    fn info(letter: char, references: &str) -> PathInfo {
        PathInfo {
            path: path(letter),
            nar_sha256: "0".repeat(64),
            nar_size: 120,
            references: references.chars().map(path).collect(),
        }
    }

    #[test]
    fn paths_outside_of_the_store_are_none() {
        let hash = "a".repeat(32);
        for (text, why) in [
            (format!("/nix/store/{hash}-a/b"), "below one"),
            (format!("/nix/store/../{hash}-a"), "elsewhere"),
            (format!("/nix/store/{hash}-.a"), "hidden"),
            (format!("/nix/store/{hash}-a b"), "a space"),
            (format!("/nix/store/{hash}-a\n"), "a line end"),
            (format!("/nix/store/{hash}"), "no name"),
            (format!("/nix/store/{}-a", &hash[1..]), "a short hash"),
            (format!("/nix/store/{}é-a", &hash[2..]), "not ASCII"),
            (format!("/gnu/store/{hash}-a"), "another store"),
        ] {
            assert!(text.parse::<StorePath>().is_err(), "{why}: {text}");
        }
        let below = StorePath::of(&format!("/nix/store/{hash}-a/bin/a")).unwrap();
        assert_eq!(below.name(), format!("{hash}-a"));
    }

    #[test]
    fn what_is_known_is_written_and_read_again() {
        let infos = vec![info('a', ""), info('b', "ab")];
        assert_eq!(parse(&render(&infos)).unwrap(), infos);
        let text = render(&infos);
        let cut: Vec<&str> = text.lines().collect();
        // Not at the end of the first path.
        for length in (1..cut.len()).filter(|l| *l != 5) {
            assert!(parse(&cut[..length].join("\n")).is_err(), "{length}");
        }
    }

    #[test]
    fn each_comes_after_what_it_refers_to() {
        let ordered = order(vec![info('c', "ab"), info('b', "ba"), info('a', "")]).unwrap();
        let names: Vec<_> = ordered.iter().map(|i| i.path.clone()).collect();
        assert_eq!(names, [path('a'), path('b'), path('c')]);
        for (infos, why) in [
            (vec![info('a', "b")], "which is not sent"),
            (vec![info('a', "b"), info('b', "a")], "in a circle"),
        ] {
            let said = order(infos).unwrap_err().to_string();
            assert!(said.contains(why), "{said}");
        }
    }
}
