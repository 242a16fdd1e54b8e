//! The decision about users and groups: from what is wanted, what was done before and what is there, to new files.
//!
//! NixOS's semantics on a distribution's files: names that the configuration declares are made or adopted, everything
//! else stays as it is, byte for byte. Pure, but for the name service that is asked and the salts that are drawn.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::accounts::database::{AccountBytes, AccountFile, Bytes};
use crate::accounts::decide::planner::Planner;
use crate::accounts::ids::Nss;
use crate::accounts::login_defs::IdRanges;
use crate::accounts::password::SALT_BYTES;
use crate::accounts::record::AccountsRecord;
use crate::model::manifest::Accounts;
use crate::store::owned::Record as _;

mod give_ids;
mod groups;
pub(crate) mod homes;
mod lock_out;
pub(crate) mod planner;
mod sub_ids;
pub(crate) mod users;

/// What happens to accounts, as far as everyone may know it: the part of it that is in a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AccountsReport {
    /// Accounts that come, change or go.
    pub changes: Vec<AccountChange>,
    /// Homes that are made or put right.
    pub homes: Vec<HomeStep>,
    /// Users whose lingering changes.
    pub linger: BTreeMap<String, bool>,
    /// What is odd, or not done as asked, and why.
    pub warnings: Vec<String>,
    /// Users whose password is read from this file once the activation scripts before accounts have run.
    pub late_passwords: BTreeMap<String, String>,
    /// Whether anything has to be done or remembered.
    pub is_due: bool,
}

impl AccountsReport {
    /// Whether another decision comes to the same changes; it may warn of something else.
    #[must_use]
    pub fn does_the_same(&self, other: &Self) -> bool {
        self.changes == other.changes
            && self.homes == other.homes
            && self.linger == other.linger
            && self.late_passwords == other.late_passwords
    }

    /// Counts the users and groups that come, change or go, also by their home or lingering alone.
    #[must_use]
    pub fn count(&self) -> usize {
        let changed = self.changes.iter().map(|c| (c.subject, c.name.as_str()));
        let others = self.homes.iter().map(|home| &home.user);
        let others = others.chain(self.linger.keys());
        let users = others.map(|name| (Subject::User, name.as_str()));
        let all: BTreeSet<_> = changed.chain(users).collect();
        let accounts = all.iter().filter(|(subject, _)| *subject != Subject::Shell);
        accounts.count()
    }
}

/// What was found on the host.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Observed {
    /// The databases' content; a missing file is absent.
    pub files: AccountBytes,
    /// The distribution's id ranges.
    pub ranges: IdRanges,
    /// What stands at the homes that are to be created.
    pub homes: BTreeMap<String, Home>,
    /// Those of the wanted shells that exist.
    pub shells: BTreeSet<String>,
    /// Shells of accounts that go with the program that this one takes over from, and the distribution's own instead.
    pub forsaken: BTreeMap<String, String>,
    /// The distribution's shell that lets nobody in.
    pub nologin: String,
    /// First lines of the password files, or why there is none.
    pub password_files: BTreeMap<String, Result<String, String>>,
    /// Users whose manager runs without a session.
    pub lingering: BTreeSet<String>,
    /// Days since 1970-01-01.
    pub today: i64,
}

/// What stands at a home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Home {
    /// Nothing.
    Missing,
    /// A folder.
    Folder {
        /// Its owner.
        uid: u32,
        /// Its group.
        gid: u32,
        /// Its permission bits.
        mode: u32,
    },
    /// Something else, such as a symbolic link.
    Other,
}

/// All that the decision is made from.
pub struct Inputs<'a> {
    /// What the configuration wants.
    pub desired: &'a Accounts,
    /// What was done before.
    pub record: &'a AccountsRecord,
    /// What is there.
    pub observed: &'a Observed,
    /// The name service.
    pub nss: &'a dyn Nss,
    /// The account that runs this, if it is not root; it can't be locked out.
    pub invoker: Option<&'a str>,
    /// Draws a salt.
    pub salt: &'a dyn Fn() -> [u8; SALT_BYTES],
    /// Whether scripts make the files of passwords first.
    pub scripts: Scripts,
}

/// Whether activation scripts run before accounts are changed; they may make the files of passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scripts {
    /// None do.
    None,
    /// They are going to: a file that is not there may be there then.
    Will,
    /// They have run.
    Have,
}

