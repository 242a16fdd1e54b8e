//! What the stories are told with: a root, configurations, and runs of the program.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::needs::{is_root, skip};

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_system-manager");

/// A host below a temporary folder, on which one test plays.
pub struct Test {
    folder: TempDir,
    toplevels: Cell<u32>,
}

/// What a configuration wants, in the words of the manifest.
#[derive(Debug, Clone, Default)]
pub struct Config {
    etc: Vec<(String, Source, Map<String, Value>)>,
    fields: Map<String, Value>,
}

#[derive(Debug, Clone)]
enum Source {
    Text(String),
    Path(String),
}

impl Config {
    /// Wants nothing.
    pub fn new() -> Self {
        Self::default()
    }

    fn entry(mut self, target: &str, mode: &str, source: Source) -> Self {
        let fields = [("mode", mode), ("user", "root"), ("group", "root")];
        let mut entry: Map<String, Value> = fields
            .iter()
            .map(|(k, v)| ((*k).to_owned(), json!(v)))
            .collect();
        entry.insert("replaceExisting".to_owned(), json!(false));
        self.etc.push((target.to_owned(), source, entry));
        self
    }

    /// Wants a link to a file with this text.
    pub fn link(self, target: &str, text: &str) -> Self {
        self.entry(target, "symlink", Source::Text(text.to_owned()))
    }

    /// Wants a copy of this text.
    pub fn copy(self, target: &str, mode: &str, text: &str) -> Self {
        self.entry(target, mode, Source::Text(text.to_owned()))
    }

    /// Wants a source that the test has written itself.
    pub fn source(self, target: &str, mode: &str, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_str().unwrap().to_owned();
        self.entry(target, mode, Source::Path(path))
    }

    /// Sets a field of the entry that was named last.
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.etc
            .last_mut()
            .unwrap()
            .2
            .insert(field.to_owned(), value.into());
        self
    }

    /// The entry that was named last may replace a foreign file.
    pub fn replacing(self) -> Self {
        self.with("replaceExisting", true)
    }

    /// Gives the entry that was named last an owner.
    pub fn owned_by(self, user: &str, group: &str) -> Self {
        self.with("user", user).with("group", group)
    }

    /// Sets a field of the manifest.
    pub fn field(mut self, name: &str, value: Value) -> Self {
        self.fields.insert(name.to_owned(), value);
        self
    }
}

/// What stands at a path, with everything that could betray a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Kind, permission bits, owner, content or target, extended attributes.
    pub what: String,
    /// Inode, and the time of the last change of the content; none for folders.
    pub identity: Option<(u64, i64, i64)>,
}

/// A tree: what stands where.
pub type Tree = BTreeMap<String, Standing>;

/// How the program ended, and what it said.
pub struct Ran {
    code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Reads what a process has left.
    pub fn new(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout.clone()).unwrap(),
            stderr: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    /// The exit code must be this. A failure must end with one line that says why, and what to do about it.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        let said = format!("{}{}", self.stdout, self.stderr);
        assert_eq!(self.code, Some(code), "{said}");
        if (1..10).contains(&code) && code != 2 {
            let last = said.rsplit_once("error: ").map(|(_, last)| last);
            let has_both = last.is_some_and(|last| last.contains("\nhint: "));
            assert!(has_both, "no error with a hint:\n{said}");
        }
        self
    }

    /// Either stream must have this text.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        let found = self.stdout.contains(text) || self.stderr.contains(text);
        assert!(found, "not said: {text:?}\n{}{}", self.stdout, self.stderr);
        self
    }

    /// Neither stream may have this text.
    #[track_caller]
    pub fn never_says(self, text: &str) -> Self {
        let found = self.stdout.contains(text) || self.stderr.contains(text);
        assert!(!found, "said: {text:?}\n{}{}", self.stdout, self.stderr);
        self
    }

    /// Standard output must be one JSON value of version 1.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}

impl Test {
    /// Begins with the few files that every host has; none when this is not run as root.
    pub fn begin() -> Option<Self> {
        Self::begin_at(env!("CARGO_TARGET_TMPDIR"))
    }

    /// The same below a folder of this name.
    pub fn begin_at(above: &str) -> Option<Self> {
        if !is_root() {
            return None;
        }
        let folder = tempfile::tempdir_in(above).unwrap();
        let test = Self {
            folder,
            toplevels: Cell::new(0),
        };
        for place in ["root/etc", "root/var/lib", "sources"] {
            fs::create_dir_all(test.folder.path().join(place)).unwrap();
        }
        test.write(
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/:/bin/sh\n",
        );
        test.write("etc/group", "root:x:0:\nweb:x:34:\n");
        test.write("etc/os-release", "ID=debian\n");
        Some(test)
    }

