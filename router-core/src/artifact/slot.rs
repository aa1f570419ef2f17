//! One component's part of an artifact: tensors and JSON values in one safetensors file.

use std::collections::{BTreeMap, HashMap};

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind, Result};
use crate::registry::Registry;
use crate::types::matrix::Matrix;

/// A component that can be stored and loaded. What is loaded gives the same numbers as what was saved, bit for bit.
pub trait Persist: Send + Sync + Sized + 'static {
    /// The name of the format, unique among components; kept even if the plugin is renamed.
    const FORMAT: &'static str;
    /// The version of the format that [`save`](Self::save) writes. A component of a newer version is refused before
    /// [`load`](Self::load) is called; an older one is for `load` to read ([`SlotReader::version`]).
    const VERSION: u32;

    /// Writes everything that inference needs.
    fn save(&self, writer: &mut SlotWriter) -> Result<()>;

    /// Reads what [`save`](Self::save) wrote, checking every shape: the file may be corrupt or hostile.
    fn load(reader: &SlotReader<'_>) -> Result<Self>;
}

/// The object-safe half of [`Persist`]. Implemented for all of it.
pub trait ErasedPersist {
    /// See [`Persist::FORMAT`].
    fn format(&self) -> &'static str;
    /// See [`Persist::VERSION`].
    fn format_version(&self) -> u32;
    /// See [`Persist::save`].
    fn save_slot(&self, writer: &mut SlotWriter) -> Result<()>;
}

impl<T: Persist> ErasedPersist for T {
    fn format(&self) -> &'static str {
        T::FORMAT
    }

    fn format_version(&self) -> u32 {
        T::VERSION
    }

    fn save_slot(&self, writer: &mut SlotWriter) -> Result<()> {
        self.save(writer)
    }
}

/// Key of the JSON values among the metadata of a slot's file.
const METADATA_KEY: &str = "router";

#[derive(serde::Serialize, serde::Deserialize)]
struct Metadata {
    format: String,
    version: u32,
    values: BTreeMap<String, serde_json::Value>,
}

struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// Collects the tensors and JSON values of one component. Names are the component's own; keys are written sorted.
#[derive(Default)]
pub struct SlotWriter {
    tensors: BTreeMap<String, Tensor>,
    values: BTreeMap<String, serde_json::Value>,
}

impl SlotWriter {
    /// An empty slot.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a matrix.
    pub fn put_matrix(&mut self, name: &str, matrix: &Matrix) -> Result<()> {
        let bytes = matrix.as_slice().iter().flat_map(|value| value.to_le_bytes()).collect();
        self.put(name, Tensor { dtype: Dtype::F32, shape: vec![matrix.rows(), matrix.cols()], bytes })
    }

    /// Writes a vector of f32.
    pub fn put_f32(&mut self, name: &str, values: &[f32]) -> Result<()> {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.put(name, Tensor { dtype: Dtype::F32, shape: vec![values.len()], bytes })
    }

    /// Writes a vector of u32.
    pub fn put_u32(&mut self, name: &str, values: &[u32]) -> Result<()> {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.put(name, Tensor { dtype: Dtype::U32, shape: vec![values.len()], bytes })
    }

    /// Writes a small value as JSON.
    pub fn put_json<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<()> {
        let value = serde_json::to_value(value)
            .map_err(|source| Error::new(ErrorKind::Internal, format!("`{name}` is not JSON")).caused_by(source))?;
        if self.values.insert(name.to_owned(), value).is_some() {
            return Err(Error::new(ErrorKind::Internal, format!("`{name}` is written twice")));
        }
        Ok(())
    }

    /// Writes another component inside this one, all its names prefixed by `prefix/`.
    pub fn put_nested(&mut self, prefix: &str, part: &(impl ErasedPersist + ?Sized)) -> Result<()> {
        let mut inner = Self::new();
        part.save_slot(&mut inner)?;
        self.put_json(&format!("{prefix}/format"), &(part.format(), part.format_version()))?;
        for (name, tensor) in inner.tensors {
            self.put(&format!("{prefix}/{name}"), tensor)?;
        }
        for (name, value) in inner.values {
            self.put_json(&format!("{prefix}/{name}"), &value)?;
        }
        Ok(())
    }

