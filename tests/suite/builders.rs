//! Builds what `tests/compat/builders.nix` has: scripts of modules, which are written for the bash of nixpkgs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::needs::lacks_nix;
use crate::nix_fixture::{NIX_CONFIG, own_store};

/// Builds an attribute. Returns what it made, as a path in the test's store, or what Nix had to say.
fn build(attribute: &str) -> Result<Result<PathBuf, String>> {
    let store = own_store("builders-store");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compat");
    let output = Command::new("nix-build")
        .arg("--store")
        .arg(store)
        .args(["--no-out-link", "-A", attribute])
        .arg(folder.join("builders.nix"))
        .env("NIX_CONFIG", NIX_CONFIG)
        .env_remove("NIX_PATH")
        .output()
        .context("running nix-build")?;
    if !output.status.success() {
        return Ok(Err(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let path = String::from_utf8(output.stdout)?;
    Ok(Ok(store.join(path.trim().trim_start_matches('/'))))
}

#[test]
fn scripts_of_modules_run_in_a_real_bash() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    for (attribute, expected) in [
        ("bash", "3 set 2 unset a b /y pqrs\nof us, Y"),
        ("structured", "x y;z;"),
        ("tools", "{\"a\":1}\n1\n"),
        ("certificate", "subject=CN=it\n"),
        ("added", "{\"a\":1}\nmore settings.json\n"),
        ("changed", "old changed new\n"),
    ] {
        let made = build(attribute)?.map_err(anyhow::Error::msg)?;
        let text = fs::read_to_string(&made)?;
        ensure!(text == expected, "{attribute} is {text:?}");
    }
    Ok(())
}

#[test]
fn a_check_by_a_program_of_the_distribution_is_left_out_and_the_file_says_so() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    for attribute in ["checked", "spread"] {
        let made = build(attribute)?.map_err(anyhow::Error::msg)?;
        ensure!(
            made.to_string_lossy().contains("-unchecked-"),
            "{attribute}: {}",
            made.display()
        );
        ensure!(fs::read_to_string(made)? == "made\n");
    }
    Ok(())
}

#[test]
fn a_build_that_needs_what_is_not_there_fails_and_says_what() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    for (attribute, message) in [
        (
            "generated",
            "a build can't run nginx, which is the distribution's",
        ),
        (
            "made",
            "a build can't run nginx, which is the distribution's",
        ),
        (
            "hidden",
            "a build can't run nginx, which is the distribution's",
        ),
        (
            "asked",
            "a build can't run nginx, which is the distribution's",
        ),
        (
            "unknown",
            "a build has no `json2toml`, which the script of a module runs",
        ),
        ("absent", "has no other"),
    ] {
        let Err(said) = build(attribute)? else {
            anyhow::bail!("{attribute} was built");
        };
        ensure!(said.contains(message), "{attribute}: {said}");
    }
    Ok(())
}

#[test]
fn a_wrapped_program_starts_with_what_the_wrapper_sets() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    let made = build("wrapped")?.map_err(anyhow::Error::msg)?;
    let store = own_store("builders-store");
    // Inside, its paths are those of another store.
    let wrapper = fs::read_to_string(made.join("bin/say"))?
        .replace("/nix/store", &store.join("nix/store").to_string_lossy());
    let hidden = fs::read_link(made.join("bin/.say-wrapped"))?;
    let program = store.join(hidden.strip_prefix("/")?);
    let script = wrapper.replace(
        &made.join("bin/.say-wrapped").to_string_lossy().into_owned(),
        &program.to_string_lossy(),
    );
    let output = Command::new("bash")
        .args(["-c", &script, "say", "f"])
        .env("LIST", "/y")
        .output()?;
    ensure!(
        String::from_utf8_lossy(&output.stdout) == "b c -d e f /x:/y\n",
        "{output:?} of {script}"
    );
    Ok(())
}
