//! Segment files `NUMBER.seg`: appended, flushed, read back frame by frame past whatever is damaged.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use super::frame::{Frame, HEAD, MAX_FRAME, claimed};
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

/// What a segment gave back.
#[derive(Debug)]
pub struct Recovered {
    /// Its sound frames.
    pub frames: Vec<Placed>,
    /// Damaged frames, at least. A write that was under way when the power went is none.
    pub lost: u64,
    /// Bytes of the file.
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
        } else if name.ends_with(".new")
            && let Err(error) = fs::remove_file(folder.join(&*name))
        {
            tracing::warn!(%error, name = &*name, "a half-written file of the spool stays");
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Reads a segment. A torn tail is cut off; damage before the end is skipped and counted.
pub fn recover(path: &Path) -> io::Result<Recovered> {
    let bytes = fs::read(path)?;
    let (mut frames, mut lost, mut offset) = (Vec::new(), 0, 0_usize);
    while offset < bytes.len() {
        if let Some((frame, length)) = Frame::read(&bytes[offset..]) {
            frames.push(Placed { frame, offset: offset as u64, length: length as u64 });
            offset += length;
            continue;
        }
        let (next, damaged) = behind(&bytes, offset);
        lost += damaged;
        match next {
            Some(next) => offset = next,
            None => {
                // Damaged frames stay until the spool is written anew with their count.
                let length = if damaged == 0 && cut(path, offset) { offset } else { bytes.len() };
                return Ok(Recovered { frames, lost, length: length as u64 });
            }
        }
    }
    Ok(Recovered { frames, lost, length: offset as u64 })
}

/// Where the next sound frame behind an unsound one begins, and how many frames were damaged. Most of a frame is its
/// body, so the length that its head claims usually leads to the next; else every place is tried.
fn behind(bytes: &[u8], offset: usize) -> (Option<usize>, u64) {
    let (mut at, mut damaged) = (offset, 0);
    while let Some(length) = claimed(&bytes[at..]) {
        at += length;
        damaged += 1;
        if Frame::read(&bytes[at..]).is_some() {
            return (Some(at), damaged);
        }
    }
    match (offset + 1..bytes.len()).find(|at| Frame::read(&bytes[*at..]).is_some()) {
        Some(at) => (Some(at), 1),
        None => (None, damaged),
    }
}

/// Cuts a torn tail off; false where the disk refuses. What comes next is found behind it then.
fn cut(path: &Path, length: usize) -> bool {
    tracing::warn!(path = %path.display(), length, "a torn tail is cut off the spool");
    let cut = || {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(length as u64)?;
        file.sync_all()
    };
    cut().inspect_err(|error: &io::Error| tracing::warn!(%error, "it stays")).is_ok()
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

/// True where reading again cannot help: the bytes are wrong, or no longer there. Too many open files, for one, pass.
pub fn is_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, NotFound, UnexpectedEof};
    matches!(error.kind(), InvalidData | NotFound | UnexpectedEof)
}

/// The segment that is written to. Its file is opened when it is first needed.
#[derive(Debug)]
pub struct Writer {
    /// Its number.
    pub number: u64,
    /// Bytes written.
    pub length: u64,
    path: PathBuf,
    file: Option<File>,
    spoilt: bool,
}

impl Writer {
    /// A segment of so many bytes, to be continued at its end.
    pub fn new(folder: &Path, number: u64, length: u64) -> Self {
        Self { number, length, path: path(folder, number), file: None, spoilt: false }
    }

    /// True when its end on disk is not known: the next frame belongs into another segment.
    pub fn is_spoilt(&self) -> bool {
        self.spoilt
    }

    /// Appends a frame and says where it stands. On failure the file is cut back to what it was.
    pub fn append(&mut self, frame: &Frame, flush: bool) -> io::Result<(u64, u64)> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(open(&self.path)?),
        };
        let mut bytes = Vec::new();
        frame.write(&mut bytes);
        let written = file.write_all(&bytes).and_then(|()| if flush { file.sync_data() } else { Ok(()) });
        if let Err(error) = written {
            self.spoilt = file.set_len(self.length).is_err();
            return Err(error);
        }
        let offset = self.length;
        self.length += bytes.len() as u64;
        Ok((offset, bytes.len() as u64))
    }
}

fn open(path: &Path) -> io::Result<File> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    durable::sync_folder(folder)?;
    Ok(file)
}
