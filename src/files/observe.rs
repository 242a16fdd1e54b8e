//! Resolves what is wanted to what it will look like on disk, and looks at what that depends on: packages of the
//! distribution, and the files of the store to which links lead.
#![expect(clippy::disallowed_methods, reason = "looks at sources")]

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};

use crate::files::built::{self, Built, Originals, STORE};
use crate::files::consumers;
use crate::files::decide::{Beside, Damaged, Means, Seen, SeenVendor, Wanted, node};
use crate::files::record::{FilesRecord, OwnedFile};
use crate::files::vendor::{self, Vendors};
use crate::files::wanted::{Desired, Want};
use crate::host::fs::{Root, open_source, type_of};
use crate::model::conflict::Conflict;
use crate::model::in_order::InOrder;
use crate::model::manifest::EtcMode;
use crate::model::names::TargetPath;
use crate::model::node::{Node, sha256_of};
use crate::model::owners::Owners;
use crate::model::text::Text;
use crate::nix;

/// The mode of a copy that takes the place of a link.
const LIKE_A_LINK: u32 = 0o644;

/// The remedy for what is missing in the store.
pub(crate) const INCOMPLETE: &str = "the closure is incomplete; build or copy it again";

/// What the resolution of what is wanted needs to know.
pub(crate) struct Known<'a> {
    /// Names of owners.
    pub owners: &'a Owners,
    /// What is owned.
    pub record: &'a FilesRecord,
    /// What package managers know of what is wanted.
    pub vendors: &'a Vendors,
    /// What the generation that is wanted has once more.
    pub originals: &'a Originals,
}

/// Resolves what is wanted to what it will look like on disk.
///
/// A source in the store never changes, so its hash is taken from the record where that has it.
///
/// # Errors
/// When a source can't be read. Owners that do not exist are conflicts.
pub(crate) fn resolve_wanted(
    desired: &Desired,
    known: &Known<'_>,
) -> Result<(BTreeMap<TargetPath, Wanted>, Vec<Conflict>)> {
    let mut wanted = Vec::with_capacity(desired.len());
    let mut conflicts = Vec::new();
    let mut owned = InOrder::of(&known.record.entries);
    for (target, want) in desired {
        match known.resolve(target, want, owned.find(target))? {
            Ok(found) => wanted.push((target.clone(), found)),
            Err(conflict) => conflicts.push(conflict),
        }
    }
    // In order, so that the map is built at once.
    Ok((wanted.into_iter().collect(), conflicts))
}

