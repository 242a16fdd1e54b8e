//! Toplevels: the built configurations in Nix's store.
#![expect(clippy::disallowed_methods, reason = "reads toplevels")]

use std::path::Path;

use anyhow::{Context, Result};

use crate::model::manifest::Manifest;

/// Reads the manifest of a toplevel.
///
/// # Errors
/// When the file is missing or malformed; the message names it.
pub fn read_manifest(toplevel: &Path) -> Result<Manifest> {
    let path = toplevel.join("manifest.json");
    let text = std::fs::read_to_string(&path).with_context(|| {
        format!(
            "reading {}\nhint: is {} a toplevel that `system-manager build` made? The folder of a configuration has a flake.nix or a system.nix",
            path.display(),
            toplevel.display()
        )
    })?;
    Manifest::parse(&text).map_err(|error| {
        let hint = if error.to_string().contains("hint: ") {
            ""
        } else {
            "\nhint: build it again with `system-manager build` of the same version as this program"
        };
        error.context(format!("reading {}{hint}", path.display()))
    })
}
