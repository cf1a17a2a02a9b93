//! Blank lines in a table of one column: each is a row whose only cell is missing, and CSV readers skip them.

use std::io::{BufRead, BufReader, Read};

/// Gives what `source` gives, but a blank line between rows of a single column as an empty cell in quotes.
pub struct BlankLines<R> {
    source: BufReader<R>,
    state: State,
    quoted: bool,
    ready: Vec<u8>,
    taken: usize,
}

enum State {
    /// In the first line, which tells how many columns there are; whether anything stood in it.
    Header { begun: bool },
    /// Of a table with several columns: nothing is changed any more.
    Several,
    /// Of one column: the blank lines since the last row. Those at the end are no rows.
    Single { line_begins: bool, blank: usize },
}

impl<R: Read> BlankLines<R> {
    pub fn new(source: R) -> Self {
        let state = State::Header { begun: false };
        Self { source: BufReader::new(source), state, quoted: false, ready: Vec::new(), taken: 0 }
    }

    fn pass(&mut self, byte: u8) {
        self.quoted ^= byte == b'"';
        let line_ends = byte == b'\n' && !self.quoted;
        match &mut self.state {
            State::Header { .. } if byte == b',' && !self.quoted => self.state = State::Several,
            State::Header { begun: true } if line_ends => {
                self.state = State::Single { line_begins: true, blank: 0 };
            }
            State::Header { begun } => *begun |= !matches!(byte, b'\r' | b'\n'),
            State::Single { line_begins: true, blank } if line_ends => {
                *blank += 1;
                return;
            }
            State::Single { line_begins: true, .. } if byte == b'\r' => return,
            State::Single { line_begins, blank } => {
                for _ in 0..std::mem::take(blank) {
                    self.ready.extend_from_slice(b"\"\"\n");
                }
                *line_begins = line_ends;
            }
            State::Several => {}
        }
        self.ready.push(byte);
    }
}

impl<R: Read> Read for BlankLines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.taken == self.ready.len() {
            if matches!(self.state, State::Several) {
                return self.source.read(buffer);
            }
            self.ready.clear();
            self.taken = 0;
            let given = self.source.fill_buf()?.to_vec();
            if given.is_empty() {
                return Ok(0);
            }
            given.iter().for_each(|byte| self.pass(*byte));
            self.source.consume(given.len());
        }
        let count = buffer.len().min(self.ready.len() - self.taken);
        buffer[..count].copy_from_slice(&self.ready[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}
