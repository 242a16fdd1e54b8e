//! What rules do to the mode and the owner of what is there. Pure, given the tree.

use anyhow::Result;

use crate::model::node::{Id, Kind, Object};
use crate::tmpfiles::decide::Source;
use crate::tmpfiles::line::{Rule, RuleOwner};
use crate::tmpfiles::rules::{Age, Player, obstacle};
use crate::tmpfiles::tree::{Last, Walk, join};

impl Player<'_> {
    /// What a rule with a pattern does to one match.
    pub(crate) fn adjust_match(&mut self, rule: &Rule, source: &Source, path: &str) -> Result<()> {
        if rule.letter == 'Z' {
            // The one type that goes on where folders change hands.
            return match self.world.native(path)? {
                Some((real, _)) => self.adjust_all(rule, source, &real),
                None => Ok(()),
            };
        }
        let last = if rule.letter == 'w' {
            Last::Followed
        } else {
            Last::Checked
        };
        let real = match self.world.walk(path, last)? {
            Walk::At(real) => real,
            walk => {
                self.failure(source, path, &obstacle(&walk));
                return Ok(());
            }
        };
        let Some(object) = self.world.look(&real)? else {
            return Ok(());
        };
        match rule.letter {
            'w' => self.write(rule, source, &real, &object),
            'e' if object.kind != Kind::Folder => {
                let text = format!("is {}, not a folder: the rule fails", object.kind.name());
                self.failure(source, &real, &text);
                Ok(())
            }
            'e' | 'm' | 'z' => self.adjust(rule, source, &real, Age::Existing),
            _ => {
                let what = match rule.letter {
                    't' | 'T' => "its extended attributes are set",
                    'h' | 'H' => "its file attributes are set",
                    _ => "its access control list is set",
                };
                self.remark(source, &real, what);
                Ok(())
            }
        }
    }

    pub(crate) fn adjust_all(&mut self, rule: &Rule, source: &Source, path: &str) -> Result<()> {
        self.adjust(rule, source, path, Age::Existing)?;
        if self
            .world
            .look(path)?
            .is_some_and(|o| o.kind == Kind::Folder)
        {
            for name in self.world.names(path)? {
                self.adjust_all(rule, source, &join(path, &name))?;
            }
        }
        Ok(())
    }

    /// Sets the mode and the owner that a rule asks for.
    pub(crate) fn adjust(
        &mut self,
        rule: &Rule,
        source: &Source,
        path: &str,
        age: Age,
    ) -> Result<()> {
        let Some(old) = self.world.look(path)? else {
            return Ok(());
        };
        let mode = match rule.mode {
            Some(mode) if !(mode.only_new && age == Age::Existing) => {
                if mode.masked {
                    masked(mode.bits, &old)
                } else {
                    mode.bits
                }
            }
            _ => old.mode,
        };
        let new = Object {
            mode: if matches!(old.kind, Kind::Link { .. }) {
                old.mode
            } else {
                mode
            },
            user: self.owner(rule.user.as_ref(), &old.user, age, Self::user_id),
            group: self.owner(rule.group.as_ref(), &old.group, age, Self::group_id),
            kind: old.kind.clone(),
        };
        if new != old {
            self.because.insert(path.to_owned(), source.clone());
            self.world.changed.insert(path.to_owned(), Some(new));
        }
        Ok(())
    }

    pub(crate) fn owner(
        &self,
        wanted: Option<&RuleOwner>,
        old: &Id,
        age: Age,
        id: fn(&Self, &str) -> Option<u32>,
    ) -> Id {
        match wanted {
            Some(owner) if !(owner.only_new && age == Age::Existing) => {
                id(self, &owner.name).map_or_else(|| Id::Name(owner.name.clone()), Id::Number)
            }
            _ => old.clone(),
        }
    }

    pub(crate) fn user_id(&self, name: &str) -> Option<u32> {
        name.parse().ok().or_else(|| self.owners.uid(name))
    }

    pub(crate) fn group_id(&self, name: &str) -> Option<u32> {
        name.parse().ok().or_else(|| self.owners.gid(name))
    }

    /// Names the user and group of a rule that do not exist.
    pub(crate) fn unknown_owners(&self, rule: &Rule) -> Vec<String> {
        let user = rule
            .user
            .as_ref()
            .filter(|o| self.user_id(&o.name).is_none());
        let group = rule
            .group
            .as_ref()
            .filter(|o| self.group_id(&o.name).is_none());
        let user = user.map(|o| format!("the user `{}`", o.name));
        user.into_iter()
            .chain(group.map(|o| format!("the group `{}`", o.name)))
            .collect()
    }
}

/// `~`: only bits of which the object has one already, and the special ones only for folders.
fn masked(bits: u32, old: &Object) -> u32 {
    let mut mode = bits;
    for triple in [0o111, 0o222, 0o444] {
        if old.mode & triple == 0 {
            mode &= !triple;
        }
    }
    if old.kind != Kind::Folder {
        mode &= 0o777;
    }
    mode
}
