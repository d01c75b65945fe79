//! Vectors of passages in a file that only grows: kept by the hash of what they were made of, found by a scan of all
//! of them. Knows no text and no encoder.
//!
//! A header is followed by records of one size: a key, a check sum, a scale, and a signed byte a number. What a killed
//! writer left half done fails its check and is written over; readers map what was whole when they opened the file.

use std::collections::{BinaryHeap, HashSet};
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use memmap2::Mmap;
use rayon::prelude::*;

use crate::kernel::byte_products;

/// The first bytes of the hash of an embedded text, and its [`group`](Key::group).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key(pub(super) [u8; KEY_BYTES]);

const KEY_BYTES: usize = 16;
/// The key, a check sum and a scale.
const RECORD_HEAD: usize = KEY_BYTES + 4 + 4;
const MAGIC: &[u8; 8] = b"PRECISV1";
/// The magic, the numbers of a vector, and the first bytes of the encoder's digest.
const HEADER: usize = 8 + 8 + 16;

impl Key {
    /// Which language the text is in: the best of each are found apart, so that none is crowded out.
    pub(super) fn group(self) -> u8 {
        self.0[KEY_BYTES - 1]
    }
}

/// A file of vectors, as it was when it was opened.
pub(super) struct Vectors {
    path: PathBuf,
    header: [u8; HEADER],
    n_dims: usize,
    n_records: usize,
    map: Option<Mmap>,
}

impl Vectors {
    /// Opens the file at `path`, or makes an empty one if there is none of this encoder. To be called under a lock.
    pub(super) fn open(path: &Path, encoder_sha256: &str, n_dims: usize) -> Result<Vectors> {
        let mut header = [0; HEADER];
        header[..8].copy_from_slice(MAGIC);
        header[8..16].copy_from_slice(&(n_dims as u64).to_le_bytes());
        let encoder = &encoder_sha256.as_bytes()[..encoder_sha256.len().min(16)];
        header[16..16 + encoder.len()].copy_from_slice(encoder);
        let mut vectors = Vectors { path: path.to_owned(), header, n_dims, n_records: 0, map: None };
        vectors.map()?;
        let good = |record: &[u8]| record[KEY_BYTES..KEY_BYTES + 4] == check(record);
        vectors.n_records = vectors.records().take_while(|record| good(record)).count();
        Ok(vectors)
    }

    /// Numbers in a vector.
    pub(super) fn n_dims(&self) -> usize {
        self.n_dims
    }

    /// The keys of all vectors.
    pub(super) fn keys(&self) -> HashSet<Key> {
        self.records().map(key).collect()
    }

    /// Adds vectors, and returns when the disk has them.
    pub(super) fn append(&mut self, vectors: &[(Key, Vec<f32>)]) -> Result<()> {
        let failed = || format!("failed to write `{}`", self.path.display());
        let mut bytes = Vec::with_capacity(vectors.len() * self.record_bytes());
        for (key, vector) in vectors {
            ensure!(vector.len() == self.n_dims, "a vector has {} numbers", vector.len());
            let (scale, quants) = quantize(vector);
            let start = bytes.len();
            bytes.extend(key.0);
            bytes.extend([0; 4]);
            bytes.extend(scale.to_le_bytes());
            bytes.extend(quants.iter().map(|q| *q as u8));
            let sum = check(&bytes[start..]);
            bytes[start + KEY_BYTES..start + KEY_BYTES + 4].copy_from_slice(&sum);
        }
        let mut file =
            File::options().create(true).truncate(false).write(true).open(&self.path).with_context(failed)?;
        let end = (HEADER + self.n_records * self.record_bytes()) as u64;
        if self.map.is_none() {
            file.set_len(0).with_context(failed)?;
            file.write_all(&self.header).with_context(failed)?;
        }
        file.seek(SeekFrom::Start(end)).with_context(failed)?;
        file.write_all(&bytes).with_context(failed)?;
        file.set_len(end + bytes.len() as u64).with_context(failed)?;
        file.sync_data().with_context(failed)?;
        self.map()
    }

