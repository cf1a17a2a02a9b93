//! The format of a segment file: frames of `length u32 · checksum u32 · kind u8 · body`, little-endian.
//! Length counts kind and body; the checksum is the beginning of their SHA-256. A frame that does not add up is damaged,
//! or was being written when the power went.

use dunlin_protocol::{Channel, message::RecordId};

/// Largest frame, in bytes: a message and its head.
pub const MAX_FRAME: usize = dunlin_protocol::message::MAX_BYTES + 64;

/// Bytes before kind and body.
pub const HEAD: usize = 8;

/// What a segment says, frame by frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A record to be delivered.
    Record {
        /// Where to.
        channel: Channel,
        /// Its identity.
        record: RecordId,
        /// The encoded message.
        bytes: Vec<u8>,
    },
    /// A record of this or an earlier segment was acknowledged.
    Acknowledged(RecordId),
    /// Records merged or dropped since enrolment.
    Dropped(u64),
    /// This segment holds everything that earlier ones held: they are void.
    Replaces,
}

impl Frame {
    /// Appends the frame's bytes to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend([0; HEAD]);
        match self {
            Frame::Record { channel, record, bytes } => {
                out.push(code(*channel));
                out.extend(record.boot.to_le_bytes());
                out.extend(record.sequence.to_le_bytes());
                out.extend(bytes);
            }
            Frame::Acknowledged(record) => {
                out.push(b'a');
                out.extend(record.boot.to_le_bytes());
                out.extend(record.sequence.to_le_bytes());
            }
            Frame::Dropped(total) => {
                out.push(b'd');
                out.extend(total.to_le_bytes());
            }
            Frame::Replaces => out.push(b'r'),
        }
        let body = out.len() - start - HEAD;
        let checksum = checksum_of(&out[start + HEAD..]);
        out[start..start + 4].copy_from_slice(&u32::try_from(body).unwrap_or(u32::MAX).to_le_bytes());
        out[start + 4..start + HEAD].copy_from_slice(&checksum.to_le_bytes());
    }

    /// Reads the frame at the beginning of `bytes` and its whole length; `None` where there is no sound frame.
    pub fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let length = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let checksum = u32::from_le_bytes(bytes.get(4..HEAD)?.try_into().ok()?);
        if length == 0 || length > MAX_FRAME {
            return None;
        }
        let content = bytes.get(HEAD..HEAD + length)?;
        let (kind, body) = content.split_first()?;
        // The kind first: looking for a frame at every place of a damaged file should not cost a hash each.
        if !b"adr".contains(kind) && channel(*kind).is_none() || checksum_of(content) != checksum {
            return None;
        }
        let record = || {
            let boot = u64::from_le_bytes(body.get(..8)?.try_into().ok()?);
            let sequence = u64::from_le_bytes(body.get(8..16)?.try_into().ok()?);
            Some(RecordId { boot, sequence })
        };
        let frame = match kind {
            b'a' => Frame::Acknowledged(record()?),
            b'd' => Frame::Dropped(u64::from_le_bytes(body.get(..8)?.try_into().ok()?)),
            b'r' => Frame::Replaces,
            kind => Frame::Record { channel: channel(*kind)?, record: record()?, bytes: body[16..].to_vec() },
        };
        Some((frame, HEAD + length))
    }
}

/// The whole length that the head at the beginning of `bytes` claims, where so many bytes are there.
pub fn claimed(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    (1..=MAX_FRAME).contains(&length).then_some(HEAD + length).filter(|whole| *whole <= bytes.len())
}

fn checksum_of(bytes: &[u8]) -> u32 {
    let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
    hash.as_ref().iter().take(4).fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}

fn code(channel: Channel) -> u8 {
    match channel {
        Channel::State => b'S',
        Channel::Desired => b'D',
        Channel::Window => b'W',
        Channel::Event => b'E',
        Channel::Sample => b'P',
        Channel::Command => b'C',
        Channel::Reply => b'R',
    }
}

fn channel(code_byte: u8) -> Option<Channel> {
    Channel::ALL.into_iter().find(|channel| code(*channel) == code_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames() -> Vec<Frame> {
        let record = RecordId { boot: 1 << 52, sequence: 7 };
        vec![
            Frame::Replaces,
            Frame::Record { channel: Channel::Window, record, bytes: vec![1, 2, 3] },
            Frame::Acknowledged(record),
            Frame::Dropped(9),
        ]
    }

    #[test]
    fn every_frame_reads_back() {
        for frame in frames() {
            let mut bytes = Vec::new();
            frame.write(&mut bytes);
            assert_eq!(Frame::read(&bytes), Some((frame, bytes.len())));
        }
    }

    #[test]
    fn a_cut_or_flipped_frame_is_no_frame() {
        for frame in frames() {
            let mut bytes = Vec::new();
            frame.write(&mut bytes);
            for end in 0..bytes.len() {
                assert_eq!(Frame::read(&bytes[..end]), None);
            }
            for at in 0..bytes.len() * 8 {
                let mut bent = bytes.clone();
                bent[at / 8] ^= 1 << (at % 8);
                assert_ne!(Frame::read(&bent).map(|(frame, _)| frame), Some(frame.clone()), "bit {at}");
            }
        }
    }
}
