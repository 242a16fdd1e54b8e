//! What a block does to a file, and what is decided about it.

use proptest::prelude::*;

use super::*;
use crate::store::backups::Backups;
use crate::store::owned::{Claiming, Record as _};

fn target() -> TargetPath {
    "hosts".parse().unwrap()
}

fn seen(content: Option<&str>) -> Seen {
    let file = |text: &str| Node::File {
        sha256: crate::model::node::sha256_of(text.as_bytes()).unwrap(),
        mode: 0o644,
        uid: 0,
        gid: 0,
    };
    Seen {
        node: content.map_or(Node::Absent, file),
        content: content.map(|c| c.as_bytes().to_vec()),
        has_folder: true,
    }
}

fn with_block(before: &str, text: &str, after: &str) -> String {
    format!("{before}{BEGIN}\n{text}{END}\n{after}")
}

fn claim(state: &mut BlocksRecord, changes: &[BlockChange]) {
    let backups = &mut Backups::default();
    state.claim(changes, &mut Claiming { backups, now: 0 });
}

/// Decides and applies; gives the verb, whether the file is kept, and what it becomes.
fn step(
    state: &mut BlocksRecord,
    wanted: Option<&str>,
    content: Option<&str>,
) -> Option<(BlockVerb, bool, Option<String>)> {
    let seen = seen(content);
    let wanted = wanted.map(str::to_owned);
    let owned = state.0.get(&target());
    let change = plan_block(&target(), wanted.as_ref(), owned, &seen).unwrap()?;
    let changes = [change];
    claim(state, &changes);
    state.commit(&changes);
    let [change] = changes;
    let after = match change.verb {
        BlockVerb::Adopt | BlockVerb::Forget => content.map(str::to_owned),
        _ => render(seen.content.as_deref(), &change).map(|b| String::from_utf8(b).unwrap()),
    };
    Some((change.verb, change.keep.is_some(), after))
}

#[test]
fn gives_back_what_was_there() {
    for (before, why) in [
        (Some("127.0.0.1 localhost\n"), "a file"),
        (Some("127.0.0.1 localhost"), "its last line has no end"),
        (Some(""), "an empty file"),
        (Some("\n\n"), "nothing but line ends"),
        (None, "no file"),
    ] {
        let mut state = BlocksRecord::default();
        let (verb, kept, with) = step(&mut state, Some("a\n"), before).unwrap();
        assert_eq!((verb, kept), (BlockVerb::Add, false), "{why}");
        assert_eq!(
            step(&mut state, Some("a\n"), with.as_deref()),
            None,
            "{why}"
        );
        let (verb, _, with) = step(&mut state, Some("b\nc\n"), with.as_deref()).unwrap();
        assert_eq!(verb, BlockVerb::Change, "{why}");
        assert!(with.as_ref().unwrap().contains("\nb\nc\n#"), "{why}");
        let (verb, kept, after) = step(&mut state, None, with.as_deref()).unwrap();
        assert_eq!((verb, kept), (BlockVerb::Remove, false), "{why}");
        assert_eq!(after.as_deref(), before, "{why}");
        assert_eq!(state.0.len(), 0, "{why}");
    }
}

#[test]
fn keeps_what_others_write_around_it() {
    let mut state = BlocksRecord::default();
    step(&mut state, Some("a\n"), Some("old")).unwrap();
    let edited = with_block("new\n", "a\n", "more");
    assert_eq!(step(&mut state, Some("a\n"), Some(&edited)), None);
    let (_, kept, after) = step(&mut state, Some("b\n"), Some(&edited)).unwrap();
    assert_eq!(
        (kept, after),
        (false, Some(with_block("new\n", "b\n", "more")))
    );
    let edited = with_block("new\n", "b\n", "more");
    let (_, _, after) = step(&mut state, None, Some(&edited)).unwrap();
    assert_eq!(after.as_deref(), Some("new\nmore"));
}

