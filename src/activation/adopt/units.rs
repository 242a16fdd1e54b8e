//! Unit files, masks and what starts them.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use super::{Found, Host, nix};
use crate::files::decide::destination;
use crate::model::names::{TargetPath, UnitName};
use crate::model::node::Node;
use crate::units::beneath::Scope;
use crate::units::file::UnitFile;
use crate::units::layers::is_addition;

/// The kinds of folders whose links have units started, and the option for each.
const EDGES: [(&str, &str); 3] = [
    (".wants", "wantedBy"),
    (".requires", "requiredBy"),
    (".upholds", "upheldBy"),
];

/// The mode and owner that the store shows.
const LIKE_THE_STORE: (u32, u32, u32) = (0o644, 0, 0);

/// A unit file of `/etc`.
struct Unit<'a> {
    scope: Scope,
    name: &'a str,
}

impl Unit<'_> {
    /// What its options begin with.
    fn option(&self) -> &'static str {
        match self.scope {
            Scope::System => "systemd",
            Scope::User => "systemd.user",
        }
    }
}

/// The unit whose own file a target is.
fn unit_at(target: &TargetPath) -> Option<Unit<'_>> {
    [Scope::System, Scope::User].into_iter().find_map(|scope| {
        let name = target.as_str().strip_prefix(scope.managed())?;
        let name = name.strip_prefix('/')?;
        name.parse::<UnitName>().ok()?;
        Some(Unit { scope, name })
    })
}

impl Host<'_> {
    /// Describes what `/etc` has of a unit: its own file, and additions to it.
    pub(super) fn describe_unit(&self, unit: &UnitName, found: &mut Found) -> Result<()> {
        let mut any = false;
        for scope in [Scope::System, Scope::User] {
            let file: TargetPath = format!("{}/{unit}", scope.managed()).parse()?;
            let dropins: TargetPath = format!("{file}.d").parse()?;
            for target in [&file, &dropins] {
                if self.root.node(&target.in_etc())? != Node::Absent {
                    any = true;
                    self.describe_path(target, found)?;
                }
            }
        }
        if !any {
            bail!(
                "there is nothing in /etc for the unit `{unit}`\nhint: units of the distribution are not described, and stay as they are; `systemctl cat {unit}` shows where a unit comes from"
            );
        }
        Ok(())
    }

    /// Describes a unit's own file, or a link that starts one; says whether the target is such a thing.
    pub(super) fn describe_unit_file(
        &self,
        target: &TargetPath,
        node: &Node,
        found: &mut Found,
    ) -> Result<bool> {
        if self.is_of_described(target, node)? {
            return Ok(true);
        }
        let Some(unit) = unit_at(target) else {
            return Ok(false);
        };
        match node {
            Node::Link { to } if to == "/dev/null" => {
                let masks = match unit.scope {
                    Scope::System => &mut found.masks,
                    Scope::User => &mut found.user_masks,
                };
                masks.insert(unit.name.to_owned());
                Ok(true)
            }
            Node::File { mode, uid, gid, .. } if (*mode, *uid, *gid) == LIKE_THE_STORE => {
                let Ok(text) = self.read_text(target, *mode)? else {
                    return Ok(false);
                };
                let file = UnitFile::parse([text.as_bytes()]);
                // What adds to a unit of that name would be placed beside it.
                if text.is_empty() || is_addition(unit.name, &file) {
                    return Ok(false);
                }
                let (nix, edges) = self.unit(&unit, &text)?;
                found.replaced.insert(target.as_str().to_owned());
                found.replaced.extend(edges);
                found.add("unit", format!("/etc/{target}"), nix);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// The definition of a unit with what starts it, and the links of that.
    fn unit(&self, unit: &Unit<'_>, text: &str) -> Result<(String, Vec<String>)> {
        let folder = unit.scope.managed();
        let mut edges: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut links = Vec::new();
        let path: TargetPath = folder.parse()?;
        for name in self.root.list(&path.in_etc())? {
            let kind = EDGES
                .iter()
                .find_map(|(ending, option)| Some((name.strip_suffix(ending)?, *option)));
            let (link, option, value) = match kind {
                Some((owner, option)) => (format!("{folder}/{name}/{}", unit.name), option, owner),
                None => (format!("{folder}/{name}"), "aliases", name.as_str()),
            };
            let (Ok(target), Ok(_)) = (link.parse::<TargetPath>(), value.parse::<UnitName>())
            else {
                continue;
            };
            if self.leads_to(&target, folder, unit.name)? {
                edges.entry(option).or_default().push(value.to_owned());
                links.push(link);
            }
        }
        let mut fields = format!("text = {};\n", nix::string(text));
        for (option, values) in edges {
            let values = nix::list(values.iter().map(String::as_str));
            fields.push_str(&format!("{option} = {values};\n"));
        }
        let nix = format!(
            "{}.units.{} = {{\n{}}};\n",
            unit.option(),
            nix::quoted(unit.name),
            nix::indent(&fields)
        );
        Ok((nix, links))
    }

    fn leads_to(&self, link: &TargetPath, folder: &str, unit: &str) -> Result<bool> {
        Ok(match self.root.node(&link.in_etc())? {
            Node::Link { to } => destination(link, &to) == Some(format!("etc/{folder}/{unit}")),
            _ => false,
        })
    }

    /// Whether a link is one of those that are told with the unit that they lead to.
    fn is_of_described(&self, target: &TargetPath, node: &Node) -> Result<bool> {
        let Node::Link { to } = node else {
            return Ok(false);
        };
        let Some(unit) = destination(target, to) else {
            return Ok(false);
        };
        let Some(Ok(unit)) = unit.strip_prefix("etc/").map(str::parse::<TargetPath>) else {
            return Ok(false);
        };
        let (Some(Unit { name, scope }), true) = (unit_at(&unit), unit != *target) else {
            return Ok(false);
        };
        let is_edge =
            target.file_name() == name && EDGES.iter().any(|(e, _)| target.folder().ends_with(e));
        let is_alias = target.folder() == scope.managed();
        if !(is_edge || is_alias) {
            return Ok(false);
        }
        let Node::File { mode, uid, gid, .. } = self.root.node(&unit.in_etc())? else {
            return Ok(false);
        };
        let Some(text) = self.root.read(&unit.in_etc())? else {
            return Ok(false);
        };
        let file = UnitFile::parse([text.as_slice()]);
        Ok((mode, uid, gid) == LIKE_THE_STORE && !is_addition(name, &file))
    }
}
