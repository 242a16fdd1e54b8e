//! What people see: the output of commands on terminals of 80 and 120 columns, with colours and without.
//!
//! `UPDATE_EXPECT=1 cargo test --test suite -- looks::` writes what is seen anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::cli::story::{Config, PROGRAM, Test};
use crate::cli::terminal::Terminal;
use crate::needs::lacks_nix;
use crate::nix_fixture::{NIX_CONFIG, compare, own_store};

/// Names that this file has no store path for.
const HASH: &str = "0123456789abcdfghijklmnpqrsvwxyz";

const PROVENANCE: &str = r#"{"version":1,
  "files":{"app.conf":[
    {"option":"environment.etc.\"app.conf\".text","file":"/home/alice/hosts/web/configuration.nix","line":7,"priority":50},
    {"option":"environment.etc.\"app.conf\".text","file":"/home/alice/hosts/common/applications.nix","line":12,"priority":100,"loses":true}]},
  "units":{},"userUnits":{},"users":{},"groups":{},"variables":{},"rules":{},"packages":{}}"#;

/// A host whose path has the same length wherever the tests run.
fn host() -> Option<Test> {
    let t = Test::begin_at("/tmp")?;
    t.write("etc/hosts", "127.0.0.1 localhost\n")
        .write("etc/theirs.conf", "theirs\n")
        .write("etc/hostname", "old\n")
        .write("usr/lib/systemd/system/multi-user.target", "[Unit]\n")
        .write("etc/app.conf.dpkg-dist", "newer\n")
        .has_conffile("app", "app.conf");
    Some(t)
}

/// A configuration with a long name, long lines, and something of each kind.
fn config(t: &Test, text: &str) -> Config {
    let unit = t.source(
        &format!("unit-{}", text.len()),
        &format!("[Service]\nExecStart=/nix/store/{HASH}-worker/bin/worker --configuration /etc/app.conf --label '{text}'\n"),
    );
    let rules = t.source("rules", "d /srv/app 0755 - - -\n");
    let long = "applications/with-a-long-name/settings-of-the-second-instance.conf";
    Config::new()
        .copy("app.conf", "0644", &format!("greeting = {text}\nnumber = 1\n"))
        .copy(long, "0600", "secret\n")
        .copy("other.conf", "0644", &format!("{} {text}\n", "a long line of words ".repeat(6)))
        .field("blocks", json!({ "hosts": format!("10.0.0.1 {text}.example.org {text}\n") }))
        .field("basics", json!({ "hostName": text }))
        .field("tmpfiles", json!({ "rules.conf": rules }))
        .field("units", json!({ "worker.service": {
            "source": unit, "overrideStrategy": "asDropinIfExists", "aliases": [],
            "wantedBy": ["multi-user.target"], "requiredBy": [], "upheldBy": [],
        }}))
        .field("noEffect", json!([{ "option": "boot.loader.systemd-boot.configurationLimit",
            "definedIn": ["/home/alice/hosts/web/configuration.nix", "/home/alice/hosts/common/applications.nix"] }]))
}

/// The name of a look, the arguments, and the exit code.
type Look = (&'static str, &'static str, i32);

