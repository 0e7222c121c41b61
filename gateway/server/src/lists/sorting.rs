//! Sorting more rows than memory holds: sorted runs go to files without a name, and are merged.
//!
//! Rows in the order of their keys fill a database's index from one end, which is many times cheaper than here and
//! there; and rows of one key become neighbours, so each key is stored once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use store::ListEntry;

/// Keys and values that are sorted in memory at once, in bytes.
const RUN_BYTES: usize = 32 << 20;
/// Rows that are sorted in memory at once.
const RUN_ROWS: usize = 2 << 20;
/// Read ahead of each run, in bytes.
const READ_AHEAD: usize = 64 << 10;
/// Stands for the length of a value that is absent.
const NO_VALUE: u16 = u16::MAX;

/// Takes rows in the order of the file. Of rows with one key the last one counts.
pub struct Sorter {
    folder: PathBuf,
    run_bytes: usize,
    texts: Vec<u8>,
    slots: Vec<Slot>,
    runs: Vec<File>,
    repeated: u64,
}

/// Where a row is in the texts: its key, then its value.
#[derive(Clone, Copy)]
struct Slot {
    at: usize,
    key: u16,
    value: u16,
}

impl Slot {
    fn key_in(self, texts: &[u8]) -> &[u8] {
        let end = self.at + usize::from(self.key);
        texts.get(self.at..end).unwrap_or_default()
    }

    fn value_in(self, texts: &[u8]) -> &[u8] {
        let start = self.at + usize::from(self.key);
        let length = if self.value == NO_VALUE {
            0
        } else {
            usize::from(self.value)
        };
        texts.get(start..start + length).unwrap_or_default()
    }
}

impl Sorter {
    pub fn new(folder: &Path) -> Self {
        Self::with_run_bytes(folder, RUN_BYTES)
    }

    fn with_run_bytes(folder: &Path, run_bytes: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            run_bytes,
            texts: Vec::new(),
            slots: Vec::new(),
            runs: Vec::new(),
            repeated: 0,
        }
    }

    pub fn add(&mut self, entry: &ListEntry) -> io::Result<()> {
        let too_long = || io::Error::new(ErrorKind::InvalidInput, "a row that is longer than rows are");
        let key = u16::try_from(entry.key.len()).map_err(|_| too_long())?;
        let value = match &entry.value {
            None => NO_VALUE,
            Some(value) => u16::try_from(value.len())
                .ok()
                .filter(|length| *length != NO_VALUE)
                .ok_or_else(too_long)?,
        };
        let bytes = entry.key.len() + entry.value.as_ref().map_or(0, String::len);
        if self.texts.len() + bytes > self.run_bytes || self.slots.len() == RUN_ROWS {
            self.write_run()?;
        }
        let at = self.texts.len();
        self.texts.extend_from_slice(entry.key.as_bytes());
        self.texts
            .extend_from_slice(entry.value.as_deref().unwrap_or_default().as_bytes());
        self.slots.push(Slot { at, key, value });
        Ok(())
    }

    /// Sorts what is in memory and writes it down.
    fn write_run(&mut self) -> io::Result<()> {
        let texts = &self.texts;
        // Rows lie in the order of the file, so the place decides between equal keys.
        self.slots
            .sort_unstable_by(|a, b| a.key_in(texts).cmp(b.key_in(texts)).then(a.at.cmp(&b.at)));
        let mut run = BufWriter::new(tempfile::tempfile_in(&self.folder)?);
        let mut slots = self.slots.iter().peekable();
        while let Some(slot) = slots.next() {
            if slots
                .peek()
                .is_some_and(|next| next.key_in(texts) == slot.key_in(texts))
            {
                self.repeated += 1;
                continue;
            }
            run.write_all(&slot.key.to_be_bytes())?;
            run.write_all(&slot.value.to_be_bytes())?;
            run.write_all(slot.key_in(texts))?;
            run.write_all(slot.value_in(texts))?;
        }
        let mut run = run.into_inner().map_err(io::IntoInnerError::into_error)?;
        run.seek(SeekFrom::Start(0))?;
        self.runs.push(run);
        self.texts.clear();
        self.slots.clear();
        Ok(())
    }

    pub fn finish(mut self) -> io::Result<Sorted> {
        self.write_run()?;
        let mut sorted = Sorted {
            runs: Vec::with_capacity(self.runs.len()),
            heads: BinaryHeap::with_capacity(self.runs.len()),
            repeated: self.repeated,
        };
        for (number, run) in self.runs.into_iter().enumerate() {
            sorted.runs.push(BufReader::with_capacity(READ_AHEAD, run));
            sorted.advance(number)?;
        }
        Ok(sorted)
    }
}

