//! The decision tables of units that the host has beneath ours, and of what the program stands on.

use super::tests::{Files, live, set, told};
use crate::units::failures::Failure;
use crate::units::set::LiveUnit;
use super::*;

const THEIRS: &str = "[Service]\nExecStart=t\nExecReload=r\n";
const OURS: &str = "[Service]\nExecStart=o\n";
const NICE: (&str, &str) = ("v.service.d/overrides.conf", "[Service]\nNice=5");
const TRIGGER: (&str, &str) = ("v.service.d/overrides.conf", "[Unit]\nX-Reload-Triggers=1");
/// The host's unit, enabled.
const HOST: Files = &[("v.service", THEIRS), ("v.service < multi-user.target", "")];
const UP: &str = "multi-user.target:active:below";

fn plan(beneath: Files, old: Files, new: Files, units: &str, ran: &str) -> UnitPlan {
    on_ground(beneath, old, new, units, ran, "")
}

fn on_ground(beneath: Files, old: Files, new: Files, units: &str, ran: &str, part_of: &str) -> UnitPlan {
    let names = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    decide(&Facts {
        old: &set(old),
        new: &set(new),
        beneath: &set(beneath),
        live: &live(&format!("{UP} {units}")),
        seeds: &Seeds::default(),
        failed: &Failures::new(),
        ran: &names(ran),
        ground: &Ground { part_of: names(part_of) },
        options: Options::default(),
    })
}

