//! What a user has besides entries: a home, and lingering. Pure; see [`crate::accounts::decide`].

use std::collections::BTreeMap;

use crate::accounts::check::parse_mode;
use crate::accounts::database::{AccountFile, passwd};
use crate::accounts::decide::planner::Planner;
use crate::accounts::decide::{Home, HomeStep};
use crate::accounts::record::OwnedRow;

/// Homes that stand for having none.
const NO_HOMES: [&str; 3] = ["/", "/var/empty", "/nonexistent"];

impl Planner<'_> {
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
                    "the home {path} of user `{name}` is not a folder (a symbolic link is not followed) and is left as it is"
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
            let before = self.claims.linger.get(name).copied();
            record.insert(
                name.clone(),
                before.unwrap_or_else(|| lingering.contains(name)),
            );
        }
        for (name, &before) in &self.claims.linger {
            wanted.entry(name.clone()).or_insert(before);
        }
        for name in &self.gone_users {
            if lingering.contains(name) {
                wanted.insert(name.clone(), false);
            }
        }
        self.claims.linger = record;
        wanted.retain(|name, linger| lingering.contains(name) != *linger);
        wanted
    }
}
