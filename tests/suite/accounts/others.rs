//! Passwords, homes, lingering, and files that a host may lack.

use super::*;

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
