//! Subordinate ids of users: merged into subuid(5) and subgid(5). Pure; see [`crate::accounts::decide`].

use std::collections::{BTreeMap, BTreeSet};

use crate::accounts::database::{AccountFile, Bytes, parse_number, passwd};
use crate::accounts::decide::Subject;
use crate::accounts::decide::planner::Planner;
use crate::accounts::sub_ids::{AUTO_COUNT, SubIds};
use crate::model::manifest::SubIdRange;

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
        let ours = self.old.claims.is.lines.get(&file);
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
}
