//! Evaluates the flake offline, with a small stand-in for nixpkgs.
//!
//! The stand-in gives the embedded module library as `lib`, and packages that are never built. With a real one:
//! `nix flake check --override-input nixpkgs path:/path/of/nixpkgs`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};

use crate::needs::{lacks_nix, skip};
use crate::nix_fixture::own_store;

/// Settings under which every Nix gives the same, offline and without a daemon.
const NIX_CONFIG: &str =
    "build-users-group =\nsubstitute = false\nexperimental-features = nix-command flakes\n";

/// What the flake takes from nixpkgs.
const STAND_IN: &str = include_str!("../fixtures/flake/nixpkgs.nix");

/// The flake, its stand-in for nixpkgs and its template, each in a folder of its own.
struct Flakes {
    folder: tempfile::TempDir,
}

impl Flakes {
    /// Copies what the flake consists of; the project's folder also holds build output.
    fn copy() -> Result<Self> {
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        let flakes = Self {
            folder: tempfile::tempdir()?,
        };
        let own = flakes.path("system-manager");
        fs::create_dir(&own)?;
        let files = "flake.nix flake.lock default.nix Cargo.toml Cargo.lock";
        let folders = "modules nixos-compat examples vm-tests";
        for part in files.split(' ').chain(folders.split(' ')) {
            copy(&project.join(part), &own)?;
        }
        let nixpkgs = flakes.path("nixpkgs");
        fs::create_dir(&nixpkgs)?;
        copy(&project.join("modules/lib"), &nixpkgs)?;
        fs::write(nixpkgs.join("flake.nix"), STAND_IN)?;
        Ok(flakes)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn url(&self, name: &str) -> String {
        format!("path:{}", self.path(name).display())
    }

    /// Runs `nix` on the project's flake (`FLAKE` in the arguments), its input overridden, and gives its output.
    fn own(&self, args: &[&str]) -> Result<String> {
        self.nix(
            args,
            &self.url("system-manager"),
            &[("nixpkgs", self.url("nixpkgs"))],
        )
    }

    /// The same for a template's flake, whose inputs are the project's.
    fn template(&self, name: &str, args: &[&str]) -> Result<String> {
        self.nix(
            args,
            &self.url(&format!("system-manager/{name}")),
            &[
                ("system-manager", self.url("system-manager")),
                ("system-manager/nixpkgs", self.url("nixpkgs")),
            ],
        )
    }

    fn nix(&self, args: &[&str], flake: &str, inputs: &[(&str, String)]) -> Result<String> {
        let mut command = Command::new("nix");
        command
            .arg("--store")
            .arg(own_store("flake-store"))
            .args(args.iter().map(|arg| arg.replace("FLAKE", flake)))
            .args(["--no-write-lock-file", "--offline"])
            .env("NIX_CONFIG", NIX_CONFIG)
            .env("HOME", self.folder.path())
            .current_dir(self.folder.path());
        for (input, url) in inputs {
            command.args(["--override-input", input, url]);
        }
        let output = command.output().context("running nix")?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "nix {args:?}:\n{stderr}");
        // What is asked for as it is has no end of a line, and a warning is none of it.
        Ok(String::from_utf8(output.stdout)? + "\n" + &stderr)
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let Output { status, stderr, .. } = Command::new("cp")
        .arg("-r")
        .args([from, to])
        .output()
        .context("running cp")?;
    ensure!(
        status.success(),
        "copying {}: {}",
        from.display(),
        String::from_utf8_lossy(&stderr)
    );
    Ok(())
}

/// Says whether there is no Nix with flakes, and that the test is skipped for it.
#[test]
fn the_flake_shows_its_outputs_offline() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    let flakes = Flakes::copy()?;
    let shown = flakes.own(&["flake", "show", "FLAKE"])?;
    for name in [
        "formatter",
        "devShells",
        "system-manager-unwrapped",
        "One configuration for a host of a distribution and for one of NixOS",
        "example-hello",
        "example-nginx",
        "system-manager",
        "overlays",
        "nixosModules",
        "A host that system-manager manages",
    ] {
        ensure!(shown.contains(name), "`{name}` is missing in:\n{shown}");
    }
    let check = flakes.own(&[
        "eval",
        "--raw",
        "FLAKE#checks.aarch64-linux.example-nginx.drvPath",
    ])?;
    ensure!(check.contains("-system-manager-nginx.drv"), "{check}");
    Ok(())
}

