use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;

use super::Receiver;
use crate::closure::database::Database;
use crate::closure::gc;
use crate::closure::info::{PathInfo, StorePath};
use crate::closure::{Holding, hold};
use crate::host::fs::Root;
use crate::nar;

/// A root, and paths to be sent there.
struct World {
    temp: TempDir,
}

impl World {
    /// Makes one, unless this is not run by root, to whom all files have to be given.
    fn new() -> Option<Self> {
        crate::needs::is_root().then(|| {
            let temp = TempDir::new().unwrap();
            fs::create_dir(temp.path().join("root")).unwrap();
            Self { temp }
        })
    }

    fn root(&self) -> Root {
        Root::open(&self.temp.path().join("root"), false).unwrap()
    }

    fn store(&self) -> std::path::PathBuf {
        self.temp.path().join("root/nix/store")
    }

    /// Makes a folder with a file; returns its archive and what is known of it.
    fn path(&self, letter: char, content: &str, references: &[&PathInfo]) -> (PathInfo, Vec<u8>) {
        let tree = self.temp.path().join(format!("tree-{letter}"));
        if !tree.exists() {
            fs::create_dir(&tree).unwrap();
            fs::write(tree.join("file"), content).unwrap();
            symlink("file", tree.join("link")).unwrap();
        }
        let mut archive = Vec::new();
        nar::write(&tree, &mut archive).unwrap();
        let counted = nar::hash(&tree).unwrap();
        let info = PathInfo {
            path: format!("/nix/store/{}-x", letter.to_string().repeat(32))
                .parse()
                .unwrap(),
            nar_sha256: counted.sha256,
            nar_size: counted.size,
            references: references.iter().map(|i| i.path.clone()).collect(),
        };
        (info, archive)
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn what_arrives_is_in_place_known_and_not_sent_again() {
    let Some(world) = World::new() else { return };
    let root = world.root();
    let (a, archive) = world.path('a', "content", &[]);
    let (b, other) = world.path('b', "more", &[&a]);
    {
        let mut receiver = Receiver::open(&root).unwrap();
        let infos = [a.clone(), b.clone()];
        assert_eq!(receiver.missing(&infos).unwrap().len(), 2);
        receiver.receive(&a, &mut &*archive).unwrap();
        assert!(
            !world.store().join(a.path.name()).exists(),
            "it is not settled yet"
        );
        // The connection breaks here.
    }
    assert_eq!(names(&world.store()), [a.path.name()]);
    let mut receiver = Receiver::open(&root).unwrap();
    assert_eq!(
        receiver.missing(&[a, b.clone()]).unwrap(),
        std::slice::from_ref(&b.path)
    );
    receiver.receive(&b, &mut &*other).unwrap();
    receiver.settle().unwrap();
    assert_eq!(Database::read(&root).unwrap().paths.len(), 2);
    let file = world.store().join(b.path.name()).join("link");
    assert_eq!(fs::read_to_string(file).unwrap(), "more");
}

#[test]
fn what_is_damaged_or_cut_is_never_in_place() {
    let Some(world) = World::new() else { return };
    let root = world.root();
    let (a, archive) = world.path('a', "content", &[]);
    let mut receiver = Receiver::open(&root).unwrap();
    // Of each byte, whatever it stands for.
    for at in 0..archive.len() {
        let mut damaged = archive.clone();
        damaged[at] ^= 1;
        let said = receiver.receive(&a, &mut &*damaged).unwrap_err();
        assert!(format!("{said:#}").contains(a.path.as_str()), "{said:#}");
        assert!(receiver.receive(&a, &mut &archive[..at]).is_err());
    }
    receiver.settle().unwrap();
    assert!(names(&world.store()).is_empty());
    assert_eq!(
        receiver.missing(std::slice::from_ref(&a)).unwrap(),
        [a.path]
    );
}

#[test]
fn what_is_there_without_a_word_is_looked_at() {
    let Some(world) = World::new() else { return };
    let root = world.root();
    let (a, archive) = world.path('a', "content", &[]);
    let (b, _) = world.path('b', "more", &[]);
    fs::create_dir_all(world.store()).unwrap();
    // One came whole by other means, the other was changed since.
    nar::unpack(&mut &*archive, &world.store().join(a.path.name())).unwrap();
    nar::unpack(&mut &*archive, &world.store().join(b.path.name())).unwrap();
    let mut receiver = Receiver::open(&root).unwrap();
    let infos = [a.clone(), b.clone()];
    assert_eq!(
        receiver.missing(&infos).unwrap(),
        std::slice::from_ref(&b.path)
    );
    let mut right = Vec::new();
    nar::write(&world.temp.path().join("tree-b"), &mut right).unwrap();
    receiver.receive(&b, &mut &*right).unwrap();
    receiver.settle().unwrap();
    assert!(receiver.missing(&infos).unwrap().is_empty());
    let file = world.store().join(b.path.name()).join("file");
    assert_eq!(fs::read_to_string(file).unwrap(), "more");
}

#[test]
fn leftovers_of_a_kill_go_and_two_do_not_unpack_at_once() {
    let Some(world) = World::new() else { return };
    let root = world.root();
    let left = world.store().join(".system-manager-leftover");
    fs::create_dir_all(left.join("folder")).unwrap();
    let _receiver = Receiver::open(&root).unwrap();
    assert!(names(&world.store()).is_empty());
    for result in [
        Receiver::open(&root).map(drop),
        gc::collect(&root, None, gc::Asked::default()).map(drop),
    ] {
        let said = format!("{:#}", result.unwrap_err());
        assert!(said.contains("another run"), "{said}");
    }
}

impl World {
    /// Has paths of `path` arrive.
    fn receive<'a>(&self, all: impl IntoIterator<Item = &'a PathInfo>) {
        let root = self.root();
        let mut receiver = Receiver::open(&root).unwrap();
        for info in all {
            let letter = info.path.name().chars().next().unwrap();
            let tree = self.temp.path().join(format!("tree-{letter}"));
            let mut archive = Vec::new();
            nar::write(&tree, &mut archive).unwrap();
            receiver.receive(info, &mut &*archive).unwrap();
        }
    }
}

fn write_request(file: &Path, toplevel: &PathInfo) {
    fs::write(file, format!("{{\"toplevel\":\"{}\"}}", toplevel.path)).unwrap();
}

#[test]
fn garbage_is_what_nothing_leads_to() {
    let Some(world) = World::new() else { return };
    let root = world.root();
    let (library, _) = world.path('a', "needed by a generation's toplevel", &[]);
    let (toplevel, _) = world.path('b', "a generation's toplevel", &[&library]);
    let (waiting, _) = world.path('c', "kept by a run that waits to be confirmed", &[]);
    let (linked, _) = world.path('d', "kept by a link", &[]);
    let (garbage, _) = world.path('e', "garbage", &[&library]);
    let all = [&library, &toplevel, &waiting, &linked, &garbage];
    world.receive(all);
    let at = |relative: &str| world.temp.path().join("root").join(relative);
    fs::write(world.store().join("foreign"), "by other means").unwrap();
    crate::store::generations::register(&root, &toplevel.path.as_str().parse().unwrap()).unwrap();
    fs::create_dir_all(at("var/lib/system-manager/runs/1")).unwrap();
    write_request(&at("var/lib/system-manager/runs/1/request.json"), &waiting);
    // A run that has ended keeps nothing.
    fs::create_dir_all(at("var/lib/system-manager/runs/0")).unwrap();
    write_request(&at("var/lib/system-manager/runs/0/request.json"), &garbage);
    fs::write(at("var/lib/system-manager/runs/0/ended.json"), "{}").unwrap();
    fs::create_dir_all(at("nix/var/nix/gcroots/mine")).unwrap();
    symlink(
        format!("{}/file", linked.path),
        at("nix/var/nix/gcroots/mine/link"),
    )
    .unwrap();

    let dry_run = |without| gc::Asked {
        dry_run: true,
        without,
    };
    let planned = gc::collect(&root, None, dry_run(&[])).unwrap();
    assert_eq!(
        (&planned.paths[..], planned.foreign),
        (&[garbage.path.clone()][..], 1)
    );
    assert!(world.store().join(garbage.path.name()).exists());
    // What only a generation needs goes with it.
    let with_it = gc::collect(&root, None, dry_run(&[1])).unwrap().paths;
    assert_eq!(
        with_it,
        [&library, &toplevel, &garbage].map(|i| i.path.clone())
    );
    {
        let _run = hold(&root, Holding::Shared).unwrap();
        assert!(
            gc::collect(&root, None, gc::Asked::default()).is_err(),
            "a run is under way"
        );
    }
    let done = gc::collect(&root, None, gc::Asked::default()).unwrap();
    assert_eq!((done.paths, done.bytes), (planned.paths, planned.bytes));
    assert!(!world.store().join(garbage.path.name()).exists());
    let kept: Vec<StorePath> = Database::read(&root).unwrap().paths.into_keys().collect();
    assert_eq!(kept, [library, toplevel, waiting, linked].map(|i| i.path));
    assert!(
        gc::collect(&root, None, gc::Asked::default())
            .unwrap()
            .paths
            .is_empty()
    );
    // A state that can't be read says nothing of what is needed.
    fs::write(at("var/lib/system-manager/state.json"), "{").unwrap();
    assert!(gc::collect(&root, None, gc::Asked::default()).is_err());
}

#[test]
fn what_is_active_booted_or_comes_back_after_a_boot_is_no_garbage() {
    let Some(world) = World::new() else { return };
    let root = world.root();
    let (booted, _) = world.path('a', "booted", &[]);
    let (active, _) = world.path('b', "active, and no generation", &[]);
    let (run, _) = world.path('c', "kept by a run of this boot only", &[]);
    let (before, _) = world.path('d', "comes back when what is of this boot only goes", &[]);
    let (garbage, _) = world.path('f', "garbage", &[]);
    world.receive([&booted, &active, &run, &before, &garbage]);
    let at = |relative: &str| world.temp.path().join("root/run").join(relative);
    fs::create_dir_all(at("system-manager/remote/runs/2")).unwrap();
    write_request(&at("system-manager/remote/runs/2/request.json"), &run);
    fs::create_dir_all(at("system-manager/ephemeral")).unwrap();
    fs::write(
        at("system-manager/ephemeral/before"),
        before.path.to_string(),
    )
    .unwrap();
    symlink(booted.path.to_string(), at("booted-system")).unwrap();
    let is_active = active.path.as_str().parse().unwrap();
    let done = gc::collect(&root, Some(&is_active), gc::Asked::default()).unwrap();
    assert_eq!(done.paths, [garbage.path]);
}

#[test]
fn what_is_asked_for_by_hash_is_lacking_unless_it_is_there_with_all_that_it_needs() {
    let Some(world) = World::new() else { return };
    let root = world.root();
    let (a, archive_a) = world.path('a', "a", &[]);
    let (b, archive_b) = world.path('b', "b", &[&a]);
    let (c, _) = world.path('c', "c", &[]);
    let mut receiver = Receiver::open(&root).unwrap();
    let tags: String = [&a, &b, &c].map(|info| info.path.tag()).concat();
    assert_eq!(receiver.lacking(&tags).unwrap(), [0, 1, 2]);
    receiver.receive(&a, &mut &*archive_a).unwrap();
    receiver.receive(&b, &mut &*archive_b).unwrap();
    // Neither is known before it is in place.
    assert_eq!(receiver.lacking(&tags).unwrap(), [0, 1, 2]);
    receiver.settle().unwrap();
    assert_eq!(receiver.lacking(&tags).unwrap(), [2]);
    // The end of a question that is cut is a path of which nobody knows.
    assert_eq!(receiver.lacking(&tags[..20]).unwrap(), [1]);
    // Somebody removes by hand what the other needs.
    fs::remove_dir_all(world.store().join(a.path.name())).unwrap();
    assert_eq!(receiver.lacking(&tags).unwrap(), [0, 1, 2]);
}
