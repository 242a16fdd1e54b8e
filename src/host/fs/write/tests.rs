use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use nix::fcntl::{RenameFlags, renameat2};

#[test]
fn a_copy_is_of_one_file_whatever_is_put_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    for (name, mode) in [("from", 0o600), ("other", 0o644)] {
        let path = folder.path().join(name);
        std::fs::write(&path, mode.to_string()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let root = Root::open(folder.path(), false).unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (one, two) = (folder.path().join("from"), folder.path().join("other"));
            while !is_over.load(Ordering::Relaxed) {
                let flags = RenameFlags::RENAME_EXCHANGE;
                renameat2(AT_FDCWD, &one, AT_FDCWD, &two, flags).unwrap();
            }
        });
        for _ in 0..500 {
            root.copy(Path::new("from"), Path::new("copy")).unwrap();
            let copy = folder.path().join("copy");
            let mode = std::fs::metadata(&copy).unwrap().mode() & 0o7777;
            let text = std::fs::read_to_string(&copy).unwrap();
            if text != mode.to_string() {
                is_over.store(true, Ordering::Relaxed);
                panic!("the content of one, the mode of the other: {text} {mode}");
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
}
