//! Runs a program that must not outlive the run that started it, such as an activation script.
//!
//! A child of ours, the holder, starts the program in a process group of its own, and holds one end of a pipe. When the
//! other end goes, because this process has ended in whatever way or because the time is over, it ends all that comes from
//! the program: whoever leaves its group, or its session, or loses its parent, becomes a child of the holder's (the
//! kernel's "subreaper"), so that none gets away. That needs no systemd, which a scope of its own would. What the program
//! left running when it ended by itself stays. Of a holder that is killed itself, only the group is ended.
#![expect(clippy::disallowed_methods, reason = "spawns")]

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command as Process, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::fcntl::{OFlag, openat};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, chdir, chroot};

use super::{kernel, threads};
use crate::host::living::Living;

/// The hidden command by which this program holds the tether.
pub(crate) const COMMAND: &str = "run-tethered";

/// The folders of a distribution's programs, as systemd gives them to services.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How many bytes of what a program printed are read, at its end.
const OUTPUT: u64 = 1 << 20;

/// How a program ended, and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Why that is a failure; none when it is not.
    pub failure: Option<String>,
    /// What it printed on either stream; of much, the end.
    pub output: String,
}

/// Runs a program inside `root`, with these variables and no others, `limit` at most.
///
/// # Errors
/// When the holder can't be started.
pub(crate) fn run(
    root: &Path,
    program: &str,
    variables: &[(&str, &str)],
    limit: Duration,
) -> Result<Ended> {
    let inner = || -> Result<(ExitStatus, bool, File)> {
        // Not a pipe: what the program leaves running may hold on to it.
        let log = File::from(kernel::file_in_memory()?);
        let mut child = Process::new("/proc/self/exe")
            .arg(COMMAND)
            .arg(root)
            .arg(program)
            .env_clear()
            .envs(variables.iter().copied())
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log.try_clone()?)
            .spawn()?;
        let tether = child.stdin.take();
        let (sender, ended) = mpsc::channel();
        threads::begin("that waits for it", move || {
            sender.send(wait(child)).is_ok()
        })?;
        let (status, overran) = match ended.recv_timeout(limit) {
            Ok(status) => (status?, false),
            Err(_) => {
                drop(tether);
                (ended.recv()??, true)
            }
        };
        Ok((status, overran, log))
    };
    let (status, overran, log) = inner().with_context(|| format!("running {program}"))?;
    let output = read_end(&log).with_context(|| format!("reading what {program} printed"))?;
    let failure = if overran {
        Some(format!(
            "it took longer than {} s and was killed",
            limit.as_secs()
        ))
    } else {
        failure(status)
    };
    Ok(Ended { failure, output })
}

/// Waits for the holder. Whoever killed it may have left the program: while the holder has its number, so has the group.
fn wait(mut holder: Child) -> Result<ExitStatus> {
    let living = Living::of(&holder)?;
    let status = living.wait(&mut holder, |group, is_killed| {
        if is_killed {
            // Mostly nobody is left in it.
            let _ = killpg(group, Signal::SIGKILL);
        }
    })?;
    Ok(status)
}

/// Reads the end of a log. Its position stays: what the program left running may write on.
fn read_end(log: &File) -> Result<String> {
    let size = log.metadata()?.len();
    let left_out = size.saturating_sub(OUTPUT);
    let mut bytes = vec![0; usize::try_from(size - left_out)?];
    log.read_exact_at(&mut bytes, left_out)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(if left_out == 0 {
        text.into_owned()
    } else {
        format!("(the first {left_out} bytes are left out)\n{text}")
    })
}

fn failure(status: ExitStatus) -> Option<String> {
    match (status.code(), status.signal()) {
        (Some(0), _) => None,
        (Some(code), _) => Some(format!("exit status {code}")),
        (None, Some(signal)) => Some(format!("killed by signal {signal}")),
        (None, None) => Some("it has no exit status".to_owned()),
    }
}