    /// The root of the host.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// A path on the host.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root().join(relative)
    }

    /// A path beside the host.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of the host by hand, as someone else's.
    pub fn write(&self, relative: &str, text: &str) -> &Self {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// Has dpkg know a file below `/etc` as a package's configuration, which it has shipped empty.
    pub fn has_conffile(&self, package: &str, target: &str) -> &Self {
        let shipped = "d41d8cd98f00b204e9800998ecf8427e";
        let text = format!(
            "Package: {package}\nStatus: install ok installed\nConffiles:\n /etc/{target} {shipped}\n"
        );
        self.write("var/lib/dpkg/status", &text)
    }

    /// Gives a file of the host permission bits and an owner.
    pub fn give(&self, relative: &str, mode: u32, uid: u32, gid: u32) -> &Self {
        chown(self.path(relative), Some(uid), Some(gid)).unwrap();
        fs::set_permissions(self.path(relative), fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    /// Reads a file of the host.
    #[track_caller]
    pub fn read(&self, relative: &str) -> String {
        fs::read_to_string(self.path(relative)).unwrap()
    }

    /// Writes a file that a configuration can have as its source.
    pub fn source(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join("sources").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Gives the manifest of a configuration.
    pub fn manifest(&self, config: &Config) -> Value {
        let mut etc = Map::new();
        for (number, (target, source, entry)) in config.etc.iter().enumerate() {
            let path = match source {
                Source::Path(path) => path.clone(),
                Source::Text(text) => {
                    let name = format!("{}-{number}", self.toplevels.get());
                    self.source(&name, text).to_str().unwrap().to_owned()
                }
            };
            let mut entry = entry.clone();
            entry.entry("source").or_insert(json!(path));
            etc.insert(target.clone(), Value::Object(entry));
        }
        let mut manifest = json!({
            "version": 1,
            "madeFrom": { "name": "test", "system": "x86_64-linux", "systemManager": "0", "nixpkgs": null },
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
        });
        for (name, value) in &config.fields {
            manifest[name] = value.clone();
        }
        manifest
    }

    /// Writes the toplevel of a configuration.
    pub fn build(&self, config: &Config) -> PathBuf {
        self.build_text(&self.manifest(config).to_string())
    }

    /// Writes a toplevel whose manifest has this text.
    pub fn build_text(&self, manifest: &str) -> PathBuf {
        let number = self.toplevels.get();
        self.toplevels.set(number + 1);
        let toplevel = self.folder.path().join(format!("toplevel-{number}"));
        fs::create_dir(&toplevel).unwrap();
        fs::write(toplevel.join("manifest.json"), manifest).unwrap();
        toplevel
    }

    /// Gives the program, to be run on the host with these arguments.
    pub fn command<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg("--root").arg(self.root()).args(arguments);
        command.env_remove("NIX_PATH");
        command
    }

    /// Runs the program on the host.
    pub fn run<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Ran {
        Ran::new(&self.command(arguments).output().unwrap())
    }

    /// Runs a shell script in a mount namespace of its own; `$root`, `$run` and `$toplevel` are set. None: not possible.
    pub fn run_isolated(&self, toplevel: &Path, script: &str) -> Option<Ran> {
        let probe = Command::new("unshare").args(["-m", "true"]).output();
        if !probe.is_ok_and(|o| o.status.success()) {
            skip("no private mount namespace can be made here");
            return None;
        }
        let output = Command::new("unshare")
            .args(["-m", "--propagation", "private", "sh", "-euc", script])
            .env("root", self.root())
            .env("toplevel", toplevel)
            .env("run", format!("{PROGRAM} --root {}", self.root().display()))
            .output()
            .unwrap();
        Some(Ran::new(&output))
    }

    /// Activates a configuration; it must succeed.
    #[track_caller]
    pub fn activate(&self, config: &Config) -> Ran {
        let toplevel = self.build(config);
        self.run(&["activate".as_ref(), toplevel.as_os_str()])
            .exits(0)
    }

    /// Plans a configuration to a file and switches to it, which registers a generation; it must succeed.
    #[track_caller]
    pub fn switch(&self, config: &Config) -> Ran {
        let plan = self.save_plan(config);
        self.run(&["switch".as_ref(), plan.as_os_str()]).exits(0)
    }

    /// Saves the plan for a configuration, and gives its file. The next one takes its place.
    #[track_caller]
    pub fn save_plan(&self, config: &Config) -> PathBuf {
        let toplevel = self.build(config);
        let plan = self.beside("plan");
        self.run(&[
            "plan".as_ref(),
            toplevel.as_os_str(),
            "--out".as_ref(),
            plan.as_os_str(),
        ])
        .exits(0);
        plan
    }

    /// Runs the program, which must refuse with this code, name all of these, and change nothing.
    #[track_caller]
    pub fn refuses<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S], names: &[&str]) -> Ran {
        let before = self.everything();
        let mut ran = self.run(arguments).exits(1);
        for name in names {
            ran = ran.says(name);
        }
        assert_same(&before, &self.everything());
        ran
    }

    /// Refuses both to plan and to activate a configuration.
    #[track_caller]
    pub fn refuses_config(&self, config: &Config, names: &[&str]) {
        let toplevel = self.build(config);
        self.refuses(&["plan".as_ref(), toplevel.as_os_str()], names);
        self.refuses(&["activate".as_ref(), toplevel.as_os_str()], names);
    }

    /// Reads everything below `/etc`.
    pub fn tree(&self) -> Tree {
        read_tree(&self.path("etc"))
    }

    /// Reads everything on the host, but for the lock and the folders that are made to hold it.
    pub fn everything(&self) -> Tree {
        let mut tree = read_tree(&self.root());
        for path in ["var/lib/system-manager", "var/lib/system-manager/lock"] {
            tree.remove(path);
        }
        // A link of the profile that is written and taken back is the same link.
        for (_, standing) in tree.iter_mut().filter(|(path, _)| path.starts_with("nix/")) {
            standing.identity = None;
        }
        tree
    }
}

