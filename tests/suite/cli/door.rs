//! The way to the file system: never through a link, never more handles or memory than it takes, and never for ever.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::{Command, Output};

use nix::sys::stat::Mode;
use serde_json::json;

use crate::cli::story::{Config, PROGRAM, Ran, Test};
use crate::cli::strace::{Whose, count_calls, has_strace, with_fault};

/// Runs the program below limits that a shell sets first.
fn run_limited(t: &Test, limits: &str, arguments: &str) -> Ran {
    Ran::new(&run_after(t, &format!("{limits}; exec"), arguments))
}

/// Runs the program after these words of a shell.
fn run_after(t: &Test, words: &str, arguments: &str) -> Output {
    let script = format!(
        "{words} {PROGRAM} --root {} {arguments}",
        t.root().display()
    );
    let mut shell = Command::new("sh");
    shell.args(["-euc", &script]).output().unwrap()
}

#[test]
fn as_many_folders_as_there_are_take_few_handles() {
    let Some(t) = Test::begin() else { return };
    let source = t.source("one", "one\n");
    let config = (0..300).fold(Config::new(), |config, n| {
        config.source(&format!("many/{n}/file"), "0644", &source)
    });
    let toplevel = t.build(&config);
    let activate = format!("activate {}", toplevel.display());
    run_limited(&t, "ulimit -n 128", &activate).exits(0);
    assert_eq!(t.read("etc/many/299/file"), "one\n");
    run_limited(&t, "ulimit -n 128", "deactivate").exits(0);
    assert!(!t.path("etc/many").exists());
}

#[test]
fn four_times_the_entries_take_four_times_the_system_calls() {
    let Some(t) = Test::begin() else { return };
    if !has_strace() {
        return;
    }
    let source = t.source("one", "one\n");
    let calls = |count: usize| -> [usize; 3] {
        let config = (0..count).fold(Config::new(), |config, n| {
            config.source(&format!("many/{}/{n}", n / 10), "0644", &source)
        });
        let toplevel = t.build(&config);
        let activate = ["activate", toplevel.to_str().unwrap()];
        [&activate[..], &activate, &["deactivate"]].map(|words| count_calls(&t, words))
    };
    let (few, many) = (calls(100), calls(400));
    for (what, (few, many)) in ["activate", "again", "deactivate"]
        .iter()
        .zip(few.into_iter().zip(many))
    {
        assert!(
            many < 4 * few + 100,
            "{what}: {few} calls, {many} for four times as much"
        );
    }
}

#[test]
fn a_large_copy_takes_little_memory() {
    let Some(t) = Test::begin() else { return };
    let source = t.source("large", "");
    fs::File::options()
        .write(true)
        .open(&source)
        .unwrap()
        .set_len(96 << 20)
        .unwrap();
    let toplevel = t.build(&Config::new().source("large", "0644", &source));
    let arguments = format!("activate {}", toplevel.display());
    run_limited(&t, "ulimit -v 80000", &arguments).exits(0);
    assert_eq!(fs::metadata(t.path("etc/large")).unwrap().len(), 96 << 20);
}

#[test]
fn a_source_that_never_ends_is_refused() {
    let Some(t) = Test::begin() else { return };
    let pipe = t.beside("pipe");
    nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    for source in [pipe.to_str().unwrap(), "/dev/full", "/dev/zero"] {
        t.refuses_config(
            &Config::new().source("a", "0644", source),
            &[source, "is not a regular file"],
        );
    }
}

#[test]
fn a_folder_never_has_another_mode_than_its_own() {
    let Some(t) = Test::begin() else { return };
    let toplevel = t.build(&Config::new().copy("made/by/us", "0644", "1\n"));
    let arguments = format!("activate {}", toplevel.display());
    run_limited(&t, "umask 077", &arguments).exits(0);
    for folder in ["etc/made", "etc/made/by"] {
        assert_eq!(fs::metadata(t.path(folder)).unwrap().mode() & 0o7777, 0o755);
    }
}

