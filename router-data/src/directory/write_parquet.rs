//! `prompts.parquet` and `outcomes.parquet` as bytes: snappy, one row group, the same bytes every time.

use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int64Type};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::TypePtr;
use router_core::{Dataset, Error, ErrorKind, Message, MessageRole, Outcome, PromptContent, Result};

/// Columns in the order of a file, each with its type in the schema and how it is written.
struct Columns<'a> {
    /// The columns as the format's own language of schemas has them.
    schema: String,
    /// Writes a leaf of the schema each.
    write: Vec<WriteColumn<'a>>,
}

pub(crate) type WriteColumn<'a> = Box<dyn FnOnce(&mut Group<'_>) -> ParquetResult<()> + 'a>;
pub(crate) type Group<'a> = SerializedRowGroupWriter<'a, Vec<u8>>;

impl<'a> Columns<'a> {
    fn new() -> Self {
        Self { schema: String::new(), write: Vec::new() }
    }

    fn declare(&mut self, parts: &[&str]) {
        self.schema.extend(parts.iter().copied());
    }

    /// A column of one value a row, or none.
    fn optional<T: DataType>(&mut self, schema: &str, cells: impl Iterator<Item = Option<T::T>> + 'a) {
        self.declare(&["optional ", schema, ";\n"]);
        self.write.push(Box::new(move |group| optional_cells::<T>(group, cells.collect())));
    }

    /// A column of one value a row.
    fn required<T: DataType>(&mut self, schema: &str, cells: impl Iterator<Item = T::T> + 'a) {
        self.declare(&["required ", schema, ";\n"]);
        self.write.push(Box::new(move |group| write::<T>(group, &cells.collect::<Vec<_>>(), None, None)));
    }

    /// A column of texts: any number a row.
    fn lists(&mut self, lists: impl Iterator<Item = Vec<ByteArray>> + 'a) {
        self.write.push(Box::new(move |group| {
            let (mut values, mut definition, mut repetition) = (Vec::new(), Vec::new(), Vec::new());
            for list in lists {
                // An empty list is written as none at all; no reader of a data set tells them apart.
                if list.is_empty() {
                    definition.push(0);
                    repetition.push(0);
                }
                for (at, value) in list.into_iter().enumerate() {
                    definition.push(2);
                    repetition.push(i16::from(at > 0));
                    values.push(value);
                }
            }
            write::<ByteArrayType>(group, &values, Some(&definition), Some(&repetition))
        }));
    }

    /// The file.
    fn bytes(self, name: &str) -> ParquetResult<Vec<u8>> {
        let schema = Arc::new(parse_message_type(&format!("message {name} {{\n{}}}", self.schema))?);
        file(schema, self.write)
    }
}

/// A file of `schema`, every leaf of it written by the next of `columns`.
pub(crate) fn file(schema: TypePtr, columns: Vec<WriteColumn<'_>>) -> ParquetResult<Vec<u8>> {
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    for column in columns {
        column(&mut group)?;
    }
    group.close()?;
    writer.into_inner()
}

/// Writes a column of one value a row, or none.
pub(crate) fn optional_cells<T: DataType>(group: &mut Group<'_>, cells: Vec<Option<T::T>>) -> ParquetResult<()> {
    let definition: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
    let values: Vec<T::T> = cells.into_iter().flatten().collect();
    write::<T>(group, &values, Some(&definition), None)
}

fn write<T: DataType>(
    group: &mut Group<'_>,
    values: &[T::T],
    definition: Option<&[i16]>,
    repetition: Option<&[i16]>,
) -> ParquetResult<()> {
    let missing = || ParquetError::General("more columns than the schema has".to_owned());
    let mut column = group.next_column()?.ok_or_else(missing)?;
    column.typed::<T>().write_batch(values, definition, repetition)?;
    column.close()
}

fn internal(what: &str, source: ParquetError) -> Error {
    Error::new(ErrorKind::Internal, format!("cannot write {what}")).caused_by(source)
}

fn bytes(text: &str) -> ByteArray {
    ByteArray::from(text)
}

