//! Accounts as the host's own getent(1) tells them.
//!
//! Never by the C library of this program: it is linked statically, or is not the host's, and can't load the modules that
//! the host's nsswitch.conf names. clippy.toml forbids those calls.

use std::time::Duration;

use crate::host::process::{Command, show_code};

/// How long a look-up may take: a directory service that does not answer must not hold up who waits for the locks.
const LIMIT: Duration = Duration::from_secs(20);

/// Asks a database for a key. Returns the line, or none when there is no such key (status 2).
///
/// # Errors
/// When getent can't be run or fails otherwise.
pub(crate) fn look_up(database: &str, key: &str) -> Result<Option<String>, String> {
    ask("getent", LIMIT, database, key)
}

fn ask(
    program: &str,
    limit: Duration,
    database: &str,
    key: &str,
) -> Result<Option<String>, String> {
    let output = Command::new(program)
        .args([database, key])
        .limit(limit)
        .output()
        .map_err(|e| format!("{e:#}"))?;
    match output.code {
        Some(0) => Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned())),
        Some(2) => Ok(None),
        code => Err(format!("`getent {database} {key}`: {}", show_code(code))),
    }
}

/// A user's entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    /// The name.
    pub name: String,
    /// The number of the user's own group.
    pub gid: u32,
}

/// Returns the user with this number, or none when there is none.
///
/// # Errors
/// When getent can't be run, or answers with something else than an entry.
pub(crate) fn user(uid: u32) -> anyhow::Result<Option<User>> {
    let line = look_up("passwd", &uid.to_string())
        .map_err(anyhow::Error::msg)
        .map_err(|e| e.context(format!("looking up the user {uid}")))?;
    line.map(|line| {
        parse_user(&line)
            .ok_or_else(|| anyhow::anyhow!("looking up the user {uid}: getent answered {line:?}"))
    })
    .transpose()
}

/// Reads a line of passwd(5). Pure.
fn parse_user(line: &str) -> Option<User> {
    let mut fields = line.trim_end().split(':');
    let name = fields.next().filter(|name| !name.is_empty())?.to_owned();
    let gid = fields.nth(2)?.parse().ok()?;
    Some(User { name, gid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_does_not_answer_is_not_waited_for_and_is_no_answer() {
        // As `sleep 60 0`, which is there on each host.
        let error = ask("sleep", Duration::from_millis(50), "60", "0").unwrap_err();
        assert!(error.contains("took longer than"), "{error}");
        assert_eq!(ask("true", LIMIT, "passwd", "x"), Ok(Some(String::new())));
    }

    #[test]
    fn an_entry_has_a_name_and_a_group() {
        for (line, expected, why) in [
            ("web:x:33:34:W:/:/bin/sh\n", Some(("web", 34)), "a user"),
            ("web:x:33", None, "cut short"),
            (":x:33:34::/:", None, "no name"),
            ("web:x:33:no::/:", None, "no number"),
        ] {
            let found = parse_user(line);
            assert_eq!(
                found.as_ref().map(|u| (u.name.as_str(), u.gid)),
                expected,
                "{why}"
            );
        }
    }
}
