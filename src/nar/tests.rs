use std::fs;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::{DEPTH_MAX, hash, unpack, write};

/// Reads an archive to nowhere; returns why it is none.
fn check(bytes: &[u8]) -> Result<(), String> {
    super::check(&mut &*bytes).map_err(|e| format!("{e:#}"))
}

fn dump(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(path, &mut bytes).unwrap();
    bytes
}

/// Writes strings of the format; a number stands for a length without a string.
fn strings(words: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for word in words {
        out.extend((word.len() as u64).to_le_bytes());
        out.extend_from_slice(word);
        out.resize(out.len().next_multiple_of(8), 0);
    }
    out
}

const FILE: [&[u8]; 6] = [b"(", b"type", b"regular", b"contents", b"hi", b")"];

fn entry<'a>(name: &'a [u8]) -> Vec<&'a [u8]> {
    let mut words: Vec<&'a [u8]> = vec![b"entry", b"(", b"name", name, b"node"];
    words.extend(FILE);
    words.push(b")");
    words
}

fn folder(names: &[&[u8]]) -> Vec<u8> {
    let mut words: Vec<&[u8]> = vec![b"nix-archive-1", b"(", b"type", b"directory"];
    for name in names {
        words.extend(entry(name));
    }
    words.push(b")");
    strings(&words)
}

#[test]
fn names_that_leave_their_place_or_their_order_are_refused() {
    let long = [b'n'; 256];
    let cases: [(&[&[u8]], &str); 9] = [
        (&[b""], "the name \"\""),
        (&[b"."], "the name \".\""),
        (&[b".."], "the name \"..\""),
        (&[b"a/b"], "the name \"a/b\""),
        (&[b"a\0b"], "the name \"a\\0b\""),
        (&[b"\xff"], "not UTF-8"),
        (&[b"b", b"a"], "not in order"),
        (&[b"a", b"a"], "not in order"),
        (&[&long], "a string of 256 bytes"),
    ];
    for (names, why) in cases {
        let said = check(&folder(names)).unwrap_err();
        assert!(said.contains(why), "{why}: {said}");
    }
    check(&folder(&[b"a", b"b"])).unwrap();
}

#[test]
fn what_is_no_archive_is_refused() {
    let link = |target: &[u8]| {
        strings(&[
            b"nix-archive-1",
            b"(",
            b"type",
            b"symlink",
            b"target",
            target,
            b")",
        ])
    };
    let mut huge = strings(&[b"nix-archive-1", b"(", b"type", b"regular", b"contents"]);
    huge.extend(u64::MAX.to_le_bytes());
    let mut unpadded = folder(&[b"a"]);
    // The byte after `nix-archive-1`.
    unpadded[8 + 13] = 1;
    let mut deep = strings(&[b"nix-archive-1"]);
    for _ in 0..=DEPTH_MAX + 1 {
        deep.extend(strings(&[
            b"(",
            b"type",
            b"directory",
            b"entry",
            b"(",
            b"name",
            b"d",
            b"node",
        ]));
    }
    for (bytes, why) in [
        (Vec::new(), "cut short"),
        (
            strings(&[b"nix-archive-2"]),
            "in place of \"nix-archive-1\"",
        ),
        (
            strings(&[b"nix-archive-1", b"(", b"type", b"fifo"]),
            "the type \"fifo\"",
        ),
        (
            u64::MAX.to_le_bytes().to_vec(),
            "a string of 18446744073709551615 bytes",
        ),
        (huge, "ends within a file"),
        (unpadded, "else than zeros"),
        (link(b""), "a link to \"\""),
        (link(b"a\0"), "a link to"),
        (deep, "folders in each other"),
    ] {
        let said = check(&bytes).unwrap_err();
        assert!(said.contains(why), "{why}: {said}");
    }
}

#[test]
fn an_archive_that_is_cut_anywhere_is_refused_and_leaves_nothing_outside() {
    let temp = TempDir::new().unwrap();
    let whole = folder(&[b"a", b"b"]);
    for length in 0..whole.len() {
        let target = temp.path().join(format!("cut-{length}"));
        assert!(unpack(&mut &whole[..length], &target).is_err(), "{length}");
    }
    unpack(&mut &*whole, &temp.path().join("whole")).unwrap();
    assert_eq!(fs::read(temp.path().join("whole/b")).unwrap(), b"hi");
}

