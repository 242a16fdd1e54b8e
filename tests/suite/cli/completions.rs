//! Completions in real shells: they know commands, flags, generations, what is managed, hosts and options.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::cli::story::{Config, PROGRAM, Test};
use crate::cli::terminal::Terminal;
use crate::needs::{lacks_nix, skip};

const PROVENANCE: &str = r#"{"version":1,
  "files":{"app.conf":[{"option":"environment.etc.app.conf.text","file":"/h/host.nix","line":7,"priority":50}]},
  "units":{"nginx.service":[{"option":"services.nginx.enable","file":"/h/host.nix","priority":100}]},
  "userUnits":{},"users":{"alice":[]},"groups":{},"variables":{},"rules":{},"packages":{}}"#;

/// A shell, what makes it complete, and the keys that show what there is.
struct Shell {
    name: &'static str,
    start: &'static str,
    load: &'static str,
}

const SHELLS: [Shell; 3] = [
    Shell {
        name: "bash",
        start: "bash --norc --noprofile",
        load: "PS1='> '; source completions",
    },
    Shell {
        name: "zsh",
        start: "zsh -f",
        load: "PS1='> '; autoload -U compinit; compinit -u -D; source ./completions",
    },
    Shell {
        name: "fish",
        start: "fish --no-config",
        load: "function fish_prompt; echo '> '; end; source completions",
    },
];

/// A host with two generations and a person's files beside it.
fn host() -> Option<Test> {
    let t = Test::begin()?;
    t.switch(&Config::new().copy("app.conf", "0644", "1\n"));
    let toplevel = t.build(&Config::new().copy("app.conf", "0644", "2\n"));
    fs::write(toplevel.join("provenance.json"), PROVENANCE).unwrap();
    t.run(&[
        "register".as_ref(),
        toplevel.as_os_str(),
        "--message".as_ref(),
        "second".as_ref(),
    ])
    .exits(0);
    t.run(&["activate"]).exits(0);
    for folder in ["bin", "home/.ssh", "home/.config/system-manager"] {
        fs::create_dir_all(t.beside(folder)).unwrap();
    }
    symlink(PROGRAM, t.beside("bin/system-manager")).unwrap();
    fs::write(
        t.beside("home/.ssh/config"),
        "Host web-one web-two\nHost *.x\n",
    )
    .unwrap();
    fs::write(t.beside("home/hosts"), "listed-host\n").unwrap();
    fs::write(t.beside("home/system.nix"), "{ }\n").unwrap();
    Some(t)
}

/// Begins with a shell that completes; none when it is missing.
fn begin(t: &Test, shell: &Shell) -> Option<Terminal> {
    if Command::new(shell.name).arg("--version").output().is_err() {
        skip(&format!(
            "there is no {0} (apt-get install {0})",
            shell.name
        ));
        return None;
    }
    let home = t.beside("home");
    let script = t.run(&["completions", shell.name]).exits(0).stdout;
    fs::write(home.join("completions"), script).unwrap();
    let path = format!(
        "{}:{}",
        t.beside("bin").display(),
        std::env::var("PATH").unwrap()
    );
    let cache = t.beside("cache").display().to_string();
    let variables = [
        ("PATH", path.as_str()),
        ("HOME", home.to_str().unwrap()),
        ("XDG_CONFIG_HOME", home.to_str().unwrap()),
        ("XDG_CACHE_HOME", &cache),
        ("NIX_PATH", ""),
        ("SYSTEM_MANAGER_SOURCE", env!("CARGO_MANIFEST_DIR")),
    ];
    let terminal = Terminal::begin(150, &home, &variables, shell.start)?;
    terminal.types(shell.load).presses(&["Enter"]);
    terminal
        .types("echo rea''dy")
        .presses(&["Enter"])
        .shows("\nready");
    Some(terminal)
}

/// What is typed before the key, and what is on the screen after it.
fn cases(root: &str) -> Vec<(String, Vec<&'static str>)> {
    let with_root = |rest: &str| format!("system-manager --root {root} {rest}");
    vec![
        (
            "system-manager rollb".to_owned(),
            vec!["system-manager rollback "],
        ),
        (
            "system-manager switch --rollback-on".to_owned(),
            vec!["--rollback-on-failure "],
        ),
        (
            "system-manager status --color=ne".to_owned(),
            vec!["--color=never"],
        ),
        (with_root("why ngi"), vec!["why nginx.service"]),
        (with_root("why /etc/ap"), vec!["why /etc/app.conf"]),
        (
            with_root("why services.nginx.en"),
            vec!["why services.nginx.enable"],
        ),
        (
            "system-manager status --target-host root@web-o".to_owned(),
            vec!["root@web-one"],
        ),
        (
            "system-manager plan sys".to_owned(),
            vec!["plan system.nix"],
        ),
    ]
}

