//! What a person is asked on the terminal, and what is written to a file for nobody else.
#![expect(
    clippy::disallowed_methods,
    reason = "the door writes what is named on the command line"
)]

use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::Context;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, poll};

use crate::cli::commands::Failure;
use crate::host::signals::Signals;

/// How often it is looked whether somebody wants the end, in milliseconds.
const PAUSE: u16 = 100;

/// Asks a person on the terminal; anything but yes is an error, Ctrl-C too.
pub(crate) fn ask(question: &str, signals: &Signals) -> Result<(), Failure> {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Err(Failure::Before(anyhow::anyhow!(
            "there is no terminal to ask on\nhint: leave out `--ask`, or look at `system-manager plan` first"
        )));
    }
    eprint!("{question} [y/N] ");
    let mut answer = String::new();
    while !is_answered()? {
        if signals.is_asked() {
            return Err(Failure::Before(anyhow::anyhow!(
                "interrupted; nothing was changed\nhint: run this again, and answer y to apply the plan"
            )));
        }
    }
    std::io::stdin()
        .read_line(&mut answer)
        .context("reading the answer")?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::Before(anyhow::anyhow!(
            "the answer was not yes; nothing was changed\nhint: run this again, and answer y to apply the plan"
        ))),
    }
}

/// Waits for a moment whether there is an answer; its end counts as one.
fn is_answered() -> Result<bool, Failure> {
    let stdin = std::io::stdin();
    let mut waiting = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    let found = poll(&mut waiting, PAUSE).context("waiting for the answer")?;
    Ok(found > 0)
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
