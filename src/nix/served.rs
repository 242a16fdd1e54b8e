//! Whether Nix serves the user who asks, and what to set up where it does not.
#![expect(
    clippy::disallowed_methods,
    reason = "looks at Nix's store and at its daemon"
)]

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Result, bail};
use nix::unistd::{AccessFlags, access};

use crate::host::getent;
use crate::nix::BuildOptions;

/// Where Nix's daemon listens.
const DAEMON: &str = "/nix/var/nix/daemon-socket/socket";

/// Whether there is a daemon that this user can reach.
pub(super) fn has_daemon() -> bool {
    Path::new(DAEMON).exists()
}

/// Refuses where Nix would, in words that say what to set up: without its daemon, a store is written by who owns it.
pub(super) fn may_build(options: &BuildOptions) -> Result<()> {
    let writes = |path: &str| access(Path::new(path), AccessFlags::W_OK).is_ok();
    let asks_another = ["NIX_REMOTE", "NIX_STORE_DIR", "NIX_STATE_DIR"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    let settings = std::env::var("NIX_CONFIG").unwrap_or_default();
    let names = settings.lines().filter_map(|line| line.split('=').next());
    let names_another = names
        .chain(options.nix_options.iter().map(|(name, _)| name.as_str()))
        .any(|name| name.trim() == "store");
    let has_store = Path::new("/nix/store").exists();
    let is_elsewhere = !has_store || asks_another || names_another;
    if is_elsewhere || has_daemon() || writes("/nix/var/nix/db") {
        return Ok(());
    }
    if let Some(group) = group_of_the_served() {
        bail!(
            "this user may not write to Nix's store, and Nix's daemon does not accept this user\nhint: run this as root, for example with sudo, or join the daemon's group: `sudo usermod --append --groups {group} $USER`, and log in again"
        );
    }
    bail!(
        "this user may not write to Nix's store, and no Nix daemon is running\nhint: run this as root, for example with sudo, or install the daemon (on Debian: `apt-get install nix-setup-systemd`)"
    )
}

/// Returns the group whose members may enter the folder of the daemon's socket, where this user may not.
fn group_of_the_served() -> Option<String> {
    let folder = Path::new(DAEMON).parent()?;
    // A folder that can't be looked at is none that could be explained.
    let gid = std::fs::metadata(folder).ok()?.gid();
    if access(folder, AccessFlags::X_OK).is_ok() {
        return None;
    }
    let entry = getent::look_up("group", &gid.to_string()).ok().flatten()?;
    Some(entry.split(':').next()?.to_owned())
}
