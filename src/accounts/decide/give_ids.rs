//! Which id each declared name gets, or has. Pure, but for the name service; see [`crate::accounts::decide`].

use std::collections::BTreeMap;

use crate::accounts::database::{AccountFile, Found, passwd, shadow};
use crate::accounts::decide::planner::Planner;
use crate::accounts::ids::{DYNAMIC_IDS, Given, IdKind, Ids, Nss, Search};
use crate::accounts::record::{Claims, remember};

impl<'a> Planner<'a> {
    pub(crate) fn give_gids(&mut self) {
        let desired = self.inputs.desired;
        let system = Search::Down(self.inputs.observed.ranges.system_gid.clone());
        let wanted: Vec<_> = desired
            .groups
            .iter()
            .map(|(name, g)| (name.as_str(), g.gid, &system))
            .collect();
        self.gids = self.give_ids(IdKind::Group, &wanted);
    }

    pub(crate) fn give_uids(&mut self) {
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
    pub(crate) fn is_half_made(&self, name: &str) -> bool {
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
