//! What the tests outside the packages share: where the repository is, and where its programs are.
//!
//! These tests are black boxes: they start programs and speak MQTT and HTTP to them, or read the repository as
//! text. They import no package whose inside they could come to depend on. [`programs`] starts and ends programs,
//! [`fleet`] has a server and devices of its own in a folder that goes with it.

pub mod fleet;
pub mod programs;

use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};

/// The repository's root folder: asked for when the test runs, because a build folder may serve several clones.
pub fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let package =
            std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        // The package sits in the folder `tests` of the root.
        Path::new(&package).parent().map(Path::to_owned).unwrap_or_default()
    });
    &ROOT
}

/// A program of this workspace, built beside this test. The error says how to build it.
pub fn program(name: &str) -> Result<PathBuf, String> {
    let this = std::env::current_exe().map_err(|error| format!("this test has no path: {error}"))?;
    // …/debug/deps/test-hash → …/debug/name
    let folder = this.parent().and_then(Path::parent).ok_or("this test lies in no build folder")?;
    let path = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!("{name} is not built in {}; run `make build` first", folder.display()))
    }
}
