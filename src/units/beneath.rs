//! The units that a host has without us: those of the distribution, of systemd's generators, of an administrator.
#![expect(clippy::disallowed_methods, reason = "reads unit files")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::units::read::{self, add_to_folder, read_body};
use crate::units::set::{UnitBody, UnitSet, template_of};

/// Whose manager reads the units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The system's.
    System,
    /// Each user's.
    User,
}

impl Scope {
    /// Returns the folders of systemd.unit(5), "Unit File Load Path", that ours is one of or wins over; the first counts
    /// most.
    fn folders(self) -> &'static [&'static str] {
        match self {
            Self::System => &[
                "etc/systemd/system",
                "run/systemd/system",
                "run/systemd/generator",
                "usr/local/lib/systemd/system",
                "usr/lib/systemd/system",
                "lib/systemd/system",
                "run/systemd/generator.late",
            ],
            Self::User => &[
                "etc/systemd/user",
                "run/systemd/user",
                "usr/local/share/systemd/user",
                "usr/share/systemd/user",
                "usr/local/lib/systemd/user",
                "usr/lib/systemd/user",
                "lib/systemd/user",
            ],
        }
    }

    /// Returns the folder below `/etc` that generations write to.
    #[must_use]
    pub(crate) fn managed(self) -> &'static str {
        match self {
            Self::System => read::SYSTEM,
            Self::User => read::USER,
        }
    }
}

/// Which units a host has, by name alone.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    root: PathBuf,
    /// Unit files; of those of one name the one that counts.
    files: BTreeMap<String, PathBuf>,
    /// Further names of units.
    aliases: BTreeMap<String, String>,
    /// Folders such as `NAME.d` and `NAME.wants`, those that count most last; with their path below `/etc`.
    folders: Vec<Folder>,
    /// Scripts of System V, for which systemd makes units where there is no unit file.
    scripts: BTreeSet<String>,
}

#[derive(Debug)]
struct Folder {
    name: String,
    path: PathBuf,
    in_etc: Option<String>,
}

/// Tells what is ours of `/etc`, by the path below it, or by where a link leads, which is read only when it is asked for.
pub(crate) type IsOurs<'a> = dyn Fn(&str, &dyn Fn() -> Option<PathBuf>) -> bool + 'a;

impl Listing {
    /// Lists the units of a host below `root`, without what is ours.
    ///
    /// # Errors
    /// When a folder is there and can't be listed.
    pub(crate) fn read(root: &Path, scope: Scope, is_ours: &IsOurs<'_>) -> Result<Self> {
        let mut listing = Self {
            root: root.to_owned(),
            ..Self::default()
        };
        for folder in scope.folders() {
            // where /lib is a link, the folder has been listed already
            if folder.starts_with("lib/") && root.join("lib").is_symlink() {
                continue;
            }
            listing.add_folder(folder, is_ours)?;
        }
        // Those that were listed last count least.
        listing.folders.reverse();
        if scope == Scope::System {
            for entry in entries(&root.join("etc/init.d"))? {
                let name = entry.file_name().to_string_lossy().into_owned();
                listing.scripts.insert(format!("{name}.service"));
            }
        }
        Ok(listing)
    }

    fn add_folder(&mut self, folder: &str, is_ours: &IsOurs<'_>) -> Result<()> {
        let below_etc = folder.strip_prefix("etc/");
        for entry in entries(&self.root.join(folder))? {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = entry.path();
            let in_etc = below_etc.map(|below| format!("{below}/{name}"));
            let kind = entry
                .file_type()
                .with_context(|| format!("reading {}", path.display()))?;
            if kind.is_dir() {
                self.folders.push(Folder { name, path, in_etc });
                continue;
            }
            let to = || link_of(&entry);
            if in_etc.is_some_and(|target| is_ours(&target, &to)) || self.has_own(&name) {
            } else if let Some(unit) = to().and_then(|to| alias_of(&to, &name)) {
                self.aliases.insert(name, unit);
            } else {
                self.files.insert(name, path);
            }
        }
        Ok(())
    }

