//! A host on a temporary root, with the configurations that it is switched to and the people who interfere.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;
use system_manager::face::activation::{Goal, How, Plan, Progress, State};
use system_manager::face::cli::{ApplyArgs, Failure, activate};
use system_manager::face::host::Root;
use system_manager::face::model::Node;
use tempfile::TempDir;

/// The targets that configurations want; some lie below others, so that files become folders and back.
const TARGETS: [&str; 8] = ["a", "a/b", "a/b/c", "a/d", "e", "e/f", "e/g", "h"];
/// Where people interfere: at the targets, and beside them.
const PLACES: [&str; 13] = [
    "a",
    "a/b",
    "a/b/c",
    "a/d",
    "e",
    "e/f",
    "e/g",
    "h",
    "a/x",
    "e/x",
    "y",
    "hostname",
    "localtime",
];

/// What is to be reached.
#[derive(Debug, Clone)]
pub enum Aim {
    /// A configuration: what it wants at each target, and which name and zone the host has.
    Activate(BTreeMap<&'static str, Wish>, Option<u8>),
    /// Nothing managed.
    Deactivate,
}

/// What a configuration wants at a target.
#[derive(Debug, Clone)]
pub struct Wish {
    content: u8,
    mode: &'static str,
    owner: &'static str,
    replace: bool,
}

/// What someone does by hand.
#[derive(Debug, Clone)]
pub struct Tamper {
    place: &'static str,
    what: Hand,
}

#[derive(Debug, Clone)]
enum Hand {
    File { content: u8, mode: u32, owner: u32 },
    Link(&'static str),
    Folder,
    Pipe,
    Gone,
}

/// Someone interferes, then a goal is reached for.
#[derive(Debug, Clone)]
pub struct Step {
    /// What someone did before.
    pub before: Vec<Tamper>,
    /// What is to be reached.
    pub aim: Aim,
}

/// Gives random goals.
pub fn aims() -> impl Strategy<Value = Aim> {
    let wish = (
        0..3_u8,
        select(vec!["symlink", "symlink", "0644", "0600", "4755"]),
        select(vec!["root", "+1"]),
        prop::bool::weighted(0.8),
    )
        .prop_map(|(content, mode, owner, replace)| Wish {
            content,
            mode,
            owner,
            replace,
        });
    let wishes = prop::collection::btree_map(select(TARGETS.to_vec()), wish, 0..5);
    let activate = (wishes, prop::option::of(0..3_u8)).prop_map(|(all, basics)| {
        let mut kept: BTreeMap<&str, Wish> = BTreeMap::new();
        for (target, wish) in all {
            // Targets come sorted, those above first; nothing can lie below a file.
            if !kept.keys().any(|k| target.starts_with(&format!("{k}/"))) {
                kept.insert(target, wish);
            }
        }
        Aim::Activate(kept, basics)
    });
    prop_oneof![6 => activate, 1 => Just(Aim::Deactivate)]
}

/// Gives what people do by hand.
pub fn tampers() -> impl Strategy<Value = Vec<Tamper>> {
    let hand = prop_oneof![
        4 => (0..5_u8, select(vec![0o644, 0o640, 0o4755]), 0..2_u32)
            .prop_map(|(content, mode, owner)| Hand::File { content, mode, owner }),
        2 => select(vec!["/dev/null", "nowhere", "."]).prop_map(Hand::Link),
        1 => Just(Hand::Folder),
        1 => Just(Hand::Pipe),
        2 => Just(Hand::Gone),
    ];
    let tamper = (select(PLACES.to_vec()), hand).prop_map(|(place, what)| Tamper { place, what });
    prop::collection::vec(tamper, 0..3)
}

/// Gives walks of up to `most` steps.
pub fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = (tampers(), aims()).prop_map(|(before, aim)| Step { before, aim });
    prop::collection::vec(step, 1..=most)
}

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stuff {
    /// A symbolic link.
    Link(String),
    /// A regular file.
    File {
        sha256: String,
        mode: u32,
        uid: u32,
        gid: u32,
    },
    /// A folder.
    Folder { mode: u32 },
    /// Anything else.
    Special,
}

impl Stuff {
    /// Gives what a plan says that there will be.
    pub fn of(node: &Node) -> Option<Self> {
        match node {
            Node::Absent | Node::Blocked { .. } => None,
            Node::Link { to } => Some(Self::Link(to.to_string())),
            Node::File {
                sha256,
                mode,
                uid,
                gid,
            } => Some(Self::File {
                sha256: sha256.clone(),
                mode: *mode,
                uid: *uid,
                gid: *gid,
            }),
            Node::Folder => Some(Self::Folder { mode: 0o755 }),
            Node::Special => Some(Self::Special),
        }
    }
}

/// What stands at a path, and what tells whether it was rewritten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub node: Stuff,
    /// Its inode.
    pub inode: u64,
    /// When its content was changed, in nanoseconds.
    pub changed: i128,
}