/// What numtide/system-manager's flake has, and its guides name: an attribute, and what is below it.
const ATTRIBUTES: [(&str, &str); 13] = [
    (
        "lib",
        "makeSystemConfig printAttrPos mkTestPreamble activateProfileSnippet deactivateProfileSnippet prepopulateProfileSnippet",
    ),
    // Its test library has our name, since tests have NixOS's form.
    ("lib", "runNixOSTest"),
    ("packages", "x86_64-linux aarch64-linux aarch64-darwin"),
    (
        "packages.x86_64-linux",
        "default system-manager system-manager-unwrapped",
    ),
    (
        "packages.aarch64-linux",
        "default system-manager system-manager-unwrapped",
    ),
    (
        "packages.aarch64-darwin",
        "default system-manager system-manager-unwrapped",
    ),
    ("overlays", "default"),
    ("nixosModules", "default system-manager"),
    ("templates", "default standalone nixos"),
    ("formatter", "x86_64-linux aarch64-linux aarch64-darwin"),
    ("devShells.x86_64-linux", "default"),
    ("devShells.aarch64-darwin", "default"),
    ("checks", "x86_64-linux aarch64-linux"),
];

#[test]
fn no_attribute_of_upstream_is_missing() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    let flakes = Flakes::copy()?;
    let (mut count, mut missing) = (0, Vec::new());
    for (attribute, below) in ATTRIBUTES {
        let installable = format!("FLAKE#{attribute}");
        let names = flakes.own(&[
            "eval",
            "--json",
            &installable,
            "--apply",
            "builtins.attrNames",
        ])?;
        let names: Vec<String> = serde_json::from_str(names.lines().next().unwrap_or_default())?;
        for name in below.split(' ') {
            count += 1;
            if !names.iter().any(|n| n == name) {
                missing.push(format!("{attribute}.{name}"));
            }
        }
    }
    ensure!(missing.is_empty(), "{missing:?}");
    ensure!(count == 32, "{count} attributes");
    Ok(())
}

#[test]
fn a_mac_has_the_program_to_deploy_with() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    let flakes = Flakes::copy()?;
    let eval = |attribute: &str| flakes.own(&["eval", "--json", &format!("FLAKE#{attribute}")]);
    let program = eval("packages.aarch64-darwin.default.drvPath")?;
    ensure!(program.contains("-system-manager-"), "{program}");
    let platforms = eval("packages.aarch64-darwin.default.meta.platforms")?;
    ensure!(platforms.contains("aarch64-darwin"), "{platforms}");
    // It can't be managed: there is nothing of its own to check.
    let systems = flakes.own(&[
        "eval",
        "--json",
        "FLAKE#checks",
        "--apply",
        "builtins.attrNames",
    ])?;
    ensure!(
        systems.starts_with(r#"["aarch64-linux","x86_64-linux"]"#),
        "{systems}"
    );
    Ok(())
}

#[test]
fn the_program_is_built_anew_for_its_own_sources_only() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    let flakes = Flakes::copy()?;
    let own = flakes.path("system-manager");
    let program = || {
        let installable = "FLAKE#packages.x86_64-linux.default.drvPath";
        flakes.own(&["eval", "--raw", installable])
    };
    let derivation = |shown: String| shown.lines().next().map(str::to_owned);
    let before = derivation(program()?);
    fs::create_dir(own.join("docs"))?;
    fs::write(own.join("docs/guide.md"), "A guide.\n")?;
    let with_a_guide = derivation(program()?);
    ensure!(before == with_a_guide, "{before:?} {with_a_guide:?}");
    for of_the_program in ["modules/new.nix", "src/new.rs"] {
        fs::create_dir_all(own.join(of_the_program).parent().context("a folder")?)?;
        fs::write(own.join(of_the_program), "\n")?;
        let with_it = derivation(program()?);
        ensure!(before != with_it, "{of_the_program}: {before:?}");
        fs::remove_file(own.join(of_the_program))?;
    }
    Ok(())
}

