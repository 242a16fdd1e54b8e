//! A host that can't be changed just now: read-only, full, or busy.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use crate::cli::story::{Config, Test, assert_same};
use crate::cli::strace::{Whose, has_strace, with_fault};

/// Runs a script on a mount that the host does not see otherwise; it must be refused, and change nothing.
fn refuses_isolated(t: &Test, toplevel: &Path, script: &str, names: &[&str]) {
    let before = t.everything();
    let Some(ran) = t.run_isolated(toplevel, script) else {
        return;
    };
    let mut ran = ran.exits(1).says("hint:");
    for name in names {
        ran = ran.says(name);
    }
    assert_same(&before, &t.everything());
}

#[test]
fn a_read_only_etc() {
    let Some(t) = Test::begin() else { return };
    let toplevel = t.build(&Config::new().copy("a", "0644", "1\n"));
    let mount = "mount --bind $root/etc $root/etc; mount -o remount,bind,ro $root/etc";
    for command in ["plan", "activate"] {
        let script = format!("{mount}; exec $run {command} $toplevel");
        refuses_isolated(
            &t,
            &toplevel,
            &script,
            &["/etc is on a read-only file system"],
        );
    }
}

#[test]
fn a_read_only_host() {
    let Some(t) = Test::begin() else { return };
    let toplevel = t.build(&Config::new().copy("a", "0644", "1\n"));
    let script = "mount --bind $root $root; mount -o remount,bind,ro $root; cd /; exec $run activate $toplevel";
    refuses_isolated(&t, &toplevel, script, &["Read-only file system"]);
}

#[test]
fn nothing_to_do_is_no_error_where_etc_is_read_only() {
    let Some(t) = Test::begin() else { return };
    let toplevel = t.build(&Config::new().copy("a", "0644", "1\n"));
    t.run(&["activate".as_ref(), toplevel.as_os_str()]).exits(0);
    let script = "mount --bind $root/etc $root/etc; mount -o remount,bind,ro $root/etc; exec $run activate $toplevel";
    if let Some(ran) = t.run_isolated(&toplevel, script) {
        ran.exits(0).says("No changes");
    }
}

#[test]
fn a_full_disk_is_seen_before_anything_is_changed() {
    let Some(t) = Test::begin() else { return };
    let big = "x".repeat(3 << 20);
    let toplevel = t.build(
        &Config::new()
            .copy("small", "0644", "1\n")
            .copy("zbig", "0644", &big),
    );
    for (place, size) in [("etc", "2m"), ("var/lib", "512k")] {
        let script = format!(
            "cp -a $root/{place} $root/copy; mount -t tmpfs -o size={size} none $root/{place}; \
             cp -a $root/copy/. $root/{place}; rm -r $root/copy; exec $run activate $toplevel"
        );
        refuses_isolated(&t, &toplevel, &script, &["has not enough room"]);
    }
}

#[test]
fn a_quota_is_seen_before_anything_is_changed() {
    let Some(t) = Test::begin() else { return };
    if !has_strace() {
        return;
    }
    let toplevel = t.build(&Config::new().copy("a", "0644", "1\n"));
    let ran = with_fault(&t, "fallocate:error=EDQUOT", Whose::Its)
        .arg("activate")
        .arg(&toplevel)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(1), "{said}");
    assert!(said.contains("setting aside"), "{said}");
    assert!(said.contains("raise the quota"), "{said}");
    assert!(!t.path("etc/a").exists());
    t.run(&["status"])
        .exits(0)
        .says("nothing is active")
        .never_says("interrupted");
    // A file system that can't set anything aside is taken at its word.
    let ran = with_fault(&t, "fallocate:error=EOPNOTSUPP", Whose::Its)
        .arg("activate")
        .arg(&toplevel)
        .output()
        .unwrap();
    assert_eq!(
        ran.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    assert_eq!(t.read("etc/a"), "1\n");
}

#[test]
fn a_backup_that_finds_no_room_stops_before_anything_is_changed() {
    let Some(t) = Test::begin() else { return };
    t.write("etc/big", &"x".repeat(3 << 20));
    let toplevel = t.build(
        &Config::new()
            .copy("big", "0644", "small\n")
            .replacing()
            .copy("a", "0644", "1\n"),
    );
    let script = "mount -t tmpfs -o size=2m none $root/var/lib; exec $run activate $toplevel";
    refuses_isolated(&t, &toplevel, script, &["has not enough room"]);
}

