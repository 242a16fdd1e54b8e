//! Units that are inactive, dragged along, left by an interrupted run, or nobody's.

use super::*;

#[test]
fn inactive_units_start_only_when_an_active_target_wants_what_changed() {
    let wanted = ("a.service < multi-user.target", "");
    let once = "[Service]\nType=oneshot\nExecStart=a\n";
    let once2 = "[Service]\nType=oneshot\nExecStart=b\n";
    let remain = &with(once, "RemainAfterExit=yes");
    let remain2 = &with(once2, "RemainAfterExit=yes");
    let kept = &with(B, "X-RestartIfChanged=false");
    let manual = &with(B, "[Unit]\nRefuseManualStart=yes");
    let old: Files = &[("a.service", A), wanted];
    let new: Files = &[("a.service", B), wanted];
    check(&[
        ("new and wanted", &[], old, "", "start a.service"),
        ("new, not wanted", &[], &[("a.service", A)], "", "nothing"),
        ("new, wanted by a target that is down", &[], &[("a.service", A), ("a.service < x.target", "")], "x.target:inactive", "nothing"),
        ("new, required", &[], &[("a.service", A), ("a.service <! multi-user.target", "")], "", "start a.service"),
        ("new, refuses", &[], &[("a.service", manual), wanted], "", "nothing"),
        ("new, masked", &[], &[("a.service", "/dev/null"), wanted], "", "nothing"),
        ("unmasked", &[("a.service", "/dev/null"), wanted], old, "", "start a.service"),
        ("newly wanted", &[("a.service", A)], old, "", "start a.service"),
        ("stopped by hand", old, old, "a.service:inactive", "nothing"),
        ("failed", old, old, "a.service:failed", "nothing"),
        ("changed", old, new, "a.service:inactive", "start a.service"),
        ("changed, failed", old, new, "a.service:failed", "start a.service"),
        ("changed, not wanted", &[("a.service", A)], &[("a.service", B)], "a.service:inactive", "nothing"),
        ("changed, kept", old, &[("a.service", kept), wanted], "a.service:inactive", "nothing"),
        ("changed, kept, failed", old, &[("a.service", kept), wanted], "a.service:failed", "start a.service"),
        ("oneshot changed", &[("a.service", once), wanted], &[("a.service", once2), wanted], "", "start a.service"),
        ("oneshot that stays", &[("a.service", once), wanted], &[("a.service", once), wanted], "", "nothing"),
        ("oneshot changed, failed", &[("a.service", once), wanted], &[("a.service", once2), wanted], "a.service:failed", "start a.service"),
        ("oneshot new", &[], &[("a.service", once), wanted], "", "start a.service"),
        ("oneshot that remains, changed", &[("a.service", remain), wanted], &[("a.service", remain2), wanted], "", "start a.service"),
        ("oneshot of a timer", &[("a.service", once), ("a.timer", "[Timer]\nA=1")], &[("a.service", once2), ("a.timer", "[Timer]\nA=1")], "a.timer", "nothing"),
        ("new timer", &[], &[("a.service", once), ("a.timer", "[Timer]\nA=1"), ("a.timer < timers.target", "")], "timers.target:active:below", "start a.timer"),
        ("a target of its own", &[], &[("app.target", "[Unit]\nA=1"), ("app.target < multi-user.target", ""), ("a.service", A), ("a.service < app.target", "")], "", "start a.service, start app.target"),
        ("Wants= of an active target", &[("app.target", "[Unit]\nA=1"), ("a.service", A)], &[("app.target", "[Unit]\nWants=a.service"), ("a.service", A)], "app.target", "start a.service"),
        ("Wants= of an alias", &[("app.target", "[Unit]\nA=1"), ("a.service", A)], &[("app.target", "[Unit]\nWants=b.service"), ("a.service", A), ("b.service = a.service", "")], "app.target", "start a.service"),
        ("wanted by a target that goes", &[("app.target", "[Unit]\nA=1")], &[("a.service", A), ("a.service < app.target", "")], "app.target", "stop app.target"),
    ]);
}