/// A reason why nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What it is about: ``user `alice` ``.
    pub subject: String,
    /// Why.
    pub reason: String,
    /// What would help, where that is known.
    pub hint: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.reason)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Whether something comes, changes or goes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// `+`
    Add,
    /// `~`
    Change,
    /// `-`
    Remove,
}

/// What an account change is about.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Subject {
    /// A group.
    Group,
    /// A user.
    User,
    /// A line of `/etc/shells`.
    Shell,
}

/// One account's changes, for the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountChange {
    /// Whether the account comes, changes or goes.
    pub action: Action,
    /// What it is about.
    pub subject: Subject,
    /// The account's name, or the shell.
    pub name: String,
    /// Field by field; never a password.
    pub fields: Vec<FieldChange>,
}

/// One field's change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldChange {
    /// The field's name.
    pub field: String,
    /// Its value before; none for a new account.
    pub before: Option<String>,
    /// Its value after; none when it goes.
    pub after: Option<String>,
}

impl fmt::Display for AccountChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.action {
            Action::Add => '+',
            Action::Change => '~',
            Action::Remove => '-',
        };
        let subject = match self.subject {
            Subject::Group => "group",
            Subject::User => "user",
            Subject::Shell => "shell",
        };
        write!(f, "{sign} {subject} {}", self.name)?;
        for (at, change) in self.fields.iter().enumerate() {
            let join = if at == 0 { ": " } else { ", " };
            write!(f, "{join}{}", change.field)?;
            match (&change.before, &change.after) {
                (Some(before), Some(after)) => write!(f, " {before:?} -> {after:?}")?,
                (None, Some(value)) | (Some(value), None) => write!(f, " {value}")?,
                (None, None) => {}
            }
        }
        Ok(())
    }
}

/// A database that is replaced. Its content may hold password hashes: it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct FileChange {
    /// The content that the decision was made from; none when there is no such file.
    pub before: Option<Vec<u8>>,
    /// The content that it gets; none when it goes.
    pub after: Option<Vec<u8>>,
}

impl fmt::Debug for FileChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(Vec::len);
        write!(
            f,
            "{:?} -> {:?} bytes",
            size(&self.before),
            size(&self.after)
        )
    }
}

/// A home that is created or put right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HomeStep {
    /// Its user.
    pub user: String,
    /// Its path.
    pub path: String,
    /// Its permission bits.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Whether it has to be made; else only mode and owner are put right.
    pub create: bool,
}

/// What is to be done about users and groups.
#[derive(Clone, Default)]
pub struct AccountsPlan {
    /// What changes, for the report.
    pub changes: Vec<AccountChange>,
    /// What is odd, or not done as asked, and why.
    pub warnings: Vec<String>,
    /// Users whose password is in a file that scripts may make or change first; what becomes of it is in no change.
    pub late_passwords: BTreeMap<String, String>,
    /// Databases whose bytes change.
    pub files: BTreeMap<AccountFile, FileChange>,
    /// Homes that are created or put right.
    pub homes: Vec<HomeStep>,
    /// Users whose lingering changes.
    pub linger: BTreeMap<String, bool>,
    /// What to remember; written before anything else, and once more when it is committed.
    pub record: AccountsRecord,
    /// Whether that differs from what is remembered now.
    pub record_changed: bool,
}

impl AccountsPlan {
    /// Says whether there is nothing to do at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
            && self.homes.is_empty()
            && self.linger.is_empty()
            && !self.record_changed
    }

    /// Gives a database's content after the plan; none when there is no such file.
    #[must_use]
    pub fn content<'a>(&'a self, file: AccountFile, observed: &'a Observed) -> Option<&'a [u8]> {
        match self.files.get(&file) {
            Some(change) => change.after.as_deref(),
            None => observed.files.get(&file).map(Vec::as_slice),
        }
    }
}

/// Decides what to do about users and groups.
///
/// # Errors
/// Every reason why it can't be done, at once.
pub fn plan_accounts(inputs: &Inputs<'_>) -> Result<AccountsPlan, Vec<Refusal>> {
    let desired = inputs.desired;
    let idle = desired.users.is_empty() && desired.groups.is_empty();
    if idle && inputs.record.owns_nothing() && inputs.observed.forsaken.is_empty() {
        return Ok(AccountsPlan {
            record: inputs.record.clone(),
            ..AccountsPlan::default()
        });
    }
    Planner::new(inputs)?.plan()
}

