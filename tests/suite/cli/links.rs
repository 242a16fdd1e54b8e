//! Links on terminals that have them, and nowhere else.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::cli::story::{Config, PROGRAM, Ran, Test};
use crate::needs::lacks_nix;

const STORED: &str = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-tool/bin/tool";

const PROVENANCE: &str = r#"{"version":1,
  "files":{"app.conf":[{"option":"environment.etc.app.conf.text","file":"/h/host.nix","line":7,"priority":50}]},
  "units":{},"userUnits":{},"users":{},"groups":{},"variables":{},"rules":{},"packages":{}}"#;

/// Runs the program on a terminal that sets these variables.
fn on_terminal(t: &Test, variables: &[(&str, &str)], arguments: &str) -> Ran {
    let command = format!("{PROGRAM} --root {} {arguments}", t.root().display());
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &command, "/dev/null"]);
    for name in [
        "NO_COLOR",
        "VTE_VERSION",
        "KITTY_WINDOW_ID",
        "WT_SESSION",
        "TERM_PROGRAM",
    ] {
        script.env_remove(name);
    }
    Ran::new(
        &script
            .env("TERM", "xterm")
            .envs(variables.iter().copied())
            .output()
            .unwrap(),
    )
}

#[test]
fn options_and_what_is_said_of_them_are_links_on_a_terminal_that_has_them() {
    if lacks_nix() {
        return;
    }
    let Some(t) = Test::begin() else { return };
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    // An option of NixOS is one that is declared in a nixpkgs.
    let nixpkgs = project.join("tests/compat/nixpkgs");
    let text = "{ services.webd.enable = true; environment.variables.EDITOR = \"nano\"; }\n";
    let file = t.source("web.nix", text).display().to_string();
    let source = project.display().to_string();
    let cache = t.beside("cache").display().to_string();
    let kitty = [
        ("TERM", "xterm-kitty"),
        ("SYSTEM_MANAGER_SOURCE", &source),
        ("XDG_CACHE_HOME", &cache),
        ("NIX_PATH", ""),
    ];
    let host = nix::unistd::gethostname().unwrap();
    let host = host.to_str().unwrap();
    let ask = |option: &str| {
        let asked = format!(
            "option {option} --file {file} --nixpkgs {}",
            nixpkgs.display()
        );
        on_terminal(&t, &kitty, &asked).exits(0)
    };
    let declared = nixpkgs.join("nixos/modules/services/web/webd/default.nix");
    let declared = declared.display();
    ask("services.webd.enable")
        .says("\x1b]8;;https://search.nixos.org/options?query=services.webd.enable\x1b\\")
        .says("services.webd.enable\x1b[0m\x1b]8;;\x1b\\")
        .says(&format!("\x1b]8;;file://{host}{declared}\x1b\\{declared}"))
        .says(&format!("\x1b]8;;file://{host}{file}\x1b\\{file}"));
    // One of ours leads to the page of this program's package, where that is installed.
    let ours = ask("environment.variables").never_says("search.nixos.org");
    let page = "/usr/share/doc/system-manager/docs/options.md";
    let is_linked = ours.stdout.contains(&format!("\x1b]8;;file://{page}"));
    assert_eq!(is_linked, Path::new(page).exists(), "{}", ours.stdout);
}

#[test]
fn paths_are_links_on_a_terminal_that_has_them() {
    let Some(t) = Test::begin() else { return };
    let toplevel = t.build(&Config::new().copy("app.conf", "0644", "x\n"));
    let next = t.build(&Config::new().copy("app.conf", "0644", &format!("runs {STORED}\n")));
    let next = next.display();
    fs::write(toplevel.join("provenance.json"), PROVENANCE).unwrap();
    t.run(&["activate".as_ref(), toplevel.as_os_str()]).exits(0);
    let kitty = [("TERM", "xterm-kitty")];
    let host = nix::unistd::gethostname().unwrap();
    let host = host.to_str().unwrap();
    let linked = format!("\x1b]8;;file://{host}/h/host.nix\x1b\\/h/host.nix:7\x1b]8;;\x1b\\");
    on_terminal(&t, &kitty, "why /etc/app.conf")
        .exits(0)
        .says(&linked);
    let plan = format!("plan {next} -v");
    let plan = plan.as_str();
    let store = format!("\x1b]8;;file://{host}{STORED}\x1b\\{STORED}\x1b]8;;\x1b\\");
    on_terminal(&t, &kitty, plan).exits(0).says(&store);
    on_terminal(&t, &[("VTE_VERSION", "7402")], plan)
        .exits(0)
        .says(&store);
    for (variables, arguments) in [
        (&[][..], plan),
        (&[("TERM", "xterm-kitty"), ("NO_COLOR", "1")][..], plan),
        (&kitty, &format!("{plan} --color never")),
        (&kitty, &format!("plan {next} --json")),
        (&kitty, &format!("plan {next} --markdown")),
    ] {
        on_terminal(&t, variables, arguments)
            .exits(0)
            .says("tool")
            .never_says("\x1b]8");
    }
    // A pipe gets none, whatever is forced.
    let mut piped = t.command(&plan.split(' ').collect::<Vec<_>>());
    piped.env("FORCE_HYPERLINK", "1").env("TERM", "xterm-kitty");
    Ran::new(&piped.output().unwrap())
        .exits(0)
        .says(STORED)
        .never_says("\x1b]8");
}
