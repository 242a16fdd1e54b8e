//! The tables of the decision.

use super::*;
use crate::basics::record::OwnedPlace;
use crate::store::backups::Backups;
use crate::store::owned::{Claiming, Owned, Record as _};

fn target(name: &str) -> TargetPath {
    name.parse().unwrap()
}

fn file(text: &str) -> Node {
    node_of(&Form::Text(text.to_owned())).unwrap()
}

fn link(to: &str) -> Node {
    Node::Link { to: to.into() }
}

fn place(node: Node, text: &str) -> SeenPlace {
    SeenPlace {
        node,
        text: text.to_owned(),
        before: None,
        has_folder: true,
    }
}

fn named(name: &str) -> Basics {
    Basics {
        host_name: Some(name.to_owned()),
        ..Basics::default()
    }
}

/// A host that is Debian, with a zone, and a file for its name.
fn host(name: &str) -> Seen {
    let text = format!("{name}\n");
    Seen {
        places: BTreeMap::from([(target("hostname"), place(file(&text), &text))]),
        name: Some(name.to_owned()),
        has_zone: true,
        is_debian: true,
        ..Seen::default()
    }
}

fn plan(wanted: &Basics, record: &BasicsRecord, seen: &Seen) -> (BasicsPlan, Vec<Conflict>) {
    decide(&Facts {
        wanted,
        record,
        seen,
        entries: &BTreeSet::new(),
        next_backup: 5,
    })
    .unwrap()
}

/// What happens, in a few words.
fn told(wanted: &Basics, record: &BasicsRecord, seen: &Seen) -> String {
    let (plan, conflicts) = plan(wanted, record, seen);
    let changes = plan.changes.iter().map(|c| {
        let kept = c.keep.as_ref().map(|k| format!(", keeps {:?}", k.reason));
        format!("{:?} {}{}", c.verb, c.target, kept.unwrap_or_default())
    });
    let name = plan
        .name
        .iter()
        .map(|n| format!("{} becomes {}", n.from, n.to));
    let conflicts = conflicts
        .iter()
        .map(|c| format!("{}: {}", c.subject, c.cause));
    changes
        .chain(name)
        .chain(conflicts)
        .collect::<Vec<_>>()
        .join("; ")
}

fn owned(is: &Node, backup: Option<&str>) -> BasicsRecord {
    let place = OwnedPlace {
        node: Owned::at_rest(Some(is.clone())),
        backup: backup.map(|id| id.parse().unwrap()),
    };
    BasicsRecord {
        places: BTreeMap::from([(target("hostname"), place)]),
        name: None,
    }
}

#[test]
fn what_happens_to_a_place_by_whose_it_is() {
    let (none, nothing) = (BasicsRecord::default(), Basics::default());
    let mut seen = host("old");
    seen.name = None;
    seen.backups
        .insert("1-hostname".parse().unwrap(), file("first\n"));
    let ours = owned(&file("old\n"), Some("1-hostname"));
    let edited = owned(&file("other\n"), Some("1-hostname"));
    let made = owned(&file("old\n"), None);
    for (wanted, record, expected, why) in [
        (&nothing, &none, "", "nothing is set"),
        (
            &named("new"),
            &none,
            "Change hostname, keeps Foreign",
            "it was theirs",
        ),
        (&named("old"), &none, "", "it is right, by their hand"),
        (&named("old"), &ours, "", "it is right, by ours"),
        (&named("new"), &ours, "Change hostname", "it was ours"),
        (
            &named("new"),
            &edited,
            "Change hostname, keeps Drift",
            "it was edited",
        ),
        (
            &named("old"),
            &edited,
            "Adopt hostname",
            "it was put right by hand",
        ),
        (&nothing, &ours, "Restore hostname", "it goes"),
        (&nothing, &made, "Remove hostname", "nothing was there"),
        (
            &nothing,
            &edited,
            "Restore hostname, keeps Drift",
            "an edit is kept",
        ),
    ] {
        assert_eq!(told(wanted, record, &seen), expected, "{why}");
    }
    seen.places
        .insert(target("hostname"), place(Node::Absent, ""));
    assert_eq!(told(&named("new"), &none, &seen), "Add hostname");
    assert_eq!(
        told(&named("old"), &ours, &seen),
        "Add hostname",
        "somebody removed it"
    );
    assert_eq!(told(&nothing, &made, &seen), "Forget hostname");
    seen.places
        .insert(target("hostname"), place(Node::Folder, ""));
    let refused = told(&named("new"), &none, &seen);
    assert_eq!(refused, "/etc/hostname: is neither a file nor a link");
    seen.backups.clear();
    seen.places
        .insert(target("hostname"), place(file("old\n"), "old\n"));
    let lost = told(&nothing, &ours, &seen);
    assert!(lost.contains("`1-hostname` of the original is missing"));
}

