//! Faults and kills at chosen system calls, by strace.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::cli::story::{PROGRAM, Test};
use crate::needs::skip;

/// Whose system calls count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Those of the program and of all that it starts.
    Everybodys,
    /// Those of the program alone.
    Its,
}

/// Says whether faults can be injected; where not, that the test is skipped.
pub fn has_strace() -> bool {
    let has = Command::new("strace").arg("--version").output().is_ok();
    if !has {
        skip("there is no strace (apt-get install strace)");
    }
    has
}

/// Gives the program on the test's root, with a fault (`CALL:WHAT:when=WHICH`) that strace injects; arguments are to be
/// added.
pub fn with_fault(t: &Test, fault: &str, whose: Whose) -> Command {
    let call = fault.split(':').next().unwrap();
    let mut command = Command::new("strace");
    if whose == Whose::Everybodys {
        command.arg("-f");
    }
    command
        .args(["-qq", "-o", "/dev/null", "-e", &format!("trace={call}")])
        .args(["-e", &format!("inject={fault}"), PROGRAM, "--root"])
        .arg(t.root());
    command
}

/// Runs the program, which must succeed, and counts its system calls.
pub fn count_calls(t: &Test, arguments: &[&str]) -> usize {
    let log = t.beside("calls");
    let status = Command::new("strace")
        .args(["-f", "-qq", "-o"])
        .arg(&log)
        .args([PROGRAM, "--quiet", "--root"])
        .arg(t.root())
        .args(arguments)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{arguments:?}: {status}");
    std::fs::read_to_string(log).unwrap().lines().count()
}

/// Activates and kills that on entering a system call for the `number`th time; false when it ended before.
pub fn killed_at(t: &Test, toplevel: &Path, call: &str, number: usize, whose: Whose) -> bool {
    let status = with_fault(t, &format!("{call}:signal=KILL:when={number}"), whose)
        .args(["--quiet", "activate"])
        .arg(toplevel)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    let killed = status.signal() == Some(9);
    assert!(killed || status.success(), "strace: {status}");
    killed
}
