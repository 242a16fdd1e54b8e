//! Compares units with those of NixOS, without what must differ. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::reasons::without_store_hashes;
use super::verdict::{Compared, Difference};

/// Units of ours that do in the distribution's way what has no unit of the same name on NixOS.
pub(super) const OWN: &str = "system-manager-";

/// Lines that must differ: NixOS's paths, those of the distribution that a unit in a root of its own is shown, and what
/// only says when to restart.
const IGNORED: [&str; 7] = [
    "BindReadOnlyPaths=-/bin -/lib ",
    "Environment=\"NIX_PATH=",
    "Environment=\"PATH=",
    "Environment=\"LOCALE_ARCHIVE=",
    "Environment=\"TZDIR=",
    "X-Restart-Triggers=",
    "X-Reload-Triggers=",
];

/// Texts of units; none for a unit that is masked.
pub(super) type Texts = BTreeMap<String, Option<String>>;

/// Gives the lines of a unit, each with its section, without store hashes, the layout of scripts, and what must differ.
/// The lines of one setting stay in their order; that of settings says nothing.
#[must_use]
pub(super) fn normalise(text: Option<&str>) -> Vec<String> {
    let Some(text) = text else {
        return vec!["masked".to_owned()];
    };
    let mut section = "";
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.starts_with('[') {
            section = line;
        }
        // What is in [Install] is among the edges.
        let says_nothing = line.is_empty() || section == line || section == "[Install]";
        if says_nothing || IGNORED.iter().any(|prefix| line.starts_with(prefix)) {
            continue;
        }
        let line = without_store_hashes(line, "/nix/store/");
        lines.push(format!(
            "{section} {}",
            without_script_folder(&line).trim_end()
        ));
    }
    lines.sort_by(|a, b| setting(a).cmp(setting(b)));
    lines
}

fn setting(line: &str) -> &str {
    line.split_once('=').map_or(line, |(name, _)| name)
}

/// NixOS keeps a script in a folder of its own, with one file in `bin`; here it is a file.
fn without_script_folder(line: &str) -> String {
    const SCRIPT: &str = "/nix/store/unit-script";
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(SCRIPT) {
        out.push_str(&rest[..at + SCRIPT.len()]);
        rest = &rest[at + SCRIPT.len()..];
        let end = rest.find(['/', ' ']).unwrap_or(rest.len());
        if let Some(file) = rest[end..].strip_prefix("/bin/") {
            out.push('-');
            rest = file;
        }
    }
    out.push_str(rest);
    out
}

/// Gives the lines of `a` that `b` lacks, counting each.
fn lacking(a: &[String], b: &[String]) -> Vec<String> {
    let mut left: Vec<&String> = b.iter().collect();
    let mut out = Vec::new();
    for line in a {
        match left.iter().position(|l| *l == line) {
            Some(at) => drop(left.remove(at)),
            None => out.push(line.clone()),
        }
    }
    out
}

/// Compares our units with theirs; `names` are all of theirs, and `base` those that have nothing to do with it.
#[must_use]
pub(super) fn compare(ours: &Texts, theirs: &Texts, names: &[String], base: &[String]) -> Compared {
    let mut compared = Compared::default();
    for (name, text) in ours.iter().filter(|(name, _)| !name.starts_with(OWN)) {
        let a = normalise(text.as_deref());
        let b = theirs
            .get(name)
            .map_or_else(Vec::new, |text| normalise(text.as_deref()));
        if a == b {
            compared.equal.push(name.clone());
        } else {
            let difference = Difference {
                ours: lacking(&a, &b),
                theirs: lacking(&b, &a),
            };
            compared.different.insert(name.clone(), difference);
        }
    }
    let base: BTreeSet<&String> = base.iter().collect();
    compared.missing = names
        .iter()
        .filter(|name| !base.contains(name) && !ours.contains_key(*name))
        .cloned()
        .collect();
    compared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_out_what_must_differ_and_nothing_else() {
        let hash = "0123456789abcdfghijklmnpqrsvwxyz";
        let nixos = format!(
            "[Unit]\nX-Restart-Triggers=/nix/store/{hash}-x\n[Service]\nEnvironment=\"NIX_PATH=nixpkgs=/nix/var\"\nEnvironment=\"PATH=/nix/store/{hash}-coreutils/bin\"\nExecStart=/nix/store/{hash}-unit-script-web-start/bin/web-start now\nExecStart=b\nUser=web\n\n[Install]\nWantedBy=x\n"
        );
        let ours = format!(
            "[Service]\nUser=web\nBindReadOnlyPaths=-/bin -/lib /usr\nExecStart=/nix/store/{hash}-unit-script-web-start now\nExecStart=b\n"
        );
        let cases = [
            (ours.replace("User=web", "User=root"), "another value"),
            (ours.replace("\nExecStart=b", ""), "a line less"),
            (
                ours.replace("\nExecStart=b", "")
                    .replace("[Service]\n", "[Service]\nExecStart=b\n"),
                "another order of commands",
            ),
        ];
        let theirs = normalise(Some(&nixos));
        for (text, why) in cases {
            assert_ne!(normalise(Some(&text)), theirs, "{why}");
        }
        let ours = ours.replace("-start/bin/web-start", "-start");
        assert_eq!(
            normalise(Some(&ours)),
            normalise(Some(&nixos.replace(
                "unit-script-web-start/bin/web-start",
                "unit-script-web-start"
            )))
        );
        assert_eq!(theirs.len(), 3);
    }

    #[test]
    fn says_which_units_are_equal_different_and_missing() {
        let text = |t: &str| Some(format!("[Service]\nExecStart={t}\n"));
        let ours = Texts::from([
            ("same.service".to_owned(), text("a")),
            ("other.service".to_owned(), text("a")),
            ("new.service".to_owned(), text("a")),
            ("masked.service".to_owned(), None),
            ("system-manager-sysctl.service".to_owned(), text("a")),
        ]);
        let theirs = Texts::from([
            ("same.service".to_owned(), text("a")),
            ("other.service".to_owned(), text("b")),
            ("masked.service".to_owned(), None),
        ]);
        let names = [
            "same.service",
            "other.service",
            "gone.service",
            "dbus.service",
        ];
        let names = names.map(str::to_owned);
        let compared = compare(&ours, &theirs, &names, &["dbus.service".to_owned()]);
        assert_eq!(compared.equal, ["masked.service", "same.service"]);
        let different: Vec<&String> = compared.different.keys().collect();
        assert_eq!(different, ["new.service", "other.service"]);
        assert_eq!(
            compared.different["other.service"],
            Difference {
                ours: vec!["[Service] ExecStart=a".to_owned()],
                theirs: vec!["[Service] ExecStart=b".to_owned()],
            }
        );
        assert_eq!(compared.missing, ["gone.service"]);
    }
}
