//! What nothing needs any more goes, exactly: of the paths that arrived here, those to which nothing leads from what is
//! active, a generation, a run under way, a link that keeps paths alive, or a process that runs.

#![expect(clippy::disallowed_methods, reason = "reads what is needed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::database::{Database, nix_store, nix_store_by};
use super::info::StorePath;
use super::receive::remove_tree;
use super::{Holding, folder, hold, is_of_nix};
use crate::host::fs::Root;
use crate::host::fs::writable::lift_read_only;
use crate::host::process::Command;
use crate::model::names::AbsolutePath;
use crate::store::pending::Lasting;
use crate::store::{self, generations, history};

/// Folders of links that keep what they lead to, with all below them.
const LINKS: [&str; 3] = [
    "nix/var/nix/gcroots",
    "nix/var/nix/profiles",
    "run/booted-system",
];

/// What went, or would go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Collected {
    /// Format version.
    pub version: u32,
    /// Generations that went before, so that their paths are needed no more.
    pub generations: Vec<u64>,
    /// The paths.
    pub paths: Vec<StorePath>,
    /// How many bytes they take on the disk.
    pub bytes: u64,
    /// Whether they are still there.
    pub dry_run: bool,
    /// How many paths in the store arrived by other means, and are left alone.
    pub foreign: usize,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asked<'a> {
    /// Whether nothing is removed, only told.
    pub dry_run: bool,
    /// Generations that count as forgotten, though they are there.
    pub without: &'a [u64],
}

/// Removes what nothing needs.
///
/// # Errors
/// When what is needed can't be told for certain; nothing is removed then.
pub(crate) fn collect(
    root: &Root,
    active: Option<&AbsolutePath>,
    asked: Asked<'_>,
) -> Result<Collected> {
    let Asked { dry_run, without } = asked;
    if is_of_nix(root)? {
        return collect_by_nix(root, active, asked);
    }
    let _held = hold(root, Holding::Alone)?;
    let mut database = Database::read(root)?;
    let live = database.closure(roots(root, active, without)?);
    let dead: Vec<StorePath> = database
        .paths
        .keys()
        .filter(|path| !live.contains(*path))
        .cloned()
        .collect();
    let mut bytes = 0;
    for path in &dead {
        bytes += size(&folder(root).join(path.name()))?;
    }
    let foreign = foreign(root, &database)?;
    if !dry_run && !dead.is_empty() {
        if root.is_live() {
            lift_read_only(&folder(root))?;
        }
        // First they are not vouched for any more: what a kill leaves half removed is not taken for whole.
        for path in &dead {
            database.paths.remove(path);
        }
        database.write(root)?;
        for path in &dead {
            remove_tree(&folder(root).join(path.name()))?;
        }
    }
    Ok(Collected {
        version: 1,
        generations: Vec::new(),
        paths: dead,
        bytes,
        dry_run,
        foreign,
    })
}

/// Where Nix finds what we need, while it collects; what an earlier run has left there goes with the next.
const KEPT: &str = "nix/var/nix/gcroots/system-manager-needs";

/// Has Nix remove what nothing needs, with what we need among its roots meanwhile.
fn collect_by_nix(
    root: &Root,
    active: Option<&AbsolutePath>,
    asked: Asked<'_>,
) -> Result<Collected> {
    if !root.is_live() {
        bail!(
            "the store of this root is managed by Nix, which collects that of the system that runs\nhint: boot it, and run this there"
        );
    }
    let _held = hold(root, Holding::Alone)?;
    let kept = Path::new(KEPT);
    root.make_folders(kept)?;
    for path in roots(root, active, asked.without)? {
        root.write_link(&kept.join(path.name()), &path.to_string())?;
    }
    let collected = ask_nix(root, asked);
    for name in root.list(kept)? {
        root.remove_file(&kept.join(name))?;
    }
    root.remove_folder(kept)?;
    root.sync()?;
    collected
}

fn ask_nix(root: &Root, asked: Asked<'_>) -> Result<Collected> {
    let Asked { dry_run, without } = asked;
    let nix = if without.is_empty() {
        nix_store()
    } else {
        without_generations(root)
    };
    let dead = nix.args(["--quiet", "--gc", "--print-dead"]).stdout()?;
    let at = |path: &StorePath| folder(root).join(path.name());
    let mut sizes = BTreeMap::new();
    for path in dead.lines().filter_map(StorePath::of) {
        let bytes = size(&at(&path))?;
        sizes.insert(path, bytes);
    }
    if !dry_run {
        nix_store().args(["--quiet", "--gc"]).stdout()?;
        // What it has left, it says on its own: another process has begun to need it.
        sizes.retain(|path, _| fs::symlink_metadata(at(path)).is_err());
    }
    Ok(Collected {
        version: 1,
        generations: Vec::new(),
        bytes: sizes.values().sum(),
        paths: sizes.into_keys().collect(),
        dry_run,
        foreign: 0,
    })
}

/// A Nix that sees no generations. What those that stay need is among its other roots already.
fn without_generations(root: &Root) -> Command {
    let profiles = root.show(Path::new(generations::FOLDER));
    let hide = "mount -t tmpfs none \"$0\"; exec \"$@\"";
    let unshare = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-euc", hide])
        .arg(profiles)
        .arg("env");
    nix_store_by(unshare)
}

