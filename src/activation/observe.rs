//! What is there: everything that the plan is decided from, read once and never changed here.
#![expect(clippy::disallowed_methods, reason = "reads the host")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::errno::Errno;

use crate::activation::install::Manager;
use crate::activation::journal::{self, Interrupted};
use crate::activation::kinds;
use crate::activation::plan::Plan;
use crate::activation::state::State;
use crate::activation::takeover::{self, Takeover};
use crate::files::decide::{Access, FOLDER_MODE, Seen, node};
use crate::files::wanted::Desired;
use crate::host::fs::{Room, Root};
use crate::model::conflict::Conflict;
use crate::model::manifest::{HostRequirement, Manifest};
use crate::model::names::{TargetPath, folders_above};
use crate::model::node::{Id, Kind, Node};
use crate::store::backups;
use crate::store::kind::Size;
use crate::store::owned::Owns;
use crate::tmpfiles;
use crate::tmpfiles::line::{Parsed, parse_line};

/// The host as it is.
#[derive(Debug)]
pub(crate) struct Observed {
    /// The settled state.
    pub state: State,
    /// What is there of each kind.
    pub seen: kinds::Seen,
    /// What an interrupted activation still owed.
    pub interrupted: Option<Interrupted>,
    /// What another program has left that becomes ours.
    pub takeover: Option<Takeover>,
    /// Whether accounts may still have shells that go with that program.
    pub takes_shells: bool,
    /// Which distribution it is: `debian`, `fedora`, or the `ID` of os-release(5).
    pub family: String,
}

/// Reads what is there for everything that is wanted, or owned by this state, which it settles.
///
/// # Errors
/// When anything can't be read; unreadable is never taken for absent.
pub(crate) fn read_host(root: &Root, mut state: State, desired: &Desired) -> Result<Observed> {
    let takeover = takeover::find(root, &mut state, desired)?;
    let interrupted = journal::read(root)?;
    let mut seen = Seen::default();
    let targets: BTreeSet<&TargetPath> = desired
        .keys()
        .chain(state.files.entries.keys())
        .chain(state.files.folders.keys())
        .collect();
    let folders = folders_above(targets.iter().copied());
    // In order, so that the map is built at once.
    let read = |target: &TargetPath| Ok((target.clone(), root.node(&target.in_etc())?));
    let targets = targets
        .into_iter()
        .filter(|target| !folders.contains(*target));
    let nodes: Vec<(TargetPath, Node)> = targets.map(read).collect::<Result<_>>()?;
    let above = folders.iter().map(read).collect::<Result<Vec<_>>>()?;
    seen.nodes = nodes.into_iter().chain(above).collect();
    let needed = folders_above(desired.keys());
    for folder in state.files.folders.keys().filter(|f| !needed.contains(*f)) {
        seen.listings
            .insert(folder.clone(), root.list(&folder.in_etc())?);
    }
    seen.changed_folders = find_changed_folders(root, &state)?;
    if !seen.changed_folders.is_empty() {
        leave_to_rules(root, desired, &state, &mut seen)?;
    }
    for id in state.files.backups() {
        seen.backups.insert(id.clone(), backups::node(root, id)?);
    }
    for aside in takeover.iter().flat_map(|t| &t.backups) {
        let node = root.node(&aside.from.in_etc())?;
        seen.backups.insert(aside.backup.clone(), node);
    }
    seen.leftovers = find_leftovers(root, &state, &seen)?;
    let seen = kinds::Seen::read(root, &state, seen)?;
    if state.units.forget_what_boot_did(&journal::this_boot()) {
        // Its unit has run them all.
        let scripts = state.scripts.scripts.values_mut();
        scripts.for_each(|script| script.finished = true);
    }
    state.settle(&seen);
    if let Some(interrupted) = &interrupted {
        let boot = journal::this_boot();
        let is_same_boot = !boot.is_empty() && boot == interrupted.boot;
        state.scripts.settle(&interrupted.scripts, is_same_boot);
    }
    let takes_shells = takeover::is_under_way(root, takeover.is_some(), interrupted.is_some())?;
    Ok(Observed {
        state,
        seen,
        interrupted,
        takes_shells,
        takeover,
        family: read_family(root),
    })
}

