//! The passwd and shadow entries of declared users, with their passwords and shells. Pure; see [`crate::accounts::decide`].

use std::collections::BTreeMap;

use crate::accounts::check::is_one_field;
use crate::accounts::database::{AccountFile, Bytes, passwd, shadow};
use crate::accounts::decide::planner::{Planner, quoted};
use crate::accounts::decide::{Action, Scripts, Subject};
use crate::accounts::entry::{Cell, WantedMembers, WantedRow};
use crate::accounts::password::{days_of_date, hash_password, is_locked, verify_password};
use crate::model::manifest::User;
use crate::model::names::AbsolutePath;

/// The home of a new account that asks for none (NixOS's default).
const NO_HOME: &str = "/var/empty";

/// The day of the last password change that a new entry gets, as NixOS does: the plan is the same on every day, and
/// no expiry is counted from it, since a new entry has no maximum age.
const LAST_CHANGE: &str = "1";

/// Where an account's password comes from.
enum Source<'u> {
    /// A hash to store as it is.
    Hash(String),
    /// A password to hash.
    Clear(&'u str),
    /// A file was named, but gives no hash.
    Unusable,
    /// A file was named, and scripts that may make it are still to run.
    Late,
    /// None is declared.
    None,
}

impl Planner<'_> {
    pub(crate) fn apply_users(&mut self) {
        let desired = self.inputs.desired;
        for (name, user) in &desired.users {
            let uid = self.uids.get(name.as_str()).copied();
            let (Some(uid), Some(gid)) = (uid, self.primary_gid(name, user)) else {
                continue;
            };
            let hash = self.hash_cell(name, user);
            let row = self.passwd_row(name, user, uid, gid, hash.is_some());
            self.apply(AccountFile::Passwd, name, &row);
            self.apply_shadow(name, user, hash);
        }
    }

    fn passwd_row(
        &mut self,
        name: &str,
        user: &User,
        uid: u32,
        gid: u32,
        has_hash: bool,
    ) -> WantedRow {
        let text = |s: &str| Cell::Set(s.into());
        let mut cells = BTreeMap::new();
        if user.group.is_some() {
            cells.insert(passwd::GID, text(&gid.to_string()));
        }
        // Once the password is in the shadow file it does not go back on its own.
        let table = self.table(AccountFile::Passwd);
        let here = table
            .row(name.as_bytes())
            .is_some_and(|row| table.field(row, passwd::PASSWORD) != b"x");
        let moved = if has_hash && here {
            Cell::Initial("x".into())
        } else {
            Cell::Free
        };
        cells.insert(passwd::PASSWORD, moved);
        if let Some(description) = &user.description {
            cells.insert(passwd::GECOS, text(description));
        }
        if let Some(home) = &user.home {
            cells.insert(passwd::HOME, text(home.as_str()));
        }
        if let Some(shell) = self.shell_of(name, user) {
            cells.insert(passwd::SHELL, text(&shell));
        }
        let nologin = self.inputs.observed.nologin.as_str();
        let template = [
            name,
            "x",
            &uid.to_string(),
            &gid.to_string(),
            "",
            NO_HOME,
            nologin,
        ];
        WantedRow {
            template: template.map(Bytes::from).to_vec(),
            cells,
            members: WantedMembers::default(),
            id: Some(uid),
        }
    }

    /// Gives the shell to set: the declared one, or its fallback when that is all there is.
    fn shell_of(&mut self, name: &str, user: &User) -> Option<String> {
        let shell = user.shell.as_ref()?.as_str();
        let there = &self.inputs.observed.shells;
        if there.contains(shell) {
            return Some(shell.to_owned());
        }
        let fallback = user.shell_fallback.as_ref().map(AbsolutePath::as_str);
        if let Some(fallback) = fallback.filter(|f| there.contains(*f)) {
            self.warnings.push(format!(
                "user `{name}` gets the shell {fallback}, since {shell} does not exist"
            ));
            return Some(fallback.to_owned());
        }
        self.warnings.push(format!(
            "user `{name}` gets the shell {shell}, which does not exist"
        ));
        Some(shell.to_owned())
    }

    fn apply_shadow(&mut self, name: &str, user: &User, hash: Option<Cell>) {
        let expires = user.expires.as_deref().and_then(days_of_date);
        let is_new = self.new_users.contains(name);
        let owned = self.owned(AccountFile::Shadow, name).is_some();
        let touches = matches!(hash, Some(Cell::Set(_) | Cell::Initial(_)));
        if !is_new && !owned && !touches && expires.is_none() {
            return;
        }
        let mut cells = BTreeMap::new();
        cells.insert(shadow::HASH, hash.unwrap_or(Cell::Free));
        if let Some(days) = expires {
            cells.insert(shadow::EXPIRE, Cell::Set(days.to_string().into()));
        }
        let wanted = WantedRow {
            template: [name, "!", LAST_CHANGE, "", "", "", "", "", ""]
                .map(Bytes::from)
                .to_vec(),
            cells,
            members: WantedMembers::default(),
            id: None,
        };
        self.apply(AccountFile::Shadow, name, &wanted);
    }

    /// Decides about the password's hash; none when it is nobody's business but the user's.
    fn hash_cell(&mut self, name: &str, user: &User) -> Option<Cell> {
        let mutable = self.inputs.desired.mutable_users;
        let is_new = self.new_users.contains(name);
        let waits = self.waits_for_password(name);
        self.record.without_password.remove(name);
        if mutable && !is_new && !waits {
            return None;
        }
        let set = |hash: String| {
            Some(if mutable {
                Cell::Initial(hash.into())
            } else {
                Cell::Set(hash.into())
            })
        };
        let table = self.table(AccountFile::Shadow);
        let current = table
            .row(name.as_bytes())
            .map(|row| table.field(row, shadow::HASH).to_vec());
        match self.password_source(name, user) {
            Source::Hash(hash) => set(hash),
            Source::Clear(password) => {
                // A stale shadow line of a name that has no account is not this user's password.
                let current = current.filter(|hash| !is_new && verify_password(password, hash));
                if let Some(hash) = current {
                    return Some(Cell::Set(Bytes(hash)));
                }
                match hash_password(password, (self.inputs.salt)()) {
                    Ok(hash) => set(hash),
                    Err(error) => {
                        self.refuse(&format!("user {}", quoted(name)), error, None);
                        None
                    }
                }
            }
            Source::Late => is_new.then(|| Cell::Initial("!".into())),
            Source::Unusable => {
                if is_new || waits {
                    self.record.without_password.insert(name.to_owned());
                }
                is_new.then(|| Cell::Initial("!".into()))
            }
            Source::None => {
                let locked = current.filter(|hash| !is_new && is_locked(hash));
                Some(match locked {
                    Some(hash) => Cell::Set(Bytes(hash)),
                    None if is_new && mutable => Cell::Initial("!".into()),
                    None => Cell::Set("!".into()),
                })
            }
        }
    }

    /// Whether a user is still locked since the file with its password could not be used when it was made.
    fn waits_for_password(&self, name: &str) -> bool {
        let table = self.table(AccountFile::Shadow);
        let row = table.row(name.as_bytes());
        self.record.without_password.contains(name)
            && row.is_some_and(|row| table.field(row, shadow::HASH) == b"!")
    }

    /// Whether nobody gets in with a password of this user, once this plan is carried out.
    fn will_be_locked(&self, name: &str) -> bool {
        let table = self.table(AccountFile::Shadow);
        let row = table.row(name.as_bytes());
        self.new_users.contains(name)
            || row.is_none_or(|row| is_locked(table.field(row, shadow::HASH)))
    }

    /// Picks the password that counts; NixOS's order, in which a later one wins.
    fn password_source<'u>(&mut self, name: &str, user: &'u User) -> Source<'u> {
        if let Some(path) = &user.hashed_password_file {
            if self.inputs.scripts != Scripts::None {
                self.late_passwords
                    .insert(name.to_owned(), path.to_string());
            }
            match self.inputs.observed.password_files.get(path.as_str()) {
                Some(Ok(hash)) if !hash.is_empty() && is_one_field(hash) => {
                    return Source::Hash(hash.clone());
                }
                _ if self.inputs.scripts == Scripts::Will => return Source::Late,
                found => {
                    let why = match found {
                        Some(Err(error)) => error.as_str(),
                        Some(Ok(hash)) if hash.is_empty() => "its first line is empty",
                        Some(Ok(_)) => "its first line is not a password hash",
                        None => "it was not read",
                    };
                    let so = if self.will_be_locked(name) {
                        "the account is locked until a switch finds one there"
                    } else {
                        "the account keeps its current one"
                    };
                    self.warnings.push(format!(
                        "the password of user `{name}` is not set from {path}: {why}; {so}"
                    ));
                    return Source::Unusable;
                }
            }
        }
        if let Some(password) = &user.password {
            return Source::Clear(password);
        }
        let hashed = user
            .hashed_password
            .as_ref()
            .map(|h| Source::Hash(h.clone()));
        let initial = user.initial_password.as_deref().map(Source::Clear);
        let (first, second) = if self.inputs.desired.mutable_users {
            (hashed, initial)
        } else {
            (initial, hashed)
        };
        let last = user
            .initial_hashed_password
            .as_ref()
            .map(|h| Source::Hash(h.clone()));
        first.or(second).or(last).unwrap_or(Source::None)
    }

    /// Lists the users' shells in `/etc/shells`, without which some programs refuse them.
    pub(crate) fn apply_shells(&mut self) {
        let file = AccountFile::Shells;
        let desired = self.inputs.desired;
        let mut wanted = std::collections::BTreeSet::new();
        for (name, user) in &desired.users {
            if user.shell.is_none() {
                continue;
            }
            let table = self.table(AccountFile::Passwd);
            let Some(row) = table.row(name.as_bytes()) else {
                continue;
            };
            let shell = Bytes::from(table.field(row, passwd::SHELL));
            if !lets_nobody_in(&shell.0) {
                wanted.insert(shell);
            }
        }
        for (action, line) in self.apply_lines(file, &wanted) {
            self.report
                .line(Subject::Shell, &line.text(), action, "", None);
        }
    }

    /// Adds the wanted lines that a file does not have, and takes out those of ours that are not wanted any more.
    pub(crate) fn apply_lines(
        &mut self,
        file: AccountFile,
        wanted: &std::collections::BTreeSet<Bytes>,
    ) -> Vec<(Action, Bytes)> {
        let Some(table) = self.tables.get_mut(&file) else {
            return Vec::new();
        };
        let ours = self.claims.lines.entry(file).or_default();
        let mut done = Vec::new();
        for line in ours.difference(wanted) {
            if let Some(row) = table.find_line(&line.0) {
                table.remove(row);
                done.push((Action::Remove, line.clone()));
            }
        }
        ours.retain(|line| wanted.contains(line));
        for line in wanted {
            if table.find_line(&line.0).is_none() {
                table.append(line.0.clone());
                ours.insert(line.clone());
                done.push((Action::Add, line.clone()));
            }
        }
        done
    }
}

/// Says whether a shell ends every session at once.
pub(crate) fn lets_nobody_in(shell: &[u8]) -> bool {
    shell.ends_with(b"/nologin") || shell.ends_with(b"/false")
}
