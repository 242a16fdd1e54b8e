//! Shells that a switch takes away from accounts, whoever set them: those that are reached through what it repoints or
//! removes, such as `/run/system-manager/sw/bin/zsh`. Pure, given how paths are looked at.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::accounts::database::{AccountFile, Table, passwd};
use crate::accounts::decide::Refusal;
use crate::accounts::decide::users::lets_nobody_in;

/// How many symbolic links a path may go through, as in the kernel.
const MOST_LINKS: usize = 40;

/// What stands at a path, as far as it matters for a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stands {
    /// Nothing.
    Nothing,
    /// A symbolic link.
    Link(String),
    /// A folder.
    Folder,
    /// A file that can be run.
    Program,
    /// Anything else.
    Other,
}

/// What a switch makes of links and files, by absolute path.
pub(crate) type Becomes = BTreeMap<String, Stands>;

/// Lists the accounts whose shell works now and will not after the switch; root's first.
///
/// # Errors
/// When a path can't be looked at.
pub(crate) fn find_lost(
    before: &[u8],
    after: &[u8],
    becomes: &Becomes,
    look: &dyn Fn(&str) -> Result<Stands>,
) -> Result<Vec<Refusal>> {
    let then = |path: &str| match becomes.get(path) {
        Some(stands) => Ok(stands.clone()),
        None => look(path),
    };
    let old = Table::parse(AccountFile::Passwd, before);
    let new = Table::parse(AccountFile::Passwd, after);
    let mut works: BTreeMap<&str, bool> = BTreeMap::new();
    let mut lost = Vec::new();
    for (name, row) in new.entries() {
        let shell = new.field(row, passwd::SHELL);
        let Ok(path) = std::str::from_utf8(shell) else {
            continue;
        };
        if !path.starts_with('/') || lets_nobody_in(shell) || old.rows_of(name).is_empty() {
            continue;
        }
        let goes = match works.get(path) {
            Some(goes) => *goes,
            None => is_program(path, look)? && !is_program(path, &then)?,
        };
        works.insert(path, goes);
        if goes {
            lost.push((String::from_utf8_lossy(name).into_owned(), path.to_owned()));
        }
    }
    lost.sort_by_key(|(name, _)| (name != "root", name.clone()));
    Ok(lost.into_iter().map(refuse).collect())
}

fn refuse((name, shell): (String, String)) -> Refusal {
    Refusal {
        subject: format!("user `{name}`"),
        reason: format!("could no longer log in: this switch removes its shell {shell}"),
        hint: Some(format!(
            "keep the package with the shell in `environment.systemPackages`, or first give the account another shell with `chsh -s /bin/sh {name}`"
        )),
    }
}

/// Whether a path leads to a program, through links.
fn is_program(path: &str, look: &dyn Fn(&str) -> Result<Stands>) -> Result<bool> {
    let mut left: Vec<String> = parts(path);
    let mut at = String::new();
    let mut links = 0;
    while let Some(part) = left.pop() {
        if part == ".." {
            at.truncate(at.rfind('/').unwrap_or(0));
            continue;
        }
        let next = format!("{at}/{part}");
        match look(&next)? {
            Stands::Folder => at = next,
            Stands::Link(to) => {
                links += 1;
                if links > MOST_LINKS {
                    return Ok(false);
                }
                if to.starts_with('/') {
                    at.clear();
                }
                left.extend(parts(&to));
            }
            Stands::Program => return Ok(left.is_empty()),
            Stands::Nothing | Stands::Other => return Ok(false),
        }
    }
    Ok(false)
}

/// The components of a path, the last one first.
fn parts(path: &str) -> Vec<String> {
    let parts = path.split('/').rev().filter(|p| !p.is_empty() && *p != ".");
    parts.map(str::to_owned).collect()
}
