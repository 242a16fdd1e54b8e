//! The managers of logged-in and lingering users: each is switched by the rules of the system's, by a child process that
//! runs as the user.
#![expect(clippy::disallowed_methods, reason = "looks for managers of users")]

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::host::getent;
use crate::host::process::Command;
use crate::host::systemd::Systemd;
use crate::model::job::Verb;
use crate::model::style::printable;
use crate::units;
use crate::units::answer;
use crate::units::apply::UnitSwitch;
use crate::units::beneath::{Listing, Scope, is_in_store};
use crate::units::decide::{Facts, Seeds, Sight, UnitAction, UnitNote, UnitPlan};
use crate::units::failures::Failures;
use crate::units::layers::Layers;
use crate::units::outcome::{JobResult, UnitOutcome};
use crate::units::set::UnitSet;
use crate::units::settle::Watch;

const MANAGED: &str = "/etc/systemd/user";
const RUNTIME: &str = "/run/user";

/// How many managers are switched at a time.
const AT_ONCE: usize = 8;

/// The hidden command by which this program runs as a user.
pub(crate) const COMMAND: &str = "user-manager";

/// What a child is asked to do.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    old: UnitSet,
    new: UnitSet,
    failed: Failures,
    unit_timeout: u64,
}

/// What became of one user's units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct UserOutcome {
    /// How each job ended, in order.
    pub jobs: Vec<JobResult>,
    /// What became of the units.
    pub units: UnitOutcome,
    /// Changed units that their definition keeps as they are.
    pub not_restarted: Vec<UnitNote>,
    /// The last lines of the journal of each failed unit.
    pub logs: BTreeMap<String, Vec<String>>,
}

/// A user whose manager runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserManager {
    /// The user's name.
    pub name: String,
    uid: u32,
    gid: u32,
    /// What the last run could not bring up there.
    #[serde(default, skip_serializing_if = "Failures::is_empty")]
    pub failed: Failures,
}

/// Lists the users whose managers run.
///
/// # Errors
/// When the runtime folders can't be read.
pub(crate) fn running() -> Result<Vec<UserManager>> {
    let mut managers = Vec::new();
    let entries = match std::fs::read_dir(RUNTIME) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(managers),
        other => other.with_context(|| format!("listing {RUNTIME}"))?,
    };
    for entry in entries {
        let path = entry.with_context(|| format!("listing {RUNTIME}"))?.path();
        let uid = path
            .file_name()
            .and_then(|n| n.to_str())
            .and_then(|n| n.parse().ok());
        let (Some(uid), true) = (uid, is_socket(&private_socket(&path))) else {
            continue;
        };
        if let Some(user) = getent::user(uid)? {
            managers.push(UserManager {
                name: user.name,
                uid,
                gid: user.gid,
                failed: Failures::new(),
            });
        }
    }
    managers.sort_by_key(|m| m.uid);
    Ok(managers)
}

fn private_socket(runtime: &Path) -> PathBuf {
    runtime.join("systemd/private")
}

fn is_socket(path: &Path) -> bool {
    // A folder that can't be looked into belongs to a user who is just leaving.
    std::fs::metadata(path).is_ok_and(|m| m.file_type().is_socket())
}

/// Switches the managers from the old units to the new ones, some at a time, each within a time of its own. Returns what came
/// of each, in their order.
pub(crate) fn switch_all(
    managers: &[UserManager],
    old: &UnitSet,
    new: &UnitSet,
    timeout: Duration,
) -> Vec<Result<UserOutcome>> {
    at_once(managers, AT_ONCE, |manager| {
        tracing::info!("switching the user manager of {}", manager.name);
        switch(manager, old, new, timeout)
    })
}

/// Does the same with each item, so many at a time; what came of them is in their order.
fn at_once<T: Sync, R: Send>(items: &[T], most: usize, act: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(number) else {
                return done;
            };
            done.push((number, act(item)));
        }
    };
    let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
        let workers = most.min(items.len());
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let ended = workers.into_iter().map(std::thread::ScopedJoinHandle::join);
        ended
            .flat_map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Switches a user's manager from the old units to the new ones.
fn switch(
    manager: &UserManager,
    old: &UnitSet,
    new: &UnitSet,
    timeout: Duration,
) -> Result<UserOutcome> {
    let request = Request {
        old: old.clone(),
        new: new.clone(),
        failed: manager.failed.clone(),
        unit_timeout: timeout.as_secs(),
    };
    let inner = || -> Result<UserOutcome> {
        // The program's own file may be in a folder that the user can't enter; the kernel's link to it is enough.
        let output = Command::new("/proc/self/exe")
            .arg(COMMAND)
            .by_user(manager.uid, manager.gid)
            .env("XDG_RUNTIME_DIR", format!("{RUNTIME}/{}", manager.uid))
            // Stops, reloads, restarts and starts may each take the time of one job; a user must not hold up the host.
            .limit(timeout * 4 + Duration::from_secs(30))
            .input(serde_json::to_vec(&request)?)
            .output()?;
        if output.code != Some(0) {
            let said = String::from_utf8_lossy(&output.stderr);
            let lines: Vec<String> = said.trim().lines().map(printable).collect();
            bail!("{}", lines.join("\n"));
        }
        answer::parse(&output.stdout)
    };
    inner().with_context(|| format!("switching the user manager of {}", manager.name))
}

