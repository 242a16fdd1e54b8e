//! Evaluates and builds the fixtures of `tests/eval` and the examples, and compares what comes out.
//!
//! Each `NAME.nix` must give the manifest `NAME.json` and the files `NAME.etc`; store hashes are left out.
//! `UPDATE_EXPECT=1` writes them anew. Each `errors/NAME.nix` must fail with the texts that its `# error:` lines
//! say. Builds happen in a store of their own below `target/`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use system_manager::face::store::read_manifest;

use anyhow::{Context, Result, bail, ensure};
use system_manager::face::model::Manifest;
use walkdir::WalkDir;

use crate::needs::{lacks_nix, skip};
use crate::nix_fixture::{NIX_CONFIG, assert_fails_as_said, compare, nix_files, own_store};

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn store() -> PathBuf {
    own_store("eval-store").to_owned()
}

/// Gives the real place of a path in the test's own store.
fn in_store(path: &Path) -> PathBuf {
    store().join(path.strip_prefix("/").unwrap_or(path))
}

fn nix(program: &str, args: &[OsString]) -> Result<Output> {
    Command::new(program)
        .arg("--store")
        .arg(store())
        .args(args)
        .env("NIX_CONFIG", NIX_CONFIG)
        .env_remove("NIX_PATH")
        .current_dir(project())
        .output()
        .with_context(|| format!("running {program}"))
}

/// Builds a file's toplevel with the module library for a nixpkgs, the embedded one if none is given.
fn build(file: &Path, nixpkgs: Option<&Path>) -> Result<Output> {
    let mut args: Vec<OsString> = ["--no-out-link", "-A", "toplevel", "--argstr", "file"]
        .map(OsString::from)
        .to_vec();
    args.push(file.into());
    if let Some(nixpkgs) = nixpkgs {
        let library = project().join("nixos-compat/library.nix");
        args.extend(["--arg".into(), "lib".into()]);
        args.push(
            format!(
                "import {} {{ nixpkgs = {}; }}",
                library.display(),
                nixpkgs.display()
            )
            .into(),
        );
    }
    args.push(project().into());
    nix("nix-build", &args)
}

