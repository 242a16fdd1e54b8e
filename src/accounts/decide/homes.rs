//! What a user has besides entries: subordinate ids, a home, lingering; and who must not be locked out. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::accounts::check::parse_mode;
use crate::accounts::database::{AccountFile, Bytes, Table, members, parse_number, passwd, shadow};
use crate::accounts::decide::planner::Planner;
use crate::accounts::decide::users::lets_nobody_in;
use crate::accounts::decide::{AccountsPlan, FileChange, Home, HomeStep, Subject};
use crate::accounts::password::is_locked;
use crate::accounts::record::OwnedRow;
use crate::accounts::sub_ids::{AUTO_COUNT, SubIds};
use crate::model::manifest::SubIdRange;

/// Groups whose members may become root on one distribution or another.
const ADMIN_GROUPS: [&str; 3] = ["sudo", "wheel", "admin"];

/// Homes that stand for having none.
const NO_HOMES: [&str; 3] = ["/", "/var/empty", "/nonexistent"];

impl Planner<'_> {
    pub(crate) fn apply_sub_ids(&mut self) {
        let mut taken = SubIds::default();
        let mut by_user: BTreeMap<&str, u32> = BTreeMap::new();
        let desired = self.inputs.desired;
        let autos: Vec<&str> = desired
            .users
            .iter()
            .filter(|(_, u)| u.auto_sub_uid_gid_range)
            .map(|(name, _)| name.as_str())
            .collect();
        for file in [AccountFile::Subuid, AccountFile::Subgid] {
            taken.take_all(self.table(file));
        }
        for user in desired.users.values() {
            for range in user.sub_uid_ranges.iter().chain(&user.sub_gid_ranges) {
                taken.take(range.start, range.count);
            }
        }
        for &start in self.inputs.record.sub_ids.values() {
            taken.take(start, AUTO_COUNT);
        }
        self.take_real_ids(&mut taken);
        let foreign: Vec<_> = [AccountFile::Subuid, AccountFile::Subgid]
            .into_iter()
            .flat_map(|file| self.foreign_ranges(file))
            .collect();
        let owners: BTreeSet<&[u8]> = foreign.iter().map(|f| f.0.0.as_slice()).collect();
        let mut foreign_ids = SubIds::default();
        for range in &foreign {
            foreign_ids.take(range.1, range.2);
        }
        for name in autos {
            // A range that useradd gave is as good as a new one.
            if !owners.contains(name.as_bytes())
                && let Some(start) = self.auto_start(name, &mut taken, &foreign_ids)
            {
                by_user.insert(name, start);
            }
        }
        for (file, label) in [
            (AccountFile::Subuid, "subordinate uids"),
            (AccountFile::Subgid, "subordinate gids"),
        ] {
            let wanted = self.wanted_ranges(file, &by_user);
            for (action, line) in self.apply_lines(file, &wanted) {
                let text = line.text();
                if let Some((name, range)) = text.split_once(':') {
                    self.report
                        .line(Subject::User, name, action, label, Some(range.to_owned()));
                }
            }
        }
    }

    /// Uids of accounts above the first subordinate id are not to be anybody's subordinates.
    fn take_real_ids(&self, taken: &mut SubIds) {
        let first = *self.inputs.observed.ranges.sub_uid.start();
        for (file, field) in [(AccountFile::Passwd, passwd::UID), (AccountFile::Group, 2)] {
            let table = self.table(file);
            for (_, row) in table.entries() {
                if let Some(id) = table.number(row, field).filter(|&id| id >= first) {
                    taken.take(id, 1);
                }
            }
        }
    }

    /// Gives the subordinate ranges that this tool did not write: owner, first id, count.
    fn foreign_ranges(&self, file: AccountFile) -> Vec<(Bytes, u32, u32)> {
        let table = self.table(file);
        let ours = self.old.claims.lines.get(&file);
        table
            .entries()
            .filter(|&(_, row)| !ours.is_some_and(|o| o.contains(&Bytes::from(table.line(row)))))
            .filter_map(|(owner, row)| {
                let number = |field| parse_number(table.field(row, field));
                Some((Bytes::from(owner), number(1)?, number(2)?))
            })
            .collect()
    }

    fn auto_start(&mut self, name: &str, taken: &mut SubIds, foreign: &SubIds) -> Option<u32> {
        // What was given once stays this name's, unless somebody else's lines lie in it now.
        if let Some(&start) = self.record.sub_ids.get(name)
            && !foreign.overlaps(start, AUTO_COUNT)
        {
            return Some(start);
        }
        let start = taken.allocate(&self.inputs.observed.ranges.sub_uid);
        if let Some(start) = start {
            self.record.sub_ids.insert(name.to_owned(), start);
        } else {
            let reason = "no range of subordinate ids is free".to_owned();
            self.refuse(&format!("user `{name}`"), reason, None);
        }
        start
    }

    fn wanted_ranges(&mut self, file: AccountFile, autos: &BTreeMap<&str, u32>) -> BTreeSet<Bytes> {
        let mut wanted = BTreeSet::new();
        let desired = self.inputs.desired;
        let others: Vec<_> = self
            .foreign_ranges(file)
            .into_iter()
            .filter(|f| !std::str::from_utf8(&f.0.0).is_ok_and(|o| desired.users.contains_key(o)))
            .collect();
        let mut other_ids = SubIds::default();
        for range in &others {
            other_ids.take(range.1, range.2);
        }
        for (name, user) in &desired.users {
            let ranges = match file {
                AccountFile::Subuid => &user.sub_uid_ranges,
                _ => &user.sub_gid_ranges,
            };
            let auto = autos.get(name.as_str()).map(|&start| (start, AUTO_COUNT));
            for (start, count) in ranges.iter().map(|r| (r.start, r.count)).chain(auto) {
                wanted.insert(Bytes::from(format!("{name}:{start}:{count}")));
            }
            // A range in which another user has ids would let each act as the other.
            for range in ranges
                .iter()
                .filter(|r| other_ids.overlaps(r.start, r.count))
            {
                self.refuse_overlap(file, name, range, &others);
            }
        }
        wanted
    }

    fn refuse_overlap(
        &mut self,
        file: AccountFile,
        name: &str,
        range: &SubIdRange,
        others: &[(Bytes, u32, u32)],
    ) {
        let mut ours = SubIds::default();
        ours.take(range.start, range.count);
        let owner = others
            .iter()
            .find(|o| ours.overlaps(o.1, o.2))
            .map(|o| o.0.text());
        let reason = format!(
            "its subordinate ids {}+{} overlap those of `{}` in {file}",
            range.start,
            range.count,
            owner.unwrap_or_default()
        );
        self.refuse(&format!("user `{name}`"), reason, None);
    }

    pub(crate) fn plan_homes(&mut self) -> Vec<HomeStep> {
        let mut steps = Vec::new();
        let mut kept = BTreeMap::new();
        let desired = self.inputs.desired;
        for (name, user) in desired.users.iter().filter(|(_, u)| u.create_home) {
            let table = self.table(AccountFile::Passwd);
            let Some(row) = table.row(name.as_bytes()) else {
                continue;
            };
            let (Some(uid), Some(gid), Some(mode)) = (
                table.number(row, passwd::UID),
                table.number(row, passwd::GID),
                parse_mode(&user.home_mode),
            ) else {
                continue;
            };
            let path = String::from_utf8_lossy(table.field(row, passwd::HOME)).into_owned();
            if NO_HOMES.contains(&path.as_str()) {
                continue;
            }
            let is_created = self
                .owned(AccountFile::Passwd, name)
                .is_some_and(|row: &OwnedRow| row.created);
            let ours = self.inputs.record.homes.get(name) == Some(&path);
            let mut step = HomeStep {
                user: name.clone(),
                path: path.clone(),
                mode,
                uid,
                gid,
                create: false,
            };
            match self.inputs.observed.homes.get(&path) {
                None | Some(Home::Missing) => {
                    step.create = true;
                    steps.push(step);
                    kept.insert(name.clone(), path);
                }
                Some(&Home::Folder { uid: u, gid: g, mode: m }) => {
                    if ours || (is_created && u == uid) {
                        if (u, g, m) != (uid, gid, mode) {
                            steps.push(step);
                        }
                        kept.insert(name.clone(), path);
                    } else if u != uid {
                        self.warnings.push(format!(
                            "the home {path} of user `{name}` belongs to uid {u} and is left as it is"
                        ));
                    }
                }
                Some(Home::Other) => self.warnings.push(format!(
                    "the home {path} of user `{name}` is no folder (a symbolic link is not followed) and is left as it is"
                )),
            }
        }
        self.record.homes = kept;
        steps
    }

    pub(crate) fn plan_linger(&mut self) -> BTreeMap<String, bool> {
        let desired = self.inputs.desired;
        let lingering = &self.inputs.observed.lingering;
        let mut wanted: BTreeMap<String, bool> = BTreeMap::new();
        if desired.manage_lingering {
            for (name, user) in &desired.users {
                if let Some(linger) = user.linger {
                    wanted.insert(name.clone(), linger);
                }
            }
        }
        let mut record = BTreeMap::new();
        for name in wanted.keys() {
            let before = self.record.claims.linger.get(name).copied();
            record.insert(
                name.clone(),
                before.unwrap_or_else(|| lingering.contains(name)),
            );
        }
        for (name, &before) in &self.record.claims.linger {
            wanted.entry(name.clone()).or_insert(before);
        }
        for name in &self.gone_users {
            if lingering.contains(name) {
                wanted.insert(name.clone(), false);
            }
        }
        self.record.claims.linger = record;
        wanted.retain(|name, linger| lingering.contains(name) != *linger);
        wanted
    }

    pub(crate) fn check_lock_out(&mut self) {
        let names: BTreeSet<&str> = std::iter::once("root").chain(self.inputs.invoker).collect();
        for name in names {
            for (reason, hint) in self.lock_outs(name) {
                self.refuse(&format!("user `{name}`"), reason, Some(&hint));
            }
        }
    }

    fn lock_outs(&self, name: &str) -> Vec<(String, String)> {
        let files = &self.inputs.observed.files;
        let parse = |file| Table::parse(file, files.get(&file).map_or(&[][..], Vec::as_slice));
        let old = parse(AccountFile::Passwd);
        let new = self.table(AccountFile::Passwd);
        let Some(before) = old.row(name.as_bytes()) else {
            return Vec::new();
        };
        let who = if name == "root" {
            "root"
        } else {
            "the account that runs this"
        };
        let Some(after) = new.row(name.as_bytes()) else {
            let hint = format!("keep `users.users.{name}`, or run this as somebody else");
            return vec![(format!("{who} would be removed"), hint)];
        };
        let mut reasons = Vec::new();
        let (was, shell) = (
            old.field(before, passwd::SHELL),
            new.field(after, passwd::SHELL),
        );
        let there = self
            .inputs
            .observed
            .shells
            .iter()
            .any(|s| s.as_bytes() == shell);
        if was != shell && !lets_nobody_in(was) && (lets_nobody_in(shell) || !there) {
            let shell = String::from_utf8_lossy(shell);
            let hint = format!("set `users.users.{name}.shell` to one that exists");
            reasons.push((
                format!("{who} could not log in with the shell {shell}"),
                hint,
            ));
        }
        let old_shadow = parse(AccountFile::Shadow);
        let new_shadow = self.table(AccountFile::Shadow);
        let was_open = !is_locked(hash_of(&old, &old_shadow, name));
        if was_open && is_locked(hash_of(new, new_shadow, name)) {
            let hint =
                format!("set `users.users.{name}.hashedPassword`, or `users.mutableUsers = true`");
            reasons.push((format!("{who} would have no password any more"), hint));
        }
        let today = self.inputs.observed.today;
        let expired = |t: &Table<'_>| {
            let day = t
                .row(name.as_bytes())
                .and_then(|row| t.number(row, shadow::EXPIRE));
            day.is_some_and(|day| i64::from(day) <= today)
        };
        if expired(new_shadow) && !expired(&old_shadow) {
            let hint = format!("set `users.users.{name}.expires` to a day to come");
            reasons.push((format!("{who} would be expired"), hint));
        }
        let old_groups = parse(AccountFile::Group);
        for group in ADMIN_GROUPS {
            let in_group = |t: &Table<'_>| {
                t.row(group.as_bytes())
                    .is_some_and(|row| members(t.field(row, 3)).any(|m| m == name.as_bytes()))
            };
            if name != "root" && in_group(&old_groups) && !in_group(self.table(AccountFile::Group))
            {
                let hint = format!("add `{group}` to `users.users.{name}.extraGroups`");
                reasons.push((format!("{who} would leave the group `{group}`"), hint));
            }
        }
        reasons
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
            let goes = after.is_empty() && self.record.claims.created_files.contains(&file);
            if goes {
                self.record.claims.created_files.remove(&file);
            } else if before.is_none() {
                self.record.claims.created_files.insert(file);
            }
            let change = FileChange {
                before: before.cloned(),
                after: (!goes).then_some(after),
            };
            files.insert(file, change);
        }
        self.record.claims.rows.retain(|_, rows| !rows.is_empty());
        self.record
            .claims
            .lines
            .retain(|_, lines| !lines.is_empty());
        let record_changed = self.record != *self.inputs.record;
        if !files.is_empty() || !linger.is_empty() {
            self.record.unfinished = Some(self.old.claims);
        }
        AccountsPlan {
            changes: self.report.finish(),
            warnings: self.warnings,
            files,
            homes,
            linger,
            record_changed,
            record: self.record,
        }
    }
}

/// Gives the password field that counts for a user.
fn hash_of<'t>(passwd: &'t Table<'_>, shadow: &'t Table<'_>, name: &str) -> &'t [u8] {
    let Some(row) = passwd.row(name.as_bytes()) else {
        return b"!";
    };
    let field = passwd.field(row, passwd::PASSWORD);
    if field != b"x" {
        return field;
    }
    shadow
        .row(name.as_bytes())
        .map_or(b"!", |row| shadow.field(row, shadow::HASH))
}
