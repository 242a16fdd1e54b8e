//! Entries and members of groups, and groups that go. Pure; see [`crate::accounts::decide`].

use std::collections::BTreeMap;

use crate::accounts::database::{AccountFile, Bytes, group, passwd};
use crate::accounts::decide::planner::Planner;
use crate::accounts::entry::{WantedMembers, WantedRow, purge_members};
use crate::accounts::ids::IdKind;
use crate::model::manifest::User;

/// The group of a new account that is in none: `nogroup` on Debian, `nobody` on Fedora.
const NO_GROUP: u32 = 65534;

impl<'a> Planner<'a> {
    pub(crate) fn apply_groups(&mut self) {
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
                if self.claims.row(file, &name).is_some_and(|row| !row.created) {
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
            "{} can't join the group `{name}`, which is neither in /etc/group nor in the configuration",
            members.join(", ")
        ));
    }

    pub(crate) fn drop_groups(&mut self) {
        let desired = self.inputs.desired;
        let gone = self.names_of(AccountFile::Group, |n| !desired.groups.contains_key(n));
        let gone: Vec<String> = gone
            .into_iter()
            .filter(|n| {
                self.claims
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
                // A group that comes in its place is theirs then.
                let gid = gid.filter(|gid| !self.gids.values().any(|given| given == gid));
                if let Some(user) = gid.and_then(|gid| in_use.get(&gid)) {
                    self.warnings.push(format!(
                        "the group `{name}` is kept for now, since it is the primary group of `{user}`"
                    ));
                    continue;
                }
                self.drop(AccountFile::Group, &name);
                self.drop(AccountFile::Gshadow, &name);
            }
        }
        // What is left in gshadow alone belongs to a group that somebody else took away.
        let orphans = self.names_of(AccountFile::Gshadow, |n| {
            !desired.groups.contains_key(n) && self.claims.row(AccountFile::Group, n).is_none()
        });
        for name in orphans {
            if self
                .claims
                .row(AccountFile::Gshadow, &name)
                .is_some_and(|row| row.created)
            {
                self.drop(AccountFile::Gshadow, &name);
            }
        }
    }

    /// Takes users that go out of every group, so that a later account of that name inherits nothing.
    pub(crate) fn purge_gone(&mut self) {
        for (file, fields) in [
            (AccountFile::Group, &[group::MEMBERS][..]),
            (AccountFile::Gshadow, &[group::ADMINS, group::MEMBERS][..]),
        ] {
            if let Some(table) = self.tables.get_mut(&file) {
                let owned = self.claims.rows.entry(file).or_default();
                for (name, before, after) in purge_members(table, fields, &self.gone_users, owned) {
                    self.report.members(file, &name, &before, &after);
                }
            }
        }
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
}
