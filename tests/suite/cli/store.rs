//! What links lead to: written to, deleted, and put right. On a store of the test's own, in a mount namespace.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::story::{Config, Ran, Test};
use crate::needs::skip;

const FILE: &str = "/nix/store/00000000000000000000000000000000-app.conf";

/// Makes a store with one file, `$file`, as Nix would leave it; `as_built` does so again.
const PRELUDE: &str = r#"
mount -t tmpfs none /nix/store
file=/nix/store/00000000000000000000000000000000-app.conf
as_built() { chmod 444 "$file"; touch -d @1 "$file"; }
echo built > "$file"; as_built
etc=$root/etc
"#;

fn run(t: &Test, toplevel: &Path, script: &str) -> Option<Ran> {
    if !Path::new("/nix/store").is_dir() {
        skip("there is no /nix/store to mount one on (apt-get install nix-bin)");
        return None;
    }
    t.run_isolated(toplevel, &format!("{PRELUDE}{script}"))
}

/// A toplevel that has the original once more, or not.
fn toplevel(t: &Test, config: &Config, has_original: bool) -> PathBuf {
    let toplevel = t.build(config);
    if has_original {
        fs::write(toplevel.join("originals.index"), "2 other\n6 app.conf\n").unwrap();
        fs::write(toplevel.join("originals"), "x\nbuilt\n").unwrap();
    }
    toplevel
}

fn linked() -> Config {
    Config::new().source("app.conf", "symlink", FILE)
}

fn kept(t: &Test) -> Vec<String> {
    let folder = fs::read_dir(t.path("var/lib/system-manager/backups"));
    let mut kept: Vec<String> = folder
        .into_iter()
        .flatten()
        .map(|e| fs::read_to_string(e.unwrap().path()).unwrap())
        .collect();
    kept.sort();
    kept
}

#[test]
fn what_is_written_through_a_link_is_shown_kept_and_put_right() {
    let Some(t) = Test::begin() else { return };
    let toplevel = toplevel(&t, &linked(), true);
    let script = r"
$run activate $toplevel
echo edit >> $etc/app.conf
$run status
$run plan $toplevel
$run activate $toplevel
cat $etc/app.conf
stat -c 'mode %a time %Y' $file
$run status
$run plan --detailed-exitcode $toplevel
";
    let Some(ran) = run(&t, &toplevel, script) else {
        return;
    };
    ran.exits(0)
        .says("drift: /etc/app.conf was changed in the store, through its link")
        .says("it was changed by hand, in the store")
        .says("it is repaired from the toplevel")
        .says("\nbuilt\nmode 444 time 1\n")
        .says("backup of an edit: /etc/app.conf")
        .says("No changes");
    assert_eq!(kept(&t), ["built\nedit\n"]);
}

#[test]
fn what_is_deleted_through_a_link_is_shown_and_put_back() {
    let Some(t) = Test::begin() else { return };
    let toplevel = toplevel(&t, &linked(), true);
    // As `dpkg -P` does, which follows the link of a conffile.
    let script = r"
$run activate $toplevel
rm -f $(readlink $etc/app.conf)
$run status
$run activate $toplevel
cat $etc/app.conf
rm -f $file
$run deactivate
$run activate $toplevel
cat $etc/app.conf
";
    let Some(ran) = run(&t, &toplevel, script) else {
        return;
    };
    let ran = ran
        .exits(0)
        .says("drift: /etc/app.conf was removed in the store, through its link");
    assert_eq!(ran.stdout.matches("\nbuilt\n").count(), 2, "{}", ran.stdout);
    assert_eq!(kept(&t), [""; 0]);
}

#[test]
fn what_nobody_can_put_right_is_refused_with_the_command_and_lost_by_no_way_back() {
    let Some(t) = Test::begin() else { return };
    let toplevel = toplevel(&t, &linked(), false);
    let script = r"
$run activate $toplevel
echo edit >> $etc/app.conf
! $run activate $toplevel || exit 9
test -e $etc/app.conf
$run plan --deactivate
$run deactivate
test ! -e $etc/app.conf -a ! -L $etc/app.conf
";
    let Some(ran) = run(&t, &toplevel, script) else {
        return;
    };
    ran.exits(0)
        .says("which has been changed since it was built")
        .says(&format!("nix-store --repair-path {FILE}"))
        .says("it is no longer needed here");
    assert_eq!(kept(&t), ["built\nedit\n"]);
}

#[test]
fn an_edit_that_a_first_activation_finds_is_no_file_of_the_configuration() {
    let Some(t) = Test::begin() else { return };
    let toplevel = toplevel(&t, &linked(), true);
    let script = "chmod 644 $file; echo edit >> $file; $run activate $toplevel; cat $etc/app.conf";
    let Some(ran) = run(&t, &toplevel, script) else {
        return;
    };
    ran.exits(0).says("\nbuilt\n");
    assert_eq!(kept(&t), ["built\nedit\n"]);
}

