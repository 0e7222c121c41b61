//! As much of PostgreSQL's wire protocol (version 3) as it takes to see a commit.

/// Of a command's tag this much is kept, in bytes.
const TAG_BYTES_MAX: usize = 64;
const HEAD_BYTES: usize = 5;

/// Whether a client's bytes ask to commit; drivers send it as a simple query.
pub fn asks_to_commit(bytes: &[u8]) -> bool {
    bytes.windows(7).any(|window| window == b"COMMIT\0")
}

/// Reads a server's messages: type, length, body.
#[derive(Default)]
pub struct Words {
    head: Vec<u8>,
    body: Vec<u8>,
    left: usize,
    /// A statement outside a transaction changed rows; it is durable once the server is ready again.
    wrote: bool,
    begun: bool,
}

impl Words {
    /// Whether these bytes bring the news of a commit.
    pub fn tell_of_commit(&mut self, bytes: &[u8]) -> bool {
        // The answer to the question for TLS is one byte and no message.
        if !self.begun && bytes.len() == 1 {
            return false;
        }
        self.begun = true;
        let mut commits = false;
        for byte in bytes {
            commits |= self.take(*byte);
        }
        commits
    }

    fn take(&mut self, byte: u8) -> bool {
        if self.head.len() < HEAD_BYTES {
            self.head.push(byte);
            if self.head.len() == HEAD_BYTES {
                let length = u32::from_be_bytes([self.head[1], self.head[2], self.head[3], self.head[4]]);
                self.left = (length as usize).saturating_sub(4);
            }
        } else {
            self.left -= 1;
            if self.body.len() < TAG_BYTES_MAX {
                self.body.push(byte);
            }
        }
        if self.head.len() < HEAD_BYTES || self.left > 0 {
            return false;
        }
        let commits = self.message(self.head[0]);
        self.head.clear();
        self.body.clear();
        commits
    }

    fn message(&mut self, kind: u8) -> bool {
        match kind {
            // CommandComplete
            b'C' => {
                let tag = self.body.split(|byte| *byte == 0).next().unwrap_or_default();
                let writes = [&b"INSERT"[..], b"UPDATE", b"DELETE"]
                    .iter()
                    .any(|word| tag.starts_with(word));
                self.wrote |= writes && !tag.ends_with(b" 0");
                tag == b"COMMIT"
            }
            // ReadyForQuery: idle, or within a transaction
            b'Z' => {
                let durable = self.wrote && self.body.first() == Some(&b'I');
                self.wrote &= self.body.first() != Some(&b'I');
                durable
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [&[kind][..], &length.to_be_bytes(), body].concat()
    }

    #[test]
    fn a_commit_is_seen_however_it_is_cut() {
        let quiet = [
            message(b'T', b"some rows"),
            message(b'C', b"SELECT 3\0"),
            message(b'Z', b"I"),
        ]
        .concat();
        let inside = [message(b'C', b"INSERT 0 1\0"), message(b'Z', b"T")].concat();
        let commit = [message(b'C', b"COMMIT\0"), message(b'Z', b"I")].concat();
        let alone = [message(b'C', b"UPDATE 2\0"), message(b'Z', b"I")].concat();
        for cut in 1..8 {
            let mut words = Words {
                begun: true,
                ..Words::default()
            };
            let mut tell = |bytes: &[u8]| bytes.chunks(cut).any(|bytes| words.tell_of_commit(bytes));
            assert!(!tell(&quiet));
            assert!(!tell(&inside));
            assert!(tell(&commit));
            let mut words = Words {
                begun: true,
                ..Words::default()
            };
            let mut tell = |bytes: &[u8]| {
                bytes
                    .chunks(cut)
                    .fold(false, |seen, bytes| seen | words.tell_of_commit(bytes))
            };
            assert!(tell(&alone));
            assert!(!tell(&quiet));
        }
        assert!(asks_to_commit(b"Q\0\0\0\x0bCOMMIT\0"));
        assert!(!asks_to_commit(b"Q\0\0\0\x0aBEGIN\0"));
    }
}
