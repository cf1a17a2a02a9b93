//! Writes every page with sample values into a folder: `cargo run -p dunlin-dashboard --example gallery -- DIR`.

#[path = "../tests/sample/mod.rs"]
mod sample;

use std::{fs, io, path::PathBuf};

fn main() -> io::Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "gallery".to_owned()));
    fs::create_dir_all(folder.join("assets"))?;
    for file in ["dunlin.css", "dunlin.js", "icon.svg"] {
        if let Some(asset) = dunlin_dashboard::assets::get(file) {
            fs::write(folder.join("assets").join(file), asset.bytes)?;
        }
    }
    for (name, page) in sample::pages("") {
        // Opened as a file, an address that begins at the root would leave the folder.
        let page = page.replace("=\"/assets/", "=\"assets/");
        fs::write(folder.join(format!("{name}.html")), page)?;
    }
    Ok(())
}
