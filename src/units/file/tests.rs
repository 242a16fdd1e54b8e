//! How files are read, and what their differences ask for.

use proptest::prelude::*;

use super::*;

fn file(text: &str) -> UnitFile {
    UnitFile::parse([text.as_bytes()])
}

#[test]
fn reads_what_systemd_reads() {
    for (text, expected, why) in [
        ("[Service]\nExecStart=a", vec!["a"], "plain"),
        ("[Service]\r\n ExecStart = a \r\n", vec!["a"], "blanks"),
        ("\u{feff}[Service]\nExecStart=a", vec!["a"], "mark"),
        ("[Service]\n#ExecStart=b\n;x\nExecStart=a", vec!["a"], "comments"),
        ("[Service]\nExecStart=a\\\nb", vec!["a b"], "continued"),
        ("[Service]\nExecStart=a\\\n  # no\n  b", vec!["a b"], "comment between"),
        ("[Service]\nExecStart=a\\\\\nUser=b", vec!["a\\\\"], "escaped backslash"),
        ("[Service]\nExecStart=a\\", vec!["a"], "continued into the end"),
        ("[Service]\nExecStart=a\nExecStart=b", vec!["a", "b"], "repeated"),
        ("[Service]\nExecStart=a\nExecStart=\nExecStart=b", vec!["b"], "cleared"),
        ("[Service]\nExecStart=a\nExecStart=", vec![], "cleared for good"),
        ("ExecStart=b\n[Service]\nExecStart=a=c", vec!["a=c"], "no section yet"),
        ("[Unit]\nExecStart=b\n[Service\nExecStart=c", vec![], "broken header"),
        ("[Unit]\n[Service]\nExecStart\n=x\n", vec![], "no assignment"),
    ] {
        assert_eq!(file(text).values("Service", "ExecStart"), expected, "{why}");
    }
}

#[test]
fn never_panics_on_bytes() {
    let a = UnitFile::parse([b"[Service]\nExecStart=\xff\xfe\x00\\".as_slice()]);
    let b = UnitFile::parse([b"[Service]\nExecStart=\xff\xfd\x00\\".as_slice()]);
    assert_eq!(
        a.compare(&b),
        Comparison::Restart {
            why: "[Service] ExecStart changed".into()
        }
    );
    assert_eq!(a.compare(&a), Comparison::Equal);
    for text in [
        b"".as_slice(),
        b"\\",
        b"[",
        b"]",
        b"=",
        b"\n\n",
        b"[]\n=\n\xef\xbb\xbf",
    ] {
        let _ = UnitFile::parse([text, text]);
    }
}

#[test]
fn appends_drop_ins_in_order() {
    let merged = UnitFile::parse([
        b"[Service]\nExecStart=a\nUser=x".as_slice(),
        b"[Service]\nExecStart=\nExecStart=b".as_slice(),
        b"[Service]\nUser=y".as_slice(),
    ]);
    assert_eq!(merged.values("Service", "ExecStart"), ["b"]);
    assert_eq!(merged.last("Service", "User").as_deref(), Some("y"));
}

#[test]
fn weighs_each_change() {
    let restart = |why: &str| Comparison::Restart { why: why.into() };
    let reload = |why: &str| Comparison::Reload { why: why.into() };
    for (old, new, expected) in [
        ("[Unit]\nDescription=a", "[Unit]\nDescription=b", Comparison::Equal),
        ("[Unit]\nDescription=a", "", Comparison::Equal),
        ("", "[Unit]\nRefuseManualStop=yes", Comparison::Equal),
        ("", "[Install]\nWantedBy=x.target", Comparison::Equal),
        ("[Unit]\nAfter=a", "[Unit]\nAfter=b", restart("[Unit] After changed")),
        ("", "[Unit]\nX-Reload-Triggers=b", reload("[Unit] X-Reload-Triggers added")),
        ("[Unit]\nX-Reload-Triggers=a", "[Unit]\nX-Reload-Triggers=b", reload("[Unit] X-Reload-Triggers changed")),
        ("[Unit]\nX-Reload-Triggers=a", "", Comparison::Equal),
        ("[Service]\nExecReload=a", "[Service]\nExecReload=b", reload("[Service] ExecReload changed")),
        ("", "[Service]\nExecReload=b", reload("[Service] ExecReload added")),
        ("[Service]\nExecReload=a", "", Comparison::Equal),
        ("[Mount]\nOptions=a", "[Mount]\nOptions=b", reload("[Mount] Options changed")),
        ("[Mount]\nWhat=a\nOptions=a", "[Mount]\nWhat=a", restart("[Mount] Options removed")),
        ("[Service]\nA=1\nA=2", "[Service]\nA=2\nA=1", restart("[Service] A changed")),
        ("[Service]\nA=1", "[Service]\n A = 1 \n# b", Comparison::Equal),
        ("[Service]\nA=1", "[Service]\nA=0\nA=\nA=1", Comparison::Equal),
        ("[Service]\nA=1", "[Service]\nA=", restart("[Service] A changed")),
        ("[A]\na=1\n[B]\nb=1\nc=1\nd=1\ne=1", "", restart("[A] a removed, [B] b removed, [B] c removed and 2 more")),
        ("[Unit]\nX-Reload-Triggers=a", "[Unit]\nX-Reload-Triggers=b\nAfter=b", restart("[Unit] After added")),
    ] {
        assert_eq!(
            file(old).compare(&file(new)),
            expected,
            "{old:?} -> {new:?}"
        );
    }
}