/// Both must be the same; only the differences are shown.
#[track_caller]
pub fn assert_same<T: PartialEq + std::fmt::Debug>(
    before: &BTreeMap<String, T>,
    after: &BTreeMap<String, T>,
) {
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let different: Vec<String> = paths
        .into_iter()
        .filter(|p| before.get(*p) != after.get(*p))
        .map(|p| {
            format!(
                "{p}\n  before: {:?}\n  after:  {:?}",
                before.get(p),
                after.get(p)
            )
        })
        .collect();
    assert!(different.is_empty(), "{}", different.join("\n"));
}

fn read_tree(top: &Path) -> Tree {
    read_tree_without(top, "")
}

/// Reads everything below a folder, but for what is below one folder in it.
pub fn read_tree_without(top: &Path, folder: &str) -> Tree {
    let left_out = top.join(folder);
    walkdir::WalkDir::new(top)
        .min_depth(1)
        .into_iter()
        .filter_entry(|entry| folder.is_empty() || entry.path() != left_out)
        .map(|entry| {
            let path = entry.unwrap().into_path();
            let name = path.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
            (name, read_standing(&path))
        })
        .collect()
}

fn read_standing(path: &Path) -> Standing {
    let meta = fs::symlink_metadata(path).unwrap();
    let kind = meta.file_type();
    let content = if kind.is_symlink() {
        format!("link to {}", fs::read_link(path).unwrap().display())
    } else if kind.is_file() {
        format!(
            "file {:?}",
            String::from_utf8_lossy(&fs::read(path).unwrap())
        )
    } else {
        format!("{kind:?}")
    };
    let mut attributes: Vec<String> = xattr::list(path)
        .unwrap()
        .map(|name| format!("{}={:?}", name.display(), xattr::get(path, &name).unwrap()))
        .collect();
    attributes.sort();
    let what = format!(
        "{content} mode {:o} owner {}:{} {}",
        meta.mode() & 0o7777,
        meta.uid(),
        meta.gid(),
        attributes.join(" ")
    );
    let identity = (!kind.is_dir()).then(|| (meta.ino(), meta.mtime(), meta.mtime_nsec()));
    Standing { what, identity }
}

/// What must be as before when something was given back: all but the number of the inode.
pub fn lasting(tree: &Tree) -> BTreeMap<String, (String, Option<(i64, i64)>)> {
    tree.iter()
        .map(|(path, s)| {
            (
                path.clone(),
                (s.what.clone(), s.identity.map(|(_, t, n)| (t, n))),
            )
        })
        .collect()
}
