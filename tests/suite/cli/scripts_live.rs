//! Activation scripts where the root is the running system's, without a systemd.

use std::path::Path;

use serde_json::json;

use crate::cli::scripts::{activate, begin, install_text, naming, order, script, with};
use crate::cli::story::{Config, Ran, Test};

/// Runs a shell script in which the host is the running system, as far as this can be had without harm.
fn run_live(t: &Test, toplevel: &Path, text: &str) -> Option<Ran> {
    let script = format!(
        "mkdir -p $root/var/lib; mount --bind $root/etc /etc; mount --bind $root/var/lib /var/lib
         mount -t tmpfs none /run; test ! -e /nix || mount -t tmpfs none /nix
         program=${{run%% --root*}}
         {text}"
    );
    t.run_isolated(toplevel, &script)
}

#[test]
fn what_an_interrupted_run_was_asked_for_is_not_done_when_all_goes() {
    let Some(t) = Test::begin() else { return };
    let toplevel = t.build(&Config::new().copy("f", "0644", "1\n"));
    let left = "mkdir /run/nixos; echo cron.service >/run/nixos/activation-restart-list
                echo '{\"begin\":{\"purpose\":\"test\",\"due\":{},\"tmpfiles\":false}}' >/var/lib/system-manager/journal
                $program deactivate; test ! -e /run/nixos";
    let text = format!("$program activate $toplevel; {left}");
    let Some(ran) = run_live(&t, &toplevel, &text) else {
        return;
    };
    ran.exits(0).never_says("cron.service");
    assert!(!t.path("etc/f").exists());
}

#[test]
fn a_request_that_no_systemd_can_serve_is_told_and_is_no_failure() {
    let Some(t) = Test::begin() else { return };
    let text = "#!/bin/sh\necho cron.service >/run/nixos/activation-restart-list\n";
    let path = t.source("scripts/asks", "");
    install_text(&path, text);
    let asks = json!({ "name": "asks", "script": path, "supportsDryActivation": false });
    let toplevel = t.build(&with(Config::new(), &[asks]));
    let Some(ran) = run_live(&t, &toplevel, "$program activate $toplevel") else {
        return;
    };
    // Its boot starts what is new.
    ran.exits(0).says("but systemd is not running here");
    let state = t.read("var/lib/system-manager/state.json");
    assert!(!state.contains("pendingUserUnits"), "{state}");
}

#[test]
fn the_boot_runs_all_of_what_is_active_and_writes_no_state() {
    let Some(t) = begin() else { return };
    let scripts = [
        script(
            &t,
            "first",
            "echo \"boot ${NIXOS_ACTION-none}\" >>/order; test ! -e /etc/bad",
        ),
        naming(&t, &["second"]).remove(0),
    ];
    t.run(&["run-activation-scripts"]).exits(0);
    let toplevel = t.build(&with(Config::new(), &scripts));
    activate(&t, &toplevel).exits(0);
    let state = t.read("var/lib/system-manager/state.json");
    t.run(&["run-activation-scripts"]).exits(0);
    assert_eq!(order(&t)[2..], ["boot none", "second"]);
    t.write("etc/bad", "");
    t.run(&["run-activation-scripts"])
        .exits(4)
        .says("the activation script first failed: exit status 1");
    assert_eq!(order(&t)[4..], ["boot none", "second"]);
    assert_eq!(t.read("var/lib/system-manager/state.json"), state);
}
