//! The first contact: a shell script that any Linux understands says what the host is, then brings the activator.

use anyhow::{Context, Result, bail};

use super::agent;

/// Where the shell and the agent look for programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a host said of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Facts {
    /// The kernel, `Linux` where it fits.
    pub kernel: String,
    /// The architecture, as `uname -m` says it.
    pub machine: String,
    /// The name by which it knows itself.
    pub name: String,
    /// The id of the user that was logged in as.
    pub uid: u32,
    /// What init is: `systemd`, or something else.
    pub init: String,
    /// Where Nix is, if anywhere.
    pub nix: String,
    /// Which of sudo, doas and run0 are there.
    pub means: Vec<String>,
    /// Whether sudo asks no password.
    pub without_password: bool,
    /// Whether run0 would do, and asks nothing.
    pub run0: bool,
    /// The free bytes where the store is, or will be.
    pub free_bytes: u64,
    /// The programs that are there, newest first.
    pub programs: Vec<String>,
}

/// The script. It is read whole before it runs, and then reads commands from where it came: `agent MEANS PATH`, which
/// becomes the agent, and `put HASH SIZE`, after which so many bytes follow.
const SCRIPT: &str = include_str!("probe.sh");

/// Returns the script without what only its readers need: it goes to each host. Pure.
#[must_use]
pub(crate) fn script() -> String {
    let lines = SCRIPT.lines().map(str::trim_start);
    let words = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    words.flat_map(|line| [line, "\n"]).collect()
}

/// Returns the words for a login shell that become the agent at once where root has come and the program is there, and
/// else the shell that reads the script. With the script, these would have to wait until ssh takes its input. The agent
/// reads past so many bytes of it. What is between the quotes means nothing to any login shell. Pure.
#[must_use]
pub(crate) fn first_words(program: &str, asked: &str, mark: &str, script: usize) -> String {
    let path = format!("/{}/{program}", agent::FOLDER);
    format!(
        "/bin/sh -c 'umask 022; cd /; PATH={PATH}; LC_ALL=C; export PATH LC_ALL; if [ -O /proc/1 ] && [ -x {path} ]; \
         then exec {path} {} --mark {mark} --skip {script} --asked {asked}; fi; exec /bin/sh'",
        agent::COMMAND
    )
}

/// Reads what the script prints, a fact a line. Pure.
///
/// # Errors
/// When something is missing or is not what it must be.
pub(crate) fn parse(lines: &[String]) -> Result<Facts> {
    let of = |key: &str| {
        let mut found = lines.iter().filter_map(|l| l.split_once('='));
        found.find(|(k, _)| *k == key).map(|(_, value)| value)
    };
    let text = |key: &str| of(key).with_context(|| format!("it does not say its {key}"));
    let number = |key: &str| -> Result<u64> {
        let value = text(key)?;
        value
            .parse()
            .with_context(|| format!("it says that its {key} is {value:?}"))
    };
    let words = |key: &str| -> Result<Vec<String>> {
        Ok(text(key)?.split_whitespace().map(str::to_owned).collect())
    };
    Ok(Facts {
        kernel: text("kernel")?.to_owned(),
        machine: text("machine")?.to_owned(),
        name: text("name")?.to_owned(),
        uid: u32::try_from(number("uid")?)?,
        init: text("init")?.to_owned(),
        nix: text("nix")?.to_owned(),
        means: words("means")?,
        without_password: text("without_password")? == "yes",
        run0: text("run0")? == "yes",
        free_bytes: number("free_kilobytes")?.saturating_mul(1024),
        programs: words("programs")?,
    })
}

/// How a program becomes root on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Means {
    /// It is root already.
    Root,
    /// By sudo, which asks no password.
    Sudo,
    /// By sudo, which asks for one.
    SudoWithPassword,
    /// By doas, which asks no password.
    Doas,
    /// By systemd's run0, which polkit allows.
    Run0,
}

impl Means {
    /// Returns its word in the script.
    #[must_use]
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Sudo => "sudo",
            Self::SudoWithPassword => "password",
            Self::Doas => "doas",
            Self::Run0 => "run0",
        }
    }
}

