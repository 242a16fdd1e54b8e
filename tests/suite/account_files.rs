//! Carrying out account changes on the files of a temporary root.
//!
//! What needs root (owners, `useradd`) says so and checks nothing when run as somebody else.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use system_manager::face::accounts::{
    AccountsPlan, AccountsRecord, Inputs, NoNss, Scripts, Step, apply_accounts, apply_step,
    lock_accounts, no_accounts, observe_accounts, plan_accounts, read_record, salts, steps, sweep,
};
use system_manager::face::model::{Accounts, Group, User};
use tempfile::TempDir;

use crate::needs::{is_root, skip};

const FILES: [&str; 7] = [
    "passwd", "group", "shadow", "gshadow", "subuid", "subgid", "shells",
];

fn new_root() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let etc = root.path().join("etc");
    std::fs::create_dir(&etc).unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/accounts/debian12");
    for file in FILES.iter().chain(&["login.defs"]) {
        std::fs::copy(fixture.join(file), etc.join(file)).unwrap();
    }
    for file in ["shadow", "gshadow"] {
        let path = etc.join(file);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        std::os::unix::fs::chown(path, Some(0), Some(42)).unwrap();
    }
    root
}

fn desired() -> Accounts {
    let alice = User {
        uid: None,
        is_system_user: false,
        description: Some("Alice".to_owned()),
        group: Some("users".to_owned()),
        extra_groups: BTreeSet::from(["sudo".to_owned()]),
        home: Some("/home/alice".parse().unwrap()),
        home_mode: "750".to_owned(),
        create_home: true,
        shell: None,
        shell_fallback: None,
        hashed_password: None,
        password: None,
        hashed_password_file: None,
        initial_hashed_password: None,
        initial_password: Some("secret".to_owned()),
        expires: None,
        linger: Some(true),
        auto_sub_uid_gid_range: true,
        sub_uid_ranges: Vec::new(),
        sub_gid_ranges: Vec::new(),
    };
    let team = Group {
        gid: None,
        members: BTreeSet::from(["alice".to_owned()]),
    };
    Accounts {
        users: BTreeMap::from([("alice".to_owned(), alice)]),
        groups: BTreeMap::from([("team".to_owned(), team)]),
        ..no_accounts()
    }
}

fn plan(root: &Path, desired: &Accounts) -> AccountsPlan {
    let (record, warning) = read_record(root, false).unwrap();
    assert_eq!(warning, None);
    let observed = observe_accounts(root, desired, &record, false).unwrap();
    let salt = salts().unwrap();
    let inputs = Inputs {
        desired,
        record: &record,
        observed: &observed,
        nss: &NoNss,
        invoker: None,
        salt: &salt,
        scripts: Scripts::None,
    };
    plan_accounts(&inputs).unwrap()
}

fn activate(root: &Path, desired: &Accounts) -> AccountsPlan {
    let lock = lock_accounts(root).unwrap();
    let plan = plan(root, desired);
    apply_accounts(root, &plan, &lock, None).unwrap();
    plan
}

/// Name, content, mode and owner of every account file; passwords are salted anew each time, so `$6$` hashes are cut.
fn snapshot(root: &Path) -> BTreeMap<&'static str, (String, u32, u32, u32)> {
    FILES
        .iter()
        .map(|name| {
            let path = root.join("etc").join(name);
            let meta = path.metadata().unwrap();
            let text = std::fs::read_to_string(path).unwrap();
            let cut = |line: &str| match line.find("$6$") {
                Some(at) => line[..at + 3].to_owned(),
                None => line.to_owned(),
            };
            let text = text.split('\n').map(cut).collect::<Vec<_>>().join("\n");
            (*name, (text, meta.mode(), meta.uid(), meta.gid()))
        })
        .collect()
}

/// Nothing is left of files that were to be renamed, nor of locks.
fn assert_no_strays(etc: &Path) {
    let names: BTreeSet<String> = std::fs::read_dir(etc)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    let strays: Vec<&String> = names
        .iter()
        .filter(|n| n.ends_with(['+', 'k']) && *n != ".pwd.lock")
        .collect();
    assert!(strays.is_empty(), "{strays:?}");
}