/// `prompts.parquet`. Columns that are empty in every row are left out.
pub(super) fn prompts(dataset: &Dataset) -> Result<Vec<u8>> {
    let prompts = dataset.prompts();
    let mut columns = Columns::new();
    columns.required::<ByteArrayType>("binary prompt_id (STRING)", prompts.iter().map(|prompt| bytes(&prompt.id)));
    columns.optional::<ByteArrayType>(
        "binary prompt (STRING)",
        prompts.iter().map(|prompt| match &prompt.content {
            PromptContent::Text(text) => Some(bytes(text)),
            PromptContent::Messages(_) => None,
        }),
    );
    let messages = |prompt: &'_ router_core::Prompt, of: fn(&Message) -> ByteArray| match &prompt.content {
        PromptContent::Text(_) => Vec::new(),
        PromptContent::Messages(messages) => messages.iter().map(of).collect(),
    };
    if prompts.iter().any(|prompt| matches!(prompt.content, PromptContent::Messages(_))) {
        columns.schema += "optional group messages (LIST) { repeated group list { required group element {
            required binary role (STRING); required binary content (STRING); } } }\n";
        columns.lists(prompts.iter().map(move |prompt| messages(prompt, |message| bytes(role(message.role)))));
        columns.lists(prompts.iter().map(move |prompt| messages(prompt, |message| bytes(&message.content))));
    }
    if prompts.iter().any(|prompt| prompt.benchmark.is_some()) {
        let cells = prompts.iter().map(|prompt| prompt.benchmark.as_deref().map(bytes));
        columns.optional::<ByteArrayType>("binary benchmark (STRING)", cells);
    }
    if prompts.iter().any(|prompt| prompt.description.is_some()) {
        let cells = prompts.iter().map(|prompt| prompt.description.as_deref().map(bytes));
        columns.optional::<ByteArrayType>("binary description (STRING)", cells);
    }
    if prompts.iter().any(|prompt| !prompt.tags.is_empty()) {
        columns.schema += "optional group tags (LIST) { repeated group list { required binary element (STRING); } }\n";
        columns.lists(prompts.iter().map(|prompt| prompt.tags.iter().map(|tag| bytes(tag)).collect()));
    }
    columns.bytes("prompts").map_err(|source| internal("the prompts", source))
}

fn role(role: MessageRole) -> &'static str {
    match role {
        MessageRole::System => "system",
        MessageRole::User => "user",
        MessageRole::Assistant => "assistant",
        MessageRole::Tool => "tool",
    }
}

/// `outcomes.parquet`. The column `weight` is written only where a weight differs from 1, `propensity` only where there is one.
pub(super) fn outcomes(dataset: &Dataset) -> Result<Vec<u8>> {
    let rows = || dataset.outcomes().iter();
    let names: Vec<ByteArray> = dataset.models().models().iter().map(|model| bytes(&model.name)).collect();
    let name = |outcome: &Outcome| names.get(outcome.model).cloned().unwrap_or_default();
    let ids = dataset.prompts().iter().zip(0..).flat_map(|(prompt, row)| {
        let id = bytes(&prompt.id);
        dataset.outcomes().row(row).iter().map(move |_| id.clone())
    });
    let mut columns = Columns::new();
    columns.required::<ByteArrayType>("binary prompt_id (STRING)", ids);
    columns.required::<ByteArrayType>("binary model (STRING)", rows().map(|(_, outcome)| name(outcome)));
    columns.required::<FloatType>("float quality", rows().map(|(_, outcome)| outcome.quality));
    columns.optional::<DoubleType>("double cost_usd", rows().map(|(_, outcome)| outcome.cost_usd));
    columns.optional::<Int64Type>("int64 input_tokens", rows().map(|(_, outcome)| outcome.input_tokens.map(i64::from)));
    columns
        .optional::<Int64Type>("int64 output_tokens", rows().map(|(_, outcome)| outcome.output_tokens.map(i64::from)));
    if rows().any(|(_, outcome)| outcome.weight != 1.0) {
        columns.required::<FloatType>("float weight", rows().map(|(_, outcome)| outcome.weight));
    }
    if rows().any(|(_, outcome)| outcome.propensity.is_some()) {
        columns.optional::<FloatType>("float propensity", rows().map(|(_, outcome)| outcome.propensity));
    }
    columns.bytes("outcomes").map_err(|source| internal("the outcomes", source))
}
