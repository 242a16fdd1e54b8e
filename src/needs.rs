//! What a unit test needs and a machine may lack: the test then says so, and is counted as skipped.

use std::io::Write as _;

/// Whether owners can be set; if not, says that the test is skipped, past the capture of output.
pub(crate) fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        let test = std::thread::current();
        let test = test.name().unwrap_or("a test");
        // A report that can't be written is no reason to fail.
        let _ = writeln!(
            std::io::stderr(),
            "\nSKIPPED {test}: owners of files can only be set by root"
        );
    }
    root
}
