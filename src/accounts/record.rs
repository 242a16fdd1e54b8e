//! What this tool did to the account databases: the ids it ever gave, and what to put back (`ids.json`).
//!
//! It is written before the databases, so that a kill in between leaves a claim on lines that are not there yet, never
//! lines that nobody remembers.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::accounts::database::{
    AccountBytes, AccountFile, Bytes, Table, group, parse_number, passwd,
};
use crate::accounts::decide::AccountsPlan;
use crate::accounts::record_v1;
use crate::store::checked;
use crate::store::owned::{Claiming, Owned, Record};

/// The version of the format that this program reads and writes.
pub(crate) const VERSION: u32 = 2;

/// What this tool owns in the account databases, and every id that it ever gave.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AccountsRecord {
    /// Uids that each name ever had from this tool, the latest last. It only grows.
    pub uids: BTreeMap<String, Vec<u32>>,
    /// Gids that each name ever had from this tool, the latest last. It only grows.
    pub gids: BTreeMap<String, Vec<u32>>,
    /// The first id of each subordinate range that was ever allocated, by user. It only grows.
    pub sub_ids: BTreeMap<String, u32>,
    /// What is to be put back one day.
    pub claims: Owned<Claims>,
    /// Homes that this tool made, by user.
    pub homes: BTreeMap<String, String>,
    /// Users that were made locked, since the file with their password could not be used.
    pub without_password: BTreeSet<String>,
}

impl AccountsRecord {
    /// Returns the homes of the users that this tool made, those of an unfinished run included.
    pub(crate) fn homes(&self) -> BTreeSet<String> {
        self.claims
            .values()
            .filter_map(|claims| claims.rows.get(&AccountFile::Passwd))
            .flat_map(BTreeMap::values)
            .filter(|row| row.created)
            .filter_map(|row| row.cells.get(&passwd::HOME))
            .map(|edit| Bytes::text(&edit.after).into_owned())
            .collect()
    }
}

/// What this tool owns in the databases.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Claims {
    /// Entries that this tool made or edits.
    pub rows: BTreeMap<AccountFile, BTreeMap<String, OwnedRow>>,
    /// Whole lines that this tool added (`subuid`, `subgid`, `shells`).
    pub lines: BTreeMap<AccountFile, BTreeSet<Bytes>>,
    /// Databases that did not exist before.
    pub created_files: BTreeSet<AccountFile>,
    /// Whether a user lingered before this tool decided on it.
    pub linger: BTreeMap<String, bool>,
}

/// An entry that this tool made or edits.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct OwnedRow {
    /// Whether this tool made the entry; else it was adopted.
    pub created: bool,
    /// The id that the entry had when it was made or adopted; an entry with another one is not ours.
    pub id: Option<u32>,
    /// Fields that were set, by number.
    pub cells: BTreeMap<usize, Edit>,
    /// Members that were added or taken out.
    pub members: Option<MemberEdit>,
}

/// One field that was set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Edit {
    /// What was there before this tool came.
    pub before: Bytes,
    /// What this tool set.
    pub after: Bytes,
    /// Whether others may change it since (a password with `mutableUsers`), so that a difference is no drift.
    #[serde(default)]
    pub free: bool,
}

/// A member list that was edited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MemberEdit {
    /// Members that this tool added.
    pub added: BTreeSet<Bytes>,
    /// Members that this tool took out.
    pub removed: BTreeSet<Bytes>,
    /// The field before this tool came, and as this tool left it.
    pub field: Edit,
}

impl AccountsRecord {
    /// Reads the record's text. Pure.
    ///
    /// # Errors
    /// When it is not what [`Self::render`] wrote, whole, or of a newer program.
    pub fn parse(text: &[u8]) -> Result<Self> {
        if checked::version(text)? == 1 {
            return record_v1::parse(text);
        }
        checked::parse(VERSION, text)?.record()
    }

    /// Returns the record's text. Pure.
    ///
    /// # Errors
    /// Never for a record that can be represented in JSON, which all can.
    pub fn render(&self) -> Result<Vec<u8>> {
        checked::render(VERSION, self)
    }