/// The next row of a run: its key, the run's number, its value.
type Head = (Reverse<Vec<u8>>, usize, Option<Vec<u8>>);

/// The rows in the order of their keys' bytes, each key once.
pub struct Sorted {
    runs: Vec<BufReader<File>>,
    /// The smallest key first; of one key the latest run first.
    heads: BinaryHeap<Head>,
    repeated: u64,
}

impl Sorted {
    /// Rows that were left out so far because a later one had their key.
    pub fn repeated(&self) -> u64 {
        self.repeated
    }

    /// Up to `rows` further rows; empty at the end.
    pub fn next_batch(&mut self, rows: usize) -> io::Result<Vec<ListEntry>> {
        let mut batch = Vec::with_capacity(rows);
        while batch.len() < rows {
            let Some((Reverse(key), run, value)) = self.heads.pop() else {
                break;
            };
            self.advance(run)?;
            while let Some((Reverse(next), earlier, _)) = self.heads.peek() {
                if *next != key {
                    break;
                }
                let earlier = *earlier;
                self.heads.pop();
                self.advance(earlier)?;
                self.repeated += 1;
            }
            batch.push(ListEntry {
                key: text(key)?,
                value: value.map(text).transpose()?,
            });
        }
        Ok(batch)
    }

    /// Puts the next row of a run into the heap, if there is one.
    fn advance(&mut self, number: usize) -> io::Result<()> {
        let Some(run) = self.runs.get_mut(number) else {
            return Ok(());
        };
        let mut length = [0; 2];
        match run.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
        let mut key = vec![0; usize::from(u16::from_be_bytes(length))];
        run.read_exact(&mut length)?;
        run.read_exact(&mut key)?;
        let value = match u16::from_be_bytes(length) {
            NO_VALUE => None,
            length => {
                let mut value = vec![0; usize::from(length)];
                run.read_exact(&mut value)?;
                Some(value)
            }
        };
        self.heads.push((Reverse(key), number, value));
        Ok(())
    }
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        // Each case makes a file for nearly each of its rows.
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Against a map, with runs so small that every case has several.
        #[test]
        fn rows_come_sorted_and_the_last_of_a_key_counts(
            rows in prop::collection::vec(("[a-cé]{0,3}", prop::option::of("[x-z]{0,4}")), 0..60),
            run_bytes in 1_usize..100,
            batch in 1_usize..20,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let mut sorter = Sorter::with_run_bytes(folder.path(), run_bytes);
            let mut expected = BTreeMap::new();
            for (key, value) in &rows {
                sorter.add(&ListEntry { key: key.clone(), value: value.clone() }).unwrap();
                expected.insert(key.clone(), value.clone());
            }
            let mut sorted = sorter.finish().unwrap();
            let mut found = Vec::new();
            loop {
                let next = sorted.next_batch(batch).unwrap();
                if next.is_empty() {
                    break;
                }
                prop_assert!(next.len() <= batch);
                found.extend(next.into_iter().map(|entry| (entry.key, entry.value)));
            }
            prop_assert_eq!(sorted.repeated() as usize, rows.len() - expected.len());
            prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }
}