/// Returns the links of generations.
fn links_of(root: &Root, numbers: &[u64]) -> BTreeSet<PathBuf> {
    let links = numbers.iter().map(|number| generations::link_path(*number));
    links.map(|link| root.show(&link)).collect()
}

/// Returns what is needed by itself.
fn roots(
    root: &Root,
    active: Option<&AbsolutePath>,
    without: &[u64],
) -> Result<BTreeSet<StorePath>> {
    let mut roots = BTreeSet::new();
    let forgotten = links_of(root, without);
    let all = generations::read(root)?.into_iter();
    for generation in all.filter(|g| !without.contains(&g.number)) {
        roots.extend(StorePath::of(generation.toplevel.as_str()));
    }
    if let Some(active) = active {
        roots.extend(StorePath::of(active.as_str()));
    }
    // What is recorded of files, of a run that goes on, was interrupted or waits to be confirmed: each path in there is
    // needed. A run that has ended needs nothing.
    let records = Lasting::ALL.map(|lasting| walk(&root.show(lasting.folder())));
    for file in records.into_iter().collect::<Result<Vec<_>>>()?.concat() {
        let has_ended = file.with_file_name("ended.json").exists();
        let is_record = file.extension().is_some_and(|e| e == "json") || file.ends_with("journal");
        // What was active once is told, and not kept for it.
        let is_past = file.ends_with(history::FILE);
        if is_record && !has_ended && !is_past {
            let text = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
            // A state that can't be trusted says nothing of what is needed.
            if file.ends_with("state.json") {
                store::checked::version(&text)
                    .with_context(|| format!("reading {}", file.display()))?;
            }
            roots.extend(paths_in(&text));
        }
    }
    // What comes back when what is of this boot only goes.
    let before = Path::new(store::EPHEMERAL.trim_start_matches('/')).join(store::EPHEMERAL_BEFORE);
    let before = root.read(&before)?.unwrap_or_default();
    roots.extend(paths_in(&before));
    for folder in LINKS {
        let links = walk(&root.show(Path::new(folder)))?.into_iter();
        for link in links.filter(|link| !forgotten.contains(link)) {
            if let Ok(target) = fs::read_link(&link) {
                roots.extend(target.to_str().and_then(StorePath::of));
            }
        }
    }
    // Links in /etc may be of an activation that recorded nothing.
    for link in walk(&root.show(Path::new("etc")))? {
        if let Ok(target) = fs::read_link(&link) {
            roots.extend(target.to_str().and_then(StorePath::of));
        }
    }
    if root.is_live() {
        roots.extend(running()?);
    }
    Ok(roots)
}

/// Returns the store paths that a text has.
fn paths_in(text: &[u8]) -> BTreeSet<StorePath> {
    let text = String::from_utf8_lossy(text);
    text.match_indices("/nix/store/")
        .filter_map(|(at, _)| {
            let rest = &text[at..];
            let is_end = |c: char| !(c.is_ascii_alphanumeric() || "/+-._?=".contains(c));
            StorePath::of(&rest[..rest.find(is_end).unwrap_or(rest.len())])
        })
        .collect()
}

/// Returns what processes run of the store, or have open.
fn running() -> Result<BTreeSet<StorePath>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/proc").context("listing /proc")? {
        let process = entry.context("listing /proc")?.path();
        let is_process = process
            .file_name()
            .and_then(|n| n.to_str())
            .is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
        if !is_process {
            continue;
        }
        // One that has just ended needs nothing.
        for file in ["maps", "environ", "cmdline"] {
            found.extend(paths_in(&fs::read(process.join(file)).unwrap_or_default()));
        }
        let opened = fs::read_dir(process.join("fd")).into_iter().flatten();
        let opened = opened.flatten().map(|e| e.path());
        for link in opened.chain([
            process.join("exe"),
            process.join("cwd"),
            process.join("root"),
        ]) {
            let target = fs::read_link(link).unwrap_or_default();
            found.extend(target.to_str().and_then(StorePath::of));
        }
    }
    Ok(found)
}

/// Lists all files and links at and below a path; none when it is not there.
fn walk(path: &Path) -> Result<Vec<PathBuf>> {
    if fs::symlink_metadata(path).is_err() {
        return Ok(Vec::new());
    }
    walkdir::WalkDir::new(path)
        // A link is one of those that are listed.
        .follow_root_links(false)
        .into_iter()
        .filter(|entry| entry.as_ref().map_or(true, |e| !e.file_type().is_dir()))
        .map(|entry| Ok(entry?.into_path()))
        .collect()
}

fn size(path: &Path) -> Result<u64> {
    let mut size = 0;
    if fs::symlink_metadata(path).is_err() {
        return Ok(0);
    }
    for entry in walkdir::WalkDir::new(path) {
        size += entry?.metadata()?.blocks() * 512;
    }
    Ok(size)
}

fn foreign(root: &Root, database: &Database) -> Result<usize> {
    let known: BTreeSet<&str> = database.paths.keys().map(StorePath::name).collect();
    let names = root.list(Path::new(super::STORE))?;
    Ok(names.iter().filter(|n| !known.contains(n.as_str())).count())
}
