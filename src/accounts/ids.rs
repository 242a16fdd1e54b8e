//! Ids of users and groups: which are taken, and which one a name gets. Pure, but for the name service that it asks.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::ops::RangeInclusive;

use crate::accounts::database::{Table, passwd};

/// Whether an id is a user's or a group's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdKind {
    /// A uid.
    User,
    /// A gid.
    Group,
}

impl IdKind {
    /// Gives the id's short name: `uid` or `gid`.
    #[must_use]
    pub fn id_name(self) -> &'static str {
        match self {
            Self::User => "uid",
            Self::Group => "gid",
        }
    }

    /// Gives the word for who has it: `user` or `group`.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
        }
    }

    /// Gives the database that getent(1) knows it by.
    #[must_use]
    pub fn database(self) -> &'static str {
        match self {
            Self::User => "passwd",
            Self::Group => "group",
        }
    }
}

/// What the name service switch knows: sssd, LDAP, systemd and the like, besides the files.
pub trait Nss {
    /// Looks up the id of a name.
    ///
    /// # Errors
    /// When it can't be told; that is not the same as unknown.
    fn id_of(&self, kind: IdKind, name: &str) -> Result<Option<u32>, String>;

    /// Looks up the name of an id.
    ///
    /// # Errors
    /// When it can't be told; that is not the same as unknown.
    fn name_of(&self, kind: IdKind, id: u32) -> Result<Option<String>, String>;
}

/// A name service that knows nothing: that of a root that does not run.
pub struct NoNss;

impl Nss for NoNss {
    fn id_of(&self, _: IdKind, _: &str) -> Result<Option<u32>, String> {
        Ok(None)
    }
    fn name_of(&self, _: IdKind, _: u32) -> Result<Option<String>, String> {
        Ok(None)
    }
}

/// The name service as getent(1) tells it.
///
/// The function runs `getent DATABASE KEY` and gives what it prints, or none when it knows no such key (status 2).
pub(crate) struct Getent<F>(pub F);

impl<F: Fn(&str, &str) -> Result<Option<String>, String>> Getent<F> {
    fn field(&self, kind: IdKind, key: &str, field: usize) -> Result<Option<String>, String> {
        let line = (self.0)(kind.database(), key)?;
        Ok(line.and_then(|l| l.lines().next()?.split(':').nth(field).map(str::to_owned)))
    }
}

impl<F: Fn(&str, &str) -> Result<Option<String>, String>> Nss for Getent<F> {
    fn id_of(&self, kind: IdKind, name: &str) -> Result<Option<u32>, String> {
        match self.field(kind, name, passwd::UID)? {
            None => Ok(None),
            Some(id) => id
                .parse()
                .map(Some)
                .map_err(|_| format!("`getent {} {name}` gives the id {id:?}", kind.database())),
        }
    }

    fn name_of(&self, kind: IdKind, id: u32) -> Result<Option<String>, String> {
        self.field(kind, &id.to_string(), 0)
    }
}

/// Ids that systemd lends to services with `DynamicUser=`; a name that has one of them is not an account.
pub(crate) const DYNAMIC_IDS: RangeInclusive<u32> = 61184..=65519;

/// Where an id is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Search {
    /// From the end of the range downwards (system ids).
    Down(RangeInclusive<u32>),
    /// From the start of the range upwards (ordinary users).
    Up(RangeInclusive<u32>),
}

impl Search {
    fn range(&self) -> &RangeInclusive<u32> {
        match self {
            Self::Down(range) | Self::Up(range) => range,
        }
    }
}

/// Says how a name came to its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Given {
    /// The fixed id that was asked for.
    Fixed(u32),
    /// The id that it had before.
    Revived(u32),
    /// A fresh one.
    Fresh(u32),
}

/// Who has an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Holder {
    /// An entry of that database with this name.
    Name(IdKind, String),
    /// It is the primary group of this user, and no group's entry has it.
    PrimaryOf(String),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(IdKind::User, name) => write!(f, "belongs to user `{name}` of this host"),
            Self::Name(IdKind::Group, name) => write!(f, "belongs to group `{name}` of this host"),
            Self::PrimaryOf(user) => write!(f, "is the primary group of user `{user}`"),
        }
    }
}