#[test]
fn the_running_host_is_named_and_gets_its_name_back() {
    let none = BasicsRecord::default();
    let wanted = named("new");
    let mut seen = host("old");
    assert!(told(&wanted, &none, &seen).ends_with("; old becomes new"));
    let (first, _) = plan(&wanted, &none, &seen);
    let mut record = none.clone();
    let backups = &mut Backups::default();
    record.claim(&first, &mut Claiming { backups, now: 0 });
    assert_eq!((backups.next, backups.saved.len()), (2, 0));
    let mut stopped = record.clone();
    stopped.settle(&seen);
    assert_eq!(stopped, none, "nothing was done");
    record.commit(&first);
    seen.name = Some("new".to_owned());
    seen.places
        .insert(target("hostname"), place(file("new\n"), "new\n"));
    seen.backups
        .insert("5-hostname".parse().unwrap(), file("old\n"));
    assert_eq!(told(&wanted, &record, &seen), "");
    assert_eq!(find_drift(&record, &seen), (BTreeMap::new(), None));
    let nothing = Basics::default();
    assert_eq!(
        told(&nothing, &record, &seen),
        "Restore hostname; new becomes old"
    );
    seen.name = Some("by-hand".to_owned());
    let (_, drift) = find_drift(&record, &seen);
    assert_eq!(drift.unwrap().from, "by-hand");
    assert_eq!(told(&wanted, &record, &seen), "by-hand becomes new");
    let left = told(&nothing, &record, &seen);
    assert_eq!(
        left, "Restore hostname; by-hand becomes by-hand",
        "it is theirs"
    );

    // Stopped between the file and the name: each is settled by what is there.
    let (back, _) = plan(&nothing, &record, &seen);
    let mut stopped = record.clone();
    stopped.claim(&back, &mut Claiming { backups, now: 0 });
    seen.places
        .insert(target("hostname"), place(file("old\n"), "old\n"));
    stopped.settle(&seen);
    assert!(
        stopped.places.is_empty() && stopped.name.is_some(),
        "{stopped:?}"
    );
}

#[test]
fn each_distribution_has_its_places() {
    let wanted = Basics {
        time_zone: Some("Europe/Rome".to_owned()),
        locale: BTreeMap::from([("LANG".to_owned(), "it_IT.UTF-8".to_owned())]),
        key_map: Some("it".to_owned()),
        ..Basics::default()
    };
    let folders = ["default/locale", "default/keyboard"];
    let absent = |name: &str| (target(name), place(Node::Absent, ""));
    let debian: BTreeMap<_, _> = folders.into_iter().map(absent).collect();
    let none = BasicsRecord::default();
    let seen = |places, is_debian| Seen {
        places,
        is_debian,
        has_zone: true,
        ..Seen::default()
    };
    for (seen, expected, why) in [
        (
            seen(debian.clone(), true),
            "Add default/keyboard; Add default/locale; Add localtime",
            "Debian",
        ),
        (
            seen(debian.clone(), false),
            "Add locale.conf; Add localtime; Add vconsole.conf",
            "another",
        ),
        (
            seen(
                debian
                    .into_iter()
                    .chain([
                        (target("default/locale"), place(link("../locale.conf"), "")),
                        (target("locale.conf"), place(file("LANG=C\n"), "LANG=C\n")),
                        (target("timezone"), place(file("Etc/UTC\n"), "Etc/UTC\n")),
                        (
                            target("localtime"),
                            place(link("../usr/share/zoneinfo/Europe/Rome"), ""),
                        ),
                    ])
                    .collect(),
                true,
            ),
            "Add default/keyboard; Change locale.conf, keeps Foreign; Change timezone, keeps Foreign",
            "one links to the other, and the zone is right",
        ),
    ] {
        assert_eq!(told(&wanted, &none, &seen), expected, "{why}");
    }
}