#[test]
fn reads_flags_as_systemd_does() {
    for (value, expected) in [
        ("1", true),
        ("yes", true),
        ("true", true),
        ("on", true),
        ("Y", true),
        ("ON", true),
        ("0", false),
        ("no", false),
        ("off", false),
        ("F", false),
    ] {
        let unit = file(&format!("[Unit]\nX-OnlyManualStart={value}"));
        assert_eq!(unit.only_manual_start(), expected, "{value}");
        assert_eq!(
            unit.flag("Unit", "X-OnlyManualStart", true),
            expected,
            "{value}"
        );
    }
    assert!(file("[Unit]\nX-StopOnRemoval=perhaps").stops_on_removal());
    assert!(file("[Unit]\nX-StopOnRemoval=no\nX-StopOnRemoval=").stops_on_removal());
}

#[test]
fn knows_the_kinds_of_services() {
    assert!(file("[Service]\nType=notify-reload").can_reload());
    assert!(!file("[Service]\nExecReload=a\nExecReload=").can_reload());
    assert_eq!(
        file("[Unit]\nX-SwitchMethod=keep-old").switch_method(),
        Some(SwitchMethod::KeepOld)
    );
    assert_eq!(file("[Unit]\nX-SwitchMethod=later").switch_method(), None);
    assert_eq!(
        file("[Install]\nWantedBy=a.target b.target")
            .install("WantedBy")
            .len(),
        2
    );
}

proptest! {
    /// Any bytes are read, and equal themselves.
    #[test]
    fn any_bytes_are_a_unit_file(text: Vec<u8>, dropin: Vec<u8>) {
        let file = UnitFile::parse([text.as_slice(), dropin.as_slice()]);
        prop_assert_eq!(file.compare(&file), Comparison::Equal);
    }

    /// What systemd does not see makes no difference.
    #[test]
    fn noise_makes_no_difference(lines in prop::collection::vec("[A-C]=[a-c]?", 0..8), at in 0_usize..8) {
        let plain = format!("[Service]\n{}", lines.join("\n"));
        let mut noisy = lines.clone();
        noisy.insert(at.min(lines.len()), " # A=1 \\\n;B=2\n\t".to_owned());
        let noisy = format!("[Service]\r\n{}\n[Install]\nA=1\n", noisy.join(" \r\n "));
        let read = |text: &str| UnitFile::parse([text.as_bytes()]);
        prop_assert_eq!(read(&plain).compare(&read(&noisy)), Comparison::Equal);
    }

    /// A change is seen from both sides, but for keys whose removal asks for nothing.
    #[test]
    fn a_restart_is_a_restart_both_ways(a in "[A-C]=[a-c]?", b in "[A-C]=[a-c]?") {
        let read = |text: &str| UnitFile::parse([format!("[Service]\n{text}").as_bytes()]);
        let (a, b) = (read(&a), read(&b));
        let restarts = |c: Comparison| matches!(c, Comparison::Restart { .. });
        prop_assert_eq!(restarts(a.compare(&b)), restarts(b.compare(&a)));
        prop_assert_eq!(a == b, a.compare(&b) == Comparison::Equal);
    }
}
