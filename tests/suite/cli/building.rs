//! Real evaluations and builds in a real terminal: what is shown while Nix works, and what stays.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::cli::story::{PROGRAM, Test, assert_same};
use crate::cli::terminal::Terminal;
use crate::needs::lacks_nix;
use crate::nix_fixture::own_store;

/// A configuration whose evaluation waits for a pipe to be written, and whose build waits for a file.
struct Slow {
    t: Test,
    file: PathBuf,
    settings: String,
}

impl Slow {
    fn begin() -> Option<Self> {
        if lacks_nix() {
            return None;
        }
        let t = Test::begin()?;
        let gate = t.beside("gate");
        fs::create_dir(&gate).unwrap();
        mkfifo(&gate.join("pipe"), Mode::S_IRWXU).unwrap();
        // A build sees this folder, and its name is another one each time.
        let settings = format!(
            "build-users-group =\nsubstitute = false\nsandbox = true\nsandbox-paths = {0}\nstore = {1}\n",
            gate.display(),
            own_store("building-store").display()
        );
        let text = format!(
            r#"{{ config, ... }}:
let
  gate = "{gate}";
  busybox = import {project}/modules/busybox.nix {{ }};
in
{{
  environment.etc."slow".source = builtins.seq (builtins.readFile (gate + "/pipe")) (derivation {{
    name = "made-slowly";
    system = builtins.currentSystem;
    builder = "${{busybox}}/busybox";
    args = [ "sh" "-c" "until [ -e ${{gate}}/go ]; do ${{busybox}}/busybox sleep 0.1; done; echo slow >$out" ];
  }});
}}
"#,
            gate = gate.display(),
            project = env!("CARGO_MANIFEST_DIR"),
        );
        let file = t.source("slow.nix", &text);
        Some(Self { t, file, settings })
    }

    fn gate(&self, name: &str) -> PathBuf {
        self.t.beside("gate").join(name)
    }

    fn run(&self, width: u16, arguments: &str) -> Option<Terminal> {
        let words = format!(
            "clear; {PROGRAM} --root {} {arguments} {} --nixpkgs embedded",
            self.t.root().display(),
            self.file.display()
        );
        let cache = self.t.beside("cache").display().to_string();
        let variables = [
            ("NIX_PATH", ""),
            ("NIX_CONFIG", self.settings.as_str()),
            ("SYSTEM_MANAGER_SOURCE", env!("CARGO_MANIFEST_DIR")),
            ("XDG_CACHE_HOME", &cache),
        ];
        Terminal::begin(width, Path::new("/"), &variables, &words)
    }
}

/// The line that is written anew and anew; there must be no other one of its kind.
#[track_caller]
fn live<'a>(screen: &'a str, start: &str, width: u16) -> &'a str {
    let found: Vec<&str> = screen.lines().filter(|l| l.starts_with(start)).collect();
    assert_eq!(found.len(), 1, "{screen}");
    assert!(found[0].chars().count() < usize::from(width), "{screen}");
    found[0]
}

#[test]
fn an_evaluation_and_a_build_have_a_live_line_each() {
    for width in [100, 44] {
        let Some(slow) = Slow::begin() else { return };
        let Some(terminal) = slow.run(width, "build") else {
            return;
        };
        // Seconds go by while Nix says nothing.
        let screen = terminal.shows("evaluation, 2 s");
        assert_eq!(live(&screen, "evaluation", width), "evaluation, 2 s");
        fs::write(slow.gate("pipe"), "x").unwrap();
        let screen = terminal.waits("what is being built", |screen| {
            screen.contains(" built: ") && screen.contains("made-s")
        });
        let line = live(&screen, "build, ", width);
        assert!(line.contains(" s: ") && line.contains(" of "), "{screen}");
        assert!(!screen.contains("evaluation"), "{screen}");
        fs::write(slow.gate("go"), "").unwrap();
        assert_eq!(terminal.ends(), 0);
        let screen = terminal.text();
        let left: Vec<&str> = screen.lines().filter(|l| !l.is_empty()).collect();
        assert_eq!(left.len(), 2, "only the result stays: {screen}");
        assert!(left[0].starts_with("/nix/store/"), "{screen}");
    }
}

