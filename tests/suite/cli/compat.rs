//! `compat` on a small nixpkgs: what it says about modules, what it remembers, and how it ends.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::story::{PROGRAM, Ran};
use crate::needs::lacks_nix;
use crate::nix_fixture::own_store;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A nixpkgs of its own, and a Nix that notes what it is asked.
pub struct Desk {
    folder: TempDir,
    real: PathBuf,
}

/// A module that can't be evaluated, and one that wants more than to be enabled.
const BROKEN: [(&str, &str); 2] = [
    (
        "services/broken/throws.nix",
        r#"{ lib, config, ... }: {
          options.services.throws.enable = lib.mkEnableOption "nothing";
          config = lib.mkIf config.services.throws.enable { environment.etc."x".text = throw "there is no x"; };
        }"#,
    ),
    (
        "services/broken/wants.nix",
        r#"{ lib, config, ... }: {
          options.services.wants.enable = lib.mkEnableOption "something";
          # No sample of a text fits.
          options.services.wants.name = lib.mkOption { type = lib.types.strMatching "[A-Z]{9}"; description = "Its name."; };
          # These have a value by their types.
          options.services.wants.folder = lib.mkOption { type = lib.types.path; default = null; description = "A folder."; };
          options.services.wants.tool = lib.mkOption {
            type = lib.types.submodule {
              options.port = lib.mkOption { type = lib.types.port; description = "A port."; };
            };
            default = { };
            description = "A tool.";
          };
          config = lib.mkIf config.services.wants.enable {
            environment.etc."y".text =
              with config.services.wants; "${folder} ${toString tool.port} ${name}";
          };
        }"#,
    ),
];

impl Desk {
    /// Copies the small nixpkgs; none when there is no Nix.
    pub fn begin() -> Option<Self> {
        if lacks_nix() {
            return None;
        }
        let path = std::env::var_os("PATH").unwrap();
        let real = std::env::split_paths(&path)
            .map(|folder| folder.join("nix-instantiate"))
            .find(|file| file.is_file())
            .unwrap();
        let desk = Self {
            folder: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap(),
            real,
        };
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        copy(&project.join("tests/compat/nixpkgs"), &desk.nixpkgs());
        let library = format!("import {}/modules/lib\n", project.display());
        fs::write(desk.nixpkgs().join("lib/default.nix"), library).unwrap();
        fs::create_dir(desk.path("bin")).unwrap();
        desk.hang_at("nothing");
        Some(desk)
    }

    /// A path beside the nixpkgs.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The nixpkgs.
    pub fn nixpkgs(&self) -> PathBuf {
        self.path("nixpkgs")
    }

    fn modules(&self) -> PathBuf {
        self.nixpkgs().join("nixos/modules")
    }

    /// Adds modules that have something wrong with them.
    fn break_some(self) -> Self {
        fs::create_dir(self.modules().join("services/broken")).unwrap();
        let list = self.modules().join("module-list.nix");
        fs::rename(&list, self.modules().join("others.nix")).unwrap();
        let mut text = "import ./others.nix ++ [\n".to_owned();
        for (name, module) in BROKEN {
            fs::write(self.modules().join(name), module).unwrap();
            text.push_str(&format!("./{name}\n"));
        }
        fs::write(&list, text + "]\n").unwrap();
        self
    }

    /// Puts a Nix into the way that notes its questions, and never answers those about one module.
    fn hang_at(&self, module: &str) {
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in\n*--eval*) echo \"$*\" >>{asked} ;;\nesac\ncase \"$*\" in\n*\" {module}\"*) echo $$ >{pid}; mv {pid} {pid}.whole; exec tail -f /dev/null ;;\nesac\nexec {real} \"$@\"\n",
            asked = self.path("asked").display(),
            pid = self.path("pid").display(),
            real = self.real.display(),
        );
        let file = self.path("bin/nix-instantiate");
        fs::write(&file, script).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Gives what Nix was asked since the last time, one line a question.
    fn asked(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("asked")).unwrap_or_default();
        fs::write(self.path("asked"), "").unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// Gives the command, with no nixpkgs named.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new(PROGRAM);
        command
            .arg("compat")
            .args(arguments)
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("NIX_REMOTE", own_store("compat-command-store"))
            .env_remove("NIX_PATH");
        command
    }

    /// Asks about the nixpkgs.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        let nixpkgs = self.nixpkgs();
        let mut command = self.command(arguments);
        Ran::new(&command.arg("--nixpkgs").arg(nixpkgs).output().unwrap())
    }

    fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.arg("--nixpkgs").arg(self.nixpkgs());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.unwrap();
        let target = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            fs::create_dir_all(target).unwrap();
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Waits until something is so, and fails when it never is.
#[track_caller]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        std::thread::yield_now();
    }
}

