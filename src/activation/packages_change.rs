//! What a plan changes of the packages: Nix is asked meanwhile, since its answer takes as long as a small switch.

use std::collections::BTreeSet;

use crate::activation::state::Active;
use crate::closure::contents;
use crate::host::fs::Root;
use crate::model::awaited::Awaited;
use crate::model::packages::{Contents, PackagesChange, compare};

/// Asks what changes of the packages, by the closures where they are known. Nothing is asked when nothing changes.
#[must_use]
pub(super) fn ask(
    root: &Root,
    from: Option<&Active>,
    to: Option<&Active>,
) -> Awaited<PackagesChange> {
    let sides = [from, to].map(|side| side.map(|active| &active.toplevel));
    if sides[0] == sides[1] {
        return PackagesChange::default().into();
    }
    let closures = contents::ask(root, sides.into_iter().flatten());
    let (from, to) = (from.cloned(), to.cloned());
    Awaited::new(move || {
        let known = closures.answer();
        let contents = |active: Option<Active>| match active {
            Some(active) => Contents {
                all: known.get(&active.toplevel).cloned(),
                named: active.packages,
            },
            None => Contents {
                named: BTreeSet::new(),
                all: Some(<_>::default()),
            },
        };
        compare(&contents(from), &contents(to))
    })
}
