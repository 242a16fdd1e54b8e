//! Reads what stands where rules of ours have begun to make something.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use crate::host::fs::Root;
use crate::model::node::Object;
use crate::tmpfiles::record::TmpfilesRecord;

/// Reads what stands at the paths that a stopped activation has left open. All else is read by the decision, as it needs
/// it: rules go where the tree leads them.
///
/// # Errors
/// When one can't be read.
pub fn observe(root: &Root, record: &TmpfilesRecord) -> Result<BTreeMap<String, Option<Object>>> {
    let begun = record.made.iter().filter(|(_, made)| made.is_begun());
    begun
        .map(|(path, _)| {
            let object = root.object_at(Path::new(path.trim_start_matches('/')))?;
            Ok((path.clone(), object))
        })
        .collect()
}