/// Finds the folders of ours that have not the mode or owner with which they were made.
fn find_changed_folders(
    root: &Root,
    state: &State,
) -> Result<BTreeMap<TargetPath, (Access, Access)>> {
    // On another root, they belong to whoever made them; only root's are known.
    let is_roots = root.is_live() || nix::unistd::geteuid().is_root();
    let mut changed = BTreeMap::new();
    for folder in state.files.folders.keys() {
        let Some(object) = root.object_at(&folder.in_etc())? else {
            continue;
        };
        if let (Kind::Folder, Id::Number(uid), Id::Number(gid)) =
            (&object.kind, &object.user, &object.group)
        {
            let (mode, uid, gid) = (object.mode, *uid, *gid);
            let now = Access { mode, uid, gid };
            let (uid, gid) = if is_roots { (0, 0) } else { (uid, gid) };
            let mode = FOLDER_MODE;
            let as_made = Access { mode, uid, gid };
            if now != as_made {
                changed.insert(folder.clone(), (now, as_made));
            }
        }
    }
    Ok(changed)
}

/// Drops the folders whose mode and owner others have the say of: rules of tmpfiles.d(5), dpkg-statoverride(1).
fn leave_to_rules(root: &Root, desired: &Desired, state: &State, seen: &mut Seen) -> Result<()> {
    let specifiers = tmpfiles::apply::read_specifiers(root)?;
    let mut files = tmpfiles::apply::read_ours(desired)?;
    // Those in place and those of others, whose names may be the same.
    files.extend(tmpfiles::apply::read_placed(&state.files)?);
    let foreign = tmpfiles::apply::read_foreign(root, &Desired::new(), &state.files)?;
    files.extend(foreign);
    let overridden = root
        .read_in_root(Path::new("/var/lib/dpkg/statoverride"))?
        .unwrap_or_default();
    let overridden = String::from_utf8_lossy(&overridden);
    seen.changed_folders.retain(|folder, _| {
        let path = format!("/etc/{folder}");
        let by_dpkg = overridden
            .lines()
            .any(|line| line.ends_with(&format!(" {path}")));
        let by_rule = files.iter().any(|file| {
            let lines = file.content.split(|b| *b == b'\n');
            lines
                .into_iter()
                .any(|line| match parse_line(line, &specifiers) {
                    Parsed::Rule(rule) => rule.is_about(&path),
                    // What can't be read may be about it.
                    Parsed::Unread(_) => String::from_utf8_lossy(line).contains(&path),
                    Parsed::Nothing => false,
                })
        });
        !by_dpkg && !by_rule
    });
    Ok(())
}

/// Finds what an interrupted activation has left beside what it was making.
fn find_leftovers(root: &Root, state: &State, seen: &Seen) -> Result<BTreeMap<TargetPath, String>> {
    let unmade = |folder: &TargetPath| node(seen, folder) == &Node::Absent;
    let folders = state
        .files
        .folders
        .iter()
        .filter(|(folder, f)| f.backup.is_some() || unmade(folder));
    let begun = kinds::owners(state).into_iter().flat_map(Owns::begun);
    let targets = begun.chain(folders.map(|(target, _)| target));
    let mut leftovers = BTreeMap::new();
    for target in targets {
        if let Some(name) = root.find_leftover(&target.in_etc())? {
            leftovers.insert(target.clone(), name);
        }
    }
    Ok(leftovers)
}

/// Finds the programs that the configuration relies on and the host lacks.
///
/// # Errors
/// When it can't be told whether one is there.
pub(crate) fn missing<'a>(root: &Root, manifest: &'a Manifest) -> Result<Vec<&'a HostRequirement>> {
    let mut missing = Vec::new();
    for r in &manifest.host_requirements {
        let is_there = match root.stat_in_root(Path::new(r.path.as_str())) {
            // Where nobody may look, nobody can run it either.
            Err(e) if matches!(e.downcast_ref(), Some(Errno::EACCES)) => false,
            found => found?.is_some(),
        };
        if !is_there {
            missing.push(r);
        }
    }
    Ok(missing)
}

/// Tells what forbids an activation for want of programs.
///
/// # Errors
/// When it can't be told whether one is there.
pub(crate) fn missing_programs(
    root: &Root,
    manifest: &Manifest,
    family: &str,
) -> Result<Vec<Conflict>> {
    let missing = missing(root, manifest)?.into_iter();
    let conflicts = missing.map(|r| Conflict {
        subject: r.path.to_string(),
        cause: format!(
            "the host package `{}` needs it, but it is not installed",
            r.package
        ),
        remedy: install_command(r, family),
    });
    Ok(conflicts.collect())
}

fn install_command(requirement: &HostRequirement, family: &str) -> String {
    match (requirement.install.get(family), Manager::of(family)) {
        (Some(package), Some(manager)) => manager.command([package.as_str()]),
        _ => "install it with the distribution's package manager".to_owned(),
    }
}

