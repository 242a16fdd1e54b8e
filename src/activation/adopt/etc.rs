//! Files and links below `/etc`, as entries; the host's basics, as their options.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use super::{Found, Host, nix};
use crate::basics::places::{self, Form};
use crate::model::manifest::Basics;
use crate::model::names::TargetPath;
use crate::model::node::Node;

/// How large a text may be, in bytes.
const LARGEST: u64 = 256 * 1024;

/// What a key that is nobody else's has in its first line, whatever its mode.
const PRIVATE_KEY: &str = "PRIVATE KEY-----";

/// What may be read by everybody.
const READABLE: u32 = 0o004;

impl Host<'_> {
    pub(super) fn describe_etc(
        &self,
        target: &TargetPath,
        node: &Node,
        found: &mut Found,
    ) -> Result<()> {
        let path = format!("/etc/{target}");
        match node {
            Node::Link { to } => {
                if let Some(text) = self.zone(target, to)? {
                    found.add("host basics", path, text);
                } else if let Some(source) = absolute(target, to) {
                    found.add("link", path, link(target, &source));
                } else {
                    found.leave(path, "it is a link whose text leads up and down again");
                }
            }
            Node::File { mode, uid, gid, .. } => match self.read_text(target, *mode)? {
                Err(why) => found.leave(path, why),
                Ok(text) => {
                    if let Some(option) = self.basic(target, &text)? {
                        found.add("host basics", path, option);
                        return Ok(());
                    }
                    let nix = self.entry(target, &text, *mode, [*uid, *gid])?;
                    found.add("file", path, nix);
                }
            },
            _ => found.leave(path, "it is neither a file nor a link"),
        }
        Ok(())
    }

    /// Reads what a file says; an error says why it is not told.
    pub(super) fn read_text(
        &self,
        target: &TargetPath,
        mode: u32,
    ) -> Result<Result<String, &'static str>> {
        let path = target.in_etc();
        if mode & READABLE == 0 && !target.as_str().starts_with("sudoers") {
            return Ok(Err(
                "not everyone may read it, but everyone can read the store; leave it out, or see docs/security.md",
            ));
        }
        if self.root.size(&path)? > LARGEST {
            return Ok(Err(
                "it is larger than 256 KiB: copy it next to the configuration, and set `source` to the copy",
            ));
        }
        let Some(bytes) = self.root.read(&path)? else {
            return Ok(Err("it no longer exists"));
        };
        Ok(match String::from_utf8(bytes) {
            Ok(text) if text.contains(PRIVATE_KEY) => Err("it is a private key"),
            Ok(text) if !text.contains('\0') => Ok(text),
            _ => Err(
                "it is not text: copy it next to the configuration, and set `source` to the copy",
            ),
        })
    }

    /// An entry of `environment.etc` for a file.
    pub(super) fn entry(
        &self,
        target: &TargetPath,
        text: &str,
        mode: u32,
        [uid, gid]: [u32; 2],
    ) -> Result<String> {
        let mut fields = format!("text = {};\nmode = \"{mode:04o}\";\n", nix::string(text));
        for (name, id, is_user) in [("user", uid, true), ("group", gid, false)] {
            if id != 0 {
                let owner = self.name_of(id, is_user)?;
                let owner = owner.unwrap_or_else(|| format!("+{id}"));
                fields.push_str(&format!("{name} = {};\n", nix::quoted(&owner)));
            }
        }
        fields.push_str("replaceExisting = true;\n");
        let target = target.as_str();
        let mut out = format!(
            "environment.etc.{} = {{\n{}}};\n",
            nix::quoted(target),
            nix::indent(&fields)
        );
        if let Some(options) = nix::as_options(target, text).filter(|o| !o.is_empty()) {
            out.push_str(
                "# The same as options, which write another file; if you use them, remove the entry above and the file:\n",
            );
            for row in options.lines() {
                out.push_str(&format!("# {row}\n"));
            }
        }
        Ok(out)
    }

    /// The zone that a link names, where nothing else says another one.
    fn zone(&self, target: &TargetPath, to: &str) -> Result<Option<String>> {
        let zone = match to.split_once("usr/share/zoneinfo/") {
            Some((above, zone)) if target.as_str() == places::LOCALTIME => above
                .split('/')
                .all(|p| p.is_empty() || p == "..")
                .then_some(zone),
            _ => None,
        };
        let Some(zone) = zone else { return Ok(None) };
        let said = self.root.node(&Path::new("etc").join(places::TIMEZONE))?;
        let agrees = match said {
            Node::File { .. } => {
                let text = self.root.read(&Path::new("etc").join(places::TIMEZONE))?;
                text.unwrap_or_default() == format!("{zone}\n").as_bytes()
            }
            _ => true,
        };
        Ok(agrees.then(|| format!("time.timeZone = {};\n", nix::quoted(zone))))
    }

    /// The option that a file of the host's basics stands for, where it would be written as it is.
    fn basic(&self, target: &TargetPath, text: &str) -> Result<Option<String>> {
        let name = target.as_str();
        let value = text.trim();
        let mut wanted = Basics::default();
        let option = match name {
            places::HOSTNAME => {
                wanted.host_name = Some(value.to_owned());
                format!("networking.hostName = {};\n", nix::quoted(value))
            }
            places::TIMEZONE => {
                let link = self.root.node(&Path::new("etc").join(places::LOCALTIME))?;
                let Node::Link { to } = link else {
                    return Ok(None);
                };
                return self.zone(&places::LOCALTIME.parse()?, &to);
            }
            _ if places::LOCALES.contains(&name) => {
                wanted.locale = variables(text);
                locale(&wanted.locale)
            }
            _ => return Ok(None),
        };
        let is_same = match places::render(name, &wanted, text) {
            Some(Ok(Form::Text(written))) => written == text,
            _ => false,
        };
        Ok((is_same && places::check(&wanted).is_empty()).then_some(option))
    }
}

fn variables(text: &str) -> BTreeMap<String, String> {
    let said = text.lines().filter(|l| !l.trim_start().starts_with('#'));
    said.filter_map(|l| l.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn locale(variables: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    for (name, value) in variables {
        let value = nix::quoted(value);
        out.push_str(&if name == "LANG" {
            format!("i18n.defaultLocale = {value};\n")
        } else {
            format!(
                "i18n.extraLocaleSettings.{} = {value};\n",
                nix::quoted(name)
            )
        });
    }
    out
}

/// An entry for a link of others.
fn link(target: &TargetPath, source: &str) -> String {
    format!(
        "environment.etc.{} = {{\n  source = {};\n  replaceExisting = true;\n}};\n",
        nix::quoted(target.as_str()),
        nix::quoted(source)
    )
}

/// The path that a link leads to.
fn absolute(target: &TargetPath, to: &str) -> Option<String> {
    if to.starts_with('/') {
        return Some(to.to_owned());
    }
    crate::files::decide::destination(target, to).map(|path| format!("/{path}"))
}
