//! Whether programs of nixpkgs will find the driver of the graphics card. NVIDIA's libraries work with the kernel's
//! driver of the very same version only, and that one is the host's; others, such as Mesa, work with any.
#![expect(
    clippy::disallowed_methods,
    reason = "looks at drivers in the store, which no root has"
)]

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::files::wanted::Desired;
use crate::host::fs::Root;
use crate::tmpfiles;

/// Where the kernel says which version of NVIDIA's driver it runs.
const RUNNING: &str = "sys/module/nvidia/version";

/// Where programs of nixpkgs look for drivers.
const DRIVERS: &str = "/run/opengl-driver";

/// The library that every version of NVIDIA's driver brings; the version follows.
const LIBRARY: &str = "libnvidia-glcore.so.";

/// Says it where the kernel runs NVIDIA's driver, and the drivers that are wanted for programs of nixpkgs are not of it.
///
/// # Errors
/// When the kernel's version or the rules that are wanted can't be read.
pub(super) fn warning(root: &Root, desired: &Desired) -> Result<Option<String>> {
    let Some(running) = root.read(Path::new(RUNNING))? else {
        return Ok(None);
    };
    let rules = tmpfiles::apply::read_ours(desired)?;
    let folder = rules.iter().find_map(|file| drivers(&file.content));
    let running = String::from_utf8_lossy(&running);
    Ok(folder.and_then(|folder| judge(running.trim(), version_in(Path::new(&folder)))))
}

fn judge(running: &str, ours: Option<String>) -> Option<String> {
    if ours.as_deref() == Some(running) {
        return None;
    }
    let has = ours.map_or("none of it".to_owned(), |ours| {
        format!("its libraries of version {ours}")
    });
    Some(format!(
        "the kernel runs NVIDIA's driver {running}, and {DRIVERS} has {has}: programs from nixpkgs will not use that card; set `system-manager.nvidia.version = \"{running}\"`"
    ))
}

/// Returns the folder that a file's rules link the drivers to.
fn drivers(rules: &[u8]) -> Option<String> {
    String::from_utf8_lossy(rules).lines().find_map(|rule| {
        let words = rule.split_whitespace();
        let words: Vec<&str> = words.map(|w| w.trim_matches(['"', '\''])).collect();
        match words[..] {
            [kind, path, .., to] if kind.starts_with('L') && path == DRIVERS => Some(to.to_owned()),
            _ => None,
        }
    })
}

/// Returns the version of NVIDIA's libraries in a folder of drivers. One that can't be looked at has none.
fn version_in(folder: &Path) -> Option<String> {
    let names = fs::read_dir(folder.join("lib")).ok()?;
    names.flatten().find_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let version = name.strip_prefix(LIBRARY)?;
        // Beside the file there is a link by the number of its interface.
        version.contains('.').then(|| version.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_of_another_version_than_the_kernels_are_told() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(version_in(folder.path()), None);
        fs::create_dir(folder.path().join("lib")).unwrap();
        for name in ["libEGL_mesa.so.0", "libnvidia-glcore.so.535.1.2"] {
            fs::write(folder.path().join("lib").join(name), "").unwrap();
        }
        let rules = format!(
            "# a comment\nd /run/x 0755 root root -\n'L+' '{DRIVERS}' '-' '-' '-' '-' {}\n",
            folder.path().display()
        );
        let found = drivers(rules.as_bytes()).unwrap();
        assert_eq!(Path::new(&found), folder.path());
        let ours = version_in(Path::new(&found));
        assert_eq!(judge("535.1.2", ours.clone()), None);
        let told = judge("550.54.14", ours).unwrap();
        assert!(
            told.contains("has its libraries of version 535.1.2"),
            "{told}"
        );
        assert!(told.contains("nvidia.version = \"550.54.14\""), "{told}");
        assert!(judge("550.54.14", None).unwrap().contains("none of it"));
        assert_eq!(drivers(b"L+ /run/opengl-driver-32 - - - - /x\n"), None);
    }
}
