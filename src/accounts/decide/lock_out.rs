//! Who must not be locked out: root, and whoever runs this. Pure; see [`crate::accounts::decide`].
//!
//! What stood there before this tool came is no lock-out of its making: a root account that was locked is locked again
//! when its password goes the way it came, and the plan says so.

use std::collections::{BTreeMap, BTreeSet};

use crate::accounts::database::{AccountFile, Table, members, passwd, shadow};
use crate::accounts::decide::Inputs;
use crate::accounts::decide::planner::Planner;
use crate::accounts::decide::users::lets_nobody_in;
use crate::accounts::entry::drop_row;
use crate::accounts::password::is_locked;

/// Groups whose members may become root on one distribution or another.
const ADMIN_GROUPS: [&str; 3] = ["sudo", "wheel", "admin"];

/// The databases that say who gets in.
const FILES: [AccountFile; 3] = [AccountFile::Passwd, AccountFile::Shadow, AccountFile::Group];

/// How an account gets in.
struct Login {
    shell: String,
    opens: Opens,
    has_password: bool,
    is_expired: bool,
    admin_groups: BTreeSet<&'static str>,
}

/// What a shell does with a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opens {
    /// It works, as far as is known.
    Session,
    /// It ends it at once.
    Nothing,
    /// There is no such program.
    Missing,
}

/// A way in that an account loses.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Loss {
    Shell(String),
    Password,
    Expiry,
    Group(&'static str),
}

impl Login {
    fn read(
        tables: &BTreeMap<AccountFile, Table<'_>>,
        name: &str,
        inputs: &Inputs<'_>,
    ) -> Option<Self> {
        let table = |file| tables.get(&file);
        let users = table(AccountFile::Passwd)?;
        let row = users.row(name.as_bytes())?;
        let shell = users.field(row, passwd::SHELL);
        let entry = table(AccountFile::Shadow).and_then(|t| Some((t, t.row(name.as_bytes())?)));
        let hash = match (users.field(row, passwd::PASSWORD), &entry) {
            (b"x", Some((t, row))) => t.field(*row, shadow::HASH),
            (b"x", None) => b"!",
            (here, _) => here,
        };
        let day = entry.and_then(|(t, row)| t.number(row, shadow::EXPIRE));
        let is_in = |group: &&&str| {
            let groups = table(AccountFile::Group);
            let row = groups.and_then(|t| Some((t, t.row(group.as_bytes())?)));
            row.is_some_and(|(t, row)| members(t.field(row, 3)).any(|m| m == name.as_bytes()))
        };
        let exists = |s: &String| s.as_bytes() == shell;
        Some(Self {
            shell: String::from_utf8_lossy(shell).into_owned(),
            opens: if lets_nobody_in(shell) {
                Opens::Nothing
            } else if inputs.observed.shells.iter().any(exists) {
                Opens::Session
            } else {
                Opens::Missing
            },
            has_password: !is_locked(hash),
            is_expired: day.is_some_and(|day| i64::from(day) <= inputs.observed.today),
            admin_groups: ADMIN_GROUPS.iter().filter(is_in).copied().collect(),
        })
    }

    /// Lists the ways in that somebody had and that are none any more.
    fn losses(&self, had: &Self) -> Vec<Loss> {
        let mut losses = Vec::new();
        let is_other = had.shell != self.shell && had.opens != Opens::Nothing;
        if is_other && self.opens != Opens::Session {
            losses.push(Loss::Shell(self.shell.clone()));
        }
        if had.has_password && !self.has_password {
            losses.push(Loss::Password);
        }
        if !had.is_expired && self.is_expired {
            losses.push(Loss::Expiry);
        }
        let left = had.admin_groups.difference(&self.admin_groups);
        losses.extend(left.copied().map(Loss::Group));
        losses
    }
}

impl Loss {
    /// Returns what happens, and what helps.
    fn describe(&self, who: &str, name: &str) -> (String, String) {
        let user = format!("users.users.{name}");
        match self {
            Self::Shell(shell) => (
                format!("{who} could not log in with the shell {shell}"),
                format!("set `{user}.shell` to one that exists"),
            ),
            Self::Password => (
                format!("{who} would no longer have a password"),
                format!("set `{user}.hashedPassword`, or `users.mutableUsers = true`"),
            ),
            Self::Expiry => (
                format!("{who} would be expired"),
                format!("set `{user}.expires` to a date in the future"),
            ),
            Self::Group(group) => (
                format!("{who} would leave the group `{group}`"),
                format!("add `{group}` to `{user}.extraGroups`"),
            ),
        }
    }
}

impl Planner<'_> {
    pub(crate) fn check_lock_out(&mut self) {
        let names: BTreeSet<&str> = std::iter::once("root").chain(self.inputs.invoker).collect();
        for name in names {
            self.check_login(name);
        }
    }

    fn check_login(&mut self, name: &str) {
        let (who, groups_count) = match name {
            "root" => ("root", false),
            _ => ("the account that runs this", true),
        };
        let observed = self.observed_tables();
        let Some(had) = Login::read(&observed, name, self.inputs) else {
            return;
        };
        let subject = format!("user `{name}`");
        let Some(has) = Login::read(&self.tables, name, self.inputs) else {
            let hint = format!("keep `users.users.{name}`, or run this as another user");
            self.refuse(&subject, format!("{who} would be removed"), Some(&hint));
            return;
        };
        let at_first = Login::read(&self.undone(observed), name, self.inputs);
        let since = at_first.map(|at_first| has.losses(&at_first));
        for loss in has.losses(&had) {
            if matches!(loss, Loss::Group(_)) && !groups_count {
                continue;
            }
            let (what, hint) = loss.describe(who, name);
            // A shell that is gone was one that worked when this tool came.
            let is_ours = since.as_ref().is_none_or(|since| since.contains(&loss))
                || (matches!(loss, Loss::Shell(_)) && has.opens == Opens::Missing);
            if is_ours {
                self.refuse(&subject, what, Some(&hint));
            } else {
                let now = what
                    .replacen("would", "will", 1)
                    .replacen("could not", "can't", 1);
                self.warnings
                    .push(format!("{now}, as it was before system-manager"));
            }
        }
    }

    fn observed_tables(&self) -> BTreeMap<AccountFile, Table<'_>> {
        let files = &self.inputs.observed.files;
        let there = FILES
            .into_iter()
            .filter_map(|file| Some((file, files.get(&file)?)));
        there
            .map(|(file, bytes)| (file, Table::parse(file, bytes)))
            .collect()
    }

    /// Returns the databases as they would be had this tool never come.
    fn undone<'t>(
        &self,
        mut tables: BTreeMap<AccountFile, Table<'t>>,
    ) -> BTreeMap<AccountFile, Table<'t>> {
        for (file, table) in &mut tables {
            for (name, owned) in self.old.claims.is.rows.get(file).into_iter().flatten() {
                drop_row(table, name, owned);
            }
        }
        tables
    }
}
