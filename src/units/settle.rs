//! Waits until the services that a switch has started have come to rest, or have ended: most count as started before they
//! can fail.
#![expect(clippy::disallowed_methods, reason = "waits")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::host::cgroup::{self, Process};
use crate::host::systemd::Systemd;

/// How long from one look at the processes of the services to the next.
const PAUSE: Duration = Duration::from_millis(6);

/// In how many looks on end all of them must wait, and have done nothing.
const LOOKS: u32 = 3;

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
    looks: u32,
}

impl Service {
    /// Takes a look; whether the processes are others than before.
    fn look(&mut self, now: Vec<Process>) -> bool {
        let pids = |of: &[Process]| -> Vec<u32> { of.iter().map(|p| p.pid).collect() };
        let is_new = pids(&now) != pids(&self.seen);
        self.looks = if is_at_rest(&self.seen, &now) {
            self.looks + 1
        } else {
            0
        };
        self.seen = now;
        is_new
    }
}

/// Whether all processes wait, and none has done anything since the look before. One that has none is not at rest: it has not
/// begun, or systemd has not yet seen its end. Pure.
fn is_at_rest(before: &[Process], now: &[Process]) -> bool {
    !now.is_empty() && before == now && now.iter().all(|p| p.waits && !p.is_unborn)
}

/// Waits for these services.
///
/// # Errors
/// When systemd does not answer.
pub(crate) fn wait<'a>(systemd: &Systemd, units: impl Iterator<Item = &'a String>) -> Result<()> {
    let services: Vec<&String> = units.filter(|unit| unit.ends_with(".service")).collect();
    if services.is_empty() {
        return Ok(());
    }
    let Some(root) = cgroup::folder_of(&systemd.own_group()?) else {
        // Nothing shows what they do.
        std::thread::sleep(PATIENCE);
        return Ok(());
    };
    let mut waiting = Vec::new();
    for unit in services {
        let usual = SLICES.iter().map(|slice| root.join(slice).join(unit));
        let usual = usual.into_iter().find(|folder| folder.is_dir());
        let folder = match usual {
            Some(folder) => Some(folder),
            None => cgroup::folder_of(&systemd.group_of(unit)?),
        };
        waiting.extend(folder.map(|folder| Service {
            folder,
            seen: Vec::new(),
            looks: 0,
        }));
    }
    let begun = Instant::now();
    let mut changed = begun;
    loop {
        let looked = Instant::now();
        waiting.retain_mut(|service| {
            // A group that is gone: systemd knows how it ended.
            let Some(now) = cgroup::processes(&service.folder) else {
                return false;
            };
            if service.look(now) {
                changed = Instant::now();
            }
            service.looks < LOOKS
        });
        if waiting.is_empty() || changed.elapsed() >= PATIENCE || begun.elapsed() >= LIMIT {
            return Ok(());
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
    fn looks_are_counted_from_the_last_change() {
        let idle = |pid| {
            vec![Process {
                pid,
                waits: true,
                is_unborn: false,
                spent: 0,
            }]
        };
        let mut service = Service {
            folder: PathBuf::new(),
            seen: Vec::new(),
            looks: 0,
        };
        let looks = [1, 1, 1, 2, 2].map(|pid| {
            let is_new = service.look(idle(pid));
            (is_new, service.looks)
        });
        assert_eq!(
            looks,
            [(true, 0), (false, 1), (false, 2), (true, 0), (false, 1)]
        );
    }
}