impl Known<'_> {
    fn resolve(
        &self,
        target: &TargetPath,
        want: &Want,
        owned: Option<&OwnedFile>,
    ) -> Result<Result<Wanted, Conflict>> {
        let mut wanted = Wanted {
            node: Node::Link {
                to: want.source.clone(),
            },
            source: want.source.clone(),
            replace_existing: want.replace_existing,
            built: None,
            why_copy: None,
            alike: None,
        };
        let in_store = want.source.starts_with(STORE);
        let copied = match want.mode {
            EtcMode::Copy(mode) => Some((mode, None)),
            EtcMode::Symlink if in_store => self
                .copied(target, want)?
                .map(|(mode, why)| (mode, Some(why))),
            EtcMode::Symlink | EtcMode::DirectSymlink => None,
        };
        let Some((mode, why_copy)) = copied else {
            if in_store {
                wanted.built = self.built(target, want, owned)?;
                wanted.alike = alike(&wanted);
            }
            return Ok(Ok(wanted));
        };
        wanted.why_copy = why_copy;
        let (Some(uid), Some(gid)) = (self.owners.uid(want.user), self.owners.gid(want.group))
        else {
            return Ok(Err(self.without_owner(target, want)));
        };
        wanted.node = Node::File {
            sha256: content(target, want, owned)?,
            mode,
            uid,
            gid,
        };
        Ok(Ok(wanted))
    }

    /// Returns mode and reason of the copy that takes the place of a link, where it must be one.
    fn copied(&self, target: &TargetPath, want: &Want) -> Result<Option<(u32, String)>> {
        let found = type_of(Path::new(&want.source))?;
        if !found.is_some_and(|found| found.is_file()) {
            return Ok(None);
        }
        let consumer = consumers::find(target).map(|c| (c.mode, c.why.to_owned()));
        Ok(consumer.or_else(|| {
            let vendor = self.vendors.get(target).filter(|vendor| vendor.is_config)?;
            let why = format!("it is a conffile of the package `{}`", vendor.package);
            Some((LIKE_A_LINK, why))
        }))
    }

    fn without_owner(&self, target: &TargetPath, want: &Want) -> Conflict {
        let what = if self.owners.uid(want.user).is_none() {
            format!("user `{}`", want.user)
        } else {
            format!("group `{}`", want.group)
        };
        Conflict {
            subject: format!("/etc/{target}"),
            cause: format!("belongs to the {what}, which does not exist"),
            remedy: "create it, declare it in the configuration, or set another owner".to_owned(),
        }
    }

    /// Reads what a link leads to, or takes it from the record.
    fn built(
        &self,
        target: &TargetPath,
        want: &Want,
        owned: Option<&OwnedFile>,
    ) -> Result<Option<Built>> {
        let placed = owned.and_then(|o| o.placed.is.as_ref());
        if let Some(placed) = placed.filter(|p| p.source == want.source && is_link(&p.node)) {
            return Ok(placed.built.clone());
        }
        built::read_built(&want.source, || self.originals.built(target))
            .with_context(|| format!("reading the source of /etc/{target}"))
    }
}

/// Returns the hash of a source, from the record where that has it.
fn content(target: &TargetPath, want: &Want, owned: Option<&OwnedFile>) -> Result<String> {
    let in_store = want.source.starts_with(STORE);
    let owned = owned.filter(|o| in_store && o.source() == Some(&want.source));
    if let Some(Node::File { sha256, .. }) = owned.map(OwnedFile::node) {
        return Ok(sha256.clone());
    }
    open_source(&want.source)
        .and_then(|file| Ok(sha256_of(file)?))
        .with_context(|| {
            let hint = if in_store {
                INCOMPLETE
            } else {
                "the source of an entry must exist when it is activated"
            };
            format!("reading {} for /etc/{target}\nhint: {hint}", want.source)
        })
}

/// Returns the file that shows what a link to the store shows: readable by all, root's, and a program where that is one.
fn alike(wanted: &Wanted) -> Option<Node> {
    let built = wanted.built.as_ref().filter(|_| wanted.replace_existing)?;
    let is_program = std::fs::metadata(&wanted.source).is_ok_and(|m| m.mode() & 0o111 != 0);
    Some(Node::File {
        sha256: built.sha256.clone(),
        mode: if is_program { 0o755 } else { LIKE_A_LINK },
        uid: 0,
        gid: 0,
    })
}

fn is_link(is: &Node) -> bool {
    matches!(is, Node::Link { .. })
}

/// Reads what package managers know of what is wanted, and of what is to be put back.
///
/// # Errors
/// When a database exists and can't be read.
pub(crate) fn read_vendors(
    root: &Root,
    desired: &Desired,
    record: &FilesRecord,
) -> Result<Vendors> {
    let of_packages = record.entries.iter().filter(|(_, o)| o.package.is_some());
    let targets = desired.keys().chain(of_packages.map(|(target, _)| target));
    vendor::read_conffiles(root, targets)
}

