//! What each rule does to a tree, as `systemd-tmpfiles --create` would. Pure, given the host.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::model::conflict::Conflict;
use crate::model::node::{Id, Kind, Object, sha256_of};
use crate::model::owners::Owners;
use crate::tmpfiles::decide::{Remark, Source};
use crate::tmpfiles::line::Rule;
use crate::tmpfiles::record::Made;
use crate::tmpfiles::tree::{Last, Walk, World, join, parent, parents};

/// Applies rules to a tree and keeps what there is to say about it.
pub(crate) struct Player<'h> {
    pub(crate) world: World<'h>,
    pub(crate) owners: &'h Owners,
    /// Which rule changed a path last.
    pub(crate) because: BTreeMap<String, Source>,
    /// What rules created, without the contents of copies.
    pub(crate) made: BTreeMap<String, Made>,
    pub(crate) remarks: Vec<Remark>,
    pub(crate) conflicts: Vec<Conflict>,
}

/// Whether an object is new or was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    New,
    Existing,
}

impl Player<'_> {
    pub(crate) fn apply(&mut self, rule: &Rule, source: &Source) -> Result<()> {
        match rule.letter {
            'd' | 'D' | 'v' | 'q' | 'Q' | 'f' | 'F' | 'L' | 'p' | 'c' | 'b' | 'C' => {
                self.create(rule, source)
            }
            'w' | 'e' | 'm' | 'z' | 'Z' | 't' | 'T' | 'h' | 'H' | 'a' | 'A' => {
                if rule.path.contains('\\') {
                    self.remark(
                        source,
                        &rule.path,
                        "its pattern has a backslash: what it matches is not predicted",
                    );
                    return Ok(());
                }
                for path in self.world.matching(&rule.path)? {
                    self.adjust_match(rule, source, &path)?;
                }
                Ok(())
            }
            // Removing and cleaning are never asked for.
            _ => Ok(()),
        }
    }

    fn create(&mut self, rule: &Rule, source: &Source) -> Result<()> {
        let Some(path) = self.make_parents(rule, source)? else {
            return Ok(());
        };
        if rule.letter == 'C' {
            return self.copy(rule, source, &path);
        }
        let kind = wanted_kind(rule)?;
        let Some(old) = self.world.look(&path)? else {
            return self.place_new(rule, source, &path, kind, None);
        };
        match (&old.kind, &kind) {
            (Kind::Link { to }, Kind::Link { to: wanted }) if to != wanted => {
                if rule.force {
                    let replaced = Some(to.clone());
                    self.place_new(rule, source, &path, kind, replaced)
                } else {
                    let text = format!("already points to {to}, and is left alone");
                    self.remark(source, &path, &text);
                    Ok(())
                }
            }
            (Kind::Device { block, .. }, Kind::Device { block: wanted, .. }) if block != wanted => {
                self.replace_or_fail(rule, source, &path, &old, kind)
            }
            // Which device it is, systemd-tmpfiles does not look at, not even to replace it.
            (Kind::Device { .. }, Kind::Device { .. }) if old.kind != kind => {
                self.remark(source, &path, "is another device already, and is left so");
                self.adjust(rule, source, &path, Age::Existing)
            }
            (Kind::File { .. }, Kind::File { content }) => {
                if rule.letter == 'F' || rule.force {
                    let bytes = self.world_content(&path, &old)?;
                    if Some(&bytes) != content.as_ref() {
                        self.because.insert(path.clone(), source.clone());
                        self.world.place(
                            &path,
                            Object {
                                kind: kind.clone(),
                                ..old
                            },
                        )?;
                    }
                }
                self.adjust(rule, source, &path, Age::Existing)
            }
            (old_kind, kind) if old_kind.is_like(kind) => {
                self.adjust(rule, source, &path, Age::Existing)
            }
            _ => self.replace_or_fail(rule, source, &path, &old, kind),
        }
    }

    /// Another type stands there.
    fn replace_or_fail(
        &mut self,
        rule: &Rule,
        source: &Source,
        path: &str,
        old: &Object,
        kind: Kind,
    ) -> Result<()> {
        let forced = rule.force && matches!(rule.letter, 'L' | 'p' | 'c' | 'b');
        if forced || rule.replace {
            self.refuse_loss(source, path, old);
            return self.place_new(rule, source, path, kind, None);
        }
        let text = format!("is {} already, and is left alone", old.kind.name());
        if rule.letter == 'L' {
            // A link is only a default; the rule asks for no more.
            self.remark(source, path, &text);
        } else {
            self.failure(source, path, &format!("{text}: the rule fails"));
        }
        Ok(())
    }

    /// Files and folders of others are never lost to a rule.
    fn refuse_loss(&mut self, source: &Source, path: &str, old: &Object) {
        if matches!(old.kind, Kind::File { .. } | Kind::Folder) {
            self.conflicts.push(Conflict {
                subject: path.to_owned(),
                cause: format!(
                    "is {} that the tmpfiles rule `{}` would remove",
                    old.kind.name(),
                    source.text
                ),
                remedy: "move it away, or use a type without `+` and `=`".to_owned(),
            });
        }
    }

    fn place_new(
        &mut self,
        rule: &Rule,
        source: &Source,
        path: &str,
        kind: Kind,
        replaced: Option<String>,
    ) -> Result<()> {
        let made = Made::of(&kind, replaced);
        let bits = rule.mode.map_or(default_mode(&kind), |m| m.bits);
        // The umask is 022 until the mode is set.
        let object = self.new_object(path, kind, bits & !0o022)?;
        self.world.place(path, object)?;
        self.because.insert(path.to_owned(), source.clone());
        self.made.insert(path.to_owned(), made);
        self.adjust(rule, source, path, Age::New)
    }

    /// An object that root makes: a folder with the setgid bit passes its group on.
    fn new_object(&self, path: &str, kind: Kind, mode: u32) -> Result<Object> {
        let above = match parent(path) {
            "/" => None,
            folder => self.world.look(folder)?,
        };
        let inherits = above.filter(|folder| folder.mode & 0o2000 != 0);
        let setgid = if inherits.is_some() && kind == Kind::Folder {
            0o2000
        } else {
            0
        };
        let mode = match kind {
            Kind::Link { .. } => 0o777,
            _ => mode | setgid,
        };
        Ok(Object {
            kind,
            mode,
            user: Id::Number(0),
            group: inherits.map_or(Id::Number(0), |folder| folder.group),
        })
    }

    /// Makes the folders above a rule's path and gives its real place; none when that fails.
    fn make_parents(&mut self, rule: &Rule, source: &Source) -> Result<Option<String>> {
        for above in parents(&rule.path) {
            let walk = self.world.walk(above, Last::Native)?;
            if rule.replace
                && let Some(refused) = self.changes_hands(above, &walk)?
            {
                self.failure(source, &rule.path, &obstacle(&refused));
                return Ok(None);
            }
            match walk {
                Walk::At(at) if self.is_folder(&at)? => continue,
                Walk::Missing { at, by_link: false } => {
                    self.make_folder(rule, source, &at)?;
                    continue;
                }
                walk if !rule.replace || walk == Walk::Loop => {
                    self.failure(source, &rule.path, &obstacle(&walk));
                    return Ok(None);
                }
                _ => {}
            }
            // What is in the way is replaced: a link itself, not what it leads to.
            let Walk::At(at) = self.world.walk(above, Last::Itself)? else {
                continue;
            };
            if let Some(object) = self.world.look(&at)? {
                self.refuse_loss(source, &at, &object);
                self.world.remove(&at);
                self.make_folder(rule, source, &at)?;
            }
        }
        match self.world.walk(&rule.path, Last::Itself)? {
            Walk::At(path) => Ok(Some(path)),
            walk => {
                self.remove_unreached(rule, source)?;
                self.failure(source, &rule.path, &obstacle(&walk));
                Ok(None)
            }
        }
    }

    /// Says how a way leads from a folder of a user's to what is another's, which rules with `=` refuse where links are followed.
    fn changes_hands(&self, path: &str, leads: &Walk) -> Result<Option<Walk>> {
        let (Walk::At(to), Walk::At(from)) = (leads, self.world.walk(parent(path), Last::Native)?)
        else {
            return Ok(None);
        };
        let (folder, object) = (self.world.look(&from)?, self.world.look(to)?);
        let (Some(folder), Some(object)) = (folder, object) else {
            return Ok(None);
        };
        let is_safe = folder.user == Id::Number(0) || folder.user == object.user;
        let to = to.clone();
        Ok((!is_safe).then_some(Walk::Unsafe { from, to }))
    }

    /// With `=`, what is of another type goes before systemd-tmpfiles finds that it refuses the way there.
    fn remove_unreached(&mut self, rule: &Rule, source: &Source) -> Result<()> {
        if rule.replace
            && rule.letter != 'C'
            && let Some((path, old)) = self.world.native(&rule.path)?
            && !old.kind.is_like(&wanted_kind(rule)?)
        {
            self.refuse_loss(source, &path, &old);
            self.because.insert(path.clone(), source.clone());
            self.world.remove(&path);
        }
        Ok(())
    }

    fn is_folder(&self, path: &str) -> Result<bool> {
        Ok(path == "/"
            || self
                .world
                .look(path)?
                .is_some_and(|o| o.kind == Kind::Folder))
    }

    fn make_folder(&mut self, rule: &Rule, source: &Source, path: &str) -> Result<()> {
        let mut object = self.new_object(path, Kind::Folder, 0o755)?;
        if !rule.replace {
            // Without `=`, the mode is set once more, and what was passed on of it is lost.
            object.mode = 0o755;
        }
        self.made
            .insert(path.to_owned(), Made::of(&Kind::Folder, None));
        self.because.insert(path.to_owned(), source.clone());
        self.world.place(path, object)
    }

    fn copy(&mut self, rule: &Rule, source: &Source, path: &str) -> Result<()> {
        let from = rule.source().unwrap_or_default();
        let original = match self.world.walk(&from, Last::Itself)? {
            Walk::At(real) => self.world.look(&real)?.map(|object| (real, object)),
            _ => None,
        };
        let Some((from, original)) = original else {
            let text = format!("is not copied: {from} does not exist");
            self.remark(source, path, &text);
            return Ok(());
        };
        match self.world.look(path)? {
            None => {
                self.copy_tree(rule, source, (&from, &original), path)?;
                self.made
                    .insert(path.to_owned(), Made::of(&original.kind, None));
                self.adjust(rule, source, path, Age::New)
            }
            Some(old) if old.kind.is_like(&original.kind) => {
                if old.kind == Kind::Folder && self.world.names(path)?.is_empty() {
                    self.copy_children(rule, source, &from, path)?;
                }
                self.adjust(rule, source, path, Age::Existing)
            }
            Some(old) => {
                let text = format!("is {} already, and is left alone", old.kind.name());
                self.remark(source, path, &text);
                Ok(())
            }
        }
    }

    fn copy_tree(
        &mut self,
        rule: &Rule,
        source: &Source,
        (from, original): (&str, &Object),
        path: &str,
    ) -> Result<()> {
        let mut copy = original.clone();
        if let Kind::File { .. } = copy.kind {
            let content = Some(self.world_content(from, original)?);
            copy.kind = Kind::File { content };
        }
        copy.user = self.owner(rule.user.as_ref(), &copy.user, Age::New, Self::user_id);
        copy.group = self.owner(rule.group.as_ref(), &copy.group, Age::New, Self::group_id);
        let folder = copy.kind == Kind::Folder;
        self.world.place(path, copy)?;
        self.because.insert(path.to_owned(), source.clone());
        if folder {
            self.copy_children(rule, source, from, path)?;
        }
        Ok(())
    }

    fn copy_children(&mut self, rule: &Rule, source: &Source, from: &str, to: &str) -> Result<()> {
        for name in self.world.names(from)? {
            let child = join(from, &name);
            if let Some(object) = self.world.look(&child)? {
                self.copy_tree(rule, source, (&child, &object), &join(to, &name))?;
            }
        }
        Ok(())
    }

    pub(crate) fn write(
        &mut self,
        rule: &Rule,
        source: &Source,
        path: &str,
        object: &Object,
    ) -> Result<()> {
        let same = !rule.force
            && matches!(object.kind, Kind::File { .. })
            && Some(self.world_content(path, object)?)
                == rule.argument.as_deref().map(digest).transpose()?;
        if !same {
            let what = if rule.force {
                "its argument is appended"
            } else {
                "its content is replaced by its argument"
            };
            self.remark(source, path, what);
        }
        Ok(())
    }

    /// Gives the digest of a file's content.
    fn world_content(&self, path: &str, object: &Object) -> Result<String> {
        match &object.kind {
            Kind::File {
                content: Some(known),
            } => Ok(known.clone()),
            _ => digest(&self.world.content(path)?),
        }
    }

    pub(crate) fn remark(&mut self, source: &Source, path: &str, text: &str) {
        self.say(source, path, text, false);
    }

    pub(crate) fn failure(&mut self, source: &Source, path: &str, text: &str) {
        self.say(source, path, text, true);
    }

    fn say(&mut self, source: &Source, path: &str, text: &str, fails: bool) {
        self.remarks.push(Remark {
            path: path.to_owned(),
            text: text.to_owned(),
            rule: source.clone(),
            fails,
        });
    }
}

