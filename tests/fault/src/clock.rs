//! A node's clock, which can be set wrong while it runs: libfaketime shifts what the node reads. Its timers run on the
//! monotonic clock and are left alone.

use std::path::{Path, PathBuf};

/// Where Debian puts it.
const LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

pub struct NodeClock {
    file: PathBuf,
    ahead_s: i64,
}

impl NodeClock {
    #[must_use]
    pub fn new(folder: &Path, node: usize) -> Self {
        let mut clock = Self {
            file: folder.join(format!("clock-{node}")),
            ahead_s: 0,
        };
        clock.shift(0);
        clock
    }

    /// What the node's environment needs.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        let library = LIBRARIES.iter().find(|path| Path::new(path).exists());
        let library = library.expect("libfaketime; `make test` and `make fault` install it");
        let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        vec![
            text("LD_PRELOAD", library),
            text("FAKETIME_TIMESTAMP_FILE", &self.file.display().to_string()),
            text("FAKETIME_CACHE_DURATION", "1"),
            text("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            text("DONT_FAKE_MONOTONIC", "1"),
            text("NO_FAKE_STAT", "1"),
        ]
    }

    /// By so many seconds more; the node sees it within a second.
    pub fn shift(&mut self, seconds: i64) {
        self.ahead_s += seconds;
        // In one step: a node must not read half a number.
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{:+}\n", self.ahead_s)).unwrap();
        std::fs::rename(&new, &self.file).unwrap();
    }
}
