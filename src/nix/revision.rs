//! Which revision a configuration's folder has in Git. Nothing is run: a repository of somebody else may say what Git runs.
#![expect(clippy::disallowed_methods, reason = "reads what Git has written")]

use std::fs;
use std::path::{Path, PathBuf};

/// How many links from one name to another are followed.
const MOST: usize = 5;

/// Returns the revision of the repository that a file or folder is in; none when it is in none.
#[must_use]
pub(crate) fn of(path: &Path) -> Option<String> {
    let path = fs::canonicalize(path).ok()?;
    let git = path.ancestors().map(|folder| folder.join(".git"));
    let git = git.into_iter().find_map(|found| folder_of(&found))?;
    // A worktree has its own HEAD, and the branches of its repository.
    let common = fs::read_to_string(git.join("commondir")).ok();
    let common = common.map_or_else(|| git.clone(), |text| git.join(text.trim()));
    let mut name = "HEAD".to_owned();
    for _ in 0..MOST {
        let text = [&git, &common]
            .into_iter()
            .find_map(|folder| fs::read_to_string(folder.join(&name)).ok());
        let text = text.or_else(|| packed(&common, &name))?;
        match text.trim().strip_prefix("ref: ") {
            Some(next) => next.clone_into(&mut name),
            None => return is_hash(text.trim()).then(|| text.trim().to_owned()),
        }
    }
    None
}

fn folder_of(git: &Path) -> Option<PathBuf> {
    if git.is_dir() {
        return Some(git.to_owned());
    }
    let text = fs::read_to_string(git).ok()?;
    Some(git.parent()?.join(text.strip_prefix("gitdir: ")?.trim()))
}

fn packed(common: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(common.join("packed-refs")).ok()?;
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let (hash, _) = lines.find(|(_, of)| *of == name)?;
    Some(hash.to_owned())
}

fn is_hash(text: &str) -> bool {
    text.len() >= 40 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_branches_packed_ones_and_worktrees() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        write("r/host/system.nix", "{ }");
        write("r/.git/HEAD", "ref: refs/heads/main\n");
        let host = folder.path().join("r/host/system.nix");
        assert_eq!(of(&host), None, "a branch without a commit");
        write(
            "r/.git/packed-refs",
            &format!("# pack\n{b} refs/heads/main\n"),
        );
        assert_eq!(of(&host), Some(b.clone()));
        write("r/.git/refs/heads/main", &format!("{a}\n"));
        assert_eq!(of(&host), Some(a.clone()));
        write("r/.git/HEAD", &format!("{b}\n"));
        assert_eq!(of(&host), Some(b.clone()), "no branch");
        write("w/.git", "gitdir: ../r/.git/worktrees/w\n");
        write("r/.git/worktrees/w/HEAD", "ref: refs/heads/main\n");
        write("r/.git/worktrees/w/commondir", "../..\n");
        assert_eq!(of(&folder.path().join("w")), Some(a));
        write("r/.git/HEAD", "ref: HEAD\n");
        assert_eq!(of(&host), None, "a circle");
        assert_eq!(of(Path::new("/")), None);
    }
}
