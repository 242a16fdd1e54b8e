//! Health checks on another root, in which their scripts run.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::cli::scripts::{activate, begin, order, script};
use crate::cli::story::{Config, Test};

fn check(t: &Test, name: &str, text: &str, retries: u32) -> Value {
    let script = script(t, name, text)["script"].clone();
    json!({ "name": name, "script": script, "units": [], "timeout": 1, "retries": retries })
}

fn checked(config: Config, checks: &[Value]) -> Config {
    config.field("healthChecks", json!(checks))
}

#[test]
fn a_host_that_is_not_well_is_told_until_it_is() {
    let Some(t) = begin() else { return };
    let web = check(
        &t,
        "web",
        "echo look >>/order; echo no answer; cat /well",
        1,
    );
    let toplevel = t.build(&checked(Config::new().copy("a", "0644", "a\n"), &[web]));
    t.run(&["plan".as_ref(), toplevel.as_os_str()])
        .exits(0)
        .says("Health checks that run afterwards\n    web");
    assert!(order(&t).is_empty(), "a plan runs nothing");
    activate(&t, &toplevel)
        .exits(4)
        .says("the following health checks failed: web")
        .says("web: exit status 1 (2 attempts)")
        .says("no answer")
        .says("error: the health check web failed: exit status 1");
    assert_eq!(order(&t), ["look", "look"], "one retry");
    assert_eq!(t.read("etc/a"), "a\n", "nobody asked to go back");
    t.run(&["status"]).says("unhealthy: web: exit status 1");
    let json = t.run(&["status", "--json"]).json();
    assert_eq!(json["unhealthy"]["web"], "exit status 1");
    t.run(&["status", "--detailed-exitcode"]).exits(10);

    // What has nothing else to do checks it, too.
    let json = t
        .run(&["activate".as_ref(), toplevel.as_os_str(), "--json".as_ref()])
        .exits(4)
        .json();
    assert_eq!(json["isUntouched"], true);
    assert_eq!(json["failedChecks"][0]["name"], "web");
    assert_eq!(json["failedChecks"][0]["attempts"], 2);
    t.write("well", "");
    activate(&t, &toplevel).exits(0).says("No changes");
    t.run(&["status"]).exits(0).never_says("unhealthy");
}

#[test]
fn a_check_has_a_limit_and_so_has_what_it_prints() {
    let Some(t) = begin() else { return };
    let fifo = t.path("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // The other end of the pipe is closed when nothing of the check runs any more.
    let hangs =
        "(while :; do echo much; done) & exec 3>/fifo; (setsid sleep 60 3>&3 &); exec 3>&-; wait";
    let toplevel = t.build(&checked(Config::new(), &[check(&t, "hangs", hangs, 0)]));
    let reader = std::thread::spawn(move || fs::read(fifo).unwrap());
    let begun = std::time::Instant::now();
    let ran = activate(&t, &toplevel)
        .exits(4)
        .says("hangs: it took longer than 1 s and was killed (1 attempt)");
    reader.join().unwrap();
    assert!(begun.elapsed().as_secs() < 30, "it went on");
    ran.never_says(&"      much\n".repeat(11));
}

#[test]
fn a_switch_that_leaves_a_host_unwell_goes_back_where_that_is_asked_for() {
    let Some(t) = begin() else { return };
    let good = t.build(&Config::new().copy("a", "0644", "a\n"));
    let well = |toplevel: &Path, code| {
        t.run(&[
            "switch".as_ref(),
            toplevel.as_os_str(),
            "--rollback-on-failure".as_ref(),
        ])
        .exits(code)
    };
    well(&good, 0);
    let bad = checked(Config::new(), &[check(&t, "bad", "exit 3", 0)]);
    well(&t.build(&bad), 5)
        .says("the following health checks failed: bad")
        .says("rolling back to");
    assert_eq!(t.read("etc/a"), "a\n");
    t.run(&["status"]).exits(0).never_says("unhealthy");
}