#[test]
fn a_look_that_shows_nothing_new_costs_no_reading() {
    let Some(t) = Test::begin() else { return };
    let toplevel = toplevel(&t, &linked(), true);
    let script = r"
$run activate $toplevel
# The same size and time: only whoever reads all of it would know.
chmod 644 $file; printf 'other\n' > $file; as_built
$run plan --detailed-exitcode $toplevel
# A doubt, and the content is what it was.
chmod 644 $file; printf 'built\n' > $file
$run plan --detailed-exitcode $toplevel
";
    let Some(ran) = run(&t, &toplevel, script) else {
        return;
    };
    let ran = ran.exits(0);
    assert_eq!(
        ran.stdout.matches("No changes").count(),
        2,
        "{}",
        ran.stdout
    );
}

/// What dpkg has on record of `/etc/app.conf`, with this content shipped.
const STATUS: &str = r"
mkdir -p $root/var/lib/dpkg $etc/dpkg/dpkg.cfg.d
printf 'Package: app\nStatus: install ok installed\nConffiles:\n /etc/app.conf %s\n' \
  $(printf 'shipped\n' | md5sum | cut -c-32) > $root/var/lib/dpkg/status
";

#[test]
fn a_conffile_is_a_copy_and_dpkg_leaves_it_alone() {
    let Some(t) = Test::begin() else { return };
    t.write("etc/app.conf", "shipped\n");
    let toplevel = toplevel(&t, &linked(), true);
    let script = format!(
        r"{STATUS}
$run activate $toplevel
stat -c '%F %a' $etc/app.conf
cat $etc/dpkg/dpkg.cfg.d/system-manager
$run plan --detailed-exitcode $toplevel
touch $etc/app.conf.dpkg-dist
$run status
$run plan $toplevel
rm $etc/app.conf.dpkg-dist
$run deactivate
cat $etc/app.conf
test ! -e $etc/dpkg/dpkg.cfg.d/system-manager
"
    );
    let Some(ran) = run(&t, &toplevel, &script) else {
        return;
    };
    let ran = ran
        .exits(0)
        .says("regular file 644")
        .says("path-exclude=/etc/app.conf\n")
        .says("No changes")
        .says("beside: /etc/app.conf.dpkg-dist beside /etc/app.conf, of the package `app`");
    assert!(ran.stdout.ends_with("\nshipped\n"), "{}", ran.stdout);
}

#[test]
fn an_edited_conffile_is_a_conflict_and_a_direct_link_stays_one() {
    let Some(t) = Test::begin() else { return };
    t.write("etc/app.conf", "edited\n");
    let refused = toplevel(&t, &linked(), true);
    let script = format!("{STATUS}exec $run activate $toplevel");
    if let Some(ran) = run(&t, &refused, &script) {
        ran.exits(1).says("is an edited file of the package `app`");
    }
    t.write("etc/app.conf", "shipped\n");
    let direct = Config::new().source("app.conf", "direct-symlink", FILE);
    let direct = toplevel(&t, &direct, true);
    let script = format!("{STATUS}$run activate $toplevel; readlink $etc/app.conf");
    if let Some(ran) = run(&t, &direct, &script) {
        ran.exits(0).says(FILE);
    }
}

#[test]
fn the_file_of_a_purged_package_is_not_put_back_and_kept() {
    let Some(t) = Test::begin() else { return };
    t.write("etc/app.conf", "shipped\n");
    let toplevel = toplevel(&t, &linked(), true);
    let script = format!(
        r"{STATUS}
$run activate $toplevel
: > $root/var/lib/dpkg/status
rm $etc/app.conf
$run plan --deactivate
$run deactivate
test ! -e $etc/app.conf
$run status
"
    );
    let Some(ran) = run(&t, &toplevel, &script) else {
        return;
    };
    ran.exits(0)
        .says("is not restored, since its package `app` has been removed")
        .says("backup of an edit: /etc/app.conf");
    assert_eq!(kept(&t), ["shipped\n"]);
}

#[test]
fn a_file_whose_program_takes_no_link_is_a_copy_with_its_mode() {
    let Some(t) = Test::begin() else { return };
    let config =
        Config::new()
            .source("cron.d/job", "symlink", FILE)
            .source("sudoers.d/us", "symlink", FILE);
    let toplevel = toplevel(&t, &config, false);
    let script = "$run plan $toplevel; $run activate $toplevel; stat -c '%n %F %a' $etc/*.d/*";
    let Some(ran) = run(&t, &toplevel, script) else {
        return;
    };
    ran.exits(0)
        .says("a copy, since cron ignores files with more than one hard link")
        .says("cron.d/job regular file 644")
        .says("sudoers.d/us regular file 440");
}
