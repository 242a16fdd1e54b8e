//! Every file that a manifest wants below `/etc`: its entries, and what its units and tmpfiles files come to.
//!
//! Packages and globs are listed here, on the target, so that the manifest stays data that Nix knows at evaluation.
#![expect(clippy::disallowed_methods, reason = "lists packages and globs")]

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

use crate::host::fs::type_of;
use crate::model::manifest::{EtcMode, Manifest, OverrideStrategy, Unit};
use crate::model::names::{AbsolutePath, TargetPath, UnitName, after_last_slash, folders_above};
use crate::model::text::Text;

/// A file that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Want<'a> {
    /// The path whose content it has, or that it links to (for a relative link, the link's own text).
    pub source: Text,
    /// How it is placed.
    pub mode: EtcMode,
    /// Owner of a copy.
    pub user: &'a str,
    /// Group of a copy.
    pub group: &'a str,
    /// Whether a foreign file is backed up and replaced.
    pub replace_existing: bool,
}

/// All that is wanted, by target.
pub(crate) type Desired<'a> = BTreeMap<TargetPath, Want<'a>>;

/// Whether a definition is an addition to a unit that is there without it, by its folder below `/etc`, its name, its source,
/// and whether the configuration has a template of it.
pub(crate) type IsAddition = dyn Fn(&str, &UnitName, &AbsolutePath, bool) -> bool;

impl Want<'_> {
    fn link(to: impl Into<Text>) -> Self {
        Self {
            source: to.into(),
            mode: EtcMode::DirectSymlink,
            user: "root",
            group: "root",
            replace_existing: false,
        }
    }
}

/// Lists what a manifest wants. Reads the packages that it names, nothing else.
///
/// # Errors
/// When a source is missing, two parts of the configuration want different things at one target, or one wants a
/// file where another needs a folder.
pub(crate) fn read_desired<'a>(
    manifest: &'a Manifest,
    is_addition: &IsAddition,
) -> Result<Desired<'a>> {
    let mut desired = Desired::new();
    add_etc(manifest, &mut desired).context("reading `environment.etc`")?;
    for (folder, units, packages) in [
        ("systemd/system", &manifest.units, &manifest.unit_packages),
        (
            "systemd/user",
            &manifest.user_units,
            &manifest.user_unit_packages,
        ),
    ] {
        let declared = Declared {
            folder,
            units,
            shipped: packaged_units(folder, packages)?,
            is_addition,
        };
        declared
            .add(&mut desired)
            .with_context(|| format!("reading the units for /etc/{folder}"))?;
    }
    add_tmpfiles(manifest, &mut desired).context("reading `systemd.tmpfiles`")?;
    check_nesting(&desired)?;
    for target in &manifest.replace_existing {
        let want = desired.get_mut(target).ok_or_else(|| {
            anyhow!("`system-manager.replaceExisting` contains `{target}`, but the configuration has no such file\nhint: correct the name, or remove it")
        })?;
        want.replace_existing = true;
    }
    Ok(desired)
}

fn add<'a>(desired: &mut Desired<'a>, target: TargetPath, want: Want<'a>) -> Result<()> {
    match desired.entry(target) {
        Entry::Vacant(place) => {
            place.insert(want);
        }
        Entry::Occupied(other) if *other.get() == want => {}
        Entry::Occupied(other) => bail!(
            "/etc/{target} is defined twice, as {} and as {}\nhint: disable one of them, for example with `environment.etc.{:?}.enable = false`",
            other.get().source,
            want.source,
            other.key().as_str(),
            target = other.key(),
        ),
    }
    Ok(())
}

fn add_etc<'a>(manifest: &'a Manifest, desired: &mut Desired<'a>) -> Result<()> {
    for (target, entry) in &manifest.etc {
        let want = |source: Text| Want {
            source,
            mode: entry.mode,
            user: &entry.user,
            group: &entry.group,
            replace_existing: entry.replace_existing,
        };
        let source = Path::new(entry.source.as_str());
        if after_last_slash(entry.source.as_str()).contains('*') {
            let matches = expand_glob(source)?;
            if matches.is_empty() {
                bail!(
                    "entry `{target}`: nothing matches {}\nhint: correct the pattern, or remove the entry",
                    source.display()
                );
            }
            for path in matches {
                let name = name_of(&path)?;
                add(desired, target.join(&name)?, want(utf8(&path)?.into()))?;
            }
        } else if matches!(entry.mode, EtcMode::Copy(_)) && is_folder(source)? {
            for file in walkdir::WalkDir::new(source).sort_by_file_name() {
                let file = file.with_context(|| format!("entry `{target}`: reading its source"))?;
                if !is_folder(file.path())? {
                    let below = file.path().strip_prefix(source)?;
                    let source = utf8(file.path())?.into();
                    add(desired, target.join(utf8(below)?)?, want(source))?;
                }
            }
        } else {
            add(desired, target.clone(), want(entry.source.clone().into()))?;
        }
    }
    Ok(())
}

