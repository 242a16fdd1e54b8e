//! Reads from the running systemd what the decision about units needs.
#![expect(
    clippy::disallowed_methods,
    reason = "reads what is activated by the bus"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;

use crate::host::systemd::{Loaded, Systemd};
use crate::units::decide::{Ground, Seeds, Sight, complete};
use crate::units::failures::{Failures, Now};
use crate::units::set::{Live, LiveUnit, Origin};
use crate::units::verify::Started;

/// Where the bus finds the services that the use of a name starts (dbus-daemon(1)).
const BUS_SERVICES: [&str; 4] = [
    "/usr/local/share/dbus-1/system-services",
    "/usr/share/dbus-1/system-services",
    "/lib/dbus-1/system-services",
    "/run/dbus-1/system-services",
];

/// Where the units of the system that are ours lie.
pub(crate) const MANAGED: &str = "/etc/systemd/system";

/// Reads the loaded units; the details of those that `sight` may look at, or, without one, of all that are up or failed.
///
/// # Errors
/// When systemd does not answer.
pub(crate) fn read_live(
    systemd: &Systemd,
    managed: &str,
    sight: Option<&Sight<'_>>,
) -> Result<Live> {
    let on_bus = read_bus_services();
    let loaded: BTreeMap<String, Loaded> = systemd
        .list()?
        .into_iter()
        .map(|unit| (unit.name.clone(), unit))
        .collect();
    let mut live = Live::default();
    for (name, unit) in &loaded {
        let bus_activated = on_bus.contains(name);
        let state = LiveUnit {
            bus_activated,
            ..state_of(unit)
        };
        live.units.insert(name.clone(), state);
    }
    let mut details = |name: &str, unit: &mut LiveUnit| -> Result<()> {
        // A device follows the hardware; there are many, and no unit file of one is ours.
        if name.ends_with(".device") {
            return Ok(());
        }
        let read = read_details(systemd, &loaded[name], managed)?;
        let bus_activated = unit.bus_activated || read.names.iter().any(|n| on_bus.contains(n));
        let names = &unit.names | &read.names;
        *unit = LiveUnit {
            names,
            bus_activated,
            ..read
        };
        Ok(())
    };
    match sight {
        Some(sight) => {
            add_names(systemd, &loaded, &sight.names(), &mut live)?;
            complete(&mut live, sight, &mut details)?;
        }
        None => {
            let up = live.units.iter_mut();
            for (name, unit) in up.filter(|(_, unit)| unit.active_state != "inactive") {
                details(name, unit)?;
            }
        }
    }
    Ok(live)
}

/// Adds those of `names` that loaded units have beside the one under which they are listed.
fn add_names(
    systemd: &Systemd,
    loaded: &BTreeMap<String, Loaded>,
    names: &BTreeSet<String>,
    live: &mut Live,
) -> Result<()> {
    let unlisted = names.iter().filter(|name| !loaded.contains_key(*name));
    let unlisted: Vec<&str> = unlisted.map(String::as_str).collect();
    let found = systemd.find(&unlisted, loaded.values())?;
    for (name, unit) in unlisted.into_iter().zip(found) {
        if let Some(unit) = unit.and_then(|unit| live.units.get_mut(&unit.name)) {
            unit.names.insert(name.to_owned());
        }
    }
    Ok(())
}

/// Returns what the list says of a unit.
fn state_of(unit: &Loaded) -> LiveUnit {
    // While the system boots, what a target wants now was not there when its start was queued.
    let is_coming_up =
        unit.active_state == "inactive" && unit.job == "start" && unit.name.ends_with(".target");
    LiveUnit {
        active_state: if is_coming_up {
            "activating".to_owned()
        } else {
            unit.active_state.clone()
        },
        sub_state: unit.sub_state.clone(),
        following: unit.following.clone(),
        has_job: !unit.job.is_empty(),
        ..LiveUnit::default()
    }
}

/// Lists the units that the use of a name on the bus starts. A file that can't be read starts none.
fn read_bus_services() -> BTreeSet<String> {
    let folders = BUS_SERVICES
        .iter()
        .filter_map(|f| std::fs::read_dir(f).ok());
    let texts = folders
        .flatten()
        .flatten()
        .filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
    let units = |text: String| -> Vec<String> {
        let lines = text
            .lines()
            .filter_map(|l| l.strip_prefix("SystemdService="));
        lines.map(|unit| unit.trim().to_owned()).collect()
    };
    texts.flat_map(units).collect()
}

/// Reads which units this process is a part of, so that their stop would end it.
///
/// # Errors
/// When systemd does not answer.
pub(crate) fn read_ground(systemd: &Systemd) -> Result<Ground> {
    let mut ground = Ground::default();
    let Some(unit) = systemd.own_unit()? else {
        return Ok(ground);
    };
    let properties = if unit.ends_with(".service") {
        let loaded = systemd.list()?.into_iter().find(|l| l.name == unit);
        let asked = loaded.map(|loaded| systemd.service_properties(&loaded));
        asked.transpose()?.flatten()
    } else {
        None
    };
    // A service that only has its main process killed does not take this one along.
    let spared = properties.is_some_and(|p| {
        let is_main = u32::try_from(p.number("MainPID")).ok() == Some(std::process::id());
        matches!(p.text("KillMode").as_str(), "process" | "none") && !is_main
    });
    if !spared {
        ground.part_of.insert(unit);
    }
    Ok(ground)
}

