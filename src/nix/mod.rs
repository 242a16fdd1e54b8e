//! Evaluates and builds a host's configuration with Nix.
#![expect(
    clippy::disallowed_methods,
    reason = "writes the modules for Nix, and runs it"
)]

use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use sha2::{Digest, Sha256};

use crate::host::getent;
use crate::host::process::Command;
use crate::model::names::AbsolutePath;
use elsewhere::BuildHost;
use hosts::find_host;
use watch::Work;

pub(crate) mod elsewhere;
mod explain;
pub(crate) mod hosts;
pub(crate) mod keep;
pub(crate) mod option;
pub(crate) mod revision;
mod served;
pub(crate) mod watch;

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
}

/// Where a configuration comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A file with a module, or with a function that gives a toplevel.
    File(PathBuf),
    /// A flake, with or without an attribute.
    Flake(String),
}

/// How a configuration is built.
#[derive(Debug, Clone, Default)]
pub(crate) struct BuildOptions {
    /// The nixpkgs to use; none looks in `NIX_PATH`, then takes the embedded default.
    pub nixpkgs: Option<String>,
    /// Settings for Nix, as in nix.conf(5).
    pub nix_options: Vec<(String, String)>,
    /// The name and the system of the host that it is for, such as `x86_64-linux`; by default, this one's.
    pub identity: Option<(String, String)>,
    /// The machine that builds it; none is this one.
    pub build_host: Option<BuildHost>,
    /// Whether a flake and its inputs are fetched anew.
    pub refresh: bool,
    /// Whether an error shows where Nix was.
    pub show_trace: bool,
}

/// The value of `--nixpkgs` that means none at all.
pub(crate) const EMBEDDED: &str = "embedded";

impl Source {
    /// Finds the default source: `flake.nix`, then `system.nix`, here and in `~/.config/system-manager`.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn find() -> Result<Self> {
        let here = std::env::current_dir().context("finding the current folder")?;
        let config = std::env::var_os("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::var_os("HOME").map(|h| Path::new(&h).join(".config")))
            .map(|c| c.join("system-manager"));
        for folder in [Some(here), config].into_iter().flatten() {
            if folder.join("flake.nix").exists() {
                return Ok(Self::Flake(folder.display().to_string()));
            }
            if folder.join("system.nix").exists() {
                return Ok(Self::File(folder.join("system.nix")));
            }
        }
        bail!(
            "there is no configuration: no file was named, and neither this folder nor ~/.config/system-manager has a flake.nix or system.nix\nhint: name one with `--file FILE`, or create one with `system-manager init`"
        )
    }
}

/// Builds a configuration and gives its toplevel.
///
/// # Errors
/// When Nix is missing, or the configuration does not evaluate or build; Nix has said why on standard error.
pub(crate) fn build(source: &Source, options: &BuildOptions) -> Result<AbsolutePath> {
    build_watched(source, options, None)
}

/// Builds a configuration, and tells what Nix is at while it works: once a second, and whenever it says something.
///
/// # Errors
/// As for [`build`].
pub(crate) fn build_watched(
    source: &Source,
    options: &BuildOptions,
    watch: Option<&mut Watch<'_>>,
) -> Result<AbsolutePath> {
    served::may_build(options)?;
    let toplevel = match (source, &options.build_host) {
        (_, Some(host)) => elsewhere::build(host, source, options)?,
        (Source::File(file), None) => build_file(file, options, watch)?,
        (Source::Flake(uri), None) => build_flake(uri, options, watch)?,
    };
    toplevel
        .trim()
        .parse()
        .with_context(|| format!("Nix printed {toplevel:?} instead of a store path"))
}

/// Is told what Nix is at, with what people must read of what it said.
pub(crate) type Watch<'a> = dyn FnMut(&Work, Option<&str>) + 'a;

/// Runs what builds, watched or not.
fn run_builder(command: Command, watch: Option<&mut Watch<'_>>) -> Result<String> {
    let Some(watch) = watch else {
        return command.stdout();
    };
    let mut work = Work::default();
    command
        .args(["--log-format", "internal-json"])
        .stdout_heard(TICK, &mut |line| {
            let told = line.and_then(|line| work.read(line));
            watch(&work, told.as_deref());
        })
}