    fn put(&mut self, name: &str, tensor: Tensor) -> Result<()> {
        if self.tensors.insert(name.to_owned(), tensor).is_some() {
            return Err(Error::new(ErrorKind::Internal, format!("`{name}` is written twice")));
        }
        Ok(())
    }

    /// The bytes of `component` as a slot's file. The same component gives the same bytes.
    pub fn serialize(component: &(impl ErasedPersist + ?Sized)) -> Result<Vec<u8>> {
        let mut writer = Self::new();
        component.save_slot(&mut writer)?;
        let metadata = Metadata {
            format: component.format().to_owned(),
            version: component.format_version(),
            values: writer.values,
        };
        let internal = |what: &str, source: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(ErrorKind::Internal, format!("cannot write {what}")).caused_by(source)
        };
        let metadata = serde_json::to_string(&metadata).map_err(|source| internal("metadata", source.into()))?;
        let mut views = Vec::with_capacity(writer.tensors.len());
        for (name, tensor) in &writer.tensors {
            let view = TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.bytes)
                .map_err(|source| internal(name, source.into()))?;
            views.push((name.as_str(), view));
        }
        // One key, so that the hash map's order cannot show.
        let info = HashMap::from([(METADATA_KEY.to_owned(), metadata)]);
        safetensors::serialize(views, Some(info)).map_err(|source| internal("tensors", source.into()))
    }
}

/// Reads the tensors and JSON values of one component.
pub struct SlotReader<'a> {
    slot: String,
    prefix: String,
    tensors: &'a SafeTensors<'a>,
    metadata: &'a Metadata,
    format: String,
    version: u32,
    registry: &'a Registry,
}

