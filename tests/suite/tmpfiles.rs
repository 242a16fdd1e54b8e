//! Predictions against the host's own systemd-tmpfiles: random rules on random trees, compared both ways.
//!
//! Runs as root only, since trees have owners; without systemd-tmpfiles it fails.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Seek, Write};
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use system_manager::face::accounts::read_owners;
use system_manager::face::host::Root;
use system_manager::face::model::{Kind, Object, sha256_of};
use system_manager::face::store::{Backups, Claiming, Owned, Record as _};
use system_manager::face::tmpfiles;
use system_manager::face::tmpfiles::{
    Applied, Facts, Host, Made, RulesFile, Specifiers, TmpfilesPlan, TmpfilesRecord, plan_tmpfiles,
    verify,
};

use crate::chance;
use crate::needs::is_root;

/// Something that stands in a tree before the rules are applied.
#[derive(Debug, Clone)]
enum Before {
    Folder(u32, u32),
    File(&'static str, u32, u32),
    Link(&'static str, u32),
    Pipe,
}

const PATHS: [&str; 14] = [
    "/a", "/b", "/c", "/a/a", "/a/b", "/b/a", "/b/b", "/a/a/a", "/a/b/a", "/b/a/a", "/b/a/b/a",
    "/a/c", "/c/a", "/a/a/.h",
];
const PATTERNS: [&str; 8] = [
    "/a", "/a/*", "/*/a", "/{a,b}/?", "/b/[a-b]", "/a/[!a]", "/*", "/c/*/a",
];

fn tree() -> impl Strategy<Value = BTreeMap<usize, Before>> {
    let modes = prop::sample::select(vec![0o755, 0o700, 0o2775, 0o640, 0o4755]);
    let owners = prop::sample::select(vec![0_u32, 0, 0, 1, 2]);
    let folder = (modes.clone(), owners.clone()).prop_map(|(m, o)| Before::Folder(m, o));
    let file = (
        prop::sample::select(vec!["", "x", "hi"]),
        modes,
        owners.clone(),
    )
        .prop_map(|(c, m, o)| Before::File(c, m, o));
    let link = (
        prop::sample::select(vec!["a", "b", "../b", "c", "none", "./a/b"]),
        owners,
    )
        .prop_map(|(to, o)| Before::Link(to, o));
    let object = prop_oneof![4 => folder, 2 => file, 1 => link, 1 => Just(Before::Pipe)];
    prop::collection::btree_map(0..PATHS.len(), object, 0..6)
}

fn rule() -> impl Strategy<Value = String> {
    let field = |values: Vec<&'static str>| prop::sample::select(values);
    let mode = field(vec![
        "-", "-", "0755", "0700", "2750", "~0757", ":0711", "~:0600",
    ]);
    let owner = field(vec!["-", "-", "-", "0", "1", "bin", ":2", "daemon"]);
    let creating = (
        field(vec![
            "d", "D", "v", "q", "Q", "f", "f", "f+", "F", "p", "p+", "L", "L+", "C", "d=", "f=",
            "L=", "p=", "f~", "d-", "d!", "x", "r", "R", "D=", "F=", "f+=", "L+=", "C=", "C+",
            "q=", "f^",
        ]),
        prop::sample::select(PATHS.to_vec()),
        mode.clone(),
        owner.clone(),
        owner.clone(),
        field(vec!["", "x", "a", "b", r"\x41%%"]),
    )
        .prop_map(|(kind, path, mode, user, group, argument)| {
            let argument = match kind {
                _ if kind.starts_with('C') => "/src",
                "f~" => "aGk=",
                "f^" => "credential",
                _ => argument,
            };
            // Releases differ in whether a copy into an empty folder counts as new.
            let plain = |field: &'static str| {
                if kind.starts_with('C') && field.contains(':') {
                    "-"
                } else {
                    field
                }
            };
            let (mode, user, group) = (plain(mode), plain(user), plain(group));
            format!("{kind} {path} {mode} {user} {group} - {argument}")
        });
    let adjusting = (
        field(vec!["z", "Z", "m", "e"]),
        prop::sample::select(PATTERNS.to_vec()),
        mode,
        owner.clone(),
        owner,
    )
        .prop_map(|(kind, path, mode, user, group)| {
            format!("{kind} '{path}' {mode} {user} {group}")
        });
    prop_oneof![3 => creating, 1 => adjusting]
}

fn build(root: &Path, tree: &BTreeMap<usize, Before>) {
    for folder in ["etc", "src/d"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::write(
        root.join("etc/passwd"),
        "root:x:0:0::/:\ndaemon:x:1:1::/:\nbin:x:2:2::/:\n",
    )
    .unwrap();
    fs::write(root.join("etc/group"), "root:x:0:\ndaemon:x:1:\nbin:x:2:\n").unwrap();
    fs::write(root.join("src/f"), "source\n").unwrap();
    fs::set_permissions(root.join("src/f"), fs::Permissions::from_mode(0o640)).unwrap();
    chown(root.join("src/f"), Some(2), Some(1)).unwrap();
    symlink("f", root.join("src/l")).unwrap();
    // Shorter paths first, so that folders come before what is in them; what then does not fit is left out.
    let mut sorted: Vec<_> = tree.iter().collect();
    sorted.sort_by_key(|(n, _)| PATHS[**n].len());
    for (n, object) in sorted {
        let path = root.join(&PATHS[*n][1..]);
        let above = path.parent().unwrap();
        if fs::create_dir_all(above).is_err() || fs::canonicalize(above).unwrap() != above {
            continue;
        }
        match object {
            Before::Folder(mode, owner) => {
                fs::create_dir_all(&path).unwrap();
                chown(&path, Some(*owner), Some(*owner)).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
            }
            Before::File(content, mode, owner) => {
                fs::write(&path, content).unwrap();
                chown(&path, Some(*owner), Some(*owner)).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
            }
            // It would lead out of this root, where there is no way out of the real one.
            Before::Link(to, _) if to.starts_with("..") && above == root => {}
            Before::Link(to, owner) => {
                symlink(to, &path).unwrap();
                lchown(&path, Some(*owner), Some(*owner)).unwrap();
            }
            Before::Pipe => {
                nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o644))
                    .unwrap();
            }
        }
    }
}

