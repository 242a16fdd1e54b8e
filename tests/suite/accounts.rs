//! Users and groups over generations, on the account files of real distributions.
#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failing test may panic"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use similar::{ChangeTag, TextDiff};
use system_manager::face::accounts::{
    AccountBytes, AccountFile, AccountsPlan, AccountsRecord, Home, Inputs, NoNss, Observed,
    Refusal, Scripts, find_drift, no_accounts, parse_login_defs, plan_accounts,
};
use system_manager::face::model::{Accounts, Group, SubIdRange, User};
use system_manager::face::store::Record as _;

/// A host in memory: its files, and what this tool remembers about it.
struct Host {
    start: AccountBytes,
    observed: Observed,
    record: AccountsRecord,
    invoker: Option<&'static str>,
}

impl Host {
    fn load(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/accounts")
            .join(name);
        let read = |file: &str| std::fs::read(folder.join(file)).unwrap();
        let files: AccountBytes = AccountFile::ALL
            .iter()
            .map(|f| (*f, read(f.name())))
            .collect();
        Self::new(files, &read("login.defs"))
    }

    fn new(files: AccountBytes, login_defs: &[u8]) -> Self {
        let observed = Observed {
            files: files.clone(),
            ranges: parse_login_defs(login_defs),
            shells: ["/bin/bash", "/bin/sh", "/nix/store/x-zsh/bin/zsh"]
                .map(str::to_owned)
                .into(),
            nologin: "/usr/sbin/nologin".to_owned(),
            today: 20779,
            ..Observed::default()
        };
        Self {
            start: files,
            observed,
            record: AccountsRecord::default(),
            invoker: None,
        }
    }

    fn plan(&self, desired: &Accounts) -> Result<AccountsPlan, Vec<Refusal>> {
        plan_accounts(&Inputs {
            desired,
            record: &self.record,
            observed: &self.observed,
            nss: &NoNss,
            invoker: self.invoker,
            salt: &|| [7; 12],
            scripts: Scripts::None,
        })
    }

    /// Carries a plan out, checks that a second run has nothing to do, and gives the report.
    fn activate(&mut self, desired: &Accounts) -> String {
        let plan = self.plan(desired).unwrap();
        let mut report = String::new();
        for change in &plan.changes {
            writeln!(report, "{change}").unwrap();
        }
        for warning in &plan.warnings {
            writeln!(report, "warning: {warning}").unwrap();
        }
        self.carry_out(&plan);
        let again = self.plan(desired).unwrap();
        assert_eq!(
            again.record, self.record,
            "a second run remembers something else"
        );
        assert!(
            again.is_empty(),
            "a second run changes something: {:?} {:?}",
            again.files,
            again.changes
        );
        assert_eq!(find_drift(&self.record, &self.observed), []);
        report
    }

    fn carry_out(&mut self, plan: &AccountsPlan) {
        for (file, change) in &plan.files {
            assert_eq!(self.observed.files.get(file), change.before.as_ref());
            match &change.after {
                Some(bytes) => self.observed.files.insert(*file, bytes.clone()),
                None => self.observed.files.remove(file),
            };
        }
        for home in &plan.homes {
            let folder = Home::Folder {
                uid: home.uid,
                gid: home.gid,
                mode: home.mode,
            };
            self.observed.homes.insert(home.path.clone(), folder);
        }
        for (name, linger) in &plan.linger {
            if *linger {
                self.observed.lingering.insert(name.clone());
            } else {
                self.observed.lingering.remove(name);
            }
        }
        // The record goes through its file form on every run.
        let mut record = plan.record.clone();
        record.commit(plan, &());
        self.record = AccountsRecord::parse(&record.render().unwrap()).unwrap();
    }

    fn refusals(&self, desired: &Accounts) -> String {
        let refusals = self.plan(desired).err().expect("it should be refused");
        refusals
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
            + "\n"
    }

    fn file(&mut self, file: AccountFile) -> &mut Vec<u8> {
        self.observed.files.get_mut(&file).unwrap()
    }

    fn edit(&mut self, file: AccountFile, from: &str, to: &str) {
        let text = String::from_utf8(self.file(file).clone()).unwrap();
        assert!(text.contains(from), "{file} has no {from:?}");
        *self.file(file) = text.replace(from, to).into_bytes();
    }