impl SlotReader<'_> {
    /// Opens the bytes of slot `slot` and gives its reader to `read`, with the format that is in it.
    pub fn open<T>(
        slot: &str,
        bytes: &[u8],
        registry: &Registry,
        read: impl FnOnce(&str, &SlotReader<'_>) -> Result<T>,
    ) -> Result<T> {
        let corrupt = |what: &str| Error::new(ErrorKind::Artifact, format!("slot `{slot}`: {what}"));
        let (_, header) =
            SafeTensors::read_metadata(bytes).map_err(|source| corrupt("not a safetensors file").caused_by(source))?;
        let text = header
            .metadata()
            .as_ref()
            .and_then(|info| info.get(METADATA_KEY))
            .ok_or_else(|| corrupt("not written by this framework"))?;
        let metadata: Metadata =
            serde_json::from_str(text).map_err(|source| corrupt("unreadable metadata").caused_by(source))?;
        let tensors =
            SafeTensors::deserialize(bytes).map_err(|source| corrupt("unreadable tensors").caused_by(source))?;
        let reader = SlotReader {
            slot: slot.to_owned(),
            prefix: String::new(),
            tensors: &tensors,
            metadata: &metadata,
            format: metadata.format.clone(),
            version: metadata.version,
            registry,
        };
        read(&metadata.format, &reader)
    }

    /// Checks format and version, of a slot or of a component inside one, then loads.
    ///
    /// # Errors
    /// [`ErrorKind::Artifact`] for another format; [`ErrorKind::Incompatible`] for a newer version.
    pub fn load<T: Persist>(&self) -> Result<T> {
        let (format, version) = (self.format.as_str(), self.version);
        if format != T::FORMAT {
            return Err(self.corrupt(&format!("it holds `{format}` where `{}` belongs", T::FORMAT)));
        }
        if version > T::VERSION {
            return Err(Error::new(
                ErrorKind::Incompatible,
                format!(
                    "slot `{}`: `{format}` version {version} is newer than this program's {}",
                    self.place(),
                    T::VERSION
                ),
            )
            .help("use the version of the program that wrote it, or train again"));
        }
        T::load(self)
    }

    /// The version of the format that wrote this slot.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The registry, for components made of other components.
    pub fn registry(&self) -> &Registry {
        self.registry
    }

    /// A component inside this one, written by [`SlotWriter::put_nested`] under `prefix`.
    pub fn nested(&self, prefix: &str) -> Result<SlotReader<'_>> {
        let (format, version): (String, u32) = self.get_json(&format!("{prefix}/format"))?;
        Ok(SlotReader {
            slot: self.slot.clone(),
            prefix: format!("{}{prefix}/", self.prefix),
            tensors: self.tensors,
            metadata: self.metadata,
            format,
            version,
            registry: self.registry,
        })
    }

    /// Reads a matrix. All its numbers are finite.
    pub fn get_matrix(&self, name: &str) -> Result<Matrix> {
        let tensor = self.tensor(name, Dtype::F32)?;
        let &[rows, cols] = tensor.shape() else {
            return Err(self.corrupt(&format!("`{name}` is not a matrix")));
        };
        let matrix = Matrix::from_vec(rows, cols, le_f32(tensor.data()))?;
        self.finite(name, matrix.as_slice())?;
        Ok(matrix)
    }

    /// Reads a matrix that must be `rows x cols`.
    pub fn get_matrix_of(&self, name: &str, rows: usize, cols: usize) -> Result<Matrix> {
        let matrix = self.get_matrix(name)?;
        if (matrix.rows(), matrix.cols()) != (rows, cols) {
            return Err(self.corrupt(&format!(
                "`{name}` is {} x {} where {rows} x {cols} belongs",
                matrix.rows(),
                matrix.cols()
            )));
        }
        Ok(matrix)
    }

    /// Reads a vector of f32. All its numbers are finite.
    pub fn get_f32(&self, name: &str) -> Result<Vec<f32>> {
        let values = le_f32(self.tensor(name, Dtype::F32)?.data());
        self.finite(name, &values)?;
        Ok(values)
    }

    /// Reads a vector of f32 that must have `len` numbers.
    pub fn get_f32_of(&self, name: &str, len: usize) -> Result<Vec<f32>> {
        let values = self.get_f32(name)?;
        if values.len() != len {
            return Err(self.corrupt(&format!("`{name}` has {} numbers where {len} belong", values.len())));
        }
        Ok(values)
    }

    /// Reads a vector of u32.
    pub fn get_u32(&self, name: &str) -> Result<Vec<u32>> {
        let tensor = self.tensor(name, Dtype::U32)?;
        Ok(tensor.data().as_chunks::<4>().0.iter().map(|&chunk| u32::from_le_bytes(chunk)).collect())
    }

    /// Reads a JSON value.
    pub fn get_json<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let key = format!("{}{name}", self.prefix);
        let value = self.metadata.values.get(&key).ok_or_else(|| self.corrupt(&format!("`{name}` is missing")))?;
        T::deserialize(value).map_err(|source| self.corrupt(&format!("`{name}` is malformed")).caused_by(source))
    }

    /// An error that says this slot is corrupt.
    pub fn corrupt(&self, what: &str) -> Error {
        Error::new(ErrorKind::Artifact, format!("slot `{}`: {what}", self.place()))
            .help("the artifact is damaged or of another origin; train again")
    }

    /// The slot, and the component inside it: `references/knn`.
    fn place(&self) -> String {
        if self.prefix.is_empty() {
            self.slot.clone()
        } else {
            format!("{}/{}", self.slot, self.prefix.trim_end_matches('/'))
        }
    }

    fn finite(&self, name: &str, values: &[f32]) -> Result<()> {
        if values.iter().all(|value| value.is_finite()) {
            Ok(())
        } else {
            Err(self.corrupt(&format!("`{name}` holds a number that is not finite")))
        }
    }

    fn tensor(&self, name: &str, dtype: Dtype) -> Result<TensorView<'_>> {
        let key = format!("{}{name}", self.prefix);
        let view = self.tensors.tensor(&key).map_err(|_| self.corrupt(&format!("`{name}` is missing")))?;
        if view.dtype() != dtype {
            return Err(self.corrupt(&format!("`{name}` is of another type")));
        }
        Ok(view)
    }
}

fn le_f32(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|&chunk| f32::from_le_bytes(chunk)).collect()
}
