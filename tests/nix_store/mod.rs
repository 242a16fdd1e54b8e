//! Nix stores of the tests' own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Gives a test binary's own store. It is made by one process, before many use it: Nix does not expect to meet another
/// one that makes the same store.
pub fn own_store(name: &str) -> &'static Path {
    static STORE: OnceLock<PathBuf> = OnceLock::new();
    STORE.get_or_init(|| {
        let store = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let made = Command::new("nix-store")
            .arg("--store")
            .arg(&store)
            .arg("--init")
            .env("NIX_CONFIG", "build-users-group =\n")
            .status();
        assert!(
            made.is_ok_and(|m| m.success()),
            "no store can be made at {}",
            store.display()
        );
        store
    })
}
