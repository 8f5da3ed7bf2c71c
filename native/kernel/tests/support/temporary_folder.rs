//! A folder for one test, gone when it is dropped. The unit tests have it, too.

use std::path::PathBuf;

pub struct TemporaryFolder(pub PathBuf);

impl TemporaryFolder {
    /// `name` is no other test's.
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("fsb-{}-{name}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.0.join(below)
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0); // What is left lies among temporary files.
    }
}
