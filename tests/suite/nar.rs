//! Archives of ours beside Nix's own.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use system_manager::face::nar;

use crate::needs::lacks_nix;

fn nix_store(arguments: &[&str], stdin: Stdio) -> Result<Vec<u8>> {
    let output = Command::new("nix-store")
        .args(arguments)
        .stdin(stdin)
        .env("NIX_CONFIG", "build-users-group =\n")
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output.stdout)
}

#[test]
fn archives_are_those_of_nix_both_ways() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    let temp = tempfile::tempdir()?;
    let tree = temp.path().join("tree");
    // The order of bytes, an empty folder, sizes around a word, links that lead nowhere.
    fs::create_dir_all(tree.join("B/empty"))?;
    fs::create_dir_all(tree.join("a.d"))?;
    for size in [0, 1, 7, 8, 9, 100_000] {
        fs::write(tree.join(format!("a{size}")), vec![b'x'; size])?;
    }
    fs::write(tree.join("a.d/é"), "content")?;
    fs::write(tree.join("run"), "#!/bin/sh\n")?;
    fs::set_permissions(tree.join("run"), fs::Permissions::from_mode(0o700))?;
    symlink("../nowhere", tree.join("B/link"))?;

    let path = |name: &str| -> Result<String> {
        let path = temp.path().join(name);
        Ok(path.to_str().context("a path in UTF-8")?.to_owned())
    };
    let theirs = nix_store(&["--dump", &path("tree")?], Stdio::null())?;
    let mut ours = Vec::new();
    nar::write(&tree, &mut ours)?;
    ensure!(ours == theirs, "the archives differ");

    fs::write(temp.path().join("nar"), &ours)?;
    let archive = fs::File::open(temp.path().join("nar"))?;
    nix_store(&["--restore", &path("theirs")?], archive.into())?;
    nar::unpack(&mut &*theirs, &temp.path().join("ours"))?;
    for name in ["ours", "theirs"] {
        let again = nix_store(&["--dump", &path(name)?], Stdio::null())?;
        ensure!(again == theirs, "{name}: another archive than before");
    }
    // As a store has them: nothing to write to, and all of one time.
    let run = fs::metadata(temp.path().join("ours/run"))?;
    ensure!(run.permissions().mode() & 0o7777 == 0o555);
    ensure!(run.modified()? == std::time::UNIX_EPOCH + std::time::Duration::from_secs(1));
    Ok(())
}