/// Gives ids to names.
pub(crate) struct Ids<'a> {
    kind: IdKind,
    nss: &'a dyn Nss,
    /// Ids in the file, with the first name that has each and stays.
    in_file: HashMap<u32, Vec<u8>>,
    /// Names whose entries go in this run: their ids are free for those who come.
    leavers: HashSet<String>,
    /// Gids that lines of users have: the users, and the group that each is to have.
    primary: HashMap<u32, Vec<(String, Option<&'a str>)>>,
    /// Ids that were ever given, that are declared as fixed, or that were given just now.
    spoken_for: HashSet<u32>,
    /// Ids that are declared as fixed.
    fixed: HashSet<u32>,
    /// Every name that an id was ever given to.
    had_by: HashMap<u32, Vec<&'a str>>,
    ever: &'a BTreeMap<String, Vec<u32>>,
    /// Where the search in a range goes on; ids behind it are known to be taken.
    cursors: HashMap<RangeInclusive<u32>, u32>,
}

impl<'a> Ids<'a> {
    /// Collects what is taken: the file's ids, every id that was ever given, and the fixed ids that are declared.
    pub(crate) fn new(
        kind: IdKind,
        nss: &'a dyn Nss,
        table: &Table<'_>,
        ever: &'a BTreeMap<String, Vec<u32>>,
        fixed: impl Iterator<Item = u32>,
        leavers: HashSet<String>,
    ) -> Self {
        let mut in_file = HashMap::new();
        let goes = |name: &[u8]| std::str::from_utf8(name).is_ok_and(|n| leavers.contains(n));
        for (name, row) in table.entries().filter(|(name, _)| !goes(name)) {
            // The id stands in the same field of passwd and group.
            if let Some(id) = table.number(row, passwd::UID) {
                in_file.entry(id).or_insert_with(|| name.to_vec());
            }
        }
        let fixed: HashSet<u32> = fixed.collect();
        let mut had_by: HashMap<u32, Vec<&str>> = HashMap::new();
        for (name, ids) in ever {
            for &id in ids {
                had_by.entry(id).or_default().push(name);
            }
        }
        let spoken_for = had_by.keys().chain(&fixed).copied().collect();
        Self {
            kind,
            nss,
            in_file,
            leavers,
            primary: HashMap::new(),
            spoken_for,
            fixed,
            had_by,
            ever,
            cursors: HashMap::new(),
        }
    }

    /// Takes into account a gid that a user's line has, and the group that this user is to have.
    pub(crate) fn note_primary(&mut self, gid: u32, user: String, wanted: Option<&'a str>) {
        self.primary.entry(gid).or_default().push((user, wanted));
    }

    /// Says who else than `name` has an id now: in the files, or elsewhere.
    ///
    /// # Errors
    /// When the name service can't tell.
    pub(crate) fn holder(&self, id: u32, name: &str) -> Result<Option<Holder>, String> {
        let other = |holder: String| (holder != name).then_some(Holder::Name(self.kind, holder));
        if let Some(name) = self.in_file.get(&id) {
            return Ok(other(String::from_utf8_lossy(name).into_owned()));
        }
        // The name service still knows those who go.
        let known = self.nss.name_of(self.kind, id)?;
        if let Some(holder) = known.filter(|known| !self.leavers.contains(known)) {
            return Ok(other(holder));
        }
        let users = self.primary.get(&id).into_iter().flatten();
        let stays = users.clone().find(|(_, wanted)| *wanted != Some(name));
        Ok(stays.map(|(user, _)| Holder::PrimaryOf(user.clone())))
    }

