//! How the units of a configuration meet those that the host has.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::activation::plan::Plan;
use crate::files::decide::{FileChange, FilesPlan, Verb};
use crate::files::record::FilesRecord;
use crate::files::wanted::{Desired, IsAddition};
use crate::host::fs::{Root, read_source};
use crate::model::conflict::Conflict;
use crate::model::manifest::{Manifest, Unit};
use crate::model::names::{AbsolutePath, TargetPath, UnitName};
use crate::model::node::Node;
use crate::model::text_diff;
use crate::store::backups;
use crate::units::beneath::{Listing, Scope, is_in_store};
use crate::units::decide::UnitNote;
use crate::units::file::UnitFile;
use crate::units::layers::{is_addition, lacks};
use crate::units::set::{UnitBody, UnitSet, UnitText, template_of};

/// Reads what the host has of units beneath those of a state.
///
/// # Errors
/// When a folder of units can't be listed.
pub(crate) fn read<'a>(
    root: &Root,
    scope: Scope,
    record: &FilesRecord,
    names: impl Iterator<Item = &'a String>,
) -> Result<UnitSet> {
    let is_ours = ours_by(record);
    let listing = Listing::read(&root.show(Path::new("")), scope, &is_ours)?;
    Ok(listing.read_units(&names.cloned().collect(), &is_ours))
}

/// Tells what is ours of `/etc`: what the record has, and links into the store, should it be lost.
fn ours_by(record: &FilesRecord) -> impl Fn(&str, &dyn Fn() -> Option<PathBuf>) -> bool {
    |name, link| record.entries.contains_key(name) || is_in_store(link())
}

/// Adds what is put back where ours goes: it is what the host has of these units then, be it a mask.
///
/// # Errors
/// When a backup can't be read.
pub(crate) fn add_restored(root: &Root, files: &FilesPlan, beneath: &mut UnitSet) -> Result<()> {
    let restored = files.removals.iter().filter(|c| c.verb == Verb::Restore);
    for change in restored {
        let name = change.target.as_str().strip_prefix(Scope::System.managed());
        let (Some(name), Some(backup)) = (name.and_then(|n| n.strip_prefix('/')), &change.backup)
        else {
            continue;
        };
        let text = match &change.after {
            Node::Link { to } if to == "/dev/null" => None,
            // What a link leads to nowhere says nothing.
            Node::Link { to } => Some(root.read_in_root(Path::new(to))?.unwrap_or_default()),
            _ => root.read(&Path::new(backups::FOLDER).join(backup.as_str()))?,
        };
        let body = text.map_or(UnitBody::Masked, |text| UnitBody::Text(UnitText(text)));
        match name.split_once('/') {
            None => beneath.units.entry(name.to_owned()).or_default().main = Some(body),
            Some((folder, file)) => {
                if let Some(unit) = folder.strip_suffix(".d") {
                    let unit = beneath.units.entry(unit.to_owned()).or_default();
                    unit.dropins.insert(file.to_owned(), body);
                }
            }
        }
    }
    Ok(())
}

/// Returns what tells whether a definition is an addition to a unit of the host: what could not stand alone where there is
/// one of its name. A source that can't be read is told where it is placed.
///
/// # Errors
/// When a folder of units can't be listed.
pub(crate) fn additions(
    root: &Root,
    manifest: &Manifest,
    record: &FilesRecord,
) -> Result<Box<IsAddition>> {
    let base = root.show(Path::new(""));
    let is_ours = ours_by(record);
    let list = |scope: Scope, units: &BTreeMap<UnitName, Unit>| -> Result<Listing> {
        if units.values().all(|unit| unit.source.is_none()) {
            return Ok(Listing::default());
        }
        Listing::read(&base, scope, &is_ours)
    };
    let system = list(Scope::System, &manifest.units)?;
    let user = list(Scope::User, &manifest.user_units)?;
    Ok(Box::new(
        move |folder, name: &UnitName, source: &AbsolutePath, has_template| {
            let listing = if folder == Scope::User.managed() {
                &user
            } else {
                &system
            };
            (has_template || listing.has(name.as_str()))
                && read_source(source.as_str()).is_ok_and(|text| {
                    is_addition(name.as_str(), &UnitFile::parse([text.as_slice()]))
                })
        },
    ))
}

