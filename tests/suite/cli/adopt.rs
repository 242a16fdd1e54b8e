//! `adopt`: what is there already is described, and not changed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use crate::cli::story::{Config, Ran, Test};
use crate::needs::lacks_nix;

/// A hash that must be told by nobody.
const HASH: &str = "$y$j9T$never$told";

/// What somebody has written.
const FILES: &[(&str, &str)] = &[
    ("etc/os-release", "ID=debian\nPRETTY_NAME=\"Debian\"\n"),
    (
        "etc/hosts",
        "127.0.0.1 localhost\n192.0.2.1 db.example.org db\n",
    ),
    ("etc/hostname", "box\n"),
    ("etc/timezone", "Etc/UTC\n"),
    ("etc/default/locale", "LANG=C.UTF-8\nLC_TIME=C\n"),
    (
        "etc/sysctl.d/90-local.conf",
        "# forwards\nnet.ipv4.ip_forward = 1\n",
    ),
    ("etc/tmpfiles.d/app.conf", "d /run/app 0755 root root\n"),
    (
        "etc/cron.d/backup",
        "SHELL=/bin/sh\n0 3 * * * root echo '${x}' ''y''\n",
    ),
    ("etc/crontab", "  0 4 * * *\troot\ttrue\n"),
    (
        "etc/sudoers.d/alice",
        "alice ALL=(ALL) NOPASSWD: /bin/true\n",
    ),
    ("etc/app/conf", "a = ${b}\n\n  c = ''d''\n"),
    ("etc/app/no-end", "last"),
    ("etc/app/dos", "a\r\nb\r\n"),
    ("etc/app/empty", ""),
    ("etc/app/token", "only for some\n"),
    ("etc/app/key.pem", "-----BEGIN RSA PRIVATE KEY-----\n"),
    (
        "etc/systemd/system/app.service",
        "[Service]\nExecStart=/bin/sleep 100\n[Install]\nWantedBy=multi-user.target\n",
    ),
    ("etc/systemd/system/app.target", "[Unit]\nDescription=x\n"),
    (
        "etc/systemd/system/odd.service",
        "[Service]\nExecStart=/bin/true\n",
    ),
    (
        "etc/systemd/user/tray.service",
        "[Service]\nExecStart=/bin/true\n",
    ),
    (
        "etc/systemd/system/ssh.service.d/override.conf",
        "[Service]\nNice=1\n",
    ),
    ("usr/share/zoneinfo/Etc/UTC", ""),
    ("bin/bash", "#!"),
    ("usr/sbin/nologin", "#!"),
    ("home/alice/.profile", ""),
    (
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000:Alice,,,:/home/alice:/bin/bash\nbob:x:1001:100::/home/bob:/bin/bash\napp:x:998:998::/var/lib/app:/usr/sbin/nologin\n",
    ),
    (
        "etc/group",
        "root:x:0:\nsudo:x:27:alice\nusers:x:100:\nalice:x:1000:\nteam:x:1005:alice,bob\napp:x:998:\n",
    ),
    ("etc/subuid", "alice:100000:65536\n"),
    ("etc/subgid", "alice:100000:65536\n"),
];

/// What somebody has linked.
const LINKS: &[(&str, &str)] = &[
    (
        "/etc/systemd/system/app.service",
        "etc/systemd/system/multi-user.target.wants/app.service",
    ),
    (
        "../app.service",
        "etc/systemd/system/app.target.requires/app.service",
    ),
    ("app.service", "etc/systemd/system/application.service"),
    ("/dev/null", "etc/systemd/system/apt-daily.timer"),
    (
        "/lib/systemd/system/cron.service",
        "etc/systemd/system/multi-user.target.wants/cron.service",
    ),
    ("../usr/share/zoneinfo/Etc/UTC", "etc/localtime"),
    ("../conf", "etc/app/more/conf"),
    ("/usr/bin/vim", "etc/editor"),
];