/// Evaluates what the overlay gives for a nixpkgs with this Rust, and others beside it.
fn overlay(flakes: &Flakes, rust: &str, others: &str) -> Result<String> {
    let apply = format!(
        r#"overlay:
           let
             builds = rust: {{ rustPlatform.buildRustPackage = args: "${{args.pname}} by ${{rust}}"; }};
             others = builtins.mapAttrs (name: _: {{ packages.stable = builds name; }}) {{ {others} }};
             final = others // {{
               rustc.version = "{rust}";
               stdenv.hostPlatform.isLinux = true;
               pkgsStatic = others // builds "its own";
             }};
           in (overlay final {{ }}).system-manager"#
    );
    flakes.own(&["eval", "--raw", "FLAKE#overlays.default", "--apply", &apply])
}

#[test]
fn a_nixpkgs_whose_rust_is_too_old_is_told_the_remedy() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    let flakes = Flakes::copy()?;
    let new = overlay(&flakes, "1.95.0", "")?;
    ensure!(new.starts_with("system-manager by its own"), "{new}");
    for others in ["", "rust_1_82 = 1; rust_1_9 = 1;"] {
        let old = overlay(&flakes, "1.82.0", others).err();
        let said = old.context("it takes any Rust")?.to_string();
        for text in ["this nixpkgs has 1.82.0", "inputs.nixpkgs.follows"] {
            ensure!(said.contains(text), "`{text}` is missing in:\n{said}");
        }
    }
    Ok(())
}

#[test]
fn a_newer_rust_of_the_same_nixpkgs_builds_the_program() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    let flakes = Flakes::copy()?;
    for (others, by) in [
        ("rust_1_82 = 1; rust_1_89 = 1; rust_1_9 = 1;", "rust_1_89"),
        (
            "rust_1_100 = 1; rust_1_89 = 1; rust_1_95 = 1;",
            "rust_1_100",
        ),
    ] {
        let built = overlay(&flakes, "1.82.0", others)?;
        ensure!(
            built.starts_with(&format!("system-manager by {by}")),
            "{built}"
        );
    }
    Ok(())
}

/// Evaluates an expression without a flake.
fn evaluate(expression: &str) -> Result<serde_json::Value> {
    let output = Command::new("nix-instantiate")
        .args(["--eval", "--strict", "--json", "-E", expression, "--store"])
        .arg(own_store("flake-store"))
        .env("NIX_CONFIG", NIX_CONFIG)
        .output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{stderr}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[test]
fn who_uses_no_flakes_has_the_same() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    let flakes = Flakes::copy()?;
    let of_the_flake = flakes.own(&[
        "eval",
        "--json",
        "FLAKE#lib",
        "--apply",
        "builtins.attrNames",
    ])?;
    let of_the_flake: serde_json::Value =
        serde_json::from_str(of_the_flake.lines().next().unwrap_or_default())?;
    let expression = format!(
        r"let api = import {}/default.nix {{ nixpkgs = {}; }}; names = builtins.attrNames;
           in {{
             lib = names api.lib;
             packages = names api.packages;
             program = names api.packages.x86_64-linux;
             overlays = names api.overlays;
             nixosModules = names api.nixosModules;
           }}",
        flakes.path("system-manager").display(),
        flakes.path("nixpkgs").display(),
    );
    let program = ["default", "system-manager", "system-manager-unwrapped"];
    let expected = serde_json::json!({
        "lib": of_the_flake, "packages": ["aarch64-darwin", "aarch64-linux", "x86_64-linux"], "program": program,
        "overlays": ["default"], "nixosModules": ["default", "system-manager"],
    });
    let found = evaluate(&expression)?;
    ensure!(found == expected, "{found}\n{expected}");
    let alone = format!(
        "(import {} {{ }}).packages",
        flakes.path("system-manager").display()
    );
    let refused = evaluate(&alone)
        .err()
        .context("it has packages without a nixpkgs")?;
    ensure!(refused.to_string().contains("need a nixpkgs"), "{refused}");
    Ok(())
}