fn build_toplevel(file: &Path, nixpkgs: Option<&Path>) -> Result<PathBuf> {
    let output = build(file, nixpkgs)?;
    ensure!(
        output.status.success(),
        "building {}:\n{}",
        file.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    let path = String::from_utf8(output.stdout)?;
    Ok(in_store(Path::new(path.trim())))
}

fn fixtures() -> Result<Vec<PathBuf>> {
    Ok([
        nix_files(&project().join("tests/eval"))?,
        nix_files(&project().join("examples"))?,
    ]
    .concat())
}

/// Gives where a fixture's expectations are: beside it, or in `tests/eval/examples`.
fn expectation(file: &Path, extension: &str) -> Result<PathBuf> {
    let name = file.file_stem().context("a file has a name")?;
    let folder = if file.starts_with(project().join("examples")) {
        "tests/eval/examples"
    } else {
        "tests/eval"
    };
    Ok(project().join(folder).join(name).with_extension(extension))
}

/// Takes out what differs between machines: the hashes of store paths, which change with the busybox that builds, and
/// the project's own folder.
fn without_hashes(text: &str) -> String {
    let text = text.replace(&format!("{}/", project().display()), "");
    let mut rest = text.as_str();
    let mut plain = String::new();
    while let Some(at) = rest.find("/nix/store/") {
        let (before, path) = rest.split_at(at + "/nix/store/".len());
        plain.push_str(before);
        let hash = path
            .bytes()
            .take_while(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            .count();
        rest = if hash == 32 { &path[hash..] } else { path };
    }
    plain + rest
}

/// Shows every file below a toplevel's `etc`, `sw` and `specialisation`: links to the host as links, the rest as text.
fn shown_files(toplevel: &Path) -> Result<String> {
    let mut shown: BTreeMap<PathBuf, String> = BTreeMap::new();
    for folder in ["etc", "sw", "specialisation"] {
        let Ok(root) = followed(&toplevel.join(folder)) else {
            continue;
        };
        for entry in WalkDir::new(&root).min_depth(1) {
            let entry = entry?;
            if entry.file_type().is_dir() {
                continue;
            }
            let name = Path::new(folder).join(entry.path().strip_prefix(&root)?);
            let content = shown_file(entry.path())?;
            for script in scripts_in(&content) {
                show_script(script, &mut shown)?;
            }
            shown.insert(name, content);
        }
    }
    let manifest = Manifest::parse(&fs::read_to_string(toplevel.join("manifest.json"))?)?;
    for script in manifest.activation_scripts {
        show_script(Path::new(script.script.as_str()), &mut shown)?;
    }
    let mut text = String::new();
    for (name, content) in shown {
        writeln!(text, "== {}{content}", name.display())?;
    }
    Ok(text)
}

fn show_script(path: &Path, shown: &mut BTreeMap<PathBuf, String>) -> Result<()> {
    let name = Path::new("script").join(path.file_name().unwrap_or_default());
    let text = fs::read_to_string(in_store(path))?;
    shown.insert(name, format!("\n{}", text.trim_end()));
    Ok(())
}

/// Gives the scripts that a unit's text runs.
fn scripts_in(text: &str) -> impl Iterator<Item = &Path> {
    text.split(['=', ' ', '\n'])
        .filter(|word| word.starts_with("/nix/store") && word.contains("-unit-script-"))
        .map(Path::new)
}

/// Follows links within the test's store to the file or folder itself.
fn followed(path: &Path) -> Result<PathBuf> {
    let mut path = path.to_owned();
    while path.symlink_metadata()?.is_symlink() {
        let target = fs::read_link(&path)?;
        if !target.starts_with("/nix/store") {
            bail!("{} leads out of the store", target.display());
        }
        path = in_store(&target);
    }
    Ok(path)
}

fn shown_file(path: &Path) -> Result<String> {
    let end = followed(path).ok().filter(|end| end.is_file());
    Ok(match end {
        Some(end) => format!("\n{}", fs::read_to_string(end)?.trim_end()),
        None => format!(" -> {}", fs::read_link(path)?.display()),
    })
}

#[test]
fn fixtures_give_the_expected_manifest_and_files() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    for file in fixtures()? {
        let toplevel = build_toplevel(&file, None)?;
        let text = fs::read_to_string(toplevel.join("manifest.json"))?;
        let manifest = Manifest::parse(&text)
            .with_context(|| format!("parsing that of {}", file.display()))?;
        let json: serde_json::Value = serde_json::from_str(&text)?;
        ensure!(
            serde_json::to_value(&manifest)? == json,
            "{}: the manifest is not what the program writes",
            file.display()
        );
        let pretty = serde_json::to_string_pretty(&json)? + "\n";
        compare(&expectation(&file, "json")?, &without_hashes(&pretty))?;
        compare(
            &expectation(&file, "etc")?,
            &without_hashes(&shown_files(&toplevel)?),
        )?;
    }
    Ok(())
}

#[test]
fn both_module_libraries_give_the_same_toplevel() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    let Some(checkout) = nixpkgs_at_hand() else {
        skip(
            "no nixpkgs at hand (NIXPKGS=/path/of/nixpkgs cargo test --test suite eval::, or NIXPKGS_LIB=/path/of/nixpkgs.lib)",
        );
        return Ok(());
    };
    for file in fixtures()? {
        let embedded = build_toplevel(&file, None)?;
        let nixpkgs = build_toplevel(&file, Some(&checkout))?;
        for part in ["manifest.json", "provenance.json"] {
            let [embedded, nixpkgs] = [&embedded, &nixpkgs].map(|t| fs::read(t.join(part)));
            let (embedded, nixpkgs) = (embedded?, nixpkgs?);
            ensure!(
                embedded == nixpkgs,
                "{}: the libraries disagree\nembedded: {}\nnixpkgs:  {}",
                file.display(),
                String::from_utf8_lossy(&embedded),
                String::from_utf8_lossy(&nixpkgs)
            );
        }
    }
    Ok(())
}

