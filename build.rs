//! Embeds the Nix files, so that the program alone can evaluate a host.
#![expect(
    clippy::disallowed_methods,
    reason = "a build script reads and writes files"
)]

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const PARTS: [&str; 4] = ["default.nix", "Cargo.toml", "modules", "nixos-compat"];

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?);
    let mut files = Vec::new();
    for part in PARTS {
        println!("cargo::rerun-if-changed={part}");
        collect(&root.join(part), &mut files)?;
    }
    files.sort();
    let mut code = String::from(
        "/// The embedded files: path and content.\npub(crate) const FILES: &[(&str, &[u8])] = &[\n",
    );
    for file in files {
        let name = file.strip_prefix(&root).map_err(io::Error::other)?;
        let (name, file) = (name.display().to_string(), file.display().to_string());
        writeln!(code, "    ({name:?}, include_bytes!({file:?})),").map_err(io::Error::other)?;
    }
    code.push_str("];\n");
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    fs::write(out.join("embedded.rs"), code)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        collect(&entry?.path(), files)?;
    }
    Ok(())
}
