//! Reads the places of the host's basics, and the name of the running host.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::errno::Errno;

use crate::basics::decide::{Seen, SeenPlace};
use crate::basics::places;
use crate::basics::record::BasicsRecord;
use crate::host::fs::Root;
use crate::host::process::Command;
use crate::model::manifest::Basics;
use crate::model::names::{FileName, TargetPath};
use crate::model::node::Node;
use crate::store::backups;
use crate::store::owned::Owns as _;

/// How long `locale -a` may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Reads the basics of a host; nothing where none are wanted or ours.
///
/// # Errors
/// When a place can't be read.
pub(crate) fn observe(
    root: &Root,
    wanted: &Basics,
    record: &BasicsRecord,
    is_debian: bool,
) -> Result<Seen> {
    if wanted.is_empty() && record.is_empty() {
        return Ok(Seen::default());
    }
    let mut found = BTreeMap::new();
    for target in places::ALL {
        let target: TargetPath = target.parse()?;
        let backup = record.places.get(&target).and_then(|p| p.backup.as_ref());
        let place = look_at(root, &target, backup)?;
        found.insert(target, place);
    }
    let copies = record.backups().into_iter();
    let backups = copies.map(|id| Ok((id.clone(), backups::node(root, id)?)));
    let has_zone = match &wanted.time_zone {
        None => true,
        Some(zone) => {
            let found = root.stat_in_root(Path::new(&format!("{}{zone}", places::ZONES)));
            match found {
                // What is no path of a zone is told by the decision.
                Err(e) if matches!(e.downcast_ref(), Some(Errno::EINVAL | Errno::ENAMETOOLONG)) => {
                    false
                }
                found => found?.is_some(),
            }
        }
    };
    Ok(Seen {
        places: found,
        backups: backups.collect::<Result<_>>()?,
        name: root.is_live().then(name).transpose()?,
        has_zone,
        is_debian,
    })
}

fn look_at(root: &Root, target: &TargetPath, backup: Option<&FileName>) -> Result<SeenPlace> {
    let path = target.in_etc();
    let node = root.node(&path)?;
    let text = match node {
        Node::File { .. } => read(root, &path)?,
        _ => String::new(),
    };
    let before = match backup.map(backups::path) {
        Some(copy) if matches!(root.node(&copy)?, Node::File { .. }) => Some(read(root, &copy)?),
        _ => None,
    };
    let has_folder = match path.parent() {
        Some(folder) => root.node(folder)? == Node::Folder,
        None => true,
    };
    Ok(SeenPlace {
        node,
        text,
        before,
        has_folder,
    })
}

fn read(root: &Root, path: &Path) -> Result<String> {
    let bytes = root.read(path)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns the name of the running host.
///
/// # Errors
/// When the kernel does not say.
pub(crate) fn name() -> Result<String> {
    let name = nix::unistd::gethostname().context("asking for the host's name")?;
    Ok(name.to_string_lossy().into_owned())
}

/// Returns what is odd about what is wanted of the running host.
pub(crate) fn warnings(wanted: &Basics, is_debian: bool) -> Vec<String> {
    let there = if wanted.locale.is_empty() {
        None
    } else {
        locales()
    };
    let missing = there.map(|there| places::missing_locales(wanted, &there));
    let remedy = if is_debian {
        "uncomment it in /etc/locale.gen and run `locale-gen` (package `locales`)"
    } else {
        "install its language package, such as `glibc-langpack-de`"
    };
    let say = |name| {
        format!("this host does not have the locale `{name}`, so programs use English: {remedy}")
    };
    missing.unwrap_or_default().into_iter().map(say).collect()
}

/// Returns the locales that the running host has; none where it can't tell.
pub(crate) fn locales() -> Option<Vec<String>> {
    // A host without that program has its reasons; this is only for a warning.
    let output = Command::new("locale")
        .args(["-a"])
        .limit(LIMIT)
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.code == Some(0)).then(|| text.lines().map(str::to_owned).collect())
}
