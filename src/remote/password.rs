//! A password for sudo on other hosts, asked for once.

#![expect(clippy::disallowed_methods, reason = "asks on the terminal")]

use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;

use anyhow::{Context, Result};

/// A password, which nothing prints.
#[derive(Clone)]
pub(crate) struct Password(String);

impl std::fmt::Debug for Password {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("(a password)")
    }
}

impl Password {
    /// Returns what is typed for it.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Asks for a password on the terminal, which does not show it.
///
/// # Errors
/// When there is no terminal.
pub(crate) fn ask_password(what: &str) -> Result<Password> {
    use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
    let inner = || -> Result<String> {
        let mut terminal = std::fs::File::options()
            .read(true)
            .write(true)
            .open("/dev/tty")?;
        let before = tcgetattr(&terminal)?;
        let mut quiet = before.clone();
        quiet.local_flags.remove(LocalFlags::ECHO);
        // First: what is typed at the question is not lost.
        tcsetattr(&terminal, SetArg::TCSAFLUSH, &quiet)?;
        write!(terminal, "{what}: ")?;
        let mut line = Vec::new();
        let read = read_line(&mut terminal, &mut line);
        tcsetattr(&terminal, SetArg::TCSAFLUSH, &before)?;
        writeln!(terminal)?;
        read?;
        Ok(std::ffi::OsStr::from_bytes(&line)
            .to_string_lossy()
            .into_owned())
    };
    inner()
        .map(Password)
        .context("asking for a password on the terminal")
}

fn read_line(from: &mut impl Read, line: &mut Vec<u8>) -> io::Result<()> {
    let mut byte = [0];
    while from.read(&mut byte)? == 1 && byte[0] != b'\n' {
        line.push(byte[0]);
    }
    Ok(())
}
