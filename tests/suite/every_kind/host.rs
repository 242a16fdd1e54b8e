//! A host with something of everything, in memory, and what of it must be the same afterwards.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;
use tempfile::TempDir;

use super::sources::Sources;
use crate::cli::story::{PROGRAM, Standing, read_tree_without};

/// What stands where.
pub type Tree = crate::cli::story::Tree;

/// Something that the distribution, or somebody, has put where a configuration may want something.
#[derive(Debug, Clone)]
pub struct Foreign {
    place: &'static str,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    File {
        text: u8,
        mode: u32,
        owner: u32,
        attribute: bool,
    },
    Link(&'static str),
    Folder(u32),
    Pipe,
}

const PLACES: [&str; 12] = [
    "a",
    "a/b",
    "c",
    "c/d",
    "motd",
    "folder",
    "folder/inside",
    "crontab",
    "systemd/system/a.service",
    "tmpfiles.d/x.conf",
    "systemd/system/multi-user.target.wants",
    "with a space",
];

/// Gives what may be there before.
pub fn foreign() -> impl Strategy<Value = Vec<Foreign>> {
    let file = (
        0..3_u8,
        select(vec![0o644, 0o640, 0o2755]),
        0..2_u32,
        prop::bool::ANY,
    )
        .prop_map(|(text, mode, owner, attribute)| What::File {
            text,
            mode,
            owner,
            attribute,
        });
    let what = prop_oneof![
        6 => file,
        1 => select(vec!["/dev/null", "nowhere", "theirs"]).prop_map(What::Link),
        1 => select(vec![0o755, 0o700, 0o2775]).prop_map(What::Folder),
        1 => Just(What::Pipe),
    ];
    prop::collection::vec(
        (select(PLACES.to_vec()), what).prop_map(|(place, what)| Foreign { place, what }),
        0..4,
    )
}

/// How a run ended, and what it said on both streams.
pub struct Ran {
    pub code: i32,
    pub said: String,
}

/// The host.
pub struct Host {
    folder: TempDir,
    sources: &'static Sources,
}

impl Host {
    /// Makes one with the distribution's files, and these.
    pub fn new(sources: &'static Sources, foreign: &[Foreign]) -> Self {
        let host = Self {
            folder: crate::world::scratch(),
            sources,
        };
        for (path, text) in [
            (
                "etc/passwd",
                "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/:/bin/sh\ncarol:x:1000:1000::/home/carol:/bin/sh\n",
            ),
            (
                "etc/group",
                "root:x:0:\nsudo:x:27:carol\nshadow:x:42:\nweb:x:34:\ncarol:x:1000:\n",
            ),
            (
                "etc/shadow",
                "root:$6$a$b:19000:0:99999:7:::\nweb:*:19000:0:99999:7:::\ncarol:$6$c$d:19000:0:99999:7:::\n",
            ),
            (
                "etc/gshadow",
                "root:*::\nsudo:*::carol\nshadow:*::\nweb:!::\ncarol:!::\n",
            ),
            ("etc/subuid", "carol:100000:65536\n"),
            ("etc/subgid", "carol:100000:65536\n"),
            ("etc/login.defs", "UID_MIN 1000\n"),
            ("etc/os-release", "ID=debian\n"),
            ("etc/shells", "/bin/sh\n"),
            ("etc/hosts", "theirs, without an end"),
            ("etc/theirs", "theirs\n"),
            ("etc/hash", "$6$x$y\n"),
            ("etc/hostname", "theirs\n"),
            ("usr/share/zoneinfo/Etc/UTC", "zone\n"),
            ("etc/skel/.profile", "theirs\n"),
            ("etc/theirs-too/inside", "theirs\n"),
            ("tmpf/there/content", "theirs\n"),
            (
                "usr/lib/systemd/system/host.service",
                "[Service]\nExecStart=/bin/true\n",
            ),
            (
                "usr/lib/systemd/system/dbus.service",
                "[Service]\nExecStart=/bin/true\n",
            ),
            (
                "usr/lib/systemd/system/multi-user.target",
                "[Unit]\nDescription=x\n",
            ),
            ("usr/lib/tmpfiles.d/theirs.conf", "d /run/theirs\n"),
        ] {
            host.write(path, text);
        }
        for folder in ["var/lib", "home", "root", "run", "tmp", "dev", "usr/sbin"] {
            fs::create_dir_all(host.root().join(folder)).unwrap();
        }
        host.write("dev/null", "");
        host.write("usr/sbin/nologin", "");
        for one in foreign {
            host.place(one);
        }
        sources.install_scripts(&host.root());
        host
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// What has no place, or stands where something is already, is left out.
    fn place(&self, foreign: &Foreign) {
        let path = self.root().join("etc").join(foreign.place);
        if fs::create_dir_all(path.parent().unwrap()).is_err() || path.symlink_metadata().is_ok() {
            return;
        }
        match &foreign.what {
            What::File {
                text,
                mode,
                owner,
                attribute,
            } => {
                fs::write(&path, format!("theirs {text}\n")).unwrap();
                chown(&path, Some(*owner), Some(*owner)).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
                if *attribute {
                    xattr::set(&path, "trusted.note", b"theirs").unwrap();
                }
            }
            What::Link(to) => symlink(to, &path).unwrap(),
            What::Folder(mode) => {
                fs::create_dir(&path).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
            }
            What::Pipe => nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRUSR).unwrap(),
        }
    }