/// The same, where there is more than one choice: they are listed.
fn choices(root: &str) -> Vec<(String, Vec<&'static str>)> {
    vec![
        (
            format!("system-manager --root {root} rollback --to "),
            vec!["1", "2"],
        ),
        (
            format!("system-manager --root {root} diff "),
            vec!["1", "2"],
        ),
        (
            "system-manager status --hosts hosts --target-host ".to_owned(),
            vec!["listed-host", "web-one", "web-two"],
        ),
    ]
}

/// Types what is to be completed and presses the key; the screen must then have all of it.
fn completes(terminal: &Terminal, shell: &Shell, typed: &str, expected: &[&str], keys: &[&str]) {
    terminal
        .presses(&["C-u"])
        .types("clear")
        .presses(&["Enter"]);
    terminal.waits("an empty screen", |screen| screen.trim() == ">");
    terminal.types(typed).presses(keys);
    terminal.waits(
        &format!("{}: {typed} -> {expected:?}", shell.name),
        |screen| {
            let after = screen.replacen(typed, "", 1);
            let whole = screen.replace('\n', "");
            let has = |part: &&str| match part.len() {
                // A number stands in the path of the root, too.
                1 => after.split_whitespace().any(|word| word == *part),
                _ => whole.contains(*part),
            };
            expected.iter().all(has)
        },
    );
}

#[test]
fn shells_complete_what_the_program_knows() {
    let Some(t) = host() else { return };
    let root = t.root().display().to_string();
    for shell in &SHELLS {
        let Some(terminal) = begin(&t, shell) else {
            continue;
        };
        for (typed, expected) in cases(&root) {
            completes(&terminal, shell, &typed, &expected, &["Tab"]);
        }
        for (typed, expected) in choices(&root) {
            completes(&terminal, shell, &typed, &expected, &["Tab", "Tab"]);
        }
    }
}

#[test]
fn shells_complete_options_of_the_configuration() {
    if lacks_nix() {
        return;
    }
    let Some(t) = host() else { return };
    for shell in &SHELLS {
        let Some(terminal) = begin(&t, shell) else {
            continue;
        };
        for (typed, expected) in [
            (
                "system-manager option networking.fire",
                vec!["networking.firewall."],
            ),
            (
                "system-manager option mutableu",
                vec!["option users.mutableUsers"],
            ),
            (
                "system-manager option users.mutabelUsers",
                vec!["option users.mutableUsers"],
            ),
        ] {
            // fish shows only what has the letters that were typed.
            if shell.name != "fish" || !typed.contains("mutabel") {
                completes(&terminal, shell, typed, &expected, &["Tab"]);
            }
        }
        let listed = vec!["openssh.ports", "openssh.settings"];
        completes(
            &terminal,
            shell,
            "system-manager option services.openssh.",
            &listed,
            &["Tab", "Tab"],
        );
    }
}

#[test]
fn the_hosts_of_a_flake_are_completed() {
    if lacks_nix() {
        return;
    }
    let Some(t) = host() else { return };
    let flake =
        "{ outputs = _: { systemConfigs = { from-flake = { type = \"derivation\"; }; }; }; }\n";
    // Not within this project, of which Git knows all files.
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("flake.nix"), flake).unwrap();
    let flake = folder.path().display();
    for shell in &SHELLS {
        let Some(terminal) = begin(&t, shell) else {
            continue;
        };
        let typed = format!("system-manager switch --flake {flake} --target-host from");
        completes(
            &terminal,
            shell,
            &typed,
            &["--target-host from-flake"],
            &["Tab"],
        );
    }
}

#[test]
fn what_is_hidden_is_not_completed() {
    let Some(t) = Test::begin() else { return };
    let all = Command::new(PROGRAM)
        .args(["complete-words", "words", ""])
        .output()
        .unwrap();
    let all = String::from_utf8(all.stdout).unwrap();
    assert!(all.contains("rollback\t"), "{all}");
    for hidden in [
        "agent",
        "run-activation-scripts",
        "complete-words",
        "finish-switch",
    ] {
        assert!(!all.contains(hidden), "{all}");
    }
    t.run(&["complete-word"])
        .exits(2)
        .never_says("complete-words");
}
