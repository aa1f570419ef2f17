//! A table as Parquet.

use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::Result;
use parquet::schema::types::Type;

use super::{Table, Values};
use crate::directory::write_parquet::{self, WriteColumn, optional_cells};

/// The file. The columns are built as types and not as text, since their names may hold anything.
pub(super) fn bytes(table: &Table) -> Result<Vec<u8>> {
    let mut fields = Vec::new();
    let mut write: Vec<WriteColumn<'_>> = Vec::new();
    for (name, values) in &table.columns {
        let (physical, logical) = match values {
            Values::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Values::Number(_) => (Physical::DOUBLE, None),
            Values::Integer(_) => (Physical::INT64, None),
            Values::Truth(_) => (Physical::BOOLEAN, None),
        };
        let field = Type::primitive_type_builder(name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical)
            .build()?;
        fields.push(Arc::new(field));
        write.push(match values {
            Values::Text(cells) => Box::new(move |group| {
                let cells = cells.iter().map(|cell| cell.as_deref().map(ByteArray::from)).collect();
                optional_cells::<ByteArrayType>(group, cells)
            }),
            Values::Number(cells) => Box::new(move |group| {
                let cells = cells.iter().map(|cell| cell.filter(|number| number.is_finite())).collect();
                optional_cells::<DoubleType>(group, cells)
            }),
            Values::Integer(cells) => Box::new(move |group| optional_cells::<Int64Type>(group, cells.clone())),
            Values::Truth(cells) => Box::new(move |group| optional_cells::<BoolType>(group, cells.clone())),
        });
    }
    let schema = Type::group_type_builder("table").with_fields(fields).build()?;
    write_parquet::file(Arc::new(schema), write)
}