/// The service of NixOS that runs a user's activation scripts: again with each switch, last.
fn run_scripts(plan: &mut UnitPlan, new: &UnitSet) {
    const UNIT: &str = "nixos-activation.service";
    if !new.has_own_file(UNIT) {
        return;
    }
    plan.start.retain(|action| action.unit != UNIT);
    plan.start.push(UnitAction {
        unit: UNIT.to_owned(),
        verb: Verb::Start,
        reason: "part of each switch of units of users".to_owned(),
        visible: true,
    });
}

/// Does, as a user, what the parent asks for on standard input, and answers on standard output.
///
/// # Errors
/// When the manager can't be reached.
pub(crate) fn serve() -> Result<()> {
    let request = std::io::read_to_string(std::io::stdin());
    let mut request: Request = request
        .map_err(anyhow::Error::new)
        .and_then(|text| Ok(serde_json::from_str(&text)?))
        .context("reading the request")?;
    let runtime =
        std::env::var_os("XDG_RUNTIME_DIR").ok_or_else(|| anyhow!("XDG_RUNTIME_DIR is not set"))?;
    let systemd = Systemd::connect_user(&Path::new(&runtime).join("bus"))?;
    let begun = crate::host::clock::now();
    units::observe::keep_failing(&systemd, &mut request.failed)?;
    // What is ours of `/etc` has changed already; the rest of it is beneath.
    let is_ours = |_: &str, link: &dyn Fn() -> Option<PathBuf>| is_in_store(link());
    let listing = Listing::read(Path::new("/"), Scope::User, &is_ours)?;
    let names = request.old.units.keys().chain(request.new.units.keys());
    let names = names.chain(request.failed.keys());
    let beneath = listing.read_units(&names.cloned().collect(), &is_ours);
    let seeds = Seeds::default();
    let due = request.failed.keys();
    let sight = Sight::new(&request.old, &request.new, &beneath, due);
    let before = units::observe::read_live(&systemd, MANAGED, Some(&sight))?;
    let ground = units::observe::read_ground(&systemd)?;
    let mut plan = units::decide::decide(&Facts {
        old: &request.old,
        new: &request.new,
        beneath: &beneath,
        live: &before,
        seeds: &seeds,
        failed: &request.failed,
        ran: &BTreeSet::new(),
        ground: &ground,
        options: units::decide::Options::default(),
    });
    run_scripts(&mut plan, &request.new);
    let mut switch = UnitSwitch {
        systemd: &systemd,
        plan,
        new_units: Layers {
            ours: &request.new,
            beneath: &beneath,
        },
        before: &before,
        ground: &ground,
        managed: MANAGED,
        timeout: Duration::from_secs(request.unit_timeout),
        jobs: Vec::new(),
        reloaded: 0,
        watch: Watch::default(),
    };
    switch.stop(&mut |_, _| Ok(()))?;
    // The files are in place already, whatever the definitions say.
    systemd.reload()?;
    switch.start(&mut |_, _| Ok(()))?;
    let units = switch.judge()?;
    let logs = crate::units::apply::read_logs(units.failed.keys(), "user-unit", begun);
    let outcome = UserOutcome {
        jobs: switch.jobs,
        units,
        not_restarted: switch.plan.skipped,
        logs,
    };
    serde_json::to_writer(std::io::stdout(), &outcome).context("answering")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, Sender, channel};

    #[test]
    fn nobody_waits_for_another_one_to_end() {
        // Each tells the next one, and ends when the one before has told it: the first waits for the last.
        let (to, from): (Vec<Sender<()>>, Vec<Receiver<()>>) = (0..3).map(|_| channel()).unzip();
        let ends: Vec<(Sender<()>, Mutex<Receiver<()>>)> = from
            .into_iter()
            .enumerate()
            .map(|(n, from)| (to[(n + 1) % 3].clone(), Mutex::new(from)))
            .collect();
        let met = at_once(&ends, 3, |(to, from)| {
            to.send(()).unwrap();
            let from = from.lock().unwrap();
            from.recv_timeout(Duration::from_secs(20)).is_ok()
        });
        assert_eq!(met, [true; 3]);
    }

    #[test]
    fn results_are_in_the_order_of_the_items_however_many_are_done_at_a_time() {
        let items: Vec<usize> = (0..20).collect();
        for most in [1, 3, 50] {
            assert_eq!(
                at_once(&items, most, |n| n * 2),
                (0..40).step_by(2).collect::<Vec<_>>()
            );
        }
    }
}