#[test]
fn writes_only_what_changes_and_keeps_modes_labels_and_backups() {
    if !is_root() {
        return;
    }
    let root = new_root();
    let etc = root.path().join("etc");
    let before = snapshot(root.path());
    let labelled = xattr::set(etc.join("shadow"), "user.label", b"shadow_t").is_ok();
    let inode = |name: &str| etc.join(name).metadata().unwrap().ino();
    let shells = inode("shells");
    activate(root.path(), &desired());

    let after = snapshot(root.path());
    assert_eq!((after["shadow"].1 & 0o7777, after["shadow"].3), (0o640, 42));
    assert_eq!(
        inode("shells"),
        shells,
        "no shell was added, so the file is left alone"
    );
    if labelled {
        for name in ["shadow", "shadow-"] {
            assert_eq!(
                xattr::get(etc.join(name), "user.label").unwrap().as_deref(),
                Some(&b"shadow_t"[..])
            );
        }
    }
    let backup = etc.join("shadow-");
    assert_eq!(
        std::fs::read_to_string(&backup).unwrap(),
        before["shadow"].0
    );
    assert_eq!(backup.metadata().unwrap().mode() & 0o7777, 0o640);
    let home = root.path().join("home/alice").metadata().unwrap();
    assert_eq!(
        (home.mode() & 0o7777, home.uid(), home.gid()),
        (0o750, 1001, 100)
    );
    assert!(root.path().join("var/lib/systemd/linger/alice").exists());
    let record = root
        .path()
        .join("var/lib/system-manager/ids.json")
        .metadata()
        .unwrap();
    assert_eq!(record.mode() & 0o7777, 0o600, "it can hold hashes");

    let inodes: Vec<u64> = FILES.iter().map(|f| inode(f)).collect();
    assert!(activate(root.path(), &desired()).is_empty());
    assert_eq!(
        inodes,
        FILES.iter().map(|f| inode(f)).collect::<Vec<_>>(),
        "a second run writes nothing"
    );

    activate(root.path(), &no_accounts());
    assert_eq!(snapshot(root.path()), before);
    assert!(
        root.path().join("home/alice").exists(),
        "homes are never deleted"
    );
    assert!(!root.path().join("var/lib/systemd/linger/alice").exists());
    assert_no_strays(&etc);
}

#[test]
fn a_run_that_stops_after_any_step_is_made_whole() {
    if !is_root() {
        return;
    }
    let whole = new_root();
    let start = snapshot(whole.path());
    activate(whole.path(), &desired());
    let end = snapshot(whole.path());
    let count = steps(&plan(new_root().path(), &desired())).len();
    assert!(count > 8, "{count} steps");
    for stop in 0..=count {
        let root = new_root();
        let stopped = plan(root.path(), &desired());
        let lock = lock_accounts(root.path()).unwrap();
        for step in &steps(&stopped)[..stop] {
            apply_step(root.path(), &stopped, step, &lock, None).unwrap();
        }
        drop(lock);
        activate(root.path(), &desired());
        assert_eq!(
            snapshot(root.path()),
            end,
            "stopped after {stop} steps, then run again"
        );
        assert!(activate(root.path(), &desired()).is_empty());

        // Or it is stopped on the way back.
        let back = plan(root.path(), &no_accounts());
        let lock = lock_accounts(root.path()).unwrap();
        for step in steps(&back).iter().take(stop) {
            apply_step(root.path(), &back, step, &lock, None).unwrap();
        }
        drop(lock);
        activate(root.path(), &no_accounts());
        assert_eq!(
            snapshot(root.path()),
            start,
            "stopped after {stop} steps of removal, then run again"
        );
    }
}

#[test]
fn what_can_not_be_read_is_no_empty_file() {
    for (name, why) in [("shadow", "symbolic link"), ("passwd", "regular file")] {
        let root = new_root_as_anyone();
        let path = root.path().join("etc").join(name);
        std::fs::remove_file(&path).unwrap();
        if name == "shadow" {
            symlink("/dev/null", &path).unwrap();
        } else {
            std::fs::create_dir(&path).unwrap();
        }
        let error = observe_accounts(root.path(), &desired(), &AccountsRecord::default(), false)
            .err()
            .unwrap();
        let error = format!("{error:#}");
        assert!(
            error.contains(&format!("reading /etc/{name}")) && error.contains(why),
            "{error}"
        );
    }
}

