//! What toplevels come with: their packages and their size, by what is known of the paths that they need.

use std::collections::BTreeMap;
use std::thread::JoinHandle;

use anyhow::{Result, bail};

use super::database::Database;
use super::info::{PathInfo, StorePath, parse};
use crate::host::fs::Root;
use crate::host::threads;
use crate::model::names::AbsolutePath;
use crate::model::packages::{Packages, Size, packages_of};
use crate::nix::{BuildOptions, nix};

/// The length of the hash of a store path with the dash after it.
const HASH: usize = 33;

/// What is known of paths.
type Infos = BTreeMap<StorePath, PathInfo>;

/// What is in a closure.
pub(crate) type Inside = (Packages, Size);

/// A question about closures that is being answered, beside what else goes on.
pub(crate) struct Question {
    wanted: Vec<(AbsolutePath, StorePath)>,
    known: Database,
    asked: Option<JoinHandle<Infos>>,
}

impl Question {
    /// Waits for the answer, which has what is known.
    #[must_use]
    pub(crate) fn answer(self) -> BTreeMap<AbsolutePath, Inside> {
        let Self {
            wanted,
            mut known,
            asked,
        } = self;
        if let Some(asked) = asked {
            let infos = asked.join();
            known
                .paths
                .extend(infos.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        wanted
            .into_iter()
            .filter(|(_, path)| known.paths.contains_key(path))
            .map(|(toplevel, path)| {
                let inside = inside(&known, path);
                (toplevel, inside)
            })
            .collect()
    }
}

/// Asks what is in the closures of these toplevels: our own record, or Nix, which takes as long as much else that a plan needs.
#[must_use]
pub(crate) fn ask<'a>(
    root: &Root,
    toplevels: impl IntoIterator<Item = &'a AbsolutePath>,
) -> Question {
    let wanted: Vec<(AbsolutePath, StorePath)> = toplevels
        .into_iter()
        .filter_map(|toplevel| Some((toplevel.clone(), toplevel.as_str().parse().ok()?)))
        .collect();
    let (mut known, missing) = read_record(root, wanted.iter().map(|(_, path)| path));
    let mut asked = None;
    if !missing.is_empty() {
        let question = missing.clone();
        match threads::begin("that asks Nix", move || ask_nix(&question)) {
            Ok(thread) => asked = Some(thread),
            // No room for one more thread.
            Err(_) => known.paths.extend(ask_nix(&missing)),
        }
    }
    Question {
        wanted,
        known,
        asked,
    }
}

/// Returns what is in the closures of these toplevels, as far as it is known: by our own record, or by Nix.
#[must_use]
pub(crate) fn read<'a>(
    root: &Root,
    toplevels: impl IntoIterator<Item = &'a AbsolutePath>,
) -> BTreeMap<AbsolutePath, Inside> {
    ask(root, toplevels).answer()
}

/// Returns how much the first of these need that the others don't; none where nobody knows all of them.
#[must_use]
pub(crate) fn only_in(root: &Root, gone: &[AbsolutePath], kept: &[AbsolutePath]) -> Option<Size> {
    let paths = |of: &[AbsolutePath]| -> Option<Vec<StorePath>> {
        of.iter().map(|path| path.as_str().parse().ok()).collect()
    };
    let (gone, kept) = (paths(gone)?, paths(kept)?);
    let known = read_known(root, gone.iter().chain(&kept));
    let is_known = |path| known.paths.contains_key(path);
    if !gone.iter().chain(&kept).all(is_known) {
        return None;
    }
    let needed = known.closure(kept);
    let freed = known.closure(gone);
    let freed: Vec<&PathInfo> = freed
        .difference(&needed)
        .filter_map(|path| known.paths.get(path))
        .collect();
    Some(Size {
        paths: freed.len(),
        bytes: freed.iter().map(|info| info.nar_size).sum(),
    })
}

fn read_known<'a>(root: &Root, wanted: impl Iterator<Item = &'a StorePath>) -> Database {
    let (mut known, missing) = read_record(root, wanted);
    known.paths.extend(ask_nix(&missing));
    known
}

/// Reads our own record; also returns what it lacks.
fn read_record<'a>(
    root: &Root,
    wanted: impl Iterator<Item = &'a StorePath>,
) -> (Database, Vec<StorePath>) {
    // What can't be read is only not told; nothing is decided by it.
    let known = Database::read(root).unwrap_or_default();
    let missing = wanted
        .filter(|path| !known.paths.contains_key(path))
        .cloned()
        .collect();
    (known, missing)
}

fn inside(known: &Database, toplevel: StorePath) -> Inside {
    let closure = known.closure([toplevel]);
    let infos = closure.iter().filter_map(|path| known.paths.get(path));
    let size = Size {
        paths: closure.len(),
        bytes: infos.map(|info| info.nar_size).sum(),
    };
    let names = closure.iter().map(|path| &path.name()[HASH..]);
    (packages_of(names), size)
}

/// Asks Nix about all at once, or where it does not know one of them any more, about each.
fn ask_nix(toplevels: &[StorePath]) -> Infos {
    if toplevels.is_empty() {
        return Infos::new();
    }
    let each = || {
        let answers = toplevels.chunks(1).filter(|_| toplevels.len() > 1);
        answers.filter_map(|path| query(path).ok()).flatten()
    };
    match query(toplevels) {
        Ok(infos) => infos.into_iter().map(|i| (i.path.clone(), i)).collect(),
        Err(error) => {
            tracing::debug!("what {} toplevels need: {error:#}", toplevels.len());
            each().map(|i| (i.path.clone(), i)).collect()
        }
    }
}

fn query(toplevels: &[StorePath]) -> Result<Vec<PathInfo>> {
    let ask = |arguments: &[&str], paths: &[&str]| -> Result<String> {
        let output = nix("nix-store", true, &BuildOptions::default())
            .args(arguments.iter().copied())
            .args(paths.iter().copied())
            .output()?;
        if output.code != Some(0) {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let named: Vec<&str> = toplevels.iter().map(StorePath::as_str).collect();
    let needed = ask(&["--query", "--requisites"], &named)?;
    let needed: Vec<&str> = needed.lines().collect();
    let mut infos = Vec::new();
    // A command line has a limit.
    for some in needed.chunks(500) {
        infos.extend(parse(&ask(&["--dump-db"], some)?)?);
    }
    Ok(infos)
}
