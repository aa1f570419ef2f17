//! Parquet files row by row, the columns found by name. A row is counted from 1, as the lines of other files are.

use std::fs::File;
use std::path::Path;

use parquet::data_type::Decimal;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::types::{Type, TypePtr};
use router_core::ErrorKind;

use super::findings::{Finding, Findings};
use super::guard::guarded;
use super::source;

/// One row: the cells of the columns that are read, by name.
pub(crate) type Row = Vec<(String, Field)>;

/// Reads the columns of `path` that are among `known`, and gives every row with its number to `take`. False once a finding says
/// why not all rows were read. The columns from the front of `known`, `required` of them, must be there; others that are not
/// known are a warning.
pub(crate) fn read(
    path: &Path,
    known: &[&str],
    required: usize,
    findings: &mut Findings,
    take: impl FnMut(usize, Row, &mut Findings),
) -> bool {
    read_selected(path, |schema, findings| columns(path, schema, known, required, findings), findings, take)
}

/// Reads the columns of `path` that `select` names, and gives every row with its number to `take`. False once a finding says why
/// not all rows were read.
pub(crate) fn read_selected(
    path: &Path,
    select: impl FnOnce(&Type, &mut Findings) -> Option<Vec<TypePtr>>,
    findings: &mut Findings,
    mut take: impl FnMut(usize, Row, &mut Findings),
) -> bool {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(source) => {
            let message = format!("cannot be read: {source}");
            findings.push(Finding::error(path, 1, message).of_kind(ErrorKind::Io).help("check the permissions"));
            return false;
        }
    };
    let reader = match sound(|| SerializedFileReader::new(file)) {
        Ok(reader) => reader,
        Err(problem) => {
            let message = format!("not a whole Parquet file: {problem}");
            findings.push(Finding::error(path, 1, message).help("write or copy it again"));
            return false;
        }
    };
    let schema = reader.metadata().file_metadata().schema();
    let Some(fields) = select(schema, findings) else { return false };
    let projection = Type::group_type_builder(schema.name()).with_fields(fields).build();
    let mut rows = match sound(|| reader.get_row_iter(Some(projection?))) {
        Ok(rows) => rows,
        Err(problem) => {
            findings.push(damaged(path, 1, &problem));
            return false;
        }
    };
    for row in 1.. {
        match sound(|| rows.next().transpose()) {
            Ok(Some(cells)) => take(row, cells.into_columns(), findings),
            Ok(None) => break,
            Err(problem) => {
                findings.push(damaged(path, row, &problem));
                return false;
            }
        }
    }
    true
}

/// What `work` makes, or what is wrong in one line. The crate panics on some damaged files.
fn sound<T>(work: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, String> {
    match guarded(work) {
        Some(Ok(made)) => Ok(made),
        Some(Err(error)) => Err(error.to_string().lines().next().unwrap_or_default().to_owned()),
        None => Err("the data is damaged".to_owned()),
    }
}

/// The columns to read; `None` once a finding names one that is missing or misspelled.
fn columns(
    path: &Path,
    schema: &Type,
    known: &[&str],
    required: usize,
    findings: &mut Findings,
) -> Option<Vec<TypePtr>> {
    let mut sound = true;
    let mut fields = Vec::new();
    for field in schema.get_fields() {
        if known.contains(&field.name()) {
            fields.push(field.clone());
            continue;
        }
        match source::misspelled(field.name(), known) {
            Some(name) => {
                sound = false;
                let finding = Finding::error(path, 1, "unknown column").at_field(field.name());
                findings.push(finding.help(format!("did you mean `{name}`?")));
            }
            None => findings.push(
                Finding::warning(path, 1, "the column is not read")
                    .at_field(field.name())
                    .help(format!("the columns are {}", known.join(", "))),
            ),
        }
    }
    for name in known.iter().take(required) {
        match fields.iter().filter(|field| field.name() == *name).count() {
            1 => continue,
            0 => findings.push(Finding::error(path, 1, "the column is missing").at_field(*name)),
            _ => findings.push(Finding::error(path, 1, "the column stands twice").at_field(*name)),
        }
        sound = false;
    }
    sound.then_some(fields)
}

fn damaged(path: &Path, row: usize, problem: &str) -> Finding {
    Finding::error(path, row, format!("row {row} cannot be read: {problem}"))
        .help("write or copy the file again; compression is none, snappy or zstd")
}

/// The number in `field`, if it is one.
pub(crate) fn number(field: &Field) -> Option<f64> {
    Some(match field {
        Field::Byte(value) => f64::from(*value),
        Field::Short(value) => f64::from(*value),
        Field::Int(value) => f64::from(*value),
        Field::Long(value) => *value as f64,
        Field::UByte(value) => f64::from(*value),
        Field::UShort(value) => f64::from(*value),
        Field::UInt(value) => f64::from(*value),
        Field::ULong(value) => *value as f64,
        Field::Float(value) => f64::from(*value),
        Field::Double(value) => *value,
        Field::Decimal(value) => decimal(value)?,
        _ => return None,
    })
}

/// A fixed-point number: whole digits as big-endian two's complement, and how many of them stand behind the point.
fn decimal(value: &Decimal) -> Option<f64> {
    let bytes = value.data();
    let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    if bytes.len() > size_of::<i128>() {
        return None;
    }
    let start: i128 = if negative { -1 } else { 0 };
    let digits = bytes.iter().fold(start, |digits, &byte| (digits << 8) | i128::from(byte));
    // Through text, so that 0.1 is the float that 0.1 reads as.
    format!("{digits}e{}", -value.scale()).parse().ok()
}

/// What `field` is, for messages.
pub(crate) fn kind_of(field: &Field) -> &'static str {
    match field {
        Field::Null => "null",
        Field::Bool(_) => "a truth value",
        Field::Str(_) => "a string",
        Field::Bytes(_) => "bytes that are not UTF-8",
        Field::Group(_) | Field::MapInternal(_) => "an object",
        Field::ListInternal(_) => "a list",
        Field::Decimal(_) => "a huge number",
        Field::Date(_)
        | Field::TimeMillis(_)
        | Field::TimeMicros(_)
        | Field::TimestampMillis(_)
        | Field::TimestampMicros(_) => "a time",
        _ => "a number",
    }
}

/// The text in `field`, annotated as text or not, if it is UTF-8.
pub(crate) fn text(field: &Field) -> Option<&str> {
    match field {
        Field::Str(text) => Some(text),
        Field::Bytes(bytes) => bytes.as_utf8().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use parquet::data_type::ByteArray;

    use super::*;

    #[test]
    fn decimals_are_the_numbers_they_are_written_as() {
        let of = |value| number(&Field::Decimal(value));
        assert_eq!(of(Decimal::from_i32(1, 3, 1)), Some(0.1));
        assert_eq!(of(Decimal::from_i64(-1_234_567, 18, 6)), Some(-1.234_567));
        assert_eq!(of(Decimal::from_bytes(ByteArray::from(vec![0x80]), 3, 2)), Some(-1.28));
        assert_eq!(of(Decimal::from_bytes(ByteArray::from(vec![1; 17]), 40, 2)), None);
    }
}
