//! Ids, and what is refused.

use super::*;

#[test]
fn who_is_renamed_keeps_the_ids() {
    let mut host = Host::load("debian12");
    let fixed = |name: &str| {
        let user = User {
            uid: Some(1500),
            ..service(name)
        };
        accounts([(name, user)], [(name, group(Some(700), &["ann"]))])
    };
    host.activate(&fixed("bob"));
    let report = host.activate(&fixed("rob"));
    expect![[r#"
        + group rob: gid 700, members ann
        - group bob: gid 700, members ann
        + user rob: uid 1500, gid 700, home /var/empty, shell /usr/sbin/nologin, password locked
        - user bob: uid 1500, gid 700, home /var/empty, shell /usr/sbin/nologin
        warning: group `rob` gets the gid 700 as configured; it used to belong to group `bob`, whose files now belong to it
        warning: user `rob` gets the uid 1500 as configured; it used to belong to user `bob`, whose files now belong to it
    "#]].assert_eq(&sorted_by_action(&report));
    host.check(&expect![[r#"
        group: +rob:x:700:ann
        gshadow: +rob:!::ann
        passwd: +rob:x:1500:700::/var/empty:/usr/sbin/nologin
        shadow: +rob:!:1::::::
    "#]]);
    // A kill before any database is written, then back.
    let plan = host.plan(&fixed("bob")).unwrap();
    host.record = plan.record.clone();
    host.activate(&fixed("bob"));
    assert!(
        host.observed.files[&AccountFile::Passwd]
            .ends_with(b"\nbob:x:1500:700::/var/empty:/usr/sbin/nologin\n")
    );
    // A group that somebody else's user has as its own stays, and so does its id.
    host.file(AccountFile::Passwd)
        .extend(b"eve:x:1002:700::/home/eve:/bin/sh\n");
    let report = host.activate(&fixed("rob"));
    for said in [
        "group `rob` gets the gid 995 instead of 700, which belongs to group `bob` of this host",
        "the group `bob` is kept for now, since it is the primary group of `eve`",
    ] {
        assert!(report.contains(said), "{report}");
    }
    // One that is not asked for is never one that another name had.
    host.activate(&accounts([("new", person("new"))], []));
    assert_eq!(host.record.uids["new"], [1001]);
}

/// The lines of a report in an order that does not depend on names.
fn sorted_by_action(report: &str) -> String {
    let (warnings, mut changes): (Vec<_>, Vec<_>) =
        report.lines().partition(|l| l.starts_with("warning"));
    changes.sort_by_key(|line| (line.split(' ').nth(1).unwrap_or_default(), *line));
    let lines = changes.into_iter().chain(warnings);
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_gid_that_only_a_users_line_has_is_taken() {
    let mut host = Host::load("debian12");
    let lines = b"eve:x:1002:995::/home/eve:/bin/sh\nown:x:1003:800::/home/own:/bin/sh\n";
    host.file(AccountFile::Passwd).extend(lines);
    let own = User {
        group: Some("own".to_owned()),
        ..normal()
    };
    let desired = accounts(
        [("own", own)],
        [
            ("any", group(None, &[])),
            ("asks", group(Some(995), &[])),
            ("own", group(Some(800), &[])),
        ],
    );
    expect![[r#"
        + group any: gid 994
        + group asks: gid 993
        + group own: gid 800
        warning: group `asks` gets the gid 993 instead of 995, which is the primary group of user `eve`
    "#]]
    .assert_eq(&host.activate(&desired));
}

#[test]
fn a_static_id_that_the_distribution_uses_is_not_applied() {
    let mut host = Host::load("debian12");
    let desired = accounts(
        [(
            "nginx",
            User {
                uid: Some(33),
                ..service("nginx")
            },
        )],
        [("nginx", group(Some(33), &[]))],
    );
    expect![[r#"
        + group nginx: gid 995
        + user nginx: uid 999, gid 995, home /var/empty, shell /usr/sbin/nologin, password locked
        warning: group `nginx` gets the gid 995 instead of 33, which belongs to group `www-data` of this host
        warning: user `nginx` gets the uid 999 instead of 33, which belongs to user `www-data` of this host
    "#]].assert_eq(&host.activate(&desired));
    host.check(&expect![[r#"
        group: +nginx:x:995:
        gshadow: +nginx:!::
        passwd: +nginx:x:999:995::/var/empty:/usr/sbin/nologin
        shadow: +nginx:!:1::::::
    "#]]);
}

#[test]
fn refuses_what_would_lock_out_root_or_the_invoker() {
    let mut host = Host::load("debian12");
    host.edit(AccountFile::Shadow, "root:*:", "root:$y$j9T$rootpass:");
    host.invoker = Some("ann");
    let bare = |name: &str, shell: &str| User {
        group: Some(name.to_owned()),
        shell: Some(shell.parse().unwrap()),
        ..normal()
    };
    let ann = User {
        expires: Some("2020-01-01".to_owned()),
        ..bare("ann", "/nix/store/gone/bin/zsh")
    };
    let desired = immutable(accounts(
        [("root", bare("root", "/usr/sbin/nologin")), ("ann", ann)],
        [("sudo", group(None, &[]))],
    ));
    expect![[r#"
        user `ann`: the account that runs this could not log in with the shell /nix/store/gone/bin/zsh
        hint: set `users.users.ann.shell` to one that exists
        user `ann`: the account that runs this would no longer have a password
        hint: set `users.users.ann.hashedPassword`, or `users.mutableUsers = true`
        user `ann`: the account that runs this would be expired
        hint: set `users.users.ann.expires` to a date in the future
        user `ann`: the account that runs this would leave the group `sudo`
        hint: add `sudo` to `users.users.ann.extraGroups`
        user `root`: root could not log in with the shell /usr/sbin/nologin
        hint: set `users.users.root.shell` to one that exists
        user `root`: root would no longer have a password
        hint: set `users.users.root.hashedPassword`, or `users.mutableUsers = true`
    "#]].assert_eq(&host.refusals(&desired));

    let mut host = Host::load("debian12");
    host.activate(&accounts([("alice", person("alice"))], []));
    host.invoker = Some("alice");
    expect![[r#"
        user `alice`: the account that runs this would be removed
        hint: keep `users.users.alice`, or run this as another user
    "#]]
    .assert_eq(&host.refusals(&no_accounts()));
}

#[test]
fn a_root_password_that_was_set_goes_the_way_it_came() {
    let root = |hash: Option<&str>| User {
        group: Some("root".to_owned()),
        hashed_password: hash.map(str::to_owned),
        is_system_user: true,
        ..normal()
    };
    // Debian locks root with `*`.
    let with = immutable(accounts([("root", root(Some("$6$a$b")))], []));
    let without = [
        no_accounts(),
        accounts([("root", root(None))], []),
        immutable(accounts([("root", root(None))], [])),
        immutable(accounts([("root", root(Some("!")))], [])),
        immutable(accounts([("alice", person("alice"))], [])),
    ];
    for (n, back) in without.iter().enumerate() {
        let mut host = Host::load("debian12");
        assert!(host.plan(&without[2]).unwrap().files.is_empty(), "{n}");
        host.activate(&with);
        let report = host.activate(back);
        if back.users.get("root").is_none_or(|_| !back.mutable_users) {
            let said =
                "warning: root will no longer have a password, as it was before system-manager";
            assert!(report.contains(said), "{n}: {report}");
        }
        host.activate(&no_accounts());
        host.assert_as_at_the_start();
    }
    // Where root had a password, taking it away is our doing.
    let mut host = Host::load("debian12");
    host.edit(AccountFile::Shadow, "root:*:", "root:$y$j9T$rootpass:");
    host.activate(&with);
    let refusals = host.refusals(&immutable(accounts([("root", root(Some("!")))], [])));
    assert!(
        refusals.contains("root would no longer have a password"),
        "{refusals}"
    );
    host.activate(&no_accounts());
    // What somebody sets meanwhile is root's, and no lock-out goes over it.
    let mut host = Host::load("debian12");
    host.activate(&with);
    host.edit(AccountFile::Shadow, "root:$6$a$b:", "root:$y$own:");
    let refusals = host.refusals(&immutable(accounts([("root", root(Some("!")))], [])));
    assert!(
        refusals.contains("root would no longer have a password"),
        "{refusals}"
    );
    let report = host.activate(&no_accounts());
    assert!(
        report.contains("somebody has changed it since it was set"),
        "{report}"
    );
}

#[test]
fn refuses_subordinate_ids_of_others() {
    let host = Host::load("debian12");
    let overlap = User {
        sub_uid_ranges: vec![SubIdRange {
            start: 165_000,
            count: 10,
        }],
        ..normal()
    };
    expect![[r#"
        user `lap`: its subordinate ids 165000+10 overlap those of `ann` in /etc/subuid
    "#]]
    .assert_eq(&host.refusals(&accounts([("lap", overlap)], [])));
}

#[test]
fn refuses_accounts_that_can_not_be_written() {
    let mut host = Host::load("debian12");
    host.file(AccountFile::Passwd)
        .extend(b"twice:x:1:1:::\ntwice:x:2:2:::\nshort:x:5\n");
    let bad = User {
        description: Some("x:0:0\nroot2::0:0".to_owned()),
        expires: Some("tomorrow".to_owned()),
        home_mode: "rwx".to_owned(),
        sub_uid_ranges: vec![SubIdRange {
            start: u32::MAX,
            count: 2,
        }],
        ..normal()
    };
    let missing = User {
        group: Some("nowhere".to_owned()),
        ..normal()
    };
    let desired = accounts(
        [
            ("bad", bad),
            ("0", normal()),
            ("..", normal()),
            ("twice", normal()),
            ("short", normal()),
        ],
        [("gr:oup", group(None, &["a\nb"]))],
    );
    expect![[r#"
        group `gr:oup`: the name "gr:oup" may only contain letters, digits and `_.-`, must not begin with `-`, and may end with a `$`
        group `gr:oup`: the name "a\nb" may only contain letters, digits and `_.-`, must not begin with `-`, and may end with a `$`
        user `..`: the name ".." is a folder's
        user `0`: the name "0" would be mistaken for an id
        user `bad`: its description must not contain `:`, a newline or other control characters
        user `bad`: its homeMode "rwx" is not an octal mode
        user `bad`: its expires "tomorrow" is not a date YYYY-MM-DD
        user `bad`: its subordinate ids 4294967295+2 are not a valid range
        `short` of /etc/passwd: its line has too few or too many fields
        hint: correct the file with an editor (`vipw`, `vigr`)
        `twice` of /etc/passwd: it has 2 lines, and only one of them is used
        hint: correct the file with an editor (`vipw`, `vigr`)
    "#]].assert_eq(&host.refusals(&desired));
    expect![[r#"
        user `lost`: its group `nowhere` does not exist and is not declared
        hint: declare `users.groups.nowhere`
    "#]]
    .assert_eq(&host.refusals(&accounts([("lost", missing)], [])));
    host.observed.files.remove(&AccountFile::Shadow);
    expect![[r#"
        /etc/shadow: does not exist, so accounts can't be managed
        hint: `pwconv` creates it from /etc/passwd
    "#]]
    .assert_eq(&host.refusals(&accounts([("alice", person("alice"))], [])));
}
