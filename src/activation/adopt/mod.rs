//! Describes what is there already: Nix for files, units, users and groups, so that a plan of it has nothing to do.
//!
//! What only some may read is never told: in the store everybody could read it. Files keep their own form, since an option
//! that writes another file would be a change; what the option would be is told beside them.

mod etc;
mod nix;
mod people;
mod units;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::activation::state::State;
use crate::files;
use crate::files::vendor;
use crate::host::fs::Root;
use crate::model::names::{TargetPath, UnitName};
use crate::model::node::Node;
use crate::model::style::{count, line};

/// What the reason begins with for a file that the host can't do without; what to do instead follows.
const RESERVED: &str = "it can't be managed as a file: ";

/// How many things are left out by name of each reason, in the text.
const NAMED: usize = 20;

/// What `adopt --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Adopted {
    /// Format version.
    pub version: u32,
    /// What is described.
    pub described: Vec<Described>,
    /// What is not, and why.
    pub left: Vec<Left>,
    /// The module.
    pub nix: String,
}

/// One thing that is described.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Described {
    /// What it is, such as `file` or `user`.
    pub kind: &'static str,
    /// Its path or name.
    pub name: String,
    /// Its definitions.
    #[serde(skip)]
    nix: String,
}

/// One thing that is not described.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Left {
    /// Its path or name.
    pub name: String,
    /// Why.
    pub why: String,
}

/// What is collected while the host is read.
#[derive(Debug, Default)]
struct Found {
    described: BTreeMap<(&'static str, String), String>,
    left: BTreeMap<String, String>,
    /// Paths below `/etc` that stay foreign for as long as they are as described.
    replaced: BTreeSet<String>,
    masks: BTreeSet<String>,
    user_masks: BTreeSet<String>,
}

impl Found {
    fn add(&mut self, kind: &'static str, name: impl Into<String>, nix: String) {
        self.described.insert((kind, name.into()), nix);
    }

    fn leave(&mut self, name: impl Into<String>, why: impl Into<String>) {
        self.left.insert(name.into(), why.into());
    }
}

/// What is read from.
struct Host<'a> {
    root: &'a Root,
    state: &'a State,
}

/// Describes what is named: paths below `/etc`, units, users and groups.
///
/// # Errors
/// When one is not there or has no place in a configuration, or something can't be read.
pub(crate) fn read(root: &Root, state: &State, names: &[String]) -> Result<Adopted> {
    let host = Host { root, state };
    let mut found = Found::default();
    for name in names {
        host.describe(name, &mut found)?;
    }
    Ok(found.finish())
}

