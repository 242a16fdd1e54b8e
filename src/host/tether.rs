//! Runs a program that must not outlive the run that started it, such as an activation script.
//!
//! A child of ours starts the program in a process group of its own, and holds one end of a pipe. When the other end
//! goes, because this process has ended in whatever way or because the time is over, it kills the group. What the
//! program left running when it ended by itself stays.
#![expect(clippy::disallowed_methods, reason = "spawns")]

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command as Process, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, chdir, chroot};

use super::threads;

/// The hidden command by which this program holds the leash.
pub(crate) const COMMAND: &str = "run-on-leash";

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
/// When the leash can't be started.
pub(crate) fn run(
    root: &Path,
    program: &str,
    variables: &[(&str, &str)],
    limit: Duration,
) -> Result<Ended> {
    let inner = || -> Result<(ExitStatus, bool, File)> {
        // Not a pipe: what the program leaves running may hold on to it.
        let log = File::from(memfd_create(c"log", MFdFlags::MFD_CLOEXEC)?);
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
        let leash = child.stdin.take();
        let group = Pid::from_raw(i32::try_from(child.id())?);
        let (sender, ended) = mpsc::channel();
        threads::begin("that waits for it", move || {
            sender.send(child.wait()).is_ok()
        })?;
        let (status, overran) = match ended.recv_timeout(limit) {
            Ok(status) => (status?, false),
            Err(_) => {
                drop(leash);
                (ended.recv()??, true)
            }
        };
        if status.signal().is_some() {
            // Whoever killed the holder may have left the program; mostly there is no such group any more.
            let _ = killpg(group, Signal::SIGKILL);
        }
        Ok((status, overran, log))
    };
    let (status, overran, log) = inner().with_context(|| format!("running {program}"))?;
    let output = read_end(&log).with_context(|| format!("reading what {program} printed"))?;
    let failure = if overran {
        Some(format!(
            "it took longer than {} s and was ended",
            limit.as_secs()
        ))
    } else {
        failure(status)
    };
    Ok(Ended { failure, output })
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
        format!("({left_out} bytes before this are left out)\n{text}")
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
    // A root that is not booted may have no devices.
    let nothing = File::open("/dev/null").context("opening /dev/null")?;
    if root != Path::new("/") {
        chroot(root)
            .and_then(|()| chdir("/"))
            .with_context(|| format!("entering the root {}", root.display()))?;
    }
    // Before the program: without it, that would have no leash.
    threads::begin("that holds the leash", || {
        // Whether it ends or fails: nobody holds the other end any more. There is no one to tell, either.
        let _ = std::io::stdin().read(&mut [0]);
        let _ = kill(Pid::from_raw(0), Signal::SIGKILL);
    })?;
    let mut child = Process::new(program)
        .stdin(nothing)
        .spawn()
        .with_context(|| format!("starting {}", program.display()))?;
    let status = child
        .wait()
        .with_context(|| format!("waiting for {}", program.display()))?;
    Ok(status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or_default()))
}