    fn has_own(&self, name: &str) -> bool {
        self.files.contains_key(name) || self.aliases.contains_key(name)
    }

    /// Whether the host has no units at all.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Whether there is a unit of this name, or a template for it.
    #[must_use]
    pub(crate) fn has(&self, name: &str) -> bool {
        let is_there = |name: &str| self.has_own(name) || self.scripts.contains(name);
        is_there(name) || template_of(name).is_some_and(|template| is_there(&template))
    }

    /// Reads the units that `names` says anything of, their templates and their instances.
    #[must_use]
    pub(crate) fn read_units(&self, names: &BTreeSet<String>, is_ours: &IsOurs<'_>) -> UnitSet {
        let templates: BTreeSet<String> = names.iter().filter_map(|n| template_of(n)).collect();
        let is_meant = |name: &str| {
            names.contains(name)
                || templates.contains(name)
                || template_of(name).is_some_and(|t| names.contains(&t))
        };
        let mut set = UnitSet::default();
        let mut meant: BTreeSet<&str> = BTreeSet::new();
        for (alias, unit) in &self.aliases {
            if is_meant(alias) || is_meant(unit) {
                let def = set.units.entry(unit.clone()).or_default();
                def.aliases.insert(alias.clone());
                meant.insert(unit);
            }
        }
        let is_meant = |name: &str| is_meant(name) || meant.contains(name);
        for (name, path) in self.files.iter().filter(|(name, _)| is_meant(name)) {
            let def = set.units.entry(name.clone()).or_default();
            def.main = Some(read_body(&path.to_string_lossy()));
        }
        for name in self.scripts.iter().filter(|name| is_meant(name)) {
            if !self.has_own(name) {
                self.add_script(&mut set, name);
            }
        }
        for folder in &self.folders {
            // What can't be listed now could be a moment ago; it says nothing then.
            for entry in entries(&folder.path).unwrap_or_default() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let in_etc = folder.in_etc.as_ref();
                let is_ours =
                    |below: &String| is_ours(&format!("{below}/{name}"), &|| link_of(&entry));
                if in_etc.is_some_and(is_ours) {
                    continue;
                }
                let source = entry.path().to_string_lossy().into_owned();
                let true_name = |name| self.aliases.get(name).map_or(name, String::as_str);
                if let Some(owner) = folder.name.strip_suffix(".d") {
                    let owner = true_name(owner);
                    if is_meant(owner) {
                        add_to_folder(&mut set, &format!("{owner}.d"), &name, &source);
                    }
                } else if is_meant(true_name(&name)) {
                    add_to_folder(&mut set, &folder.name, true_name(&name), &source);
                }
            }
        }
        set
    }

    /// Adds what systemd-sysv-generator(8) makes of a script while there is no unit file of its name.
    fn add_script(&self, set: &mut UnitSet, name: &str) {
        let stem = name.strip_suffix(".service").unwrap_or(name);
        let def = set.units.entry(name.to_owned()).or_default();
        let text = format!(
            "[Unit]\nSourcePath=/etc/init.d/{stem}\n[Service]\nType=forking\nExecStart=/etc/init.d/{stem} start\nExecStop=/etc/init.d/{stem} stop\n"
        );
        def.main = Some(UnitBody::Text(text.as_str().into()));
        for level in 2..=5 {
            let links = entries(&self.root.join(format!("etc/rc{level}.d"))).unwrap_or_default();
            let starts = links.iter().any(|link| {
                let link = link.file_name().to_string_lossy().into_owned();
                let digits = link.strip_prefix('S').and_then(|rest| rest.get(2..));
                digits == Some(stem)
            });
            if starts {
                def.wanted_by.insert("multi-user.target".to_owned());
            }
        }
    }
}

/// Whether a link leads into the store, where only we let links lead.
#[must_use]
pub(crate) fn is_in_store(link: Option<PathBuf>) -> bool {
    link.is_some_and(|to| to.starts_with("/nix/store"))
}