/// How often is told that nothing new was said.
const TICK: Duration = Duration::from_secs(1);

fn build_file(
    file: &Path,
    options: &BuildOptions,
    watch: Option<&mut Watch<'_>>,
) -> Result<String> {
    let link = keep::link()?;
    let (command, source) = builder_of_file("nix-build", file, options)?;
    let command = command.arg("--out-link").arg(link);
    run_builder(command.arg(&source), watch).with_context(|| {
        let nixpkgs = find_nixpkgs(options);
        let hint = explain_file(file, nixpkgs.as_deref(), &source, options);
        let hint = hint.unwrap_or_else(|| see_above(options).to_owned());
        format!(
            "building the configuration {}\nhint: {hint}",
            file.display()
        )
    })
}

/// Returns a command of Nix that evaluates a configuration's file, and what it evaluates it by, its last argument.
fn builder_of_file(
    program: &str,
    file: &Path,
    options: &BuildOptions,
) -> Result<(Command, PathBuf)> {
    let file = real(file)?;
    if !cfg!(target_os = "linux") {
        bail!(
            "a configuration from a file contains the program that builds it, and this program is not for Linux\nhint: put the file into a flake, whose hosts get the program for their own system: `system-manager init --flake`"
        );
    }
    let activator = std::env::current_exe().context("finding this program's own file")?;
    let nixpkgs = find_nixpkgs(options);
    let mut command = nix(program, nixpkgs.is_none(), options)
        .args(["-A", "toplevel", "--argstr", "file"])
        .arg(&file)
        .args(["--argstr", "activator"])
        .arg(&activator);
    if let Some(nixpkgs) = &nixpkgs {
        command = command.args(["--argstr", "nixpkgs"]).arg(nixpkgs);
    }
    Ok((command, source_folder()?))
}

/// Says what to do about a configuration that does not evaluate. It is evaluated once more, for the trace of the error.
fn explain_file(
    file: &Path,
    nixpkgs: Option<&Path>,
    source: &Path,
    options: &BuildOptions,
) -> Option<String> {
    // Nix takes a relative name for one below the root.
    let file = fs::canonicalize(file).ok()?;
    let mut command = nix("nix-instantiate", true, options)
        .args(["--readonly-mode", "--show-trace", "-A", "toplevel"])
        .args(["--argstr", "file"])
        .arg(&file);
    if let Some(nixpkgs) = nixpkgs {
        command = command.args(["--argstr", "nixpkgs"]).arg(nixpkgs);
    }
    let output = command.arg(source).output().ok()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let error = said.find("error: ").map(|start| &said[start..])?;
    let folder = file.parent()?.to_string_lossy();
    explain::remedy(error, &folder, nixpkgs.is_some())
}

fn build_flake(uri: &str, options: &BuildOptions, watch: Option<&mut Watch<'_>>) -> Result<String> {
    let (flake, attribute) = find_host(uri, options)?;
    let installable = format!("{flake}#{attribute}");
    let command = nix("nix", false, options)
        .args([
            "--extra-experimental-features",
            "nix-command flakes",
            "build",
            "--json",
            "--out-link",
        ])
        .arg(keep::link()?)
        .args(options.refresh.then_some("--refresh"))
        .arg(&installable);
    let json = run_builder(command, watch).with_context(|| {
        let hint = see_above(options);
        format!("building the flake's configuration {installable}\nhint: {hint}")
    })?;
    let built: serde_json::Value =
        serde_json::from_str(&json).context("reading what `nix build --json` printed")?;
    built[0]["outputs"]["out"]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| anyhow!("`nix build {installable}` printed no output path"))
}

/// Returns a configuration's file by its whole path.
fn real(file: &Path) -> Result<PathBuf> {
    fs::canonicalize(file).with_context(|| {
        format!(
            "reading the configuration {}\nhint: check its name; `system-manager init` writes a first configuration",
            file.display()
        )
    })
}

