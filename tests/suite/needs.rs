//! What a test needs and a machine may lack: the test then says so, and is counted as skipped.

use std::io::Write as _;
use std::process::Command;

/// Reports a test that does not run; past the capture of output, so that a passing run shows it.
pub fn skip(why: &str) {
    // A report that can't be written is no reason to fail.
    let _ = writeln!(
        std::io::stderr(),
        "\nSKIPPED {}: {why}",
        std::thread::current().name().unwrap_or("a test")
    );
}

/// Says whether owners can be set; if not, says that the test is skipped.
pub fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        skip("owners of files can only be set by root");
    }
    root
}

/// Says whether Nix is missing, and that the test is skipped for it.
pub fn lacks_nix() -> bool {
    let missing = Command::new("nix-build").arg("--version").output().is_err();
    if missing {
        skip("there is no Nix (apt-get install nix-bin)");
    }
    missing
}