    /// Checks every line of every file that is not as it was at the start, hashes cut short.
    fn check(&self, expect: &Expect) {
        let mut text = String::new();
        for file in AccountFile::ALL {
            let lossy = |files: &AccountBytes| {
                String::from_utf8_lossy(files.get(&file).map_or(&[][..], Vec::as_slice))
                    .into_owned()
            };
            let (before, after) = (lossy(&self.start), lossy(&self.observed.files));
            for change in TextDiff::from_lines(&before, &after).iter_all_changes() {
                let sign = match change.tag() {
                    ChangeTag::Equal => continue,
                    ChangeTag::Delete => '-',
                    ChangeTag::Insert => '+',
                };
                writeln!(text, "{}: {sign}{}", file.name(), change.value().trim_end()).unwrap();
            }
        }
        expect.assert_eq(&text);
    }

    fn assert_as_at_the_start(&self) {
        self.check(&expect![""]);
        assert!(self.observed.files == self.start, "the bytes differ");
        assert!(self.record.owns_nothing());
    }
}

fn normal() -> User {
    User {
        uid: None,
        is_system_user: false,
        description: None,
        group: Some("users".to_owned()),
        extra_groups: BTreeSet::new(),
        home: None,
        home_mode: "700".to_owned(),
        create_home: false,
        shell: None,
        shell_fallback: None,
        hashed_password: None,
        password: None,
        hashed_password_file: None,
        initial_hashed_password: None,
        initial_password: None,
        expires: None,
        linger: None,
        auto_sub_uid_gid_range: false,
        sub_uid_ranges: Vec::new(),
        sub_gid_ranges: Vec::new(),
    }
}

fn person(name: &str) -> User {
    User {
        home: Some(format!("/home/{name}").parse().unwrap()),
        create_home: true,
        shell: Some("/bin/bash".parse().unwrap()),
        auto_sub_uid_gid_range: true,
        ..normal()
    }
}

fn service(name: &str) -> User {
    User {
        is_system_user: true,
        group: Some(name.to_owned()),
        ..normal()
    }
}

fn names(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|s| (*s).to_owned()).collect()
}

fn group(gid: Option<u32>, members: &[&str]) -> Group {
    Group {
        gid,
        members: names(members),
    }
}

fn accounts<const U: usize, const G: usize>(
    users: [(&str, User); U],
    groups: [(&str, Group); G],
) -> Accounts {
    Accounts {
        users: users.map(|(n, u)| (n.to_owned(), u)).into(),
        groups: groups.map(|(n, g)| (n.to_owned(), g)).into(),
        ..no_accounts()
    }
}

fn immutable(mut accounts: Accounts) -> Accounts {
    accounts.mutable_users = false;
    accounts
}

