//! The accounts that configurations may want: new ones, the distribution's, root, and names that are none.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::wishes::{maybe, named, seldom, some};

const USERS: &[&str] = &[
    "alice", "bob", "carol", "root", "web", "daemon-x", "new.one",
];
const GROUPS: &[&str] = &[
    "alice", "web", "staff", "shadow", "daemon-x", "new.one", "root",
];

/// Gives the accounts of a configuration.
pub fn accounts() -> impl Strategy<Value = Value> {
    let wrong = seldom().prop_flat_map(|wrong| {
        let name = select(vec![
            "-x",
            "a:b",
            "",
            "a b",
            "much-too-long-a-name-for-an-account",
        ]);
        (Just(wrong), name, user())
    });
    (
        [prop::bool::ANY, prop::bool::ANY, prop::bool::ANY],
        named(USERS, 3, |_| user()),
        named(GROUPS, 3, |_| group()),
        wrong,
    )
        .prop_map(|([mutable, lingering, no_password], mut users, groups, (wrong, name, user))| {
            if wrong {
                users[name] = user;
            }
            json!({
                "mutableUsers": mutable, "manageLingering": lingering, "allowNoPasswordLogin": no_password,
                "users": users, "groups": groups,
            })
        })
}

fn group() -> impl Strategy<Value = Value> {
    (maybe(vec![0_u32, 42, 999, 1001, 70000]), some(USERS, 2))
        .prop_map(|(gid, members)| json!({ "gid": gid, "members": members }))
}

fn ranges() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => Just(json!([])),
        2 => Just(json!([{ "start": 300_000, "count": 65536 }])),
        1 => Just(json!([{ "start": 500_000, "count": 1 }, { "start": 600_000, "count": 10 }])),
    ]
}

fn user() -> impl Strategy<Value = Value> {
    let hash = || maybe(vec!["$6$a$b", "!", "*", "$y$j9T$x$y"]);
    let identity = (
        maybe(vec![0_u32, 33, 998, 1000, 1005]),
        prop::bool::ANY,
        maybe(vec!["A Person", "", "ü"]),
        maybe(vec!["web", "web", "sudo", "carol", "root", "nowhere"]),
        some(&["web", "staff", "sudo", "none-such"], 2),
    );
    let home = (
        maybe(vec!["/home/x", "/var/lib/x", "/", "/nowhere/deep/x"]),
        select(vec!["700", "0755", "2750"]),
        prop::bool::ANY,
        maybe(vec![
            "/bin/sh",
            "/nix/store/none/bin/zsh",
            "/usr/sbin/nologin",
        ]),
        maybe(vec!["/bin/sh", "/nowhere/sh"]),
    );
    let passwords = (
        hash(),
        maybe(vec!["clear", ""]),
        maybe(vec!["/etc/theirs", "/nowhere", "/etc/hash"]),
        hash(),
        maybe(vec!["first"]),
    );
    let rest = (
        maybe(vec!["2030-01-01", "1970-01-01"]),
        maybe(vec![true, false]),
        prop::bool::ANY,
        ranges(),
        ranges(),
    );
    // Most say little of an account.
    let sparse = prop::collection::vec(prop::bool::weighted(0.35), 15);
    (identity, home, passwords, rest, sparse).prop_map(|(identity, home, passwords, rest, said)| {
        let (uid, system, description, group, groups) = identity;
        let (path, bits, create, shell, fallback) = home;
        let (hashed, clear, file, initial_hashed, initial) = passwords;
        let (expires, linger, auto, uid_ranges, gid_ranges) = rest;
        let mut user = json!({
            "uid": uid, "isSystemUser": system, "description": description, "group": group, "extraGroups": groups,
            "home": path, "homeMode": bits, "createHome": create, "shell": shell, "shellFallback": fallback,
            "hashedPassword": hashed, "password": clear, "hashedPasswordFile": file,
            "initialHashedPassword": initial_hashed, "initialPassword": initial, "expires": expires, "linger": linger,
            "autoSubUidGidRange": auto, "subUidRanges": uid_ranges, "subGidRanges": gid_ranges,
        });
        let fields = user.as_object_mut().unwrap().values_mut().filter(|v| !v.is_boolean() && !v.is_array());
        for (field, said) in fields.zip(said) {
            if !said && *field != json!(bits) {
                *field = Value::Null;
            }
        }
        user
    })
}