#[test]
fn what_is_dragged_down_comes_back() {
    let base: Files = &[
        ("db.service", A),
        ("web.service", "[Unit]\nX-Reload-Triggers=1\n[Service]\nExecReload=r"),
    ];
    let reload: Files = &[
        ("db.service", B),
        ("web.service", "[Unit]\nX-Reload-Triggers=2\n[Service]\nExecReload=r"),
    ];
    let refuse = "[Unit]\nX-Reload-Triggers=2\nRefuseManualStart=yes\n[Service]\nExecReload=r";
    check(&[
        ("reload wanted", base, reload, "db.service web.service>db.service", "stop db.service, start db.service, start web.service"),
        ("reload wanted, refuses", base, &[("db.service", B), ("web.service", refuse)], "db.service web.service>db.service", "stop db.service, start db.service"),
        ("nothing else wanted", &[("db.service", A)], &[("db.service", B)], "db.service v.service:active:below>db.service", "stop db.service, start db.service, start v.service"),
        ("in a chain", &[("db.service", A)], &[("db.service", B)], "db.service b.service>db.service c.service>b.service", "stop db.service, start b.service, start c.service, start db.service"),
        ("inactive before", &[("db.service", A)], &[("db.service", B)], "db.service c.service:inactive>db.service", "stop db.service, start db.service"),
        ("as the old file says", &[("db.service", A), ("c.service", "[Unit]\nRequires=db.service")], &[("db.service", B), ("c.service", "[Unit]\nRequires=db.service")], "db.service c.service", "stop db.service, start c.service, start db.service"),
        ("as a link of the old generation says", &[("db.service", A), ("db.service <! c.service", ""), ("c.service", A)], &[("db.service", B), ("c.service", A)], "db.service c.service", "stop db.service, start c.service, start db.service"),
        ("kept without a definition", &[("db.service", A), ("c.service", "[Unit]\nBindsTo=db.service\nX-StopOnRemoval=no")], &[("db.service", B)], "db.service c.service", "stop db.service, start db.service"),
    ]);
    let restarting = with(B, "X-StopIfChanged=no");
    let plan = plan(
        &[("db.service", A)],
        &[("db.service", &restarting)],
        "db.service v.service:active:below>db.service",
    );
    assert_eq!(told(&plan), "restart db.service");
    assert_eq!(plan.along[0].reason, "restarted along with db.service");
}

#[test]
fn a_reload_of_what_has_stopped_is_a_start() {
    let new = set(&[
        ("a.service", A),
        ("m.service", "[Unit]\nRefuseManualStart=yes"),
        ("b.service", A),
    ]);
    let action = |unit: &str| UnitAction {
        unit: unit.into(),
        verb: Verb::Reload,
        reason: "x".into(),
        visible: true,
    };
    let reload = ["a.service", "b.service", "m.service", "gone.service"]
        .map(action)
        .to_vec();
    let plan = UnitPlan {
        reload,
        ..UnitPlan::default()
    };
    let (reload, start) = settle_reloads(&plan, Layers::alone(&new), &live("b.service a.service:inactive"));
    assert_eq!(reload, [action("b.service")]);
    assert_eq!(start.len(), 1);
    assert_eq!(
        (start[0].unit.as_str(), start[0].verb),
        ("a.service", Verb::Start)
    );
}

#[test]
fn an_interrupted_run_is_taken_up_again() {
    let files: Files = &[
        ("a.service", A),
        ("b.service", A),
        ("c.service", A),
        ("m.service", "[Unit]\nRefuseManualStart=yes"),
    ];
    let names = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    for (why, seeds, units, expected) in [
        ("what was stopped is started", ("a.service", "", ""), "a.service:inactive", "start a.service"),
        ("what runs is not started", ("a.service", "", ""), "a.service", "nothing"),
        ("what was to be restarted", ("", "a.service", ""), "a.service", "restart a.service"),
        ("what was to be restarted and has stopped", ("", "a.service", ""), "", "start a.service"),
        ("what was to be reloaded", ("", "", "a.service"), "a.service", "reload a.service"),
        ("what was to be reloaded and has stopped", ("", "", "a.service"), "", "start a.service"),
        ("a restart wins", ("a.service", "a.service", "a.service"), "a.service", "restart a.service"),
        ("a reload of the distro's own, of which nothing is ours any more", ("", "", "x.service"), "x.service:active:below", "reload x.service"),
        ("what is gone", ("x.service", "x.service", "x.service"), "", "nothing"),
        ("what refuses", ("m.service", "", ""), "", "nothing"),
    ] {
        let seeds = Seeds {
            start: names(seeds.0),
            restart: names(seeds.1),
            reload: names(seeds.2),
            daemon_reload: true,
            ..Seeds::default()
        };
        let plan = plan_with(files, files, units, &seeds, Options::default());
        assert_eq!(told(&plan), expected, "{why}");
        assert!(plan.daemon_reload);
    }
    let seeds = Seeds {
        restart: names("a.service"),
        ..Seeds::default()
    };
    let plan = plan_with(
        &[("a.service", A)],
        &[("a.service", B)],
        "a.service",
        &seeds,
        Options::default(),
    );
    assert_eq!(told(&plan), "stop a.service, start a.service");
    let reloading = with(B, "X-ReloadIfChanged=yes");
    let plan = plan_with(
        &[("a.service", A)],
        &[("a.service", &reloading)],
        "a.service",
        &seeds,
        Options::default(),
    );
    assert_eq!(
        told(&plan),
        "stop a.service, start a.service",
        "restarting already, no reload"
    );
}