    /// Writes the toplevel of a manifest.
    pub fn build(&self, manifest: &Value) -> String {
        self.sources.toplevel(manifest).to_str().unwrap().to_owned()
    }

    /// Runs the program.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let output = Command::new(PROGRAM)
            .arg("--root")
            .arg(self.root())
            .args(arguments)
            .env("RUST_BACKTRACE", "0")
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        Ran {
            code: output.status.code().unwrap_or(-1),
            said: String::from_utf8_lossy(&said).into_owned(),
        }
    }

    /// Reads all of the host, but for the shell, the lock, its folder, and what scripts write down.
    pub fn tree(&self) -> Tree {
        let mut tree = read_tree_without(&self.root(), "bin");
        let is_of_scripts = |path: &str| path == "ran" || path.starts_with("run/system-manager");
        tree.retain(|path, _| {
            !is_of_scripts(path)
                && ![
                    "var/lib/system-manager",
                    "var/lib/system-manager/lock",
                    "etc/.pwd.lock",
                ]
                .contains(&path.as_str())
        });
        tree
    }
}

/// Gives the paths at which two trees differ.
pub fn differences(one: &Tree, other: &Tree) -> Vec<String> {
    let is_record = |path: &&String| path.starts_with("var/lib/system-manager/");
    let mut paths: Vec<&String> = one
        .keys()
        .chain(other.keys())
        .filter(|p| !is_record(p))
        .collect();
    paths.sort();
    paths.dedup();
    let different = paths
        .into_iter()
        .filter(|path| one.get(*path) != other.get(*path));
    different
        .map(|path| format!("{path}: {:?} became {:?}", one.get(path), other.get(path)))
        .collect()
}

/// What is not as it was, though nothing of ours is there any more.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// What is gone or other than it was.
    lost: Vec<String>,
    /// What was not there.
    more: Vec<String>,
}

/// Databases and files that take lines of ours: their content comes back in a new file.
const REWRITTEN: [&str; 14] = [
    "passwd",
    "group",
    "shadow",
    "gshadow",
    "subuid",
    "subgid",
    "shells",
    "hosts",
    "theirs",
    "crontab",
    "bash.bashrc",
    "folder/lines",
    "new-lines",
    "a",
];

/// Compares a host with what it was before anything of ours was there.
pub fn left(before: &Tree, after: &Tree, _foreign: &[Foreign]) -> Left {
    let mut left = Left::default();
    for (path, was) in before {
        let is_rewritten = path
            .strip_prefix("etc/")
            .is_some_and(|name| REWRITTEN.contains(&name));
        let same =
            |now: &&Standing| now.what == was.what && (is_rewritten || time(now) == time(was));
        // Rules may change what they name, for good.
        if !is_of_rules(path) && !after.get(path).is_some_and(|now| same(&now)) {
            left.lost
                .push(format!("{path}: {was:?} became {:?}", after.get(path)));
        }
    }
    for (path, now) in after {
        if !before.contains_key(path) && !may_stay(path, now, after) {
            left.more.push(format!("{path}: {now:?}"));
        }
    }
    left
}

fn time(standing: &Standing) -> Option<(i64, i64)> {
    standing
        .identity
        .map(|(_, seconds, nanoseconds)| (seconds, nanoseconds))
}

/// Whether rules of tmpfiles have a path to themselves.
fn is_of_rules(path: &str) -> bool {
    let places = ["tmpf", "etc/tmpf", "run/tmpf", "var/lib/tmpf"];
    places
        .iter()
        .any(|place| Path::new(path).starts_with(place))
}

/// What is left by design: homes, what rules have made with content, the databases before the last change, the record.
fn may_stay(path: &str, now: &Standing, after: &Tree) -> bool {
    let is_home = [
        "home/",
        "nowhere",
        "var/lib/x",
        "var/empty",
        "var/lib/systemd",
    ]
    .iter()
    .any(|home| path.starts_with(home));
    let name = path
        .strip_prefix("etc/")
        .and_then(|name| name.strip_suffix('-'));
    let is_backup = name.is_some_and(|name| REWRITTEN[..6].contains(&name));
    let is_record = [
        "state.json",
        "state.json.previous",
        "ids.json",
        "ids.json.previous",
        "history.json",
        "backups",
    ]
    .iter()
    .any(|name| path == format!("var/lib/system-manager/{name}"));
    let has_content = |at: &str, standing: &Standing| {
        standing.what.starts_with("file ")
            && !standing.what.starts_with("file \"\"")
            && is_of_rules(at)
    };
    let holds_content = || {
        let below = format!("{path}/");
        after
            .iter()
            .any(|(at, standing)| at.starts_with(&below) && has_content(at, standing))
    };
    is_home
        || is_backup
        || is_record
        || (is_of_rules(path) && (has_content(path, now) || holds_content()))
}