/// Everything below a root, with the digests of all contents.
pub(crate) fn snapshot(root: &Root) -> BTreeMap<String, Object> {
    fn visit(root: &Root, folder: &str, all: &mut BTreeMap<String, Object>) {
        for name in root.names(folder).unwrap() {
            let path = format!("{}/{name}", folder.trim_end_matches('/'));
            let mut object = root.object(&path).unwrap().unwrap();
            match &mut object.kind {
                Kind::Folder => visit(root, &path, all),
                Kind::File { content } => {
                    *content = Some(sha256_of(root.content(&path).unwrap().as_slice()).unwrap());
                }
                _ => {}
            }
            all.insert(path, object);
        }
    }
    let mut all = BTreeMap::new();
    visit(root, "/", &mut all);
    all
}

pub(crate) fn plan(root: &Root, rules: &str, recorded: &BTreeMap<String, Made>) -> TmpfilesPlan {
    let mut recorded = record_of(recorded);
    plan_with(root, rules, &mut recorded)
}

fn record_of(made: &BTreeMap<String, Made>) -> TmpfilesRecord {
    let at_rest =
        |(path, made): (&String, &Made)| (path.clone(), Owned::at_rest(Some(made.clone())));
    TmpfilesRecord {
        made: made.iter().map(at_rest).collect(),
        failed: Vec::new(),
    }
}

fn plan_with(root: &Root, rules: &str, recorded: &mut TmpfilesRecord) -> TmpfilesPlan {
    let ours = [RulesFile {
        name: "50-ours.conf".to_owned(),
        path: "/etc/tmpfiles.d/50-ours.conf".parse().unwrap(),
        content: rules.as_bytes().to_vec(),
    }];
    recorded.settle(&tmpfiles::observe(root, recorded).unwrap());
    plan_with_conflicts(root, if rules.is_empty() { &[] } else { &ours }, recorded).0
}

pub(crate) fn plan_with_conflicts(
    root: &Root,
    ours: &[RulesFile],
    recorded: &TmpfilesRecord,
) -> (TmpfilesPlan, Vec<String>) {
    let (plan, conflicts) = plan_tmpfiles(&Facts {
        ours,
        foreign: &[],
        recorded,
        specifiers: &Specifiers::default(),
        owners: &read_owners(root).unwrap(),
        host: root,
    })
    .unwrap();
    (plan, conflicts.into_iter().map(|c| c.subject).collect())
}