/// A host on a temporary root.
pub struct Host {
    folder: TempDir,
}

/// Gives a folder in memory where there is one: the worlds are many, and each write of a state waits for the disk.
pub fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    }
    .unwrap()
}

impl Host {
    /// Makes a host with an empty `/etc`.
    pub fn new() -> Self {
        let folder = scratch();
        fs::create_dir_all(folder.path().join("root/etc")).unwrap();
        fs::create_dir_all(folder.path().join("root/var/lib")).unwrap();
        let zones = folder.path().join("root/usr/share/zoneinfo");
        fs::create_dir_all(&zones).unwrap();
        fs::write(zones.join("Zone"), "a zone").unwrap();
        Self { folder }
    }

    /// Makes a host that is the same in everything.
    pub fn copy(&self) -> Self {
        let folder = scratch();
        let status = Command::new("cp")
            .arg("-a")
            .args([self.folder.path().join("root"), folder.path().to_owned()])
            .status();
        assert!(status.unwrap().success());
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn root(&self) -> Root {
        Root::open(&self.path(), false).unwrap()
    }

    /// Does by hand what people do; what can't be done there is left out.
    pub fn tamper(&self, tampers: &[Tamper]) {
        for tamper in tampers {
            let path = self.path().join("etc").join(tamper.place);
            let parent = path.parent().unwrap();
            if fs::symlink_metadata(parent).is_ok_and(|m| !m.is_dir()) {
                continue;
            }
            if parent.symlink_metadata().is_err() {
                if parent
                    .parent()
                    .unwrap()
                    .symlink_metadata()
                    .is_ok_and(|m| !m.is_dir())
                {
                    continue;
                }
                fs::create_dir_all(parent).unwrap();
            }
            match fs::symlink_metadata(&path) {
                Ok(m) if m.is_dir() => fs::remove_dir_all(&path).unwrap(),
                Ok(_) => fs::remove_file(&path).unwrap(),
                Err(_) => {}
            }
            match &tamper.what {
                Hand::File {
                    content,
                    mode,
                    owner,
                } => {
                    fs::write(&path, format!("content {content}\n")).unwrap();
                    std::os::unix::fs::chown(&path, Some(*owner), Some(*owner)).unwrap();
                    fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
                }
                Hand::Link(to) => std::os::unix::fs::symlink(to, &path).unwrap(),
                Hand::Folder => fs::create_dir(&path).unwrap(),
                Hand::Pipe => {
                    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600))
                        .unwrap();
                }
                Hand::Gone => {}
            }
        }
    }

    /// Gives the goal of an aim, writing its toplevel where the configurations of all hosts are.
    fn goal(aim: &Aim) -> Goal {
        let Aim::Activate(wishes, basics) = aim else {
            return Goal::Deactivate;
        };
        let shared = shared();
        let etc: serde_json::Map<_, _> = wishes
            .iter()
            .map(|(target, wish)| {
                let source = shared.join(format!("content-{}", wish.content));
                let entry = json!({
                    "source": source, "mode": wish.mode, "user": wish.owner, "group": wish.owner,
                    "replaceExisting": wish.replace,
                });
                ((*target).to_owned(), entry)
            })
            .collect();
        let mut manifest = manifest(&json!(etc));
        if let Some(n) = basics {
            manifest["basics"] = json!({ "hostName": format!("host-{n}"), "timeZone": "Zone" });
        }
        let text = manifest.to_string();
        let name = system_manager::face::model::sha256_of(text.as_bytes()).unwrap();
        let toplevel = shared.join(&name[..32]);
        let file = toplevel.join("manifest.json");
        if !file.exists() {
            fs::create_dir_all(&toplevel).unwrap();
            // The same text under the same name: by rename, for tests that run beside this one.
            let partial = toplevel.join(format!("partial-{:?}", std::thread::current().id()));
            fs::write(&partial, text).unwrap();
            fs::rename(partial, file).unwrap();
        }
        Goal::Activate(toplevel.to_str().unwrap().parse().unwrap())
    }

    /// Plans; refusing is for the caller.
    pub fn plan(&self, aim: &Aim) -> Plan {
        system_manager::face::activation::prepare(&self.root(), Self::goal(aim), How::default())
            .unwrap()
            .plan
    }

    /// Reaches a goal.
    pub fn switch(&self, aim: &Aim) -> Result<(), Failure> {
        self.switch_until(aim, usize::MAX)
    }

    /// Reaches for a goal, and stops before the step of this number.
    pub fn switch_until(&self, aim: &Aim, stop: usize) -> Result<(), Failure> {
        let root = self.root();
        let prepared =
            system_manager::face::activation::prepare(&root, Self::goal(aim), How::default())?;
        if prepared.plan.is_empty() {
            return Ok(());
        }
        assert!(
            prepared.plan.conflicts.is_empty(),
            "{:#?}",
            prepared.plan.conflicts
        );
        let args = ApplyArgs {
            unit_timeout: 1,
            ..ApplyArgs::default()
        };
        let mut begun = 0;
        activate(&root, prepared, &args, &mut |progress| {
            if matches!(progress, Progress::Step(_)) {
                anyhow::ensure!(begun < stop, "stopped before step {begun}");
                begun += 1;
            }
            Ok(())
        })
        .map(|_| ())
    }

    /// Gives the recorded state.
    pub fn state(&self) -> State {
        State::read(&self.root()).unwrap()
    }

    /// Lists the backups that nothing refers to.
    pub fn backups(&self) -> Vec<String> {
        let state = self.state();
        let folder = self.path().join("var/lib/system-manager/backups");
        let Ok(entries) = fs::read_dir(folder) else {
            return Vec::new();
        };
        entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .filter(|name| !state.used_backups().iter().any(|id| id.as_str() == name))
            .collect()
    }

    /// Reads everything below `/etc`.
    pub fn tree(&self) -> BTreeMap<String, Entry> {
        let etc = self.path().join("etc");
        walkdir::WalkDir::new(&etc)
            .min_depth(1)
            .into_iter()
            .map(|entry| {
                let path = entry.unwrap().into_path();
                let name = path
                    .strip_prefix(&etc)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                (name, read_entry(&path))
            })
            .collect()
    }
}

