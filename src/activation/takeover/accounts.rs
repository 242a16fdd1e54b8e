//! The accounts that numtide/system-manager's userborn has made, and those that it has locked.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::accounts::database::{AccountFile, Table, passwd, shadow};
use crate::accounts::decide::users::lets_nobody_in;
use crate::host::fs::Root;
use crate::model::json;
use crate::model::node::Node;
use crate::model::style::joined;

/// What its account tool remembers: a link into the store.
const REMEMBERED: &str = "/var/lib/userborn/previous-userborn.json";
/// What it makes of the password of an account that goes, or has none.
const LOCKED: &[u8] = b"!*";

#[derive(Deserialize)]
struct Remembered {
    #[serde(default)]
    users: Vec<User>,
}

#[derive(Deserialize)]
struct User {
    name: String,
}

/// Returns what becomes of its accounts, for people.
///
/// # Errors
/// When something is there and can't be read.
pub(super) fn notes(root: &Root) -> Result<Vec<String>> {
    let remembered = Path::new(REMEMBERED.trim_start_matches('/'));
    if root.node(remembered)? == Node::Absent {
        return Ok(Vec::new());
    }
    let mut notes = Vec::new();
    let names = match root.read_in_root(Path::new(REMEMBERED))? {
        Some(text) => {
            let remembered: Remembered =
                json::from_bytes(&text).with_context(|| format!("reading {REMEMBERED}"))?;
            remembered.users.into_iter().map(|u| u.name).collect()
        }
        // The store path is gone.
        None => BTreeSet::new(),
    };
    let names = if names.is_empty() {
        String::new()
    } else {
        format!(" ({})", joined(&names))
    };
    notes.push(format!(
        "accounts that its userborn has created{names} stay as they are; those that the configuration declares become managed"
    ));
    let locked = locked(root)?;
    if let Some(first) = locked.first() {
        notes.push(format!(
            "locked accounts, as its userborn leaves those that are no longer declared, stay locked ({}): `passwd {first}` gives one a password",
            joined(&locked)
        ));
    }
    Ok(notes)
}

/// Returns the accounts that have a shell, and a password that only this tool and its kin write.
fn locked(root: &Root) -> Result<BTreeSet<String>> {
    let read = |file: AccountFile| root.read(&Path::new("etc").join(file.name()));
    let passwd = read(AccountFile::Passwd)?.unwrap_or_default();
    // Who may not read it makes a plan only, and is told nothing of passwords.
    let shadow = read(AccountFile::Shadow).ok().flatten().unwrap_or_default();
    let users = Table::parse(AccountFile::Passwd, &passwd);
    let hashes = Table::parse(AccountFile::Shadow, &shadow);
    let is_locked = |name: &[u8]| {
        let row = hashes.row(name);
        row.is_some_and(|row| hashes.field(row, shadow::HASH) == LOCKED)
    };
    let has_shell = |row| !lets_nobody_in(users.field(row, passwd::SHELL));
    let found = users.entries();
    let found = found.filter(|(name, row)| has_shell(*row) && is_locked(name));
    Ok(found
        .map(|(name, _)| String::from_utf8_lossy(name).into_owned())
        .collect())
}
