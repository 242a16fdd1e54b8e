//! Command lines of what is called most, read without all the other commands: to describe these takes longer than much of
//! what is done.

use std::ffi::OsString;

use clap::{Args, FromArgMatches};

use crate::cli::args::{Cli, Command, PlanArgs, SwitchArgs};
use crate::cli::args_global::Global;
use crate::cli::args_hidden::{AgentArgs, Hidden};
use crate::cli::args_past::StatusArgs;
use crate::cli::args_place::ActivateArgs;
use crate::remote::agent;

/// What may stand before the command: flags that take no value of their own.
const BEFORE: [&str; 8] = [
    "-q",
    "--quiet",
    "-v",
    "-vv",
    "--verbose",
    "--json",
    "--sudo",
    "--ask-sudo-password",
];

/// Returns what a command line says, if it is one of these and well-formed. What is wrong with another one is told by
/// those who read it whole. Pure.
pub(crate) fn parse(arguments: &[OsString]) -> Option<Cli> {
    let words = arguments.get(1..)?;
    let is_before = |word: &OsString| BEFORE.iter().any(|flag| word == flag);
    let at = words.iter().position(|word| !is_before(word))?;
    let (before, rest) = (&arguments[..=at], &words[at + 1..]);
    let line = || before.iter().chain(rest);
    match words[at].to_str()? {
        "switch" => read(line(), |args: SwitchArgs| Command::Switch(args)),
        "activate" => read(line(), |args: ActivateArgs| Command::Activate(args)),
        "plan" => read(line(), |args: PlanArgs| Command::Plan(args)),
        "status" => read(line(), |args: StatusArgs| Command::Status(args)),
        agent::COMMAND => read(line(), |args: AgentArgs| {
            Command::Hidden(Hidden::Agent(args))
        }),
        _ => None,
    }
}

fn read<'a, T: Args + FromArgMatches>(
    line: impl Iterator<Item = &'a OsString>,
    command: fn(T) -> Command,
) -> Option<Cli> {
    let described = T::augment_args(Global::augment_args(clap::Command::new("system-manager")));
    let found = described.try_get_matches_from(line).ok()?;
    Some(Cli {
        command: command(T::from_arg_matches(&found).ok()?),
        global: Global::from_arg_matches(&found).ok()?,
        nix_option_before: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn what_is_read_alone_is_what_is_read_with_all_commands() {
        for line in [
            "sm switch",
            "sm -q switch a.nix --target-host h --ssh-option -v --ask --all=x",
            "sm --json -vv switch --nix-option a b -n --message x --root /r",
            "sm switch --flake . --nixpkgs embedded --unit-timeout 3 --parallel 2 -v",
            "sm switch -- -q",
            "sm --quiet activate /nix/store/x --rollback-on-failure",
            "sm plan a.nix --deactivate",
            "sm plan -f a.nix --markdown --detailed-exitcode",
            "sm status --diff --html",
            "sm --sudo status --watch",
            "sm agent --asked 5b5d --mark m --skip 7",
            "sm switch --all switch",
            "sm switch status",
            // Not these, or not well-formed.
            "sm --target-host switch status",
            "sm --color always switch",
            "sm switch --ask --json",
            "sm switch --no-such-flag",
            "sm switch --quiet --verbose",
            "sm plan a.nix --file b.nix",
            "sm switch --help",
            "sm --version",
            "sm help switch",
            "sm build a.nix",
            "sm",
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let whole = Cli::try_parse_from(&words).ok();
            let alone = parse(&words);
            if let Some(alone) = alone {
                assert_eq!(format!("{:?}", Some(alone)), format!("{whole:?}"), "{line}");
            }
        }
        let is_read = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            parse(&words).is_some()
        };
        for line in [
            "sm -q switch a.nix --target-host h",
            "sm agent --asked 5b5d",
            "sm activate .",
            "sm plan",
            "sm status -v",
        ] {
            assert!(is_read(line), "{line}");
        }
        for line in [
            "sm switch --help",
            "sm --target-host switch status",
            "sm switch --ask --json",
        ] {
            assert!(!is_read(line), "{line}");
        }
    }
}