/// Which ways to become root the user allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Allowed {
    /// sudo or doas may be used.
    pub sudo: bool,
    /// A password is there for it.
    pub password: bool,
}

/// Decides how to become root, before anything is built or sent. Pure.
///
/// # Errors
/// When there is no way.
pub(crate) fn means(facts: &Facts, allowed: Allowed) -> Result<Means> {
    let has = |name: &str| facts.means.iter().any(|m| m == name);
    if facts.uid == 0 {
        return Ok(Means::Root);
    }
    if !allowed.sudo {
        bail!("the user there is not root\nhint: log in as root@HOST, or use sudo with `--sudo`");
    }
    if has("sudo") {
        if facts.without_password {
            return Ok(Means::Sudo);
        }
        if allowed.password {
            return Ok(Means::SudoWithPassword);
        }
        if facts.run0 {
            return Ok(Means::Run0);
        }
        bail!("sudo requires a password there\nhint: use `--ask-sudo-password`");
    }
    if has("doas") {
        return Ok(Means::Doas);
    }
    if facts.run0 {
        return Ok(Means::Run0);
    }
    if has("run0") {
        bail!(
            "run0 does not let the user become root there without a question\nhint: allow it with a polkit rule for org.freedesktop.systemd1.manage-units, or log in as root@HOST"
        );
    }
    bail!("the user there is not root, and there is no sudo, no doas and no run0");
}

/// Refuses a host that can't be managed at all. Pure.
///
/// # Errors
/// When it can't.
pub(crate) fn check(facts: &Facts) -> Result<()> {
    if facts.kernel != "Linux" {
        bail!("it runs {}, not Linux", facts.kernel);
    }
    if facts.init != "systemd" {
        bail!("its init is {}, not systemd", facts.init);
    }
    Ok(())
}

/// Refuses a program for another architecture. Pure; `program` is how an ELF file begins.
///
/// # Errors
/// When it is for another one, or no program.
pub(crate) fn check_program(facts: &Facts, program: &[u8]) -> Result<()> {
    // elf.h: EM_X86_64, EM_AARCH64, EM_RISCV.
    let of = match (program.get(..4), program.get(18..20)) {
        (Some(b"\x7fELF"), Some([62, 0])) => "x86_64",
        (Some(b"\x7fELF"), Some([183, 0])) => "aarch64",
        (Some(b"\x7fELF"), Some([243, 0])) => "riscv64",
        (Some(b"\x7fELF"), _) => "another architecture",
        _ => bail!(
            "its bin/system-manager is not a program for Linux\nhint: a Mac has no program to send: name the configuration, such as `--flake .`, which contains one, or run the host's own program over ssh"
        ),
    };
    if of != facts.machine {
        bail!(
            "its system is {0}, but the activator is for {of}\nhint: build systemConfigs.{0}-linux.{1} of a flake",
            facts.machine,
            facts.name
        );
    }
    Ok(())
}

/// Whether a program asks for a dynamic linker. Pure; `program` is an ELF file of 64 bits, little-endian.
#[must_use]
pub(crate) fn wants_libraries(program: &[u8]) -> bool {
    /// elf.h: `PT_INTERP`.
    const INTERPRETER: u64 = 3;
    let number = |at: usize, length: usize| -> Option<u64> {
        let bytes = program.get(at..at.checked_add(length)?)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0, |n, byte| n << 8 | u64::from(*byte)),
        )
    };
    let at = |at: usize, length: usize| number(at, length).and_then(|n| usize::try_from(n).ok());
    let (Some(begin), Some(size), Some(count)) = (at(32, 8), at(54, 2), at(56, 2)) else {
        return false;
    };
    (0..count).any(|i| {
        let header = size.checked_mul(i).and_then(|n| n.checked_add(begin));
        header.and_then(|at| number(at, 4)) == Some(INTERPRETER)
    })
}

#[cfg(test)]
mod tests {
    use super::super::message::Request;
    use super::*;