fn layers(plan: &UnitPlan) -> String {
    let one = |note: &UnitNote| format!("{}: {}", note.unit, note.reason);
    plan.layers.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_drop_in_changes_the_effective_unit_and_never_stops_it_for_good() {
    let template: Files = &[("pg@.service", THEIRS)];
    let instance = ("pg@15.service.d/overrides.conf", "[Service]\nNice=5");
    for (why, beneath, old, new, units, expected) in [
        ("added", HOST, &[][..], &[NICE][..], "v.service:active:below", "restart v.service"),
        ("dropped", HOST, &[NICE], &[], "v.service:active:below", "restart v.service"),
        ("with the value that it has anyway", &[("v.service", "[Service]\nExecStart=t\nNice=5")], &[], &[("v.service.d/overrides.conf", "[Service]\nExecStart=\nExecStart=t")], "v.service:active:below", "nothing"),
        ("a trigger comes", HOST, &[], &[TRIGGER], "v.service:active:below", "reload v.service"),
        ("a trigger goes", HOST, &[TRIGGER], &[], "v.service:active:below", "reload v.service"),
        ("a trigger of what can't be reloaded", &[("v.service", OURS)], &[], &[TRIGGER], "v.service:active:below", "nothing"),
        ("stopped by the administrator", HOST, &[], &[NICE], "v.service:inactive:below", "nothing"),
        ("of an instance of theirs, dropped", template, &[instance], &[], "pg@15.service:active:below", "restart pg@15.service"),
        ("of an instance of theirs, added", template, &[], &[instance], "pg@15.service:active:below", "restart pg@15.service"),
        ("of their template, dropped", template, &[("pg@.service.d/o.conf", "[Service]\nNice=5")], &[], "pg@15.service:active:below", "restart pg@15.service"),
        ("of another name of it", &[("v.service", THEIRS), ("w.service = v.service", "")], &[], &[("w.service.d/o.conf", "[Service]\nNice=5")], "v.service:active:below", "restart v.service"),
        ("of a oneshot of theirs that runs", &[("v.service", "[Service]\nType=oneshot\nExecStart=t")], &[], &[NICE], "v.service:activating:below", "skip v.service"),
        ("of a slice", &[("user.slice", "[Slice]\n")], &[("user.slice.d/o.conf", "[Slice]\nMemoryMax=1G")], &[], "user.slice:active:below", "nothing"),
        ("asked to stop first", HOST, &[], &[("v.service.d/o.conf", "[Service]\nNice=5\nX-StopIfChanged=true")], "v.service:active:below", "stop v.service, start v.service"),
    ] {
        let plan = plan(beneath, old, new, units, "");
        assert_eq!(told(&plan), expected, "{why}: {plan:#?}");
    }
}

#[test]
fn what_ours_replaced_comes_back() {
    let masked: Files = &[("v.service", "/dev/null")];
    let ours: Files = &[("v.service", OURS)];
    let same: Files = &[("v.service", THEIRS)];
    let timer: Files = &[("v.timer", "[Timer]\nOnCalendar=daily\n"), ("v.timer < timers.target", "")];
    for (why, beneath, old, new, units, ran, expected) in [
        ("replaced, running", HOST, &[][..], ours, "v.service:active:below", "", "stop v.service, start v.service"),
        ("replaced by the same", HOST, &[], same, "v.service:active:below", "", "nothing"),
        ("dropped, running", HOST, ours, &[], "v.service", "", "stop v.service, start v.service"),
        ("dropped, and it was the same", HOST, same, &[], "v.service", "", "nothing"),
        ("dropped, down, ran before", HOST, ours, &[], "v.service:inactive", "v.service", "start v.service"),
        ("dropped, failed, ran before", HOST, ours, &[], "v.service:failed", "v.service", "start v.service"),
        ("dropped, down, did not run before", HOST, ours, &[], "v.service:inactive", "", "nothing"),
        ("dropped, down, ran before, not enabled", &[("v.service", THEIRS)], ours, &[], "v.service:inactive", "v.service", "nothing"),
        ("masked", HOST, &[], masked, "v.service:active:below", "", "stop v.service"),
        ("mask lifted, ran before", HOST, masked, &[], "", "v.service", "start v.service"),
        ("mask lifted, did not run before", HOST, masked, &[], "", "", "nothing"),
        ("mask becomes a drop-in", HOST, masked, &[NICE], "", "v.service", "start v.service"),
        ("mask of a timer lifted", timer, &[("v.timer", "/dev/null")], &[], "timers.target:active:below", "v.timer", "start v.timer"),
        ("ours becomes a drop-in", HOST, ours, &[NICE], "v.service", "", "stop v.service, start v.service"),
    ] {
        let plan = plan(beneath, old, new, units, ran);
        assert_eq!(told(&plan), expected, "{why}: {plan:#?}");
    }
}

#[test]
fn an_interrupted_switch_that_goes_back_starts_what_it_stopped() {
    let seeds = Seeds { start: ["v.service".to_owned()].into(), ..Seeds::default() };
    let none = UnitSet::default();
    let plan = decide(&Facts {
        old: &none,
        new: &none,
        beneath: &set(HOST),
        live: &live(&format!("{UP} v.service:inactive:below")),
        seeds: &seeds,
        failed: &Failures::new(),
        ran: &BTreeSet::new(),
        ground: &Ground::default(),
        options: Options::default(),
    });
    assert_eq!(told(&plan), "start v.service");
}

#[test]
fn what_ran_when_ours_came_is_remembered_as_long_as_ours_is_there() {
    let ours: Files = &[("v.service", OURS)];
    for (why, old, new, units, ran, expected) in [
        ("comes, running", &[][..], ours, "v.service:active:below", "", "v.service"),
        ("comes, stopped", &[], ours, "v.service:inactive:below", "", ""),
        ("comes again after an interruption", &[], ours, "v.service:inactive:below", "v.service", "v.service"),
        ("stays, started meanwhile", ours, ours, "v.service", "", ""),
        ("stays, stopped meanwhile", ours, ours, "v.service:inactive", "v.service", "v.service"),
        ("goes", ours, &[], "v.service", "v.service", ""),
        ("a drop-in", &[], &[NICE], "v.service:active:below", "", ""),
    ] {
        let plan = plan(HOST, old, new, units, ran);
        let ran: Vec<String> = plan.ran.into_iter().flatten().collect();
        assert_eq!(ran.join(" "), expected, "{why}");
    }
}

#[test]
fn a_plan_says_how_ours_lies_upon_the_hosts() {
    let ours: Files = &[("v.service", OURS)];
    let masked: Files = &[("v.service", "/dev/null")];
    for (beneath, old, new, expected) in [
        (HOST, &[][..], ours, "v.service: the host's unit is replaced"),
        (HOST, &[], &[NICE][..], "v.service: the host's unit is extended by a drop-in"),
        (HOST, &[], masked, "v.service: the host's unit is masked"),
        (HOST, ours, &[], "v.service: the host's own unit is used again"),
        (HOST, masked, &[], "v.service: the host's own unit is used again"),
        (HOST, &[NICE], &[], "v.service: the host's unit is no longer extended"),
        (HOST, ours, ours, ""),
        (&[], &[], ours, ""),
    ] {
        assert_eq!(layers(&plan(beneath, old, new, "", "")), expected);
    }
}

#[test]
fn what_holds_others_is_never_stopped() {
    let slice = "[Slice]\nMemoryMax=1G\n";
    let target = "[Unit]\nWants=a.service\n";
    let more = "[Unit]\nX-StopOnReconfiguration=yes\n";
    for (why, beneath, old, new, units, expected) in [
        ("a slice of the host, replaced, goes", &[("user.slice", "[Slice]\n")][..], &[("user.slice", slice)][..], &[][..], "user.slice", "nothing"),
        ("a perpetual slice goes", &[], &[("-.slice", slice), ("system.slice", slice)], &[], "-.slice system.slice", "nothing"),
        ("a slice of the host is masked", &[("user.slice", "[Slice]\n")], &[], &[("user.slice", "/dev/null")], "user.slice:active:below", "nothing"),
        ("a slice in which somebody is goes", &[], &[("app.slice", slice)], &[], "app.slice x.service:active:below>app.slice", "nothing"),
        ("a slice in a slice of which somebody is goes", &[], &[("app.slice", slice)], &[], "app.slice x.service:active:below>app-web.slice", "nothing"),
        ("what somebody only wants is nobody's", &[("a.service < multi-user.target", "")], &[("a.service", OURS)], &[], "a.service", "stop a.service"),
        ("a slice of which all goes", &[], &[("app.slice", slice), ("a.service", OURS)], &[], "app.slice a.service:active:ours>app.slice", "stop a.service, stop app.slice"),
        ("an empty slice goes", &[], &[("app.slice", slice)], &[], "app.slice", "stop app.slice"),
        ("a target of the host, replaced, goes", &[("graphical.target", target)], &[("graphical.target", more)], &[], "graphical.target", "nothing"),
        ("a target of the host is masked", &[("graphical.target", target)], &[], &[("graphical.target", "/dev/null")], "graphical.target:active:below", "nothing"),
        ("a target of the host, to stop when anything changes", &[("graphical.target", target)], &[], &[("graphical.target.d/o.conf", more)], "graphical.target:active:below", "nothing"),
    ] {
        let plan = plan(beneath, old, new, units, "");
        let mut words: Vec<_> = told(&plan).split(", ").map(str::to_owned).collect();
        words.sort();
        assert_eq!(words.join(", "), expected, "{why}: {plan:#?}");
    }
}

#[test]
fn sessions_are_not_ended_by_a_drop_in() {
    let beneath: Files = &[("user@.service", OURS), ("getty@.service", OURS)];
    let new: Files = &[("user@.service.d/o.conf", "[Service]\nNice=5"), ("getty@.service.d/o.conf", "[Service]\nNice=5")];
    let plan = plan(beneath, &[], new, "user@0.service:active:below getty@tty1.service:active:below", "");
    assert_eq!(told(&plan), "skip getty@tty1.service, skip user@0.service");
}

#[test]
fn what_the_program_stands_on_is_not_stopped_half_way() {
    let bus = "[Service]\nExecStart=d\nExecReload=r\n";
    let once = "[Service]\nType=oneshot\nExecStart=switch\n";
    let once2 = "[Service]\nType=oneshot\nExecStart=switch\nNice=5\n";
    let db: Files = &[("db.service", OURS), ("own.service", "[Service]\nExecStart=x\n[Unit]\nRequires=db.service\n")];
    let db2: Files = &[("db.service", THEIRS), ("own.service", "[Service]\nExecStart=x\n[Unit]\nRequires=db.service\n")];
    let own = "own.service";
    for (why, beneath, old, new, units, expected, after) in [
        ("the bus is reloaded", &[("dbus.service", bus)][..], &[][..], &[("dbus.service.d/o.conf", "[Service]\nNice=5")][..], "dbus.service:active:below", "reload dbus.service", ""),
        ("the bus is replaced", &[("dbus.service", bus)], &[], &[("dbus.service", THEIRS)], "dbus.service:active:below", "reload dbus.service", ""),
        ("the bus is masked", &[("dbus.service", bus)], &[], &[("dbus.service", "/dev/null")], "dbus.service:active:below", "nothing", ""),
        ("the logins are restarted", &[("systemd-logind.service", OURS)], &[], &[("systemd-logind.service", THEIRS)], "systemd-logind.service:active:below", "restart systemd-logind.service", ""),
        ("the logins get a drop-in", &[("systemd-logind.service", OURS)], &[], &[("systemd-logind.service.d/o.conf", "[Service]\nNice=5")], "systemd-logind.service:active:below", "restart systemd-logind.service", ""),
        ("the logins are masked", &[("systemd-logind.service", OURS)], &[], &[("systemd-logind.service", "/dev/null")], "systemd-logind.service:active:below", "nothing", ""),
        ("the run's own oneshot changes", &[], &[(own, once)], &[(own, once2)], "own.service:activating", "nothing", ""),
        ("the run's own oneshot goes", &[], &[(own, once)], &[], "own.service:activating", "nothing", ""),
        ("the run's own daemon changes", &[], &[(own, OURS)], &[(own, THEIRS)], own, "nothing", "restart own.service"),
        ("the run's own daemon goes", &[], &[(own, OURS)], &[], own, "nothing", "stop own.service"),
        ("what it requires changes", &[], db, db2, "db.service own.service:active:ours>db.service", "nothing", "restart db.service"),
        ("somebody else changes", &[], &[("a.service", OURS), (own, OURS)], &[("a.service", THEIRS), (own, OURS)], "a.service own.service", "stop a.service, start a.service", ""),
    ] {
        let plan = on_ground(beneath, old, new, units, "", own);
        assert_eq!(told(&plan), expected, "{why}: {plan:#?}");
        let words = plan.after.iter().map(|a| format!("{} {}", a.verb.word(), a.unit));
        assert_eq!(words.collect::<Vec<_>>().join(", "), after, "{why}");
    }
}

/// Adds what systemd says of who starts whom.
fn with(units: &str, change: impl Fn(&mut Live)) -> Live {
    let mut live = live(&format!("{UP} {units}"));
    change(&mut live);
    live
}

fn decide_live(old: Files, new: Files, live: &Live) -> UnitPlan {
    decide(&Facts {
        old: &set(old),
        new: &set(new),
        beneath: &UnitSet::default(),
        live,
        seeds: &Seeds::default(),
        failed: &Failures::new(),
        ran: &BTreeSet::new(),
        ground: &Ground::default(),
        options: Options::default(),
    })
}

#[test]
fn nothing_starts_a_stopped_unit_under_its_old_definition() {
    let (old, new): (Files, Files) = (&[("a.service", OURS)], &[("a.service", THEIRS)]);
    for trigger in ["a.timer", "a.path", "x.socket", "a.automount"] {
        let live = with(&format!("a.service {trigger}:active:below"), |live| {
            live.units.get_mut("a.service").unwrap().triggered_by.insert(trigger.to_owned());
        });
        let plan = decide_live(old, new, &live);
        let verbs = |actions: &[UnitAction]| actions.iter().map(|a| a.unit.clone()).collect::<BTreeSet<_>>();
        let both = BTreeSet::from(["a.service".to_owned(), trigger.to_owned()]);
        assert_eq!((verbs(&plan.stop), verbs(&plan.start)), (both.clone(), both), "{trigger}");
        assert_eq!(plan.stop[0].unit, trigger, "what triggers stops first");
        let idle = with(&format!("a.service {trigger}:inactive:below"), |live| {
            live.units.get_mut("a.service").unwrap().triggered_by.insert(trigger.to_owned());
        });
        assert_eq!(told(&decide_live(old, new, &idle)), "stop a.service, start a.service", "{trigger}");
    }
}

type Change = fn(&mut LiveUnit);

#[test]
fn who_could_be_started_by_others_is_held_back() {
    let (old, new): (Files, Files) = (&[("a.service", OURS)], &[("a.service", THEIRS)]);
    let by = |unit: &str| -> BTreeSet<String> { [unit.to_owned()].into() };
    let table: [(&str, Change, bool); 5] = [
        ("a name on the bus", |u| u.bus_activated = true, true),
        ("upheld", |u| u.upheld = true, true),
        ("a target that is up", |u| u.pulled_in_by = ["multi-user.target".to_owned()].into(), false),
        ("a target that is down", |u| u.pulled_in_by = ["down.target".to_owned()].into(), true),
        ("a service", |u| u.pulled_in_by = ["job.service".to_owned()].into(), true),
    ];
    for (why, change, expected) in table {
        let live = with("a.service", |live| change(live.units.get_mut("a.service").unwrap()));
        let plan = decide_live(old, new, &live);
        assert_eq!(plan.hold.contains("a.service"), expected, "{why}");
    }
    let live = with("a.service b.service>a.service", |live| {
        live.units.get_mut("a.service").unwrap().pulled_in_by = by("b.service");
    });
    assert!(decide_live(old, new, &live).hold.is_empty(), "who stops along starts nothing");
    let wants: Files = &[("a.service", OURS), ("job.service", "[Unit]\nWants=a.service\n")];
    assert!(decide_live(wants, new, &with("a.service", |_| {})).hold.contains("a.service"), "a service that is not loaded");
    let on_bus: Files = &[("a.service", "[Service]\nExecStart=o\nBusName=a.b\n")];
    assert!(decide_live(on_bus, new, &with("a.service", |_| {})).hold.contains("a.service"));
}

#[test]
fn what_is_under_way_is_waited_for() {
    let files: Files = &[("a.service", OURS)];
    let names = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    for (why, old, new, state, start, stop, expected) in [
        ("a start", files, files, "activating", "a.service", "", "start a.service"),
        ("a stop of what goes", files, &[][..], "deactivating", "", "a.service", "stop a.service"),
        ("a stop of what is gone", &[], &[], "deactivating", "", "a.service", "stop a.service"),
        ("a stop that has ended", &[], &[], "inactive", "", "a.service", "nothing"),
        ("a stop that has ended badly", &[], &[], "failed", "", "a.service", "stop a.service"),
        ("a stop of what has come back", &[], files, "deactivating", "", "a.service", "nothing"),
    ] {
        let live = with(&format!("a.service:{state}"), |live| {
            live.units.get_mut("a.service").unwrap().has_job = true;
        });
        let plan = decide(&Facts {
            old: &set(old),
            new: &set(new),
            beneath: &UnitSet::default(),
            live: &live,
            seeds: &Seeds { start: names(start), stop: names(stop), ..Seeds::default() },
            failed: &Failures::new(),
            ran: &BTreeSet::new(),
            ground: &Ground::default(),
            options: Options::default(),
        });
        assert_eq!(told(&plan), expected, "{why}");
        assert_eq!(plan.forget.contains("a.service"), state == "failed", "{why}");
    }
}

#[test]
fn what_has_come_about_without_us_is_not_left_to_be_done() {
    let names: BTreeSet<String> = ["a.service".to_owned()].into();
    for (state, has_job, start, stop) in [
        ("active", false, false, true),
        ("activating", true, true, true),
        ("inactive", false, true, false),
        ("failed", false, true, true),
        ("deactivating", true, true, true),
    ] {
        let live = with(&format!("a.service:{state}"), |live| {
            live.units.get_mut("a.service").unwrap().has_job = has_job;
        });
        let mut seeds = Seeds { start: names.clone(), stop: names.clone(), ..Seeds::default() };
        seeds.drop_done(&live);
        assert_eq!((!seeds.start.is_empty(), !seeds.stop.is_empty()), (start, stop), "{state}");
    }
}

#[test]
fn what_the_last_run_could_not_do_is_tried_again() {
    let ours: Files = &[("a.service", OURS)];
    for (why, verb, beneath, files, state, expected) in [
        ("down", Verb::Start, &[][..], ours, "inactive", "start a.service"),
        ("failed", Verb::Start, &[], ours, "failed", "start a.service"),
        ("runs its old definition", Verb::Start, &[], ours, "active", "restart a.service"),
        ("reload", Verb::Reload, &[], ours, "active", "reload a.service"),
        ("nobody defines it any more", Verb::Start, &[], &[][..], "inactive", "nothing"),
        ("masked now", Verb::Start, &[], &[("a.service", "/dev/null")], "inactive", "nothing"),
        ("the host's, which a script asked for", Verb::Start, ours, &[], "inactive", "start a.service"),
        ("a stop", Verb::Stop, &[], &[], "active", "stop a.service"),
        ("a stop of what is back", Verb::Stop, &[], ours, "active", "nothing"),
        ("what refuses a start", Verb::Start, &[], &[("a.service", "[Unit]\nRefuseManualStart=true\n")], "inactive", "nothing"),
    ] {
        let failed = [("a.service".to_owned(), Failure { verb, why: "why".to_owned(), time: 0 })].into();
        let plan = decide(&Facts {
            old: &set(files),
            new: &set(files),
            beneath: &set(beneath),
            live: &with(&format!("a.service:{state}"), |_| {}),
            seeds: &Seeds::default(),
            failed: &failed,
            ran: &BTreeSet::new(),
            ground: &Ground::default(),
            options: Options::default(),
        });
        assert_eq!(told(&plan), expected, "{why}");
    }
}

#[test]
fn failed_units_that_go_are_forgotten() {
    for (old, new, expected) in [
        (&[("a.service", OURS)][..], &[][..], true),
        (&[("a.service", OURS)], &[("a.service", "/dev/null")], true),
        (&[("a.service", OURS)], &[("a.service", OURS)], false),
        (&[], &[], false),
    ] {
        let plan = plan(&[], old, new, "a.service:failed", "");
        assert_eq!(plan.forget.contains("a.service"), expected, "{old:?} {new:?}");
    }
}
