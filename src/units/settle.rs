//! Waits until the services that a switch has started have come to rest, or have ended: most count as started before they
//! can fail.
#![expect(clippy::disallowed_methods, reason = "waits")]

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::host::cgroup::{self, Process};
use crate::host::systemd::Systemd;

/// How long from one look at the processes of the services to the next.
const PAUSE: Duration = Duration::from_millis(6);

/// How long all of them must wait, and do nothing. By the clock: a look at hundreds of services takes longer than a pause.
const REST: Duration = Duration::from_millis(18);

/// How long after its job a service is first looked at, while others are still started: until then it may not be itself.
const BEGUN: Duration = Duration::from_millis(10);

/// How long a service that is at work may go on with the same processes.
const PATIENCE: Duration = Duration::from_millis(250);

/// How long one that starts further processes, or is started again and again, is waited for.
const LIMIT: Duration = Duration::from_secs(10);

/// The slices in which services are that name none.
const SLICES: [&str; 2] = ["system.slice", "app.slice"];

/// A service that is looked at.
struct Service {
    folder: PathBuf,
    seen: Vec<Process>,
    looked: Instant,
    /// From when on its processes have done nothing.
    rests_since: Option<Instant>,
}

impl Service {
    fn new(folder: PathBuf, now: Instant) -> Self {
        Self {
            folder,
            seen: Vec::new(),
            looked: now,
            rests_since: None,
        }
    }

    /// Takes a look; whether the processes are others than before.
    fn look(&mut self, processes: Vec<Process>, now: Instant) -> bool {
        let pids = |of: &[Process]| -> Vec<u32> { of.iter().map(|p| p.pid).collect() };
        let is_new = pids(&processes) != pids(&self.seen);
        self.rests_since = if is_at_rest(&self.seen, &processes) {
            self.rests_since.or(Some(self.looked))
        } else {
            None
        };
        (self.seen, self.looked) = (processes, now);
        is_new
    }

    fn has_rested(&self) -> bool {
        self.rests_since
            .is_some_and(|since| self.looked.duration_since(since) >= REST)
    }
}

/// Whether all processes wait, and none has done anything since the look before. One that has none is not at rest: it has not
/// begun, or systemd has not yet seen its end. Pure.
fn is_at_rest(before: &[Process], now: &[Process]) -> bool {
    !now.is_empty() && before == now && now.iter().all(|p| p.waits && !p.is_unborn)
}

/// The services that a switch starts, as far as it has looked at them.
#[derive(Default)]
pub(crate) struct Watch {
    root: Option<PathBuf>,
    started: VecDeque<(String, Instant)>,
    seen: BTreeMap<String, Service>,
}

impl Watch {
    /// Notes that a job has started a unit, and looks at those that were started some time ago: it can be told at the end that
    /// they have done nothing since. What can't be told here is told at the end.
    pub(crate) fn started(&mut self, systemd: &Systemd, unit: &str) {
        if !is_service(unit) {
            return;
        }
        let now = Instant::now();
        self.seen.remove(unit);
        self.started.push_back((unit.to_owned(), now));
        let is_due = |(_, at): &(String, Instant)| now.duration_since(*at) >= BEGUN;
        while self.started.front().is_some_and(is_due) {
            let Some((unit, _)) = self.started.pop_front() else {
                break;
            };
            let root = self.root(systemd).ok().flatten();
            let Some(folder) = root.and_then(|root| usual(root, &unit)) else {
                continue;
            };
            if let Some(processes) = cgroup::processes(&folder) {
                let mut service = Service::new(folder, now);
                service.look(processes, now);
                self.seen.insert(unit, service);
            }
        }
    }