/// The units of one scope.
struct Declared<'a> {
    folder: &'a str,
    units: &'a BTreeMap<UnitName, Unit>,
    /// What packages bring, by name.
    shipped: BTreeMap<String, Text>,
    is_addition: &'a IsAddition,
}

impl Declared<'_> {
    fn add(&self, desired: &mut Desired) -> Result<()> {
        let folder = self.folder;
        let target = |name: &str| -> Result<TargetPath> { Ok(format!("{folder}/{name}").parse()?) };
        for (name, source) in &self.shipped {
            let masked_or_replaced = self
                .units
                .iter()
                .any(|(unit, u)| unit.as_str() == name && !self.is_dropin(u, unit));
            if !masked_or_replaced {
                add(desired, target(name)?, Want::link(source.clone()))?;
            }
        }
        for (name, unit) in self.units {
            match &unit.source {
                Some(source) if self.is_dropin(unit, name) => {
                    add(
                        desired,
                        target(&format!("{name}.d/overrides.conf"))?,
                        Want::link(source.clone()),
                    )?;
                }
                Some(source) => add(desired, target(name.as_str())?, Want::link(source.clone()))?,
                None => add(desired, target(name.as_str())?, Want::link("/dev/null"))?,
            }
            for alias in &unit.aliases {
                add(desired, target(alias.as_str())?, Want::link(name.clone()))?;
            }
            for (suffix, owners) in [
                ("wants", &unit.wanted_by),
                ("requires", &unit.required_by),
                ("upholds", &unit.upheld_by),
            ] {
                for owner in owners {
                    // By such a link a package enables the unit; only its name counts, and it comes back.
                    let want = Want {
                        replace_existing: true,
                        ..Want::link(format!("../{name}"))
                    };
                    add(desired, target(&format!("{owner}.{suffix}/{name}"))?, want)?;
                }
            }
        }
        Ok(())
    }

    fn is_dropin(&self, unit: &Unit, name: &UnitName) -> bool {
        let Some(source) = &unit.source else {
            return false;
        };
        let is_shipped = self.shipped.contains_key(name.as_str());
        unit.override_strategy == OverrideStrategy::AsDropin
            || is_shipped
            || (self.is_addition)(self.folder, name, source, self.has_template(name))
    }

    /// Whether the configuration has a template that a unit is an instance of.
    fn has_template(&self, name: &UnitName) -> bool {
        let Some((prefix, rest)) = name.as_str().split_once('@') else {
            return false;
        };
        let suffix = rest.rsplit_once('.').map_or("", |(_, suffix)| suffix);
        let template = format!("{prefix}@.{suffix}");
        let is_instance = !rest.starts_with('.');
        let has = |units: &BTreeMap<UnitName, Unit>| units.keys().any(|n| n.as_str() == template);
        is_instance && (self.shipped.contains_key(&template) || has(self.units))
    }
}

/// Lists the units and drop-ins of packages; their `.wants` and `.requires` folders do not count, as in NixOS.
fn packaged_units(folder: &str, packages: &[AbsolutePath]) -> Result<BTreeMap<String, Text>> {
    let mut units = BTreeMap::new();
    for package in packages {
        for place in ["etc", "lib"] {
            let dir = PathBuf::from(format!("{package}/{place}/{folder}"));
            for path in list(&dir)? {
                let name = name_of(&path)?;
                if !is_folder(&path)? {
                    units.insert(name, utf8(&path)?.into());
                } else if path.extension().is_some_and(|e| e == "d") {
                    for dropin in list(&path)? {
                        let file = name_of(&dropin)?;
                        units.insert(format!("{name}/{file}"), utf8(&dropin)?.into());
                    }
                }
            }
        }
    }
    Ok(units)
}

