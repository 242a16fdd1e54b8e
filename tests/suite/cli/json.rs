//! `--json`: every command has it, what is printed is as its schema says, and paths are whole.

use std::fs;
use std::path::Path;
use std::process::Command;

use clap::CommandFactory;
use serde_json::{Value, json};
use system_manager::face::cli::Cli;

use crate::cli::compat::Desk;
use crate::cli::story::{Config, PROGRAM, Ran, Test};
use crate::needs::lacks_nix;
use crate::schema::Schema;

/// Commands without JSON, and why.
const FOR_PEOPLE: [(&str, &str); 4] = [
    ("completions", "a shell reads what it prints"),
    ("man", "man(1) reads what it prints"),
    ("repl", "a person talks with Nix"),
    ("edit", "a person's editor is opened"),
];

/// What is managed in these tests, below `/etc`.
const TARGETS: [&str; 7] = [
    "app.conf",
    "inside.d/inner",
    "inside.d",
    "theirs.conf",
    "hosts",
    "hostname",
    "systemd/system/a.service",
];

/// A host that has something of each kind of file already.
fn host() -> Option<Test> {
    let t = Test::begin()?;
    t.write("etc/hosts", "127.0.0.1 localhost\n")
        .write("etc/hostname", "old\n")
        .write("etc/theirs.conf", "theirs\n")
        .write("etc/theirs.conf.dpkg-dist", "newer\n")
        .has_conffile("theirs", "theirs.conf");
    Some(t)
}

/// A configuration with something of each kind.
fn config(t: &Test, text: &str) -> Config {
    let unit = t.source(
        &format!("unit-{}", text.trim()),
        &format!("[Service]\nExecStart=/bin/echo {text}"),
    );
    let rules = t.source("rules", "d /srv/app 0755 - - -\n");
    Config::new()
        .copy("app.conf", "0644", text)
        .copy("inside.d/inner", "0600", text)
        .copy("theirs.conf", "0644", text)
        .replacing()
        .field("blocks", json!({ "hosts": format!("10.0.0.1 {text}") }))
        .field("basics", json!({ "hostName": text.trim() }))
        .field("tmpfiles", json!({ "rules.conf": rules }))
        .field(
            "units",
            json!({ "a.service": {
                "source": unit, "overrideStrategy": "asDropinIfExists", "aliases": [],
                "wantedBy": ["multi-user.target"], "requiredBy": [], "upheldBy": [],
            }}),
        )
        .field(
            "noEffect",
            json!([{ "option": "boot.loader.timeout", "definedIn": ["/h/host.nix"] }]),
        )
}

/// No word of it is a target that lacks its `/etc`.
fn names_whole_paths(value: &Value, place: &str) {
    let check = |text: &str| {
        assert!(!TARGETS.contains(&text), "{place} has {text:?}");
    };
    match value {
        Value::String(text) => check(text),
        Value::Array(all) => all.iter().for_each(|v| names_whole_paths(v, place)),
        Value::Object(fields) => {
            for (name, field) in fields {
                check(name);
                names_whole_paths(field, &format!("{place}/{name}"));
            }
        }
        _ => {}
    }
}

/// Runs a command whose output must be as the schema of this name says.
#[track_caller]
fn printed(t: &Test, schema: &str, code: i32, arguments: &[&str]) -> Value {
    let words = [arguments, &["--json"]].concat();
    let value = t.run(&words).exits(code).json();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/{schema}.schema.json"));
    let whole: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    if let Err(why) = Schema(&whole).check(&value) {
        panic!("{arguments:?}, {schema}: {why}");
    }
    assert_eq!(value["version"], json!(1), "{arguments:?}");
    names_whole_paths(&value, &arguments.join(" "));
    value
}

