//! What the distribution's package managers know of files below `/etc`: whose they are, whether they are treated as
//! configuration (dpkg's conffiles, ucf), and what they were when they were shipped.
//!
//! A conffile is never a link of ours: dpkg follows the link, and an upgrade or a purge would change or delete what it
//! leads to. rpm replaces a link and never follows it, so its `%config` files may be links.
#![expect(clippy::disallowed_methods, reason = "looks for rpm")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use md5::{Digest, Md5};

use crate::host::fs::Root;
use crate::host::process::Command;
use crate::model::names::TargetPath;
use crate::model::node::Node;

const STATUS: &str = "/var/lib/dpkg/status";
const INFO: &str = "var/lib/dpkg/info";
const UCF_HASHES: &str = "/var/lib/ucf/hashfile";
const UCF_OWNERS: &str = "/var/lib/ucf/registry";
const RPM: [&str; 2] = ["/usr/bin/rpm", "/bin/rpm"];
const RPM_DATABASES: [&str; 2] = ["usr/lib/sysimage/rpm", "var/lib/rpm"];

/// The file in which dpkg is told to leave files alone, below `/etc`.
pub(crate) const DPKG_SETTINGS: &str = "dpkg/dpkg.cfg.d/system-manager";

/// The endings of what package managers put beside a file of configuration, or leave there.
const BESIDE: [&str; 10] = [
    ".dpkg-new",
    ".dpkg-dist",
    ".dpkg-old",
    ".dpkg-tmp",
    ".ucf-new",
    ".ucf-dist",
    ".ucf-old",
    ".rpmnew",
    ".rpmsave",
    ".rpmorig",
];

/// What a package manager knows of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vendor {
    /// The package that it belongs to.
    pub package: String,
    /// Whether the package manager asks, or follows a link, when the file is not as it was shipped.
    pub is_config: bool,
    /// The digest of the content that was shipped, in hexadecimal: MD5 or SHA-256, by its length.
    pub shipped: Option<String>,
}

/// What is known of files, by their path below `/etc`.
pub(crate) type Vendors = BTreeMap<TargetPath, Vendor>;

/// Reads which of these files dpkg and ucf treat as configuration.
///
/// # Errors
/// When a database exists and can't be read.
pub(crate) fn read_conffiles<'a>(
    root: &Root,
    targets: impl IntoIterator<Item = &'a TargetPath>,
) -> Result<Vendors> {
    let targets: BTreeMap<&str, &TargetPath> = targets
        .into_iter()
        .map(|target| (target.as_str(), target))
        .collect();
    let read = |path: &str| -> Result<String> {
        let bytes = root.read_in_root(Path::new(path))?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let mut vendors = Vendors::new();
    if targets.is_empty() {
        return Ok(vendors);
    }
    let mut add = |path: &str, vendor: Vendor| {
        let target = path
            .strip_prefix("/etc/")
            .and_then(|path| targets.get(path));
        if let Some(target) = target {
            vendors.insert((*target).clone(), vendor);
        }
    };
    parse_ucf(&read(UCF_HASHES)?, &read(UCF_OWNERS)?, &mut add);
    parse_status(&read(STATUS)?, &mut add);
    Ok(vendors)
}

/// Finds the conffiles in dpkg's status. Pure.
fn parse_status(text: &str, add: &mut dyn FnMut(&str, Vendor)) {
    let (mut package, mut is_inside) = ("", false);
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("Package: ") {
            package = name;
        }
        let Some(entry) = line.strip_prefix(' ').filter(|_| is_inside) else {
            is_inside = line == "Conffiles:";
            continue;
        };
        let mut words: Vec<&str> = entry.split(' ').collect();
        while matches!(words.last(), Some(&("obsolete" | "remove-on-upgrade"))) {
            words.pop();
        }
        // A path may have spaces; the digest has none.
        let Some(digest) = words.pop() else { continue };
        let vendor = Vendor {
            package: package.to_owned(),
            is_config: true,
            // `newconffile` where it was never installed.
            shipped: Some(digest.to_owned()).filter(|d| is_digest(d)),
        };
        add(&words.join(" "), vendor);
    }
}

