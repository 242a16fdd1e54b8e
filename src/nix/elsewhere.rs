//! Builds on another machine: what is evaluated here is copied there by ssh, built by the Nix there, and copied back.

#![expect(
    clippy::disallowed_methods,
    reason = "reads the links of what was built"
)]

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::{BuildOptions, Source, keep, nix};
use crate::host::process::Command;

/// A machine that builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BuildHost {
    /// Where it is, as ssh takes it.
    pub destination: String,
    /// More options for ssh, as `-o` takes them.
    pub ssh_options: Vec<String>,
}

impl BuildHost {
    /// The options, one a word. Nix takes them as one text, which it cuts at spaces.
    fn options(&self) -> Result<Vec<String>> {
        let own = [
            "ConnectTimeout=10",
            "ServerAliveInterval=5",
            "ServerAliveCountMax=3",
        ];
        let all = self.ssh_options.iter().map(String::as_str).chain(own);
        let words: Vec<String> = all.map(|option| format!("-o{option}")).collect();
        if let Some(word) = words.iter().find(|w| w.contains([' ', '\t', '\'', '"'])) {
            bail!(
                "the option {word:?} can't be given to Nix's ssh, which cuts it at spaces\nhint: put it into ~/.ssh/config"
            );
        }
        Ok(words)
    }

    /// Runs a script there, by whatever login shell; returns what it prints.
    fn run(&self, script: &str) -> Result<String> {
        Command::new("ssh")
            .hint("apt-get install openssh-client")
            .args(self.options()?)
            .args(["--", &self.destination, "/bin/sh"])
            .input(script.as_bytes().to_vec())
            .stdout()
    }

    fn copy(
        &self,
        direction: &str,
        program: &str,
        path: &str,
        options: &BuildOptions,
    ) -> Result<()> {
        // What comes back has no signature, and is what was asked for: it is ours to trust.
        nix("nix-copy-closure", false, options)
            .env("NIX_SSHOPTS", self.options()?.join(" "))
            .arg(direction)
            .arg(format!("{}?remote-program={program}", self.destination))
            .arg(path)
            .stdout()
            .map(|_| ())
    }
}

/// Builds a configuration on a machine. Returns its toplevel, which is here then.
///
/// # Errors
/// When it does not evaluate here, or can't be built there.
pub(super) fn build(host: &BuildHost, source: &Source, options: &BuildOptions) -> Result<String> {
    let derivation = match source {
        Source::File(file) => instantiate(file, options)?,
        Source::Flake(uri) => super::hosts::derivation(uri, options)?,
    };
    let derivation = derivation.trim();
    let building = || format!("building {derivation} on {}", host.destination);
    let inner = || -> Result<String> {
        let program = host.run(&format!("{PREPARE}command -v nix-store || :\n"))?;
        let program = program.trim();
        if program.is_empty() {
            bail!("there is no Nix\nhint: `apt-get install nix-bin` there, or build here");
        }
        host.copy("--to", program, derivation, options)?;
        let toplevel = host.run(&format!("{PREPARE}exec {program} --realise {derivation}\n"))?;
        let toplevel = toplevel.trim();
        host.copy("--from", program, toplevel, options)?;
        nix("nix-store", true, options)
            .args(["--realise", toplevel, "--indirect", "--add-root"])
            .arg(keep::link()?)
            .stdout()?;
        Ok(toplevel.to_owned())
    };
    inner().with_context(building)
}

/// Finds Nix, and lets root build where there are no users for that.
const PREPARE: &str = concat!(
    "PATH=/nix/var/nix/profiles/default/bin:/run/current-system/sw/bin:/usr/local/bin:/usr/bin:/bin:$HOME/.nix-profile/bin\n",
    "export PATH\n",
    "if [ \"$(id -u)\" = 0 ] && [ ! -S /nix/var/nix/daemon-socket/socket ] && ! getent group nixbld >/dev/null; then\n",
    "  NIX_CONFIG='build-users-group ='\n",
    "  export NIX_CONFIG\n",
    "fi\n",
);

fn instantiate(file: &Path, options: &BuildOptions) -> Result<String> {
    let (command, place) = super::builder_of_file("nix-instantiate", file, options)?;
    let link = keep::link()?;
    let inner = || -> Result<String> {
        command
            .arg("--add-root")
            .arg(&link)
            .arg("--indirect")
            .arg(place)
            .stdout()?;
        Ok(std::fs::canonicalize(&link)?.display().to_string())
    };
    inner().with_context(|| {
        let (file, hint) = (file.display(), super::see_above(options));
        format!("evaluating the configuration {file}\nhint: {hint}")
    })
}