    /// Drops the vectors that `live` does not hold, in a new file that takes the place of the old one.
    pub(super) fn retain(&mut self, live: &HashSet<Key>) -> Result<()> {
        let failed = || format!("failed to write `{}`", self.path.display());
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).with_context(failed)?;
        let kept: Vec<&[u8]> = self.records().filter(|record| live.contains(&key(record))).collect();
        file.write_all(&[&self.header[..], &kept.concat()].concat()).with_context(failed)?;
        file.as_file().sync_all().with_context(failed)?;
        file.persist(&self.path).with_context(failed)?;
        self.map()
    }

    /// Of those that are `wanted`, the `n` vectors of each group that are closest to `question`, by the cosine of vectors
    /// of length 1.
    pub(super) fn nearest(&self, question: &[f32], n: usize, wanted: &(dyn Fn(Key) -> bool + Sync)) -> Vec<(Key, f32)> {
        const RECORDS_A_THREAD: usize = 1 << 14;
        const RECORDS_A_RUN: usize = 256;
        let (scale, question) = quantize(question);
        let question: Vec<i16> = question.into_iter().map(i16::from).collect();
        let n_bytes = self.record_bytes();
        let scan = |records: &[u8]| {
            let mut best: [BinaryHeap<Near>; N_GROUPS] = Default::default();
            let mut products = Vec::new();
            for run in records.chunks(RECORDS_A_RUN * n_bytes) {
                byte_products(&question, run, n_bytes, &mut products);
                for (record, product) in run.chunks_exact(n_bytes).zip(&products) {
                    let (_, own_scale) = record.split_at(KEY_BYTES + 4);
                    let own_scale = own_scale.first_chunk().expect("a record has a scale");
                    let near =
                        Near { cosine: *product as f32 * f32::from_le_bytes(*own_scale) * scale, key: key(record) };
                    let heap = &mut best[usize::from(near.key.group()) % N_GROUPS];
                    let is_full = heap.len() == n;
                    let is_too_far = is_full && heap.peek().is_none_or(|worst| near >= *worst);
                    if is_too_far || !wanted(near.key) {
                        continue;
                    }
                    if is_full {
                        heap.pop();
                    }
                    heap.push(near);
                }
            }
            best.map(BinaryHeap::into_vec).concat()
        };
        let parts = self.bytes().par_chunks(RECORDS_A_THREAD * n_bytes);
        let mut found: Vec<Near> = parts.flat_map_iter(scan).collect();
        found.sort();
        let mut room = [n; N_GROUPS];
        found.retain(|near| {
            let room = &mut room[usize::from(near.key.group()) % N_GROUPS];
            let has_room = *room > 0;
            *room = room.saturating_sub(1);
            has_room
        });
        found.into_iter().map(|near| (near.key, near.cosine)).collect()
    }

    /// How many vectors there are.
    pub(super) fn len(&self) -> usize {
        self.n_records
    }

    fn record_bytes(&self) -> usize {
        RECORD_HEAD + self.n_dims
    }

    fn bytes(&self) -> &[u8] {
        let bytes = self.map.as_deref().map_or(&[][..], |map| &map[HEADER..]);
        &bytes[..self.n_records * self.record_bytes()]
    }

    fn records(&self) -> std::slice::ChunksExact<'_, u8> {
        self.bytes().chunks_exact(self.record_bytes())
    }

    /// Maps the file as it is now; not at all if it is absent or of another encoder.
    fn map(&mut self) -> Result<()> {
        let failed = || format!("failed to read `{}`", self.path.display());
        self.map = None;
        self.n_records = 0;
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).with_context(failed),
        };
        // SAFETY: writers only write behind what is whole, or put another file in the place of this one.
        let map = unsafe { Mmap::map(&file) }.with_context(failed)?;
        if map.starts_with(&self.header) {
            self.n_records = (map.len() - HEADER) / self.record_bytes();
            self.map = Some(map);
        } else {
            drop(map);
            fs::remove_file(&self.path).with_context(failed)?;
        }
        Ok(())
    }
}

/// Languages whose best are kept apart.
const N_GROUPS: usize = 2;

/// A vector found, the nearest being the least; equal ones are ordered by their keys.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Near {
    cosine: f32,
    key: Key,
}

impl Eq for Near {}

impl Ord for Near {
    fn cmp(&self, other: &Near) -> std::cmp::Ordering {
        other.cosine.total_cmp(&self.cosine).then(self.key.cmp(&other.key))
    }
}