/// Runs a program inside `root` until it ends or standard input does, and gives the exit status that a shell would.
///
/// # Errors
/// When the program can't be started.
pub(crate) fn hold(root: &Path, program: &Path) -> Result<i32> {
    // A root that is not booted may have no devices, and shows no processes.
    let nothing = File::open("/dev/null").context("opening /dev/null")?;
    let processes = openat(nix::fcntl::AT_FDCWD, "/proc", FOLDER, Mode::empty());
    kernel::adopt_orphans(true).context("becoming the parent of all that is started")?;
    if root != Path::new("/") {
        chroot(root)
            .and_then(|()| chdir("/"))
            .with_context(|| format!("entering the root {}", root.display()))?;
    }
    let ending = Arc::new(Mutex::new(()));
    let theirs = ending.clone();
    // Before the program: without it, that would have no tether.
    threads::begin("that holds the tether", move || {
        // Whether it ends or fails: nobody holds the other end any more. There is no one to tell, either.
        let _ = std::io::stdin().read(&mut [0]);
        // To the end: were this process to end with the program, what is left would be nobody's.
        let _ending = theirs.lock();
        if let Ok(processes) = processes {
            end_descendants(&processes);
        }
        let _ = kill(Pid::from_raw(0), Signal::SIGKILL);
    })?;
    let mut child = Process::new(program)
        .stdin(nothing)
        .spawn()
        .with_context(|| format!("starting {}", program.display()))?;
    let status = child
        .wait()
        .with_context(|| format!("waiting for {}", program.display()))?;
    let _not_ending = ending.lock();
    Ok(status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or_default()))
}

const FOLDER: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_CLOEXEC);

/// How often what was started meanwhile is looked for, at most.
const ROUNDS: usize = 1000;

/// Ends what comes from this process, and what is started while that goes on.
fn end_descendants(processes: &OwnedFd) {
    let own = Pid::this().as_raw();
    for _ in 0..ROUNDS {
        let found = descendants(own, &read_parents(processes));
        if found.is_empty() {
            return;
        }
        for pid in found {
            // One that has just ended by itself is what was wanted.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// Reads each process that has not ended, with its parent.
fn read_parents(processes: &OwnedFd) -> Vec<(i32, i32)> {
    let listed = openat(processes, ".", FOLDER, Mode::empty())
        .and_then(nix::dir::Dir::from_fd)
        .map(|mut folder| folder.iter().flatten().collect::<Vec<_>>());
    let read = |entry: nix::dir::Entry| {
        let pid: i32 = entry.file_name().to_str().ok()?.parse().ok()?;
        let path = format!("{pid}/stat");
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let file = openat(processes, path.as_str(), flags, Mode::empty()).ok()?;
        let text = std::io::read_to_string(File::from(file)).ok()?;
        Some((pid, parse_parent(&text)?))
    };
    // One that can't be read has ended by now.
    listed.into_iter().flatten().filter_map(read).collect()
}

/// Reads the parent in `/proc/PID/stat` (proc(5)); none for a process that has ended and is only not yet forgotten. Pure.
fn parse_parent(text: &str) -> Option<i32> {
    // The name may have anything in it, parentheses among others.
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (state != "Z" && state != "X").then_some(parent)
}

/// Returns all that come from a process. Pure.
fn descendants(of: i32, parents: &[(i32, i32)]) -> Vec<i32> {
    let mut found = vec![of];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        let children = parents
            .iter()
            .filter(|(pid, of)| *of == parent && *pid != parent);
        found.extend(children.map(|(pid, _)| *pid));
        at += 1;
    }
    found.split_off(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_come_from_a_process_are_found() {
        let parents = [(1, 0), (5, 1), (7, 5), (8, 7), (9, 1), (10, 5), (11, 9)];
        assert_eq!(descendants(5, &parents), [7, 10, 8]);
        assert!(descendants(8, &parents).is_empty());
    }

    #[test]
    fn the_parent_is_read_of_what_has_not_ended() {
        for (text, parent) in [
            ("7 (sh) S 5 7 7 0", Some(5)),
            ("7 (a) b (c)) R 12 7 7", Some(12)),
            ("7 (sh) Z 5 7 7 0", None),
            ("7 (sh", None),
        ] {
            assert_eq!(parse_parent(text), parent, "{text}");
        }
    }
}