/// Names the distribution's family by os-release(5), which tells its package manager.
pub(crate) fn read_family(root: &Root) -> String {
    let text = ["etc/os-release", "usr/lib/os-release"]
        .iter()
        .find_map(|p| root.read_in_root(Path::new(p)).ok().flatten())
        .unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let value = |key: &str| {
        text.lines()
            .find_map(|l| l.strip_prefix(key))
            .map(|v| v.trim_matches('"').to_owned())
            .unwrap_or_default()
    };
    let like = format!("{} {}", value("ID="), value("ID_LIKE="));
    ["debian", "fedora"]
        .into_iter()
        .find(|f| like.split_whitespace().any(|w| w == *f))
        .map_or_else(|| value("ID="), str::to_owned)
}

/// Finds what keeps the files of a plan from being written: a read-only file system, an immutable file, no room.
///
/// # Errors
/// When a source, a file, or a file system can't be looked at.
pub(crate) fn obstacles(root: &Root, plan: &Plan) -> Result<Vec<Conflict>> {
    let places = PLACES.map(Path::new);
    let mounts = root.read_mounts()?;
    let paths: BTreeSet<PathBuf> = plan.touches().map(|t| t.target.in_etc()).collect();
    let mut found = BTreeSet::new();
    for path in places.into_iter().chain(paths.iter().map(PathBuf::as_path)) {
        if let Some(obstacle) = root.find_obstacle(path, &mounts)? {
            found.insert(Conflict {
                subject: root.show(&obstacle.at).display().to_string(),
                cause: obstacle.cause.to_owned(),
                remedy: obstacle.remedy,
            });
        }
    }
    let needed = find_needed(root, plan)?;
    found.extend(
        needed
            .into_iter()
            .filter_map(|needed| needed.conflict(root)),
    );
    Ok(found.into_iter().collect())
}

/// Has each file system set aside the room that a plan needs, and give it back: a quota is seen in no other way.
///
/// # Errors
/// When one has not the room.
pub(crate) fn try_room(root: &Root, plan: &Plan) -> Result<()> {
    for Needed { at, bytes, .. } in find_needed(root, plan)? {
        root.try_room(&at.join("x"), bytes)?;
    }
    Ok(())
}

/// Finds what a plan writes to each file system.
fn find_needed(root: &Root, plan: &Plan) -> Result<Vec<Needed>> {
    let mut needed: BTreeMap<u64, Needed> = BTreeMap::new();
    let mut add = |path: &Path, bytes: u64, files: u64| -> Result<()> {
        let left = root.room_at(path)?;
        let entry = needed.entry(left.device).or_insert_with(|| Needed {
            // The state and the journal need some room too.
            bytes: 1 << 20,
            files: 16,
            room: left,
            at: path.parent().unwrap_or(path).to_owned(),
        });
        entry.bytes = entry.bytes.saturating_add(bytes);
        entry.files = entry.files.saturating_add(files);
        Ok(())
    };
    for place in PLACES {
        add(Path::new(place), 0, 0)?;
    }
    for (path, bytes) in written(root, plan)? {
        add(&path, bytes, 1)?;
    }
    Ok(needed.into_values().collect())
}

/// Where each activation writes.
const PLACES: [&str; 2] = ["etc/x", "var/lib/x"];

/// What a plan writes to a file system.
struct Needed {
    bytes: u64,
    files: u64,
    room: Room,
    at: PathBuf,
}

impl Needed {
    fn conflict(self, root: &Root) -> Option<Conflict> {
        let Room { bytes, files, .. } = self.room;
        (bytes < self.bytes || files < self.files).then(|| Conflict {
            subject: root.show(&self.at).display().to_string(),
            cause: format!("has not enough room: {bytes} bytes and {files} files are free"),
            remedy: "free some space".to_owned(),
        })
    }
}

/// The files that a plan writes, with their sizes.
fn written(root: &Root, plan: &Plan) -> Result<Vec<(PathBuf, u64)>> {
    let mut written = Vec::new();
    for touch in plan.touches() {
        let path = touch.target.in_etc();
        let now = || match root.node(&path)? {
            Node::Absent | Node::Blocked { .. } => Ok(0),
            _ => root.size(&path),
        };
        if touch.kept.is_some() {
            written.push((Path::new(backups::FOLDER).join("x"), now()?));
        }
        let size = match touch.size {
            Size::Bytes(bytes) => bytes,
            Size::More(bytes) => now()? + bytes,
            Size::Of(source) => std::fs::metadata(source)
                .with_context(|| format!("reading {source}"))?
                .len(),
        };
        written.push((path, size));
    }
    Ok(written)
}