fn add_tmpfiles(manifest: &Manifest, desired: &mut Desired) -> Result<()> {
    let mut names = BTreeSet::new();
    for (name, source) in &manifest.tmpfiles {
        names.insert(name.as_str().to_owned());
        add(
            desired,
            format!("tmpfiles.d/{name}").parse()?,
            Want::link(source.clone()),
        )?;
    }
    for package in &manifest.tmpfiles_packages {
        let dir = PathBuf::from(format!("{package}/lib/tmpfiles.d"));
        let files: Vec<_> = list(&dir)?
            .into_iter()
            .filter(|p| p.extension().is_some_and(|e| e == "conf"))
            .collect();
        if files.is_empty() {
            bail!(
                "package {package} has no lib/tmpfiles.d/*.conf\nhint: remove it from `systemd.tmpfiles.packages`"
            );
        }
        for file in files {
            let name = name_of(&file)?;
            let target: TargetPath = format!("tmpfiles.d/{name}").parse()?;
            // An entry of `environment.etc` overrides a package's file of the same name.
            if names.insert(name) && !desired.contains_key(&target) {
                add(desired, target, Want::link(utf8(&file)?))?;
            }
        }
    }
    Ok(())
}

/// A file of ours can't have another below it.
fn check_nesting(desired: &Desired) -> Result<()> {
    let folders = folders_above(desired.keys());
    let Some(above) = folders.into_iter().find(|f| desired.contains_key(f)) else {
        return Ok(());
    };
    let is_below = |target: &&TargetPath| target.parents().any(|folder| folder == above);
    let target = desired.keys().find(is_below).unwrap_or(&above);
    bail!(
        "/etc/{target} is below /etc/{above}, which is a file or link in the same configuration\nhint: add the files of that folder one by one, or with a glob source such as `DIR/*`"
    )
}

fn is_folder(path: &Path) -> Result<bool> {
    Ok(type_of(path)?.is_some_and(|found| found.is_dir()))
}

fn list(dir: &Path) -> Result<Vec<PathBuf>> {
    if !is_folder(dir)? {
        return Ok(Vec::new());
    }
    let mut paths = fs::read_dir(dir)
        .and_then(|entries| {
            entries
                .map(|e| e.map(|e| e.path()))
                .collect::<Result<Vec<_>, _>>()
        })
        .with_context(|| format!("listing {}", dir.display()))?;
    paths.sort();
    Ok(paths)
}

fn expand_glob(pattern: &Path) -> Result<Vec<PathBuf>> {
    let dir = pattern.parent().unwrap_or(Path::new("/"));
    let name = pattern
        .file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default();
    Ok(list(dir)?
        .into_iter()
        .filter(|p| {
            p.file_name()
                .is_some_and(|n| glob_matches(name.as_bytes(), n.to_string_lossy().as_bytes()))
        })
        .collect())
}

/// Matches `*` and `?`; as in a shell, a leading dot is only matched by a dot.
fn glob_matches(pattern: &[u8], name: &[u8]) -> bool {
    fn inner(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => (0..=name.len()).any(|n| inner(rest, &name[n..])),
            (Some((b'?', rest)), Some((_, tail))) => inner(rest, tail),
            (Some((p, rest)), Some((n, tail))) => p == n && inner(rest, tail),
            _ => false,
        }
    }
    (name.first() != Some(&b'.') || pattern.first() == Some(&b'.')) && inner(pattern, name)
}

fn name_of(path: &Path) -> Result<String> {
    Ok(utf8(path.file_name().map_or(path, Path::new))?.to_owned())
}

fn utf8(path: &Path) -> Result<&str> {
    path.to_str()
        .ok_or_else(|| anyhow!("{} is not UTF-8", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_looked_at_is_not_an_empty_one() {
        let too_long = PathBuf::from("x".repeat(300));
        let error = format!("{:#}", list(&too_long).unwrap_err());
        assert!(error.contains("looking at xxx"), "{error}");
        assert!(list(Path::new("/nothing/is/here")).unwrap().is_empty());
    }

    #[test]
    fn globs_match_like_a_shell() {
        for (pattern, name, expected) in [
            ("*", "a", true),
            ("*", ".a", false),
            (".*", ".a", true),
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf.bak", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b*", "xaybz", true),
        ] {
            assert_eq!(
                glob_matches(pattern.as_bytes(), name.as_bytes()),
                expected,
                "{pattern} {name}"
            );
        }
    }
}
