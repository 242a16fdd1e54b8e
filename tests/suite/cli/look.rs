//! Looking at a configuration: its options, Nix's loop, an editor; and flags that are set once for all.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::cli::story::{Config, Ran, Test};
use crate::needs::lacks_nix;

const HOST: &str = r#"{ lib, ... }:
{
  environment.etc."greeting".text = lib.mkIf true "hello\n";
  environment.variables.EDITOR = lib.mkForce "nano";
}
"#;

/// A host with a configuration, and the program with this project's Nix files.
struct Look {
    t: Test,
    file: PathBuf,
}

impl Look {
    fn begin() -> Option<Self> {
        if lacks_nix() {
            return None;
        }
        let t = Test::begin()?;
        let file = t.source("web.nix", HOST);
        Some(Self { t, file })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.t.command(arguments);
        command
            .args(["--file".as_ref(), self.file.as_os_str()])
            .env("SYSTEM_MANAGER_SOURCE", env!("CARGO_MANIFEST_DIR"))
            .env("XDG_CACHE_HOME", self.t.beside("cache"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        Ran::new(&self.command(arguments).output().unwrap())
    }
}

#[test]
fn an_option_is_told_with_its_value_and_who_set_it() {
    let Some(look) = Look::begin() else { return };
    let file = look.file.display();
    look.run(&["option", "environment.variables"])
        .exits(0)
        .says("environment.variables\n")
        .says(&format!("set       {file}: {{ EDITOR = \"nano\"; }}"))
        .says("value     {")
        .says("declared  ");
    let json = look
        .run(&["option", "environment.etc.greeting.text", "--json"])
        .exits(0)
        .json();
    assert_eq!(json["option"]["name"], "environment.etc");
    let value = json["option"]["definitions"][0]["value"].as_str().unwrap();
    assert_eq!(value, "{ greeting = { text = \"hello\\n\"; }; }");
}

#[test]
fn a_part_of_a_name_finds_options() {
    let Some(look) = Look::begin() else { return };
    look.run(&["option"])
        .exits(0)
        .says("environment\n")
        .says("users\n");
    look.run(&["option", "users"])
        .exits(0)
        .says("users.mutableUsers\n")
        .never_says("environment.etc");
    look.run(&["option", "MUTABLE"])
        .exits(0)
        .says("users.mutableUsers\n");
    look.run(&["option", "users.mutabelUsers"])
        .exits(0)
        .says("No option has `users.mutabelUsers` in its name. Like it are:\nusers.mutableUsers\n");
    look.run(&["option", "osshauthkey"])
        .exits(0)
        .says("\nservices.openssh.authorizedKeysFiles\n")
        .never_says("mutableUsers");
    look.run(&["option", "no.such.thing"])
        .exits(1)
        .says("error: no option has `no.such.thing` in its name")
        .says("hint: ");
}

#[test]
fn an_option_whose_value_fails_is_told_all_the_same() {
    let Some(look) = Look::begin() else { return };
    fs::write(
        &look.file,
        "{ lib, ... }: { options.spare = lib.mkOption { type = lib.types.str; }; config.spare = (null).missing; }\n",
    )
    .unwrap();
    look.run(&["option", "spare"])
        .exits(0)
        .says("(it can't be evaluated; ")
        .says("type ");
    fs::write(&look.file, "{ environment.variables.A = ; }\n").unwrap();
    look.run(&["option", "environment.variables"])
        .exits(1)
        .says("the configuration does not evaluate")
        .says("syntax error");
}

#[test]
fn an_option_without_effect_says_so() {
    let Some(look) = Look::begin() else { return };
    fs::write(
        &look.file,
        "{ system-manager.noEffect = [ { option = \"users.mutableUsers\"; definedIn = [ ]; } ]; }\n",
    )
    .unwrap();
    look.run(&["option", "users.mutableUsers"])
        .exits(0)
        .says("It has no effect on this host");
    look.run(&["option", "users.users"])
        .exits(0)
        .never_says("no effect on this host");
}

#[test]
fn the_loop_has_the_configuration() {
    let Some(look) = Look::begin() else { return };
    let mut child = look
        .command(&["repl"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input
        .write_all(b"config.environment.variables.EDITOR\n:q\n")
        .unwrap();
    drop(input);
    let ran = Ran::new(&child.wait_with_output().unwrap());
    ran.exits(0).says("\"nano\"");
}

#[test]
fn the_editor_gets_the_file() {
    let Some(look) = Look::begin() else { return };
    let edit = |editor: &str| {
        let mut command = look.command(&["edit"]);
        command.env_remove("VISUAL").env("EDITOR", editor);
        Ran::new(&command.output().unwrap())
    };
    edit("cat -n").exits(0).says("1\t{ lib, ... }:");
    edit("").exits(1).says("hint: set EDITOR");
}

#[test]
fn files_and_variables_set_flags_once_for_all() {
    let Some(t) = Test::begin() else { return };
    let settings = t.beside("config/system-manager/config.toml");
    fs::create_dir_all(settings.parent().unwrap()).unwrap();
    let toplevel = t.build(&Config::new().copy("a", "0644", "1\n"));
    let plan = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = t.command(&[&["plan", toplevel.to_str().unwrap()], arguments].concat());
        command.env("XDG_CONFIG_HOME", t.beside("config"));
        command.envs(variables.iter().copied());
        Ran::new(&command.output().unwrap())
    };
    fs::write(
        &settings,
        "[plan]\ndetailed-exitcode = true\nsummary = true\n",
    )
    .unwrap();
    let ran = plan(&[], &[]).exits(10);
    assert!(ran.stdout.starts_with("Plan: 1 to add"), "{}", ran.stdout);
    // What is said on the command line goes with no summary.
    plan(&[], &["--markdown"])
        .exits(10)
        .says("## system-manager");
    fs::write(&settings, "color = \"never\"\n").unwrap();
    plan(&[("SYSTEM_MANAGER_COLOR", "always")], &[])
        .exits(0)
        .says("\u{1b}[32m");
    plan(&[("SYSTEM_MANAGER_COLOR", "always")], &["--color=never"])
        .exits(0)
        .never_says("\u{1b}[");
    fs::write(&settings, "colour = \"never\"\n").unwrap();
    plan(&[], &[])
        .exits(1)
        .says("config.toml: no command has the flag `--colour`")
        .says("hint: ");
}