#[test]
fn what_is_printed_is_as_its_schema_says_and_names_whole_paths() {
    let Some(t) = host() else { return };
    let [one, two] = ["one\n", "two\n"].map(|text| t.build(&config(&t, text)));
    let [one, two] = [&one, &two].map(|path| path.to_str().unwrap());
    let plan = printed(&t, "plan", 0, &["plan", one]);
    assert_eq!(plan["files"]["writes"][0]["target"], "/etc/app.conf");
    assert!(plan["diffs"]["/etc/app.conf"].is_string(), "{plan}");
    assert_eq!(plan["summary"]["change"], json!(2));
    printed(&t, "plan", 0, &["switch", one, "-n"]);
    let saved = t.beside("saved");
    let saved = saved.to_str().unwrap();
    t.run(&["plan", one, "--out", saved]).exits(0);
    printed(&t, "outcome", 0, &["switch", saved]);
    printed(&t, "outcome", 0, &["activate", two]);
    t.write("etc/app.conf", "by hand\n")
        .write("etc/hostname", "by hand\n")
        .write("etc/hosts", "127.0.0.1 localhost\n")
        .give("etc/inside.d", 0o700, 0, 0);
    let status = printed(&t, "status", 0, &["status"]);
    for (field, path) in [
        ("drift", "/etc/app.conf"),
        ("folderDrift", "/etc/inside.d"),
        ("blockDrift", "/etc/hosts"),
        ("basicsDrift", "/etc/hostname"),
        ("backups", "/etc/theirs.conf"),
    ] {
        assert!(!status[field][path].is_null(), "{field}: {status}");
    }
    assert_eq!(status["beside"][0]["path"], "/etc/theirs.conf.dpkg-dist");
    printed(&t, "plan", 10, &["plan", "--detailed-exitcode", two]);
    printed(&t, "diff", 0, &["diff"]);
    let diff = printed(&t, "diff", 0, &["diff", "1"]);
    assert_eq!(diff["files"]["/etc/app.conf"]["change"], "changed");
    assert!(
        diff["units"]["/etc/systemd/system/a.service"].is_object(),
        "{diff}"
    );
    assert!(diff["lines"]["/etc/hosts"].is_object(), "{diff}");
    printed(&t, "outcome", 0, &["activate", two]);
    let status = printed(&t, "status", 0, &["status"]);
    assert_eq!(status["saved"][0]["target"], "/etc/app.conf");
    printed(&t, "generations", 0, &["generations"]);
    printed(&t, "outcome", 0, &["undo"]);
    printed(&t, "plan", 0, &["plan", "--deactivate"]);
    printed(&t, "outcome", 0, &["deactivate"]);
    printed(&t, "status", 0, &["status"]);
    let refused = t.build(&Config::new().copy("theirs.conf", "0644", "x\n"));
    printed(&t, "outcome", 1, &["activate", refused.to_str().unwrap()]);
    printed(&t, "plan", 1, &["plan", refused.to_str().unwrap()]);
}

/// Lists the commands that people call, those below others with these.
fn commands(above: &clap::Command, prefix: &str) -> Vec<String> {
    let shown = above.get_subcommands().filter(|c| !c.is_hide_set());
    shown
        .flat_map(|c| {
            let name = format!("{prefix}{}", c.get_name());
            let below = commands(c, &format!("{name} "));
            [vec![name], below].concat()
        })
        .collect()
}

/// A run of each command that needs no Nix; `ONE` and `TWO` are configurations, `NEW` is a folder.
const CASES: [&str; 17] = [
    "build ONE",
    "plan ONE",
    "register ONE",
    "switch --dry-run ONE",
    "pre-populate ONE",
    "activate TWO",
    "undo",
    "rollback --to 1",
    "generations",
    "generations delete --keep 1",
    "diff 1 1",
    "status",
    "gc",
    "why /etc/app.conf",
    "adopt /etc/theirs.conf.dpkg-dist",
    "init NEW",
    "deactivate",
];

#[test]
fn every_command_has_json_or_a_reason_to_have_none() {
    let Some(t) = host() else { return };
    let one = t.build(&config(&t, "one\n"));
    let two = t.build(&config(&t, "two\n"));
    let (one, two) = (one.to_str().unwrap(), two.to_str().unwrap());
    let new = t.beside("new");
    let new = new.to_str().unwrap();
    let mut named: Vec<String> = Vec::new();
    for case in CASES {
        let given = |word| match word {
            "ONE" => one,
            "TWO" => two,
            "NEW" => new,
            word => word,
        };
        let words: Vec<&str> = case.split(' ').map(given).collect();
        let ran = t.run(&[&words[..], &["--json"]].concat()).exits(0);
        assert_eq!(ran.json()["version"], json!(1), "{case}");
        let of_command = 1 + usize::from(words.get(1) == Some(&"delete"));
        named.push(words[..of_command].join(" "));
    }
    if !lacks_nix() {
        let source = t.source("host.nix", "{ }\n");
        let mut option = t.command(&["option", "environment.etc", "--json", "--file"]);
        let option = option
            .arg(source)
            .env("SYSTEM_MANAGER_SOURCE", env!("CARGO_MANIFEST_DIR"))
            .env("XDG_CACHE_HOME", t.beside("cache"));
        let told: Value = serde_json::from_slice(&option.output().unwrap().stdout).unwrap();
        assert_eq!(told["version"], json!(1));
        // It is about the running host only, and has nothing to do where there is Nix.
        let bootstrap = ["bootstrap", "--dry-run", "--json"];
        let bootstrap = Command::new(PROGRAM).args(bootstrap).output().unwrap();
        assert_eq!(Ran::new(&bootstrap).exits(0).json()["version"], json!(1));
        let desk = Desk::begin().unwrap();
        assert_eq!(desk.run(&["--json"]).exits(0).json()["version"], json!(1));
    }
    named.extend(["option", "compat", "bootstrap"].map(str::to_owned));
    // It needs a switch that waits to be confirmed, which `test_remote.py` has.
    named.push("extend".to_owned());
    for (command, why) in FOR_PEOPLE {
        assert!(!why.is_empty());
        let argument: &[&str] = if command == "completions" {
            &["bash"]
        } else {
            &[]
        };
        t.run(&[&[command], argument, &["--json"]].concat())
            .exits(1)
            .says(&format!("`{command}` has no JSON output"))
            .says("hint: ");
        named.push(command.to_owned());
    }
    let mut all = commands(&Cli::command(), "");
    all.sort();
    named.sort();
    assert_eq!(named, all);
}