/// A host that somebody has set up by hand.
fn begin() -> Option<Test> {
    let t = Test::begin()?;
    for (path, text) in FILES {
        fs::create_dir_all(t.path(path).parent().unwrap()).unwrap();
        t.write(path, text);
    }
    t.write(
        "etc/shadow",
        &format!("root:*:19000::::::\nalice:{HASH}:19000:0:99999:7:::\nbob:!:19000::::::\napp:!:19000::::::\n"),
    );
    t.write(
        "etc/gshadow",
        "sudo:*::alice\nalice:!::\nteam:!::alice,bob\napp:!::\n",
    );
    t.give("etc/sudoers.d/alice", 0o440, 0, 0);
    t.give("etc/app/token", 0o600, 0, 0);
    t.give("etc/app/dos", 0o664, 1000, 1005);
    t.give("etc/systemd/system/odd.service", 0o755, 0, 0);
    t.give("home/alice", 0o755, 1000, 1000);
    t.give("bin/bash", 0o755, 0, 0);
    t.give("usr/sbin/nologin", 0o755, 0, 0);
    for (to, path) in LINKS {
        fs::create_dir_all(t.path(path).parent().unwrap()).unwrap();
        symlink(to, t.path(path)).unwrap();
    }
    Some(t)
}

/// All of `/etc`: modes, owners, times and content; but for the lock that all tools for accounts leave there.
fn tree(t: &Test) -> String {
    let script = "cd etc; find . -mindepth 1 ! -name .pwd.lock -printf '%p %y %m %U:%G %T@ %l\\n' | sort; find . -type f ! -name .pwd.lock | sort | xargs sha256sum";
    let output = Command::new("sh")
        .args(["-c", script])
        .current_dir(t.root())
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn with_nix(t: &Test, arguments: &[&str]) -> Ran {
    let mut command = t.command(arguments);
    command
        .env("SYSTEM_MANAGER_SOURCE", env!("CARGO_MANIFEST_DIR"))
        .env("XDG_CACHE_HOME", t.beside("cache"));
    Ran::new(&command.output().unwrap())
}

fn adopt(t: &Test, names: &[&str]) -> (String, PathBuf) {
    let ran = t.run(&[&["adopt"], names].concat()).exits(0);
    let file = t.source("adopted.nix", &ran.stdout);
    (ran.stdout, file)
}

#[test]
fn what_is_there_is_described_and_nothing_of_it_changes() {
    if lacks_nix() {
        return;
    }
    let Some(t) = begin() else { return };
    let before = tree(&t);
    let (text, file) = adopt(&t, &["/etc", "/etc/passwd", "/etc/group", "app"]);
    let file = file.to_str().unwrap();
    for described in [
        "services.cron.systemCronJobs = [",
        "boot.kernel.sysctl.\"net.ipv4.ip_forward\" = 1;",
        "networking.hosts.\"192.0.2.1\" = [ \"db.example.org\" \"db\" ];",
        "systemd.tmpfiles.rules = [ \"d /run/app 0755 root root\" ];",
        "security.sudo.extraConfig = ",
        "networking.hostName = \"box\";",
        "time.timeZone = \"Etc/UTC\";",
        "i18n.extraLocaleSettings.\"LC_TIME\" = \"C\";",
        "systemd.maskedUnits = [ \"apt-daily.timer\" ];",
        "aliases = [ \"application.service\" ];",
        "requiredBy = [ \"app.target\" ];",
        "wantedBy = [ \"multi-user.target\" ];",
        "systemd.user.units.\"tray.service\" = {",
        "users.users.\"bob\" = {",
        "isSystemUser = true;",
        "user = \"alice\";",
    ] {
        assert!(text.contains(described), "{described}: {text}");
    }
    // Twice nothing: by the plan, and by the switch.
    with_nix(&t, &["plan", file, "--detailed-exitcode"])
        .exits(0)
        .says("No changes: the host is as the configuration says.");
    with_nix(&t, &["switch", file]).exits(0);
    assert_eq!(tree(&t), before);
    with_nix(&t, &["plan", file, "--detailed-exitcode"])
        .exits(0)
        .says("No changes");
    t.run(&["why", "/etc/app/conf"])
        .exits(0)
        .says("sources/adopted.nix:");
    t.run(&["deactivate"]).exits(0);
    assert_eq!(tree(&t), before);
}

#[test]
fn what_is_changed_in_the_description_comes_back_when_it_goes() {
    if lacks_nix() {
        return;
    }
    let Some(t) = begin() else { return };
    let before = tree(&t);
    let (text, file) = adopt(
        &t,
        &["/etc/app/conf", "/etc/cron.d", "app.service", "alice"],
    );
    let path = file.to_str().unwrap();
    with_nix(&t, &["switch", path]).exits(0);
    let changed = text
        .replace("a = ''${b}", "a = 2")
        .replace("sleep 100", "sleep 200");
    fs::write(&file, changed).unwrap();
    with_nix(&t, &["plan", path, "--detailed-exitcode"])
        .exits(10)
        .says("+a = 2")
        .says("app.service")
        .says("Plan: 0 to add, 2 to change, 0 to remove");
    with_nix(&t, &["switch", path]).exits(0);
    assert_eq!(t.read("etc/app/conf"), "a = 2\n\n  c = ''d''\n");
    with_nix(&t, &["plan", path, "--detailed-exitcode"]).exits(0);
    t.run(&["deactivate"]).exits(0);
    // Put back with its times; only the folders were written to.
    let files = |tree: &str| -> Vec<String> {
        tree.lines()
            .filter(|l| !l.contains(" d "))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(files(&tree(&t)), files(&before));
}

#[test]
fn what_only_some_may_read_is_never_told() {
    let Some(t) = begin() else { return };
    let (text, _) = adopt(&t, &["/etc", "/etc/passwd", "/etc/shadow", "alice"]);
    for secret in [HASH, "only for some", "BEGIN RSA"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    for said in [
        "# Not described: not everyone may read it",
        "#   /etc/app/token\n",
        "# Not described: it is a private key\n#   /etc/app/key.pem\n",
        "#   /etc/shadow: the account databases are edited in place",
        "# The password stays as it is; its hash is not shown.",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let ran = t.run(&["adopt", "/etc/app/token"]).exits(0);
    assert_eq!(
        ran.stderr,
        "note: 1 thing is not described; comments in the output say why\n"
    );
}

#[test]
fn what_has_no_place_in_a_configuration_is_refused() {
    let Some(t) = begin() else { return };
    for (name, why) in [
        ("root", "error: root is not described"),
        ("nosuch", "error: there is no user or group `nosuch`"),
        ("app/conf", "error: app/conf is not an absolute path"),
        ("/var/lib", "error: /var/lib is not below /etc"),
        ("/etc/none", "error: /etc/none does not exist"),
        (
            "cron.service",
            "error: there is nothing in /etc for the unit `cron.service`",
        ),
        (
            "/etc/app/conf/x",
            "error: /etc/app/conf/x is not below a folder",
        ),
        ("/etc/../root", "error: "),
    ] {
        let ran = t.run(&["adopt", name]).exits(1).says(why);
        assert_eq!(ran.stdout, "", "{name}");
    }
}

#[test]
fn what_is_ours_or_as_a_package_has_shipped_it_is_left_out() {
    let Some(t) = begin() else { return };
    t.activate(&Config::new().copy("ours", "0644", "x\n"));
    t.write("etc/vendor.conf", "x\n");
    fs::create_dir_all(t.path("var/lib/dpkg/info")).unwrap();
    t.write(
        "var/lib/dpkg/info/vendor.list",
        "/.\n/etc\n/etc/vendor.conf\n",
    );
    t.write(
        "var/lib/dpkg/status",
        "Package: vendor\nStatus: install ok installed\nMaintainer: x\nArchitecture: all\nVersion: 1\nConffiles:\n /etc/vendor.conf 401b30e3b8b5d629635a5c613cdb7919\nDescription: x\n",
    );
    let json = t.run(&["adopt", "/etc", "--json"]).exits(0).json();
    let left = json["left"].to_string();
    assert!(
        left.contains(r#"{"name":"/etc/ours","why":"it is managed already"}"#),
        "{left}"
    );
    assert!(left.contains("1 file below /etc"), "{left}");
    let names = json["described"].to_string();
    assert!(
        names.contains(r#"{"kind":"unit","name":"/etc/systemd/system/app.service"}"#),
        "{names}"
    );
    assert!(!names.contains("vendor.conf"), "{names}");
    assert!(json["nix"].as_str().unwrap().ends_with("}\n"));
    // Named by itself it is meant.
    t.run(&["adopt", "/etc/vendor.conf"])
        .exits(0)
        .says("environment.etc.\"vendor.conf\"");
}

#[test]
fn what_is_described_and_changed_by_hand_is_drift() {
    let Some(t) = Test::begin() else { return };
    t.write("etc/app.conf", "theirs\n")
        .write("etc/open.conf", "theirs\n")
        .write("etc/other.conf", "theirs\n")
        .write("etc/hostname", "old\n");
    let config = Config::new()
        .copy("app.conf", "0644", "theirs\n")
        .replacing()
        .copy("other.conf", "0644", "theirs\n")
        .replacing()
        .copy("open.conf", "0644", "theirs\n")
        .replacing()
        .copy("ours.conf", "0644", "ours\n")
        .field("basics", json!({ "hostName": "old" }));
    t.switch(&config);
    let status = ["status", "--detailed-exitcode"];
    t.run(&status)
        .exits(0)
        .says("managed: 1 file below /etc\n")
        .says("described: 3 files that others have created\n")
        .never_says("drift");
    t.run(&["diff", "1"]).exits(0).says("No difference.");
    t.write("etc/app.conf", "by hand\n")
        .write("etc/hostname", "new\n")
        .write("etc/ours.conf", "by hand\n")
        .give("etc/open.conf", 0o666, 0, 0);
    fs::remove_file(t.path("etc/other.conf")).unwrap();
    let told = |path: &str, what: &str| {
        format!("drift: {path}, which is described and not managed, was {what} by hand\n")
    };
    t.run(&status)
        .exits(10)
        .says(&told("/etc/app.conf", "changed"))
        .says(&told("/etc/other.conf", "removed"))
        .says(&told("/etc/open.conf", "given another mode or owner"))
        .says(&told("/etc/hostname", "changed"))
        .says("drift: /etc/ours.conf was changed by hand\n");
    let json = t.run(&["status", "--json"]).exits(0).json();
    let drift = json!({ "/etc/app.conf": "changed", "/etc/other.conf": "removed", "/etc/hostname": "changed", "/etc/open.conf": "access" });
    assert_eq!(
        (&json["described"], &json["describedDrift"]),
        (&json!(3), &drift)
    );
    t.run(&["diff", "1"])
        .exits(0)
        .says("  ~ /etc/app.conf\n")
        .says("      -theirs\n      +by hand\n")
        .says("  ~ /etc/open.conf (mode 0644, owner root:root -> mode 0666, owner 0:0)\n")
        .says("  - /etc/other.conf\n")
        .says("  ~ networking.hostName: old -> (changed by hand)\n");
    // What the next switch puts right is told no more.
    let toplevel = t.run(&["status", "--json"]).json()["active"].clone();
    t.run(&["activate", toplevel.as_str().unwrap()]).exits(0);
    t.run(&status).exits(0).never_says("drift");
}