/// Paths, by the words that stand for them in arguments.
type Given = Vec<(&'static str, PathBuf)>;

/// Each command that is looked at, with its exit code, in the order of a host's life.
const SEEN: [Look; 29] = [
    ("status-nothing", "status", 0),
    ("plan", "plan ONE", 0),
    ("switch", "switch SAVED", 0),
    ("no-changes", "plan ONE", 0),
    ("plan-changes", "plan TWO", 0),
    ("conflicts", "plan REFUSED", 1),
    ("refusal", "activate REFUSED", 1),
    ("summary", "plan TWO --summary", 0),
    ("status", "status", 0),
    ("status-diff", "status --diff", 0),
    ("generations", "generations", 0),
    ("diff", "diff 1", 0),
    ("why", "why /etc/app.conf", 0),
    ("why-foreign", "why /etc/theirs.conf", 0),
    ("error", "rollback --to 77", 1),
    ("other-word", "uninstall", 2),
    ("extend", "extend 60", 1),
    ("adopt", "adopt /etc/theirs.conf", 0),
    ("register", "register TWO --message next", 0),
    ("activate", "activate", 0),
    ("diff-generations", "diff 1 2", 0),
    ("rollback", "rollback", 0),
    ("undo", "undo", 0),
    ("generations-told", "generations -v", 0),
    ("generations-delete", "generations delete 1 --dry-run", 0),
    ("gc", "gc --dry-run", 0),
    ("pre-populate", "pre-populate ONE", 0),
    ("plan-deactivate", "plan --deactivate", 0),
    ("deactivate", "deactivate", 0),
];

/// What Nix is asked for, in the same form.
const EVALUATED: [Look; 8] = [
    ("option", "option environment.variables --file HOST", 0),
    ("option-list", "option users --file HOST", 0),
    ("option-meant", "option users.mutabelUsers --file HOST", 0),
    ("mistake", "plan WRONG", 1),
    ("compat", "compat --nixpkgs NIXPKGS --no-cache", 0),
    (
        "compat-module",
        "compat services/web/webd --nixpkgs NIXPKGS --no-cache",
        0,
    ),
    ("init", "init NEW --no-flake", 0),
    ("edit", "edit --file HOST", 0),
];

/// Shows a command on a terminal.
fn look(
    t: &Test,
    given: &Given,
    arguments: &str,
    width: u16,
    colours: bool,
) -> Option<(String, i32)> {
    let mut words = format!("{PROGRAM} --root {} {arguments}", t.root().display());
    for (name, path) in given {
        words = words.replace(name, &path.display().to_string());
    }
    let no_color = if colours { "" } else { "1" };
    let [source, cache] = ["source", "cache"].map(|name| t.beside(name).display().to_string());
    let store = own_store("looks-store").display().to_string();
    let variables = [
        ("NO_COLOR", no_color),
        ("TZ", "UTC"),
        ("EDITOR", "echo edited:"),
        ("NIX_PATH", ""),
        ("NIX_CONFIG", NIX_CONFIG),
        ("NIX_REMOTE", &store),
        ("SYSTEM_MANAGER_SOURCE", &source),
        ("XDG_CACHE_HOME", &cache),
    ];
    let variables = if colours {
        &variables[1..]
    } else {
        &variables[..]
    };
    let terminal = Terminal::begin(width, Path::new("/"), variables, &format!("clear; {words}"))?;
    let code = terminal.ends();
    let screen = terminal.screen(colours);
    let screen = screen.split("[ended: ").next().unwrap();
    let root = t.root();
    let beside = root.parent().unwrap().display().to_string();
    let shown = screen.replace(&beside, "/tmp/test-XXXX");
    let shown: Vec<&str> = shown.trim_end().lines().map(str::trim_end).collect();
    Some((without_times(&shown.join("\n").replace('\x1b', "␛")), code))
}

/// Times are not the same again.
fn without_times(text: &str) -> String {
    let mut out: Vec<char> = text.chars().collect();
    let is_time = |window: &[char]| {
        window
            .iter()
            .zip("0000-00-00 00:00".chars())
            .all(|(c, form)| match form {
                '0' => c.is_ascii_digit(),
                form => *c == form,
            })
    };
    for at in 0..out.len().saturating_sub(15) {
        if is_time(&out[at..at + 16]) {
            for (c, to) in out[at..at + 16].iter_mut().zip("YYYY-MM-DD HH:MM".chars()) {
                *c = to;
            }
        }
    }
    out.into_iter().collect()
}

/// Compares what commands look like with the files of that, on a host of its own for each kind of terminal.
fn compare_all(begin: impl Fn() -> Option<Test>, prepare: impl Fn(&Test) -> Given, seen: &[Look]) {
    for (width, colours) in [(80, true), (80, false), (120, true), (120, false)] {
        let Some(t) = begin() else { return };
        let given = prepare(&t);
        for (name, arguments, code) in seen {
            if *name == "status" {
                t.write("etc/app.conf", "by hand\n");
            }
            let Some((seen, ended)) = look(&t, &given, arguments, width, colours) else {
                return;
            };
            assert_eq!(ended, *code, "{name}: {seen}");
            let ending = if colours { "-colours" } else { "" };
            let file = format!("tests/looks/{name}-{width}{ending}.txt");
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            compare(&file, &format!("{seen}\n")).unwrap();
        }
    }
}

#[test]
fn what_is_seen_on_terminals_is_what_is_meant_to_be_seen() {
    let prepare = |t: &Test| {
        let one = t.build(&config(t, "hello"));
        let two = t.build(&config(t, "good-morning"));
        fs::write(two.join("provenance.json"), PROVENANCE).unwrap();
        fs::write(one.join("provenance.json"), PROVENANCE).unwrap();
        let refused = t.build(
            &Config::new()
                .copy("theirs.conf", "0644", "x\n")
                .copy("passwd", "0644", "x\n"),
        );
        let saved = t.beside("saved");
        t.run(&[
            "plan".as_ref(),
            one.as_os_str(),
            "--out".as_ref(),
            saved.as_os_str(),
        ])
        .exits(0);
        vec![
            ("ONE", one),
            ("TWO", two),
            ("REFUSED", refused),
            ("SAVED", saved),
        ]
    };
    compare_all(host, prepare, &SEEN);
}

#[test]
fn what_nix_is_asked_for_is_seen_as_it_is_meant_to_be() {
    if lacks_nix() {
        return;
    }
    let begin = || Test::begin_at("/tmp");
    let prepare = |t: &Test| {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        // At a path that has the same length wherever the tests run.
        let source = t.beside("source");
        fs::create_dir_all(source.join("tests/compat")).unwrap();
        for folder in [
            "default.nix",
            "Cargo.toml",
            "modules",
            "nixos-compat",
            "tests/compat/nixpkgs",
        ] {
            let mut copy = Command::new("cp");
            copy.arg("-r").arg(project.join(folder));
            let copied = copy.arg(source.join(folder)).status();
            assert!(copied.unwrap().success());
        }
        let text = "{ lib, ... }: { environment.variables.EDITOR = lib.mkForce \"nano\"; }\n";
        let wrong = "{ environment.variabels.EDITOR = \"nano\"; }\n";
        vec![
            ("HOST", t.source("web.nix", text)),
            ("WRONG", t.source("wrong.nix", wrong)),
            ("NIXPKGS", source.join("tests/compat/nixpkgs")),
            ("NEW", t.beside("new")),
        ]
    };
    compare_all(begin, prepare, &EVALUATED);
}