impl Host<'_> {
    fn describe(&self, name: &str, found: &mut Found) -> Result<()> {
        if name == "/etc" || name == "/etc/" {
            return self.walk(None, found);
        }
        if let Some(target) = name.strip_prefix("/etc/") {
            let target = target.trim_end_matches('/').parse();
            let target = target.with_context(|| format!("{name}\nhint: name a path below /etc"))?;
            return self.describe_path(&target, found);
        }
        if name.starts_with('/') {
            bail!(
                "{name} is not below /etc\nhint: name a path below /etc, a unit, a user or a group; for folders elsewhere, use tmpfiles rules (`systemd.tmpfiles.rules`)"
            );
        }
        if name.contains('/') {
            bail!(
                "{name} is not an absolute path\nhint: write the full path, such as /etc/cron.d/backup"
            );
        }
        match name.parse::<UnitName>() {
            Ok(unit) => self.describe_unit(&unit, found),
            Err(_) => self.describe_account(name, found),
        }
    }

    fn describe_path(&self, target: &TargetPath, found: &mut Found) -> Result<()> {
        match target.as_str() {
            "passwd" => return self.describe_people(found),
            "group" => return self.describe_groups(found),
            _ => {}
        }
        match self.root.node(&target.in_etc())? {
            Node::Folder => self.walk(Some(target), found),
            Node::Absent => {
                bail!("/etc/{target} does not exist\nhint: `ls /etc` lists what exists")
            }
            Node::Blocked { at } => bail!(
                "/etc/{target} is not below a folder: /{} is not one\nhint: name the path that the link points to",
                at.display()
            ),
            node => self.describe_node(target, &node, found),
        }
    }

    /// Describes all below a folder, but for what is as a package has shipped it.
    fn walk(&self, folder: Option<&TargetPath>, found: &mut Found) -> Result<()> {
        let mut nodes = BTreeMap::new();
        self.list(folder, &mut nodes, found)?;
        let targets: BTreeSet<&TargetPath> = nodes.keys().collect();
        let mut vendors = vendor::read_conffiles(self.root, targets.iter().copied())?;
        vendors.append(&mut vendor::read_others(self.root, &targets, &vendors)?);
        let mut shipped = 0;
        for (target, node) in &nodes {
            let vendor = vendors.get(target);
            let is_shipped = |v: &vendor::Vendor| v.is_pristine(self.root, target, node);
            if vendor.map(is_shipped).transpose()? == Some(true) {
                shipped += 1;
            } else {
                self.describe_node(target, node, found)?;
            }
        }
        if shipped > 0 {
            let name = folder.map_or("/etc".to_owned(), |f| format!("/etc/{f}"));
            let files = count(shipped, "file");
            found.leave(
                format!("{files} below {name}"),
                "they are as a package of the distribution shipped them",
            );
        }
        Ok(())
    }

    fn list(
        &self,
        folder: Option<&TargetPath>,
        nodes: &mut BTreeMap<TargetPath, Node>,
        found: &mut Found,
    ) -> Result<()> {
        let path = folder.map_or_else(|| Path::new("etc").to_owned(), TargetPath::in_etc);
        for name in self.root.list(&path)? {
            let target = match folder {
                Some(folder) => folder.join(&name),
                None => name.parse(),
            };
            let Ok(target) = target else {
                found.leave(
                    path.join(&name).display().to_string(),
                    "its name has unusual characters",
                );
                continue;
            };
            match self.root.node(&target.in_etc())? {
                Node::Folder => self.list(Some(&target), nodes, found)?,
                // It is gone by now, or its name is not UTF-8.
                Node::Absent => {}
                node => {
                    nodes.insert(target, node);
                }
            }
        }
        Ok(())
    }

    fn describe_node(&self, target: &TargetPath, node: &Node, found: &mut Found) -> Result<()> {
        let path = format!("/etc/{target}");
        if self.state.files.entries.contains_key(target) {
            found.leave(path, "it is managed already");
            return Ok(());
        }
        if let Some(remedy) = files::reserved::find([target])?.remove(target) {
            found.leave(path, format!("{RESERVED}{remedy}"));
            return Ok(());
        }
        if self.describe_unit_file(target, node, found)? {
            return Ok(());
        }
        self.describe_etc(target, node, found)
    }
}

impl Found {
    fn finish(mut self) -> Adopted {
        for (option, masks) in [
            ("systemd.maskedUnits", &self.masks),
            ("systemd.user.maskedUnits", &self.user_masks),
        ] {
            if !masks.is_empty() {
                let text = format!(
                    "{option} = {};\n",
                    nix::list(masks.iter().map(String::as_str))
                );
                self.described.insert(("masks", option.to_owned()), text);
            }
        }
        let nix = self.render();
        let described = self.described.into_iter();
        Adopted {
            version: 1,
            nix,
            described: described
                .map(|((kind, name), nix)| Described { kind, name, nix })
                .collect(),
            left: self
                .left
                .into_iter()
                .map(|(name, why)| Left { name, why })
                .collect(),
        }
    }

    /// The module, with what is left out as comments.
    fn render(&self) -> String {
        let mut out = String::from(
            "# A description of what exists on this host; a plan made from it has no\n# changes. Everything stays as it is until you change something here, and is\n# restored when you remove that again.\n",
        );
        let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (name, why) in &self.left {
            let (reason, row) = match why.strip_prefix(RESERVED) {
                Some(remedy) => (RESERVED, format!("{name}: {remedy}")),
                None => (why.as_str(), name.clone()),
            };
            reasons.entry(reason).or_default().push(row);
        }
        for (reason, rows) in reasons {
            let reason = reason.trim_end_matches(": ");
            line(&mut out, &format!("#\n# Not described: {reason}"));
            for row in rows.iter().take(NAMED) {
                line(&mut out, &format!("#   {row}"));
            }
            if rows.len() > NAMED {
                line(&mut out, &format!("#   and {} more", rows.len() - NAMED));
            }
        }
        out.push_str("{\n");
        let mut parts: Vec<String> = Vec::new();
        for text in self.described.values().map(|t| nix::indent(t)) {
            // Two files may stand for one option.
            if !parts.contains(&text) {
                parts.push(text);
            }
        }
        if !self.replaced.is_empty() {
            let mut text = String::from("system-manager.replaceExisting = [\n");
            for path in &self.replaced {
                line(&mut text, &format!("  {}", nix::quoted(path)));
            }
            line(&mut text, "];");
            parts.push(nix::indent(&text));
        }
        out.push_str(&parts.join("\n"));
        out + "}\n"
    }
}
