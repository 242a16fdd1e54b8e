//! What this machine's Nix knows of a toplevel and all that it refers to.

use anyhow::{Context, Result};

use crate::closure::info::{PathInfo, order, parse};
use crate::model::names::AbsolutePath;
use crate::nix::{BuildOptions, nix};

/// Returns the paths of a toplevel's closure, each after those that it refers to.
///
/// # Errors
/// When Nix can't be asked.
pub(crate) fn of(toplevel: &AbsolutePath) -> Result<Vec<PathInfo>> {
    let inner = || -> Result<Vec<PathInfo>> {
        let ask = || nix("nix-store", true, &BuildOptions::default());
        let paths = ask()
            .args(["--query", "--requisites"])
            .arg(toplevel.as_str())
            .stdout()?;
        let known = ask().arg("--dump-db").args(paths.lines()).stdout()?;
        order(parse(&known)?)
    };
    inner().with_context(|| format!("asking Nix what {toplevel} needs"))
}
