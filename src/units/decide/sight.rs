//! Which loaded units a decision looks at more closely than their states: systemd takes most of a millisecond to tell all of
//! one, and most units of a host have nothing to do with a switch.

use std::collections::{BTreeMap, BTreeSet};

use crate::units::decide::active::{service_of, sockets_of};
use crate::units::layers::Layers;
use crate::units::set::{Live, LiveUnit, UnitSet, suffix_of, template_of};

/// What a switch is between, as far as it says which units matter.
pub struct Sight<'a> {
    old: Layers<'a>,
    new: Layers<'a>,
    /// Units of which something is due, whatever the generations say.
    due: BTreeSet<&'a String>,
}

impl<'a> Sight<'a> {
    /// Takes what the decision will be given. Pure.
    #[must_use]
    pub fn new(
        old: &'a UnitSet,
        new: &'a UnitSet,
        beneath: &'a UnitSet,
        due: impl IntoIterator<Item = &'a String>,
    ) -> Self {
        Self {
            old: Layers { ours: old, beneath },
            new: Layers { ours: new, beneath },
            due: due.into_iter().collect(),
        }
    }

    /// Returns, for each unit, those loaded that stop with it by what the old generation says.
    fn bonds(&self, live: &Live) -> BTreeMap<String, BTreeSet<String>> {
        let mut bonds: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut add = |required: &str, unit: &str| {
            let units = bonds.entry(required.to_owned()).or_default();
            units.insert(unit.to_owned());
        };
        for (name, def) in &self.old.ours.units {
            for unit in &def.required_by {
                add(name, unit);
            }
        }
        for name in live.units.keys().filter(|name| self.is_said(name)) {
            if let Some(file) = self.old.definition(name).file() {
                for required in file.stops_with() {
                    add(self.old.canonical(&required), name);
                }
            }
        }
        bonds
    }

    /// Returns the names by which the decision may look for a unit that is loaded under another.
    ///
    /// A name that only the new generation has is no such: a second name of a unit comes from a file, and of one that is gone
    /// systemd knows nothing any more once it has read the new generation's.
    #[must_use]
    pub fn names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for layers in [self.old, self.new] {
            for (name, def) in layers.ours.units.iter().chain(&layers.beneath.units) {
                names.insert(name.clone());
                names.extend(def.aliases.iter().chain(def.pullers()).cloned());
            }
            for (unit, pullers) in layers.pulled_in_by() {
                names.insert(unit);
                names.extend(pullers);
            }
        }
        let were = [self.old.ours, self.old.beneath].into_iter();
        let were = were.flat_map(|set| &set.units);
        let were: BTreeSet<&String> = were
            .flat_map(|(name, def)| def.aliases.iter().chain([name]))
            .chain(self.due.iter().copied())
            .collect();
        names.retain(|name| were.contains(name) || !self.new.ours.units.contains_key(name));
        names.extend(self.due.iter().copied().cloned());
        names
    }

    /// Whether a slice may go: whether anything is in it only all units together can tell.
    #[must_use]
    pub fn needs_all(&self, live: &Live) -> bool {
        let mut slices = live.units.keys().filter(|name| suffix_of(name) == "slice");
        slices.any(|name| self.differs(name)) || self.due.iter().any(|u| suffix_of(u) == "slice")
    }

    /// Returns the units whose details matter whatever these are.
    #[must_use]
    pub fn first(&self, live: &Live) -> BTreeSet<String> {
        let mut first: BTreeSet<String> = self.due.iter().copied().cloned().collect();
        for (name, unit) in &live.units {
            // A target may be stopped and started with each switch, and what failed or is on its way is looked at as it is.
            let matters = match unit.active_state.as_str() {
                "inactive" => false,
                "active" => suffix_of(name) == "target" && self.is_said(name),
                _ => true,
            };
            if matters || self.differs(name) {
                first.insert(name.clone());
                first.extend(self.partners(name));
            }
        }
        // One that is down may still have sockets that are up, and start with them.
        let ours = self.old.ours.units.keys().chain(self.new.ours.units.keys());
        for name in ours.filter(|name| self.differs(name)) {
            first.insert(name.clone());
            first.extend(self.partners(name));
        }
        first
    }

    /// Whether either generation, or the host beneath, says anything of a unit or of its template.
    fn is_said(&self, name: &str) -> bool {
        let template = template_of(name);
        [self.old, self.new].iter().any(|layers| {
            let own = layers.canonical(name);
            let mut sets = [layers.ours, layers.beneath].into_iter();
            sets.any(|set| {
                let of_template = template.as_ref().map(|t| set.units.contains_key(t));
                set.units.contains_key(own) || of_template == Some(true)
            })
        })
    }

    /// Whether the generations say different things of a unit.
    fn differs(&self, name: &str) -> bool {
        let (old, new) = (&self.old, &self.new);
        self.is_said(name)
            && (old.definition(name) != new.definition(name)
                || old.is_dropin_instance(name) != new.is_dropin_instance(name)
                || old.replaces(name) != new.replaces(name))
    }

    /// Returns the sockets of a service, or the service of a socket: they are stopped and started together.
    fn partners(&self, name: &str) -> Vec<String> {
        let mut partners = Vec::new();
        for layers in [self.old, self.new] {
            let definition = layers.definition(name);
            let file = definition.file().cloned().unwrap_or_default();
            match suffix_of(name) {
                "service" => partners.extend(sockets_of(name, &file)),
                "socket" => partners.push(service_of(name, &file)),
                _ => {}
            }
        }
        partners
    }
}

/// Completes the states of `live` with the details that a decision looks at; `read` adds those of one unit.
///
/// # Errors
/// The first of `read`.
pub fn complete<E>(
    live: &mut Live,
    sight: &Sight<'_>,
    read: &mut dyn FnMut(&str, &mut LiveUnit) -> Result<(), E>,
) -> Result<(), E> {
    let bonds = sight.bonds(live);
    let all = sight.needs_all(live);
    let mut next: Vec<String> = if all {
        live.units.keys().cloned().collect()
    } else {
        sight.first(live).into_iter().collect()
    };
    let mut seen = BTreeSet::new();
    while let Some(name) = next.pop() {
        let Some((name, _)) = live.find(&name) else {
            continue;
        };
        let name = name.clone();
        let is_new = seen.insert(name.clone());
        // What is down is never touched for what it is.
        if let Some(unit) = live.units.get_mut(&name)
            && is_new
            && unit.active_state != "inactive"
        {
            read(&name, unit)?;
            let names = unit.names.iter().chain([&name]);
            next.extend(names.filter_map(|name| bonds.get(name)).flatten().cloned());
            next.extend(unit.triggered_by.iter().chain(&unit.takes_along).cloned());
        }
    }
    Ok(())
}