#[test]
fn a_toplevel_says_who_set_what() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    let read = |fixture: &str| -> Result<serde_json::Value> {
        let toplevel = build_toplevel(&project().join("tests/eval").join(fixture), None)?;
        let text = fs::read_to_string(toplevel.join("provenance.json"))?;
        Ok(serde_json::from_str(&text)?)
    };
    let file = &read("etc.nix")?["files"]["plain"][0];
    let source = fs::read_to_string(project().join("tests/eval/etc.nix"))?;
    let written = source.lines().position(|l| l.contains("\"plain\".text"));
    let line = file["line"].as_u64().context("a line")?;
    ensure!(
        Some(usize::try_from(line)?) == written.map(|n| n + 1),
        "{file}"
    );
    ensure!(file["option"] == "environment.etc.plain.text", "{file}");
    ensure!(
        file["file"]
            .as_str()
            .is_some_and(|f| f.ends_with("tests/eval/etc.nix")),
        "{file}"
    );
    let unit = &read("moving-over.nix")?["units"];
    ensure!(
        unit["once.service"]
            .to_string()
            .contains("systemd.services.once.script"),
        "{unit}"
    );
    ensure!(
        unit["system-manager-upgrade.service"]
            .to_string()
            .contains("system-manager/modules/auto-upgrade.nix"),
        "{unit}"
    );
    Ok(())
}

/// Gives a checkout of nixpkgs, or of its library alone.
fn nixpkgs_at_hand() -> Option<PathBuf> {
    let checkout = std::env::var_os("NIXPKGS_LIB").or_else(|| std::env::var_os("NIXPKGS"));
    checkout.map(PathBuf::from)
}

#[test]
fn errors_name_the_option_the_file_and_the_line() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    for file in nix_files(&project().join("tests/eval/errors"))? {
        assert_fails_as_said(&file, &build(&file, None)?)?;
    }
    Ok(())
}

#[test]
fn the_option_reference_is_that_of_the_modules() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    let args = ["--eval", "--strict", "--json", "docs/options.nix"].map(OsString::from);
    let output = nix("nix-instantiate", &args)?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text: String = serde_json::from_slice(&output.stdout)?;
    compare(&project().join("docs/options.md"), &text)
}

/// Evaluates a file's manifest, with the stand-in for nixpkgs or without.
fn manifest(file: &str, with_nixpkgs: bool) -> Result<String> {
    let mut args: Vec<OsString> = ["--eval", "--strict", "--json", "-A", "manifest"]
        .map(OsString::from)
        .to_vec();
    args.extend([
        "--argstr".into(),
        "file".into(),
        project().join(file).into(),
    ]);
    if with_nixpkgs {
        let nixpkgs = project().join("tests/eval/nixpkgs");
        args.extend(["--argstr".into(), "nixpkgs".into(), nixpkgs.into()]);
    }
    args.push(project().into());
    let output = nix("nix-instantiate", &args)?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn a_nixpkgs_whose_packages_are_unused_leaves_no_trace() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    for file in ["examples/nginx.nix", "examples/timer.nix"] {
        ensure!(
            manifest(file, false)? == manifest(file, true)?,
            "{file}: the manifest depends on whether there is a nixpkgs"
        );
    }
    let used = Manifest::parse(&manifest("tests/eval/nixpkgs/uses-hello.nix", true)?)?;
    ensure!(used.made_from.nixpkgs.as_deref() == Some("26.11stand-in"));
    Ok(())
}

#[test]
fn a_file_may_hold_modules_a_toplevel_or_a_function() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    let system = format!("named-{}-linux", std::env::consts::ARCH);
    for (file, name, text) in [
        ("attributes.nix", "attributes", "attributes"),
        ("arguments.nix", "arguments", "arguments"),
        ("list.nix", "list", "list"),
        ("folder", "folder", "folder"),
        ("folder/default.nix", "folder", "folder"),
        ("toplevel.nix", "default", "toplevel"),
        ("function.nix", &system, "function"),
        ("defaults.nix", "default", "defaults"),
    ] {
        let path = project().join("tests/eval/forms").join(file);
        let toplevel = build_toplevel(&path, None)?;
        let manifest = read_manifest(&toplevel)?;
        ensure!(
            manifest.made_from.name == name,
            "{file}: it is called {:?}",
            manifest.made_from.name
        );
        let form = fs::read_to_string(followed(&toplevel.join("etc/form"))?)?;
        ensure!(form == text, "{file}: it says {form:?}");
    }
    let made_for = |file| -> Result<String> {
        let path = format!("tests/eval/forms/{file}");
        Ok(Manifest::parse(&manifest(&path, false)?)?.made_from.system)
    };
    ensure!(made_for("arguments.nix")? == "aarch64-linux");
    Ok(())
}
