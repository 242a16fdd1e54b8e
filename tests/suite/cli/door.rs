//! The way to the file system: never through a link, never more handles or memory than it takes, and never for ever.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Command;

use nix::sys::stat::Mode;
use serde_json::json;

use crate::cli::story::{Config, PROGRAM, Ran, Test};
use crate::cli::strace::{count_calls, has_strace};

/// Runs the program below limits that a shell sets first.
fn run_limited(t: &Test, limits: &str, arguments: &str) -> Ran {
    let script = format!(
        "{limits}; exec {PROGRAM} --root {} {arguments}",
        t.root().display()
    );
    Ran::new(&Command::new("sh").args(["-euc", &script]).output().unwrap())
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