#[test]
fn knows_what_was_changed_by_hand() {
    let ours = || {
        let mut state = BlocksRecord::default();
        step(&mut state, Some("a\n"), Some("x\n")).unwrap();
        state
    };
    let edited = with_block("x\n", "by hand\n", "");
    let right = with_block("x\n", "a\n", "");
    for (wanted, content, expected, why) in [
        (
            Some("a\n"),
            edited.as_str(),
            (BlockVerb::Change, true, Some(right.as_str())),
            "edited",
        ),
        (
            None,
            &edited,
            (BlockVerb::Remove, true, Some("x\n")),
            "edited, and to go",
        ),
        (
            Some("a\n"),
            "x\n",
            (BlockVerb::Add, false, Some(right.as_str())),
            "removed",
        ),
        (
            None,
            "x\n",
            (BlockVerb::Forget, false, Some("x\n")),
            "removed, and to go",
        ),
        (
            Some("by hand\n"),
            &edited,
            (BlockVerb::Adopt, false, Some(edited.as_str())),
            "put right",
        ),
    ] {
        let (verb, kept, after) = step(&mut ours(), wanted, Some(content)).unwrap();
        assert_eq!((verb, kept, after.as_deref()), expected, "{why}");
    }
}

#[test]
fn both_texts_are_ours_while_a_change_is_under_way() {
    let mut state = BlocksRecord::default();
    step(&mut state, Some("a\n"), Some("x\n")).unwrap();
    let (old, new) = (with_block("x\n", "a\n", ""), with_block("x\n", "b\n", ""));
    let owned = state.0.get(&target());
    let change = plan_block(&target(), Some(&"b\n".to_owned()), owned, &seen(Some(&old)));
    claim(&mut state, &[change.unwrap().unwrap()]);
    for (content, verb) in [(&old, Some(BlockVerb::Change)), (&new, None)] {
        let mut settled = state.clone();
        settled.settle(&BTreeMap::from([(target(), seen(Some(content)))]));
        let on = step(&mut settled.clone(), Some("b\n"), Some(content));
        assert_eq!(on.as_ref().map(|(verb, ..)| *verb), verb);
        assert!(on.is_none_or(|(_, kept, _)| !kept));
        let (found, kept, after) = step(&mut settled, None, Some(content)).unwrap();
        assert_eq!((found, kept), (BlockVerb::Remove, false));
        assert_eq!(after.as_deref(), Some("x\n"));
    }
}

#[test]
fn refuses_what_it_cannot_tell() {
    let link = Seen {
        node: Node::Link { to: "x".into() },
        content: None,
        has_folder: true,
    };
    let twice = with_block(&with_block("", "a\n", ""), "b\n", "");
    let marked = format!("{END}\n");
    for (wanted, seen, cause) in [
        ("a\n", link, "is not a regular file"),
        ("a\n", seen(Some(&twice)), "are not a single pair"),
        ("a\n", seen(Some(BEGIN)), "are not a single pair"),
        (
            "a\n",
            seen(Some(&format!("{END}\n{BEGIN}\n"))),
            "are not a single pair",
        ),
        // Else the lines would stay for good beside new ones.
        (
            "a\n",
            seen(Some(&with_block("", "a\n", "").replace('\n', "\r\n"))),
            "are not a single pair",
        ),
        (&marked, seen(None), "look like the markers"),
    ] {
        let conflict = plan_block(&target(), Some(&wanted.to_owned()), None, &seen).unwrap_err();
        assert!(conflict.cause.contains(cause), "{}", conflict.cause);
    }
}

#[test]
fn leaves_a_block_that_nobody_knows_of() {
    let block = with_block("", "a\n", "");
    assert_eq!(step(&mut BlocksRecord::default(), None, Some(&block)), None);
}

proptest! {
    #[test]
    fn removal_is_the_inverse_of_adding(before in "[a\n#]{0,12}", first in "(b{0,3}\n){0,3}", second in "(c{0,3}\n){0,3}") {
        let mut state = BlocksRecord::default();
        let (_, _, with) = step(&mut state, Some(&first), Some(&before)).unwrap();
        let with = match step(&mut state, Some(&second), with.as_deref()) {
            Some((_, _, changed)) => changed,
            None => with,
        };
        let (_, _, after) = step(&mut state, None, with.as_deref()).unwrap();
        prop_assert_eq!(after, Some(before));
    }
}