    /// Says whether nothing in the databases is ours any more; ids that were given are remembered all the same.
    #[must_use]
    pub fn owns_nothing(&self) -> bool {
        self.claims.is.is_empty() && !self.claims.is_begun()
    }

    /// Counts the users and groups of which there is anything to be put back.
    #[must_use]
    pub fn count(&self) -> usize {
        use AccountFile::{Group, Gshadow, Passwd, Shadow};
        let names = |files: [AccountFile; 2]| {
            let claims = self.claims.values();
            let rows = claims.flat_map(|c| files.iter().filter_map(|file| c.rows.get(file)));
            rows.flat_map(BTreeMap::keys).collect::<BTreeSet<_>>().len()
        };
        names([Passwd, Shadow]) + names([Group, Gshadow])
    }

    /// Remembers every id of the databases for its name: what a lost record is rebuilt from. Pure.
    ///
    /// Ownership can't be told from the files, so that nothing counts as made by this tool; an id that a name holds
    /// is never given to another one.
    #[must_use]
    pub fn rebuild(files: &AccountBytes) -> Self {
        let mut record = Self::default();
        let empty = Vec::new();
        for (file, ids) in [
            (AccountFile::Passwd, &mut record.uids),
            (AccountFile::Group, &mut record.gids),
        ] {
            let table = Table::parse(file, files.get(&file).unwrap_or(&empty));
            for (name, row) in table.entries() {
                if let (Ok(name), Some(id)) =
                    (std::str::from_utf8(name), table.number(row, passwd::UID))
                {
                    remember(ids, name, id);
                }
            }
        }
        let table = Table::parse(
            AccountFile::Subuid,
            files.get(&AccountFile::Subuid).unwrap_or(&empty),
        );
        for (name, row) in table.entries() {
            if let (Ok(name), Some(start)) =
                (std::str::from_utf8(name), parse_number(table.field(row, 1)))
            {
                record.sub_ids.entry(name.to_owned()).or_insert(start);
            }
        }
        record
    }
}

impl Record for AccountsRecord {
    type Seen = AccountBytes;
    type Plan = AccountsPlan;

    /// If a run was stopped, some databases are as they were before it and some are as it wanted them. Each entry shows
    /// by its bytes which of the two claims is about it, so that what holds is made of both.
    fn settle(&mut self, files: &AccountBytes) {
        if let Some(next) = self.claims.becomes.take() {
            let before = std::mem::replace(&mut self.claims.is, next);
            self.claims.is.merge(before, files);
        }
    }

    fn claim(&mut self, plan: &AccountsPlan, _claiming: &mut Claiming<'_>) {
        self.clone_from(&plan.record);
    }

    fn commit(&mut self, _plan: &AccountsPlan) {
        self.claims.commit();
    }
}

impl Claims {
    /// Returns what is claimed of an entry.
    #[must_use]
    pub fn row(&self, file: AccountFile, name: &str) -> Option<&OwnedRow> {
        self.rows.get(&file)?.get(name)
    }

    /// Says whether nothing is claimed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.values().all(BTreeMap::is_empty)
            && self.lines.values().all(BTreeSet::is_empty)
            && self.created_files.is_empty()
            && self.linger.is_empty()
    }

    /// Adds the claims of before a stopped run.
    ///
    /// A claim on what is not there any more, or is back already, does no harm: putting it back changes nothing.
    fn merge(&mut self, before: Self, files: &AccountBytes) {
        let empty = Vec::new();
        for (file, rows) in before.rows {
            let table = Table::parse(file, files.get(&file).unwrap_or(&empty));
            let ours = self.rows.entry(file).or_default();
            for (name, old) in rows {
                match ours.get_mut(&name) {
                    Some(new) => new.merge(old, &table, &name),
                    None => {
                        ours.insert(name, old);
                    }
                }
            }
        }
        for (file, lines) in before.lines {
            self.lines.entry(file).or_default().extend(lines);
        }
        self.created_files.extend(before.created_files);
        self.linger.extend(before.linger);
    }
}

