//! The steps of the decision about accounts, and one entry there and back. Pure; see [`crate::accounts::decide`].

use std::collections::{BTreeMap, BTreeSet};

use crate::accounts::changes::Report;
use crate::accounts::check::check_accounts;
use crate::accounts::database::{AccountFile, Bytes, Found, Table, passwd};
use crate::accounts::decide::{AccountsPlan, FileChange, HomeStep, Inputs, Refusal};
use crate::accounts::entry::{RowChange, WantedRow, apply_row, drop_row};
use crate::accounts::record::{AccountsRecord, Claims, OwnedRow};
use crate::store::owned::{Owned, Record as _};

/// The decision while it is being made.
pub(crate) struct Planner<'a> {
    pub(crate) inputs: &'a Inputs<'a>,
    /// The databases as they will be; an optional one that does not exist is absent.
    pub(crate) tables: BTreeMap<AccountFile, Table<'a>>,
    /// What was done before, with a stopped run accounted for.
    pub(crate) old: AccountsRecord,
    pub(crate) record: AccountsRecord,
    /// What is to be put back one day, after this plan.
    pub(crate) claims: Claims,
    pub(crate) report: Report,
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) warnings: Vec<String>,
    pub(crate) late_passwords: BTreeMap<String, String>,
    pub(crate) uids: BTreeMap<&'a str, u32>,
    pub(crate) gids: BTreeMap<&'a str, u32>,
    /// Declared users that have no entry yet.
    pub(crate) new_users: BTreeSet<&'a str>,
    /// Users that this plan takes out.
    pub(crate) gone_users: BTreeSet<String>,
}

impl<'a> Planner<'a> {
    pub(crate) fn new(inputs: &'a Inputs<'a>) -> Result<Self, Vec<Refusal>> {
        let mut refusals = Vec::new();
        for file in [AccountFile::Passwd, AccountFile::Group, AccountFile::Shadow] {
            if !inputs.observed.files.contains_key(&file) {
                refusals.push(Refusal {
                    subject: file.to_string(),
                    reason: "does not exist, so accounts can't be managed".to_owned(),
                    hint: (file == AccountFile::Shadow)
                        .then(|| "`pwconv` creates it from /etc/passwd".to_owned()),
                });
            }
        }
        if !refusals.is_empty() {
            return Err(refusals);
        }
        let mut tables = BTreeMap::new();
        for file in AccountFile::ALL {
            let bytes = inputs.observed.files.get(&file).map(Vec::as_slice);
            let made_here = matches!(file, AccountFile::Subuid | AccountFile::Subgid);
            if let Some(bytes) = bytes.or(made_here.then_some(&[][..])) {
                tables.insert(file, Table::parse(file, bytes));
            }
        }
        let mut old = inputs.record.clone();
        old.settle(&inputs.observed.files);
        Ok(Self {
            inputs,
            tables,
            claims: old.claims.is.clone(),
            record: old.clone(),
            old,
            report: Report::default(),
            refusals,
            warnings: Vec::new(),
            late_passwords: BTreeMap::new(),
            uids: BTreeMap::new(),
            gids: BTreeMap::new(),
            new_users: BTreeSet::new(),
            gone_users: BTreeSet::new(),
        })
    }

    pub(crate) fn plan(mut self) -> Result<AccountsPlan, Vec<Refusal>> {
        self.refusals = check_accounts(self.inputs.desired);
        self.check_lines();
        self.give_gids();
        self.give_uids();
        if !self.refusals.is_empty() {
            return Err(self.refusals);
        }
        self.forget_replaced();
        self.leave_forsaken_shells();
        let users = &self.inputs.desired.users;
        self.record
            .without_password
            .retain(|name| users.contains_key(name));
        self.apply_users();
        self.drop_users();
        // A name that a group has as its member by the configuration is one, whether or not an account goes with it.
        self.purge_gone();
        self.apply_groups();
        self.drop_groups();
        self.apply_sub_ids();
        self.apply_shells();
        let homes = self.plan_homes();
        let linger = self.plan_linger();
        self.check_lock_out();
        if self.refusals.is_empty() {
            Ok(self.finish(homes, linger))
        } else {
            Err(self.refusals)
        }
    }

