//! Evaluates hosts that use NixOS modules, from a small tree of our own that has their style.
//!
//! Each `tests/compat/hosts/NAME.nix` must give `NAME.json`, which `UPDATE_EXPECT=1` writes anew: units, files and
//! the options without effect. The host in `tests/compat/nixos` needs a real nixpkgs: `NIXPKGS=/path`. Each `tests/compat/errors/NAME.nix` must fail with what its `# error:` lines say.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};

use crate::needs::{lacks_nix, skip};
use crate::nix_fixture::{NIX_CONFIG, assert_fails_as_said, compare, nix_files, own_store};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/compat")
        .join(name)
}

/// Evaluates a host to what show.nix tells about it, with another module library if one is given.
fn show(host: &Path, nixpkgs: &Path, library: Option<&Path>) -> Result<Output> {
    let library = library.map(|path| ["--arg".as_ref(), "library".as_ref(), path.as_os_str()]);
    Command::new("nix-instantiate")
        .arg("--store")
        .arg(own_store("compat-store"))
        .args(["--eval", "--strict", "--json"])
        .arg(folder("show.nix"))
        .arg("--arg")
        .arg("file")
        .arg(host)
        .arg("--arg")
        .arg("nixpkgs")
        .arg(nixpkgs)
        .args(library.iter().flatten())
        .env("NIX_CONFIG", NIX_CONFIG)
        .env_remove("NIX_PATH")
        .output()
        .context("running nix-instantiate")
}

fn shown(host: &Path, nixpkgs: &Path, library: Option<&Path>) -> Result<serde_json::Value> {
    let output = show(host, nixpkgs, library)?;
    ensure!(
        output.status.success(),
        "evaluating {}:\n{}",
        host.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[test]
fn nixos_modules_give_units_files_and_what_has_no_effect() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    for host in nix_files(&folder("hosts"))? {
        let result = shown(&host, &folder("nixpkgs"), None)?;
        let pretty = serde_json::to_string_pretty(&result)? + "\n";
        compare(&host.with_extension("json"), &pretty)?;
    }
    Ok(())
}

#[test]
fn errors_name_what_is_missing_and_where() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    for host in nix_files(&folder("errors"))? {
        assert_fails_as_said(&host, &show(&host, &folder("nixpkgs"), None)?)?;
    }
    Ok(())
}

/// A folder that could be a nixpkgs, of a release and with the modules of a list.
fn tree(release: &str, list: Option<&str>) -> Result<tempfile::TempDir> {
    let tree = tempfile::tempdir()?;
    let library = folder("../../modules/lib");
    fs::create_dir_all(tree.path().join("lib"))?;
    fs::create_dir_all(tree.path().join("nixos/modules"))?;
    fs::write(
        tree.path().join("lib/default.nix"),
        format!(
            "let lib = import {}; in lib // {{ trivial = lib.trivial // {{ release = \"{release}\"; }}; }}",
            library.display()
        ),
    )?;
    if let Some(list) = list {
        fs::write(tree.path().join("nixos/modules/module-list.nix"), list)?;
    }
    Ok(tree)
}

#[test]
fn a_nixpkgs_that_is_none_or_old_or_incomplete_is_one_clear_line() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    let host = folder("hosts/empty.nix");
    let none = tempfile::tempdir()?;
    let cases = [
        (none, "is no nixpkgs: it has no `lib/default.nix`"),
        (
            tree("23.11", Some("[ ]"))?,
            "is of release 23.11, and 24.05 is the oldest that is supported",
        ),
        (
            tree("24.05", None)?,
            "is incomplete: it has no `nixos/modules/module-list.nix`",
        ),
        (
            tree("24.05", Some("[ ./services/gone.nix ]"))?,
            "nixos/modules/services/gone.nix`, which its list of modules or another module names",
        ),
    ];
    for (nixpkgs, wanted) in cases {
        let output = show(&host, nixpkgs.path(), None)?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(
            !output.status.success() && stderr.contains(wanted),
            "no {wanted:?} in\n{stderr}"
        );
    }
    let whole = tree("24.05", Some("[ ]"))?;
    shown(&host, whole.path(), None)?;
    Ok(())
}

#[test]
fn the_library_of_nixpkgs_gives_the_same() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    let Some(checkout) = std::env::var_os("NIXPKGS_LIB") else {
        skip(
            "no library of nixpkgs at hand (NIXPKGS_LIB=/path/of/nixpkgs.lib cargo test --test suite compat::)",
        );
        return Ok(());
    };
    let library = Path::new(&checkout).join("lib");
    for host in nix_files(&folder("hosts"))? {
        // A library has its own words for old names of options.
        let without_warnings = |library| {
            let mut shown = shown(&host, &folder("nixpkgs"), library)?;
            shown["warnings"].take();
            anyhow::Ok(shown)
        };
        let theirs = without_warnings(Some(library.as_path()))?;
        let ours = without_warnings(None)?;
        ensure!(
            ours == theirs,
            "{}: the libraries disagree\nembedded: {ours}\nnixpkgs:  {theirs}",
            host.display()
        );
    }
    Ok(())
}