/// Reads how the units of `before` and those that came since are now: their states, and of the failing ones why. It takes
/// one question, where [`read_live`] takes one for each unit.
///
/// # Errors
/// When systemd does not answer.
pub(crate) fn read_states(systemd: &Systemd, before: &Live) -> Result<Live> {
    states_of(systemd, &systemd.list()?, before)
}

/// As [`read_states`], of units that have been listed.
///
/// # Errors
/// When systemd does not answer.
pub(crate) fn states_of(systemd: &Systemd, listed: &[Loaded], before: &Live) -> Result<Live> {
    let mut live = Live::default();
    for unit in listed {
        let (result, exec_main_status) = read_failure(systemd, unit)?;
        let known = before.units.get(&unit.name);
        live.units.insert(
            unit.name.clone(),
            LiveUnit {
                active_state: unit.active_state.clone(),
                sub_state: unit.sub_state.clone(),
                following: unit.following.clone(),
                names: known.map(|u| u.names.clone()).unwrap_or_default(),
                result,
                exec_main_status,
                ..LiveUnit::default()
            },
        );
    }
    Ok(live)
}

/// Reads how the units are now that an earlier run could not bring up, and drops those that have come up since.
///
/// # Errors
/// When systemd does not answer.
pub(crate) fn keep_failing(systemd: &Systemd, failures: &mut Failures) -> Result<()> {
    if failures.is_empty() {
        return Ok(());
    }
    let mut now = BTreeMap::new();
    for unit in systemd.list()? {
        if failures.contains_key(&unit.name)
            && let Some(found) = read_now(systemd, &unit)?
        {
            now.insert(unit.name, found);
        }
    }
    failures.retain(|unit, failure| !failure.is_over(now.get(unit)));
    Ok(())
}

/// Reads how the units are that an earlier run had to leave, and drops what has come about since.
///
/// # Errors
/// When systemd does not answer.
pub(crate) fn keep_due(systemd: &Systemd, left: &mut Seeds) -> Result<()> {
    let loaded = systemd.list()?.into_iter();
    let units = loaded.map(|unit| (unit.name.clone(), state_of(&unit)));
    left.drop_done(&Live {
        units: units.collect(),
    });
    Ok(())
}

fn read_now(systemd: &Systemd, unit: &Loaded) -> Result<Option<Now>> {
    let Some(properties) = systemd.properties(unit)? else {
        return Ok(None);
    };
    let service = if unit.name.ends_with(".service") {
        systemd.service_properties(unit)?
    } else {
        None
    };
    let (result, exec_main_status) = read_failure(systemd, unit)?;
    let live = LiveUnit {
        active_state: unit.active_state.clone(),
        sub_state: unit.sub_state.clone(),
        result,
        exec_main_status,
        ..LiveUnit::default()
    };
    Ok(Some(Now {
        is_failing: live.is_failing(),
        state: live.active_state,
        began: properties.time("InactiveExitTimestamp"),
        is_reloaded: service.is_none_or(|s| s.text("ReloadResult") == "success"),
    }))
}

/// Reads how a unit was started; none when it is not loaded any more.
///
/// # Errors
/// When systemd does not answer.
pub(crate) fn read_started(
    systemd: &Systemd,
    unit: &Loaded,
    managed: &str,
) -> Result<Option<Started>> {
    let properties = systemd.properties(unit)?;
    Ok(properties.map(|p| Started {
        is_active: matches!(
            unit.active_state.as_str(),
            "active" | "activating" | "reloading"
        ),
        is_outdated: p.flag("NeedDaemonReload"),
        origin: Origin::of(&real_folder(&p.text("FragmentPath")), managed),
        since: p.time("InactiveExitTimestampMonotonic"),
    }))
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
    let state = state_of(unit);
    let Some(properties) = systemd.properties(unit)? else {
        // It went away between the list and now.
        return Ok(state);
    };
    let all = |names: [&str; 4]| -> BTreeSet<String> {
        names
            .into_iter()
            .flat_map(|name| properties.list(name))
            .collect()
    };
    let (result, exec_main_status) = read_failure(systemd, unit)?;
    Ok(LiveUnit {
        pulled_in_by: all(["WantedBy", "RequiredBy", "BoundBy", "UpheldBy"]),
        upheld: properties.list("UpheldBy").next().is_some(),
        triggered_by: properties.list("TriggeredBy").collect(),
        perpetual: properties.flag("Perpetual"),
        origin: Origin::of(&real_folder(&properties.text("FragmentPath")), managed),
        names: properties.list("Names").collect(),
        refuses_manual_start: properties.flag("RefuseManualStart"),
        stops_with: all(["Requires", "Requisite", "BindsTo", "PartOf"]),
        takes_along: all(["RequiredBy", "RequisiteOf", "BoundBy", "ConsistsOf"]),
        result,
        exec_main_status,
        ..state
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
