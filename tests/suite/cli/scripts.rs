//! Activation scripts on another root, in which they run.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::cli::story::{Config, Ran, Test, assert_same};
use crate::cli::strace::{Whose, has_strace, killed_at};
use crate::needs::skip;

/// Begins with a shell on the host; none when this is not run as root, or without a static busybox.
pub fn begin() -> Option<Test> {
    let t = Test::begin()?;
    if !has_shell() {
        return None;
    }
    give_shell(&t);
    Some(t)
}

fn busybox() -> Option<PathBuf> {
    let folders = ["/usr/bin", "/bin"].map(Path::new);
    folders
        .iter()
        .map(|f| f.join("busybox"))
        .find(|b| b.exists())
}

/// Whether there is a shell that runs anywhere.
pub fn has_shell() -> bool {
    let is_there = busybox().is_some();
    if !is_there {
        skip("there is no busybox to run scripts with (apt-get install busybox-static)");
    }
    is_there
}

/// Gives a host a shell.
pub fn give_shell(t: &Test) {
    fs::create_dir_all(t.path("bin")).unwrap();
    for name in ["sh", "cat", "sleep"] {
        install(&busybox().unwrap(), &t.path("bin").join(name));
    }
    t.write("dev/null", "");
}

/// Writes a script where the configuration names it: beside the host, and at the same path on it.
pub fn script(t: &Test, name: &str, text: &str) -> Value {
    let path = t.source(&format!("scripts/{name}"), "");
    place(t, &path, text);
    json!({ "name": name, "script": path, "supportsDryActivation": false })
}

fn place(t: &Test, path: &Path, text: &str) -> PathBuf {
    let inside = t.path(path.strip_prefix("/").unwrap().to_str().unwrap());
    fs::create_dir_all(inside.parent().unwrap()).unwrap();
    install_text(&inside, &format!("#!/bin/sh\n{text}\n"));
    inside
}

/// Places an executable, by another process: what this one has open for writing, a child that another test starts at that
/// moment holds for a while, and then nobody can run it.
fn install(from: &Path, to: &Path) {
    let status = Command::new("install").args([from, to]).status().unwrap();
    assert!(status.success(), "{}", to.display());
}

pub(super) fn install_text(to: &Path, text: &str) {
    let mut from = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut from, text.as_bytes()).unwrap();
    install(from.path(), to);
}

/// A configuration with scripts that write their names to `/order`.
pub(super) fn naming(t: &Test, names: &[&str]) -> Vec<Value> {
    let one = |name: &&str| script(t, name, &format!("echo {name} >>/order"));
    names.iter().map(one).collect()
}

pub(super) fn with(config: Config, scripts: &[Value]) -> Config {
    config.field("activationScripts", json!(scripts))
}