/// Gives the accounts of a configuration that declares none: what a deactivation wants.
#[must_use]
pub fn no_accounts() -> Accounts {
    Accounts {
        mutable_users: true,
        manage_lingering: true,
        allow_no_password_login: true,
        users: BTreeMap::new(),
        groups: BTreeMap::new(),
    }
}

/// A field that no longer holds what was set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drift {
    /// The database.
    pub file: AccountFile,
    /// The account.
    pub name: String,
    /// The field's name; none when the whole entry is gone.
    pub field: Option<String>,
    /// What was set; none for a password.
    pub expected: Option<Bytes>,
    /// What is there; none for a password.
    pub found: Option<Bytes>,
}

/// Lists what somebody else changed in entries of this tool. Pure.
#[must_use]
pub fn find_drift(record: &AccountsRecord, observed: &Observed) -> Vec<Drift> {
    let mut drift = Vec::new();
    let mut record = record.clone();
    record.settle(&observed.files);
    for (&file, rows) in &record.claims.is.rows {
        let bytes = observed.files.get(&file).map_or(&[][..], Vec::as_slice);
        let table = crate::accounts::database::Table::parse(file, bytes);
        for (name, owned) in rows {
            let mut add = |field, expected, found| {
                drift.push(Drift {
                    file,
                    name: name.clone(),
                    field,
                    expected,
                    found,
                });
            };
            let Some(row) = table.row(name.as_bytes()) else {
                add(None, None, None);
                continue;
            };
            for (&field, edit) in owned.cells.iter().filter(|(_, edit)| !edit.free) {
                let found = Bytes::from(table.field(row, field));
                if found == edit.after {
                    continue;
                }
                let label = Some(field_name(file, field).to_owned());
                if is_secret(file, field) {
                    add(label, None, None);
                } else {
                    add(label, Some(edit.after.clone()), Some(found));
                }
            }
            let Some(members) = &owned.members else {
                continue;
            };
            let list = table.field(row, crate::accounts::database::group::MEMBERS);
            let there: BTreeSet<&[u8]> = crate::accounts::database::members(list).collect();
            let missing = members
                .added
                .iter()
                .any(|m| !there.contains(m.0.as_slice()));
            let back = members
                .removed
                .iter()
                .any(|m| there.contains(m.0.as_slice()));
            if missing || back {
                let label = Some("members".to_owned());
                add(label, Some(members.field.after.clone()), Some(list.into()));
            }
        }
    }
    drift
}

/// Gives a field's name for people.
#[must_use]
pub(crate) fn field_name(file: AccountFile, field: usize) -> &'static str {
    use AccountFile::{Group, Gshadow, Passwd, Shadow};
    match (file, field) {
        (Passwd | Shadow | Group | Gshadow, 1) => "password",
        (Passwd, 2) => "uid",
        (Passwd, 3) | (Group, 2) => "gid",
        (Passwd, 4) => "description",
        (Passwd, 5) => "home",
        (Passwd, 6) => "shell",
        (Shadow, 7) => "expires",
        (Group | Gshadow, 3) => "members",
        _ => "field",
    }
}

/// Says whether a field can hold a password's hash.
#[must_use]
pub(crate) fn is_secret(file: AccountFile, field: usize) -> bool {
    use AccountFile::{Group, Gshadow, Passwd, Shadow};
    matches!((file, field), (Passwd | Shadow | Group | Gshadow, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_and_lingering_and_late_passwords_are_part_of_what_was_shown() {
        let shown = AccountsReport::default;
        let home = HomeStep {
            user: "a".to_owned(),
            path: "/home/a".to_owned(),
            mode: 0o700,
            uid: 1000,
            gid: 1000,
            create: true,
        };
        for (other, same, why) in [
            (shown(), true, "nothing"),
            (
                AccountsReport {
                    warnings: vec!["odd".to_owned()],
                    ..shown()
                },
                true,
                "it may warn of something else",
            ),
            (
                AccountsReport {
                    homes: vec![home],
                    ..shown()
                },
                false,
                "a home",
            ),
            (
                AccountsReport {
                    linger: [("a".to_owned(), true)].into(),
                    ..shown()
                },
                false,
                "lingering",
            ),
            (
                AccountsReport {
                    late_passwords: [("a".to_owned(), "/secret".to_owned())].into(),
                    ..shown()
                },
                false,
                "where a password comes from",
            ),
        ] {
            assert_eq!(shown().does_the_same(&other), same, "{why}");
        }
    }
}