/// What the tree must look like when exactly the plan happens.
pub(crate) fn predicted(
    before: &BTreeMap<String, Object>,
    plan: &TmpfilesPlan,
) -> BTreeMap<String, Object> {
    let mut after = before.clone();
    for change in &plan.changes {
        let covered = change.after.as_ref().is_none_or(|o| o.kind != Kind::Folder);
        if covered {
            let below = format!("{}/", change.path);
            let inside = after.range(below.clone()..).map(|(path, _)| path.clone());
            let inside: Vec<_> = inside.take_while(|path| path.starts_with(&below)).collect();
            for path in inside {
                after.remove(&path);
            }
        }
        match &change.after {
            None => {
                after.remove(&change.path);
            }
            Some(object) => {
                let mut object = object.clone();
                if object.kind == (Kind::File { content: None }) {
                    object.kind = after[&change.path].kind.clone();
                }
                after.insert(change.path.clone(), object);
            }
        }
    }
    after
}

pub(crate) fn create(root: &Root, rules: &str) -> String {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(rules.as_bytes()).unwrap();
    file.rewind().unwrap();
    let done = Command::new("systemd-tmpfiles")
        .arg(format!("--root={}", root.show(Path::new("")).display()))
        .args(["--create", "--exclude-prefix=/dev", "-"])
        .stdin(file)
        .output()
        .unwrap();
    root.forget_last();
    String::from_utf8_lossy(&done.stderr).into_owned()
}

pub(crate) fn differences(
    expected: &BTreeMap<String, Object>,
    found: &BTreeMap<String, Object>,
) -> Vec<String> {
    let paths = expected.keys().chain(found.keys());
    let mut rows: Vec<String> = paths
        .filter(|p| expected.get(*p) != found.get(*p))
        .map(|p| {
            format!(
                "{p}: predicted {:?}, found {:?}",
                expected.get(p),
                found.get(p)
            )
        })
        .collect();
    rows.sort();
    rows.dedup();
    rows
}

#[test]
fn what_is_predicted_is_what_systemd_tmpfiles_does() {
    if !is_root() {
        return;
    }
    let rules = prop::collection::vec(rule(), 1..6);
    TestRunner::new(chance::cases(300))
        .run(&(tree(), rules), |(tree, rules)| {
            let folder = tempfile::tempdir().unwrap();
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
            build(folder.path(), &tree);
            let root = Root::open(folder.path(), false).unwrap();
            let rules = rules.join("\n");
            let before = snapshot(&root);
            let first = plan(&root, &rules, &BTreeMap::new());
            let log = create(&root, &rules);
            let after = snapshot(&root);
            let wrong = differences(&predicted(&before, &first), &after);
            prop_assert!(wrong.is_empty(), "{}\n{}\n{log}", rules, wrong.join("\n"));
            for change in &first.changes {
                prop_assert_ne!(
                    before.get(&change.path),
                    after.get(&change.path),
                    "{} did not change\n{}",
                    change.path,
                    rules
                );
            }
            let fails = first.remarks.iter().filter(|r| r.fails).count();
            prop_assert_eq!(verify(&first, &root).unwrap().len(), fails);
            let second = plan(&root, &rules, &first.made);
            // What goes with its rule goes first.
            let undo = TmpfilesPlan {
                files: Vec::new(),
                ..second.clone()
            };
            tmpfiles::apply(&root, &undo).unwrap();
            create(&root, &rules);
            let again = differences(&predicted(&after, &second), &snapshot(&root));
            prop_assert!(again.is_empty(), "again:\n{}\n{}", rules, again.join("\n"));
            Ok(())
        })
        .unwrap();
}

const RULES: &str = "\
d /var/lib/app 0750 1 1
f /var/lib/app/empty
f /var/lib/app/data - - - - hello
L+ /run/app/sw - - - - /nix/store/one
L /run/current - - - - /var/lib/current
p /run/app/pipe
";

/// A root with a link that a rule replaces, planned, applied and recorded.
fn applied() -> (tempfile::TempDir, Root, BTreeMap<String, Made>) {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(folder.path().join("run/app")).unwrap();
    symlink("/foreign", folder.path().join("run/app/sw")).unwrap();
    let root = Root::open(folder.path(), false).unwrap();
    let first = plan(&root, RULES, &BTreeMap::new());
    create(&root, RULES);
    (folder, root, first.made)
}