pub(super) fn order(t: &Test) -> Vec<String> {
    let text = fs::read_to_string(t.path("order")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

pub(super) fn activate(t: &Test, toplevel: &Path) -> Ran {
    t.run(&["activate".as_ref(), toplevel.as_os_str()])
}

fn plan(t: &Test, toplevel: &Path) -> Ran {
    t.run(&["plan".as_ref(), toplevel.as_os_str()]).exits(0)
}

#[test]
fn scripts_run_in_order_after_the_files_and_not_again() {
    let Some(t) = begin() else { return };
    let look = "cat /etc/seen >>/order; echo \"$NIXOS_ACTION ${systemConfig##*/} $HOME $PWD ${EDITOR-}\" >>/order";
    let scripts = [naming(&t, &["z", "a"]), vec![script(&t, "m", look)]].concat();
    let toplevel = t.build(&with(
        Config::new().copy("seen", "0644", "file\n"),
        &scripts,
    ));
    plan(&t, &toplevel)
        .says("    run     z  (new)\n    run     a  (new)\n    run     m  (new)")
        .says("can't be predicted, and are not undone")
        .says("3 scripts to run");
    assert!(order(&t).is_empty(), "a plan runs nothing");
    activate(&t, &toplevel).exits(0);
    let name = toplevel.file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(
        order(&t),
        ["z", "a", "file", &format!("test {name} /root / ")]
    );

    plan(&t, &toplevel).says("No changes");
    let before = t.everything();
    activate(&t, &toplevel).exits(0).says("No changes");
    assert_same(&before, &t.everything());
}

#[test]
fn they_run_again_when_something_changes() {
    let Some(t) = begin() else { return };
    let scripts = naming(&t, &["a", "b"]);
    let toplevel = t.build(&with(Config::new().copy("f", "0644", "1\n"), &scripts));
    activate(&t, &toplevel).exits(0);

    t.write("etc/f", "by hand\n");
    plan(&t, &toplevel).says("run     a  (as in each activation that changes something)");
    activate(&t, &toplevel).exits(0);
    assert_eq!(order(&t), ["a", "b", "a", "b"]);

    // Another configuration, with one script less and one that is another.
    let other = script(&t, "a", "true");
    let path = t.source("scripts/new-a", "");
    place(&t, &path, "echo new >>/order");
    let mut changed = other.clone();
    changed["script"] = json!(path);
    let next = t.build(&with(Config::new().copy("f", "0644", "1\n"), &[changed]));
    plan(&t, &next)
        .says("run     a  (changed)")
        .never_says("run     b");
    activate(&t, &next).exits(0);
    assert_eq!(order(&t)[4..], ["new"]);

    t.run(&["deactivate"]).exits(0).never_says("script");
    assert_eq!(order(&t).len(), 5, "going away runs nothing");
}

#[test]
fn they_run_again_when_asked_for() {
    let Some(t) = begin() else { return };
    let toplevel = t.build(&with(Config::new(), &naming(&t, &["a", "b"])));
    activate(&t, &toplevel).exits(0);
    let all = |command: &str| {
        let arguments = [
            command.as_ref(),
            toplevel.as_os_str(),
            "--all-scripts".as_ref(),
        ];
        t.run(&arguments).exits(0)
    };
    all("plan").says("run     a  (all were asked for)");
    all("activate");
    assert_eq!(order(&t), ["a", "b", "a", "b"]);
    activate(&t, &toplevel).says("No changes");

    // A saved plan says it itself.
    let saved = t.beside("plan");
    t.run(&[
        "plan".as_ref(),
        toplevel.as_os_str(),
        "--all-scripts".as_ref(),
        "--out".as_ref(),
        saved.as_os_str(),
    ])
    .exits(0);
    t.run(&["switch".as_ref(), saved.as_os_str()]).exits(0);
    assert_eq!(order(&t), ["a", "b"].repeat(3));
}

#[test]
fn a_generation_without_files_of_its_own_runs_them_too() {
    let Some(t) = begin() else { return };
    let scripts = naming(&t, &["only"]);
    t.switch(&with(Config::new(), &scripts));
    t.switch(&Config::new());
    assert_eq!(order(&t), ["only"]);
    t.run(&["rollback"]).exits(0);
    assert_eq!(order(&t), ["only", "only"], "a rollback is a switch");
}

#[test]
fn a_failure_is_told_the_rest_is_done_and_it_runs_again() {
    let Some(t) = begin() else { return };
    let scripts = [
        script(
            &t,
            "bad",
            "test -e /etc/help || { seq 1 30; echo >&2 it needs help; exit 7; }",
        ),
        naming(&t, &["good"]).remove(0),
    ];
    let toplevel = t.build(&with(Config::new().copy("f", "0644", "1\n"), &scripts));
    let ran = activate(&t, &toplevel)
        .exits(4)
        .says("the following activation scripts failed, and run again next time: bad")
        .says("bad: exit status 7")
        .says("      30\n      it needs help")
        .never_says("      21\n");
    assert!(ran.stdout.contains("Activated: 1 added"), "{}", ran.stdout);
    assert_eq!(order(&t), ["good"]);
    t.run(&["status"])
        .says("that failed, and run again next time: bad");

    plan(&t, &toplevel)
        .says("run     bad  (it has not ended well before)")
        .says("run     good  (together with the others)");
    let again = t.run(&["--json".as_ref(), "activate".as_ref(), toplevel.as_os_str()]);
    let outcome = again.exits(4).json();
    assert_eq!(outcome["failedScripts"][0]["name"], "bad");
    assert_eq!(outcome["failedScripts"][0]["why"], "exit status 7");
    assert_eq!(outcome["failedScripts"][0]["log"][9], "it needs help");

    t.write("etc/help", "");
    activate(&t, &toplevel).exits(0);
    assert_eq!(order(&t), ["good"; 3]);
    t.run(&["status"]).never_says("ended well");
    plan(&t, &toplevel).says("No changes");
}

#[test]
fn the_plan_in_json_names_them_with_the_reason() {
    let Some(t) = begin() else { return };
    let toplevel = t.build(&with(Config::new(), &naming(&t, &["a"])));
    let ran = t.run(&["--json".as_ref(), "plan".as_ref(), toplevel.as_os_str()]);
    let plan = ran.exits(0).json();
    assert_eq!(plan["scripts"]["run"][0]["name"], "a");
    assert_eq!(plan["scripts"]["run"][0]["why"], "new");
    assert_eq!(plan["scripts"]["later"], json!([]));
}

#[test]
fn what_is_not_in_the_store_of_the_root_is_left_to_its_boot() {
    let Some(t) = begin() else { return };
    let absent = json!({ "name": "absent", "script": "/nix/store/x/bin/absent", "supportsDryActivation": false });
    let scripts = [absent, naming(&t, &["there"]).remove(0)];
    let toplevel = t.build(&with(Config::new(), &scripts));
    plan(&t, &toplevel)
        .says("absent is not in the store of this root, and runs when that root boots");
    activate(&t, &toplevel).exits(0);
    assert_eq!(order(&t), ["there"]);
    activate(&t, &toplevel).exits(0).says("No changes");
}

#[test]
fn a_script_without_an_interpreter_is_a_failure_of_its_own() {
    let Some(t) = begin() else { return };
    let broken = script(&t, "broken", "");
    let path = t.path(broken["script"].as_str().unwrap().trim_start_matches('/'));
    fs::write(path, "#!/nowhere/sh\n").unwrap();
    let toplevel = t.build(&with(Config::new(), &[broken]));
    activate(&t, &toplevel)
        .exits(4)
        .says("broken: exit status 1")
        .says("No such file or directory");
}

#[test]
fn time_is_limited_and_what_a_script_leaves_running_is_not_waited_for() {
    let Some(t) = begin() else { return };
    let scripts = [
        script(&t, "slow", "echo begun; sleep 60 & wait"),
        script(&t, "leaves", "(exec sleep 30) & echo $! >/pid"),
    ];
    let toplevel = t.build(&with(Config::new(), &scripts));
    let begun = std::time::Instant::now();
    t.run(&[
        "activate".as_ref(),
        toplevel.as_os_str(),
        "--unit-timeout".as_ref(),
        "1".as_ref(),
    ])
    .exits(4)
    .says("slow: it took longer than 1 s and was killed")
    .says("      begun");
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    let pid: i32 = t.read("pid").trim().parse().unwrap();
    // It runs still; this ends it, and shows that.
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(pid),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
}

#[test]
fn what_leaves_the_session_of_a_script_is_ended_with_it() {
    let Some(t) = begin() else { return };
    let fifo = t.path("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // The other end of the pipe is closed when nothing of the script runs any more; the one that holds it has neither the
    // group nor the session nor the parent that it began with.
    let leaves = script(
        &t,
        "leaves",
        "exec 3>/fifo; (setsid sleep 60 3>&3 &); exec 3>&-; sleep 60 & wait",
    );
    let toplevel = t.build(&with(Config::new(), &[leaves]));
    let reader = std::thread::spawn(move || fs::read(fifo).unwrap());
    let begun = std::time::Instant::now();
    t.run(&[
        "activate".as_ref(),
        toplevel.as_os_str(),
        "--unit-timeout".as_ref(),
        "1".as_ref(),
    ])
    .exits(4)
    .says("leaves: it took longer than 1 s and was killed");
    reader.join().unwrap();
    assert!(begun.elapsed().as_secs() < 30, "it went on");
}

#[test]
fn a_switch_that_goes_back_ends_with_an_error() {
    let Some(t) = begin() else { return };
    let good = t.build(&Config::new().copy("a", "0644", "a\n"));
    activate(&t, &good).exits(0);
    let bad = t.build(&with(Config::new(), &[script(&t, "bad", "exit 3")]));
    t.run(&[
        "switch".as_ref(),
        bad.as_os_str(),
        "--rollback-on-failure".as_ref(),
    ])
    .exits(5)
    .says("error: the switch failed, and what was active before is active again");
    assert_eq!(t.read("etc/a"), "a\n");
}

/// Begins an activation that goes on.
fn under_way(t: &Test, toplevel: &Path) -> Child {
    t.command(&["activate".as_ref(), toplevel.as_os_str()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn a_script_does_not_outlive_the_run() {
    let Some(t) = begin() else { return };
    let fifo = t.path("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // The other end of the pipe is closed when nothing of the script runs any more.
    let endless = script(
        &t,
        "endless",
        "exec 3>/fifo; echo ready >&3; sleep 60 & wait",
    );
    let toplevel = t.build(&with(Config::new(), &[endless]));
    let mut child = under_way(&t, &toplevel);
    let mut reader = std::io::BufReader::new(fs::File::open(&fifo).unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut reader, &mut line).unwrap();
    assert_eq!(line, "ready\n");
    child.kill().unwrap();
    child.wait().unwrap();
    let killed = std::time::Instant::now();
    std::io::Read::read_to_string(&mut reader, &mut line).unwrap();
    assert!(killed.elapsed().as_secs() < 30, "it went on");

    t.run(&["status"])
        .says("scripts that failed")
        .says("endless");
    let path = toplevel.parent().unwrap().join("sources/scripts/endless");
    place(&t, &path, "echo endless >>/order");
    activate(&t, &toplevel).exits(0);
    assert_eq!(order(&t), ["endless"]);
}

#[test]
fn the_scripts_of_the_boot_leave_the_shell_of_a_run_under_way_alone() {
    let Some(t) = begin() else { return };
    let fifo = t.path("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let waits = script(
        &t,
        "waits",
        "echo of the run >$_activationShell; read go </fifo",
    );
    let toplevel = t.build(&with(Config::new(), &[waits]));
    let mut child = under_way(&t, &toplevel);
    // Opened when the script reads, which it does under the lock of its run.
    let mut writer = fs::OpenOptions::new().write(true).open(&fifo).unwrap();
    t.run(&["run-activation-scripts"])
        .exits(1)
        .says("another activation is running");
    assert_eq!(t.read("run/nixos/activation-shell"), "of the run\n");
    std::io::Write::write_all(&mut writer, b"go\n").unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_script_does_not_outlive_who_holds_it() {
    let Some(t) = begin() else { return };
    let fifo = t.path("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let ends = script(&t, "ends", "exec 3>/fifo; kill -9 $PPID; sleep 60 & wait");
    let toplevel = t.build(&with(Config::new(), &[ends]));
    let reader = std::thread::spawn(move || fs::read(fifo).unwrap());
    let begun = std::time::Instant::now();
    activate(&t, &toplevel)
        .exits(4)
        .says("ends: killed by signal 9");
    reader.join().unwrap();
    assert!(begun.elapsed().as_secs() < 30, "it went on");
}

#[test]
fn of_a_long_output_the_end_is_told() {
    let Some(t) = begin() else { return };
    let text = "x=0123456789abcde\nn=0\nwhile [ $n -lt 17 ]; do x=\"$x\n$x\"; n=$((n+1)); done\necho \"$x\"; echo last";
    let toplevel = t.build(&with(Config::new(), &[script(&t, "talks", text)]));
    let ran = activate(&t, &toplevel)
        .exits(0)
        .says("talks: last")
        .says("left out");
    let lines = ran.stderr.lines().count();
    assert!((60_000..70_000).contains(&lines), "{lines}");
}

#[test]
fn killed_among_scripts_the_next_run_runs_them_all() {
    let Some(t) = begin() else { return };
    if !has_strace() {
        return;
    }
    let names = ["a", "b", "c"];
    let config = Config::new().copy("f", "0644", "1\n");
    let toplevel = t.build(&with(config, &naming(&t, &names)));
    let (mut begun, mut ended) = (BTreeSet::new(), 0);
    for call in ["write", "fdatasync"] {
        for number in 1.. {
            // What is killed is the run, not the script.
            if !killed_at(&t, &toplevel, call, number, Whose::Its) {
                break;
            }
            let before = order(&t).len();
            activate(&t, &toplevel).exits(0);
            let again = order(&t)[before..].to_vec();
            // All of them, unless the end of the last one had been written down.
            if again.is_empty() {
                assert_eq!(before, 3, "{call} {number}");
                ended += 1;
            } else {
                assert_eq!(again, names, "{call} {number}");
            }
            begun.insert(before);
            t.run(&["status"])
                .never_says("interrupted")
                .never_says("ended well");
            t.run(&["deactivate"]).exits(0);
            fs::remove_file(t.path("order")).unwrap();
        }
        // The last one ran to its end.
        t.run(&["deactivate"]).exits(0);
        fs::remove_file(t.path("order")).unwrap();
    }
    assert_eq!(begun, [0, 1, 2, 3].into());
    assert!(ended > 0, "no kill came after the scripts");
}