    fn facts() -> Facts {
        let text = "kernel=Linux\nmachine=x86_64\nname=web\nuid=1000\ninit=systemd\nnix=\nmeans=sudo doas\n\
                    without_password=no\nrun0=no\nfree_kilobytes=7\nprograms=/a /b";
        parse(&text.lines().map(str::to_owned).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn what_a_host_says_is_read_or_refused() {
        let facts = facts();
        assert_eq!(facts.free_bytes, 7 * 1024);
        assert_eq!(facts.programs, ["/a", "/b"]);
        for (text, why) in [
            ("", "does not say"),
            ("kernel=Linux\nmachine=x\nname=\nuid=x", "uid"),
        ] {
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            let said = format!("{:#}", parse(&lines).unwrap_err());
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn the_first_words_mean_the_same_to_any_login_shell() {
        let asked = agent::words_of(&[Request::Idle {
            arguments: vec!["switch".into(), "--message=it's $HOME!\n".into()],
        }]);
        let words = first_words(&"a1".repeat(32), &asked.unwrap(), "m12", 4000);
        let (before, rest) = words.split_once('\'').unwrap();
        assert_eq!(before, "/bin/sh -c ");
        let quoted = rest.strip_suffix('\'').unwrap();
        // What some shell changes between such quotes.
        assert!(
            !quoted.contains(['\'', '\\', '!', '\n', '$', '`']),
            "{quoted}"
        );
        assert!(quoted.contains("--skip 4000 --asked 5b7b22"), "{quoted}");
    }

    #[test]
    fn root_is_had_or_refused_before_anything_is_done() {
        let base = facts();
        let (none, sudo) = (
            Allowed::default(),
            Allowed {
                sudo: true,
                password: false,
            },
        );
        let all = Allowed {
            sudo: true,
            password: true,
        };
        let root = Facts {
            uid: 0,
            ..base.clone()
        };
        let free = Facts {
            without_password: true,
            ..base.clone()
        };
        let of = |means: &[&str], run0: bool| Facts {
            means: means.iter().map(|&name| name.to_owned()).collect(),
            run0,
            ..base.clone()
        };
        let (doas, without) = (of(&["doas"], false), of(&[], false));
        let (run0, asks, both) = (
            of(&["run0"], true),
            of(&["run0"], false),
            of(&["sudo", "run0"], true),
        );
        for (facts, allowed, expected) in [
            (&root, none, Ok(Means::Root)),
            (&base, none, Err("is not root")),
            (&base, sudo, Err("requires a password")),
            (&base, all, Ok(Means::SudoWithPassword)),
            (&free, sudo, Ok(Means::Sudo)),
            (&free, none, Err("`--sudo`")),
            (&doas, sudo, Ok(Means::Doas)),
            (&run0, sudo, Ok(Means::Run0)),
            (&run0, none, Err("`--sudo`")),
            (&asks, all, Err("polkit")),
            (&both, sudo, Ok(Means::Run0)),
            (&both, all, Ok(Means::SudoWithPassword)),
            (&without, all, Err("no sudo, no doas and no run0")),
        ] {
            match (means(facts, allowed), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(said), Err(why)) => assert!(said.to_string().contains(why), "{said}"),
                (found, expected) => panic!("{found:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn a_program_that_wants_libraries_is_told_from_one_that_does_not() {
        let shell = std::fs::read("/proc/self/exe").unwrap();
        assert!(wants_libraries(&shell), "tests are linked dynamically");
        let mut none = shell[..64].to_vec();
        // No program headers.
        none[56] = 0;
        none[57] = 0;
        assert!(!wants_libraries(&none));
        assert!(!wants_libraries(b""));
    }

    #[test]
    fn a_host_of_another_kind_is_refused() {
        let elf = |machine: u8| [b"\x7fELF".as_slice(), &[0; 14], &[machine, 0]].concat();
        check(&facts()).unwrap();
        check_program(&facts(), &elf(62)).unwrap();
        let said = |result: Result<()>| result.unwrap_err().to_string();
        assert!(
            said(check_program(&facts(), &elf(183))).contains("systemConfigs.x86_64-linux.web")
        );
        assert!(said(check_program(&facts(), b"#!/bin/sh")).contains("not a program for Linux"));
        let bsd = Facts {
            kernel: "FreeBSD".into(),
            ..facts()
        };
        assert!(said(check(&bsd)).contains("FreeBSD"));
        let openrc = Facts {
            init: "init".into(),
            ..facts()
        };
        assert!(said(check(&openrc)).contains("not systemd"));
    }
}
