//! What is said, to whom, and that a run does not depend on being heard.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cli::story::{Config, Ran, Test};

#[test]
fn a_refusal_speaks_on_standard_error() {
    let Some(t) = Test::begin() else { return };
    t.write("etc/a", "theirs\n").write("etc/b", "theirs\n");
    let config = Config::new()
        .copy("a", "0644", "1\n")
        .copy("b", "0644", "1\n");
    let toplevel = t.build(&config);
    for command in ["plan", "activate"] {
        let ran = t.run(&[command.as_ref(), toplevel.as_os_str()]).exits(1);
        let lines: Vec<&str> = ran.stderr.lines().collect();
        let [.., error, hint] = lines.as_slice() else {
            panic!("{command}: {}", ran.stderr)
        };
        assert_eq!(
            *error,
            "error: /etc/a exists and is not managed by system-manager, and 1 more conflict"
        );
        assert!(hint.starts_with("hint: move it away, or set"), "{hint}");
        assert_eq!(ran.stderr.matches("error:").count(), 1, "{}", ran.stderr);
    }
}

#[test]
fn nobody_who_stops_listening_ends_an_activation() {
    let Some(t) = Test::begin() else { return };
    let full = || {
        fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap()
    };
    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        writer
    };
    let outputs: [(&str, Stdio, Stdio); 3] = [
        ("both are full", full().into(), full().into()),
        ("both are closed", closed().into(), closed().into()),
        ("a closed log", Stdio::null(), closed().into()),
    ];
    for (n, (why, stdout, stderr)) in outputs.into_iter().enumerate() {
        let text = format!("{n}\n");
        let toplevel = t.build(
            &Config::new()
                .copy("a", "0644", &text)
                .copy("b", "0644", &text),
        );
        let mut command = t.command(&["-v".as_ref(), "activate".as_ref(), toplevel.as_os_str()]);
        let status = command.stdout(stdout).stderr(stderr).status().unwrap();
        assert_eq!(status.code(), Some(0), "{why}");
        assert_eq!(t.read("etc/b"), text, "{why}");
        t.run(&["status"]).exits(0).never_says("interrupted");
    }
}

/// Activates, and sends a signal once the first file is there.
fn activate_under(t: &Test, toplevel: &Path, signal: Signal) -> Ran {
    let mut command = t.command(&["activate".as_ref(), toplevel.as_os_str()]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let first = t.path("etc/many/0000");
    while !first.exists() && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    kill(pid, signal).unwrap();
    Ran::new(&child.wait_with_output().unwrap())
}

#[test]
fn a_signal_ends_a_run_at_a_safe_step_and_a_hang_up_does_not() {
    const COUNT: usize = 500;
    let Some(t) = Test::begin() else { return };
    let mut config = Config::new();
    for n in 0..COUNT {
        config = config.copy(&format!("many/{n:04}"), "0644", "1\n");
    }
    let toplevel = t.build(&config);
    let count = || fs::read_dir(t.path("etc/many")).map_or(0, Iterator::count);
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let ran = activate_under(&t, &toplevel, signal).exits(3);
        let lines: Vec<&str> = ran.stderr.lines().collect();
        let [.., error, hint] = lines.as_slice() else {
            panic!("{}", ran.stderr)
        };
        assert!(
            error.starts_with("error: interrupted after step "),
            "{error}"
        );
        assert!(error.ends_with("; run again to resume"), "{error}");
        assert!(hint.starts_with("hint: stopped part-way; "), "{hint}");
        assert!((1..COUNT).contains(&count()), "{} files", count());
        t.run(&["status"]).exits(0).says("interrupted: activating");
        t.run(&["activate".as_ref(), toplevel.as_os_str()]).exits(0);
        assert_eq!(count(), COUNT);
        t.run(&["deactivate"]).exits(0);
    }
    activate_under(&t, &toplevel, Signal::SIGHUP).exits(0);
    assert_eq!(count(), COUNT);
}

#[test]
fn register_says_json_when_it_is_asked_to() {
    let Some(t) = Test::begin() else { return };
    let toplevel = t.build(&Config::new().copy("a", "0644", "1\n"));
    let arguments = ["--json".as_ref(), "register".as_ref(), toplevel.as_os_str()];
    let said = t.run(&arguments).exits(0).json();
    assert_eq!(said["generation"], 1);
    assert_eq!(said["isNew"], true);
    assert_eq!(said["toplevel"], toplevel.to_str().unwrap());
    assert_eq!(t.run(&arguments).exits(0).json()["isNew"], false);
}

#[test]
fn a_saved_plan_is_for_nobody_else() {
    let Some(t) = Test::begin() else { return };
    let plan = t.beside("plan");
    fs::write(&plan, "an older one").unwrap();
    fs::set_permissions(&plan, fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(t.save_plan(&Config::new().copy("a", "0644", "1\n")), plan);
    assert_eq!(
        fs::metadata(&plan).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn what_is_in_a_folder_that_keeps_others_out_is_a_secret() {
    let Some(t) = Test::begin() else { return };
    t.activate(&Config::new().copy("private/key", "0644", "old secret\n"));
    t.give("etc/private", 0o700, 0, 0);
    let next = t.build(&Config::new().copy("private/key", "0644", "new secret\n"));
    let arguments = ["plan".as_ref(), next.as_os_str()];
    t.run(&arguments)
        .exits(0)
        .says("content not shown")
        .never_says("secret");
    let json = t.run(&["--json".as_ref(), "plan".as_ref(), next.as_os_str()]);
    json.exits(0).never_says("secret");
}
