//! The table of a static model.

use std::path::Path;

use half::f16;
use half::slice::HalfFloatSliceExt as _;
use router_core::{Error, ErrorKind, Result};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

/// A vector a row, the row of every token, and the weight of every token.
pub(super) struct Table {
    numbers: Numbers,
    rows: usize,
    columns: usize,
    mapping: Option<Vec<u32>>,
    weights: Option<Vec<f32>>,
}

/// Row-major numbers as they are stored.
enum Numbers {
    F32(Vec<f32>),
    F16(Vec<f16>),
    I8(Vec<i8>),
}

impl Table {
    /// Reads the safetensors file at `path`.
    ///
    /// # Errors
    /// [`ErrorKind::Io`]; [`ErrorKind::Data`] for tensors that are missing, of another shape or type, or not finite.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|source| Error::io(path, source))?;
        Self::parse(&bytes)
            .map_err(|error| error.in_file(path).help("it is damaged or no static model; fetch it again"))
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        let tensors = SafeTensors::deserialize(bytes)
            .map_err(|source| malformed(format!("not a safetensors file: {source}")).caused_by(source))?;
        let found = ["embeddings", "embedding.weight"].into_iter().find_map(|name| tensors.tensor(name).ok());
        let vectors = found.ok_or_else(|| {
            let names: Vec<&str> = tensors.names().into_iter().collect();
            malformed(format!("there is neither `embeddings` nor `embedding.weight` among {}", names.join(", ")))
        })?;
        let &[rows, columns] = vectors.shape() else {
            return Err(malformed(format!("the table has shape {:?} where two dimensions belong", vectors.shape())));
        };
        if rows == 0 || columns == 0 {
            return Err(malformed(format!("the table is {rows} x {columns}")));
        }
        let numbers = match vectors.dtype() {
            Dtype::F16 => Numbers::F16(chunks(&vectors, f16::from_le_bytes)),
            Dtype::I8 => Numbers::I8(vectors.data().iter().map(|byte| byte.cast_signed()).collect()),
            _ => Numbers::F32(floats(&vectors, "embeddings")?),
        };
        let table = Self {
            numbers,
            rows,
            columns,
            mapping: tensors.tensor("mapping").ok().map(|mapping| rows_of(&mapping, rows)).transpose()?,
            weights: tensors.tensor("weights").ok().map(|weights| floats(&weights, "weights")).transpose()?,
        };
        if let (Some(mapping), Some(weights)) = (&table.mapping, &table.weights)
            && mapping.len() != weights.len()
        {
            return Err(malformed(format!("`mapping` has {} tokens, `weights` {}", mapping.len(), weights.len())));
        }
        let finite = match &table.numbers {
            Numbers::F32(numbers) => numbers.iter().all(|number| number.is_finite()),
            Numbers::F16(numbers) => numbers.iter().all(|number| number.is_finite()),
            Numbers::I8(_) => true,
        };
        let weights = table.weights.as_deref().unwrap_or_default();
        if finite && weights.iter().all(|weight| weight.is_finite()) {
            Ok(table)
        } else {
            Err(malformed("a number is NaN or infinite".to_owned()))
        }
    }

    /// How many tokens have a vector: every smaller one has.
    pub(super) fn tokens(&self) -> usize {
        let mapped = self.mapping.as_ref().map_or(self.rows, Vec::len);
        self.weights.as_ref().map_or(mapped, |weights| weights.len().min(mapped))
    }

    /// The length of a row.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// Adds the first `sum.len()` numbers of the row of `token`, times its weight, to `sum`. `scratch` is as long as `sum`.
    pub(super) fn add(&self, token: u32, scratch: &mut [f32], sum: &mut [f32]) {
        let token = token as usize;
        let row = match &self.mapping {
            Some(mapping) => mapping.get(token).map_or(self.rows, |&row| row as usize),
            None => token,
        };
        let weight = self.weights.as_ref().and_then(|weights| weights.get(token)).copied();
        let start = row * self.columns;
        let range = start..start + sum.len().min(self.columns);
        match &self.numbers {
            Numbers::F32(numbers) => {
                add_scaled(numbers.get(range).unwrap_or_default(), weight, sum);
            }
            Numbers::F16(numbers) => {
                let row = numbers.get(range).unwrap_or_default();
                if let Some(scratch) = scratch.get_mut(..row.len()) {
                    row.convert_to_f32_slice(scratch);
                    add_scaled(scratch, weight, sum);
                }
            }
            Numbers::I8(numbers) => {
                let row = numbers.get(range).unwrap_or_default();
                for (number, &small) in scratch.iter_mut().zip(row) {
                    *number = f32::from(small);
                }
                add_scaled(scratch.get(..row.len()).unwrap_or_default(), weight, sum);
            }
        }
    }
}

fn add_scaled(row: &[f32], weight: Option<f32>, sum: &mut [f32]) {
    match weight {
        None => sum.iter_mut().zip(row).for_each(|(sum, number)| *sum += number),
        Some(weight) => sum.iter_mut().zip(row).for_each(|(sum, number)| *sum += weight * number),
    }
}

fn malformed(what: String) -> Error {
    Error::new(ErrorKind::Data, what)
}

/// The numbers of a tensor whose numbers have N bytes.
fn chunks<const N: usize, T>(tensor: &TensorView<'_>, read: impl Fn([u8; N]) -> T) -> Vec<T> {
    tensor.data().as_chunks::<N>().0.iter().map(|&chunk| read(chunk)).collect()
}

