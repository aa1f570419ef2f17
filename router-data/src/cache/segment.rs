//! The format of a segment: a file of embeddings by one embedder that one process appends to.
//!
//! ```text
//! header   "ROUTEREM"  version u32  d u32  length u32 of the fingerprint  fingerprint
//! block    "ROWS"  n u32  n keys of 32 bytes  n flags of 1 byte  checksum     heads are scanned, rows are not
//!          n times: checksum  d numbers f32
//! block    ...
//! ```
//!
//! Numbers are little-endian. A checksum is the first 16 bytes of a SHA-256 that begins with that of the header, so that it holds
//! in a segment of the same embedder alone: a block's is over "ROWS", n, keys and flags; a row's over its key, flag and vector.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use router_core::{Embeddings, PromptKey};
use sha2::{Digest, Sha256};

const MAGIC: &[u8; 8] = b"ROUTEREM";
const VERSION: u32 = 1;
const BLOCK: &[u8; 4] = b"ROWS";
const KEY: usize = 32;
const CHECKSUM: usize = 16;
/// The flag of a row whose text was cut.
const TRUNCATED: u8 = 1;
/// Rows of a block at most; a larger number is damage, not a reason to ask for memory.
const MAXIMUM_ROWS: usize = 65_536;
/// Bytes of a fingerprint at most that [`fingerprint`] reads.
const MAXIMUM_FINGERPRINT: usize = 1 << 20;

type Checksum = [u8; CHECKSUM];

/// The embedder that segments belong to, as their headers say it.
pub(super) struct Identity {
    header: Vec<u8>,
    /// SHA-256 of the header.
    hash: [u8; 32],
    dimension: usize,
}

/// A row that a block's head names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) key: PromptKey,
    pub(super) truncated: bool,
    /// Where it begins in its segment.
    pub(super) offset: u64,
}

/// What a scan found.
pub(super) struct Scan {
    pub(super) rows: Vec<Row>,
    /// Where the next scan begins; `None` where there is no use in another, since the segment is damaged there or of another
    /// embedder.
    pub(super) next: Option<u64>,
}

impl Identity {
    pub(super) fn new(fingerprint: &str, dimension: usize) -> Self {
        let mut header = Vec::with_capacity(20 + fingerprint.len());
        header.extend(MAGIC);
        header.extend(VERSION.to_le_bytes());
        header.extend((dimension as u32).to_le_bytes());
        header.extend((fingerprint.len() as u32).to_le_bytes());
        header.extend(fingerprint.as_bytes());
        let hash = Sha256::digest(&header).into();
        Self { header, hash, dimension }
    }

    pub(super) fn header(&self) -> &[u8] {
        &self.header
    }

    /// Bytes of a row.
    fn row(&self) -> usize {
        CHECKSUM + 4 * self.dimension
    }

    fn checksum(&self, parts: &[&[u8]]) -> Checksum {
        let mut hash = Sha256::new();
        hash.update(self.hash);
        for part in parts {
            hash.update(part);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let mut checksum = Checksum::default();
        checksum.copy_from_slice(digest.split_at(CHECKSUM).0);
        checksum
    }

    /// `embeddings` as blocks, row i under key i.
    pub(super) fn blocks(&self, keys: &[PromptKey], embeddings: &Embeddings) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(keys.len() * (KEY + 1 + self.row()) + 64);
        for (at, keys) in keys.chunks(MAXIMUM_ROWS).enumerate() {
            let start = bytes.len();
            let flags: Vec<u8> = (0..keys.len())
                .map(|row| u8::from(embeddings.truncated.binary_search(&(row + at * MAXIMUM_ROWS)).is_ok()) * TRUNCATED)
                .collect();
            bytes.extend(BLOCK);
            bytes.extend((keys.len() as u32).to_le_bytes());
            bytes.extend(keys.iter().flat_map(PromptKey::as_bytes));
            bytes.extend(&flags);
            let checksum = self.checksum(&[bytes.get(start..).unwrap_or_default()]);
            bytes.extend(checksum);
            for (row, (key, &flag)) in keys.iter().zip(&flags).enumerate() {
                let numbers = embeddings.vectors.row(row + at * MAXIMUM_ROWS);
                let vector: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
                bytes.extend(self.checksum(&[key.as_bytes(), &[flag], &vector]));
                bytes.extend(&vector);
            }
        }
        bytes
    }

