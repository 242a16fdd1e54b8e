//! What a person is asked on the terminal, and what is written to a file for nobody else.
#![expect(
    clippy::disallowed_methods,
    reason = "the door writes what is named on the command line"
)]

use std::io::{IsTerminal, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::Context;
use nix::fcntl::OFlag;

use crate::cli::commands::Failure;

/// Asks a person on the terminal; anything but yes is an error.
pub(crate) fn ask(question: &str) -> Result<(), Failure> {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Err(Failure::Before(anyhow::anyhow!(
            "there is no terminal to ask on\nhint: leave out `--ask`, or look at `system-manager plan` first"
        )));
    }
    eprint!("{question} [y/N] ");
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .context("reading the answer")?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::Before(anyhow::anyhow!(
            "the answer was not yes; nothing was changed"
        ))),
    }
}

/// Writes a file that nobody else may read: a plan tells what is in files, and which accounts there will be.
pub(super) fn write_private(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)?;
    if file.metadata()?.is_file() {
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    }
    file.write_all(text)
}