impl PartialOrd for Near {
    fn partial_cmp(&self, other: &Near) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

fn key(record: &[u8]) -> Key {
    Key(*record.first_chunk().expect("a record has a key"))
}

/// Sums what stands before and after the sum, word by word, so that moved and missing bytes are noticed.
fn check(record: &[u8]) -> [u8; 4] {
    let mix = |sum: u64, word: &[u8]| {
        let mut bytes = [0; 8];
        bytes[..word.len()].copy_from_slice(word);
        (sum.rotate_left(5) ^ u64::from_le_bytes(bytes)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    };
    let parts = [&record[..KEY_BYTES], &record[KEY_BYTES + 4..]];
    let sum = parts.iter().flat_map(|part| part.chunks(8)).fold(1, mix);
    ((sum >> 32) as u32).to_le_bytes()
}

/// A vector as signed bytes and the number that they are to be multiplied by.
fn quantize(vector: &[f32]) -> (f32, Vec<i8>) {
    let largest = vector.iter().fold(0f32, |largest, x| largest.max(x.abs()));
    let scale = largest / 127.0;
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    (scale, vector.iter().map(|x| (x * inverse).round() as i8).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(seed: usize) -> Vec<f32> {
        let number = |i: usize| ((seed * 31 + i * 17) as f32 * 0.7).sin();
        let numbers: Vec<f32> = (0..64).map(number).collect();
        let length = numbers.iter().map(|x| x * x).sum::<f32>().sqrt();
        numbers.iter().map(|x| x / length).collect()
    }

    fn keyed(seed: usize) -> (Key, Vec<f32>) {
        let mut bytes = [0; KEY_BYTES];
        bytes[0] = seed as u8;
        bytes[KEY_BYTES - 1] = (seed % 2) as u8;
        (Key(bytes), vector(seed))
    }

    fn seeds(found: &[(Key, f32)]) -> Vec<u8> {
        found.iter().map(|(key, _)| key.0[0]).collect()
    }

    #[test]
    fn the_nearest_of_each_group_are_those_of_a_plain_comparison() {
        let folder = tempfile::tempdir().unwrap();
        let mut vectors = Vectors::open(&folder.path().join("v"), "ab", 64).unwrap();
        vectors.append(&(0..100).map(keyed).collect::<Vec<_>>()).unwrap();
        vectors.append(&(100..200).map(keyed).collect::<Vec<_>>()).unwrap();
        let question = vector(777);
        let cosine = |seed: usize| vector(seed).iter().zip(&question).map(|(a, b)| a * b).sum::<f32>();
        let found = vectors.nearest(&question, 5, &|_| true);
        for group in 0..2 {
            let mut expected: Vec<usize> = (0..200).filter(|seed| seed % 2 == group).collect();
            expected.sort_by(|a, b| cosine(*b).total_cmp(&cosine(*a)));
            let of_group = found.iter().filter(|(key, _)| usize::from(key.group()) == group);
            for ((key, found), seed) in of_group.zip(expected) {
                assert!((found - cosine(seed)).abs() < 0.01, "{key:?}");
            }
        }
        assert_eq!(found.len(), 10);
        assert!(found.is_sorted_by(|a, b| a.1 >= b.1));
    }

    #[test]
    fn what_a_killed_writer_left_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v");
        let mut vectors = Vectors::open(&path, "ab", 64).unwrap();
        assert!(vectors.nearest(&vector(1), 3, &|_| true).is_empty());
        vectors.append(&[keyed(1), keyed(2), keyed(3)]).unwrap();
        let whole = fs::read(&path).unwrap();
        for cut in [0, 5, HEADER, HEADER + 7, whole.len() - 1, whole.len()] {
            for damage in [&[][..], &[0; 500]] {
                fs::write(&path, [&whole[..cut], damage].concat()).unwrap();
                let mut vectors = Vectors::open(&path, "ab", 64).unwrap();
                let n_whole = cut.saturating_sub(HEADER) / (RECORD_HEAD + 64);
                assert_eq!(vectors.len(), n_whole, "{cut}");
                vectors.append(&[keyed(9)]).unwrap();
                let vectors = Vectors::open(&path, "ab", 64).unwrap();
                assert_eq!(vectors.len(), n_whole + 1, "{cut}");
                assert!(vectors.keys().contains(&keyed(9).0));
            }
        }
    }

    #[test]
    fn vectors_of_another_encoder_are_not_compared_and_dead_ones_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v");
        let mut vectors = Vectors::open(&path, "ab", 64).unwrap();
        vectors.append(&[keyed(1), keyed(2), keyed(3)]).unwrap();
        let before = Vectors::open(&path, "ab", 64).unwrap();
        vectors.retain(&[keyed(1).0, keyed(3).0].into()).unwrap();
        assert_eq!(seeds(&vectors.nearest(&vector(3), 1, &|_| true))[0], 3);
        assert_eq!(vectors.len(), 2);
        assert_eq!(before.nearest(&vector(2), 1, &|_| true)[0].0, keyed(2).0, "an open file stays as it was");
        assert_eq!(Vectors::open(&path, "cd", 64).unwrap().len(), 0);
    }
}
