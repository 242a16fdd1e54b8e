//! What manifests name: files, units, rules, packages and scripts, made once for all hosts of this process.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use system_manager::face::model::sha256_of;
use tempfile::TempDir;

/// A folder with all of it.
pub struct Sources(TempDir);

/// A script ends well or not; each says that it ran.
const SCRIPTS: [(&str, u8); 2] = [("script-well", 0), ("script-fails", 1)];

impl Sources {
    /// Gives the one of this process.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Sources> = OnceLock::new();
        SHARED.get_or_init(|| {
            let sources = Self(crate::world::scratch());
            sources.make();
            sources
        })
    }

    fn folder(&self) -> &Path {
        self.0.path()
    }

    /// Gives the path of a source; there may be none of this name.
    pub fn path(&self, name: &str) -> String {
        self.folder().join(name).to_str().unwrap().to_owned()
    }

    /// Gives the path of a unit's file, in one of its versions.
    pub fn unit(&self, version: &str, name: &str) -> String {
        let text = match (version, name.rsplit('.').next().unwrap()) {
            ("addition", _) => "[Unit]\nDescription=more\n",
            ("other", "service") => "[Service]\nExecStart=/bin/false\n",
            (_, "service") => "[Service]\nExecStart=/bin/true\n",
            (_, "timer") => "[Timer]\nOnBootSec=1h\n",
            (_, "socket") => "[Socket]\nListenStream=/run/x\n",
            (_, "path") => "[Path]\nPathExists=/x\n",
            (_, "mount") => "[Mount]\nWhat=tmpfs\nWhere=/mnt/x\nType=tmpfs\n",
            (_, "automount") => "[Automount]\nWhere=/mnt/y\n",
            (_, "swap") => "[Swap]\nWhat=/dev/x\n",
            _ => "[Unit]\nDescription=it\n",
        };
        self.write(&format!("units/{version}/{name}"), text)
    }

    /// Gives the path of a file with these rules of tmpfiles.
    pub fn rules(&self, text: &str) -> String {
        let name = sha256_of(text.as_bytes()).unwrap();
        self.write(&format!("rules/{}", &name[..24]), text)
    }

    /// Writes a file whose text is always the same; by rename, for tests that run beside this one.
    fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder().join(name);
        if !path.exists() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let partial = path.with_extension(format!("{:?}", std::thread::current().id()));
            fs::write(&partial, text).unwrap();
            fs::rename(partial, &path).unwrap();
        }
        path.to_str().unwrap().to_owned()
    }

    /// Writes the toplevel of a manifest, and gives its path.
    pub fn toplevel(&self, manifest: &serde_json::Value) -> PathBuf {
        let text = manifest.to_string();
        let name = sha256_of(text.as_bytes()).unwrap();
        let path = self.write(&format!("toplevels/{}/manifest.json", &name[..24]), &text);
        Path::new(&path).parent().unwrap().to_owned()
    }

    fn make(&self) {
        for (name, text) in [
            ("text-0", "zero\n"),
            ("text-1", "one\n"),
            ("text-2", "two, without an end"),
            ("empty", ""),
            ("folder/one.conf", "one\n"),
            ("folder/two", "two\n"),
            ("folder/deep/three", "three\n"),
            ("sw/bin/hello", "#!/bin/sh\n"),
            (
                "package-0/lib/systemd/system/packaged.service",
                "[Service]\nExecStart=/bin/true\n",
            ),
            (
                "package-0/lib/systemd/system/host.service.d/packaged.conf",
                "[Unit]\nDescription=packaged\n",
            ),
            (
                "package-0/etc/systemd/user/packaged.service",
                "[Service]\nExecStart=/bin/true\n",
            ),
            (
                "package-0/lib/tmpfiles.d/packaged.conf",
                "d /tmpf/packaged 0750 root root -\n",
            ),
            (
                "package-1/etc/systemd/system/packaged.timer",
                "[Timer]\nOnBootSec=2h\n",
            ),
        ] {
            self.write(name, text);
        }
        let folder = self.folder();
        fs::write(folder.join("not-utf-8"), b"\xff\xfe\x00\n").unwrap();
        fs::write(folder.join("large"), "x".repeat(20_000)).unwrap();
        symlink("text-0", folder.join("link")).unwrap();
        symlink("nowhere", folder.join("dangling")).unwrap();
        nix::unistd::mkfifo(&folder.join("pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        for (name, status) in SCRIPTS {
            let text = format!("#!/bin/sh\necho {name} >>/ran\nexit {status}\n");
            let path = self.write(name, &text);
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    /// Gives a host the scripts at the paths that manifests name, and a shell to run them. Without one, each fails.
    pub fn install_scripts(&self, root: &Path) {
        let place = |from: &Path, to: PathBuf| {
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            // By another process: what this one has open for writing, nobody can run.
            let status = Command::new("cp")
                .args(["-p", "--reflink=auto"])
                .arg(from)
                .arg(to)
                .status();
            assert!(status.unwrap().success());
        };
        for (name, _) in SCRIPTS {
            let path = self.path(name);
            place(Path::new(&path), root.join(&path[1..]));
        }
        let busybox = ["/usr/bin/busybox", "/bin/busybox"].map(Path::new);
        if let Some(busybox) = busybox.into_iter().find(|b| b.exists()) {
            place(busybox, root.join("bin/sh"));
        }
    }
}
