//! What a test needs and a machine may lack: the test then says so, and is counted as skipped.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::Command;
use std::sync::Mutex;

/// Reports a test that does not run; past the capture of output, so that a passing run shows it.
/// A property, which is tried many times, says so once.
pub fn skip(why: &str) {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let test = std::thread::current();
    let test = test.name().unwrap_or("a test");
    let is_new = TOLD.lock().unwrap().insert(format!("{test}: {why}"));
    if is_new {
        // A report that can't be written is no reason to fail.
        let _ = writeln!(std::io::stderr(), "\nSKIPPED {test}: {why}");
    }
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
