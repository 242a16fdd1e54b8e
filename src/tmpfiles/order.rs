//! In which order systemd-tmpfiles goes through rules, and which of two for one path counts (tmpfiles.d(5)). Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::names::AbsolutePath;
use crate::tmpfiles::decide::{Remark, Source};
use crate::tmpfiles::line::Rule;
use crate::tmpfiles::tree::parents;

/// A rule with where it is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// The rule.
    pub(crate) rule: Rule,
    /// Where it is from, for people.
    pub(crate) source: Source,
    /// The path of its file.
    pub(crate) path: AbsolutePath,
}

/// Says whether `first` makes systemd ignore `second`, by the order of their files' names.
pub(crate) fn overrides(first: &Item, second: &Item) -> bool {
    first.source.file < second.source.file && shadows(&first.rule, &second.rule)
}

/// Says whether the later of two rules is ignored: both want to be the one for the path, and they differ.
fn shadows(first: &Rule, second: &Rule) -> bool {
    first.path == second.path
        && first.takes_pattern() == second.takes_pattern()
        && first.takes_ownership()
        && second.takes_ownership()
        && !(second.letter == 'w' && second.force)
        && !is_compatible(first, second)
}

/// What systemd compares; the type is not among it.
fn is_compatible(a: &Rule, b: &Rule) -> bool {
    a.argument == b.argument
        && a.user == b.user
        && a.group == b.group
        && a.mode == b.mode
        && a.age == b.age
}

/// Puts rules in the order in which they are applied, without those that an earlier one shadows.
pub(crate) fn arrange<'i>(items: &'i [Item], remarks: &mut Vec<Remark>) -> Vec<&'i Item> {
    let mut plain = Group::default();
    let mut patterns = Group::default();
    for item in items {
        let group = if item.rule.takes_pattern() {
            &mut patterns
        } else {
            &mut plain
        };
        let same = group.by_path.get(item.rule.path.as_str());
        let first = same.and_then(|same| same.iter().find(|f| shadows(&f.rule, &item.rule)));
        if let Some(first) = first {
            remarks.push(Remark {
                path: item.rule.path.clone(),
                text: format!("has no effect: {} comes first", first.source),
                rule: item.source.clone(),
                fails: false,
            });
            continue;
        }
        if same.is_none() {
            group.paths.push(&item.rule.path);
        }
        group.by_path.entry(&item.rule.path).or_default().push(item);
    }
    for same in plain
        .by_path
        .values_mut()
        .chain(patterns.by_path.values_mut())
    {
        same.sort_by_key(|item| (!item.rule.takes_ownership(), item.rule.letter));
    }
    let mut order = Order {
        plain: &plain,
        patterns: &patterns,
        done: BTreeSet::new(),
        items: Vec::new(),
    };
    for path in &plain.paths {
        order.visit(Takes::Path, path);
    }
    for path in &patterns.paths {
        order.visit(Takes::Pattern, path);
    }
    order.items
}

/// Rules by path, and the paths in the order of their first rules.
#[derive(Default)]
struct Group<'i> {
    paths: Vec<&'i str>,
    by_path: BTreeMap<&'i str, Vec<&'i Item>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Takes {
    Path,
    Pattern,
}

struct Order<'i, 'g> {
    plain: &'g Group<'i>,
    patterns: &'g Group<'i>,
    done: BTreeSet<(Takes, &'i str)>,
    items: Vec<&'i Item>,
}

impl<'i> Order<'i, '_> {
    /// Adds the rules for a path, after those for the nearest path above it.
    fn visit(&mut self, takes: Takes, path: &'i str) {
        if !self.done.insert((takes, path)) {
            return;
        }
        let above: Vec<&str> = parents(path).collect();
        for prefix in above.into_iter().rev() {
            if self.plain.by_path.contains_key(prefix) {
                self.visit(Takes::Path, prefix);
                break;
            }
            if self.patterns.by_path.contains_key(prefix) {
                self.visit(Takes::Pattern, prefix);
                break;
            }
        }
        let group = match takes {
            Takes::Path => self.plain,
            Takes::Pattern => self.patterns,
        };
        if let Some(items) = group.by_path.get(path) {
            self.items.extend(items);
        }
    }
}
