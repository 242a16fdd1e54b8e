//! Who a file belongs to: names of users and groups resolved to ids, those that the same activation creates included.

use std::collections::BTreeMap;

/// The ids by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owners {
    /// Uids by user name.
    pub users: BTreeMap<String, u32>,
    /// Gids by group name.
    pub groups: BTreeMap<String, u32>,
}

impl Owners {
    /// Takes the names from the content of a passwd and a group file. Pure.
    #[must_use]
    pub fn parse(passwd: &[u8], group: &[u8]) -> Self {
        Self {
            users: parse_ids(passwd),
            groups: parse_ids(group),
        }
    }

    /// Gives the uid of a name, or of `+` and a number.
    #[must_use]
    pub fn uid(&self, name: &str) -> Option<u32> {
        resolve(&self.users, name)
    }

    /// Gives the gid of a name, or of `+` and a number.
    #[must_use]
    pub fn gid(&self, name: &str) -> Option<u32> {
        resolve(&self.groups, name)
    }
}

fn resolve(ids: &BTreeMap<String, u32>, name: &str) -> Option<u32> {
    if let Some(number) = name.strip_prefix('+') {
        // The largest number means "leave it" to chown.
        return number.parse().ok().filter(|id| *id != u32::MAX);
    }
    // Root is 0 on every system, also on one whose passwd is not there yet.
    ids.get(name)
        .copied()
        .or_else(|| (name == "root").then_some(0))
}

/// Both files have the name first and the id third (passwd(5), group(5)); the first of two lines counts.
fn parse_ids(bytes: &[u8]) -> BTreeMap<String, u32> {
    let mut ids = BTreeMap::new();
    for line in bytes.split(|b| *b == b'\n') {
        let line = String::from_utf8_lossy(line);
        let mut fields = line.split(':');
        if let (Some(name), Some(id)) =
            (fields.next(), fields.nth(1).and_then(|id| id.parse().ok()))
        {
            ids.entry(name.to_owned()).or_insert(id);
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolves_names_and_numbers() {
        let owners = Owners {
            users: parse_ids(b"root:x:0:0::/root:/bin/sh\n# no\nbad\nweb:x:33:33:\xe9:/:/bin/sh\nweb:x:34:1::/:\n"),
            groups: BTreeMap::new(),
        };
        for (name, uid) in [
            ("root", Some(0)),
            ("web", Some(33)),
            ("+7", Some(7)),
            ("+x", None),
            ("+4294967295", None),
            ("nobody", None),
        ] {
            assert_eq!(owners.uid(name), uid, "{name}");
        }
        assert_eq!(owners.gid("root"), Some(0));
    }
}
