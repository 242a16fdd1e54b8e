//! Whether the host is well after an activation: the configuration's health checks, which run once all else is done.

#![expect(clippy::disallowed_methods, reason = "waits for services to be ready")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use schemars::JsonSchema;
use serde::Serialize;

use crate::host::fs::Root;
use crate::host::systemd::Systemd;
use crate::host::tether;
use crate::model::manifest::HealthCheck;
use crate::model::names::{AbsolutePath, UnitName};

/// How many lines of a check that failed are told.
const LINES: usize = 10;

/// How long a line of them may be.
const LINE: usize = 1000;

/// What a service has to come up between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// A health check that failed in its last attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedCheck {
    /// Its name.
    pub name: String,
    /// Why.
    pub why: String,
    /// How often it was tried.
    pub attempts: u64,
    /// The last lines that its script printed.
    pub log: Vec<String>,
}

/// Why an attempt failed, and what the script printed.
type Trouble = (String, Vec<String>);

/// Runs the checks one after the other, and returns those that failed. With `is_asked`, no attempt is begun any more.
#[must_use]
pub(crate) fn run(
    root: &Root,
    checks: &[HealthCheck],
    toplevel: &AbsolutePath,
    is_asked: &dyn Fn() -> bool,
) -> Vec<FailedCheck> {
    let failed = |check: &HealthCheck| {
        tracing::info!("running the health check {}", check.name);
        let attempts = u64::from(check.retries) + 1;
        let mut trouble = None;
        for attempt in 1..=attempts {
            if attempt > 1 {
                std::thread::sleep(PAUSE);
            }
            let (why, log) = attempt_once(root, check, toplevel)?;
            if attempt < attempts && !is_asked() {
                tracing::info!("{}: {why}; attempt {attempt} of {attempts}", check.name);
            } else {
                trouble = Some((why, log, attempt));
                break;
            }
        }
        let (why, log, attempts) = trouble?;
        let name = check.name.clone();
        Some(FailedCheck {
            name,
            why,
            attempts,
            log,
        })
    };
    checks.iter().filter_map(failed).collect()
}

fn attempt_once(root: &Root, check: &HealthCheck, toplevel: &AbsolutePath) -> Option<Trouble> {
    let units = || -> Result<()> {
        // Only of a host that runs can be told what is active.
        if !root.is_live() || check.units.is_empty() {
            return Ok(());
        }
        let systemd = Systemd::connect()?.context("systemd does not run here")?;
        let inactive = inactive(&systemd, &check.units)?;
        if !inactive.is_empty() {
            bail!("not active: {}", inactive.join(", "));
        }
        Ok(())
    };
    if let Err(error) = units() {
        return Some((format!("{error:#}"), Vec::new()));
    }
    let script = check.script.as_ref()?;
    match run_script(root, script, toplevel, check.timeout) {
        Ok(None) => None,
        Ok(Some(trouble)) => Some(trouble),
        Err(error) => Some((format!("{error:#}"), Vec::new())),
    }
}

fn run_script(
    root: &Root,
    script: &AbsolutePath,
    toplevel: &AbsolutePath,
    seconds: u32,
) -> Result<Option<Trouble>> {
    let place = root.show(Path::new(""));
    let place =
        std::fs::canonicalize(&place).with_context(|| format!("reading {}", place.display()))?;
    if !root.is_live() && !place.join(script.as_str().trim_start_matches('/')).exists() {
        tracing::info!("{script} is not in the store of this root, so it is not run");
        return Ok(None);
    }
    let variables = [
        ("PATH", tether::PATH),
        ("HOME", "/root"),
        ("systemConfig", toplevel.as_str()),
    ];
    let limit = Duration::from_secs(u64::from(seconds));
    let ended = tether::run(&place, script.as_str(), &variables, limit)?;
    let lines: Vec<&str> = ended.output.lines().collect();
    let last = lines.iter().skip(lines.len().saturating_sub(LINES));
    let last = last.map(|line| line.chars().take(LINE).collect());
    Ok(ended.failure.map(|why| (why, last.collect())))
}

/// Returns those of the units that are not active, with the state that they are in.
fn inactive(systemd: &Systemd, units: &[UnitName]) -> Result<Vec<String>> {
    let loaded = systemd.list()?;
    let mut found = Vec::new();
    let names: Vec<&str> = units.iter().map(UnitName::as_str).collect();
    for (unit, known) in names.iter().zip(systemd.find(&names, loaded.iter())?) {
        let state = known.map_or("not loaded", |unit| unit.active_state.as_str());
        if state != "active" {
            found.push(format!("{unit} ({state})"));
        }
    }
    Ok(found)
}

/// Returns why each of the checks failed, by name. Pure.
#[must_use]
pub(crate) fn reasons(failed: &[FailedCheck]) -> BTreeMap<String, String> {
    let reasons = failed.iter().map(|f| (f.name.clone(), f.why.clone()));
    reasons.collect()
}

/// Says which checks failed and why, in a line. Pure.
#[must_use]
pub(crate) fn sentence(failed: &[FailedCheck]) -> Option<String> {
    let each = failed.iter().map(|f| format!("{}: {}", f.name, f.why));
    let each: Vec<String> = each.collect();
    (!each.is_empty()).then(|| format!("the health check failed: {}", each.join("; ")))
}
