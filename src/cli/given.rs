//! What a command is given without a flag: a configuration's file, a flake, a toplevel, or a saved plan.

#![expect(clippy::disallowed_methods, reason = "looks at what a path names")]
use std::path::{Path, PathBuf};

use crate::cli::args::SourceArgs;
use crate::cli::args_past::OriginArgs;
use crate::nix::{Source, revision};
use crate::store::history::Origin;

/// What a positional argument names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Given {
    /// A configuration that is to be built.
    Source(Source),
    /// A file or folder that is there already: a toplevel, or a saved plan.
    Built(PathBuf),
}

/// How addresses of flakes begin, see `nix flake --help`.
const FLAKE_SCHEMES: [&str; 9] = [
    "flake:",
    "git+",
    "git:",
    "github:",
    "gitlab:",
    "path:",
    "sourcehut:",
    "tarball+",
    "https://",
];

/// Tells what an argument names, by its form and by what is in the folder that it names. Reads the disk.
pub(crate) fn read_given(argument: &Path) -> Given {
    let text = argument.to_string_lossy();
    if text.contains('#') || FLAKE_SCHEMES.iter().any(|s| text.starts_with(s)) {
        return Given::Source(Source::Flake(text.into_owned()));
    }
    if argument.extension().is_some_and(|e| e == "nix") && !argument.is_dir() {
        return Given::Source(Source::File(argument.to_owned()));
    }
    let has = |name: &str| argument.join(name).exists();
    if !argument.is_dir() || has("manifest.json") {
        return Given::Built(argument.to_owned());
    }
    if has("flake.nix") {
        return Given::Source(Source::Flake(text.into_owned()));
    }
    match ["system.nix", "default.nix"].into_iter().find(|n| has(n)) {
        Some(name) => Given::Source(Source::File(argument.join(name))),
        None => Given::Built(argument.to_owned()),
    }
}

/// Returns where a configuration comes from: what is named, and the revision that its folder has.
pub(crate) fn origin_of(given: Option<&Path>, args: &SourceArgs, said: &OriginArgs) -> Origin {
    let found = match (given, &args.file, &args.flake) {
        (Some(given), _, _) => match read_given(given) {
            Given::Source(source) => Some(source),
            Given::Built(_) => None,
        },
        (None, Some(file), _) => Some(Source::File(file.clone())),
        (None, None, Some(uri)) => Some(Source::Flake(uri.clone())),
        (None, None, None) => Source::find().ok(),
    };
    // The address of a flake may be that of a folder.
    let folder = match &found {
        Some(Source::File(path)) => Some(path.clone()),
        Some(Source::Flake(uri)) => {
            let path = uri.split(['#', '?']).next().unwrap_or_default();
            Some(PathBuf::from(path.strip_prefix("path:").unwrap_or(path)))
        }
        None => None,
    };
    let real = folder.and_then(|path| std::fs::canonicalize(path).ok());
    let named = match (&found, &real) {
        (Some(Source::File(path)), None) => Some(path.display().to_string()),
        (Some(Source::Flake(uri)), None) => Some(uri.clone()),
        (Some(Source::Flake(uri)), Some(real)) => {
            let attribute = uri.split_once('#').map(|(_, a)| format!("#{a}"));
            Some(real.display().to_string() + &attribute.unwrap_or_default())
        }
        (_, Some(real)) => Some(real.display().to_string()),
        (None, None) => None,
    };
    Origin {
        source: said.made_from.clone().or(named),
        revision: (said.made_at.clone()).or_else(|| revision::of(&real?)),
        message: said.message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_files_flakes_and_what_is_built() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (inside, file) in [
            ("toplevel", "manifest.json"),
            ("flake", "flake.nix"),
            ("host", "system.nix"),
            ("module", "default.nix"),
            ("empty", "other"),
        ] {
            std::fs::create_dir(path(inside)).unwrap();
            std::fs::write(path(inside).join(file), "").unwrap();
        }
        let file = |p: PathBuf| Given::Source(Source::File(p));
        let flake = |text: &str| Given::Source(Source::Flake(text.to_owned()));
        for (argument, expected) in [
            (PathBuf::from("a.nix"), file("a.nix".into())),
            (PathBuf::from("plan.json"), Given::Built("plan.json".into())),
            (PathBuf::from(".#web"), flake(".#web")),
            (PathBuf::from("github:a/b"), flake("github:a/b")),
            (path("toplevel"), Given::Built(path("toplevel"))),
            (path("flake"), flake(&path("flake").display().to_string())),
            (path("host"), file(path("host/system.nix"))),
            (path("module"), file(path("module/default.nix"))),
            (path("empty"), Given::Built(path("empty"))),
        ] {
            assert_eq!(read_given(&argument), expected, "{}", argument.display());
        }
    }
}