/// In a real nixpkgs, the program's derivation has a Rust that is new enough: also in 24.11, whose own is 1.82.
#[test]
fn a_real_nixpkgs_has_the_rust_to_build_the_program() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    let Some(nixpkgs) = std::env::var_os("NIXPKGS") else {
        skip("no nixpkgs at hand (NIXPKGS=/path/of/nixpkgs cargo test --test suite flake::)");
        return Ok(());
    };
    let minor = |version: &str| -> Option<u32> { version.split('.').nth(1)?.parse().ok() };
    let needed = minor(env!("CARGO_PKG_RUST_VERSION")).context("a version")?;
    for system in ["x86_64-linux", "aarch64-linux", "aarch64-darwin"] {
        let expression = format!(
            r#"let
                 outputs = (import {flake}).outputs {{
                   self = {{ }};
                   nixpkgs = {{ lib = import ({nixpkgs} + "/lib"); legacyPackages = {{ }}; }};
                 }};
                 pkgs = import {nixpkgs} {{ system = "{system}"; overlays = [ outputs.overlays.default ]; }};
                 names = map (input: input.name or "") pkgs.system-manager.nativeBuildInputs;
               in builtins.seq pkgs.system-manager.drvPath
                 (toString (builtins.filter (name: builtins.match ".*rustc-wrapper.*" name != null) names))"#,
            flake = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("flake.nix")
                .display(),
            nixpkgs = Path::new(&nixpkgs).display(),
        );
        let rust: String = serde_json::from_value(evaluate(&expression).context(system)?)?;
        let version = rust.rsplit('-').next().unwrap_or_default();
        ensure!(minor(version) >= Some(needed), "{system}: {rust}");
    }
    Ok(())
}

#[test]
fn machine_tests_are_derivations_with_the_pinned_images() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    let flakes = Flakes::copy()?;
    let eval = |attribute: &str, apply: &str| {
        let installable = format!("FLAKE#{attribute}");
        // A test of one's own is not part of the flake.
        flakes.own(&["eval", "--raw", "--impure", &installable, "--apply", apply])
    };
    let pinned: serde_json::Value = serde_json::from_str(&fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("vm-tests/images/distros.json"),
    )?)?;
    let sha256 = pinned["ubuntu-24.04"]["sha256"]
        .as_str()
        .context("a hash")?;
    let check = eval(
        "legacyPackages.x86_64-linux.machines-ubuntu-24-04",
        "check: builtins.seq check.drvPath check.script",
    )?;
    for part in ["--kind qemu", "-k \"qemu\"", "ubuntu-24.04=/", sha256] {
        ensure!(check.contains(part), "`{part}` is missing in:\n{check}");
    }

    // A test of one's own, as a file or as what such a file has.
    let case = flakes.path("system-manager/vm-tests/cases/switch.nix");
    for test in ["file", "import file"] {
        let script = eval(
            "lib",
            &format!(
                r#"lib:
                   let
                     file = {};
                     check = lib.runNixOSTest {{
                       distro = "debian-13";
                       test = {test};
                     }};
                   in builtins.seq check.drvPath (check.name + check.script)"#,
                case.display()
            ),
        )?;
        for part in ["nixos-test-switch-debian-13", ". nixos_test ", "debian-13="] {
            ensure!(script.contains(part), "`{part}` is missing in:\n{script}");
        }
    }
    Ok(())
}

#[test]
fn the_template_gives_a_toplevel_with_its_activator() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    let flakes = Flakes::copy()?;
    let eval = |attribute: &str| {
        let installable = format!("FLAKE#systemConfigs.default.{attribute}");
        flakes.template("examples/flake", &["eval", "--json", &installable])
    };
    let derivation = eval("drvPath")?;
    ensure!(
        derivation.contains("-system-manager-default.drv"),
        "{derivation}"
    );
    let names = eval("config.system.build.manifest.packages.names")?;
    ensure!(names.contains(r#"["hello"]"#), "{names}");
    let activator = eval("activator")?;
    ensure!(activator.contains("-system-manager-"), "{activator}");
    let check = flakes.template(
        "examples/flake",
        &[
            "eval",
            "--raw",
            "FLAKE#legacyPackages.x86_64-linux.test-on-ubuntu.drvPath",
        ],
    )?;
    ensure!(
        check.contains("-nixos-test-host-ubuntu-24.04.drv"),
        "{check}"
    );
    Ok(())
}

#[test]
fn the_template_for_two_hosts_gives_a_toplevel() -> Result<()> {
    if lacks_nix() {
        return Ok(());
    }
    let flakes = Flakes::copy()?;
    let installable = "FLAKE#systemConfigs.default.config.system.build.manifest.units";
    let units = flakes.template("examples/flake-nixos", &["eval", "--json", installable])?;
    ensure!(units.contains("greeting.service"), "{units}");
    Ok(())
}
