//! Segment files `NUMBER.seg`: appended, flushed, read back up to the first unsound frame.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use super::frame::{Frame, HEAD, MAX_FRAME};
use crate::durable;

/// A frame and where it stands.
#[derive(Debug)]
pub struct Placed {
    /// The frame.
    pub frame: Frame,
    /// Offset in its file.
    pub offset: u64,
    /// Bytes it takes.
    pub length: u64,
}

/// The file of a segment.
pub fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:020}.seg"))
}

/// Numbers of the segments that are there, rising. Files left half-written by a compaction are removed.
pub fn list(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        if let Some(number) = name.strip_suffix(".seg").and_then(|stem| stem.parse().ok()) {
            numbers.push(number);
        } else if name.ends_with(".new") {
            fs::remove_file(folder.join(&*name))?;
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Reads a segment up to its first unsound frame, which is where a torn write began; the tail is cut off.
/// Returns the frames and the number of bytes that were cut.
pub fn recover(path: &Path) -> io::Result<(Vec<Placed>, u64)> {
    let bytes = fs::read(path)?;
    let (mut frames, mut offset) = (Vec::new(), 0_usize);
    while let Some((frame, length)) = Frame::read(bytes.get(offset..).unwrap_or_default()) {
        frames.push(Placed { frame, offset: offset as u64, length: length as u64 });
        offset += length;
    }
    let torn = (bytes.len() - offset) as u64;
    if torn > 0 {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(offset as u64)?;
        file.sync_all()?;
    }
    Ok((frames, torn))
}

/// Reads one frame.
pub fn read_at(path: &Path, offset: u64, length: u64) -> io::Result<Frame> {
    let length = usize::try_from(length).unwrap_or(usize::MAX).min(MAX_FRAME + HEAD);
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes)?;
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the record on disk is damaged");
    Frame::read(&bytes).map(|(frame, _)| frame).ok_or_else(damaged)
}

/// The segment that is written to.
#[derive(Debug)]
pub struct Writer {
    /// Its number.
    pub number: u64,
    /// Bytes written.
    pub length: u64,
    file: File,
}

impl Writer {
    /// Opens a segment at its end, making it if need be.
    pub fn open(folder: &Path, number: u64) -> io::Result<Self> {
        let path = path(folder, number);
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        let length = file.metadata()?.len();
        durable::sync_folder(folder)?;
        Ok(Self { number, length, file })
    }

    /// Appends a frame and says where it stands. On failure the file is cut back to what it was.
    pub fn append(&mut self, frame: &Frame, flush: bool) -> io::Result<(u64, u64)> {
        let mut bytes = Vec::new();
        frame.write(&mut bytes);
        let written =
            self.file.write_all(&bytes).and_then(|()| if flush { self.file.sync_data() } else { Ok(()) });
        if let Err(error) = written {
            self.file.set_len(self.length)?;
            return Err(error);
        }
        let offset = self.length;
        self.length += bytes.len() as u64;
        Ok((offset, bytes.len() as u64))
    }
}
