//! The steps of the decision about accounts: ids, entries, memberships, and what goes. Pure; see [`crate::accounts::decide`].

use std::collections::{BTreeMap, BTreeSet};

use crate::accounts::changes::Report;
use crate::accounts::check::check_accounts;
use crate::accounts::database::{AccountFile, Bytes, Found, Table, group, passwd, shadow};
use crate::accounts::decide::{AccountsPlan, Inputs, Refusal};
use crate::accounts::entry::{
    RowChange, WantedMembers, WantedRow, apply_row, drop_row, purge_members,
};
use crate::accounts::ids::{DYNAMIC_IDS, Given, IdKind, Ids, Nss, Search};
use crate::accounts::record::{AccountsRecord, Claims, OwnedRow, remember};
use crate::model::manifest::User;

/// The group of a new account that is in none: `nogroup` on Debian, `nobody` on Fedora.
const NO_GROUP: u32 = 65534;

/// The decision while it is being made.
pub(crate) struct Planner<'a> {
    pub(crate) inputs: &'a Inputs<'a>,
    /// The databases as they will be; an optional one that does not exist is absent.
    pub(crate) tables: BTreeMap<AccountFile, Table<'a>>,
    /// What was done before, with a stopped run accounted for.
    pub(crate) old: AccountsRecord,
    pub(crate) record: AccountsRecord,
    pub(crate) report: Report,
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) warnings: Vec<String>,
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
                    reason: "it does not exist, so accounts can't be managed".to_owned(),
                    hint: (file == AccountFile::Shadow)
                        .then(|| "`pwconv` makes it from /etc/passwd".to_owned()),
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
        let old = inputs.record.settle(&inputs.observed.files);
        Ok(Self {
            inputs,
            tables,
            record: old.clone(),
            old,
            report: Report::default(),
            refusals,
            warnings: Vec::new(),
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
        self.apply_users();
        self.drop_users();
        self.apply_groups();
        self.drop_groups();
        self.purge_gone();
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
                Some(Found::Several(n)) => format!("it has {n} lines, and only one of them counts"),
                _ => continue,
            };
            let subject = format!("{} of {file}", quoted(name));
            self.refuse(
                &subject,
                why,
                Some("put the file right with an editor (`vipw`, `vigr`)"),
            );
        }
        for (&file, rows) in &self.old.claims.rows {
            for name in rows.keys() {
                let found = self.tables.get(&file).map(|t| t.find(name.as_bytes()));
                let wanted = desired.users.contains_key(name) || desired.groups.contains_key(name);
                if !wanted && matches!(found, Some(Found::Several(_) | Found::Malformed)) {
                    self.warnings.push(format!(
                        "{} of {file} is not put back: it has several lines, or a malformed one",
                        quoted(name)
                    ));
                }
            }
        }
    }

    fn give_gids(&mut self) {
        let desired = self.inputs.desired;
        let system = Search::Down(self.inputs.observed.ranges.system_gid.clone());
        let wanted: Vec<_> = desired
            .groups
            .iter()
            .map(|(name, g)| (name.as_str(), g.gid, &system))
            .collect();
        self.gids = self.give_ids(IdKind::Group, &wanted);
    }

    fn give_uids(&mut self) {
        let desired = self.inputs.desired;
        let ranges = &self.inputs.observed.ranges;
        let system = Search::Down(ranges.system_uid.clone());
        let normal = Search::Up(ranges.uid.clone());
        let wanted: Vec<_> = desired
            .users
            .iter()
            .map(|(name, u)| {
                let search = if u.is_system_user { &system } else { &normal };
                (name.as_str(), u.uid, search)
            })
            .collect();
        self.uids = self.give_ids(IdKind::User, &wanted);
        let new = |name: &&str| {
            self.table(AccountFile::Passwd).find(name.as_bytes()) == Found::Missing
                || self.is_half_made(name)
        };
        self.new_users = desired
            .users
            .keys()
            .map(String::as_str)
            .filter(new)
            .collect();
    }

    /// Says whether a run that was stopped made a user's passwd line, but did not come to its shadow line.
    fn is_half_made(&self, name: &str) -> bool {
        let record = self.inputs.record;
        let Some(before) = &record.unfinished else {
            return false;
        };
        let made = |claims: &Claims| {
            let rows = claims.rows.get(&AccountFile::Passwd);
            rows.and_then(|rows| rows.get(name))
                .is_some_and(|row| row.created)
        };
        if !made(&record.claims) || made(before) {
            return false;
        }
        let table = self.table(AccountFile::Shadow);
        let Some(row) = table.row(name.as_bytes()) else {
            return true;
        };
        // A line that was there before, of an account that is long gone, still has the old password.
        let edit = record
            .row(AccountFile::Shadow, name)
            .and_then(|row| row.cells.get(&shadow::HASH));
        let hash = table.field(row, shadow::HASH);
        edit.is_some_and(|edit| edit.before.0 == hash && edit.after.0 != hash)
    }

    fn give_ids(
        &mut self,
        kind: IdKind,
        wanted: &[(&'a str, Option<u32>, &Search)],
    ) -> BTreeMap<&'a str, u32> {
        let inputs = self.inputs;
        let (file, ever, word) = match kind {
            IdKind::User => (AccountFile::Passwd, &inputs.record.uids, "user"),
            IdKind::Group => (AccountFile::Group, &inputs.record.gids, "group"),
        };
        let id_name = kind.id_name();
        let mut given = BTreeMap::new();
        let mut errors = Vec::new();
        let mut ids = Ids::new(
            kind,
            inputs.nss,
            &self.tables[&file],
            ever,
            wanted.iter().filter_map(|w| w.1),
        );
        for &(name, fixed, search) in wanted {
            let table = &self.tables[&file];
            if let Some(row) = table.row(name.as_bytes()) {
                let Some(id) = table.number(row, passwd::UID) else {
                    errors.push((name, format!("its {id_name} in {file} is no number"), None));
                    continue;
                };
                if let Some(fixed) = fixed.filter(|&f| f != id) {
                    self.warnings.push(format!(
                        "{word} `{name}` keeps its {id_name} {id}: {fixed} is not applied, since files on disk belong to {id}"
                    ));
                }
                given.insert(name, id);
                continue;
            }
            if let Some(error) = known_elsewhere(inputs.nss, kind, name) {
                errors.push((
                    name,
                    error,
                    Some("take it out of the configuration, or out of the directory service"),
                ));
                continue;
            }
            match ids.give(name, fixed, search) {
                Ok(Given::Fixed(id)) => {
                    if let Some(former) = ids.former(id, name) {
                        self.warnings.push(format!(
                            "{word} `{name}` gets the {id_name} {id} that it asks for, which was {word} `{former}`'s: files of `{former}` become its"
                        ));
                    }
                    given.insert(name, id);
                }
                Ok(Given::Revived(id) | Given::Fresh(id)) => {
                    if let Some(fixed) = fixed.filter(|&f| f != id) {
                        let holder = ids.holder(fixed).ok().flatten().unwrap_or_default();
                        self.warnings.push(format!(
                            "{word} `{name}` gets the {id_name} {id}: {fixed}, which it asks for, belongs to {word} `{holder}` of this host"
                        ));
                    }
                    given.insert(name, id);
                }
                Err(error) => errors.push((name, error, None)),
            }
        }
        for (name, error, hint) in errors {
            self.refuse(&format!("{word} `{name}`"), error, hint);
        }
        let map = match kind {
            IdKind::User => &mut self.record.uids,
            IdKind::Group => &mut self.record.gids,
        };
        for (name, &id) in &given {
            remember(map, name, id);
        }
        given
    }

    /// Gives up what is recorded about entries that somebody else deleted and made anew: those are not ours.
    fn forget_replaced(&mut self) {
        use AccountFile::{Group, Gshadow, Passwd, Shadow};
        for (file, twin) in [(Passwd, Shadow), (Group, Gshadow)] {
            let Some(rows) = self.record.claims.rows.get(&file) else {
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
                    "{} of {file} has another id than this tool gave it: it is somebody else's now",
                    quoted(&name)
                ));
                for file in [file, twin] {
                    if let Some(rows) = self.record.claims.rows.get_mut(&file) {
                        rows.remove(&name);
                    }
                }
            }
        }
    }

    /// Brings one entry to what is wanted, and records and reports it.
    pub(crate) fn apply(&mut self, file: AccountFile, name: &str, wanted: &WantedRow) {
        let Some(table) = self.tables.get_mut(&file) else {
            return;
        };
        let owned = self.record.row(file, name);
        let (now, change) = apply_row(table, name, owned, wanted);
        self.report.row(file, name, &change, table);
        let nothing = !now.created && now.cells.is_empty() && now.members.is_none();
        let rows = self.record.claims.rows.entry(file).or_default();
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
            .record
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
                "the {} of {} stays: somebody changed it since it was set",
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

    fn names_of(&self, file: AccountFile, keep: impl Fn(&str) -> bool) -> Vec<String> {
        self.record
            .claims
            .rows
            .get(&file)
            .into_iter()
            .flat_map(BTreeMap::keys)
            .filter(|name| keep(name))
            .cloned()
            .collect()
    }

    fn apply_groups(&mut self) {
        let wanted = self.wanted_groups();
        for (name, (members, declared)) in &wanted {
            let exists = self
                .table(AccountFile::Group)
                .row(name.as_bytes())
                .is_some();
            let has_gshadow = self.tables.contains_key(&AccountFile::Gshadow);
            let in_gshadow = self
                .tables
                .get(&AccountFile::Gshadow)
                .is_some_and(|t| t.row(name.as_bytes()).is_some());
            if !exists && !declared {
                self.warn_no_group(name, members);
                continue;
            }
            let gid = match self.gids.get(name) {
                Some(&gid) => Some(gid),
                None => self.number(AccountFile::Group, name, group::GID),
            };
            let Some(id) = gid else { continue };
            let row = |template: [&str; 4], id| WantedRow {
                template: template.map(Bytes::from).to_vec(),
                cells: BTreeMap::new(),
                members: members.clone(),
                id,
            };
            // With a gshadow the password is there; without, `!` says that there is none.
            let password = if has_gshadow { "x" } else { "!" };
            self.apply(
                AccountFile::Group,
                name,
                &row([name, password, &id.to_string(), ""], Some(id)),
            );
            // A group that this tool made has its twin, also when a run was stopped between the two.
            let made = self
                .owned(AccountFile::Group, name)
                .is_some_and(|row| row.created);
            if in_gshadow || made {
                self.apply(AccountFile::Gshadow, name, &row([name, "!", "", ""], None));
            }
        }
        for file in [AccountFile::Group, AccountFile::Gshadow] {
            // Groups that are only joined go back to what they were once nobody joins them.
            for name in self.names_of(file, |n| !wanted.contains_key(n)) {
                if self.record.row(file, &name).is_some_and(|row| !row.created) {
                    self.drop(file, &name);
                }
            }
        }
    }

    /// Gives the members of every group that is declared or joined, and whether it is declared.
    fn wanted_groups(&self) -> BTreeMap<&'a str, (WantedMembers, bool)> {
        let desired = self.inputs.desired;
        let mut wanted: BTreeMap<&str, (WantedMembers, bool)> = BTreeMap::new();
        for (name, group) in &desired.groups {
            let members = WantedMembers {
                names: group.members.clone(),
                exact: !desired.mutable_users,
            };
            wanted.insert(name, (members, true));
        }
        for (name, user) in &desired.users {
            for group in &user.extra_groups {
                wanted
                    .entry(group)
                    .or_default()
                    .0
                    .names
                    .insert(name.clone());
            }
        }
        wanted
    }

    fn warn_no_group(&mut self, name: &str, members: &WantedMembers) {
        let members: Vec<&str> = members.names.iter().map(String::as_str).collect();
        self.warnings.push(format!(
            "{} can't join the group `{name}`: /etc/group has no such group and none is declared",
            members.join(", ")
        ));
    }

    fn drop_groups(&mut self) {
        let desired = self.inputs.desired;
        let gone = self.names_of(AccountFile::Group, |n| !desired.groups.contains_key(n));
        let gone: Vec<String> = gone
            .into_iter()
            .filter(|n| {
                self.record
                    .row(AccountFile::Group, n)
                    .is_some_and(|row| row.created)
            })
            .collect();
        if !gone.is_empty() {
            let table = self.table(AccountFile::Passwd);
            let in_use: BTreeMap<u32, String> = table
                .entries()
                .filter_map(|(name, row)| {
                    let gid = table.number(row, passwd::GID)?;
                    Some((gid, String::from_utf8_lossy(name).into_owned()))
                })
                .collect();
            for name in gone {
                let gid = self.number(AccountFile::Group, &name, group::GID);
                if let Some(user) = gid.and_then(|gid| in_use.get(&gid)) {
                    self.warnings.push(format!(
                        "the group `{name}` stays for now: it is the primary group of `{user}`"
                    ));
                    continue;
                }
                self.drop(AccountFile::Group, &name);
                self.drop(AccountFile::Gshadow, &name);
            }
        }
        // What is left in gshadow alone belongs to a group that somebody else took away.
        let orphans = self.names_of(AccountFile::Gshadow, |n| {
            !desired.groups.contains_key(n) && self.record.row(AccountFile::Group, n).is_none()
        });
        for name in orphans {
            if self
                .record
                .row(AccountFile::Gshadow, &name)
                .is_some_and(|row| row.created)
            {
                self.drop(AccountFile::Gshadow, &name);
            }
        }
    }

    /// Takes users that go out of every group, so that a later account of that name inherits nothing.
    fn purge_gone(&mut self) {
        for (file, fields) in [
            (AccountFile::Group, &[group::MEMBERS][..]),
            (AccountFile::Gshadow, &[group::ADMINS, group::MEMBERS][..]),
        ] {
            if let Some(table) = self.tables.get_mut(&file) {
                let owned = self.record.claims.rows.entry(file).or_default();
                for (name, before, after) in purge_members(table, fields, &self.gone_users, owned) {
                    self.report.members(file, &name, &before, &after);
                }
            }
        }
    }

    pub(crate) fn number(&self, file: AccountFile, name: &str, field: usize) -> Option<u32> {
        let table = self.tables.get(&file)?;
        table.number(table.row(name.as_bytes())?, field)
    }

    /// Gives the gid of a user's primary group: declared, of the host, or of the name service; for a user that is to be
    /// in none, what a new account gets.
    pub(crate) fn primary_gid(&mut self, name: &str, user: &User) -> Option<u32> {
        let Some(wanted) = user.group.as_deref() else {
            return Some(NO_GROUP);
        };
        if let Some(&gid) = self.gids.get(wanted) {
            return Some(gid);
        }
        if let Some(gid) = self.number(AccountFile::Group, wanted, group::GID) {
            return Some(gid);
        }
        let subject = format!("user `{name}`");
        match self.inputs.nss.id_of(IdKind::Group, wanted) {
            Ok(Some(gid)) => return Some(gid),
            Ok(None) => {
                let reason = format!("its group `{wanted}` does not exist and is not declared");
                let hint = format!("declare `users.groups.{wanted}`");
                self.refuse(&subject, reason, Some(&hint));
            }
            Err(error) => self.refuse(&subject, error, None),
        }
        None
    }

    pub(crate) fn owned(&self, file: AccountFile, name: &str) -> Option<&OwnedRow> {
        self.record.row(file, name)
    }
}

/// Says why a name that the files don't have is not free: another source of accounts has it.
fn known_elsewhere(nss: &dyn Nss, kind: IdKind, name: &str) -> Option<String> {
    match nss.id_of(kind, name) {
        Ok(None) => None,
        Ok(Some(id)) if DYNAMIC_IDS.contains(&id) => None,
        Ok(Some(id)) => Some(format!(
            "the name service knows it already, with the {} {id}, but not from /etc/{}",
            kind.id_name(),
            kind.database()
        )),
        Err(error) => Some(error),
    }
}

pub(crate) fn quoted(name: &str) -> String {
    format!("`{name}`")
}
