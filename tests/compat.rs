//! Evaluates hosts that use NixOS modules, from a small tree of our own that has their style.
//!
//! Each `tests/compat/hosts/NAME.nix` must give `NAME.json`, which `UPDATE_EXPECT=1` writes anew: units, files and
//! the options without effect. The host in `tests/compat/nixos` needs a real nixpkgs: `NIXPKGS=/path`. Each `tests/compat/errors/NAME.nix` must fail with what its `# error:` lines say.

mod nix_store;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail, ensure};

use nix_store::own_store;

/// Settings under which every Nix gives the same, offline and without a daemon.
const NIX_CONFIG: &str =
    "build-users-group =\nsubstitute = false\nsandbox = true\nsandbox-paths =\n";

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/compat")
        .join(name)
}

/// Reports a test that does not run; past the capture of output, so that a passing run shows it.
fn skip(why: &str) {
    // A report that cannot be written is no reason to fail.
    let _ = writeln!(std::io::stderr(), "\nSKIPPED compat: {why}");
}

fn lacks_nix() -> bool {
    let missing = Command::new("nix-instantiate")
        .arg("--version")
        .output()
        .is_err();
    if missing {
        skip("there is no nix-instantiate (apt-get install nix-bin)");
    }
    missing
}

/// Evaluates a host to what show.nix tells about it.
fn show(host: &Path, nixpkgs: &Path) -> Result<Output> {
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
        .env("NIX_CONFIG", NIX_CONFIG)
        .env_remove("NIX_PATH")
        .output()
        .context("running nix-instantiate")
}

fn nix_files(name: &str) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder(name))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.retain(|f| f.extension().is_some_and(|e| e == "nix"));
    files.sort();
    ensure!(!files.is_empty(), "no files in {name}");
    Ok(files)
}

fn shown(host: &Path, nixpkgs: &Path) -> Result<serde_json::Value> {
    let output = show(host, nixpkgs)?;
    ensure!(
        output.status.success(),
        "evaluating {}:\n{}",
        host.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn compare(path: &Path, actual: &str) -> Result<()> {
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        return Ok(fs::write(path, actual)?);
    }
    let expected = fs::read_to_string(path)
        .with_context(|| format!("reading {}; UPDATE_EXPECT=1 writes it", path.display()))?;
    if expected != actual {
        let diff = similar::TextDiff::from_lines(&expected, actual);
        bail!(
            "{} differs; UPDATE_EXPECT=1 accepts it\n{}",
            path.display(),
            diff.unified_diff().header("expected", "actual")
        );
    }
    Ok(())
}

#[test]
fn nixos_modules_give_units_files_and_what_has_no_effect() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    for host in nix_files("hosts")? {
        let result = shown(&host, &folder("nixpkgs"))?;
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
    for host in nix_files("errors")? {
        let output = show(&host, &folder("nixpkgs"))?;
        ensure!(
            !output.status.success(),
            "{} must not evaluate",
            host.display()
        );
        let project = concat!(env!("CARGO_MANIFEST_DIR"), "/");
        let stderr = String::from_utf8_lossy(&output.stderr).replace(project, "");
        let source = fs::read_to_string(&host)?;
        let wanted: Vec<&str> = source
            .lines()
            .filter_map(|l| l.strip_prefix("# error: "))
            .collect();
        ensure!(!wanted.is_empty(), "{} expects nothing", host.display());
        for text in wanted {
            ensure!(
                stderr.contains(text),
                "{}: expected `{text}` in:\n{stderr}",
                host.display()
            );
        }
    }
    Ok(())
}

#[test]
fn modules_of_a_real_nixpkgs_run_the_programs_of_the_distribution() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    let Some(nixpkgs) = std::env::var_os("NIXPKGS") else {
        skip("no nixpkgs at hand (NIXPKGS=/path/of/nixpkgs cargo test --test compat)");
        return Ok(());
    };
    let result = shown(&folder("nixos/web-and-database.nix"), Path::new(&nixpkgs))?;
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
