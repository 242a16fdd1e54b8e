//! Files that an entry never replaces: the host can't do without them, or another part of this program keeps them.
//!
//! The list is the modules' own, who refuse them when a configuration is evaluated; a manifest may come from elsewhere.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use crate::model::names::TargetPath;

const LIST: &str = include_str!("../../modules/etc-reserved.json");

/// Returns those of these targets that are refused, with what to do instead.
///
/// # Errors
/// When the list that was built in is malformed.
pub(crate) fn find<'a>(
    targets: impl IntoIterator<Item = &'a TargetPath>,
) -> Result<BTreeMap<&'a TargetPath, String>> {
    let list: BTreeMap<String, String> =
        serde_json::from_str(LIST).context("reading the list of reserved files")?;
    let remedy = |target: &'a TargetPath| {
        let folders = target.as_str().match_indices('/').map(|(at, _)| at);
        let mut names = folders.chain([target.as_str().len()]);
        let remedy = names.find_map(|end| list.get(&target.as_str()[..end]))?;
        Some((target, remedy.clone()))
    };
    Ok(targets.into_iter().filter_map(remedy).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_cannot_do_without_is_refused() {
        let names = [
            "passwd",
            "passwd.lock",
            "fstab",
            "fstab/inside",
            "fstab.d/x",
            "motd",
        ];
        let targets: Vec<TargetPath> = names.iter().map(|t| t.parse().unwrap()).collect();
        let found = find(&targets).unwrap();
        let found: Vec<&str> = found.keys().map(|target| target.as_str()).collect();
        assert_eq!(found, ["fstab", "fstab/inside", "passwd", "passwd.lock"]);
    }
}
