use super::*;
use expect_test::expect;
use proptest::prelude::*;

const HOSTILE: &[u8] = b"root:x:0:0:root:/root:/bin/bash\n\n# a comment\njos\xe9:x:1000:1000:Jos\xe9:/home/j:/bin/sh\n\
    short:x:5\nroot:x:0:0:again:/root:/bin/sh\n:x:1:1:no name::\nnot an entry\n+@admins::::::\n+::::::\n";

#[test]
fn keeps_hostile_lines_and_adds_before_nis_lines() {
    let mut t = Table::parse(AccountFile::Passwd, HOSTILE);
    assert_eq!(t.render(), HOSTILE);
    assert_eq!(t.find(b"root"), Found::Several(2));
    assert_eq!(t.find(b"short"), Found::Malformed);
    assert_eq!(t.find(b"+"), Found::Missing);
    let row = t.row(b"jos\xe9").unwrap();
    t.set(row, passwd::SHELL, b"/bin/zsh");
    t.append(b"new:x:7:7:::".to_vec());
    expect![[r"
        root:x:0:0:root:/root:/bin/bash

        # a comment
        jos�:x:1000:1000:Jos�:/home/j:/bin/zsh
        short:x:5
        root:x:0:0:again:/root:/bin/sh
        :x:1:1:no name::
        not an entry
        new:x:7:7:::
        +@admins::::::
        +::::::
    "]]
    .assert_eq(&String::from_utf8_lossy(&t.render()));
    t.remove(t.row(b"new").unwrap());
    t.set(row, passwd::SHELL, b"/bin/sh");
    assert_eq!(t.render(), HOSTILE);
}

#[test]
fn appends_and_removes_exactly_whatever_the_end_looks_like() {
    for start in [
        "",
        "a:x:1:",
        "a:x:1:\n",
        "a:x:1:\n\n",
        "\n",
        "+:::",
        "a:x:1:\n+:::",
    ] {
        let mut t = Table::parse(AccountFile::Group, start.as_bytes());
        t.append(b"new:x:9:".to_vec());
        let with = t.render();
        let mut again = Table::parse(AccountFile::Group, &with);
        let row = again.row(b"new").unwrap();
        assert_eq!(again.number(row, group::GID), Some(9), "{start:?}");
        again.remove(row);
        assert_eq!(again.render(), start.as_bytes(), "{start:?}");
    }
}

#[test]
fn keeps_bytes_in_json() {
    for bytes in [&b"plain"[..], b"", b"jos\xe9", b"\xff\x00"] {
        let json = serde_json::to_string(&Bytes(bytes.to_vec())).unwrap();
        assert_eq!(
            serde_json::from_str::<Bytes>(&json).unwrap().0,
            bytes,
            "{json}"
        );
    }
    assert!(serde_json::from_str::<Bytes>(r#"{"hex":"0g"}"#).is_err());
}

fn any_file() -> impl Strategy<Value = AccountFile> {
    proptest::sample::select(AccountFile::ALL.to_vec())
}

/// Bytes in which the characters that mean something are frequent.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => proptest::sample::select(b"\n\n::,+-#xa1 ".to_vec()),
        1 => any::<u8>(),
    ];
    proptest::collection::vec(byte, 0..200)
}

proptest! {
    #[test]
    fn renders_any_bytes_as_they_were(file in any_file(), bytes in any_bytes()) {
        prop_assert_eq!(Table::parse(file, &bytes).render(), bytes);
    }

    #[test]
    fn an_entry_that_is_added_and_removed_leaves_no_trace(file in any_file(), bytes in any_bytes()) {
        let mut t = Table::parse(file, &bytes);
        t.append(b"some-new-name:x:1:".to_vec());
        let with = t.render();
        let mut again = Table::parse(file, &with);
        let row = again.find_line(b"some-new-name:x:1:");
        prop_assert!(row.is_some());
        again.remove(row.unwrap());
        prop_assert_eq!(again.render(), bytes);
    }
}