    /// Says which other name was given an id before.
    #[must_use]
    pub(crate) fn former(&self, id: u32, name: &str) -> Option<&'a str> {
        self.had_by.get(&id)?.iter().copied().find(|&n| n != name)
    }

    /// Gives a name its id: the fixed one if it is free, else the one it had before, else a fresh one.
    ///
    /// # Errors
    /// When the name service can't tell, or the range is used up.
    pub(crate) fn give(
        &mut self,
        name: &str,
        fixed: Option<u32>,
        search: &Search,
    ) -> Result<Given, String> {
        if let Some(id) = fixed
            && self.holder(id, name)?.is_none()
        {
            self.in_file.insert(id, name.as_bytes().to_vec());
            return Ok(Given::Fixed(id));
        }
        if let Some(id) = self.revivable(name, search)? {
            return Ok(Given::Revived(id));
        }
        self.fresh(name, search).map(Given::Fresh)
    }

    fn revivable(&self, name: &str, search: &Search) -> Result<Option<u32>, String> {
        for &id in self.ever.get(name).into_iter().flatten().rev() {
            let range = search.range();
            // NixOS revives group ids from anywhere, uids only where such a user belongs.
            let fits = self.kind == IdKind::Group || range.contains(&id);
            let free = id != 0 && !self.fixed.contains(&id);
            if fits && free && self.former(id, name).is_none() && self.holder(id, name)?.is_none() {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    fn fresh(&mut self, name: &str, search: &Search) -> Result<u32, String> {
        let range = search.range().clone();
        let mut next = match (self.cursors.get(&range), search) {
            (Some(&at), _) => Some(at),
            (None, Search::Down(range)) => Some(*range.end()),
            (None, Search::Up(range)) => Some(*range.start()),
        };
        while let Some(id) = next.filter(|id| range.contains(id)) {
            next = match search {
                Search::Down(_) => id.checked_sub(1),
                Search::Up(_) => id.checked_add(1),
            };
            if !self.spoken_for.contains(&id) && self.holder(id, name)?.is_none() {
                self.spoken_for.insert(id);
                self.cursors.insert(range, id);
                return Ok(id);
            }
        }
        Err(format!(
            "no {} is free between {} and {}",
            self.kind.id_name(),
            range.start(),
            range.end()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::database::AccountFile;

    struct Sssd;
    impl Nss for Sssd {
        fn id_of(&self, _: IdKind, name: &str) -> Result<Option<u32>, String> {
            Ok((name == "remote").then_some(998))
        }
        fn name_of(&self, _: IdKind, id: u32) -> Result<Option<String>, String> {
            match id {
                998 => Ok(Some("remote".to_owned())),
                995 => Err("sssd does not answer".to_owned()),
                _ => Ok(None),
            }
        }
    }

    #[test]
    fn gives_ids_that_nobody_has_or_ever_had() {
        let table = Table::parse(
            AccountFile::Passwd,
            b"root:x:0:0:::\nd:x:999:1:::\nold:x:1000:1:::\n",
        );
        let ever = BTreeMap::from([("gone".to_owned(), vec![1001, 997])]);
        let mut ids = Ids::new(
            IdKind::User,
            &Sssd,
            &table,
            &ever,
            [1002].into_iter(),
            HashSet::new(),
        );
        let down = Search::Down(100..=999);
        let up = Search::Up(1000..=1004);
        assert_eq!(
            ids.give("a", None, &down),
            Ok(Given::Fresh(996)),
            "999 file, 998 sssd, 997 once"
        );
        assert_eq!(
            ids.give("b", None, &up),
            Ok(Given::Fresh(1003)),
            "1002 is declared"
        );
        assert_eq!(ids.give("c", None, &up), Ok(Given::Fresh(1004)));
        assert!(
            ids.give("e", None, &up)
                .unwrap_err()
                .contains("no uid is free between 1000 and 1004")
        );
        assert_eq!(
            ids.give("gone", None, &up),
            Ok(Given::Revived(1001)),
            "in its range"
        );
        assert_eq!(ids.give("gone", None, &down), Ok(Given::Revived(997)));
        assert_eq!(ids.give("f", Some(1002), &up), Ok(Given::Fixed(1002)));
        assert_eq!(
            ids.give("g", None, &down),
            Err("sssd does not answer".to_owned()),
            "doubt is no id"
        );
        let error = ids.give("h", Some(999), &up).unwrap_err();
        assert!(
            error.contains("is free"),
            "a fixed id that is taken is not applied: {error}"
        );
    }
}