/// The words of a line, however they are aligned.
fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn module<'a>(survey: &'a Value, name: &str) -> &'a Value {
    let modules = survey["modules"].as_array().unwrap();
    let found = modules.iter().find(|m| m["module"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {survey:#}"))
}

#[test]
fn each_module_gets_a_verdict_and_failures_a_reason() {
    let Some(desk) = Desk::begin().map(Desk::break_some) else {
        return;
    };
    let ran = desk.run(&[]).exits(0);
    let lines: Vec<String> = ran.stdout.lines().map(words).collect();
    for wanted in [
        "services/database/storage.nix evaluates",
        "services/misc/folder/default.nix has no switch",
        "services/web/webd/default.nix evaluates",
        "services/today/relay.nix evaluates no effect: networking.firewall.allowedTCPPorts",
        "services/broken/throws.nix fails when enabled: there is no x",
        "services/broken/wants.nix needs a setting set services.wants.name",
        "1 an option must be set, and has no case yet",
        "1 there is no x",
    ] {
        assert!(
            lines.iter().any(|line| line == wanted),
            "no line {wanted:?} in\n{}",
            ran.stdout
        );
    }
    assert!(ran.stdout.contains("\ndeclares  "), "{}", ran.stdout);
    assert!(ran.stderr.is_empty(), "not quiet in a pipe: {}", ran.stderr);

    let ran = desk.run(&["services/web/webd"]).exits(0);
    for wanted in [
        "enabled by      services.webd.enable",
        "files in /etc   webd.ini",
        "webd/hosts",
    ] {
        assert!(
            ran.stdout.contains(wanted),
            "no {wanted:?} in\n{}",
            ran.stdout
        );
    }
    assert!(!ran.stdout.contains("storage.nix"));
}

#[test]
fn verdicts_are_data_and_a_table_for_documents_as_well() {
    let Some(desk) = Desk::begin().map(Desk::break_some) else {
        return;
    };
    let survey = desk.run(&["--json"]).exits(0).json();
    assert_eq!(survey["version"], json!(1));
    let webd = module(&survey, "services/web/webd/default.nix");
    assert_eq!(webd["verdict"], "evaluates");
    assert_eq!(webd["enabled"]["units"], json!(["webd.service"]));
    assert_eq!(webd["enabled"]["noEffect"], json!([]));
    let relay = module(&survey, "services/today/relay.nix");
    assert_eq!(
        relay["enabled"]["noEffect"],
        json!(["networking.firewall.allowedTCPPorts"])
    );
    let wants = module(&survey, "services/broken/wants.nix");
    assert_eq!(wants["verdict"], "needs-setting");
    assert_eq!(wants["mustSet"], "services.wants.name");
    let throws = module(&survey, "services/broken/throws.nix");
    assert_eq!(throws["errors"], json!({ "enabled": "there is no x" }));
    assert_eq!(throws["defaults"], json!([]));
    let summary = &survey["summary"];
    let all = survey["modules"].as_array().unwrap().len();
    assert_eq!(summary["modules"], json!(all));
    assert_eq!(summary["needSetting"], json!(1));
    let switchable = summary["switchable"].as_u64().unwrap();
    assert_eq!(summary["enabled"], json!(switchable - 2));

    let table = desk
        .run(&["--markdown", "--under", "services/broken/"])
        .exits(0);
    for wanted in [
        "| evaluates when enabled | 0 of 2 | 0.0 % |",
        "| there is no x | `services/broken/throws.nix` |",
        "| `services/broken/wants.nix` | needs a setting | set `services.wants.name` |",
    ] {
        assert!(
            table.stdout.contains(wanted),
            "no {wanted:?} in\n{}",
            table.stdout
        );
    }
}

#[test]
fn what_is_known_is_not_asked_again_until_something_changes() {
    let Some(desk) = Desk::begin() else { return };
    let first = desk.run(&[]).exits(0).stdout;
    assert!(desk.asked().len() > 5);
    assert_eq!(desk.run(&[]).exits(0).stdout, first);
    assert_eq!(desk.asked(), [""; 0], "Nix was asked again");
    desk.run(&["--no-cache", "services/misc/rotate"]).exits(0);
    assert_eq!(
        desk.asked().len(),
        2,
        "the list of modules, and one of them"
    );

    let file = desk.modules().join("services/misc/rotate.nix");
    let changed = fs::read_to_string(&file)
        .unwrap()
        .replace("timers.rotate", "timers.turn");
    fs::write(&file, changed).unwrap();
    let ran = desk.run(&["services/misc/rotate.nix"]).exits(0);
    assert!(ran.stdout.contains("turn.timer"), "{}", ran.stdout);
    assert_eq!(desk.asked().len(), 2);

    // A line that a killed run did not write to its end.
    let caches: Vec<PathBuf> = fs::read_dir(desk.path("cache/system-manager/compat"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    for cache in caches {
        let text = fs::read_to_string(&cache).unwrap();
        fs::write(&cache, &text[..text.len() - 9]).unwrap();
    }
    desk.run(&["services/misc/rotate.nix"]).exits(0);
    assert_eq!(desk.asked().len(), 1);
    desk.run(&["services/misc/rotate.nix"]).exits(0);
    assert_eq!(desk.asked().len(), 0);
}

#[test]
fn modules_that_one_process_looks_at_get_the_verdicts_that_each_gets_by_itself() {
    let Some(desk) = Desk::begin() else { return };
    let desk = desk.break_some();
    let survey = |jobs| {
        let options = ["--json", "--no-cache", "--compare", "--jobs", jobs];
        let survey = desk.run(&options).exits(0).json();
        let asked = desk.asked();
        (
            survey["modules"].clone(),
            asked.iter().filter(|a| a.contains("-A each.")).count(),
        )
    };
    let (apart, together) = survey("64");
    assert_eq!(together, 0);
    let (modules, together) = survey("1");
    assert!(together > 4, "{together} questions about several modules");
    assert_eq!(modules, apart);
}

#[test]
fn a_module_that_never_ends_is_ended_and_tried_again() {
    let Some(desk) = Desk::begin() else { return };
    desk.hang_at("services/misc/rotate.nix");
    let survey = desk
        .run(&["--json", "--timeout", "1", "services/misc/rotate.nix"])
        .exits(0)
        .json();
    let rotate = module(&survey, "services/misc/rotate.nix");
    assert_eq!(rotate["verdict"], "fails");
    assert_eq!(rotate["errors"]["enabled"], "no result after 1 s");
    assert_eq!(
        survey["summary"]["reasons"][0]["reason"],
        "it took too long"
    );

    desk.hang_at("nothing");
    let survey = desk
        .run(&["--json", "services/misc/rotate.nix"])
        .exits(0)
        .json();
    assert_eq!(
        module(&survey, "services/misc/rotate.nix")["verdict"],
        "evaluates"
    );
}

#[test]
fn an_interrupted_run_says_how_to_go_on_and_goes_on_there() {
    let Some(desk) = Desk::begin() else { return };
    desk.hang_at("services/misc/rotate.nix");
    let modules = ["misc/folder", "misc/rotate", "web/webd"].map(|m| format!("services/{m}"));
    let mut arguments = vec!["--jobs", "1", "--timeout", "86400"];
    arguments.extend(modules.iter().map(String::as_str));
    let mut child = desk.start(&arguments);
    let noted = desk.path("pid.whole");
    wait_until("Nix hangs", || noted.exists());
    let nix = fs::read_to_string(&noted).unwrap().trim().parse().unwrap();
    let own = Pid::from_raw(i32::try_from(child.id()).unwrap());
    kill(own, Signal::SIGINT).unwrap();
    wait_until("the program ends", || child.try_wait().unwrap().is_some());
    Ran::new(&child.wait_with_output().unwrap())
        .exits(3)
        .says("error: interrupted; 1 of 3 modules are in the cache")
        .says("run the same command again to continue");
    wait_until("Nix is gone", || kill(Pid::from_raw(nix), None).is_err());

    desk.hang_at("nothing");
    desk.asked();
    desk.run(&arguments).exits(0);
    let asked = desk.asked();
    assert_eq!(asked.len(), 2, "what was known was asked again: {asked:#?}");
}

#[test]
fn what_is_missing_is_named() {
    let Some(desk) = Desk::begin() else { return };
    let bare = |arguments: &[&str]| Ran::new(&desk.command(arguments).output().unwrap());
    bare(&[])
        .exits(1)
        .says("error: there is no nixpkgs to look at\nhint: name one with `--nixpkgs PATH`");
    bare(&["--nixpkgs", "/nonexistent"])
        .exits(1)
        .says("reading /nonexistent/nixos/modules/module-list.nix")
        .says("hint: `--nixpkgs` names the folder of a whole nixpkgs");
    desk.run(&["services/web/wbd"])
        .exits(1)
        .says("there is no module `services/web/wbd`");
    desk.run(&["--under", "service/"])
        .exits(1)
        .says("has no modules below `service/`");
    desk.run(&["--jobs", "0"]).exits(2);
    desk.run(&["--markdown", "--json"]).exits(2);
    desk.run(&["--min-enabled", "100"]).exits(0);

    let Some(desk) = Desk::begin().map(Desk::break_some) else {
        return;
    };
    desk.run(&["--min-enabled", "1", "--under", "services/broken/"])
        .exits(1)
        .says("0 of 2 modules evaluate when enabled, which is less than 1 %");
}
