//! The accounts of a host that numtide/system-manager has managed, as its userborn leaves them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::json;

use crate::cli::accounts::with_users;
use crate::cli::kill::kill_at_each;
use crate::cli::story::{Config, Test};
use crate::cli::strace::has_strace;
use crate::cli::takeover::{fresh, manage, ours, write_record};
use crate::cli::tmpfiles::rules;

/// Accounts as userborn leaves them: shells among its packages, one that is locked, and what it remembers as it does that.
fn manage_accounts(t: &Test) -> String {
    let sw = "/run/system-manager/sw/bin";
    for shell in ["bin/bash", "usr/sbin/nologin"] {
        t.write(shell, "");
        fs::set_permissions(t.path(shell), fs::Permissions::from_mode(0o755)).unwrap();
    }
    for shell in ["bash", "nologin", "xonsh"] {
        let program = format!("nix/store/aaa-sw/bin/{shell}");
        t.write(&program, "");
        fs::set_permissions(t.path(&program), fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::create_dir_all(t.path("run/system-manager")).unwrap();
    symlink("/nix/store/aaa-sw", t.path("run/system-manager/sw")).unwrap();
    let passwd = format!(
        "root:x:0:0:root:/root:{sw}/bash\n\
         daemon:x:1:1::/:/usr/sbin/nologin\n\
         svc:x:990:990::/var/empty:/run/current-system/sw/bin/nologin\n\
         alice:x:1000:1000::/home/alice:{sw}/bash\n\
         carol:x:1001:1001::/home/carol:{sw}/bash\n"
    );
    t.write("etc/passwd", &passwd);
    t.write(
        "etc/group",
        "root:x:0:\ndaemon:x:1:\nsvc:x:990:\nalice:x:1000:\ncarol:x:1001:\n",
    );
    t.write("etc/shadow", "root:$6$a$b:1::::::\ndaemon:*:1::::::\nsvc:!*:1::::::\nalice:$6$c$d:1::::::\ncarol:!*:1::::::\n");
    let remembered = json!({ "users": [{ "name": "alice", "isNormal": true }, { "name": "svc" }], "groups": [] });
    t.write("nix/store/aaa-userborn.json", &remembered.to_string());
    fs::create_dir_all(t.path("var/lib/userborn")).unwrap();
    symlink(
        "/nix/store/aaa-userborn.json",
        t.path("var/lib/userborn/previous-userborn.json"),
    )
    .unwrap();
    passwd
}

/// The same, with the shells that the distribution has.
fn with_own_shells(passwd: &str) -> String {
    let passwd = passwd.replace("/run/system-manager/sw/bin/bash", "/bin/bash");
    passwd.replace("/run/current-system/sw/bin/nologin", "/usr/sbin/nologin")
}

#[test]
fn shells_of_its_packages_become_those_of_the_distribution_and_locked_accounts_are_told() {
    for deactivates in [false, true] {
        let Some((t, _)) = fresh() else { return };
        manage(&t);
        let passwd = manage_accounts(&t);
        let shadow = t.read("etc/shadow");
        let toplevel = t.build(&ours());
        let plan = if deactivates {
            t.run(&["plan", "--deactivate"])
        } else {
            t.run(&["plan".as_ref(), toplevel.as_os_str()])
        };
        plan.exits(0)
            .says(r#"~ user root: shell "/run/system-manager/sw/bin/bash" -> "/bin/bash""#)
            .says(
                r#"~ user svc: shell "/run/current-system/sw/bin/nologin" -> "/usr/sbin/nologin""#,
            )
            .says("accounts that its userborn has created (alice, svc) stay as they are")
            .says("stay locked (carol): `passwd carol` gives one a password");
        if !deactivates {
            t.run(&["activate".as_ref(), toplevel.as_os_str()]).exits(0);
            assert_eq!(t.read("etc/passwd"), with_own_shells(&passwd));
            t.run(&["plan".as_ref(), toplevel.as_os_str()])
                .exits(0)
                .says("No changes");
        }
        t.run(&["deactivate"]).exits(0);
        assert_eq!(t.read("etc/passwd"), with_own_shells(&passwd));
        assert_eq!(t.read("etc/shadow"), shadow);
    }
}

#[test]
fn a_shell_that_the_distribution_lacks_is_refused() {
    let Some((t, _)) = fresh() else { return };
    manage(&t);
    let passwd = manage_accounts(&t).replace(
        "alice:/run/system-manager/sw/bin/bash",
        "alice:/run/system-manager/sw/bin/xonsh",
    );
    t.write("etc/passwd", &passwd);
    let toplevel = t.build(&ours());
    t.refuses(
        &["activate".as_ref(), toplevel.as_os_str()],
        &[
            "user `alice`",
            "removes its shell /run/system-manager/sw/bin/xonsh",
            "chsh -s",
        ],
    );
    assert_eq!(t.read("etc/passwd"), passwd);
}

#[test]
fn a_declared_account_keeps_its_shell_and_goes_back_to_the_distribution_s() {
    let Some((t, _)) = fresh() else { return };
    manage(&t);
    let passwd = manage_accounts(&t);
    let shell = "/run/system-manager/sw/bin/bash";
    let alice = json!({ "group": "alice", "shell": shell });
    // The packages of ours have it, too.
    let program = "nix/store/our-sw/bin/bash";
    t.write(program, "").give(program, 0o755, 0, 0);
    let rule = rules(
        &t,
        "sw",
        "L+ /run/system-manager/sw - - - - /nix/store/our-sw\n",
    );
    let config = with_users(ours(), &[("alice", alice)]).field("tmpfiles", rule);
    let toplevel = t.build(&config);
    t.run(&["plan".as_ref(), toplevel.as_os_str()])
        .exits(0)
        .never_says("user alice");
    t.run(&["activate".as_ref(), toplevel.as_os_str()]).exits(0);
    let alice = t.read("etc/passwd");
    assert!(alice.contains(&format!("/home/alice:{shell}")), "{alice}");
    t.run(&["deactivate"]).exits(0);
    assert_eq!(t.read("etc/passwd"), with_own_shells(&passwd));
}

#[test]
fn a_takeover_of_accounts_may_be_killed_at_any_write() {
    let Some((t, _)) = fresh() else { return };
    if !has_strace() {
        return;
    }
    let passwd = manage_accounts(&t);
    write_record(
        &t,
        &json!({ "fileTree": { "files": [], "backedUpFiles": [] }, "services": {}, "version": 1 }),
    );
    let kills = kill_at_each(&["renameat"], &t, &t.build(&Config::new()));
    assert!(kills > 5, "only {kills} writes were found");
    assert_eq!(t.read("etc/passwd"), with_own_shells(&passwd));
}