impl OwnedRow {
    fn merge(&mut self, old: Self, table: &Table<'_>, name: &str) {
        let Some(row) = table.row(name.as_bytes()) else {
            return;
        };
        let is = |field, value: &Bytes| table.field(row, field) == value.0;
        for (field, edit) in old.cells {
            let unwritten = self
                .cells
                .get(&field)
                .is_none_or(|new| is(field, &edit.after) && !is(field, &new.after));
            if unwritten {
                self.cells.insert(field, edit);
            }
        }
        let Some(edit) = old.members else { return };
        match &mut self.members {
            Some(new) if is(group::MEMBERS, &new.field.after) => {}
            Some(new) if !is(group::MEMBERS, &edit.field.after) => {
                // Somebody edited the list since: what either run did to it is undone member by member.
                new.added.extend(edit.added);
                new.removed.extend(edit.removed);
            }
            members => *members = Some(edit),
        }
    }
}

/// Notes that a name has an id now; an id that it had before moves to the end. Nothing is ever forgotten.
pub(crate) fn remember(ids: &mut BTreeMap<String, Vec<u32>>, name: &str, id: u32) {
    if ids.get(name).is_some_and(|known| known.last() == Some(&id)) {
        return;
    }
    let known = ids.entry(name.to_owned()).or_default();
    known.retain(|&k| k != id);
    known.push(id);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> AccountsRecord {
        let mut record = AccountsRecord::default();
        remember(&mut record.uids, "alice", 1000);
        remember(&mut record.uids, "alice", 1005);
        remember(&mut record.uids, "alice", 1000);
        let row = OwnedRow {
            cells: BTreeMap::from([(
                passwd::GECOS,
                Edit {
                    before: Bytes(b"Jos\xe9".to_vec()),
                    after: "Jose".into(),
                    free: false,
                },
            )]),
            ..OwnedRow::default()
        };
        record.claims.is.rows.insert(
            AccountFile::Passwd,
            BTreeMap::from([("alice".to_owned(), row)]),
        );
        record
    }

    #[test]
    fn reads_what_it_wrote() {
        let record = sample();
        assert_eq!(
            record.uids["alice"],
            [1005, 1000],
            "the latest is last, none is lost"
        );
        let text = record.render().unwrap();
        assert_eq!(AccountsRecord::parse(&text).unwrap(), record);
    }

    #[test]
    fn refuses_a_damaged_record() {
        let text = sample().render().unwrap();
        for at in 0..text.len() {
            assert!(
                AccountsRecord::parse(&text[..at]).is_err() || at + 1 == text.len(),
                "cut at {at}"
            );
        }
        let changed = String::from_utf8(text.clone())
            .unwrap()
            .replace("1005", "1006");
        assert!(AccountsRecord::parse(changed.as_bytes()).is_err());
        assert!(
            AccountsRecord::parse(&vec![0; text.len()]).is_err(),
            "NULs after a power cut"
        );
        let newer = String::from_utf8(text)
            .unwrap()
            .replace("\"version\":2", "\"version\":3");
        let error = AccountsRecord::parse(newer.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(error.contains("version 3"), "{error}");
    }

    #[test]
    fn rebuilds_ids_from_the_files() {
        let files = AccountBytes::from([
            (
                AccountFile::Passwd,
                b"root:x:0:0:::\nbad:x:y:0:::\nal\xe9:x:5:5:::\nann:x:1001:100:::\n".to_vec(),
            ),
            (AccountFile::Group, b"users:x:100:\n".to_vec()),
            (AccountFile::Subuid, b"ann:165536:65536\n".to_vec()),
        ]);
        let record = AccountsRecord::rebuild(&files);
        assert_eq!(record.uids.keys().collect::<Vec<_>>(), ["ann", "root"]);
        assert_eq!(record.gids["users"], [100]);
        assert_eq!(record.sub_ids["ann"], 165_536);
        assert!(record.owns_nothing());
    }
}
