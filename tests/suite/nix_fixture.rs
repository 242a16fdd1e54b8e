//! What the tests that evaluate with Nix share: a store of their own, and files that say what must come out.

// Each test binary takes what it needs of this.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail, ensure};
use serde::de::DeserializeOwned;

/// Settings under which every Nix gives the same, offline and without a daemon.
pub const NIX_CONFIG: &str =
    "build-users-group =\nsubstitute = false\nsandbox = true\nsandbox-paths =\n";

/// Gives a test binary's own store. It is made by one process, before many use it: Nix does not expect to meet another
/// one that makes the same store.
pub fn own_store(name: &str) -> &'static Path {
    static STORE: OnceLock<PathBuf> = OnceLock::new();
    STORE.get_or_init(|| {
        let store = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let made = Command::new("nix-store")
            .arg("--store")
            .arg(&store)
            .arg("--init")
            .env("NIX_CONFIG", "build-users-group =\n")
            .status();
        assert!(
            made.is_ok_and(|m| m.success()),
            "no store can be made at {}",
            store.display()
        );
        store
    })
}

/// Runs an evaluation that prints JSON, and returns what that says.
pub fn evaluated<T: DeserializeOwned>(evaluation: &mut Command) -> T {
    let output = evaluation.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Lists the Nix files of a folder, in order. There must be some.
pub fn nix_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.retain(|f| f.extension().is_some_and(|e| e == "nix"));
    files.sort();
    ensure!(!files.is_empty(), "no files in {}", folder.display());
    Ok(files)
}

/// Compares a text with the file that says what it must be; `UPDATE_EXPECT=1` writes the file instead.
pub fn compare(path: &Path, actual: &str) -> Result<()> {
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::create_dir_all(path.parent().context("a folder")?)?;
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

/// The evaluation of a file must have failed, with each text that its `# error:` lines give. Paths in the project are
/// relative to it.
pub fn assert_fails_as_said(file: &Path, output: &Output) -> Result<()> {
    ensure!(
        !output.status.success(),
        "{} must not evaluate",
        file.display()
    );
    let project = concat!(env!("CARGO_MANIFEST_DIR"), "/");
    let stderr = String::from_utf8_lossy(&output.stderr).replace(project, "");
    let source = fs::read_to_string(file)?;
    let wanted: Vec<&str> = source
        .lines()
        .filter_map(|l| l.strip_prefix("# error: "))
        .collect();
    ensure!(!wanted.is_empty(), "{} expects nothing", file.display());
    for text in wanted {
        ensure!(
            stderr.contains(text),
            "{}: expected `{text}` in:\n{stderr}",
            file.display()
        );
    }
    Ok(())
}