fn read_entry(path: &Path) -> Entry {
    let meta = fs::symlink_metadata(path).unwrap();
    let kind = meta.file_type();
    let node = if kind.is_symlink() {
        Stuff::Link(fs::read_link(path).unwrap().to_str().unwrap().to_owned())
    } else if kind.is_dir() {
        Stuff::Folder {
            mode: meta.mode() & 0o7777,
        }
    } else if kind.is_fifo() {
        Stuff::Special
    } else {
        Stuff::File {
            sha256: system_manager::face::model::sha256_of(fs::File::open(path).unwrap()).unwrap(),
            mode: meta.mode() & 0o7777,
            uid: meta.uid(),
            gid: meta.gid(),
        }
    };
    Entry {
        node,
        inode: meta.ino(),
        changed: i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec()),
    }
}

/// A folder with the contents and toplevels of this process; what is in it never changes.
fn shared() -> &'static Path {
    use std::sync::OnceLock;
    static SHARED: OnceLock<TempDir> = OnceLock::new();
    SHARED
        .get_or_init(|| {
            let folder = scratch();
            for n in 0..5 {
                let path = folder.path().join(format!("content-{n}"));
                fs::write(path, format!("content {n}\n")).unwrap();
            }
            folder
        })
        .path()
}

/// A manifest with nothing but entries of `environment.etc`.
pub fn manifest(etc: &serde_json::Value) -> serde_json::Value {
    json!({
        "version": 1,
        "madeFrom": { "name": "world", "system": "x86_64-linux", "systemManager": "0", "nixpkgs": null },
        "etc": etc,
        "units": {}, "unitPackages": [], "userUnits": {}, "userUnitPackages": [],
        "tmpfiles": {}, "tmpfilesPackages": [],
        "accounts": {
            "mutableUsers": true, "manageLingering": false, "allowNoPasswordLogin": false,
            "users": {}, "groups": {},
        },
        "packages": { "sw": null, "names": [] },
        "environment": {}, "hostRequirements": [], "preActivationChecks": [], "activationScripts": [],
        "noEffect": [],
    })
}