    pub(crate) fn table(&self, file: AccountFile) -> &Table<'a> {
        // The three that are asked for by this were checked in `new`, and `new` makes the subordinate ones.
        &self.tables[&file]
    }

    pub(crate) fn refuse(&mut self, subject: &str, reason: String, hint: Option<&str>) {
        self.refusals.push(Refusal {
            subject: subject.to_owned(),
            reason,
            hint: hint.map(str::to_owned),
        });
    }

    /// Refuses to guess which line of a declared name counts.
    fn check_lines(&mut self) {
        use AccountFile::{Group, Gshadow, Passwd, Shadow};
        let desired = self.inputs.desired;
        let joined = desired.users.values().flat_map(|u| &u.extra_groups);
        let groups: BTreeSet<&String> = desired.groups.keys().chain(joined).collect();
        let users: Vec<&String> = desired.users.keys().collect();
        let names = groups
            .into_iter()
            .flat_map(|g| [(Group, g), (Gshadow, g)])
            .chain(users.into_iter().flat_map(|u| [(Passwd, u), (Shadow, u)]));
        for (file, name) in names {
            let why = match self.tables.get(&file).map(|t| t.find(name.as_bytes())) {
                Some(Found::Malformed) => "its line has too few or too many fields".to_owned(),
                Some(Found::Several(n)) => {
                    format!("it has {n} lines, and only one of them is used")
                }
                _ => continue,
            };
            let subject = format!("{} of {file}", quoted(name));
            self.refuse(
                &subject,
                why,
                Some("correct the file with an editor (`vipw`, `vigr`)"),
            );
        }
        for (&file, rows) in &self.old.claims.is.rows {
            for name in rows.keys() {
                let found = self.tables.get(&file).map(|t| t.find(name.as_bytes()));
                let wanted = desired.users.contains_key(name) || desired.groups.contains_key(name);
                if !wanted && matches!(found, Some(Found::Several(_) | Found::Malformed)) {
                    self.warnings.push(format!(
                        "{} of {file} is not restored: it has several lines, or a malformed one",
                        quoted(name)
                    ));
                }
            }
        }
    }

    /// Gives up what is recorded about entries that somebody else deleted and made anew: those are not ours.
    fn forget_replaced(&mut self) {
        use AccountFile::{Group, Gshadow, Passwd, Shadow};
        for (file, twin) in [(Passwd, Shadow), (Group, Gshadow)] {
            let Some(rows) = self.claims.rows.get(&file) else {
                continue;
            };
            let table = &self.tables[&file];
            let replaced: Vec<String> = rows
                .iter()
                .filter(|(name, owned)| {
                    let id = table
                        .row(name.as_bytes())
                        .map(|row| table.number(row, passwd::UID));
                    owned.id.is_some() && id.is_some_and(|id| id != owned.id)
                })
                .map(|(name, _)| name.clone())
                .collect();
            for name in replaced {
                self.warnings.push(format!(
                    "{} of {file} no longer has the id that system-manager gave it, so it is left alone",
                    quoted(&name)
                ));
                for file in [file, twin] {
                    if let Some(rows) = self.claims.rows.get_mut(&file) {
                        rows.remove(&name);
                    }
                }
            }
        }
    }

    /// Gives accounts the distribution's shells whose own ones go with another program. Nothing is remembered of it: this
    /// is what stood there before.
    fn leave_forsaken_shells(&mut self) {
        let inputs = self.inputs;
        let names: Vec<String> = self
            .table(AccountFile::Passwd)
            .entries()
            .filter_map(|(name, _)| String::from_utf8(name.to_vec()).ok())
            .collect();
        for name in names {
            let owned = self.owned(AccountFile::Passwd, &name);
            if owned.is_some_and(|owned| owned.cells.contains_key(&passwd::SHELL)) {
                continue;
            }
            let Some(table) = self.tables.get_mut(&AccountFile::Passwd) else {
                return;
            };
            let Some(row) = table.row(name.as_bytes()) else {
                continue;
            };
            let before = Bytes::from(table.field(row, passwd::SHELL));
            let Some(own) = inputs.observed.forsaken.get(&*before.text()) else {
                continue;
            };
            table.set(row, passwd::SHELL, own.as_bytes());
            let change = RowChange {
                fields: vec![(passwd::SHELL, before, own.as_str().into())],
                ..RowChange::default()
            };
            self.report.row(AccountFile::Passwd, &name, &change, table);
        }
    }

    /// Brings one entry to what is wanted, and records and reports it.
    pub(crate) fn apply(&mut self, file: AccountFile, name: &str, wanted: &WantedRow) {
        let Some(table) = self.tables.get_mut(&file) else {
            return;
        };
        let owned = self.claims.row(file, name);
        let (now, change) = apply_row(table, name, owned, wanted);
        self.report.row(file, name, &change, table);
        let nothing = !now.created && now.cells.is_empty() && now.members.is_none();
        let rows = self.claims.rows.entry(file).or_default();
        if nothing {
            rows.remove(name);
        } else {
            rows.insert(name.to_owned(), now);
        }
        self.warn_left(file, name, &change);
    }

    /// Takes out or puts back one entry, and forgets it.
    pub(crate) fn drop(&mut self, file: AccountFile, name: &str) -> RowChange {
        let owned = self
            .claims
            .rows
            .get_mut(&file)
            .and_then(|rows| rows.remove(name));
        let (Some(owned), Some(table)) = (owned, self.tables.get_mut(&file)) else {
            return RowChange::default();
        };
        let before = table
            .row(name.as_bytes())
            .map(|row| table.line(row).to_vec());
        let change = drop_row(table, name, &owned);
        self.report.dropped(file, name, &change, before.as_deref());
        self.warn_left(file, name, &change);
        change
    }

    fn warn_left(&mut self, file: AccountFile, name: &str, change: &RowChange) {
        for &field in &change.left {
            self.warnings.push(format!(
                "the {} of {} is kept: somebody has changed it since it was set",
                crate::accounts::decide::field_name(file, field),
                quoted(name)
            ));
        }
    }

    fn drop_users(&mut self) {
        let desired = self.inputs.desired;
        for file in [AccountFile::Passwd, AccountFile::Shadow] {
            let gone: Vec<String> = self.names_of(file, |n| !desired.users.contains_key(n));
            for name in gone {
                if self.drop(file, &name).removed && file == AccountFile::Passwd {
                    self.gone_users.insert(name);
                }
            }
        }
    }

    pub(crate) fn names_of(&self, file: AccountFile, keep: impl Fn(&str) -> bool) -> Vec<String> {
        self.claims
            .rows
            .get(&file)
            .into_iter()
            .flat_map(BTreeMap::keys)
            .filter(|name| keep(name))
            .cloned()
            .collect()
    }

    pub(crate) fn number(&self, file: AccountFile, name: &str, field: usize) -> Option<u32> {
        let table = self.tables.get(&file)?;
        table.number(table.row(name.as_bytes())?, field)
    }

    pub(crate) fn owned(&self, file: AccountFile, name: &str) -> Option<&OwnedRow> {
        self.claims.row(file, name)
    }

    pub(crate) fn finish(
        mut self,
        homes: Vec<HomeStep>,
        linger: BTreeMap<String, bool>,
    ) -> AccountsPlan {
        let observed = self.inputs.observed;
        let mut files = BTreeMap::new();
        for (&file, table) in self.tables.iter().filter(|(_, t)| t.is_changed()) {
            let before = observed.files.get(&file);
            let after = table.render();
            if before.map_or(&[][..], Vec::as_slice) == after {
                continue;
            }
            // A file that we made goes when nothing is left in it.
            let goes = after.is_empty() && self.claims.created_files.contains(&file);
            if goes {
                self.claims.created_files.remove(&file);
            } else if before.is_none() {
                self.claims.created_files.insert(file);
            }
            let change = FileChange {
                before: before.cloned(),
                after: (!goes).then_some(after),
            };
            files.insert(file, change);
        }
        self.claims.rows.retain(|_, rows| !rows.is_empty());
        self.claims.lines.retain(|_, lines| !lines.is_empty());
        let mut record = self.record;
        record.claims = Owned::at_rest(self.claims);
        let record_changed = record != *self.inputs.record;
        if !files.is_empty() || !linger.is_empty() {
            let next = std::mem::replace(&mut record.claims, self.old.claims);
            record.claims.claim(next.is);
        }
        AccountsPlan {
            changes: self.report.finish(&self.late_passwords),
            warnings: self.warnings,
            late_passwords: self.late_passwords,
            files,
            homes,
            linger,
            record_changed,
            record,
        }
    }
}

pub(crate) fn quoted(name: &str) -> String {
    format!("`{name}`")
}
