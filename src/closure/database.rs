//! What arrived here, with references: `/nix/var/system-manager/paths`. A Nix that comes later takes the paths over with
//! `nix-store --load-db </nix/var/system-manager/load-db`, which is the same without the first line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::info::{PathInfo, StorePath, parse, render};
use super::{FOLDER, is_of_nix};
use crate::host::fs::{Content, NewFile, Root};
use crate::host::process::Command;
use crate::model::node::sha256_of;

const FILE: &str = "nix/var/system-manager/paths";
const LOAD_DB: &str = "nix/var/system-manager/load-db";

/// What the first line begins with; the hash of the rest follows.
const HEAD: &str = "system-manager paths 1 ";

/// The paths that are known to be whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Database {
    /// By path.
    pub paths: BTreeMap<StorePath, PathInfo>,
}

impl Database {
    /// Reads it; it is empty where nothing has arrived yet.
    ///
    /// # Errors
    /// When it can't be read or trusted.
    pub(crate) fn read(root: &Root) -> Result<Self> {
        let Some(bytes) = root.read(Path::new(FILE))? else {
            return Ok(Self::default());
        };
        Self::parse(&bytes).with_context(|| {
            format!(
                "reading {}\nhint: remove it; the next switch from another machine then checks each path again",
                root.show(Path::new(FILE)).display()
            )
        })
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(bytes)?;
        let (head, rest) = text.split_once('\n').context("it has no first line")?;
        let hash = head
            .strip_prefix(HEAD)
            .with_context(|| format!("it begins with {head:?}"))?;
        if sha256_of(rest.as_bytes())? != hash {
            bail!("its checksum is wrong");
        }
        let paths = parse(rest)?.into_iter();
        Ok(Self {
            paths: paths.map(|i| (i.path.clone(), i)).collect(),
        })
    }

    /// Writes it durably.
    ///
    /// # Errors
    /// When it can't be written; the old one stands then.
    pub(crate) fn write(&self, root: &Root) -> Result<()> {
        let text = render(self.paths.values());
        let checked = format!("{HEAD}{}\n{text}", sha256_of(text.as_bytes())?);
        root.make_folders(Path::new(FOLDER))?;
        for (path, content) in [(LOAD_DB, &text), (FILE, &checked)] {
            root.write_file(
                Path::new(path),
                &NewFile::of_root(Content::Bytes(content.as_bytes()), 0o644),
            )?;
        }
        root.sync()
    }

    /// Returns those of the paths that are not known, or of which something that they need is not there. Pure.
    #[must_use]
    pub(crate) fn unfounded(
        &self,
        paths: Vec<StorePath>,
        there: &BTreeSet<StorePath>,
    ) -> BTreeSet<StorePath> {
        // Most are whole, and then one walk is enough.
        let is_known = |path: &StorePath| self.paths.contains_key(path) && there.contains(path);
        if self.closure(paths.iter().cloned()).iter().all(is_known) {
            return BTreeSet::new();
        }
        let mut unfounded: BTreeSet<StorePath> = self
            .paths
            .keys()
            .filter(|path| !there.contains(path))
            .cloned()
            .collect();
        unfounded.extend(paths.into_iter().filter(|path| !is_known(path)));
        // What needs them is not whole either.
        loop {
            let needs_one = |info: &&PathInfo| {
                !unfounded.contains(&info.path)
                    && info.references.iter().any(|r| unfounded.contains(r))
            };
            let more: Vec<StorePath> = self
                .paths
                .values()
                .filter(needs_one)
                .map(|info| info.path.clone())
                .collect();
            if more.is_empty() {
                return unfounded;
            }
            unfounded.extend(more);
        }
    }

    /// Returns the paths with all that they refer to, as far as that is known. Pure.
    #[must_use]
    pub(crate) fn closure(&self, of: impl IntoIterator<Item = StorePath>) -> BTreeSet<StorePath> {
        let mut todo: Vec<StorePath> = of.into_iter().collect();
        let mut found = BTreeSet::new();
        while let Some(path) = todo.pop() {
            if let Some(info) = self.paths.get(&path) {
                todo.extend(
                    info.references
                        .iter()
                        .filter(|r| !found.contains(*r))
                        .cloned(),
                );
            }
            found.insert(path);
        }
        found
    }
}

