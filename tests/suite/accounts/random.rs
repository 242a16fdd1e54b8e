//! Random hosts and configurations.

use super::*;

/// Names that the hosts have and names that they do not.
const POOL: [&str; 7] = ["ann", "postgres", "nobody", "alice", "bob", "web", "zed"];

fn any_user() -> impl Strategy<Value = User> {
    let optional = |values: Vec<&'static str>| {
        proptest::option::of(proptest::sample::select(values).prop_map(str::to_owned))
    };
    (
        any::<[bool; 3]>(),
        proptest::sample::select(vec!["users", "team", "daemon"]),
        proptest::sample::subsequence(vec!["sudo", "team", "adm"], 0..3),
        optional(vec!["/bin/bash", "/bin/sh", "/nix/store/x-zsh/bin/zsh"]),
        optional(vec!["$6$a$b", "!", "$6$c$d"]),
        optional(vec!["2030-01-01", "2040-12-31"]),
        proptest::option::of(proptest::sample::select(vec![33, 1000, 5000])),
    )
        .prop_map(
            |([system, auto, home], group, extra, shell, hash, expires, uid)| User {
                uid,
                is_system_user: system,
                group: Some(group.to_owned()),
                extra_groups: names(&extra),
                home: home.then(|| "/srv/home".parse().unwrap()),
                shell: shell.map(|s| s.parse().unwrap()),
                hashed_password: hash,
                expires,
                auto_sub_uid_gid_range: auto,
                ..normal()
            },
        )
}

fn any_accounts() -> impl Strategy<Value = Accounts> {
    let users = proptest::collection::btree_map(
        proptest::sample::select(POOL.to_vec()).prop_map(str::to_owned),
        any_user(),
        0..5,
    );
    (users, any::<bool>(), any::<bool>()).prop_map(|(mut users, mutable_users, sudo)| {
        for (name, user) in &mut users {
            // Free fixed ids are each name's own, as `users.enforceIdUniqueness` has it.
            let own = POOL
                .iter()
                .position(|n| n == name)
                .map(|at| 5000 + u32::try_from(at).unwrap());
            user.uid = if user.uid == Some(5000) {
                own
            } else {
                user.uid
            };
        }
        let joins = |group: &str| {
            users
                .iter()
                .filter(|(_, u)| u.extra_groups.contains(group))
                .map(|(n, _)| n.clone())
                .collect()
        };
        let mut groups = BTreeMap::from([(
            "team".to_owned(),
            Group {
                gid: None,
                members: joins("team"),
            },
        )]);
        if sudo {
            groups.insert(
                "sudo".to_owned(),
                Group {
                    gid: None,
                    members: joins("sudo"),
                },
            );
        }
        Accounts {
            users,
            groups,
            mutable_users,
            ..no_accounts()
        }
    })
}

/// Every uid and gid of the files, by name.
fn ids(host: &Host) -> BTreeMap<(AccountFile, String), String> {
    let mut found = BTreeMap::new();
    for file in [AccountFile::Passwd, AccountFile::Group] {
        let text = String::from_utf8_lossy(&host.observed.files[&file]).into_owned();
        for line in text.lines() {
            let mut fields = line.split(':');
            if let (Some(name), Some(id)) = (fields.next(), fields.nth(1)) {
                found.insert((file, name.to_owned()), id.to_owned());
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(crate::chance::cases(48))]

    #[test]
    fn any_walk_ends_where_it_began(
        walk in proptest::collection::vec(any_accounts(), 1..5),
        distro in proptest::sample::select(vec!["debian12", "ubuntu"]),
    ) {
        let mut host = Host::load(distro);
        let mut holders: BTreeMap<(AccountFile, String), String> = BTreeMap::new();
        for desired in &walk {
            host.activate(desired);
            for ((file, name), id) in ids(&host) {
                if id.parse::<u32>().is_err() {
                    continue; // A NIS line.
                }
                let holder = holders.entry((file, id.clone())).or_insert_with(|| name.clone());
                prop_assert_eq!(&*holder, &name, "{} {} was given again", file, id);
            }
        }
        host.activate(&no_accounts());
        host.assert_as_at_the_start();
    }

    #[test]
    fn a_kill_between_two_files_is_made_good(
        first in any_accounts(),
        second in any_accounts(),
        written in 0..8usize,
    ) {
        let mut host = Host::load("debian12");
        host.activate(&first);
        let plan = host.plan(&second).unwrap();
        let mut whole = Host::load("debian12");
        whole.activate(&first);
        whole.activate(&second);
        // The record is there, and so are the first files; then the power goes.
        let mut cut = plan.clone();
        cut.files = plan.files.clone().into_iter().take(written).collect();
        host.carry_out(&cut);
        host.record = plan.record.clone();
        let stopped = host.observed.files.clone();
        host.activate(&second);
        for file in AccountFile::ALL {
            let sorted = |host: &Host| {
                let mut lines: Vec<Vec<u8>> =
                    host.observed.files[&file].split(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
                lines.sort();
                lines
            };
            prop_assert_eq!(sorted(&host), sorted(&whole), "{}", file);
        }
        host.activate(&no_accounts());
        host.assert_as_at_the_start();
        // Or nobody runs it again, but the tool is taken away.
        host.observed.files = stopped;
        host.record = plan.record.clone();
        host.activate(&no_accounts());
        host.assert_as_at_the_start();
    }

    #[test]
    fn any_bytes_are_given_back(
        desired in any_accounts(),
        noise in proptest::collection::vec((0..7usize, 0..400usize, "[\\x00-\\xff:\n+,ax0]{0,12}"), 0..6),
    ) {
        let mut files = Host::load("debian12").start;
        for (file, at, bytes) in &noise {
            let content = files.get_mut(&AccountFile::ALL[*file]).unwrap();
            let at = (*at).min(content.len());
            content.splice(at..at, bytes.bytes());
        }
        let mut host = Host::new(files, b"");
        if host.plan(&desired).is_ok() {
            host.activate(&desired);
            host.activate(&no_accounts());
            host.assert_as_at_the_start();
        }
    }
}
