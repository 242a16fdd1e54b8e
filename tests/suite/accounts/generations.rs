//! From generation to generation.

use super::*;

#[test]
fn debian_12_walks_through_generations() {
    walk(
        &mut Host::load("debian12"),
        "sudo",
        [
            &expect![[r#"
            group: -sudo:x:27:ann
            group: +sudo:x:27:ann,alice
            group: +web:x:995:alice
            gshadow: -sudo:*::ann
            gshadow: +sudo:*::ann,alice
            gshadow: +web:!::alice
            passwd: +alice:x:1001:100:Alice:/home/alice:/bin/bash
            passwd: +web:x:999:995::/var/empty:/usr/sbin/nologin
            shadow: +alice:$6$salt$hash:1::::::
            shadow: +web:!:1::::::
            subuid: +alice:165536:65536
            subgid: +alice:165536:65536
        "#]],
            &expect![[r#"
            passwd: +alice:x:1001:100:Alice:/home/alice:/nix/store/x-zsh/bin/zsh
            passwd: +bob:x:1002:100::/home/bob:/bin/bash
            shadow: +alice:$6$salt$hash:1::::::
            shadow: +bob:!:1:::::21915:
            subuid: +alice:165536:65536
            subuid: +bob:231072:65536
            subgid: +alice:165536:65536
            subgid: +bob:231072:65536
            shells: +/nix/store/x-zsh/bin/zsh
        "#]],
        ],
    );
}

#[test]
fn debian_13_walks_through_generations() {
    walk(
        &mut Host::load("debian13"),
        "sudo",
        [
            &expect![[r#"
            group: -sudo:x:27:
            group: +sudo:x:27:alice
            group: +web:x:994:alice
            gshadow: -sudo:*::
            gshadow: +sudo:*::alice
            gshadow: +web:!::alice
            passwd: +alice:x:1000:100:Alice:/home/alice:/bin/bash
            passwd: +web:x:999:994::/var/empty:/usr/sbin/nologin
            shadow: +alice:$6$salt$hash:1::::::
            shadow: +web:!:1::::::
            subuid: +alice:100000:65536
            subgid: +alice:100000:65536
        "#]],
            &expect![[r#"
            passwd: +alice:x:1000:100:Alice:/home/alice:/nix/store/x-zsh/bin/zsh
            passwd: +bob:x:1001:100::/home/bob:/bin/bash
            shadow: +alice:$6$salt$hash:1::::::
            shadow: +bob:!:1:::::21915:
            subuid: +alice:100000:65536
            subuid: +bob:165536:65536
            subgid: +alice:100000:65536
            subgid: +bob:165536:65536
            shells: +/nix/store/x-zsh/bin/zsh
        "#]],
        ],
    );
}

#[test]
fn fedora_walks_through_generations() {
    walk(
        &mut Host::load("fedora"),
        "wheel",
        [
            &expect![[r#"
            group: -wheel:x:10:fedora
            group: +wheel:x:10:fedora,alice
            group: +web:x:998:alice
            gshadow: -wheel:::fedora
            gshadow: +wheel:::fedora,alice
            gshadow: +web:!::alice
            passwd: +alice:x:1001:100:Alice:/home/alice:/bin/bash
            passwd: +web:x:996:998::/var/empty:/usr/sbin/nologin
            shadow: +alice:$6$salt$hash:1::::::
            shadow: +web:!:1::::::
            subuid: +alice:589824:65536
            subgid: +alice:589824:65536
        "#]],
            &expect![[r#"
            passwd: +alice:x:1001:100:Alice:/home/alice:/nix/store/x-zsh/bin/zsh
            passwd: +bob:x:1002:100::/home/bob:/bin/bash
            shadow: +alice:$6$salt$hash:1::::::
            shadow: +bob:!:1:::::21915:
            subuid: +alice:589824:65536
            subuid: +bob:655360:65536
            subgid: +alice:589824:65536
            subgid: +bob:655360:65536
            shells: +/nix/store/x-zsh/bin/zsh
        "#]],
        ],
    );
}

#[test]
fn ubuntu_walks_through_generations() {
    walk(
        &mut Host::load("ubuntu"),
        "sudo",
        [
            &expect![[r#"
            group: -sudo:x:27:ubuntu
            group: +sudo:x:27:ubuntu,alice
            group: +web:x:995:alice
            gshadow: -sudo:*::ubuntu
            gshadow: +sudo:*::ubuntu,alice
            gshadow: +web:!::alice
            passwd: +alice:x:1002:100:Alice:/home/alice:/bin/bash
            passwd: +web:x:999:995::/var/empty:/usr/sbin/nologin
            shadow: +alice:$6$salt$hash:1::::::
            shadow: +web:!:1::::::
            subuid: -jose:165536:65536
            subuid: +jose:165536:65536
            subuid: +alice:231072:65536
            subgid: -jose:165536:65536
            subgid: +jose:165536:65536
            subgid: +alice:231072:65536
        "#]],
            &expect![[r#"
            passwd: +alice:x:1002:100:Alice:/home/alice:/nix/store/x-zsh/bin/zsh
            passwd: +bob:x:1003:100::/home/bob:/bin/bash
            shadow: +alice:$6$salt$hash:1::::::
            shadow: +bob:!:1:::::21915:
            subuid: -jose:165536:65536
            subuid: +jose:165536:65536
            subuid: +alice:231072:65536
            subuid: +bob:296608:65536
            subgid: -jose:165536:65536
            subgid: +jose:165536:65536
            subgid: +alice:231072:65536
            subgid: +bob:296608:65536
            shells: +/nix/store/x-zsh/bin/zsh
        "#]],
        ],
    );
}

#[test]
fn adopts_accounts_of_the_distribution_and_gives_them_back() {
    let mut host = Host::load("debian12");
    let ann = User {
        description: Some("Ann".to_owned()),
        password: Some("new".to_owned()),
        ..person("ann")
    };
    let postgres = User {
        shell: Some("/bin/sh".parse().unwrap()),
        uid: Some(71),
        ..service("postgres")
    };
    let desired = accounts(
        [("ann", ann), ("postgres", postgres)],
        [
            ("postgres", group(Some(71), &[])),
            ("users", group(Some(100), &[])),
            ("sudo", group(None, &["ann"])),
        ],
    );
    let report = host.activate(&desired);
    expect![[r#"
        ~ user ann: gid "1000" -> "100", description "" -> "Ann"
        ~ user postgres: shell "/bin/bash" -> "/bin/sh"
        warning: group `postgres` keeps its gid 104; 71 is not applied, since files on disk belong to 104
        warning: user `postgres` keeps its uid 101; 71 is not applied, since files on disk belong to 101
    "#]].assert_eq(&report);
    host.check(&expect![[r#"
        passwd: -ann:x:1000:1000::/home/ann:/bin/bash
        passwd: +ann:x:1000:100:Ann:/home/ann:/bin/bash
        passwd: -postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash
        passwd: +postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/sh
    "#]]);
    // Immutable: passwords and members are the configuration's.
    host.invoker = Some("ann");
    let report = host.activate(&immutable(desired.clone()));
    expect![[r#"
        ~ user ann: password changed
        warning: group `postgres` keeps its gid 104; 71 is not applied, since files on disk belong to 104
        warning: user `postgres` keeps its uid 101; 71 is not applied, since files on disk belong to 101
    "#]].assert_eq(&report);
    // Back to mutable: what is there stays, but the old hash is remembered for the day when this tool goes.
    host.activate(&desired);
    host.check(&expect![[r#"
        passwd: -ann:x:1000:1000::/home/ann:/bin/bash
        passwd: +ann:x:1000:100:Ann:/home/ann:/bin/bash
        passwd: -postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash
        passwd: +postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/sh
        shadow: -ann:$y$j9T$0123456789abcdef$0123456789abcdefghijklmnopqrstuvwxyz0123456:20263::::::
        shadow: +ann:$6$rounds=5000$5Qk/5Qk/5Qk/5Qk/$apbZrTGh2.b/Fds45r6H.ch9BO7/9delhNhZZhWl4eQ3K5.TOlxD70bqIXnuqa8sCP3utzlehadtWyc6UneU90:20263::::::
    "#]]);
    host.invoker = None;
    host.activate(&no_accounts());
    host.assert_as_at_the_start();
}

#[test]
fn a_user_that_is_to_be_in_no_group_keeps_its_own() {
    let mut host = Host::load("debian12");
    let nowhere = User {
        group: None,
        ..service("x")
    };
    host.activate(&accounts(
        [("www-data", nowhere.clone()), ("new", nowhere)],
        [],
    ));
    host.check(&expect![[r#"
        passwd: +new:x:999:65534::/var/empty:/usr/sbin/nologin
        shadow: +new:!:1::::::
    "#]]);
    host.activate(&no_accounts());
    host.assert_as_at_the_start();
}

#[test]
fn what_others_do_in_between_survives() {
    let mut host = Host::load("debian12");
    let desired = accounts(
        [(
            "alice",
            User {
                extra_groups: names(&["sudo"]),
                ..person("alice")
            },
        )],
        [],
    );
    host.activate(&desired);
    // As `useradd`, `passwd alice` and `usermod -aG` would leave it.
    host.file(AccountFile::Passwd)
        .extend(b"eve:x:1002:1002::/home/eve:/bin/sh\n");
    host.edit(AccountFile::Shadow, "alice:!:1:", "alice:$y$j9T$own:20779:");
    host.edit(
        AccountFile::Group,
        "sudo:x:27:ann,alice",
        "sudo:x:27:ann,alice,eve",
    );
    host.edit(AccountFile::Group, "adm:x:4:", "adm:x:4:alice");
    assert!(
        host.plan(&desired).unwrap().is_empty(),
        "with mutable users none of that is ours to change"
    );
    host.activate(&no_accounts());
    host.check(&expect![[r#"
        group: -sudo:x:27:ann
        group: +sudo:x:27:ann,eve
        passwd: +eve:x:1002:1002::/home/eve:/bin/sh
    "#]]);
}

#[test]
fn drift_of_declared_fields_is_seen_and_put_right() {
    let mut host = Host::load("debian12");
    let desired = accounts(
        [(
            "alice",
            User {
                extra_groups: names(&["sudo"]),
                ..person("alice")
            },
        )],
        [],
    );
    host.activate(&desired);
    host.edit(
        AccountFile::Passwd,
        "/home/alice:/bin/bash",
        "/srv/alice:/bin/bash",
    );
    host.edit(AccountFile::Group, "ann,alice", "ann");
    let drift = find_drift(&host.record, &host.observed);
    expect![[r#"
        [
            Drift {
                file: Group,
                name: "sudo",
                field: Some(
                    "members",
                ),
                expected: Some(
                    "ann,alice",
                ),
                found: Some(
                    "ann",
                ),
            },
            Drift {
                file: Passwd,
                name: "alice",
                field: Some(
                    "home",
                ),
                expected: Some(
                    "/home/alice",
                ),
                found: Some(
                    "/srv/alice",
                ),
            },
        ]
    "#]]
    .assert_debug_eq(&drift);
    let report = host.activate(&desired);
    expect![[r#"
        ~ group sudo: members "ann" -> "ann,alice"
        ~ user alice: home "/srv/alice" -> "/home/alice"
    "#]]
    .assert_eq(&report);
}

#[test]
fn ids_are_never_given_twice_and_return_to_their_names() {
    let mut host = Host::load("debian12");
    let uid = |host: &Host, name: &str| host.record.uids[name].last().copied().unwrap();
    host.activate(&accounts([("a", person("a")), ("b", person("b"))], []));
    let (a, b) = (uid(&host, "a"), uid(&host, "b"));
    host.activate(&accounts([("c", person("c"))], []));
    assert!(![a, b].contains(&uid(&host, "c")));
    host.activate(&accounts([("b", person("b")), ("d", person("d"))], []));
    assert_eq!(uid(&host, "b"), b);
    host.activate(&no_accounts());
    host.activate(&accounts([("e", person("e")), ("a", person("a"))], []));
    assert_eq!(uid(&host, "a"), a);
    let all: Vec<u32> = host.record.uids.values().flatten().copied().collect();
    assert_eq!(
        all.len(),
        all.iter().collect::<BTreeSet<_>>().len(),
        "{:?}",
        host.record.uids
    );
}
