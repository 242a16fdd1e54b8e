//! What is said, and what holds, when something goes wrong in the middle.

use std::path::Path;

use crate::cli::story::{Config, Test};
use crate::cli::strace::{Whose, has_strace, with_fault};

/// Switches to a saved plan with a fault, and gives the exit code (none: killed) and standard error.
fn switch_with_fault(t: &Test, plan: &Path, fault: &str) -> (Option<i32>, String) {
    let output = with_fault(t, fault, Whose::Everybodys)
        .arg("switch")
        .arg(plan)
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn a_result_that_cannot_be_printed_changes_no_verdict() {
    let Some(t) = Test::begin() else { return };
    t.switch(&Config::new().copy("a", "0644", "1\n"));
    let plan = t.save_plan(&Config::new().copy("a", "0644", "2\n"));
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let status = t
        .command(&["switch".as_ref(), plan.as_os_str()])
        .stdout(full)
        .status();
    assert_eq!(status.unwrap().code(), Some(0));
    assert_eq!(t.read("etc/a"), "2\n");
    t.run(&["status"]).says("active: generation 2");
}

#[test]
fn stopped_part_way_it_exits_3_and_says_how_to_go_on() {
    let Some(t) = Test::begin() else { return };
    if !has_strace() {
        return;
    }
    t.switch(&Config::new().copy("a", "0644", "1\n"));
    let next = Config::new()
        .copy("a", "0644", "2\n")
        .copy("b", "0644", "2\n");
    let stopped = (1..40).find_map(|number| {
        let plan = t.save_plan(&next);
        let fault = format!("renameat:error=EIO:when={number}+");
        let (code, said) = switch_with_fault(&t, &plan, &fault);
        (code == Some(3)).then_some(said)
    });
    let said = stopped.expect("some replacement comes after the claim");
    assert!(
        said.contains("Input/output error") || said.contains("EIO"),
        "{said}"
    );
    assert!(
        said.contains("run `system-manager activate` to continue"),
        "{said}"
    );
    t.run(&["status"]).says("interrupted: activating");
    t.run(&["activate"]).exits(0);
    assert_eq!(
        (t.read("etc/a"), t.read("etc/b")),
        ("2\n".to_owned(), "2\n".to_owned())
    );
    t.run(&["status"]).never_says("interrupted");
}

#[test]
fn exit_1_leaves_nothing_to_resume() {
    let Some(t) = Test::begin() else { return };
    if !has_strace() {
        return;
    }
    t.switch(&Config::new().copy("a", "0644", "1\n"));
    let mut refused = 0;
    for number in 1..40 {
        let plan = t.save_plan(&Config::new().copy("a", "0644", "2\n"));
        let fault = format!("renameat:error=ENOSPC:when={number}+");
        let (code, said) = switch_with_fault(&t, &plan, &fault);
        match code {
            Some(1) => {
                t.run(&["status"])
                    .never_says("interrupted")
                    .says("active: generation 1");
                assert_eq!(t.read("etc/a"), "1\n", "{said}");
                refused += 1;
            }
            Some(3) => break,
            other => panic!("{other:?} at {number}: {said}"),
        }
    }
    assert!(refused > 1, "only {refused} failures came before the claim");
}

#[test]
fn rollback_after_an_interrupted_switch_goes_to_what_was_in_force() {
    let Some(t) = Test::begin() else { return };
    if !has_strace() {
        return;
    }
    t.switch(&Config::new().copy("a", "0644", "1\n"));
    t.switch(&Config::new().copy("a", "0644", "2\n"));
    let plan = t.save_plan(&Config::new().copy("a", "0644", "3\n"));
    for number in (1..40).rev() {
        let fault = format!("renameat:signal=KILL:when={number}");
        let (code, _) = switch_with_fault(&t, &plan, &fault);
        if code.is_none() && t.path("var/lib/system-manager/journal").exists() {
            break;
        }
        // It had done all, or ended before that replacement: back to where it began.
        t.run(&["rollback", "--to", "2"]).exits(0);
    }
    t.run(&["status"]).says("interrupted: activating");
    t.run(&["rollback"]).exits(0);
    assert_eq!(t.read("etc/a"), "2\n");
    t.run(&["status"])
        .says("active: generation 2")
        .never_says("interrupted");
}
