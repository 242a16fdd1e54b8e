//! Users and groups as whoever runs the program meets them.

use std::fs;
use std::path::Path;

use crate::cli::story::{Config, Ran, Test};

/// Begins on a host with a shadow file.
fn begin() -> Option<Test> {
    let t = Test::begin()?;
    t.write(
        "etc/shadow",
        "root:*:20000:0:99999:7:::\nweb:!:20000::::::\n",
    );
    t.give("etc/shadow", 0o640, 0, 42);
    Some(t)
}

fn activate(t: &Test, toplevel: &Path) -> Ran {
    t.run(&["activate".as_ref(), toplevel.as_os_str()])
}

/// Places a program in the `sw` of a toplevel, where the host finds it.
fn program(t: &Test, toplevel: &Path, name: &str) {
    let path = format!(
        "{}/sw/bin/{name}",
        toplevel.to_str().unwrap().trim_start_matches('/')
    );
    t.write(&path, "#!/bin/sh\n").give(&path, 0o755, 0, 0);
}

#[test]
fn a_shell_that_goes_with_a_switch_forbids_it_whoever_set_it() {
    let Some(t) = begin() else { return };
    let first = t.build(&Config::new().link("a", "1\n"));
    let second = t.build(&Config::new().link("a", "2\n"));
    program(&t, &first, "zsh");
    activate(&t, &first).exits(0);
    let by_hand = "root:x:0:0:root:/root:/var/lib/system-manager/current/sw/bin/zsh\n\
        ann:x:1000:34::/:/etc/zsh\nbob:x:1001:34::/:/var/lib/system-manager/current/sw/bin/gone\nweb:x:33:34::/:/bin/sh\n";
    t.write("etc/passwd", by_hand);
    std::os::unix::fs::symlink(
        "../var/lib/system-manager/current/sw/bin/zsh",
        t.path("etc/zsh"),
    )
    .unwrap();

    let goes = "could not log in any more: its shell /var/lib/system-manager/current/sw/bin/zsh goes with this switch";
    for arguments in [
        ["plan".as_ref(), second.as_os_str()],
        ["activate".as_ref(), second.as_os_str()],
    ] {
        let ran = t
            .run(&arguments)
            .exits(1)
            .says(&format!("! user `root` {goes}"));
        let ran = ran
            .says("chsh -s /bin/sh root")
            .says("! user `ann` could not log in any more");
        // His did not work before, either.
        let ran = ran.never_says("user `bob`").never_says("user `web`");
        assert!(
            ran.stdout.find("user `root`") < ran.stdout.find("user `ann`"),
            "{}",
            ran.stdout
        );
    }
    t.run(&["deactivate"]).exits(1).says(goes);
    activate(&t, &first).exits(0).says("No changes");

    program(&t, &second, "zsh");
    activate(&t, &second).exits(0);
    t.run(&["deactivate"]).exits(1).says(goes);
    t.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
    t.run(&["deactivate"]).exits(0);
    assert!(fs::symlink_metadata(t.path("etc/a")).is_err());
}