#[test]
fn nothing_changed_nothing_done() {
    let files: Files = &[
        ("a.service", A),
        ("a.service < multi-user.target", ""),
        ("t.target", "[Unit]\nX-StopOnReconfiguration=yes"),
        ("b.timer", "[Timer]\nA=1"),
    ];
    let plan = plan(files, files, "a.service t.target b.timer:failed");
    let nothing = UnitPlan { ran: Some(BTreeSet::new()), ..UnitPlan::default() };
    assert_eq!(plan, nothing);
}

#[test]
fn deactivation_stops_all_and_first_activation_starts_what_is_wanted() {
    let files: Files = &[
        ("a.service", A),
        ("a.service < multi-user.target", ""),
        ("b.timer", "[Timer]\nA=1"),
        ("b.timer < timers.target", ""),
        ("k.service", "[Unit]\nX-StopOnRemoval=no"),
        ("idle.service", A),
    ];
    let timers = "timers.target:active:below";
    let first = plan(&[], files, timers);
    assert_eq!(told(&first), "start a.service, start b.timer");
    assert!(first.daemon_reload);
    assert_eq!(first.start[0].reason, "new, wanted by multi-user.target");
    let last = plan(files, &[], &format!("{timers} a.service b.timer k.service"));
    assert_eq!(told(&last), "stop b.timer, stop a.service");
    assert!(last.daemon_reload);
}

#[test]
fn reasons_name_section_and_key() {
    let plan = plan(&[("a.service", A)], &[("a.service", B)], "a.service");
    assert_eq!(plan.stop[0].reason, "[Service] ExecStart changed");
    let kept = with(B, "X-RestartIfChanged=no");
    let plan = super::tests::plan(&[("a.service", A)], &[("a.service", &kept)], "a.service");
    assert_eq!(
        plan.skipped[0].reason,
        "[Service] ExecStart changed, [Service] X-RestartIfChanged added; X-RestartIfChanged=false"
    );
}

#[test]
fn tells_whose_file_a_fragment_is() {
    for (path, expected) in [
        ("/etc/systemd/system/a.service", Origin::Ours),
        ("/etc/systemd/system.control/a.service", Origin::Above),
        ("/run/systemd/transient/a.service", Origin::Above),
        ("/run/systemd/generator.early/a.mount", Origin::Above),
        ("/root/.config/systemd/user/a.service", Origin::Above),
        ("", Origin::Nowhere),
        ("/usr/lib/systemd/system/a.service", Origin::Below),
        ("/run/systemd/generator/a.mount", Origin::Below),
    ] {
        assert_eq!(Origin::of(path, "/etc/systemd/system"), expected, "{path}");
    }
}

#[test]
fn what_refuses_is_left_alone() {
    let unit = |flags: &str| format!("{B}[Unit]\n{flags}\n");
    let old = |flags: &str| format!("{A}[Unit]\n{flags}\n");
    let socket = (
        "foo.socket",
        "[Socket]\nListenStream=1\n[Unit]\nRefuseManualStop=yes",
    );
    check_one(
        "a.service",
        &[
            ("a start", A, &unit("RefuseManualStart=yes"), "skip @"),
            ("a stop under the old definition", &old("RefuseManualStop=yes"), B, "restart @"),
            ("a stop, and it goes", &old("RefuseManualStop=yes"), "/dev/null", "nothing"),
        ],
    );
    check_one(
        "m.mount",
        &[(
            "a mount",
            "[Mount]\nWhat=a",
            "[Mount]\nWhat=b\n[Unit]\nRefuseManualStop=yes",
            "skip @",
        )],
    );
    check(&[(
        "its socket",
        &[("foo.service", A), socket],
        &[("foo.service", B), socket],
        "foo.service foo.socket",
        "stop foo.service, start foo.service",
    )]);
}

#[test]
fn a_thousand_units_are_decided_at_once() {
    let names: Vec<String> = (0..1000).map(|n| format!("u{n}.service")).collect();
    let links: Vec<String> = names.iter().map(|n| format!("{n} < {UP}")).collect();
    let files = |text: &'static str| -> Vec<(&str, &str)> {
        let units = names.iter().map(|n| (n.as_str(), text));
        units
            .chain(links.iter().map(|l| (l.as_str(), "")))
            .collect()
    };
    let changed = plan(&files(A), &files(B), &names.join(" "));
    assert_eq!((changed.stop.len(), changed.start.len()), (1000, 1000));
    let first = plan(&[], &files(A), "");
    assert_eq!(first.start.len(), 1000);
}
