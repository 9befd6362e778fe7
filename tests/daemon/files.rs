//! [`Files`]: a few files of one test, gone with it.

use std::fs;
use std::path::PathBuf;

/// A folder of one test.
pub(crate) struct Files(PathBuf);

impl Files {
    /// An empty one, of this name.
    pub(crate) fn new(name: &str) -> Files {
        let path = std::env::temp_dir().join(format!("chatd-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Files(path)
    }

    /// Where a file of this name is, whether it is there or not.
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file of this name; gives where it is.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