/// Finds the units that something wants which neither the host nor the configuration has, so that it never starts them.
/// Devices, mounts, slices and what else systemd makes of itself can't be known beforehand.
///
/// # Errors
/// When a folder of units can't be listed.
pub(crate) fn wanted_by_nobody(
    root: &Root,
    manifest: &Manifest,
    desired: &Desired,
) -> Result<Vec<UnitNote>> {
    let mut notes = Vec::new();
    for (scope, units) in [
        (Scope::System, &manifest.units),
        (Scope::User, &manifest.user_units),
    ] {
        let edges: Vec<(&UnitName, &UnitName)> = units
            .iter()
            .filter(|(_, unit)| unit.source.is_some())
            .flat_map(|(name, unit)| {
                let pullers = [&unit.wanted_by, &unit.required_by, &unit.upheld_by];
                pullers
                    .into_iter()
                    .flatten()
                    .map(move |puller| (name, puller))
            })
            .filter(|(_, puller)| {
                matches!(
                    puller.suffix(),
                    "target" | "service" | "timer" | "path" | "socket"
                )
            })
            .filter(|(_, puller)| !is_ours(scope, units, desired, puller))
            .collect();
        if edges.is_empty() {
            continue;
        }
        let listing = Listing::read(&root.show(Path::new("")), scope, &|_, _| false)?;
        // A root without any unit has no systemd yet.
        if listing.is_empty() {
            continue;
        }
        notes.extend(edges.into_iter().filter(|(_, puller)| !listing.has(puller.as_str())).map(
            |(name, puller)| UnitNote {
                unit: name.to_string(),
                reason: format!(
                    "`{puller}` should start it, but neither this host nor the configuration has a unit of that name"
                ),
            },
        ));
    }
    Ok(notes)
}

/// Whether the configuration has a unit: declared, by another name, as a template, or from a package.
fn is_ours(
    scope: Scope,
    units: &BTreeMap<UnitName, Unit>,
    desired: &Desired,
    name: &UnitName,
) -> bool {
    let placed = |name: &str| {
        let target = format!("{}/{name}", scope.managed()).parse::<TargetPath>();
        target.is_ok_and(|target| desired.contains_key(&target))
    };
    units.contains_key(name)
        || units.values().any(|unit| unit.aliases.contains(name))
        || placed(name.as_str())
        || template_of(name.as_str()).is_some_and(|template| placed(&template))
}

/// Finds the units that come or change and could not stand alone, where nothing is beneath them.
pub(crate) fn incomplete(
    manifest: &Manifest,
    desired: &Desired,
    changes: &[FileChange],
) -> Vec<Conflict> {
    let written = changes
        .iter()
        .filter(|c| matches!(c.verb, Verb::Add | Verb::Change));
    let written = written.filter_map(|change| {
        let (folder, name) = change.target.as_str().rsplit_once('/')?;
        let units = match folder {
            crate::units::read::SYSTEM => &manifest.units,
            crate::units::read::USER => &manifest.user_units,
            _ => return None,
        };
        let (_, unit) = units.iter().find(|(unit, _)| unit.as_str() == name)?;
        let text = read_source(unit.source.as_ref()?.as_str()).ok()?;
        // What others add to it, such as drop-ins of a package, may make it whole.
        let dropins = format!("{}.d/", change.target);
        let dropins = desired
            .iter()
            .filter(|(t, _)| t.as_str().starts_with(&dropins));
        let dropins: Vec<Vec<u8>> = dropins
            .filter_map(|(_, want)| read_source(&want.source).ok())
            .collect();
        let texts = std::iter::once(text.as_slice()).chain(dropins.iter().map(Vec::as_slice));
        let key = lacks(name, &UnitFile::parse(texts)).filter(|_| !text.is_empty())?;
        Some(Conflict {
            subject: format!("the unit `{name}`"),
            cause: format!("has no `{key}`, and this host has no unit of that name to extend"),
            remedy: "complete it, correct its name, or install the package that contains the unit"
                .to_owned(),
        })
    });
    written.collect()
}

/// Adds to a plan how our unit files differ from those of the host which they replace.
pub(crate) fn add_differences(plan: &mut Plan, new: &UnitSet, beneath: &UnitSet) {
    let managed = Scope::System.managed();
    let mut diffs = BTreeMap::new();
    for change in plan.files.writes.iter().filter(|c| c.verb == Verb::Add) {
        let name = change.target.as_str().strip_prefix(managed);
        let Some(name) = name.and_then(|rest| rest.strip_prefix('/')) else {
            continue;
        };
        let text = |set: &UnitSet| {
            let main = set.units.get(name)?.main.as_ref()?;
            main.text().map(<[u8]>::to_vec)
        };
        if let (Some(before), Some(after)) = (text(beneath), text(new)) {
            diffs.insert(change.target.clone(), text_diff::render(&before, &after));
        }
    }
    plan.diffs.extend(diffs);
}
