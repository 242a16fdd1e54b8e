//! Shells that go with numtide/system-manager, and what accounts have instead. Pure, given how programs are looked for.

use std::collections::BTreeMap;

use crate::accounts::database::{AccountBytes, AccountFile, Table, passwd};

/// Where numtide/system-manager has the packages whose shells it gives accounts.
const PACKAGES: [&str; 2] = ["/run/system-manager/sw", "/run/current-system/sw"];

/// Gives the shells of accounts that are among the packages of numtide/system-manager, each with the distribution's own of
/// that name; those that the distribution does not have are left out.
pub(super) fn find(
    files: &AccountBytes,
    nologin: &str,
    is_program: &dyn Fn(&str) -> bool,
) -> BTreeMap<String, String> {
    let Some(bytes) = files.get(&AccountFile::Passwd) else {
        return BTreeMap::new();
    };
    let table = Table::parse(AccountFile::Passwd, bytes);
    let own = |(_, row): (&[u8], usize)| {
        let shell = std::str::from_utf8(table.field(row, passwd::SHELL)).ok()?;
        let inside = PACKAGES.iter().find_map(|p| shell.strip_prefix(p))?;
        let (_, name) = inside.rsplit_once('/')?;
        let own = if name == "nologin" {
            Some(nologin.to_owned())
        } else {
            let places = ["/bin", "/usr/bin"].map(|folder| format!("{folder}/{name}"));
            places.into_iter().find(|path| is_program(path))
        };
        Some((shell.to_owned(), own?))
    };
    table.entries().filter_map(own).collect()
}