    /// Waits for these units.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub(crate) fn wait<'a>(
        &mut self,
        systemd: &Systemd,
        units: impl Iterator<Item = &'a String>,
    ) -> Result<()> {
        let services: Vec<&String> = units.filter(|unit| is_service(unit)).collect();
        if services.is_empty() {
            return Ok(());
        }
        let Some(root) = self.root(systemd)?.map(Path::to_owned) else {
            // Nothing shows what they do.
            std::thread::sleep(PATIENCE);
            return Ok(());
        };
        let mut waiting = Vec::new();
        for unit in services {
            let folder = match self.seen.remove(unit) {
                Some(service) => {
                    waiting.push(service);
                    continue;
                }
                None => match usual(&root, unit) {
                    Some(folder) => Some(folder),
                    None => cgroup::folder_of(&systemd.group_of(unit)?),
                },
            };
            waiting.extend(folder.map(|folder| Service::new(folder, Instant::now())));
        }
        wait_for(waiting);
        Ok(())
    }

    /// Returns the group in which the manager keeps its units; none where the kernel shows none.
    fn root(&mut self, systemd: &Systemd) -> Result<Option<&Path>> {
        if self.root.is_none() {
            self.root = cgroup::folder_of(&systemd.own_group()?);
        }
        Ok(self.root.as_deref())
    }
}

fn is_service(unit: &str) -> bool {
    unit.ends_with(".service")
}

/// Returns the group of a service where it names no slice.
fn usual(root: &Path, unit: &str) -> Option<PathBuf> {
    let folders = SLICES.iter().map(|slice| root.join(slice).join(unit));
    folders.into_iter().find(|folder| folder.is_dir())
}

fn wait_for(mut waiting: Vec<Service>) {
    let begun = Instant::now();
    let mut changed = begun;
    loop {
        let looked = Instant::now();
        waiting.retain_mut(|service| {
            let now = Instant::now();
            // A group that is gone: systemd knows how it ended.
            let Some(processes) = cgroup::processes(&service.folder) else {
                return false;
            };
            if service.look(processes, now) {
                changed = now;
            }
            !service.has_rested()
        });
        if waiting.is_empty() || changed.elapsed() >= PATIENCE || begun.elapsed() >= LIMIT {
            return;
        }
        // A look at hundreds of services takes a good part of it.
        std::thread::sleep(PAUSE.saturating_sub(looked.elapsed()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_at_rest_when_all_its_processes_wait_and_have_done_nothing() {
        let process = |pid, waits, is_unborn, spent| Process {
            pid,
            waits,
            is_unborn,
            spent,
        };
        let idle = vec![process(1, true, false, 5), process(2, true, false, 0)];
        for (before, now, expected, why) in [
            (idle.clone(), idle.clone(), true, "nothing happens"),
            (Vec::new(), idle.clone(), false, "the first look"),
            (Vec::new(), Vec::new(), false, "nothing has begun"),
            (idle.clone(), Vec::new(), false, "it has ended"),
            (
                idle.clone(),
                vec![process(1, true, false, 5)],
                false,
                "one has ended",
            ),
            (
                idle.clone(),
                vec![process(1, true, false, 6), process(2, true, false, 0)],
                false,
                "it worked meanwhile",
            ),
            (
                vec![process(1, false, false, 5)],
                vec![process(1, false, false, 5)],
                false,
                "it runs, or waits for the disk",
            ),
            (
                vec![process(1, true, true, 0)],
                vec![process(1, true, true, 0)],
                false,
                "the program has not begun",
            ),
        ] {
            assert_eq!(is_at_rest(&before, &now), expected, "{why}");
        }
    }

    #[test]
    fn rest_is_counted_from_the_last_change() {
        let idle = |pid| {
            vec![Process {
                pid,
                waits: true,
                is_unborn: false,
                spent: 0,
            }]
        };
        let begun = Instant::now();
        let mut service = Service::new(PathBuf::new(), begun);
        let looks = [(1, 0), (1, 6), (1, 17), (2, 20), (2, 37), (2, 38)].map(|(pid, at)| {
            let is_new = service.look(idle(pid), begun + Duration::from_millis(at));
            (is_new, service.has_rested())
        });
        assert_eq!(
            looks,
            [
                (true, false),
                (false, false),
                (false, false),
                (true, false),
                (false, false),
                (false, true),
            ]
        );
    }
}
