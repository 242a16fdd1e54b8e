//! A file tree that rules are tried on: what the host shows, under what they would change. Pure, given the host.

use crate::model::node::{Id, Kind, Object};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anyhow::Result;

use crate::tmpfiles::glob::{expand_braces, is_pattern, matches};

/// Where objects are read from; paths are absolute and without links above their last part.
pub trait Host {
    /// Gives what stands at a path.
    ///
    /// # Errors
    /// When it can't be read.
    fn object(&self, path: &str) -> Result<Option<Object>>;
    /// Lists a folder, sorted.
    ///
    /// # Errors
    /// When it can't be read.
    fn names(&self, path: &str) -> Result<Vec<String>>;
    /// Reads a file.
    ///
    /// # Errors
    /// When it can't be read.
    fn content(&self, path: &str) -> Result<Vec<u8>>;
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Walk {
    /// To this path, without links above its last part; there need be nothing.
    At(String),
    /// To a folder that is missing.
    Missing {
        /// Where.
        at: String,
        /// It is a part of where a link leads, which nobody makes.
        by_link: bool,
    },
    /// Through something that is no folder.
    NotFolder(String),
    /// Nowhere: the links go in circles.
    Loop,
    /// From a user's folder to what belongs to another; systemd refuses that.
    Unsafe {
        /// The folder.
        from: String,
        /// What is in it.
        to: String,
    },
}

/// How the last part of a path is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Last {
    /// As it is.
    Itself,
    /// As it is, but it must not belong to another user than the folder.
    Checked,
    /// A link there is followed.
    Followed,
    /// A link there is followed, and whoever owns what is no matter: as the kernel does.
    Native,
}

/// A tree under change.
pub(crate) struct World<'h> {
    host: &'h dyn Host,
    /// What is different from the host; none is what was removed.
    pub(crate) changed: BTreeMap<String, Option<Object>>,
    /// Folders below which nothing of the host shows any more.
    covered: BTreeSet<String>,
}

impl Host for World<'_> {
    fn object(&self, path: &str) -> Result<Option<Object>> {
        self.look(path)
    }

    fn names(&self, path: &str) -> Result<Vec<String>> {
        self.names(path)
    }

    fn content(&self, path: &str) -> Result<Vec<u8>> {
        self.content(path)
    }
}

impl<'h> World<'h> {
    pub(crate) fn new(host: &'h dyn Host) -> Self {
        Self {
            host,
            changed: BTreeMap::new(),
            covered: BTreeSet::new(),
        }
    }

    pub(crate) fn look(&self, path: &str) -> Result<Option<Object>> {
        if let Some(object) = self.changed.get(path) {
            return Ok(object.clone());
        }
        if parents(path).any(|above| self.covered.contains(above)) {
            return Ok(None);
        }
        self.host.object(path)
    }

    pub(crate) fn names(&self, folder: &str) -> Result<Vec<String>> {
        let hidden = self.covered.contains(folder)
            || parents(folder).any(|above| self.covered.contains(above));
        let mut names: BTreeSet<String> = if hidden || self.host.object(folder)?.is_none() {
            BTreeSet::new()
        } else {
            self.host.names(folder)?.into_iter().collect()
        };
        let prefix = join(folder, "");
        for (path, object) in self.changed.range(prefix.clone()..) {
            let Some(name) = path.strip_prefix(&prefix) else {
                break;
            };
            if name.is_empty() || name.contains('/') {
                continue;
            }
            if object.is_some() {
                names.insert(name.to_owned());
            } else {
                names.remove(name);
            }
        }
        Ok(names.into_iter().collect())
    }

    /// Reads a file that no rule has changed.
    pub(crate) fn content(&self, path: &str) -> Result<Vec<u8>> {
        self.host.content(path)
    }

    /// Puts an object at a path, in place of what stands there.
    pub(crate) fn place(&mut self, path: &str, object: Object) -> Result<()> {
        let both_folders =
            object.kind == Kind::Folder && self.look(path)?.is_some_and(|o| o.kind == Kind::Folder);
        if !both_folders {
            self.remove(path);
        }
        self.changed.insert(path.to_owned(), Some(object));
        Ok(())
    }

    /// Removes what stands at a path, and all below it.
    pub(crate) fn remove(&mut self, path: &str) {
        let below = join(path, "");
        let inside = self.changed.range_mut(below.clone()..);
        for (_, inner) in inside.take_while(|(path, _)| path.starts_with(&below)) {
            *inner = None;
        }
        self.covered.insert(path.to_owned());
        self.changed.insert(path.to_owned(), None);
    }