fn new_root_as_anyone() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("etc")).unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/accounts/debian12");
    for file in FILES {
        std::fs::copy(fixture.join(file), root.path().join("etc").join(file)).unwrap();
    }
    root
}

#[test]
fn a_change_by_others_after_the_plan_is_not_written_over() {
    if !is_root() {
        return;
    }
    let root = new_root();
    let plan = plan(root.path(), &desired());
    let passwd = root.path().join("etc/passwd");
    let edited = std::fs::read_to_string(&passwd).unwrap() + "eve:x:1002:100:::/bin/sh\n";
    std::fs::write(&passwd, &edited).unwrap();
    let before = snapshot(root.path());
    let lock = lock_accounts(root.path()).unwrap();
    let error = apply_accounts(root.path(), &plan, &lock, None)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("another program has changed /etc/passwd"),
        "{error}"
    );
    assert_eq!(snapshot(root.path()), before, "nothing was written");
}

#[test]
fn a_home_behind_somebody_elses_link_is_refused() {
    if !is_root() {
        return;
    }
    let root = new_root();
    std::fs::create_dir_all(root.path().join("var/home")).unwrap();
    symlink("var/home", root.path().join("home")).unwrap();
    activate(root.path(), &desired());
    assert!(
        root.path().join("var/home/alice").is_dir(),
        "root's own link is followed"
    );

    let root = new_root();
    std::fs::create_dir_all(root.path().join("var/home")).unwrap();
    symlink("var/home", root.path().join("home")).unwrap();
    std::os::unix::fs::lchown(root.path().join("home"), Some(1000), None).unwrap();
    let error = observe_accounts(root.path(), &desired(), &AccountsRecord::default(), false)
        .err()
        .unwrap();
    assert!(format!("{error:#}").contains("symbolic link"), "{error:#}");
}

#[test]
fn a_damaged_record_is_refused_and_one_that_is_moved_away_is_rebuilt() {
    if !is_root() {
        return;
    }
    let root = new_root();
    activate(root.path(), &desired());
    let folder = root.path().join("var/lib/system-manager");
    let record = folder.join("ids.json");
    let good = read_record(root.path(), true).unwrap().0;
    std::fs::write(&record, vec![0; 4096]).unwrap();
    let refusal = || format!("{:#}", read_record(root.path(), true).unwrap_err());
    let (error, previous) = (refusal(), folder.join("ids.json.previous"));
    assert!(
        error.contains("its checksum is wrong") || error.contains("not JSON"),
        "{error}"
    );
    let copy = format!("`cp -a {} {}`", previous.display(), record.display());
    assert!(error.contains(&copy), "{error}");
    std::fs::remove_file(&record).unwrap();
    assert!(refusal().contains("is missing, although its previous version exists"));
    assert!(refusal().contains(&copy));
    std::fs::copy(&previous, &record).unwrap();
    let mut put_back = read_record(root.path(), true).unwrap().0;
    put_back.claims.commit();
    assert_eq!(put_back, good, "the one before it had the same claims");

    std::fs::write(&previous, b"").unwrap();
    std::fs::write(&record, b"{").unwrap();
    let moved = folder.join("ids.json.damaged");
    let remedy = format!("`mv {} {}`", record.display(), moved.display());
    assert!(refusal().contains(&remedy), "{}", refusal());
    std::fs::rename(&record, &moved).unwrap();
    let (rebuilt, warning) = read_record(root.path(), true).unwrap();
    assert_eq!(rebuilt.uids["alice"], good.uids["alice"]);
    assert!(rebuilt.owns_nothing() && warning.unwrap().contains("does not exist"));
    assert_eq!(
        read_record(root.path(), false).unwrap(),
        (AccountsRecord::default(), None)
    );
}

