//! Nothing changed, nothing done: seen from the kernel.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::json;

use crate::cli::story::{Config, PROGRAM, Test};
use crate::cli::strace::has_strace;

/// Says whether a traced call changes a file system: it names one that does, or it opens something for writing.
fn writes(line: &str) -> bool {
    const WRITERS: [&str; 24] = [
        "write",
        "pwrite64",
        "writev",
        "rename",
        "renameat",
        "renameat2",
        "unlink",
        "unlinkat",
        "symlink",
        "symlinkat",
        "link",
        "linkat",
        "mkdir",
        "mkdirat",
        "rmdir",
        "chmod",
        "fchmod",
        "fchmodat",
        "chown",
        "fchown",
        "fchownat",
        "utimensat",
        "setxattr",
        "fsync",
    ];
    let call = line
        .split_whitespace()
        .nth(1)
        .and_then(|w| w.split('(').next())
        .unwrap_or_default();
    let opens = call.starts_with("open")
        && ["O_WRONLY", "O_RDWR", "O_CREAT"]
            .iter()
            .any(|f| line.contains(f));
    // Made already, so that nothing happens.
    let refused = line.contains("= -1 EEXIST");
    (WRITERS.contains(&call) || opens) && !refused
}

#[test]
fn a_second_switch_writes_nothing_but_its_name_into_the_lock() {
    if !has_strace() {
        return;
    }
    let Some(t) = Test::begin() else { return };
    let mut config = Config::new().copy("copied", "4755", "x\n");
    for n in 0..1000 {
        config = config.link(&format!("many/{}/{n}", n % 20), "same\n");
    }
    let mut units = json!({});
    for n in 0..200 {
        let source = t.source(&format!("u{n}.service"), "[Service]\nExecStart=/bin/true\n");
        units[format!("u{n}.service")] = json!({
            "source": source, "overrideStrategy": "asDropinIfExists", "aliases": [],
            "wantedBy": ["multi-user.target"], "requiredBy": [], "upheldBy": [],
        });
    }
    let toplevel = t.build(&config.field("units", units));
    t.run(&["activate".as_ref(), toplevel.as_os_str()]).exits(0);

    let trace = t.beside("trace");
    let output = Command::new("strace")
        .args(["-qq", "-f", "-y", "-o"])
        .arg(&trace)
        .args([
            "-e",
            "trace=%file,%desc,%network,%process",
            PROGRAM,
            "--root",
        ])
        .arg(t.root())
        .arg("activate")
        .arg(&toplevel)
        .output()
        .unwrap();
    assert!(output.status.success());
    let trace = std::fs::read_to_string(trace).unwrap();
    let done: BTreeSet<&str> = trace
        .lines()
        // Standard output is not the file system, and the lock names its holder.
        .filter(|l| writes(l) && !l.contains("write(1<") && !l.contains("system-manager/lock"))
        .filter(|l| !l.contains("\"lock\""))
        .collect();
    assert!(done.is_empty(), "{done:#?}");
    assert!(
        trace.lines().count() > 1400,
        "the trace is too short to be true"
    );
    // No systemd was asked, and no program was started.
    assert!(!trace.contains("connect("), "something was connected to");
    assert_eq!(trace.matches("execve(").count(), 1);
}