    /// Names what goes with folders that were replaced, and stand again: what replaced them hides it no more.
    pub(crate) fn show_what_went(&mut self) -> Result<()> {
        let is_folder = |object: Option<Object>| object.is_some_and(|o| o.kind == Kind::Folder);
        for folder in self.covered.clone() {
            if !is_folder(self.look(&folder)?) || !is_folder(self.host.object(&folder)?) {
                continue;
            }
            let mut folders = vec![folder];
            while let Some(above) = folders.pop() {
                for name in self.host.names(&above)? {
                    let path = join(&above, &name);
                    if is_folder(self.host.object(&path)?) {
                        folders.push(path.clone());
                    }
                    self.changed.entry(path).or_insert(None);
                }
            }
        }
        Ok(())
    }

    /// Follows a path as systemd does: one part at a time, links included, and never from one user to another.
    pub(crate) fn walk(&self, path: &str, last: Last) -> Result<Walk> {
        let mut parts: VecDeque<String> = split(path).map(str::to_owned).collect();
        let mut at = "/".to_owned();
        let (mut links, mut of_link, mut owner) = (0, 0_usize, Id::Number(0));
        while let Some(part) = parts.pop_front() {
            let by_link = of_link > 0;
            of_link = of_link.saturating_sub(1);
            if part == ".." {
                at.truncate(parent(&at).len());
                continue;
            }
            let next = join(&at, &part);
            if parts.is_empty() && last == Last::Itself {
                return Ok(Walk::At(next));
            }
            let Some(object) = self.look(&next)? else {
                return Ok(if parts.is_empty() && last == Last::Checked {
                    Walk::At(next)
                } else {
                    Walk::Missing { at: next, by_link }
                });
            };
            if last != Last::Native && owner != Id::Number(0) && owner != object.user {
                return Ok(Walk::Unsafe { from: at, to: next });
            }
            match &object.kind {
                Kind::Link { to } if !(parts.is_empty() && last == Last::Checked) => {
                    links += 1;
                    of_link += split(to).count();
                    if links > 32 {
                        return Ok(Walk::Loop);
                    }
                    if to.starts_with('/') {
                        "/".clone_into(&mut at);
                    }
                    for part in split(to).collect::<Vec<_>>().into_iter().rev() {
                        parts.push_front(part.to_owned());
                    }
                    owner = object.user;
                    continue;
                }
                Kind::Folder => at = next,
                _ if parts.is_empty() => return Ok(Walk::At(next)),
                _ => return Ok(Walk::NotFolder(next)),
            }
            owner = object.user;
        }
        Ok(Walk::At(at))
    }

    /// Looks at a path as the kernel does that follows all links but the last.
    pub(crate) fn native(&self, path: &str) -> Result<Option<(String, Object)>> {
        let Walk::At(folder) = self.walk(parent(path), Last::Native)? else {
            return Ok(None);
        };
        let real = match path.rsplit('/').next() {
            Some(name) if !name.is_empty() => join(&folder, name),
            _ => folder,
        };
        Ok(self.look(&real)?.map(|object| (real, object)))
    }

    /// Lists what a pattern matches.
    pub(crate) fn matching(&self, pattern: &str) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for one in expand_braces(pattern).unwrap_or_default() {
            let mut paths = vec!["/".to_owned()];
            for part in split(&one) {
                let mut next = Vec::new();
                for path in &paths {
                    if is_pattern(part) {
                        // systemd lists no folder through a link, but follows those above it.
                        let Some((folder, object)) = self.native(path)? else {
                            continue;
                        };
                        if object.kind != Kind::Folder {
                            continue;
                        }
                        let names = self.names(&folder)?;
                        let names = names.iter().filter(|name| matches(part, name));
                        next.extend(names.map(|name| join(path, name)));
                    } else {
                        next.push(join(path, part));
                    }
                }
                paths = next;
            }
            for path in paths {
                if self.native(&path)?.is_some() {
                    found.push(path);
                }
            }
        }
        Ok(found)
    }
}

/// Splits a path into its parts; `.` is none.
fn split(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|p| !p.is_empty() && *p != ".")
}

/// Gives the path of `name` in a folder.
pub(crate) fn join(folder: &str, name: &str) -> String {
    if folder == "/" {
        format!("/{name}")
    } else {
        format!("{folder}/{name}")
    }
}

/// Gives the folder that a path is in.
pub(crate) fn parent(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) | None => "/",
        Some(at) => &path[..at],
    }
}

/// Gives the folders above a path, outermost first, without the root.
pub(crate) fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').skip(1).map(|(at, _)| &path[..at])
}