#[test]
fn modules_of_a_real_nixpkgs_run_the_programs_of_the_distribution() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    let Some(nixpkgs) = std::env::var_os("NIXPKGS") else {
        skip("no nixpkgs at hand (NIXPKGS=/path/of/nixpkgs cargo test --test suite compat::)");
        return Ok(());
    };
    let host = folder("nixos/web-and-database.nix");
    let result = shown(&host, Path::new(&nixpkgs), None)?;
    for (unit, program) in [
        ("nginx.service", "/bin/nginx"),
        ("postgresql.service", "unit-script-postgresql-"),
    ] {
        let text = result["units"][unit].as_str().unwrap_or_default();
        ensure!(text.contains(program), "{unit} has no {program}: {text}");
    }
    for path in ["/usr/sbin/nginx", "/usr/lib/postgresql/15/bin/postgres"] {
        ensure!(
            !result["required"][path].is_null(),
            "{path} is not required of the target: {}",
            result["required"]
        );
    }
    for user in ["nginx", "postgres"] {
        ensure!(!result["users"][user].is_null(), "no user {user}");
    }
    Ok(())
}

#[test]
fn programs_of_a_real_nixpkgs_find_drivers_locales_and_fonts() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    let Some(nixpkgs) = std::env::var_os("NIXPKGS") else {
        skip("no nixpkgs at hand (NIXPKGS=/path/of/nixpkgs cargo test --test suite compat::)");
        return Ok(());
    };
    let host = folder("nixos/graphics.nix");
    let result = shown(&host, Path::new(&nixpkgs), None)?;
    for (file, part) in [
        (
            "graphics",
            "STORE-graphics-drivers\",\"STORE-graphics-drivers-32bit\"",
        ),
        ("graphics", "\"extra\":[\"nvidia-x11-550.54.14\"]"),
        (
            "profile.d/system-manager.sh",
            "LOCALE_ARCHIVE=\"STORE-glibc-locales-",
        ),
        (
            "fonts/conf.d/09-system-manager-packages.conf",
            "<dir>STORE-dejavu-fonts-",
        ),
    ] {
        let text = result["etc"][file].as_str().unwrap_or_default();
        ensure!(text.contains(part), "{file} has no {part}: {text}");
    }
    // What is not honoured is listed, and nothing else.
    let no_effect = result["noEffect"].as_object().context("no list")?;
    ensure!(
        no_effect.keys().eq(["security.pki.certificates"]),
        "{no_effect:?}"
    );
    Ok(())
}

#[test]
fn every_option_of_our_own_is_there_on_nixos() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let options = fs::read_to_string(project.join("docs/options.md"))?;
    let own = options
        .lines()
        .filter_map(|line| line.split('`').nth(1).filter(|_| line.starts_with('#')))
        .filter(|name| {
            let ours = ["nixos-compat.", "system-manager."];
            ours.iter().any(|o| name.starts_with(o)) || name.ends_with(".maskedUnits")
        })
        // What is inside of them has no type there.
        .filter(|name| !name.contains(['<', '*', '"']));
    let names: Vec<String> = own.map(|name| format!("\"{name}\"")).collect();
    ensure!(names.len() > 8, "too few: {names:?}");
    let expression = format!(
        "let
           lib = import {0}/modules/lib;
           options = (import {0}/tests/compat/nixpkgs/nixos/lib/eval-config.nix {{
             modules = [ {0}/nixos-compat/nixos.nix ];
           }}).options;
           has = name: lib.hasAttrByPath (lib.splitString \".\" name) options;
         in builtins.filter (name: !(has name)) [ {1} ]",
        project.display(),
        names.join(" ")
    );
    let output = Command::new("nix-instantiate")
        .arg("--store")
        .arg(own_store("compat-store"))
        .args(["--eval", "--strict", "--json", "--expr"])
        .arg(expression)
        .env("NIX_CONFIG", NIX_CONFIG)
        .output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "evaluating: {stderr}");
    let lacking: Vec<String> = serde_json::from_slice(&output.stdout)?;
    ensure!(
        lacking.is_empty(),
        "nixos-compat/nixos.nix lacks {lacking:?}"
    );
    Ok(())
}

#[test]
fn modules_that_projects_keep_themselves_give_their_units() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    let (Some(nixpkgs), Some(checkouts)) = (
        std::env::var_os("NIXPKGS"),
        std::env::var_os("NIXOS_MODULES"),
    ) else {
        skip(
            "no checkouts of projects at hand (NIXPKGS=/path/of/nixpkgs NIXOS_MODULES=/folder/of/checkouts cargo test --test suite compat::)",
        );
        return Ok(());
    };
    let output = Command::new("nix-instantiate")
        .arg("--store")
        .arg(own_store("compat-store"))
        .args(["--eval", "--strict", "--json"])
        .arg(folder("outside/projects.nix"))
        .args(["--arg".as_ref(), "nixpkgs".as_ref(), nixpkgs.as_os_str()])
        .args([
            "--arg".as_ref(),
            "checkouts".as_ref(),
            checkouts.as_os_str(),
        ])
        .env("NIX_CONFIG", NIX_CONFIG)
        .output()
        .context("running nix-instantiate")?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let found: BTreeMap<String, Option<Vec<String>>> = serde_json::from_slice(&output.stdout)?;
    let mut tried = 0;
    for (service, units) in found {
        let Some(units) = units else {
            skip(&format!("{service}: no checkout of its project"));
            continue;
        };
        tried += 1;
        let own = match service.as_str() {
            "agenix" => "system-manager-activation-scripts.service".to_owned(),
            "hydra-builder" => "hydra-queue-builder-dev.service".to_owned(),
            "minecraft" => "minecraft-server-world.service".to_owned(),
            "nginx" | "prometheus" => format!("{service}.service"),
            _ => format!("{}-main.service", service.trim_start_matches("ethereum-")),
        };
        ensure!(units.contains(&own), "{service} has no {own}: {units:?}");
    }
    ensure!(
        tried > 0,
        "no project has a checkout in {}",
        checkouts.display()
    );
    Ok(())
}