/// The numbers of a tensor as f32.
fn floats(tensor: &TensorView<'_>, name: &str) -> Result<Vec<f32>> {
    match tensor.dtype() {
        Dtype::F32 => Ok(chunks(tensor, f32::from_le_bytes)),
        Dtype::F64 => Ok(chunks(tensor, |bytes| f64::from_le_bytes(bytes) as f32)),
        Dtype::F16 => Ok(chunks(tensor, |bytes| f16::from_le_bytes(bytes).to_f32())),
        Dtype::BF16 => Ok(chunks(tensor, |bytes| half::bf16::from_le_bytes(bytes).to_f32())),
        other => Err(malformed(format!("`{name}` holds {other:?}, where F16, BF16, F32, F64 or I8 belongs"))),
    }
}

/// The row of every token, each below `rows`.
fn rows_of(mapping: &TensorView<'_>, rows: usize) -> Result<Vec<u32>> {
    let wide: Vec<i64> = match mapping.dtype() {
        Dtype::I64 => chunks(mapping, i64::from_le_bytes),
        Dtype::I32 => chunks(mapping, |bytes| i64::from(i32::from_le_bytes(bytes))),
        Dtype::U32 => chunks(mapping, |bytes| i64::from(u32::from_le_bytes(bytes))),
        other => return Err(malformed(format!("`mapping` holds {other:?}, where whole numbers belong"))),
    };
    let row = |row: i64| u32::try_from(row).ok().filter(|&row| (row as usize) < rows);
    let narrow: Option<Vec<u32>> = wide.iter().map(|&wide| row(wide)).collect();
    narrow.ok_or_else(|| malformed(format!("`mapping` names a row that the table of {rows} does not have")))
}

#[cfg(test)]
mod tests {
    use safetensors::serialize;

    use super::*;

    fn file(tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)]) -> Vec<u8> {
        let views = tensors
            .iter()
            .map(|(name, dtype, shape, bytes)| (*name, TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
        serialize(views, None).unwrap()
    }

    fn bytes<const N: usize, T: Copy>(numbers: &[T], write: impl Fn(T) -> [u8; N]) -> Vec<u8> {
        numbers.iter().flat_map(|&number| write(number)).collect()
    }

    fn row(table: &Table, token: u32, length: usize) -> Vec<f32> {
        let (mut scratch, mut sum) = (vec![0.0; length], vec![0.0; length]);
        table.add(token, &mut scratch, &mut sum);
        sum
    }

    #[test]
    fn every_type_of_number_is_read() {
        let numbers = [1.0_f32, -2.0, 3.0, 4.0, 5.0, -6.0];
        let shape = vec![3, 2];
        let forms = [
            (Dtype::F32, bytes(&numbers, f32::to_le_bytes)),
            (Dtype::F64, bytes(&numbers, |x| f64::from(x).to_le_bytes())),
            (Dtype::F16, bytes(&numbers, |x| f16::from_f32(x).to_le_bytes())),
            (Dtype::BF16, bytes(&numbers, |x| half::bf16::from_f32(x).to_le_bytes())),
            (Dtype::I8, bytes(&numbers, |x| (x as i8).to_le_bytes())),
        ];
        for (dtype, data) in forms {
            for name in ["embeddings", "embedding.weight"] {
                let table = Table::parse(&file(&[(name, dtype, shape.clone(), data.clone())])).unwrap();
                assert_eq!((table.tokens(), table.columns()), (3, 2));
                assert_eq!(row(&table, 2, 2), [5.0, -6.0], "{dtype:?}");
                assert_eq!(row(&table, 1, 1), [3.0], "{dtype:?}");
                assert_eq!(row(&table, 3, 2), [0.0, 0.0], "a token without a vector adds nothing");
            }
        }
    }

    #[test]
    fn tokens_share_rows_and_weigh_differently() {
        let table = file(&[
            ("embeddings", Dtype::F32, vec![2, 1], bytes(&[10.0, 20.0], f32::to_le_bytes)),
            ("mapping", Dtype::I64, vec![3], bytes(&[1_i64, 0, 1], i64::to_le_bytes)),
            ("weights", Dtype::F64, vec![3], bytes(&[1.0_f64, 2.0, 0.5], f64::to_le_bytes)),
        ]);
        let table = Table::parse(&table).unwrap();
        assert_eq!(table.tokens(), 3);
        assert_eq!([row(&table, 0, 1), row(&table, 1, 1), row(&table, 2, 1)], [[20.0], [20.0], [10.0]]);
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let table = |numbers: &[f32]| ("embeddings", Dtype::F32, vec![2, 1], bytes(numbers, f32::to_le_bytes));
        let sound = table(&[1.0, 2.0]);
        let mapping = |rows: &[i64]| ("mapping", Dtype::I64, vec![rows.len()], bytes(rows, i64::to_le_bytes));
        let weights = |count: usize| ("weights", Dtype::F32, vec![count], bytes(&vec![1.0; count], f32::to_le_bytes));
        assert!(Table::parse(&file(std::slice::from_ref(&sound))).is_ok());
        for wrong in [
            vec![("other", Dtype::F32, vec![1], vec![0; 4])],
            vec![("embeddings", Dtype::F32, vec![2], vec![0; 8])],
            vec![("embeddings", Dtype::F32, vec![0, 4], vec![])],
            vec![("embeddings", Dtype::U8, vec![2, 1], vec![0; 2])],
            vec![table(&[1.0, f32::NAN])],
            vec![sound.clone(), mapping(&[0, 2])],
            vec![sound.clone(), mapping(&[-1])],
            vec![sound.clone(), mapping(&[0, 1]), weights(3)],
        ] {
            assert_eq!(Table::parse(&file(&wrong)).err().map(|error| error.kind()), Some(ErrorKind::Data), "{wrong:?}");
        }
        assert_eq!(Table::parse(b"nonsense").err().map(|error| error.kind()), Some(ErrorKind::Data));
    }
}