#[test]
fn what_one_file_or_folder_stands_in_the_way_of() {
    let Some(t) = Test::begin() else { return };
    t.write("etc/sub/ours", "");
    fs::remove_file(t.path("etc/sub/ours")).unwrap();
    let first = t.build(&Config::new().copy("a", "0644", "1\n"));
    t.run(&["activate".as_ref(), first.as_os_str()]).exits(0);
    let next = t.build(&Config::new().copy("a", "0644", "2\n").copy(
        "sub/b",
        "0644",
        &"x".repeat(3 << 20),
    ));
    for (script, names) in [
        (
            "mount --bind $root/etc/a $root/etc/a",
            ["/etc/a is a mount point", "umount"],
        ),
        (
            "mount -t tmpfs -o ro none $root/etc/sub",
            ["/etc/sub is on a read-only file system", "remount"],
        ),
        (
            "mount -t tmpfs -o size=2m none $root/etc/sub",
            ["/etc/sub has not enough room", "free some space"],
        ),
        (
            "mount -t tmpfs -o nr_inodes=2 none $root/etc/sub",
            ["/etc/sub has not enough room", "free some space"],
        ),
    ] {
        let script = format!("{script}; exec $run activate $toplevel");
        refuses_isolated(&t, &next, &script, &names);
    }
}

#[test]
fn an_immutable_file_or_folder() {
    let Some(t) = Test::begin() else { return };
    t.write("etc/sub/theirs", "");
    let first = t.build(&Config::new().copy("a", "0644", "1\n"));
    t.run(&["activate".as_ref(), first.as_os_str()]).exits(0);
    let next = t.build(
        &Config::new()
            .copy("a", "0644", "2\n")
            .copy("sub/b", "0644", "3\n"),
    );
    for (place, name) in [
        ("etc/a", "/etc/a is immutable"),
        ("etc/sub", "/etc/sub is an immutable folder"),
    ] {
        let chattr = |flag: &str| {
            let done = std::process::Command::new("chattr")
                .arg(flag)
                .arg(t.path(place))
                .output();
            done.is_ok_and(|done| done.status.success())
        };
        if !chattr("+i") {
            crate::needs::skip("no file can be made immutable here (chattr, on ext4 or xfs)");
            return;
        }
        let ran = t.run(&["activate".as_ref(), next.as_os_str()]);
        assert!(chattr("-i"));
        ran.exits(1).says(name).says("chattr -i");
        assert_eq!(t.read("etc/a"), "1\n");
    }
}

#[test]
fn two_runs_at_once() {
    let Some(t) = Test::begin() else { return };
    let toplevel = t.build(&Config::new().copy("a", "0644", "1\n"));
    fs::create_dir_all(t.path("var/lib/system-manager")).unwrap();
    let lock = t.path("var/lib/system-manager/lock");
    fs::write(&lock, "switch, process 4711\n").unwrap();
    let file = fs::File::open(&lock).unwrap();
    file.lock().unwrap();
    for command in [
        vec!["activate".as_ref(), toplevel.as_os_str()],
        vec!["register".as_ref(), toplevel.as_os_str()],
        vec!["deactivate".as_ref()],
    ] {
        t.refuses(
            &command,
            &[
                "another activation is running",
                "switch, process 4711",
                "lock",
                "hint: wait",
            ],
        );
    }
    // Looking is free.
    t.run(&["plan".as_ref(), toplevel.as_os_str()]).exits(0);
    t.run(&["status"]).exits(0);
    // Who has time waits.
    let mut waiting = t
        .command(&["activate".as_ref(), "--wait".as_ref(), toplevel.as_os_str()])
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(waiting.stderr.take().unwrap()).lines();
    let first = said.next().unwrap().unwrap();
    assert_eq!(first, "waiting for switch, process 4711");
    assert!(!t.path("etc/a").exists());
    file.unlock().unwrap();
    assert!(waiting.wait().unwrap().success());
    assert_eq!(t.read("etc/a"), "1\n");
}

#[test]
fn a_program_that_the_host_lacks() {
    let Some(t) = Test::begin() else { return };
    let requirement = serde_json::json!([{
        "path": "/usr/sbin/nginx", "package": "nginx", "install": { "debian": "nginx-light" },
    }]);
    let config = Config::new()
        .copy("a", "0644", "1\n")
        .field("hostRequirements", requirement);
    t.refuses_config(
        &config,
        &[
            "/usr/sbin/nginx",
            "`nginx` needs it",
            "apt-get install nginx-light",
        ],
    );
    t.write("usr/sbin/nginx", "");
    t.activate(&config);
}

#[test]
fn options_without_effect_are_shown_and_refused_when_asked() {
    let Some(t) = Test::begin() else { return };
    let no_effect =
        serde_json::json!([{ "option": "boot.loader.timeout", "definedIn": ["host.nix"] }]);
    let config = Config::new()
        .copy("a", "0644", "1\n")
        .field("noEffect", no_effect);
    let toplevel = t.build(&config);
    for command in ["plan", "activate"] {
        t.refuses(
            &[command.as_ref(), "--strict".as_ref(), toplevel.as_os_str()],
            &["boot.loader.timeout", "host.nix", "hint:"],
        );
    }
    t.run(&["plan".as_ref(), toplevel.as_os_str()])
        .exits(0)
        .says("No effect on this host")
        .says("boot.loader.timeout");
    t.activate(&config);
}