/// What to do about an error that Nix has told on standard error.
pub(crate) fn see_above(options: &BuildOptions) -> &'static str {
    if options.show_trace {
        "Nix says above what is wrong"
    } else {
        "Nix says above what is wrong; `--show-trace` shows in addition what led to it"
    }
}

/// Evaluates a configuration here or on NixOS, to JSON; nothing is built.
///
/// # Errors
/// When Nix is missing, or it does not evaluate; Nix has said why on standard error.
pub(crate) fn evaluate_both_ways(
    source: &Source,
    options: &BuildOptions,
    side: &str,
) -> Result<String> {
    let code = source_folder()?.join("nixos-compat/report/both-ways.nix");
    let (file, named) = match source {
        Source::File(file) => (file, options.nixpkgs.as_deref().unwrap_or(EMBEDDED)),
        Source::Flake(uri) => return evaluate_flake_both_ways(uri, &code, options, side),
    };
    let file = real(file)?;
    evaluator(options)
        .args(["-A", side])
        .arg(code)
        .args(["--argstr", "nixpkgs", named, "--argstr", "file"])
        .arg(file)
        .stdout()
}

fn evaluate_flake_both_ways(
    uri: &str,
    code: &Path,
    options: &BuildOptions,
    side: &str,
) -> Result<String> {
    let (flake, attribute) = find_host(uri, options)?;
    // A flake in a folder has to be named from the root of the file system.
    let flake = fs::canonicalize(&flake).map_or(flake, |path| path.display().to_string());
    let nixpkgs = options.nixpkgs.as_deref().map(fs::canonicalize).transpose();
    let nixpkgs = nixpkgs
        .context("reading the nixpkgs")?
        .map_or_else(String::new, |path| {
            format!("nixpkgs = {};", nix_string(&path.display().to_string()))
        });
    let expression = format!(
        "(import {} {{ host = (builtins.getFlake {}).{attribute}; {nixpkgs} }}).{side}",
        nix_string(&code.display().to_string()),
        nix_string(&flake),
    );
    nix("nix", false, options)
        .args(["--extra-experimental-features", "nix-command flakes"])
        .args(NOTHING_BUILT)
        .args(["eval", "--impure", "--json", "--expr"])
        .arg(expression)
        .stdout()
}

/// Writes a text as a string of Nix.
fn nix_string(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace("${", "\\${");
    format!("\"{escaped}\"")
}

/// Checks what `--nixpkgs` names, before Nix stumbles over it with an error that doesn't name the flag.
///
/// # Errors
/// When it is no folder with a nixpkgs in it.
pub(crate) fn check_nixpkgs(named: &str) -> Result<()> {
    let path = Path::new(named);
    if named == EMBEDDED || path.join("lib/default.nix").exists() {
        return Ok(());
    }
    if named.contains(':') && !path.exists() {
        bail!(
            "`--nixpkgs {named}`: this must be a folder, not an address\nhint: write a flake with this input, or download it and name the folder"
        );
    }
    if !path.exists() {
        bail!(
            "`--nixpkgs {named}`: there is no such folder\nhint: name a checkout of nixpkgs, or `embedded` for none"
        );
    }
    bail!(
        "`--nixpkgs {named}`: this is not a nixpkgs, since `lib/default.nix` is missing\nhint: name the folder that has `lib`, `nixos` and `pkgs`"
    )
}

/// Gives the nixpkgs that was named, or that `NIX_PATH` has.
pub(crate) fn find_nixpkgs(options: &BuildOptions) -> Option<PathBuf> {
    match options.nixpkgs.as_deref() {
        Some(EMBEDDED) => None,
        Some(path) => Some(fs::canonicalize(path).unwrap_or_else(|_| PathBuf::from(path))),
        None => {
            // Not found is the usual case on a machine that has Nix alone.
            let output = Command::new("nix-instantiate")
                .args(["--find-file", "nixpkgs"])
                .output()
                .ok()?;
            let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            (output.code == Some(0) && !path.is_empty()).then(|| PathBuf::from(path))
        }
    }
}

