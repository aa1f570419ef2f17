//! Reading members of zip archives, in one file or in pieces.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use router_core::{Error, ErrorKind, Result};
use zip::ZipArchive;
use zip::result::ZipError;

/// An archive that is read member by member.
pub(super) struct Archive {
    zip: ZipArchive<Joined>,
    place: PathBuf,
}

impl Archive {
    /// Opens the archive that the files `pieces` make up one after the other.
    pub(super) fn open(pieces: &[PathBuf]) -> Result<Self> {
        let place = pieces.first().cloned().unwrap_or_default();
        let joined = Joined::open(pieces)?;
        let zip = ZipArchive::new(joined).map_err(|error| zip_error(&place, error))?;
        Ok(Self { zip, place })
    }

    /// The first file.
    pub(super) fn place(&self) -> &Path {
        &self.place
    }

    /// Whether there is a member `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.zip.index_for_name(name).is_some()
    }

    /// The names of all members.
    pub(super) fn names(&self) -> Result<Vec<String>> {
        self.zip
            .file_names()
            .map(|name| name.map(std::borrow::Cow::into_owned).map_err(|error| zip_error(&self.place, error)))
            .collect()
    }

    /// Hands the member `name` to `copy`; does nothing if there is none.
    pub(super) fn read(&mut self, name: &str, copy: &mut dyn FnMut(&Path, &mut dyn Read) -> Result<()>) -> Result<()> {
        match self.zip.by_name(name) {
            Ok(mut member) => copy(&self.place, &mut member),
            Err(ZipError::FileNotFound) => Ok(()),
            Err(error) => Err(zip_error(&self.place, error)),
        }
    }
}

fn zip_error(place: &Path, error: ZipError) -> Error {
    match error {
        ZipError::Io(source) => Error::io(place, source),
        other => Error::new(ErrorKind::Data, format!("not a sound zip archive: {other}"))
            .in_file(place)
            .help("wheels and zip files are read; get it again")
            .caused_by(other),
    }
}

/// Several files read as one.
struct Joined {
    /// Every file with the place of its first byte in the whole.
    files: Vec<(File, u64)>,
    length: u64,
    at: u64,
}

impl Joined {
    fn open(pieces: &[PathBuf]) -> Result<Self> {
        let mut joined = Self { files: Vec::with_capacity(pieces.len()), length: 0, at: 0 };
        for piece in pieces {
            let file = File::open(piece).map_err(|source| Error::io(piece, source))?;
            let length = file.metadata().map_err(|source| Error::io(piece, source))?.len();
            joined.files.push((file, joined.length));
            joined.length += length;
        }
        Ok(joined)
    }
}

impl Read for Joined {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // An empty piece starts where its successor does: the last file that starts at or before `at` holds it.
        let holder = self.files.partition_point(|(_, start)| *start <= self.at).checked_sub(1);
        let Some((file, start)) = holder.and_then(|holder| self.files.get_mut(holder)) else { return Ok(0) };
        file.seek(SeekFrom::Start(self.at - *start))?;
        let read = file.read(buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Joined {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
        };
        self.at = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn pieces_read_as_the_whole_wherever_they_were_cut() {
        let directory = tempfile::tempdir().unwrap();
        let whole = directory.path().join("whole.zip");
        let mut writer = zip::ZipWriter::new(File::create(&whole).unwrap());
        let options = zip::write::SimpleFileOptions::default();
        let content: Vec<u8> = (0..20_000_u32).flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        for name in ["model/a", "model/b"] {
            writer.start_file(name, options).unwrap();
            writer.write_all(&content).unwrap();
        }
        writer.finish().unwrap();
        let bytes = std::fs::read(&whole).unwrap();
        for cuts in [vec![], vec![1], vec![0, 100, 100, 50_000], vec![bytes.len() - 1]] {
            let mut pieces = Vec::new();
            let ends = cuts.iter().copied().chain([bytes.len()]);
            let starts = [0].into_iter().chain(cuts.iter().copied());
            for (at, (start, end)) in starts.zip(ends).enumerate() {
                let piece = directory.path().join(format!("piece{at}"));
                std::fs::write(&piece, &bytes[start..end]).unwrap();
                pieces.push(piece);
            }
            let mut archive = Archive::open(&pieces).unwrap();
            assert!(archive.has("model/b") && !archive.has("model/c"));
            assert_eq!(archive.names().unwrap(), ["model/a", "model/b"]);
            let mut read = Vec::new();
            archive
                .read("model/b", &mut |_, from| {
                    from.read_to_end(&mut read).map(|_| ()).map_err(|source| Error::io("x", source))
                })
                .unwrap();
            assert!(read == content, "{cuts:?}");
        }
        std::fs::write(&whole, &bytes[..bytes.len() / 2]).unwrap();
        assert_eq!(Archive::open(&[whole]).err().unwrap().kind(), ErrorKind::Data);
    }
}