#[test]
fn nothing_that_stands_there_is_replaced_or_followed() {
    let temp = TempDir::new().unwrap();
    let file = strings(&[&[b"nix-archive-1".as_slice()], FILE.as_slice()].concat());
    symlink("elsewhere", temp.path().join("link")).unwrap();
    fs::write(temp.path().join("file"), "before").unwrap();
    for name in ["link", "file"] {
        assert!(unpack(&mut &*file, &temp.path().join(name)).is_err());
    }
    assert!(!temp.path().join("elsewhere").exists());
    assert_eq!(fs::read(temp.path().join("file")).unwrap(), b"before");
}

/// A tree to archive.
#[derive(Debug, Clone)]
enum Tree {
    File(Vec<u8>, bool),
    Link(String),
    Folder(std::collections::BTreeMap<String, Tree>),
}

fn make(tree: &Tree, at: &Path) {
    match tree {
        Tree::File(content, executable) => {
            fs::write(at, content).unwrap();
            let mode = if *executable { 0o755 } else { 0o640 };
            fs::set_permissions(at, fs::Permissions::from_mode(mode)).unwrap();
        }
        Tree::Link(target) => symlink(target, at).unwrap(),
        Tree::Folder(entries) => {
            fs::create_dir(at).unwrap();
            for (name, entry) in entries {
                make(entry, &at.join(name));
            }
        }
    }
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        (prop::collection::vec(any::<u8>(), 0..40), any::<bool>())
            .prop_map(|(content, executable)| Tree::File(content, executable)),
        "[a-z/.]{1,12}".prop_map(Tree::Link),
    ];
    // Names in which the order of bytes is not the one of a dictionary.
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop::collection::btree_map("[A-Za-zé_.-]{1,8}", inner, 0..6).prop_map(|entries| {
            let real = |name: &String| name != "." && name != "..";
            Tree::Folder(entries.into_iter().filter(|(n, _)| real(n)).collect())
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_unpacked_gives_the_same_archive(tree in trees()) {
        let temp = TempDir::new().unwrap();
        let (from, to) = (temp.path().join("from"), temp.path().join("to"));
        make(&tree, &from);
        let archive = dump(&from);
        unpack(&mut &*archive, &to).unwrap();
        prop_assert_eq!(&archive, &dump(&to));
        prop_assert_eq!(hash(&to).unwrap().size, archive.len() as u64);
    }

    #[test]
    fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(check(&bytes).is_err());
    }

    #[test]
    fn an_archive_with_a_byte_changed_does_no_harm(at in 0usize..400, byte: u8) {
        let temp = TempDir::new().unwrap();
        let mut archive = folder(&[b"a", b"b"]);
        let at = at % archive.len();
        archive[at] = byte;
        let inside = temp.path().join("inside");
        fs::create_dir(&inside).unwrap();
        // Refused, or read to something else; all of it below its own name.
        let _ = unpack(&mut &*archive, &inside.join("it"));
        prop_assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
        prop_assert!(fs::read_dir(&inside).unwrap().count() <= 1);
    }
}

proptest! {
    // Enough for a byte in each kind of place, padding included.
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// What is taken in is what it would be written as: no two archives give the same tree, and no hash is gone around.
    #[test]
    fn a_mutated_archive_is_refused_or_is_the_one_of_what_it_gives(
        tree in trees(),
        changes in prop::collection::vec((0usize..4, any::<prop::sample::Index>(), any::<u8>()), 1..3),
    ) {
        let temp = TempDir::new().unwrap();
        let (from, inside) = (temp.path().join("from"), temp.path().join("inside"));
        make(&tree, &from);
        let mut archive = dump(&from);
        for (what, at, byte) in changes {
            let at = at.index(archive.len());
            match what {
                0 => archive[at] = byte,
                1 => archive.insert(at, byte),
                2 => { archive.remove(at); }
                // A word is there twice.
                _ => {
                    let end = (at + 8).min(archive.len());
                    let word = archive[at..end].to_vec();
                    archive.splice(at..at, word);
                }
            }
        }
        fs::create_dir(&inside).unwrap();
        let mut rest = &*archive;
        if unpack(&mut rest, &inside.join("to")).is_ok() {
            let read = archive.len() - rest.len();
            prop_assert_eq!(&archive[..read], &dump(&inside.join("to")));
        }
        let others = fs::read_dir(&inside).unwrap().filter(|entry| entry.as_ref().unwrap().file_name() != "to");
        prop_assert_eq!(others.count(), 0);
    }
}
