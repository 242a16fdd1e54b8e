//! What systemd says of units of ours, for the status: which have failed, what is still to be done, when timers elapse.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;

use crate::host::fs::Root;
use crate::host::systemd::Systemd;
use crate::units;
use crate::units::decide::Seeds;
use crate::units::failures::Failures;

/// A timer of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Timer {
    /// Its unit.
    pub unit: String,
    /// When it starts its unit next, in seconds since 1970; none where that is not known.
    pub next: Option<u64>,
}

/// Drops the failures that somebody has made good since.
pub(super) fn read_failures(root: &Root, mut failures: Failures) -> BTreeMap<String, String> {
    if !failures.is_empty() {
        ask_units(root, |systemd| {
            units::observe::keep_failing(systemd, &mut failures)
        });
    }
    failures.into_iter().map(|(u, f)| (u, f.why)).collect()
}

/// Drops what has come about since of what an earlier run has left to be done.
pub(super) fn read_left(root: &Root, mut left: Seeds) -> Seeds {
    if left != Seeds::default() {
        ask_units(root, |systemd| units::observe::keep_due(systemd, &mut left));
    }
    left
}

/// Asks systemd how units are now. The rest of the status is worth having without it, and what is remembered is on the
/// safe side.
fn ask_units(root: &Root, ask: impl FnOnce(&Systemd) -> Result<()>) {
    if !root.is_live() {
        return;
    }
    let asked = Systemd::connect().and_then(|systemd| systemd.map_or(Ok(()), |s| ask(&s)));
    if let Err(error) = asked {
        tracing::warn!("what has become of units since is not known: {error:#}");
    }
}

/// Drops the failures of users whose managers do not run: these begin anew.
pub(super) fn running_only(
    root: &Root,
    failures: BTreeMap<String, Failures>,
) -> Result<BTreeMap<String, BTreeMap<String, String>>> {
    let mut running = BTreeSet::new();
    if root.is_live() && !failures.is_empty() {
        running = units::users::running()?
            .into_iter()
            .map(|m| m.name)
            .collect();
    }
    let left = failures
        .into_iter()
        .filter(|(user, _)| running.contains(user));
    let why = |failures: Failures| failures.into_iter().map(|(u, f)| (u, f.why)).collect();
    Ok(left.map(|(user, failures)| (user, why(failures))).collect())
}

/// Asks systemd when those of the units that are timers elapse next.
pub(super) fn read_timers(root: &Root, units: &BTreeSet<&str>) -> Vec<Timer> {
    let is_timer = |name: &str| {
        let kind = name.rsplit_once('.').map(|(_, kind)| kind);
        kind == Some("timer") && units.contains(name)
    };
    if !root.is_live() || !units.iter().any(|unit| is_timer(unit)) {
        return Vec::new();
    }
    let inner = || -> Result<Vec<Timer>> {
        let Some(systemd) = Systemd::connect()? else {
            return Ok(Vec::new());
        };
        let loaded = systemd.list()?;
        let ours = loaded.iter().filter(|unit| is_timer(&unit.name));
        ours.map(|unit| {
            let found = systemd.timer_properties(unit)?;
            let next = found.map_or(0, |p| p.time("NextElapseUSecRealtime"));
            Ok(Timer {
                unit: unit.name.clone(),
                next: (next > 0 && next < u64::MAX).then_some(next / 1_000_000),
            })
        })
        .collect()
    };
    inner().unwrap_or_else(|error| {
        tracing::warn!("when timers elapse is not known: {error:#}");
        Vec::new()
    })
}

/// Asks systemd which of these units, or of the instances of these templates, have failed.
pub(super) fn read_failed(root: &Root, units: &BTreeSet<&str>) -> BTreeSet<String> {
    if !root.is_live() || units.is_empty() {
        return BTreeSet::new();
    }
    let is_ours = |name: &str| {
        let template = name.split_once('@').and_then(|(prefix, rest)| {
            let (_, suffix) = rest.rsplit_once('.')?;
            Some(format!("{prefix}@.{suffix}"))
        });
        units.contains(name) || template.is_some_and(|t| units.contains(t.as_str()))
    };
    let listed = Systemd::connect().and_then(|s| s.map(|s| s.list_failed()).transpose());
    match listed {
        Ok(loaded) => loaded
            .into_iter()
            .flatten()
            .map(|unit| unit.name)
            .filter(|name| is_ours(name))
            .collect(),
        // The rest of the status is worth having without it.
        Err(error) => {
            tracing::warn!("which units have failed is not known: {error:#}");
            BTreeSet::new()
        }
    }
}
