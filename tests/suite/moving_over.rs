//! Who comes from numtide/system-manager finds its commands, flags, options and attributes here, and its tests as ours.

use clap::Parser;
use system_manager::face::cli::Cli;

/// Command lines of its manual and of its program's own help: each command with each flag that it takes.
const COMMANDS: [&str; 41] = [
    "init",
    "init /home/alice/system-manager",
    "init --path=/home/alice/system-manager",
    "init --no-flake",
    "switch",
    "switch --flake .",
    "switch --flake .#web --refresh",
    "switch --flake . --ephemeral",
    "switch --flake . --sudo",
    "switch --flake . --ask-sudo-password",
    "switch --flake github:owner/repo#host --sudo --target-host root@web",
    "--target-host root@web switch --flake . --sudo",
    "--use-remote-sudo switch --flake .",
    "--nix-option cores 2 switch --flake .",
    "switch --flake . --nix-option cores 2 --nix-option max-jobs 1",
    "--verbose switch --flake .",
    "switch -v --flake .",
    "build",
    "build --flake .",
    "build --flake . --refresh --nix-option cores 2",
    "build --flake . --target-host root@web",
    "register --flake .",
    "register --flake . --refresh",
    "register --store-path /nix/store/x",
    "register --store-path /nix/store/x --sudo",
    "register --flake . --target-host root@web --ask-sudo-password",
    "register --flake . --nix-option cores 2",
    "generate --flake .",
    "pre-populate --flake .",
    "pre-populate --flake . --refresh",
    "pre-populate --store-path /nix/store/x",
    "pre-populate --store-path /nix/store/x --ephemeral",
    "pre-populate --flake . --sudo --target-host root@web",
    "pre-populate --flake . --ask-sudo-password",
    "activate --store-path /nix/store/x",
    "activate --store-path /nix/store/x --ephemeral",
    "activate --store-path /nix/store/x --sudo",
    "deactivate",
    "deactivate --store-path /nix/store/x",
    "deactivate --sudo --target-host root@web",
    "deactivate --ask-sudo-password",
];

#[test]
fn every_command_line_of_upstream_is_understood() {
    let mut wrong = Vec::new();
    let spaced = [
        "--ssh-option",
        "-o ProxyJump=relay@bastion",
        "--ssh-option",
        "-p 2222",
    ];
    let host = ["--target-host", "user@host"];
    let lines = COMMANDS.map(|line| line.split(' ').collect::<Vec<_>>());
    let with_ssh = [
        [&host[..], &spaced, &["switch", "--flake", ".", "--sudo"]].concat(),
        [&["switch", "--flake", "."], &host[..], &spaced].concat(),
    ];
    for line in lines.into_iter().chain(with_ssh) {
        let words = ["system-manager"].iter().chain(&line);
        if let Err(error) = Cli::try_parse_from(words) {
            wrong.push(format!("{line:?}: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