/// Finds the files that ucf watches over. Pure.
fn parse_ucf(hashes: &str, owners: &str, add: &mut dyn FnMut(&str, Vendor)) {
    let pair = |line: &'_ str| {
        let (first, path) = line.split_once(char::is_whitespace)?;
        Some((path.trim().to_owned(), first.to_owned()))
    };
    let owners: BTreeMap<String, String> = owners.lines().filter_map(pair).collect();
    for (path, digest) in hashes.lines().filter_map(pair) {
        let vendor = Vendor {
            package: owners.get(&path).map_or("ucf", String::as_str).to_owned(),
            is_config: true,
            shipped: Some(digest).filter(|d| is_digest(d)),
        };
        add(&path, vendor);
    }
}

fn is_digest(text: &str) -> bool {
    matches!(text.len(), 32 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Reads what dpkg and rpm know of files of which nothing is known yet. Asks programs, so for files only that are in the way.
///
/// # Errors
/// When a database exists and can't be read.
pub(crate) fn read_others(
    root: &Root,
    targets: &BTreeSet<&TargetPath>,
    vendors: &Vendors,
) -> Result<Vendors> {
    let mut found = Vendors::new();
    let unknown: BTreeMap<&str, &TargetPath> = targets
        .iter()
        .filter(|target| !vendors.contains_key(**target))
        .map(|target| (target.as_str(), *target))
        .collect();
    if unknown.is_empty() {
        return Ok(found);
    }
    let mut add = |path: &str, vendor: Vendor| {
        if let Some(target) = path.strip_prefix("etc/").and_then(|path| unknown.get(path)) {
            found.insert((*target).clone(), vendor);
        }
    };
    for name in root.list(Path::new(INFO))? {
        let Some(package) = name.strip_suffix(".md5sums") else {
            continue;
        };
        let Some(bytes) = root.read(&Path::new(INFO).join(&name))? else {
            continue;
        };
        for line in String::from_utf8_lossy(&bytes).lines() {
            let Some((digest, path)) = line.split_once("  ") else {
                continue;
            };
            let vendor = Vendor {
                package: package.split(':').next().unwrap_or(package).to_owned(),
                is_config: false,
                shipped: Some(digest.to_owned()).filter(|d| is_digest(d)),
            };
            add(path, vendor);
        }
    }
    if root.is_live()
        && let Some(rpm) = RPM.into_iter().find(|path| Path::new(path).exists())
    {
        let output = Command::new(rpm)
            .args([
                "-q",
                "-f",
                "--queryformat",
                "[%{=NAME}\\t%{FILENAMES}\\t%{FILEDIGESTS}\\n]",
            ])
            .args(unknown.keys().map(|target| format!("/etc/{target}")))
            .output()
            .context("asking rpm which packages own the conflicting files")?;
        // It ends with 1 when any of them belongs to no package.
        parse_rpm(&String::from_utf8_lossy(&output.stdout), &mut add);
    }
    Ok(found)
}

/// Whether files of a root may be rpm's.
///
/// # Errors
/// When that can't be looked at.
pub(crate) fn has_rpm(root: &Root) -> Result<bool> {
    for database in RPM_DATABASES {
        if root.node(Path::new(database))? != Node::Absent {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Finds files in lines of package, path and digest. Pure.
fn parse_rpm(text: &str, add: &mut dyn FnMut(&str, Vendor)) {
    for line in text.lines() {
        let words: Vec<&str> = line.split('\t').collect();
        let [package, path, digest] = words[..] else {
            continue;
        };
        let vendor = Vendor {
            package: package.to_owned(),
            is_config: false,
            shipped: Some(digest.to_owned()).filter(|d| is_digest(d)),
        };
        add(path.trim_start_matches('/'), vendor);
    }
}

impl Vendor {
    /// Whether a file is what was shipped.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn is_pristine(
        &self,
        root: &Root,
        target: &TargetPath,
        node: &Node,
    ) -> Result<bool> {
        let (Node::File { sha256, .. }, Some(shipped)) = (node, &self.shipped) else {
            return Ok(false);
        };
        if shipped.len() == sha256.len() {
            return Ok(shipped == sha256);
        }
        let Some(bytes) = root.read(&target.in_etc())? else {
            return Ok(false);
        };
        let found: String = Md5::digest(&bytes)
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        Ok(found == *shipped)
    }
}

/// Finds what package managers have put beside these files, in order.
///
/// # Errors
/// When a folder can't be listed.
pub(crate) fn find_beside<'a>(
    root: &Root,
    targets: impl IntoIterator<Item = &'a TargetPath>,
) -> Result<BTreeMap<TargetPath, Vec<TargetPath>>> {
    let targets: Vec<&TargetPath> = targets.into_iter().collect();
    let folders: BTreeSet<&str> = targets.iter().map(|target| target.folder()).collect();
    let mut found = BTreeMap::new();
    for folder in folders {
        let has_ending = |name: &str| BESIDE.iter().any(|ending| name.ends_with(ending));
        let names = root.list_those(&Path::new("etc").join(folder), has_ending)?;
        if names.is_empty() {
            continue;
        }
        let names: BTreeSet<String> = names.into_iter().collect();
        for target in targets.iter().filter(|target| target.folder() == folder) {
            let beside: Vec<TargetPath> = BESIDE
                .iter()
                .filter(|ending| names.contains(&format!("{}{ending}", target.file_name())))
                .filter_map(|ending| format!("{target}{ending}").parse().ok())
                .collect();
            if !beside.is_empty() {
                found.insert((*target).clone(), beside);
            }
        }
    }
    Ok(found)
}

/// Renders the settings by which dpkg leaves these files alone. Pure.
#[must_use]
pub(crate) fn render_settings<'a>(targets: impl IntoIterator<Item = &'a TargetPath>) -> String {
    let escaped = |target: &TargetPath| -> String {
        target
            .as_str()
            .chars()
            .flat_map(|c| {
                let is_special = matches!(c, '*' | '?' | '[' | ']' | '\\');
                is_special.then_some('\\').into_iter().chain([c])
            })
            .collect()
    };
    targets
        .into_iter()
        .map(|target| format!("path-exclude=/etc/{}\n", escaped(target)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(parse: impl Fn(&mut dyn FnMut(&str, Vendor))) -> Vec<String> {
        let mut found = Vec::new();
        parse(&mut |path, vendor| {
            let shipped = vendor.shipped.unwrap_or_default();
            found.push(format!("{path} {} {shipped}", vendor.package));
        });
        found
    }

    #[test]
    fn conffiles_are_found_in_the_status_of_dpkg() {
        let md5 = "5bbf5a52328e7439ae6e719dfe712200";
        let text = format!(
            "Package: a\nStatus: install ok installed\nConffiles:\n /etc/a {md5}\n /etc/with space {md5} obsolete\nDescription: x\n /etc/no {md5}\n\nPackage: b\nConffiles:\n /etc/b newconffile\n /etc/c {md5} remove-on-upgrade\n"
        );
        assert_eq!(
            collect(|add| parse_status(&text, add)),
            [
                format!("/etc/a a {md5}"),
                format!("/etc/with space a {md5}"),
                "/etc/b b ".to_owned(),
                format!("/etc/c b {md5}"),
            ]
        );
    }

    #[test]
    fn files_of_ucf_and_of_rpm_are_found() {
        let md5 = "5bbf5a52328e7439ae6e719dfe712200";
        assert_eq!(
            collect(|add| parse_ucf(&format!("{md5}  /etc/a\n"), "grub /etc/a\n", add)),
            [format!("/etc/a grub {md5}")]
        );
        assert_eq!(
            collect(|add| parse_rpm(
                "p\t/etc/a\t\nfile /etc/b is not owned by any package\n",
                add
            )),
            ["etc/a p "]
        );
    }

    #[test]
    fn dpkg_is_told_of_paths_and_not_of_patterns() {
        let targets: Vec<TargetPath> = ["a", "b*c"].iter().map(|t| t.parse().unwrap()).collect();
        assert_eq!(
            render_settings(&targets),
            "path-exclude=/etc/a\npath-exclude=/etc/b\\*c\n"
        );
    }
}