fn undone(plan: &TmpfilesPlan) -> Vec<&str> {
    plan.undo.iter().map(|u| u.path.as_str()).collect()
}

#[test]
fn what_rules_made_goes_with_them_and_content_stays() {
    if !is_root() {
        return;
    }
    let (_folder, root, made) = applied();
    let gone = plan(&root, "", &made);
    assert_eq!(
        undone(&gone),
        [
            "/var/lib/app/empty",
            "/run/current",
            "/run/app/sw",
            "/run/app/pipe"
        ]
    );
    assert_eq!(
        gone.stays,
        ["/var", "/var/lib", "/var/lib/app", "/var/lib/app/data"]
    );
    assert!(gone.made.is_empty());
    let shown: Vec<&str> = gone.changes.iter().map(|c| c.path.as_str()).collect();
    assert_eq!(
        shown,
        [
            "/run/app/pipe",
            "/run/app/sw",
            "/run/current",
            "/var/lib/app/empty"
        ]
    );
    let applied = tmpfiles::apply(&root, &gone).unwrap();
    assert_eq!(applied, Applied::default());
    let rest: Vec<String> = snapshot(&root).into_keys().collect();
    assert_eq!(
        rest,
        [
            "/run",
            "/run/app",
            "/run/app/sw",
            "/var",
            "/var/lib",
            "/var/lib/app",
            "/var/lib/app/data"
        ]
    );
    let link = root.object("/run/app/sw").unwrap().unwrap().kind;
    assert_eq!(
        link,
        Kind::Link {
            to: "/foreign".to_owned()
        },
        "what it replaced is back"
    );
}

#[test]
fn what_others_changed_is_not_undone() {
    if !is_root() {
        return;
    }
    let (folder, root, made) = applied();
    fs::remove_file(folder.path().join("run/current")).unwrap();
    symlink("/elsewhere", folder.path().join("run/current")).unwrap();
    fs::write(folder.path().join("var/lib/app/empty"), "not any more").unwrap();
    let gone = plan(&root, "", &made);
    assert_eq!(undone(&gone), ["/run/app/sw", "/run/app/pipe"]);
}

#[test]
fn what_comes_in_after_the_plan_is_not_lost() {
    if !is_root() {
        return;
    }
    let (folder, root, made) = applied();
    let gone = plan(&root, "", &made);
    let empty = folder.path().join("var/lib/app/empty");
    fs::write(&empty, "not any more").unwrap();
    let applied = tmpfiles::apply(&root, &gone).unwrap();
    let problem = &applied.problems[0];
    assert!(
        problem.contains("/var/lib/app/empty has changed"),
        "{problem}"
    );
    let mut record = TmpfilesRecord::default();
    record.commit(&gone);
    record.note(&applied);
    let left: Vec<&String> = record.made.keys().collect();
    assert_eq!(left, ["/var/lib/app/empty"], "it is ours still");
    assert_eq!(record.failed, applied.problems);
    assert_eq!(fs::read_to_string(empty).unwrap(), "not any more");
}

#[test]
fn a_link_whose_rule_changes_is_made_anew() {
    if !is_root() {
        return;
    }
    let (_folder, root, made) = applied();
    let rules = RULES.replace("/var/lib/current", "/var/lib/other");
    let next = plan(&root, &rules, &made);
    assert_eq!(undone(&next), ["/run/current"]);
    let mut record = record_of(&made);
    let backups = &mut Backups::default();
    record.claim(&next, &mut Claiming { backups, now: 0 });
    assert_eq!(
        plan_with(&root, &rules, &mut record.clone()).undo,
        next.undo,
        "after a kill, before it happened"
    );
    tmpfiles::apply(
        &root,
        &TmpfilesPlan {
            files: Vec::new(),
            ..next.clone()
        },
    )
    .unwrap();
    create(&root, &rules);
    assert_eq!(verify(&next, &root).unwrap(), Vec::<String>::new());
    let again = plan_with(&root, &rules, &mut record);
    assert!(
        again.changes.is_empty() && again.undo.is_empty(),
        "{again:?}"
    );
    assert_eq!(again.made, next.made);
}