/// Returns where a link leads; none for what is none. Asks for links only: most of what a folder has are files.
fn link_of(entry: &fs::DirEntry) -> Option<PathBuf> {
    let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
    is_link.then(|| fs::read_link(entry.path()).ok()).flatten()
}

/// Returns the unit that a link of this name gives a further name to; none where it is the unit's own file, or a mask.
fn alias_of(to: &Path, name: &str) -> Option<String> {
    let unit = to.file_name()?.to_str()?;
    let suffix = |name: &str| name.rsplit_once('.').map(|(_, s)| s.to_owned());
    (unit != name && suffix(unit) == suffix(name)).then(|| unit.to_owned())
}

fn entries(folder: &Path) -> Result<Vec<fs::DirEntry>> {
    let listed = match fs::read_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.and_then(Iterator::collect::<std::io::Result<Vec<_>>>),
    };
    listed.with_context(|| format!("listing {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn host() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "usr/lib/systemd/system/ssh.service",
            "[Service]\nExecStart=/lib\n",
        );
        write(
            "usr/lib/systemd/system/pg@.service",
            "[Service]\nExecStart=/pg\n",
        );
        write(
            "usr/lib/systemd/system/ssh.service.d/a.conf",
            "[Service]\nNice=1\n",
        );
        write(
            "etc/systemd/system/ssh.service.d/b.conf",
            "[Service]\nNice=2\n",
        );
        write(
            "run/systemd/generator/ssh.service",
            "[Service]\nExecStart=/run\n",
        );
        write("usr/lib/systemd/system/else.service", "");
        write("etc/init.d/old", "");
        let link = |path: &str, to: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink(to, path).unwrap();
        };
        let wants = "etc/systemd/system/multi-user.target.wants";
        link(
            &format!("{wants}/ssh.service"),
            "/lib/systemd/system/ssh.service",
        );
        link(
            &format!("{wants}/pg@15.service"),
            "/lib/systemd/system/pg@.service",
        );
        link(
            "etc/systemd/system/sshd.service",
            "/lib/systemd/system/ssh.service",
        );
        link(
            "etc/systemd/system/ours.service",
            "/nix/store/x/ours.service",
        );
        link(&format!("{wants}/ours.service"), "../ours.service");
        link("etc/rc3.d/S01old", "../init.d/old");
        root
    }

    #[test]
    fn reads_what_stands_beneath_and_leaves_out_what_is_ours() {
        let root = host();
        let ours = |name: &str, _: &dyn Fn() -> Option<PathBuf>| {
            name.starts_with("systemd/system/") && name.ends_with("/ours.service")
        };
        let listing = Listing::read(root.path(), Scope::System, &ours).unwrap();
        for (name, expected) in [
            ("ssh.service", true),
            ("sshd.service", true),
            ("pg@15.service", true),
            ("old.service", true),
            ("ours.service", false),
            ("none.service", false),
        ] {
            assert_eq!(listing.has(name), expected, "{name}");
        }
        let names = [
            "sshd.service",
            "pg@15.service",
            "old.service",
            "none.service",
        ];
        let names = names.iter().map(|n| (*n).to_owned()).collect();
        let units = listing.read_units(&names, &ours).units;
        let known: Vec<_> = units.keys().map(String::as_str).collect();
        assert_eq!(
            known,
            ["old.service", "pg@.service", "pg@15.service", "ssh.service"]
        );
        let ssh = &units["ssh.service"];
        let generated = UnitBody::Text("[Service]\nExecStart=/run\n".into());
        assert_eq!(ssh.main, Some(generated), "a generator's file counts more");
        assert_eq!(ssh.dropins.keys().collect::<Vec<_>>(), ["a.conf", "b.conf"]);
        assert!(ssh.aliases.contains("sshd.service"));
        assert!(ssh.wanted_by.contains("multi-user.target"));
        assert!(
            units["pg@15.service"]
                .wanted_by
                .contains("multi-user.target")
        );
        assert!(units["old.service"].wanted_by.contains("multi-user.target"));
    }
}