#[test]
fn what_is_made_of_a_file_keeps_its_other_lines() {
    let locale = |pairs: &[(&str, &str)]| Basics {
        locale: pairs
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect(),
        key_map: Some("de-latin1-nodeadkeys".to_owned()),
        ..Basics::default()
    };
    let text =
        |target: &str, wanted: &Basics, before: &str| match places::render(target, wanted, before)
            .unwrap()
            .unwrap()
        {
            Form::Text(text) => text,
            Form::Link(to) => to,
        };
    let wanted = locale(&[("LANG", "de_DE.UTF-8"), ("LC_TIME", "C.UTF-8")]);
    for (target, before, after, why) in [
        (
            "locale.conf",
            "",
            "LANG=de_DE.UTF-8\nLC_TIME=C.UTF-8\n",
            "a new one",
        ),
        (
            "default/locale",
            "#  generated\nLANG=\"C\"\nLANGUAGE=en\nLANG=x",
            "#  generated\nLANG=de_DE.UTF-8\nLANGUAGE=en\nLC_TIME=C.UTF-8\n",
            "one line for each variable",
        ),
        (
            "vconsole.conf",
            "FONT=a\n",
            "FONT=a\nKEYMAP=de-latin1-nodeadkeys\n",
            "a font stays",
        ),
        (
            "default/keyboard",
            "XKBMODEL=\"pc105\"\nXKBLAYOUT=\"us\"\nXKBOPTIONS=\"\"\n",
            "XKBMODEL=\"pc105\"\nXKBLAYOUT=de\nXKBOPTIONS=\"\"\nXKBVARIANT=nodeadkeys\n",
            "a map of the console is a layout and a variant",
        ),
    ] {
        assert_eq!(text(target, &wanted, before), after, "{why}");
    }
    let unknown = Basics {
        key_map: Some("sun".to_owned()),
        ..Basics::default()
    };
    assert!(
        places::render("default/keyboard", &unknown, "")
            .unwrap()
            .is_err()
    );
    assert!(
        places::render("vconsole.conf", &unknown, "")
            .unwrap()
            .is_ok()
    );
}

#[test]
fn a_host_finds_itself_where_it_did() {
    let own = |hosts: &str| places::own_line("new", hosts);
    for (hosts, expected, why) in [
        ("127.0.0.1 localhost\n", None, "it has no such line"),
        (
            "127.0.1.1 old.example old\n",
            Some("127.0.1.1 new\n"),
            "its old name",
        ),
        ("127.0.1.1 old new\n", None, "it is there"),
        ("#127.0.1.1 old\n", None, "a comment"),
    ] {
        assert_eq!(own(hosts).as_deref(), expected, "{why}");
    }
}

#[test]
fn what_can_t_be_is_refused() {
    let mut wanted = named("a.b");
    wanted.time_zone = Some("../../etc/passwd".to_owned());
    wanted.key_map = Some("a\nb".to_owned());
    wanted.locale.insert("LANG".to_owned(), "x$(id)".to_owned());
    let (plan, conflicts) = plan(&wanted, &BasicsRecord::default(), &Seen::default());
    let subjects: Vec<&str> = conflicts.iter().map(|c| c.subject.as_str()).collect();
    assert!(subjects.len() >= 5, "{subjects:?} {plan:?}");
    for option in [
        "networking.hostName",
        "time.timeZone",
        "console.keyMap",
        "i18n.defaultLocale",
    ] {
        assert!(subjects.iter().any(|s| s.contains(option)), "{option}");
    }
    // As a file, and as a folder with a file in it.
    for entry in ["hostname", "hostname/inside"] {
        let entries = [target(entry)];
        let (_, conflicts) = decide(&Facts {
            wanted: &named("new"),
            record: &BasicsRecord::default(),
            seen: &host("old"),
            entries: &entries.iter().collect(),
            next_backup: 1,
        })
        .unwrap();
        let remedy = conflicts.first().map(|c| c.remedy.as_str());
        let remedy = remedy.unwrap_or_default();
        assert!(
            remedy.contains("set only `networking.hostName`"),
            "{entry}: {remedy}"
        );
    }
    let locales = ["C".to_owned(), "de_DE.utf8".to_owned()];
    let mut wanted = Basics::default();
    for (name, value) in [
        ("LANG", "de_DE.UTF-8"),
        ("LC_TIME", "en_DK.UTF-8"),
        ("LANGUAGE", "de:en"),
    ] {
        wanted.locale.insert(name.to_owned(), value.to_owned());
    }
    assert_eq!(places::missing_locales(&wanted, &locales), ["en_DK.UTF-8"]);
}