#[test]
fn a_folder_whose_making_is_killed_has_its_mode_after_the_next_run() {
    let Some(t) = Test::begin() else { return };
    if !has_strace() {
        return;
    }
    let toplevel = t.build(&Config::new().copy("made/by/us", "0644", "1\n"));
    let activate = format!("activate {}", toplevel.display());
    let files = || fs::read_dir(t.path("etc")).unwrap().count();
    let (before, mut kills) = (files(), 0);
    for call in ["mkdirat", "fchmod", "renameat", "renameat2"] {
        for number in 1.. {
            let tracer = format!("umask 077; exec strace -qq -o /dev/null -e trace={call}");
            let limits = format!("{tracer} -e inject={call}:signal=KILL:when={number}");
            if run_after(&t, &limits, &activate).status.success() {
                break;
            }
            kills += 1;
            t.run(&["activate".as_ref(), toplevel.as_os_str()]).exits(0);
            for folder in ["etc/made", "etc/made/by"] {
                let mode = fs::metadata(t.path(folder)).unwrap().mode() & 0o7777;
                assert_eq!(mode, 0o755, "{folder} after {call} {number}");
            }
            t.run(&["deactivate"]).exits(0);
            assert_eq!(files(), before, "after {call} {number}");
        }
        t.run(&["deactivate"]).exits(0);
    }
    assert!(kills > 8, "only {kills} kills");
}

#[test]
fn where_no_thread_can_be_made_nothing_is_begun() {
    let Some(t) = Test::begin() else { return };
    if !has_strace() {
        return;
    }
    let toplevel = t.build(&Config::new().copy("a", "0644", "1\n"));
    let mut run = with_fault(&t, "clone3:error=EAGAIN:when=1", Whose::Its);
    let output = run.arg("activate").arg(toplevel).output().unwrap();
    let ran = Ran::new(&output).exits(1);
    assert!(
        ran.stderr.contains("error: making a thread"),
        "{}",
        ran.stderr
    );
    assert!(!t.path("etc/a").exists());
}

#[test]
fn what_can_not_be_looked_at_is_not_taken_for_missing() {
    let Some(t) = Test::begin() else { return };
    if !has_strace() {
        return;
    }
    t.write("usr/bin/tool", "")
        .write("usr/share/zoneinfo/Zone", "");
    let requirement = json!([{ "path": "/usr/bin/tool", "package": "tool", "install": {} }]);
    let config = Config::new()
        .field("basics", json!({ "timeZone": "Zone" }))
        .field("hostRequirements", requirement);
    let toplevel = t.build(&config);
    let mut refused = 0;
    for number in 1..60 {
        let mut run = with_fault(&t, &format!("openat2:error=EIO:when={number}"), Whose::Its);
        let output = run.arg("plan").arg(&toplevel).output().unwrap();
        refused += usize::from(!output.status.success());
        Ran::new(&output)
            .never_says("is not installed")
            .never_says("this host has no");
    }
    assert!(refused > 10, "only {refused} faults");
}

#[test]
fn another_root_is_never_left_by_an_absolute_link() {
    let Some(t) = Test::begin() else { return };
    // What the links lead to is there outside, and not below the root.
    symlink("/bin/sh", t.path("etc/program")).unwrap();
    fs::create_dir_all(t.path("usr/bin")).unwrap();
    symlink("/bin/sh", t.path("usr/bin/tool")).unwrap();
    let requirement =
        json!([{ "path": "/usr/bin/tool", "package": "tool", "install": { "debian": "tool" } }]);
    let config = Config::new()
        .copy("a", "0644", "1\n")
        .field("hostRequirements", requirement);
    t.refuses_config(&config, &["/usr/bin/tool", "is not installed"]);
    t.write("bin/sh", "");
    t.activate(&config);
}