#[test]
fn ctrl_c_ends_an_evaluation_and_changes_nothing() {
    let Some(slow) = Slow::begin() else { return };
    let before = slow.t.everything();
    let Some(terminal) = slow.run(80, "switch") else {
        return;
    };
    terminal.shows("evaluation, 1 s");
    terminal.presses(&["C-c"]);
    // As the table of exit codes says.
    assert_eq!(terminal.ends(), 130);
    assert_same(&before, &slow.t.everything());
}

/// A cache of store paths that sends half of an archive, and the rest when it is told to.
fn serve(folder: PathBuf, go: PathBuf) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (folder, go) = (folder.clone(), go.clone());
            std::thread::spawn(move || answer(stream.unwrap(), &folder, &go));
        }
    });
    port
}

fn answer(stream: TcpStream, folder: &Path, go: &Path) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut out = stream;
    loop {
        let mut request = String::new();
        reader.read_line(&mut request).ok().filter(|n| *n > 0)?;
        let path = request
            .split(' ')
            .nth(1)?
            .trim_start_matches('/')
            .to_owned();
        let mut header = String::new();
        while header != "\r\n" {
            header.clear();
            reader.read_line(&mut header).ok().filter(|n| *n > 0)?;
        }
        let Ok(body) = fs::read(folder.join(&path)) else {
            write!(out, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").ok()?;
            continue;
        };
        write!(
            out,
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .ok()?;
        let half = if path.starts_with("nar/") {
            body.len() / 2
        } else {
            0
        };
        out.write_all(&body[..half]).ok()?;
        while half > 0 && !go.exists() {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        out.write_all(&body[half..]).ok()?;
    }
}

#[test]
fn a_download_tells_how_much_has_come_and_how_fast() {
    let Some(mut slow) = Slow::begin() else {
        return;
    };
    // What one store has built comes to another one.
    fs::write(slow.gate("go"), "").unwrap();
    let text = fs::read_to_string(&slow.file).unwrap();
    let large =
        "i=0; while [ $i -lt 20000 ]; do echo $i $i $i $i $i $i $i $i $i; i=$((i+1)); done >$out";
    let text = text.replace("echo slow >$out", large);
    let text = text.replace("builtins.readFile (gate + \"/pipe\")", "1");
    fs::write(&slow.file, text).unwrap();
    let terminal = slow.run(100, "build").unwrap();
    assert_eq!(terminal.ends(), 0);
    let screen = terminal.text();
    let toplevel = screen
        .lines()
        .find(|l| l.starts_with("/nix/store/"))
        .unwrap();
    let cache = slow.t.beside("substitutes");
    let copied = Command::new("nix")
        .args(["--extra-experimental-features", "nix-command", "copy"])
        .arg("--to")
        .arg(format!("file://{}?compression=none", cache.display()))
        .arg(toplevel)
        .env("NIX_CONFIG", &slow.settings)
        .output()
        .unwrap();
    assert!(copied.status.success(), "{copied:?}");
    let port = serve(cache, slow.gate("served"));
    slow.settings = format!(
        "build-users-group =\nsubstitute = true\nsubstituters = http://127.0.0.1:{port}\nrequire-sigs = false\nstore = {}\n",
        slow.t.beside("store").display()
    );
    let terminal = slow.run(100, "build").unwrap();
    let screen = terminal.shows("/s");
    let line = live(&screen, "build, ", 100);
    assert!(
        line.contains("B of ") && line.contains("B fetched, "),
        "{screen}"
    );
    fs::write(slow.gate("served"), "").unwrap();
    assert_eq!(terminal.ends(), 0);
}