/// Prepares a Nix command so that it also works where only the package `nix-bin` was installed and nothing configured.
pub(crate) fn nix(program: &str, offline: bool, options: &BuildOptions) -> Command {
    let mut settings = String::new();
    if nix::unistd::geteuid().is_root() && !served::has_daemon() && !has_build_users() {
        settings.push_str("build-users-group =\n");
    }
    if offline {
        // The embedded default needs nothing from a cache; asking for it costs seconds where there is no network.
        settings.push_str("substitute = false\n");
    }
    if let Ok(own) = std::env::var("NIX_CONFIG") {
        settings.push_str(&own);
        settings.push('\n');
    }
    for (name, value) in &options.nix_options {
        settings.push_str(&format!("{name} = {value}\n"));
    }
    let command = Command::new(program)
        .env("NIX_CONFIG", settings)
        .hint("apt-get install nix-bin")
        .args(options.show_trace.then_some("--show-trace"));
    if std::io::stderr().is_terminal() {
        command
    } else {
        // Progress is for people; errors and warnings still come.
        command.arg("--quiet")
    }
}

/// Whether the group is there whose users build. Asked once: a host that is busy takes long to answer.
fn has_build_users() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| matches!(getent::look_up("group", "nixbld"), Ok(Some(_))))
}

/// Whether Nix is here and knows a path of the store, be it damaged or gone.
#[must_use]
pub(crate) fn is_valid(path: &Path) -> bool {
    let output = nix("nix-store", true, &BuildOptions::default())
        .arg("--check-validity")
        .arg(path)
        .output();
    // Without Nix, nobody knows it.
    output.is_ok_and(|output| output.code == Some(0))
}

/// Without this, a derivation whose result an evaluation reads is built, if the store happens to have it.
const NOTHING_BUILT: [&str; 3] = ["--option", "allow-import-from-derivation", "false"];

/// Prepares an evaluation of a file to JSON, by which nothing is built or written to the store.
pub(crate) fn evaluator(options: &BuildOptions) -> Command {
    nix("nix-instantiate", true, options)
        .args(["--readonly-mode", "--eval", "--strict", "--json"])
        .args(NOTHING_BUILT)
}

/// Gives the folder with the Nix files, unpacking the embedded ones into the cache when they are not there yet.
///
/// # Errors
/// When they can't be written.
pub(crate) fn source_folder() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("SYSTEM_MANAGER_SOURCE") {
        return Ok(folder.into());
    }
    let tag = embedded_tag(|_name| true);
    let cache = cache_folder();
    let folder = cache.join(format!("nix-{tag}"));
    if !folder.exists() {
        let partial = cache.join(format!("nix-{tag}.{}", std::process::id()));
        unpack(&partial)
            .and_then(|()| match fs::rename(&partial, &folder) {
                // Another process was quicker; its files are the same.
                Err(_) if folder.exists() => fs::remove_dir_all(&partial),
                other => other,
            })
            .with_context(|| format!("unpacking the modules to {}", folder.display()))?;
    }
    Ok(folder)
}

/// Gives what tells the embedded Nix files from those of another version: a hash of the files of these names.
pub(crate) fn embedded_tag(counts: impl Fn(&str) -> bool) -> String {
    let mut digest = Sha256::new();
    for (name, content) in embedded::FILES.iter().filter(|(name, _)| counts(name)) {
        digest.update(name.as_bytes());
        digest.update((content.len() as u64).to_le_bytes());
        digest.update(content);
    }
    let digest = digest.finalize();
    digest.iter().take(8).map(|b| format!("{b:02x}")).collect()
}

/// Gives the folder for what can be made again.
pub(crate) fn cache_folder() -> PathBuf {
    std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|h| Path::new(&h).join(".cache")))
        .unwrap_or_else(|| PathBuf::from("/var/cache"))
        .join("system-manager")
}

fn unpack(folder: &Path) -> std::io::Result<()> {
    for (name, content) in embedded::FILES {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(path, content)?;
    }
    Ok(())
}
