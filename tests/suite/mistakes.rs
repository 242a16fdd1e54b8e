//! Common mistakes, and all that the program says of each: `tests/eval/mistakes/NAME.nix` is one, and the messages are in
//! `tests/eval/mistakes.txt`, with the module library of a nixpkgs in `mistakes-nixpkgs.txt`.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::needs::{lacks_nix, skip};
use crate::nix_fixture::{NIX_CONFIG, compare, nix_files, own_store};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/eval")
}

/// Whether Nix is another one than that of Debian 12, whose words the messages have.
fn speaks_otherwise() -> Result<bool> {
    let version = Command::new("nix-build").arg("--version").output()?.stdout;
    let version = String::from_utf8_lossy(&version).trim().to_owned();
    let other = !version.ends_with(" 2.8.0");
    if other {
        skip(&format!(
            "the messages are those of Nix 2.8.0, and this is {version}"
        ));
    }
    Ok(other)
}

/// Leaves out where in a library Nix was: that says nothing to whom the mistake is.
fn without_places_in_libraries(said: &str) -> String {
    let mut shown = String::new();
    let mut inside = false;
    for line in said.lines() {
        if line.trim_start().starts_with("at ") && line.ends_with(':') {
            inside = !line.contains(" mistakes/");
        } else if !line.starts_with(' ') && !line.is_empty() {
            inside = false;
        }
        if !inside {
            shown.push_str(line);
            shown.push('\n');
        }
    }
    while shown.contains("\n\n\n") {
        shown = shown.replace("\n\n\n", "\n\n");
    }
    shown
}

fn messages(nixpkgs: &Path) -> Result<String> {
    let mut table = String::new();
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mistakes-cache");
    let settings = format!(
        "{NIX_CONFIG}store = {}\n",
        own_store("mistakes-store").display()
    );
    for file in nix_files(&folder().join("mistakes"))? {
        let output = Command::new(env!("CARGO_BIN_EXE_system-manager"))
            .args(["-q", "build", "--nixpkgs"])
            .arg(nixpkgs)
            .arg("--file")
            // As people name it: from the folder in which they are.
            .arg(file.strip_prefix(folder())?)
            .current_dir(folder())
            .env("NIX_CONFIG", &settings)
            .env("XDG_CACHE_HOME", &cache)
            .env_remove("NIX_PATH")
            .output()
            .context("running the program")?;
        ensure!(!output.status.success(), "{} is no mistake", file.display());
        let mut said =
            String::from_utf8(output.stderr)?.replace(&format!("{}/", folder().display()), "");
        // It is in another place each time.
        if nixpkgs.is_absolute() {
            said = said.replace(&nixpkgs.display().to_string(), "NIXPKGS");
        }
        let name = file.file_stem().context("a name")?.to_string_lossy();
        writeln!(table, "== {name}\n{}", without_places_in_libraries(&said))?;
    }
    Ok(table)
}

#[test]
fn each_mistake_is_told_whole_with_what_to_do() -> Result<()> {
    if lacks_nix() || speaks_otherwise()? {
        return Ok(());
    }
    let table = messages(Path::new("embedded"))?;
    let hints = table.matches("\nhint: ").count();
    ensure!(hints >= 15, "only {hints} of the messages say what to do");
    compare(&folder().join("mistakes.txt"), &table)
}

#[test]
fn each_mistake_is_told_with_the_library_of_nixpkgs_too() -> Result<()> {
    if lacks_nix() || speaks_otherwise()? {
        return Ok(());
    }
    let Some(checkout) = std::env::var_os("NIXPKGS_LIB") else {
        skip(
            "no library of nixpkgs at hand (NIXPKGS_LIB=/path/of/nixpkgs.lib cargo test --test suite mistakes::)",
        );
        return Ok(());
    };
    let nixpkgs = tempfile::tempdir()?;
    symlink(Path::new(&checkout).join("lib"), nixpkgs.path().join("lib"))?;
    let packages = folder().join("../compat/nixpkgs");
    fs::copy(
        packages.join("default.nix"),
        nixpkgs.path().join("default.nix"),
    )?;
    symlink(
        fs::canonicalize(packages.join("pkgs"))?,
        nixpkgs.path().join("pkgs"),
    )?;
    compare(
        &folder().join("mistakes-nixpkgs.txt"),
        &messages(nixpkgs.path())?,
    )
}
