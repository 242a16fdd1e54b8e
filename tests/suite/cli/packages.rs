//! Packages in plans and generations: on a store of the test's own, as Nix knows it, and where there is no Nix.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::json;
use system_manager::face::model::sha256_of;

use crate::cli::story::{Config, Ran, Test};
use crate::needs::{lacks_nix, skip};

/// Store paths: a letter for the hash, the name, the size, and what each refers to.
const PATHS: [(char, &str, u64, &str); 9] = [
    ('a', "glibc-2.35", 3_000_000, ""),
    ('b', "glibc-2.37", 4_000_000, ""),
    ('c', "hello-2.10", 500_000, "a"),
    ('d', "hello-2.12", 600_000, "b"),
    ('f', "jq-1.6", 700_000, "ag"),
    ('g', "oniguruma-6.9", 100_000, "a"),
    ('h', "zlib-1.3-bin", 200_000, ""),
    ('i', "system-manager-one", 1000, "cf"),
    ('j', "system-manager-two", 1000, "dh"),
];

fn path_of(letter: char) -> String {
    let name = PATHS.iter().find(|p| p.0 == letter).unwrap().1;
    format!("/nix/store/{}-{name}", letter.to_string().repeat(32))
}

/// What `nix-store --load-db` reads.
fn registration() -> String {
    let mut text = String::new();
    for (letter, _, size, references) in PATHS {
        let (path, hash) = (path_of(letter), "0".repeat(64));
        let count = references.len();
        write!(text, "{path}\n{hash}\n{size}\n\n{count}\n").unwrap();
        for reference in references.chars() {
            writeln!(text, "{}", path_of(reference)).unwrap();
        }
    }
    text
}

fn config(number: u32) -> Config {
    let names = match number {
        1 => json!(["hello-2.10", "jq-1.6"]),
        _ => json!(["hello-2.12"]),
    };
    Config::new()
        .copy("n", "0644", &format!("{number}\n"))
        .field("packages", json!({ "sw": null, "names": names }))
}

/// Runs a script where `$one` and `$two` are toplevels in a store of their own.
fn run(t: &Test, known_to_nix: bool, script: &str) -> Option<Ran> {
    if !Path::new("/nix/store").is_dir() {
        skip("there is no /nix/store to mount one on (apt-get install nix-bin)");
        return None;
    }
    let [one, two] = [1, 2].map(|n| t.build(&config(n)));
    let registration = registration();
    let know = if known_to_nix {
        fs::write(t.beside("load"), registration).unwrap();
        "export NIX_CONFIG='build-users-group ='; nix-store --init; nix-store --load-db < $beside/load"
    } else {
        let head = sha256_of(registration.as_bytes()).unwrap();
        let text = format!("system-manager paths 1 {head}\n{registration}");
        t.write("nix/var/system-manager/paths", &text);
        "true"
    };
    let (i, j) = (path_of('i'), path_of('j'));
    let beside = t.beside("").display().to_string();
    let prelude = format!(
        "beside={beside}\nmount -t tmpfs none /nix\nmkdir -p /nix/store\none={i}\ntwo={j}\n\
         cp -r {} $one\ncp -r {} $two\n{know}\n",
        one.display(),
        two.display()
    );
    t.run_isolated(&one, &format!("{prelude}{script}"))
}

const SCRIPT: &str = "
$run plan $one
echo ====
$run register $one
$run activate $one
echo ====
$run plan $two
echo ====
$run plan $two -v
echo ====
$run plan $two --json
";

#[track_caller]
fn check(ran: &Ran) {
    let parts: Vec<&str> = ran.stdout.split("====\n").collect();
    for (part, texts) in [
        (
            0,
            &[
                "  + hello-2.10\n  + jq-1.6\n",
                "  + 2 more that these need (-v lists them)\n",
                "closure: nothing -> 5 paths, 4301 kB (+4301 kB)",
            ][..],
        ),
        (
            2,
            &[
                "  - jq-1.6\n  ~ glibc 2.35 -> 2.37\n  ~ hello 2.10 -> 2.12\n  + 1 more that these need",
                "  - 1 no longer needed (-v lists them)\n",
                "closure: 5 paths, 4301 kB -> 4 paths, 4801 kB (+500 kB)",
            ],
        ),
        (3, &["      + zlib-1.3\n", "      - oniguruma-6.9\n"]),
    ] {
        for text in texts {
            assert!(parts[part].contains(text), "{text:?} in {}", parts[part]);
        }
    }
    let plan: serde_json::Value = serde_json::from_str(parts[4]).unwrap();
    let changed = &plan["packages"]["changed"]["hello"];
    assert_eq!(*changed, json!({ "from": ["2.10"], "to": ["2.12"] }));
    assert_eq!(plan["packages"]["closure"]["to"]["bytes"], 4_801_000);
}

#[test]
fn the_plan_has_the_packages_by_their_versions_as_nix_knows_them() {
    if lacks_nix() {
        return;
    }
    let Some(t) = Test::begin() else { return };
    if let Some(ran) = run(&t, true, SCRIPT) {
        check(&ran.exits(0));
    }
}

#[test]
fn the_plan_has_the_packages_by_their_versions_without_nix() {
    let Some(t) = Test::begin() else { return };
    if let Some(ran) = run(&t, false, SCRIPT) {
        check(&ran.exits(0));
    }
}