#[test]
fn stale_locks_are_broken_and_live_ones_are_respected() {
    if !is_root() {
        return;
    }
    let root = new_root();
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let link = root.path().join("etc/passwd.lock");
    std::fs::write(&link, format!("{}\0", child.id())).unwrap();
    drop(lock_accounts(root.path()).unwrap());
    assert!(!link.exists());

    // Ours have a mark: whatever is in them, a pid that lives again or nothing, their holder is dead.
    let own = format!("{}\0", std::process::id());
    for text in ["", &own] {
        std::fs::write(&link, text).unwrap();
        xattr::set(&link, "trusted.system-manager", b"lock").unwrap();
        std::fs::write(root.path().join("etc/shadow-+"), "cut").unwrap();
        sweep(root.path()).unwrap();
        assert!(!link.exists() && !root.path().join("etc/shadow-+").exists());
    }
    // Others' is theirs.
    std::fs::write(root.path().join("etc/shadow-+"), "theirs").unwrap();
    sweep(root.path()).unwrap();
    assert!(root.path().join("etc/shadow-+").exists());

    // A living holder that lets go after the first failed tries.
    let mut holder = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    std::fs::write(&link, format!("{}\0", holder.id())).unwrap();
    let release = std::thread::spawn({
        let link = link.clone();
        move || {
            drop(holder.stdin.take());
            holder.wait().unwrap();
            std::fs::remove_file(&link).ok();
        }
    });
    drop(lock_accounts(root.path()).unwrap());
    release.join().unwrap();
}

/// Adds 24 users with the distribution's own program, and tells after each.
fn add_users(path: &Path, added: &std::sync::mpsc::Sender<()>) {
    for number in 0..24 {
        let way = if number % 8 == 7 {
            "--prefix"
        } else {
            "--root"
        };
        let mut useradd = Command::new("/usr/sbin/useradd");
        useradd.args([
            way,
            path.to_str().unwrap(),
            "--no-create-home",
            &format!("user{number}"),
        ]);
        loop {
            let output = useradd.output().unwrap();
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            if output.status.success() {
                added.send(()).unwrap();
                break;
            }
            // With `--prefix` it tries a lock only once, and says so.
            let busy = way == "--prefix" && error.contains("try again later");
            assert!(busy, "{error}");
        }
    }
}

#[test]
fn useradd_at_the_same_time_loses_no_line_on_either_side() {
    if !is_root() {
        return;
    }
    if !Path::new("/usr/sbin/useradd").exists() {
        return skip("there is no useradd (apt-get install passwd)");
    }
    let root = new_root();
    let path = root.path().to_owned();
    let before = snapshot(&path);
    let (added, one_more) = std::sync::mpsc::channel();
    let adding = std::thread::spawn(move || add_users(&path, &added));
    let mut rounds = 0;
    loop {
        activate(root.path(), &desired());
        activate(root.path(), &no_accounts());
        rounds += 1;
        // Both sides want the locks at the same time, and each gets its turn.
        if one_more.recv().is_err() {
            break;
        }
    }
    adding.join().unwrap();
    activate(root.path(), &desired());
    assert!(rounds > 12, "both sides ran at the same time: {rounds}");
    let both = snapshot(root.path());
    let has = |name: &str, file: &str| {
        both[file]
            .0
            .lines()
            .any(|l| l.starts_with(&format!("{name}:")))
    };
    for name in (0..24)
        .map(|n| format!("user{n}"))
        .chain(["alice".to_owned()])
    {
        for file in ["passwd", "shadow", "subuid", "subgid"] {
            assert!(has(&name, file), "{name} is missing in {file}");
        }
    }
    let uids: Vec<&str> = both["passwd"]
        .0
        .lines()
        .filter_map(|l| l.split(':').nth(2))
        .collect();
    assert_eq!(
        uids.len(),
        uids.iter().collect::<BTreeSet<_>>().len(),
        "an id was given twice"
    );
    for line in before["passwd"].0.lines() {
        assert!(both["passwd"].0.contains(line), "{line}");
    }
}

#[test]
fn steps_claim_first_and_finish_last() {
    let root = new_root_as_anyone();
    let steps = steps(&plan(root.path(), &desired()));
    assert_eq!(
        (steps.first(), steps.last()),
        (Some(&Step::Claim), Some(&Step::Finish))
    );
}
