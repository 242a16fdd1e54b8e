//! Users and groups. No password, and no hash of one, is ever told: what is not set stays as it is.

use std::path::Path;

use anyhow::{Result, bail};

use super::{Found, Host, nix};
use crate::accounts::database::{AccountFile, Table, group, members, passwd};
use crate::accounts::login_defs::{IdRanges, parse_login_defs};

/// The account that a host can't be without.
const ROOT: &str = "root";

/// The databases that people may read.
struct Accounts {
    passwd: Vec<u8>,
    group: Vec<u8>,
    sub_uids: Vec<u8>,
    ranges: IdRanges,
}

impl Accounts {
    fn users(&self) -> Table<'_> {
        Table::parse(AccountFile::Passwd, &self.passwd)
    }

    fn groups(&self) -> Table<'_> {
        Table::parse(AccountFile::Group, &self.group)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Host<'_> {
    fn accounts(&self) -> Result<Accounts> {
        let read = |path: &str| -> Result<Vec<u8>> {
            Ok(self.root.read(Path::new(path))?.unwrap_or_default())
        };
        let defs = self.root.read_in_root(Path::new("etc/login.defs"))?;
        Ok(Accounts {
            passwd: read("etc/passwd")?,
            group: read("etc/group")?,
            sub_uids: read("etc/subuid")?,
            ranges: parse_login_defs(&defs.unwrap_or_default()),
        })
    }

    /// The name of a user or group by its id.
    pub(super) fn name_of(&self, id: u32, is_user: bool) -> Result<Option<String>> {
        let accounts = self.accounts()?;
        let table = if is_user {
            accounts.users()
        } else {
            accounts.groups()
        };
        let field = if is_user { passwd::UID } else { group::GID };
        let mut entries = table.entries();
        let entry = entries.find(|(_, row)| table.number(*row, field) == Some(id));
        Ok(entry.map(|(name, _)| text(name)))
    }

    /// Describes the users that are people.
    pub(super) fn describe_people(&self, found: &mut Found) -> Result<()> {
        let accounts = self.accounts()?;
        let users = accounts.users();
        for (name, row) in users.entries() {
            let uid = users.number(row, passwd::UID);
            if uid.is_some_and(|uid| accounts.ranges.uid.contains(&uid)) {
                self.describe_user(&accounts, &text(name), row, found)?;
            }
        }
        found.leave(
            "the accounts of the system in /etc/passwd",
            "the distribution and its packages have created them; name those that are yours",
        );
        Ok(())
    }

    /// Describes the groups that people have made.
    pub(super) fn describe_groups(&self, found: &mut Found) -> Result<()> {
        let accounts = self.accounts()?;
        let groups = accounts.groups();
        for (name, row) in groups.entries() {
            let gid = groups.number(row, group::GID);
            if gid.is_some_and(|gid| accounts.ranges.uid.contains(&gid)) {
                describe_group(&groups, &text(name), row, found);
            }
        }
        found.leave(
            "the groups of the system in /etc/group",
            "the distribution and its packages have created them; name those that are yours",
        );
        Ok(())
    }

    /// Describes the user of a name, or else the group.
    pub(super) fn describe_account(&self, name: &str, found: &mut Found) -> Result<()> {
        let accounts = self.accounts()?;
        if name == ROOT {
            bail!(
                "root is not described, since every host has it\nhint: settings for root, such as its keys, go to `users.users.root`"
            );
        }
        let user = accounts.users().row(name.as_bytes());
        let group = accounts.groups().row(name.as_bytes());
        match (user, group) {
            (Some(row), _) => self.describe_user(&accounts, name, row, found)?,
            (None, Some(row)) => describe_group(&accounts.groups(), name, row, found),
            (None, None) => bail!(
                "there is no user or group `{name}` in /etc/passwd and /etc/group, and it is not a unit\nhint: a path begins with `/`, and a unit ends in .service, .timer and so on"
            ),
        }
        Ok(())
    }

    fn describe_user(
        &self,
        accounts: &Accounts,
        name: &str,
        row: usize,
        found: &mut Found,
    ) -> Result<()> {
        let (users, groups) = (accounts.users(), accounts.groups());
        let field = |field| text(users.field(row, field));
        let Some(uid) = users.number(row, passwd::UID) else {
            found.leave(format!("user {name}"), "its entry is malformed");
            return Ok(());
        };
        let gid = users.number(row, passwd::GID);
        let own = groups
            .entries()
            .find(|(_, row)| groups.number(*row, group::GID) == gid);
        let Some((own, own_row)) = own else {
            found.leave(format!("user {name}"), "its group does not exist");
            return Ok(());
        };
        let is_person = accounts.ranges.uid.contains(&uid);
        let kind = if is_person {
            "isNormalUser"
        } else {
            "isSystemUser"
        };
        let mut fields = format!("{kind} = true;\nuid = {uid};\n");
        let home = field(passwd::HOME);
        for (option, value) in [
            ("group", text(own)),
            ("description", field(passwd::GECOS)),
            ("home", home.clone()),
            ("shell", field(passwd::SHELL)),
        ] {
            if !value.is_empty() {
                fields.push_str(&format!("{option} = {};\n", nix::quoted(&value)));
            }
        }
        let more = groups.entries().filter(|(_, row)| {
            members(groups.field(*row, group::MEMBERS)).any(|m| m == name.as_bytes())
        });
        let more: Vec<String> = more.map(|(name, _)| text(name)).collect();
        if !more.is_empty() {
            let more = nix::list(more.iter().map(String::as_str));
            fields.push_str(&format!("extraGroups = {more};\n"));
        }
        if is_person {
            fields.push_str(&self.of_person(accounts, name, &home)?);
        }
        let nix = format!(
            "# The password stays as it is; its hash is not shown.\nusers.users.{} = {{\n{}}};\n",
            nix::quoted(name),
            nix::indent(&fields)
        );
        found.add("user", name, nix);
        // A group of the distribution is there without being declared.
        if gid.is_some_and(|gid| accounts.ranges.uid.contains(&gid)) || own == name.as_bytes() {
            describe_group(&groups, &text(own), own_row, found);
        }
        Ok(())
    }

    /// What a person would get by default and does not have.
    fn of_person(&self, accounts: &Accounts, name: &str, home: &str) -> Result<String> {
        let mut fields = String::new();
        let start = format!("{name}:");
        if !text(&accounts.sub_uids)
            .lines()
            .any(|l| l.starts_with(&start))
        {
            fields.push_str("autoSubUidGidRange = false;\n");
        }
        if self.root.stat_in_root(Path::new(home))?.is_none() {
            fields.push_str("createHome = false;\n");
        }
        Ok(fields)
    }
}

fn describe_group(groups: &Table<'_>, name: &str, row: usize, found: &mut Found) {
    let Some(gid) = groups.number(row, group::GID) else {
        found.leave(format!("group {name}"), "its entry is malformed");
        return;
    };
    let mut fields = format!("gid = {gid};\n");
    let inside: Vec<String> = members(groups.field(row, group::MEMBERS))
        .map(text)
        .collect();
    if !inside.is_empty() {
        let inside = nix::list(inside.iter().map(String::as_str));
        fields.push_str(&format!("members = {inside};\n"));
    }
    let nix = format!(
        "users.groups.{} = {{\n{}}};\n",
        nix::quoted(name),
        nix::indent(&fields)
    );
    found.add("group", name, nix);
}
