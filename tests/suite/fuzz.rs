//! What a fuzzer makes up is read by each parser; here, it is what one has found, and the beginnings of what is whole.

use system_manager::face::fuzz::PARSERS;

/// By parser: texts that are whole, and those that were once too much.
const TEXTS: [(&str, &[u8]); 9] = [
    ("manifest", br#"{"version": 1, "etc": {}}"#),
    ("state", b"\x03{\"active\":null}"),
    ("ids", b"\x02{\"ids\":{}}"),
    (
        "journal",
        b"\x02{\"begin\":{\"purpose\":\"x\",\"goal\":\"deactivate\"}}",
    ),
    (
        "plan",
        br#"{"version": 1, "goal": "deactivate", "summary": 1}"#,
    ),
    (
        "accounts",
        b"\x02root:x:0:0:root:/root:/bin/sh\n+\n::\nweb:x:1",
    ),
    (
        "tmpfiles",
        b"d /a{b,c{d,e}}/f 0755 - - 1d -\nf+~ '/x y' :~644 :0 0 - aGk=\n",
    ),
    (
        "units",
        b"[Unit]\nA=b \\\n c\n\0[Service]\nExecStart=\nExecStart=/x",
    ),
    (
        "nar",
        b"\r\0\0\0\0\0\0\0nix-archive-1\0\0\0\x01\0\0\0\0\0\0\0(\0\0\0\0\0\0\0",
    ),
];

#[test]
fn what_a_fuzzer_begins_with_is_read_and_all_that_it_is_cut_to() {
    for (name, parser) in PARSERS {
        let texts = TEXTS.iter().filter(|(of, _)| *of == name);
        assert!(texts.clone().next().is_some(), "nothing is tried of {name}");
        for (_, text) in texts {
            for end in 0..=text.len() {
                parser(&text[..end]);
                parser(&text[end..]);
            }
        }
    }
}
