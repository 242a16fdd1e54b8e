//! A real terminal, in tmux: what is typed, and what is on the screen then.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::needs::skip;

/// How long something may take to show.
const LIMIT: Duration = Duration::from_secs(240);

/// A terminal of its own server, which ends with it.
pub struct Terminal {
    socket: String,
}

impl Terminal {
    /// Runs a shell command on a terminal of this width; none when there is no tmux.
    pub fn begin(
        width: u16,
        folder: &Path,
        variables: &[(&str, &str)],
        command: &str,
    ) -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        if Command::new("tmux").arg("-V").output().is_err() {
            skip("there is no tmux (apt-get install tmux)");
            return None;
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let terminal = Self {
            socket: format!("suite-{}-{number}", std::process::id()),
        };
        let mut start = terminal.command(&["new-session", "-d", "-y", "50", "-x"]);
        start.arg(width.to_string()).arg("-c").arg(folder);
        // tmux gives what runs in it some variables of its own.
        let set: String = variables
            .iter()
            .map(|(n, v)| format!("export {n}='{v}'; "))
            .collect();
        // What it ends with stays on the screen until it was read.
        let output = start
            .arg(format!(
                "trap : INT; {set}{command}; echo \"[ended: $?]\"; exec sleep 600"
            ))
            .output();
        let output = output.unwrap();
        assert!(output.status.success(), "{output:?}");
        Some(terminal)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command
            .args(["-L", &self.socket, "-f", "/dev/null"])
            .args(arguments);
        command.env_remove("TMUX").env("LC_ALL", "C.UTF-8");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        output
    }

    /// Types a text.
    pub fn types(&self, text: &str) -> &Self {
        self.run(&["send-keys", "-l", "--", text]);
        self
    }

    /// Presses keys by tmux's names for them, such as `Tab`, `Enter` and `C-c`.
    pub fn presses(&self, keys: &[&str]) -> &Self {
        self.run(&[&["send-keys"], keys].concat());
        self
    }

    /// What is on the screen and has gone up from it, long lines as they were written.
    pub fn text(&self) -> String {
        let output = self.run(&["capture-pane", "-p", "-J", "-S", "-"]);
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same as it looks: long lines are cut where the terminal does it, and colours are there if they are asked for.
    pub fn screen(&self, with_colours: bool) -> String {
        let how: &[&str] = if with_colours { &["-e"] } else { &[] };
        let output = self.run(&[&["capture-pane", "-p", "-S", "-"], how].concat());
        String::from_utf8(output.stdout).unwrap()
    }

    /// Waits until a text is there.
    #[track_caller]
    pub fn shows(&self, text: &str) -> String {
        self.waits(&format!("{text:?}"), |screen| screen.contains(text))
    }

    /// Waits until what is there is as it must be.
    #[track_caller]
    pub fn waits(&self, what: &str, is_there: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.text();
            if is_there(&screen) {
                return screen;
            }
            assert!(
                begun.elapsed() < LIMIT,
                "{what} did not show:\n{}",
                screen.trim_end()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for the end of what runs. Returns its exit code.
    #[track_caller]
    pub fn ends(&self) -> i32 {
        let screen = self.shows("[ended: ");
        let code = screen.rsplit("[ended: ").next().unwrap();
        code.split(']').next().unwrap().parse().unwrap()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.command(&["kill-server"]).output();
    }
}
