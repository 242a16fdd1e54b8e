//! Reads from the running systemd what the decision about units needs.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;

use crate::host::systemd::{Loaded, Systemd};
use crate::units::set::{Live, LiveUnit, Origin};

/// Where the units of the system that are ours lie.
pub const MANAGED: &str = "/etc/systemd/system";

/// Reads the loaded units; details only of those that are up or failed, since no other is ever touched for what it is.
///
/// # Errors
/// When systemd does not answer.
pub fn read_live(systemd: &Systemd, managed: &str) -> Result<Live> {
    let mut live = Live::default();
    for unit in systemd.list()? {
        let details =
            !matches!(unit.active_state.as_str(), "inactive") && unit.load_state != "not-found";
        // A device follows the hardware; there are many, and no unit file of one is ours.
        let read = if details && !unit.name.ends_with(".device") {
            read_details(systemd, &unit, managed)?
        } else {
            LiveUnit::default()
        };
        // While the system boots, what a target wants now was not there when its start was queued.
        let is_coming_up = unit.active_state == "inactive"
            && unit.job == "start"
            && unit.name.ends_with(".target");
        live.units.insert(
            unit.name.clone(),
            LiveUnit {
                active_state: if is_coming_up {
                    "activating".to_owned()
                } else {
                    unit.active_state
                },
                sub_state: unit.sub_state,
                following: unit.following,
                ..read
            },
        );
    }
    Ok(live)
}

/// Reads how the units of `before` and those that came since are now: their states, and of the failing ones why. It takes
/// one question, where [`read_live`] takes one for each unit.
///
/// # Errors
/// When systemd does not answer.
pub fn read_states(systemd: &Systemd, before: &Live) -> Result<Live> {
    let mut live = Live::default();
    for unit in systemd.list()? {
        let (result, exec_main_status) = read_failure(systemd, &unit)?;
        let known = before.units.get(&unit.name);
        live.units.insert(
            unit.name,
            LiveUnit {
                active_state: unit.active_state,
                sub_state: unit.sub_state,
                following: unit.following,
                names: known.map(|u| u.names.clone()).unwrap_or_default(),
                result,
                exec_main_status,
                ..LiveUnit::default()
            },
        );
    }
    Ok(live)
}

/// Reads a service's result and exit status, which only matter where it fails.
fn read_failure(systemd: &Systemd, unit: &Loaded) -> Result<(String, i32)> {
    let failing = unit.active_state == "failed" || unit.sub_state == "auto-restart";
    if !failing || !unit.name.ends_with(".service") {
        return Ok((String::new(), 0));
    }
    Ok(systemd
        .service_properties(unit)?
        .map(|s| (s.text("Result"), s.number("ExecMainStatus")))
        .unwrap_or_default())
}

fn read_details(systemd: &Systemd, unit: &Loaded, managed: &str) -> Result<LiveUnit> {
    let Some(properties) = systemd.properties(unit)? else {
        // It went away between the list and now.
        return Ok(LiveUnit::default());
    };
    let mut stops_with = BTreeSet::new();
    for name in ["Requires", "Requisite", "BindsTo", "PartOf"] {
        stops_with.extend(properties.list(name));
    }
    let (result, exec_main_status) = read_failure(systemd, unit)?;
    Ok(LiveUnit {
        origin: Origin::of(&real_folder(&properties.text("FragmentPath")), managed),
        names: properties.list("Names").collect(),
        refuses_manual_start: properties.flag("RefuseManualStart"),
        stops_with,
        result,
        exec_main_status,
        ..LiveUnit::default()
    })
}

/// Resolves links in the folder of a unit file, not the file's own: on Debian a user manager names
/// `/etc/xdg/systemd/user`, which is a link to `/etc/systemd/user`.
fn real_folder(fragment: &str) -> String {
    let path = Path::new(fragment);
    let real = path.parent().and_then(|folder| folder.canonicalize().ok());
    match (real, path.file_name()) {
        (Some(folder), Some(name)) => folder.join(name).to_string_lossy().into_owned(),
        // A folder that is gone has no other name.
        _ => fragment.to_owned(),
    }
}
