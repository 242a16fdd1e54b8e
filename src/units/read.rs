//! From files below `/etc` to the units that they define: the bridge between the etc plan and the unit decision.
#![expect(clippy::disallowed_methods, reason = "reads unit files")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::host::fs::read_source;
use crate::model::names::TargetPath;
use crate::model::text::Text;
use crate::units::set::{UnitBody, UnitSet, UnitText};

/// Where the system's unit files are, below `/etc`.
pub(crate) const SYSTEM: &str = "systemd/system";
/// Where the user managers' unit files are, below `/etc`.
pub(crate) const USER: &str = "systemd/user";

/// Says whether a target is a unit file, a drop-in or a link that systemd reads from `folder`.
#[must_use]
pub(crate) fn is_below(folder: &str, target: &TargetPath) -> bool {
    target
        .as_str()
        .strip_prefix(folder)
        .is_some_and(|rest| rest.starts_with('/'))
}

/// Reads the units that files define; `sources` has each file's content path, or the text of the link.
///
/// A definition that can't be read any more (its store path was collected) reads as a comment, and so as changed.
#[must_use]
pub(crate) fn read_units(folder: &str, sources: &BTreeMap<TargetPath, Text>) -> UnitSet {
    let mut set = UnitSet::default();
    for (target, source) in sources {
        let Some(path) = target
            .as_str()
            .strip_prefix(folder)
            .and_then(|p| p.strip_prefix('/'))
        else {
            continue;
        };
        match path.split_once('/') {
            None if source.contains('/') => {
                set.units.entry(path.to_owned()).or_default().main = Some(read_body(source));
            }
            None => {
                set.units
                    .entry(source.to_string())
                    .or_default()
                    .aliases
                    .insert(path.to_owned());
            }
            Some((owner, name)) => add_to_folder(&mut set, owner, name, source),
        }
    }
    set
}

/// Adds a file of a folder such as `NAME.d` or `NAME.wants` to the unit that it says something of.
pub(crate) fn add_to_folder(set: &mut UnitSet, folder: &str, name: &str, source: &str) {
    let Some((owner, kind)) = folder.rsplit_once('.') else {
        return;
    };
    if kind == "d" {
        let dropins = &mut set.units.entry(owner.to_owned()).or_default().dropins;
        dropins.insert(name.to_owned(), read_body(source));
        return;
    }
    let unit = set.units.entry(name.to_owned()).or_default();
    let edges = match kind {
        "wants" => &mut unit.wanted_by,
        "requires" => &mut unit.required_by,
        "upholds" => &mut unit.upheld_by,
        _ => return,
    };
    edges.insert(owner.to_owned());
}

/// Reads a unit file, or sees that it is a mask.
pub(crate) fn read_body(source: &str) -> UnitBody {
    if fs::canonicalize(source).is_ok_and(|p| p == Path::new("/dev/null")) {
        return UnitBody::Masked;
    }
    match read_source(source) {
        Ok(bytes) => UnitBody::Text(UnitText(bytes)),
        Err(e) => {
            tracing::warn!("reading the definition {source}: {e:#}; it counts as changed");
            UnitBody::Text(UnitText(format!("# {source} can't be read\n").into_bytes()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_links_and_folders_become_definitions() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.service");
        fs::write(&file, "[Service]\n").unwrap();
        let source = file.to_str().unwrap().to_owned();
        let sources: BTreeMap<TargetPath, Text> = [
            ("systemd/system/a.service", source.as_str()),
            ("systemd/system/b.service", "a.service"),
            ("systemd/system/c.service", "/dev/null"),
            ("systemd/system/d.service.d/overrides.conf", source.as_str()),
            (
                "systemd/system/multi-user.target.wants/a.service",
                "../a.service",
            ),
            ("systemd/systemx/e.service", source.as_str()),
        ]
        .into_iter()
        .map(|(t, s)| (t.parse().unwrap(), s.into()))
        .collect();
        let units = read_units(SYSTEM, &sources).units;
        assert_eq!(
            units.keys().collect::<Vec<_>>(),
            ["a.service", "c.service", "d.service"]
        );
        assert_eq!(
            units["a.service"].main,
            Some(UnitBody::Text("[Service]\n".into()))
        );
        assert!(units["a.service"].aliases.contains("b.service"));
        assert!(units["a.service"].wanted_by.contains("multi-user.target"));
        assert_eq!(units["c.service"].main, Some(UnitBody::Masked));
        assert!(units["d.service"].dropins.contains_key("overrides.conf"));
    }
}