/// Adds to what was seen whose files are in the way or to be put back, and whether they are as they were shipped.
///
/// # Errors
/// When a database or a file can't be read.
pub(crate) fn look_at_packages(
    root: &Root,
    desired: &Desired,
    record: &FilesRecord,
    vendors: &Vendors,
    seen: &mut Seen,
) -> Result<()> {
    let files = seen.nodes.iter();
    let files = files.filter(|(_, node)| matches!(node, Node::File { .. }));
    let in_the_way = files.filter(|(target, _)| {
        desired.contains_key(*target) && !record.entries.contains_key(*target)
    });
    let put_back = record.entries.iter().filter(|(target, o)| {
        o.package.is_some() && o.backup.is_some() && !desired.contains_key(*target)
    });
    let targets = in_the_way.map(|(target, _)| target);
    let targets: BTreeSet<TargetPath> = targets
        .chain(put_back.map(|(target, _)| target))
        .cloned()
        .collect();
    let targets: BTreeSet<&TargetPath> = targets.iter().collect();
    let others = vendor::read_others(root, &targets, vendors)?;
    for target in targets {
        let Some(vendor) = vendors.get(target).or_else(|| others.get(target)) else {
            continue;
        };
        let is_pristine = vendor
            .is_pristine(root, target, node(seen, target))
            .with_context(|| format!("comparing /etc/{target} with the packaged version"))?;
        let package = vendor.package.clone();
        let vendor = SeenVendor {
            package,
            is_pristine,
        };
        seen.vendors.insert(target.clone(), vendor);
    }
    Ok(())
}

/// Finds what package managers have left beside managed files: `.dpkg-dist`, `.rpmnew` and their kin. dpkg and ucf leave it
/// beside files that they know, of which rpm's are not looked up: with rpm, all folders are.
///
/// # Errors
/// When a folder or a database can't be read.
pub(crate) fn find_beside(
    root: &Root,
    desired: &Desired,
    record: &FilesRecord,
    vendors: &Vendors,
) -> Result<Vec<Beside>> {
    let has_rpm = vendor::has_rpm(root)?;
    let managed = desired.keys().chain(record.entries.keys());
    let watched: BTreeSet<&TargetPath> = managed
        .filter(|target| has_rpm || vendors.contains_key(*target))
        .collect();
    let found = vendor::find_beside(root, watched)?;
    let targets: BTreeSet<&TargetPath> = found.keys().collect();
    let others = vendor::read_others(root, &targets, vendors)?;
    let all = found.into_iter().flat_map(|(target, files)| {
        let vendor = vendors.get(&target).or_else(|| others.get(&target));
        let package = vendor.map(|vendor| vendor.package.clone());
        files.into_iter().map(move |path| Beside {
            target: target.clone(),
            path,
            package: package.clone(),
        })
    });
    Ok(all.collect())
}

/// Finds the files of the store that are not what was built, of those to which links lead, by the text of the link.
///
/// # Errors
/// When one can't be read.
pub(crate) fn look_at_store(
    wanted: &BTreeMap<TargetPath, Wanted>,
    record: &FilesRecord,
    originals: &[Originals],
) -> Result<BTreeMap<Text, Damaged>> {
    let mut found = BTreeMap::new();
    let new = wanted.iter().map(|(target, w)| (target, &w.node, &w.built));
    let owned = record.entries.iter().filter_map(|(target, o)| {
        let placed = o.placed.is.as_ref()?;
        Some((target, &placed.node, &placed.built))
    });
    for (target, is, built) in new.chain(owned) {
        let Node::Link { to } = is else { continue };
        if !to.starts_with(STORE) || found.contains_key(to) {
            continue;
        }
        let Some(damage) = built::find_damage(to, built.as_ref())? else {
            continue;
        };
        let means = find_means(target, to, built.as_ref(), originals)?;
        let damaged = Damaged {
            damage,
            built: built.clone(),
            means,
        };
        found.insert(to.clone(), damaged);
    }
    Ok(found)
}

fn find_means(
    target: &TargetPath,
    path: &str,
    built: Option<&Built>,
    originals: &[Originals],
) -> Result<Option<Means>> {
    for originals in originals {
        let original = originals.built(target)?;
        if original.is_some() && (built.is_none() || original.as_ref() == built) {
            let toplevel = originals.toplevel().to_owned();
            return Ok(Some(Means::Original { toplevel }));
        }
    }
    let store_path = built::store_path(&built::place_of(path));
    Ok(store_path
        .filter(|path| nix::is_valid(path))
        .map(|_| Means::Nix))
}