/// What a rule wants at its path; copies excepted.
pub(crate) fn wanted_kind(rule: &Rule) -> Result<Kind> {
    Ok(match rule.letter {
        'f' | 'F' => Kind::File {
            content: Some(digest(rule.argument.as_deref().unwrap_or_default())?),
        },
        'L' => Kind::Link {
            to: rule.source().unwrap_or_default(),
        },
        'p' => Kind::Pipe,
        'c' | 'b' => {
            let (major, minor) = rule.device().unwrap_or_default();
            Kind::Device {
                block: rule.letter == 'b',
                major,
                minor,
            }
        }
        _ => Kind::Folder,
    })
}

fn default_mode(kind: &Kind) -> u32 {
    if *kind == Kind::Folder { 0o755 } else { 0o644 }
}

fn digest(bytes: &[u8]) -> Result<String> {
    Ok(sha256_of(bytes)?)
}

pub(crate) fn obstacle(walk: &Walk) -> String {
    match walk {
        Walk::Missing { at, .. } => format!("can't be reached: {at} does not exist"),
        Walk::NotFolder(at) | Walk::At(at) => format!("can't be reached: {at} is no folder"),
        Walk::Loop => "can't be reached: its links go in circles".to_owned(),
        Walk::Unsafe { from, to } => format!(
            "can't be reached: {to} does not belong to the user of {from}, and systemd-tmpfiles refuses to go there"
        ),
    }
}
