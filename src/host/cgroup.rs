//! Control groups: the processes that systemd keeps together as one unit.
#![expect(clippy::disallowed_methods, reason = "reads what the kernel shows")]

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where groups are shown: systemd's own hierarchy beside those of controllers, or the only one.
const HIERARCHIES: [&str; 3] = [
    "/sys/fs/cgroup/systemd",
    "/sys/fs/cgroup/unified",
    "/sys/fs/cgroup",
];

/// How many links a group has that has none below it: its name, and its own `.`.
const ALONE: u64 = 2;

/// A process, as far as it shows whether it has come to rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    /// Its number.
    pub pid: u32,
    /// Whether it waits for something that is not the disk.
    pub waits: bool,
    /// Whether it is still systemd's, before the program of the unit begins.
    pub is_unborn: bool,
    /// Processor time that it has taken, in nanoseconds, or in ticks where the kernel does not count more precisely.
    pub spent: u64,
}

/// Returns the folder that shows a group; none where the kernel shows none.
#[must_use]
pub(crate) fn folder_of(group: &str) -> Option<PathBuf> {
    let group = group.trim_start_matches('/');
    let folders = HIERARCHIES.iter().map(|h| Path::new(h).join(group));
    folders
        .into_iter()
        .find(|folder| folder.join("cgroup.procs").exists())
}

/// Lists the processes of a group and of those below it, by number; none when it is gone.
#[must_use]
pub(crate) fn processes(folder: &Path) -> Option<Vec<Process>> {
    let mut found = Vec::new();
    collect(folder, &mut found)?;
    found.sort_by_key(|process| process.pid);
    Some(found)
}

fn collect(folder: &Path, found: &mut Vec<Process>) -> Option<()> {
    // A process or a group below that can't be read is gone by now.
    let listed = read(&folder.join("cgroup.procs"))?;
    let pids = listed.lines().filter_map(|line| line.parse().ok());
    found.extend(pids.filter_map(look_at));
    if fs::metadata(folder).ok()?.nlink() == ALONE {
        return Some(());
    }
    for entry in fs::read_dir(folder).ok()?.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), found);
        }
    }
    Some(())
}

/// Reads a file that the kernel makes as it is read, without asking first how long it is: hundreds are read again and again.
fn read(path: &Path) -> Option<String> {
    let mut text = Vec::with_capacity(512);
    let file = File::open(path).ok()?;
    file.take(u64::MAX).read_to_end(&mut text).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

fn look_at(pid: u32) -> Option<Process> {
    let process = parse_stat(pid, &read(Path::new(&format!("/proc/{pid}/stat")))?)?;
    let counted = read(Path::new(&format!("/proc/{pid}/schedstat")));
    Some(Process {
        spent: counted
            .and_then(|text| parse_schedstat(&text))
            .unwrap_or(process.spent),
        ..process
    })
}

/// Reads the time on a processor in `/proc/PID/schedstat` (sched-stats in the kernel's documentation); none where the kernel
/// counts nothing. Pure.
fn parse_schedstat(text: &str) -> Option<u64> {
    let spent = text.split_ascii_whitespace().next()?.parse().ok()?;
    (spent > 0).then_some(spent)
}

/// Reads `/proc/PID/stat` (proc(5)). Pure.
fn parse_stat(pid: u32, text: &str) -> Option<Process> {
    // The name may have anything in it, parentheses among others.
    let (start, rest) = text.rsplit_once(')')?;
    let (_, name) = start.split_once('(')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let mut times = fields
        .skip(10)
        .map(|field| field.parse::<u64>().unwrap_or(0));
    Some(Process {
        pid,
        waits: state == "S",
        // systemd names a process so until it becomes the program: `(nginx)`.
        is_unborn: name.starts_with('('),
        spent: times.next()? + times.next()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_says_of_a_process() {
        let tail = "1 7 7 0 -1 4194560 1 0 0 0 12 3 0 0 20 0 1 0 55 1 1";
        for (text, waits, is_unborn) in [
            (format!("7 (nginx) S {tail}"), true, false),
            (format!("7 (a) b) R {tail}"), false, false),
            (format!("7 ((nginx)) S {tail}"), true, true),
            (format!("7 (x) D {tail}"), false, false),
        ] {
            let expected = Process {
                pid: 7,
                waits,
                is_unborn,
                spent: 15,
            };
            assert_eq!(parse_stat(7, &text), Some(expected), "{text}");
        }
        assert_eq!(parse_stat(7, "7 (x"), None);
        for (text, expected) in [
            ("1234567 89 3\n", Some(1_234_567)),
            ("0 0 0\n", None),
            ("", None),
        ] {
            assert_eq!(parse_schedstat(text), expected, "{text}");
        }
        let own = look_at(std::process::id()).unwrap();
        assert!(!own.is_unborn);
    }
}