/// The walk that every distribution goes through: services, a person, a change, removal and return.
fn walk(host: &mut Host, admin_group: &str, expects: [&Expect; 2]) {
    let alice = User {
        description: Some("Alice".to_owned()),
        extra_groups: names(&[admin_group]),
        hashed_password: Some("$6$salt$hash".to_owned()),
        ..person("alice")
    };
    let first = accounts(
        [("alice", alice.clone()), ("web", service("web"))],
        [
            ("web", group(None, &["alice"])),
            ("users", group(Some(100), &[])),
        ],
    );
    host.activate(&first);
    host.check(expects[0]);
    let bob = User {
        expires: Some("2030-01-01".to_owned()),
        ..person("bob")
    };
    let changed = User {
        shell: Some("/nix/store/x-zsh/bin/zsh".parse().unwrap()),
        extra_groups: BTreeSet::new(),
        ..alice
    };
    let second = accounts(
        [("alice", changed), ("bob", bob)],
        [("users", group(Some(100), &[]))],
    );
    host.activate(&second);
    host.check(expects[1]);
    // Back to the first: the same ids and lines again.
    host.activate(&first);
    host.check(expects[0]);
    host.activate(&no_accounts());
    host.assert_as_at_the_start();
}

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
        warning: group `postgres` keeps its gid 104: 71 is not applied, since files on disk belong to 104
        warning: user `postgres` keeps its uid 101: 71 is not applied, since files on disk belong to 101
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
        warning: group `postgres` keeps its gid 104: 71 is not applied, since files on disk belong to 104
        warning: user `postgres` keeps its uid 101: 71 is not applied, since files on disk belong to 101
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
        warning: group `rob` gets the gid 700 that it asks for, which was group `bob`'s: files of `bob` become its
        warning: user `rob` gets the uid 1500 that it asks for, which was user `bob`'s: files of `bob` become its
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
        "group `rob` gets the gid 995: 700, which it asks for, belongs to group `bob` of this host",
        "the group `bob` stays for now: it is the primary group of `eve`",
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
        warning: group `asks` gets the gid 993: 995, which it asks for, is the primary group of user `eve`
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
        warning: group `nginx` gets the gid 995: 33, which it asks for, belongs to group `www-data` of this host
        warning: user `nginx` gets the uid 999: 33, which it asks for, belongs to user `www-data` of this host
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
        user `ann`: the account that runs this would have no password any more
        hint: set `users.users.ann.hashedPassword`, or `users.mutableUsers = true`
        user `ann`: the account that runs this would be expired
        hint: set `users.users.ann.expires` to a day to come
        user `ann`: the account that runs this would leave the group `sudo`
        hint: add `sudo` to `users.users.ann.extraGroups`
        user `root`: root could not log in with the shell /usr/sbin/nologin
        hint: set `users.users.root.shell` to one that exists
        user `root`: root would have no password any more
        hint: set `users.users.root.hashedPassword`, or `users.mutableUsers = true`
    "#]].assert_eq(&host.refusals(&desired));

    let mut host = Host::load("debian12");
    host.activate(&accounts([("alice", person("alice"))], []));
    host.invoker = Some("alice");
    expect![[r#"
        user `alice`: the account that runs this would be removed
        hint: keep `users.users.alice`, or run this as somebody else
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
            let said = "warning: root will have no password any more, as before this tool came";
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
        refusals.contains("root would have no password"),
        "{refusals}"
    );
    host.activate(&no_accounts());
    // What somebody sets meanwhile is root's, and no lock-out goes over it.
    let mut host = Host::load("debian12");
    host.activate(&with);
    host.edit(AccountFile::Shadow, "root:$6$a$b:", "root:$y$own:");
    let refusals = host.refusals(&immutable(accounts([("root", root(Some("!")))], [])));
    assert!(
        refusals.contains("root would have no password"),
        "{refusals}"
    );
    let report = host.activate(&no_accounts());
    assert!(
        report.contains("somebody changed it since it was set"),
        "{report}"
    );
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
        user `0`: the name "0" would be taken for an id
        user `bad`: its description must not contain `:`, a newline or other control characters
        user `bad`: its homeMode "rwx" is not an octal mode
        user `bad`: its expires "tomorrow" is not a date YYYY-MM-DD
        user `bad`: its subordinate ids 4294967295+2 are no range
        `short` of /etc/passwd: its line has too few or too many fields
        hint: put the file right with an editor (`vipw`, `vigr`)
        `twice` of /etc/passwd: it has 2 lines, and only one of them counts
        hint: put the file right with an editor (`vipw`, `vigr`)
    "#]].assert_eq(&host.refusals(&desired));
    expect![[r#"
        user `lost`: its group `nowhere` does not exist and is not declared
        hint: declare `users.groups.nowhere`
    "#]]
    .assert_eq(&host.refusals(&accounts([("lost", missing)], [])));
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
    host.observed.files.remove(&AccountFile::Shadow);
    expect![[r#"
        /etc/shadow: does not exist, so accounts can't be managed
        hint: `pwconv` makes it from /etc/passwd
    "#]]
    .assert_eq(&host.refusals(&accounts([("alice", person("alice"))], [])));
}

#[test]
fn hosts_without_the_optional_files_stay_without_them() {
    let full = Host::load("debian12");
    let mut files = full.start.clone();
    for file in [
        AccountFile::Gshadow,
        AccountFile::Subuid,
        AccountFile::Subgid,
        AccountFile::Shells,
    ] {
        files.remove(&file);
    }
    let mut host = Host::new(files, b"");
    let desired = accounts(
        [("alice", person("alice"))],
        [("team", group(None, &["alice"]))],
    );
    host.activate(&desired);
    host.check(&expect![[r#"
        group: +team:!:995:alice
        passwd: +alice:x:1001:100::/home/alice:/bin/bash
        shadow: +alice:!:1::::::
        subuid: +alice:100000:65536
        subgid: +alice:100000:65536
    "#]]);
    host.activate(&no_accounts());
    host.assert_as_at_the_start();
}

#[test]
fn a_stale_shadow_line_is_not_a_new_users_password() {
    let mut host = Host::load("ubuntu");
    host.activate(&accounts([("ghost", person("ghost"))], []));
    let shadow = String::from_utf8_lossy(&host.observed.files[&AccountFile::Shadow]).into_owned();
    assert!(shadow.contains("ghost:!:20000"), "{shadow}");
    host.activate(&no_accounts());
    host.assert_as_at_the_start();
    host.edit(AccountFile::Shadow, "ghost:!:", "ghost:$6$old$hash:");
    host.activate(&accounts([("ghost", person("ghost"))], []));
    let shadow = String::from_utf8_lossy(&host.observed.files[&AccountFile::Shadow]).into_owned();
    assert!(
        shadow.contains("ghost:!:20000"),
        "the old hash must not let anybody in: {shadow}"
    );
}

#[test]
fn passwords_come_from_where_nixos_takes_them() {
    let host = Host::load("debian12");
    let all = User {
        initial_hashed_password: Some("$6$1$".to_owned()),
        initial_password: Some("two".to_owned()),
        hashed_password: Some("$6$3$".to_owned()),
        password: Some("four".to_owned()),
        hashed_password_file: Some("/run/five".parse().unwrap()),
        ..normal()
    };
    let hash_for = |user: &User, mutable: bool, files: &[(&str, Result<String, String>)]| {
        let mut host = Host::new(host.start.clone(), b"");
        host.observed.password_files = files
            .iter()
            .map(|(p, r)| ((*p).to_owned(), r.clone()))
            .collect::<BTreeMap<_, _>>();
        let mut desired = accounts([("alice", user.clone())], []);
        desired.mutable_users = mutable;
        host.activate(&desired);
        let shadow = String::from_utf8(host.observed.files[&AccountFile::Shadow].clone()).unwrap();
        let line = shadow.lines().find(|l| l.starts_with("alice:")).unwrap();
        line.split(':').nth(1).unwrap().to_owned()
    };
    let is = |hash: &str, password: &str| {
        system_manager::face::accounts::verify_password(password, hash.as_bytes())
    };
    let file = [("/run/five", Ok("$6$5$".to_owned()))];
    for mutable in [true, false] {
        assert_eq!(hash_for(&all, mutable, &file), "$6$5$");
        assert_eq!(
            hash_for(&all, mutable, &[("/run/five", Err("no".to_owned()))]),
            "!"
        );
        let all = User {
            hashed_password_file: None,
            ..all.clone()
        };
        assert!(is(&hash_for(&all, mutable, &[]), "four"));
        let all = User {
            password: None,
            ..all
        };
        let hash = hash_for(&all, mutable, &[]);
        assert!(
            if mutable {
                hash == "$6$3$"
            } else {
                is(&hash, "two")
            },
            "{mutable} {hash}"
        );
        let all = User {
            hashed_password: None,
            initial_password: None,
            ..all
        };
        assert_eq!(hash_for(&all, mutable, &[]), "$6$1$");
        assert_eq!(hash_for(&normal(), mutable, &[]), "!");
    }
}

#[test]
fn homes_are_made_but_not_taken_over() {
    let mut host = Host::load("debian12");
    let mut foreign = person("foreign");
    foreign.home = Some("/srv/data".parse().unwrap());
    let folder = |uid, mode| Home::Folder {
        uid,
        gid: 100,
        mode,
    };
    host.observed
        .homes
        .insert("/srv/data".to_owned(), folder(0, 0o755));
    let desired = accounts(
        [
            ("alice", person("alice")),
            ("foreign", foreign),
            ("web", service("users")),
        ],
        [],
    );
    expect![[r#"
        + user alice: uid 1001, gid 100, home /home/alice, shell /bin/bash, password locked, subordinate uids 165536:65536, subordinate gids 165536:65536
        + user foreign: uid 1002, gid 100, home /srv/data, shell /bin/bash, password locked, subordinate uids 231072:65536, subordinate gids 231072:65536
        + user web: uid 999, gid 100, home /var/empty, shell /usr/sbin/nologin, password locked
        warning: the home /srv/data of user `foreign` belongs to uid 0 and is left as it is
    "#]].assert_eq(&host.activate(&desired));
    let alice = host.observed.homes["/home/alice"].clone();
    assert_eq!(alice, folder(1001, 0o700));
    host.observed
        .homes
        .insert("/home/alice".to_owned(), folder(1001, 0o777));
    assert_eq!(
        host.plan(&desired).unwrap().homes.len(),
        1,
        "its mode is put right"
    );
    host.observed
        .homes
        .insert("/home/alice".to_owned(), Home::Other);
    assert_eq!(
        host.plan(&desired).unwrap().homes,
        [],
        "a link in its place is not followed"
    );
}

#[test]
fn lingering_goes_back_to_what_it_was() {
    let mut host = Host::load("debian12");
    host.observed.lingering = names(&["ann", "postgres"]);
    let linger = |group: &str, on| User {
        group: Some(group.to_owned()),
        linger: on,
        ..normal()
    };
    let desired = accounts(
        [
            ("ann", linger("ann", Some(false))),
            ("alice", linger("users", Some(true))),
            ("postgres", linger("postgres", None)),
        ],
        [],
    );
    host.activate(&desired);
    assert_eq!(host.observed.lingering, names(&["alice", "postgres"]));
    host.activate(&no_accounts());
    assert_eq!(host.observed.lingering, names(&["ann", "postgres"]));
}

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
    #![proptest_config(ProptestConfig::with_cases(48))]

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
