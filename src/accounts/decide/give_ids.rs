//! Which id each declared name gets, or has. Pure, but for the name service; see [`crate::accounts::decide`].

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::accounts::database::{AccountFile, Found, group, passwd, shadow};
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
        let record = &self.inputs.record.claims;
        let Some(now) = &record.becomes else {
            return false;
        };
        let made = |claims: &Claims| {
            let rows = claims.rows.get(&AccountFile::Passwd);
            rows.and_then(|rows| rows.get(name))
                .is_some_and(|row| row.created)
        };
        if !made(now) || made(&record.is) {
            return false;
        }
        let table = self.table(AccountFile::Shadow);
        let Some(row) = table.row(name.as_bytes()) else {
            return true;
        };
        // A line that was there before, of an account that is long gone, still has the old password.
        let edit = now
            .row(AccountFile::Shadow, name)
            .and_then(|row| row.cells.get(&shadow::HASH));
        let hash = table.field(row, shadow::HASH);
        edit.is_some_and(|edit| edit.before.0 == hash && edit.after.0 != hash)
    }

    /// Names of users whose entries this plan takes out.
    fn leaving_users(&self) -> HashSet<String> {
        let desired = self.inputs.desired;
        self.leaving(AccountFile::Passwd, |name| {
            !desired.users.contains_key(name)
        })
    }

    /// Names of groups whose entries this plan takes out: those that no user keeps as the primary one.
    fn leaving_groups(&self) -> HashSet<String> {
        let desired = self.inputs.desired;
        let kept: BTreeSet<u32> = self
            .primary_groups()
            .into_iter()
            .filter(|(_, _, wanted)| wanted.is_none())
            .map(|(gid, _, _)| gid)
            .collect();
        let named: BTreeSet<&str> = desired
            .users
            .values()
            .filter_map(|u| u.group.as_deref())
            .collect();
        let goes = |name: &str| {
            let gid = self.number(AccountFile::Group, name, group::GID);
            let is_kept = gid.is_some_and(|gid| kept.contains(&gid)) || named.contains(name);
            !desired.groups.contains_key(name) && !is_kept
        };
        self.leaving(AccountFile::Group, goes)
    }

    /// Entries that this tool made, that are still those, and that go.
    fn leaving(&self, file: AccountFile, goes: impl Fn(&str) -> bool) -> HashSet<String> {
        let rows = self.old.claims.is.rows.get(&file).into_iter().flatten();
        let ours = rows.filter(|(name, owned)| {
            let id = self.number(file, name, passwd::UID);
            owned.created && owned.id.is_none_or(|owned| id == Some(owned))
        });
        ours.map(|(name, _)| name.clone())
            .filter(|name| goes(name))
            .collect()
    }

    /// The gid of each user's line, the user, and the group that it is to have; none where that is not ours to say.
    fn primary_groups(&self) -> Vec<(u32, String, Option<&'a str>)> {
        let desired = self.inputs.desired;
        let leaving = self.leaving_users();
        let table = self.table(AccountFile::Passwd);
        let of = |(name, row): (&[u8], usize)| {
            let name = String::from_utf8_lossy(name).into_owned();
            let gid = table.number(row, passwd::GID)?;
            let wanted = desired.users.get(&name).and_then(|u| u.group.as_deref());
            (!leaving.contains(&name)).then_some((gid, name, wanted))
        };
        table.entries().filter_map(of).collect()
    }

    fn give_ids(
        &mut self,
        kind: IdKind,
        wanted: &[(&'a str, Option<u32>, &Search)],
    ) -> BTreeMap<&'a str, u32> {
        let inputs = self.inputs;
        let (file, ever, leaving) = match kind {
            IdKind::User => (
                AccountFile::Passwd,
                &inputs.record.uids,
                self.leaving_users(),
            ),
            IdKind::Group => (
                AccountFile::Group,
                &inputs.record.gids,
                self.leaving_groups(),
            ),
        };
        let fixed = wanted.iter().filter_map(|w| w.1);
        let mut ids = Ids::new(kind, inputs.nss, &self.tables[&file], ever, fixed, leaving);
        if kind == IdKind::Group {
            for (gid, user, wanted) in self.primary_groups() {
                ids.note_primary(gid, user, wanted);
            }
        }
        let mut given = BTreeMap::new();
        for &(name, fixed, search) in wanted {
            match self.give_id(kind, name, fixed, search, &mut ids) {
                Ok(id) => {
                    given.insert(name, id);
                }
                Err((error, hint)) => {
                    self.refuse(&format!("{} `{name}`", kind.noun()), error, hint);
                }
            }
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

    /// Gives a name the id that it has or gets, and warns where that is not the one that it asks for.
    fn give_id(
        &mut self,
        kind: IdKind,
        name: &str,
        fixed: Option<u32>,
        search: &Search,
        ids: &mut Ids<'a>,
    ) -> Result<u32, (String, Option<&'static str>)> {
        let (noun, id_name) = (kind.noun(), kind.id_name());
        let file = match kind {
            IdKind::User => AccountFile::Passwd,
            IdKind::Group => AccountFile::Group,
        };
        let table = &self.tables[&file];
        if let Some(row) = table.row(name.as_bytes()) {
            let no_number = || (format!("its {id_name} in {file} is no number"), None);
            let id = table.number(row, passwd::UID).ok_or_else(no_number)?;
            if let Some(fixed) = fixed.filter(|&f| f != id) {
                self.warnings.push(format!(
                    "{noun} `{name}` keeps its {id_name} {id}; {fixed} is not applied, since files on disk belong to {id}"
                ));
            }
            return Ok(id);
        }
        if let Some(error) = known_elsewhere(self.inputs.nss, kind, name) {
            let hint = "remove it from the configuration, or from the directory service";
            return Err((error, Some(hint)));
        }
        match ids
            .give(name, fixed, search)
            .map_err(|error| (error, None))?
        {
            Given::Fixed(id) => {
                if let Some(former) = ids.former(id, name) {
                    self.warnings.push(format!(
                        "{noun} `{name}` gets the {id_name} {id} as configured; it used to belong to {noun} `{former}`, whose files now belong to it"
                    ));
                }
                Ok(id)
            }
            Given::Revived(id) | Given::Fresh(id) => {
                let asked = fixed.filter(|&f| f != id);
                // Who can't be asked has been told of by now.
                let holder = asked.and_then(|f| Some((f, ids.holder(f, name).ok()??)));
                if let Some((fixed, holder)) = holder {
                    self.warnings.push(format!(
                        "{noun} `{name}` gets the {id_name} {id} instead of {fixed}, which {holder}"
                    ));
                }
                Ok(id)
            }
        }
    }
}

/// Says why a name that the files don't have is not free: another source of accounts has it.
fn known_elsewhere(nss: &dyn Nss, kind: IdKind, name: &str) -> Option<String> {
    match nss.id_of(kind, name) {
        Ok(None) => None,
        Ok(Some(id)) if DYNAMIC_IDS.contains(&id) => None,
        Ok(Some(id)) => Some(format!(
            "the name service already has it, with the {} {id}, but not from /etc/{}",
            kind.id_name(),
            kind.database()
        )),
        Err(error) => Some(error),
    }
}