/// Returns those of the paths that Nix's database does not know, on a host with Nix.
///
/// # Errors
/// When Nix can't be asked.
pub(crate) fn unknown_to_nix(paths: &[StorePath]) -> Result<BTreeSet<StorePath>> {
    let mut unknown = BTreeSet::new();
    // A command line has a limit.
    for some in paths.chunks(500) {
        let output = nix_store()
            .args(["--check-validity", "--print-invalid"])
            .args(some.iter().map(StorePath::as_str))
            .output()?;
        if output.code != Some(0) {
            bail!(
                "asking Nix which paths it has: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            unknown.insert(line.parse()?);
        }
    }
    Ok(unknown)
}

/// Has Nix fetch what its substituters have of the paths. What they don't have is left out.
///
/// # Errors
/// When Nix can't be asked.
pub(crate) fn substitute(paths: &BTreeSet<StorePath>) -> Result<()> {
    let paths: Vec<&StorePath> = paths.iter().collect();
    for some in paths.chunks(500) {
        // That some can't be had is no failure: they are sent.
        let output = nix_store()
            .args(["--realise", "--keep-going", "--ignore-unknown"])
            .args(some.iter().map(|p| p.as_str()))
            .output()?;
        tracing::debug!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Makes what has arrived here known to a Nix that came later. Returns how many paths these are.
///
/// # Errors
/// When Nix does not take them.
pub(crate) fn hand_over(root: &Root) -> Result<usize> {
    let known = Database::read(root)?.paths;
    load(known.values())?;
    Ok(known.len())
}

fn load<'a>(infos: impl IntoIterator<Item = &'a PathInfo>) -> Result<()> {
    let output = nix_store()
        .arg("--load-db")
        .input(render(infos).into_bytes())
        .output()?;
    if output.code != Some(0) {
        bail!(
            "registering paths with Nix: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

/// Makes paths that are in the store and whole known there: to Nix on a host that has it, and to us elsewhere.
///
/// # Errors
/// When they can't be.
pub(crate) fn register(root: &Root, infos: &[PathInfo]) -> Result<()> {
    if infos.is_empty() {
        return Ok(());
    }
    if root.is_live() && is_of_nix(root)? {
        return load(infos);
    }
    let mut database = Database::read(root)?;
    for info in infos {
        database.paths.insert(info.path.clone(), info.clone());
    }
    database.write(root)
}

/// The host's own `nix-store`, on the store itself and not through a daemon, wherever Nix may have been installed.
pub(super) fn nix_store() -> Command {
    nix_store_by(Command::new("env"))
}

/// The same, by a command that sets variables and begins a program.
pub(super) fn nix_store_by(env: Command) -> Command {
    const FOLDERS: &str = "/nix/var/nix/profiles/default/bin:/run/current-system/sw/bin:/root/.nix-profile/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    env.arg(format!("PATH={FOLDERS}"))
        .arg("NIX_REMOTE=local")
        // Root without a daemon, which has users for builds. Nothing is built.
        .arg("NIX_CONFIG=build-users-group =")
        .arg("nix-store")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Database {
        let info = |letter: char, references: &[StorePath]| PathInfo {
            path: format!("/nix/store/{}-x", letter.to_string().repeat(32))
                .parse()
                .unwrap(),
            nar_sha256: "0".repeat(64),
            nar_size: 8,
            references: references.iter().cloned().collect(),
        };
        let a = info('a', &[]);
        let b = info('b', std::slice::from_ref(&a.path));
        let c = info('c', std::slice::from_ref(&b.path));
        Database {
            paths: [a, b, c].into_iter().map(|i| (i.path.clone(), i)).collect(),
        }
    }

    #[test]
    fn what_was_changed_or_cut_is_not_trusted() {
        let temp = tempfile::tempdir().unwrap();
        let root = Root::open(temp.path(), false).unwrap();
        assert_eq!(Database::read(&root).unwrap(), Database::default());
        if !crate::needs::is_root() {
            return;
        }
        database().write(&root).unwrap();
        assert_eq!(Database::read(&root).unwrap(), database());
        let file = temp.path().join(FILE);
        let text = std::fs::read_to_string(&file).unwrap();
        for bad in [
            "",
            "x\n",
            &text.replace("\n8\n", "\n9\n"),
            &text[..text.len() - 2],
        ] {
            std::fs::write(&file, bad).unwrap();
            assert!(Database::read(&root).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_closure_is_all_that_is_needed_and_no_more() {
        let database = database();
        let paths: Vec<StorePath> = database.paths.keys().cloned().collect();
        let closure = database.closure([paths[1].clone()]);
        assert_eq!(closure.into_iter().collect::<Vec<_>>(), paths[..2]);
    }
}
