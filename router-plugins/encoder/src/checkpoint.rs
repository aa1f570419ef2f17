//! Tensors of safetensors files, read one by one so that no whole file is ever held twice.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytemuck::{cast_slice_mut, zeroed_vec};
use half::{bf16, f16};
use router_core::{Error, ErrorKind, Result};
use safetensors::Dtype;
use safetensors::tensor::Metadata;

/// The longest header that is believed.
const LONGEST_HEADER: u64 = 100_000_000;

/// Where a tensor lies.
struct Place {
    file: usize,
    start: u64,
    dtype: Dtype,
    shape: Vec<usize>,
}

/// The tensors of one model, in one file or in several.
pub(crate) struct Checkpoint {
    files: Vec<PathBuf>,
    places: HashMap<String, Place>,
    /// What the model's tensors are called before `embeddings.`, `encoder.`...
    prefix: String,
}

/// An error about the file at `path`.
fn damaged(path: &Path, what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Artifact, what).in_file(path).help("the model is damaged or of another kind; bring it again")
}

impl Checkpoint {
    /// Reads the headers of `files`.
    ///
    /// # Errors
    /// [`ErrorKind::Io`]; [`ErrorKind::Artifact`] for a file that is no safetensors file, or cut off, or without an encoder.
    pub(crate) fn open(files: &[PathBuf]) -> Result<Self> {
        let mut places = HashMap::new();
        for (at, path) in files.iter().enumerate() {
            let mut file = File::open(path).map_err(|error| Error::io(path, error))?;
            let size = file.metadata().map_err(|error| Error::io(path, error))?.len();
            let mut length = [0; 8];
            file.read_exact(&mut length).map_err(|_| damaged(path, "the file is too short for a header"))?;
            let length = u64::from_le_bytes(length);
            if length > LONGEST_HEADER || length.saturating_add(8) > size {
                return Err(damaged(path, "this is not a safetensors file, or it is cut off"));
            }
            let mut header = vec![0; length as usize];
            file.read_exact(&mut header).map_err(|error| Error::io(path, error))?;
            let metadata: Metadata = serde_json::from_slice(&header)
                .map_err(|error| damaged(path, "the header is malformed").caused_by(error))?;
            if size != 8 + length + metadata.data_len() as u64 {
                return Err(damaged(
                    path,
                    format!(
                        "the file has {size} bytes where its header speaks of {}",
                        8 + length + metadata.data_len() as u64
                    ),
                ));
            }
            for (name, info) in metadata.tensors() {
                let start = 8 + length + info.data_offsets.0 as u64;
                places.insert(name, Place { file: at, start, dtype: info.dtype, shape: info.shape.clone() });
            }
        }
        let first = "embeddings.word_embeddings.weight";
        let mut prefixes: Vec<&str> = places.keys().filter_map(|name| name.strip_suffix(first)).collect();
        prefixes.sort_unstable_by_key(|prefix| (prefix.len(), *prefix));
        let path = files.first().map_or(Path::new("model.safetensors"), PathBuf::as_path);
        let prefix =
            (*prefixes.first().ok_or_else(|| damaged(path, format!("there is no tensor `{first}`")))?).to_owned();
        Ok(Self { files: files.to_vec(), places, prefix })
    }

    /// Whether there is a tensor `name`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.places.contains_key(&format!("{}{name}", self.prefix))
    }

    /// Tensor `name`, which must have `shape` and hold finite numbers.
    ///
    /// # Errors
    /// [`ErrorKind::Artifact`] if it is missing or of another shape or type; [`ErrorKind::NonFinite`]; [`ErrorKind::Io`].
    pub(crate) fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let mut numbers = zeroed_vec(shape.iter().product());
        self.read(name, shape, &mut numbers)?;
        Ok(numbers)
    }

    /// As [`tensor`](Self::tensor), into `out`, which has room for exactly that many numbers.
    ///
    /// # Errors
    /// As [`tensor`](Self::tensor).
    pub(crate) fn read(&self, name: &str, shape: &[usize], out: &mut [f32]) -> Result<()> {
        let first = self.files.first().map_or(Path::new("model.safetensors"), PathBuf::as_path);
        let place = self
            .places
            .get(&format!("{}{name}", self.prefix))
            .ok_or_else(|| damaged(first, format!("there is no tensor `{}{name}`", self.prefix)))?;
        let path = self.files.get(place.file).map_or(first, PathBuf::as_path);
        if place.shape != shape || out.len() != shape.iter().product::<usize>() {
            return Err(damaged(
                path,
                format!("tensor `{name}` has the shape {:?} where {shape:?} belongs", place.shape),
            ));
        }
        let failed = |error| Error::io(path, error);
        let mut file = File::open(path).map_err(failed)?;
        file.seek(SeekFrom::Start(place.start)).map_err(failed)?;
        match place.dtype {
            Dtype::F32 => {
                file.read_exact(cast_slice_mut(out)).map_err(failed)?;
                if cfg!(target_endian = "big") {
                    for number in out.iter_mut() {
                        *number = f32::from_bits(number.to_bits().swap_bytes());
                    }
                }
            }
            Dtype::F16 | Dtype::BF16 => {
                let mut halves: Vec<u8> = zeroed_vec(2 * out.len());
                file.read_exact(&mut halves).map_err(failed)?;
                for (number, &bytes) in out.iter_mut().zip(halves.as_chunks::<2>().0) {
                    *number = if place.dtype == Dtype::F16 {
                        f16::from_le_bytes(bytes).to_f32()
                    } else {
                        bf16::from_le_bytes(bytes).to_f32()
                    };
                }
            }
            other => {
                return Err(damaged(
                    path,
                    format!("tensor `{name}` is of type {other:?} where F32, F16 or BF16 belongs"),
                ));
            }
        }
        if out.iter().all(|number| number.is_finite()) {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::NonFinite, format!("tensor `{name}` holds a number that is not finite"))
                .in_file(path)
                .help("the model is damaged; bring it again"))
        }
    }
}