    /// The rows of the whole blocks of segment `path` from `offset` on, which is 0 or what an earlier scan gave as the next. Reads
    /// the blocks' heads alone. A block that is not all there yet is left to a later scan.
    pub(super) fn scan(&self, path: &Path, offset: u64) -> io::Result<Scan> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut scan = Scan { rows: Vec::new(), next: Some(offset) };
        if length <= offset {
            return Ok(scan);
        }
        let mut reader = BufReader::new(file);
        let mut at = offset;
        if at == 0 {
            let mut header = vec![0; self.header.len()];
            if length < header.len() as u64 {
                return Ok(scan);
            }
            reader.read_exact(&mut header)?;
            if header != self.header {
                return Ok(Scan { next: None, ..scan });
            }
            at = header.len() as u64;
        } else {
            reader.seek(SeekFrom::Start(at))?;
        }
        loop {
            scan.next = Some(at);
            let mut start = [0; 8];
            if length < at + start.len() as u64 {
                return Ok(scan);
            }
            reader.read_exact(&mut start)?;
            let (magic, count) = start.split_at(BLOCK.len());
            let count = u32::from_le_bytes(count.try_into().unwrap_or_default()) as usize;
            if magic != BLOCK || count == 0 || count > MAXIMUM_ROWS {
                return Ok(Scan { next: None, ..scan });
            }
            let rows_at = at + (start.len() + count * (KEY + 1) + CHECKSUM) as u64;
            let end = rows_at + (count * self.row()) as u64;
            if length < end {
                return Ok(scan);
            }
            let mut names = vec![0; count * (KEY + 1)];
            let mut checksum = Checksum::default();
            reader.read_exact(&mut names)?;
            reader.read_exact(&mut checksum)?;
            if checksum != self.checksum(&[&start, &names]) {
                return Ok(Scan { next: None, ..scan });
            }
            let (keys, flags) = names.split_at(count * KEY);
            scan.rows.extend(keys.chunks_exact(KEY).zip(flags).enumerate().map(|(row, (key, flag))| Row {
                key: PromptKey::from_bytes(key.try_into().unwrap_or_default()),
                truncated: *flag == TRUNCATED,
                offset: rows_at + (row * self.row()) as u64,
            }));
            reader.seek_relative((end - rows_at) as i64)?;
            at = end;
        }
    }
}

/// Reads rows of one segment.
pub(super) struct Rows<'a> {
    identity: &'a Identity,
    reader: BufReader<File>,
    at: u64,
    bytes: Vec<u8>,
}

impl<'a> Rows<'a> {
    pub(super) fn open(path: &Path, identity: &'a Identity) -> io::Result<Self> {
        let reader = BufReader::with_capacity(1 << 16, File::open(path)?);
        Ok(Self { identity, reader, at: 0, bytes: vec![0; identity.row()] })
    }

    /// The vector of `row`, if it is whole.
    pub(super) fn read(&mut self, row: &Row) -> Option<Vec<f32>> {
        self.reader.seek_relative(row.offset as i64 - self.at as i64).ok()?;
        self.at = row.offset;
        self.reader.read_exact(&mut self.bytes).ok()?;
        self.at += self.bytes.len() as u64;
        let (checksum, vector) = self.bytes.split_at(CHECKSUM);
        let flag = u8::from(row.truncated) * TRUNCATED;
        if checksum != self.identity.checksum(&[row.key.as_bytes(), &[flag], vector]) {
            return None;
        }
        Some(vector.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap_or_default())).collect())
    }
}

/// The fingerprint and the dimension that the header of segment `path` names.
pub(super) fn fingerprint(path: &Path) -> Option<(String, usize)> {
    let mut file = File::open(path).ok()?;
    let mut start = [0; 20];
    file.read_exact(&mut start).ok()?;
    let number = |at: usize| Some(u32::from_le_bytes(start.get(at..at + 4)?.try_into().ok()?) as usize);
    let length = number(16).filter(|&length| length <= MAXIMUM_FINGERPRINT)?;
    if start.get(..8)? != MAGIC || number(8)? != VERSION as usize {
        return None;
    }
    let mut text = vec![0; length];
    file.read_exact(&mut text).ok()?;
    Some((String::from_utf8(text).ok()?, number(12)?))
}
