//! A small disk of one's own, which can be full.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::geteuid;
use tempfile::TempDir;

const BALLAST: &str = "ballast";
static CHUNK: [u8; 64 * 1024] = [0; 64 * 1024];

pub struct Disk {
    folder: TempDir,
    mounted: bool,
}

impl Disk {
    /// A file system of this size in memory; only root may make one, for others it is a folder that never gets full.
    #[must_use]
    pub fn new(megabytes: u32) -> Self {
        let folder = folder();
        let size = format!("size={megabytes}m,mode=1777");
        let mounted = geteuid().is_root()
            && mount(
                Some("tmpfs"),
                folder.path(),
                Some("tmpfs"),
                MsFlags::empty(),
                Some(size.as_str()),
            )
            .is_ok();
        Self { folder, mounted }
    }

    /// As large as the machine's; it never gets full.
    #[must_use]
    pub fn of_the_machine() -> Self {
        Self {
            folder: folder(),
            mounted: false,
        }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn ballast(&self) -> PathBuf {
        self.path().join(BALLAST)
    }

    /// Takes what is free; false when it cannot.
    pub fn fill(&self) -> bool {
        if !self.mounted {
            return false;
        }
        let mut file = std::fs::File::create(self.ballast()).unwrap();
        while file.write_all(&CHUNK).is_ok() {}
        true
    }

    pub fn free(&self) {
        let _ = std::fs::remove_file(self.ballast());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.mounted {
            // Whoever still has a file open keeps it until they end.
            let _ = umount2(self.path(), MntFlags::MNT_DETACH);
        }
    }
}

/// PostgreSQL is not root, and its data are in here.
fn folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("tollgate-disk-").tempdir().unwrap();
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    folder
}
