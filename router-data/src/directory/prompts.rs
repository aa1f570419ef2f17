//! `prompts.jsonl`: the prompts, one a line; or `prompts.parquet`, one a row.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use parquet::record::Field;
use router_core::{Message, MessageRole, Prompt, PromptContent};
use serde_json::{Map, Value};

use super::encoding;
use super::findings::{Finding, Findings, named};
use super::object::{self, Object};
use super::{parquet_rows, source};

/// The prompts as far as they could be read.
#[derive(Debug, Default)]
pub(crate) struct Prompts {
    /// The sound prompts, in the order of the file.
    pub(crate) sound: Vec<Prompt>,
    /// The line of each of them.
    pub(crate) lines: Vec<usize>,
    /// Where each id stands.
    pub(crate) places: HashMap<String, Place>,
    /// Whether `places` names all: an id that is not there is an unknown prompt.
    pub(crate) complete: bool,
}

/// Where a prompt stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// The line that its id stands in first.
    line: usize,
    /// Its row; `None` where the line is at fault otherwise.
    pub(crate) row: Option<usize>,
}

const FIELDS: [&str; 5] = ["prompt_id", "prompt", "benchmark", "description", "tags"];
/// The columns of `prompts.parquet`; the first must be there.
const COLUMNS: [&str; 6] = ["prompt_id", "prompt", "messages", "benchmark", "description", "tags"];
const REQUIRED: usize = 1;
const SHAPE: &str = r#"a line is {"prompt_id": "...", "prompt": "...", "benchmark": "..."}"#;

pub(crate) fn read(path: &Path, findings: &mut Findings) -> Prompts {
    let mut reader = Reader { path, found: Prompts { complete: true, ..Prompts::default() }, unread: BTreeMap::new() };
    let whole = if source::is_parquet(path) {
        parquet_rows::read(path, &COLUMNS, REQUIRED, findings, |row, cells, findings| {
            reader.take_cells(row, cells, findings);
        })
    } else {
        reader.read_lines(findings)
    };
    let Reader { mut found, unread, .. } = reader;
    found.complete &= whole;
    wrongly_decoded(path, &found, findings);
    for (field, (line, count)) in unread {
        findings.push(
            Finding::warning(path, line, format!("the field is not read; lines that have it: {count}"))
                .at_field(field)
                .help(format!("the fields are {}", FIELDS.join(", "))),
        );
    }
    if found.complete && found.places.is_empty() {
        findings.push(Finding::error(path, 1, "there is no prompt").help(SHAPE));
        // One finding says it; an unknown prompt in every row of outcomes would say no more.
        found.complete = false;
    }
    found
}

struct Reader<'a> {
    path: &'a Path,
    found: Prompts,
    /// Fields that are not read: the first line that has them, and how many do.
    unread: BTreeMap<String, (usize, usize)>,
}

impl Reader<'_> {
    /// False once a finding says why the file is not read at all.
    fn read_lines(&mut self, findings: &mut Findings) -> bool {
        let path = self.path;
        let Some(mut lines) = source::Lines::open(path, findings) else { return false };
        let mut text = Vec::new();
        while let Some((line, content)) = lines.next(&mut text) {
            if content.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let Some(text) = source::utf8(path, line, content, findings) else {
                self.found.complete = false;
                continue;
            };
            match serde_json::from_str::<Object>(text) {
                Ok(Object(object)) => self.take(line, object, findings),
                Err(error) => {
                    findings.push(Finding::error(path, line, object::message(&error)).help(SHAPE));
                    self.found.complete = false;
                }
            }
        }
        lines.close(findings)
    }

    /// One row of Parquet, as the object that its line of JSON would be. A conversation stands in `prompt` or in `messages`,
    /// since a column has one type.
    fn take_cells(&mut self, row: usize, cells: parquet_rows::Row, findings: &mut Findings) {
        let mut object: Map<String, Value> =
            cells.into_iter().map(|(name, field)| (name, json(&field))).filter(|(_, value)| !value.is_null()).collect();
        if let Some(messages) = object.shift_remove("messages")
            && object.insert("prompt".to_owned(), messages).is_some()
        {
            let finding = Finding::error(self.path, row, "the row has a prompt and messages").at_field("messages");
            findings.push(finding.help("leave one of them empty"));
        }
        self.take(row, object, findings);
    }

    fn take(&mut self, line: usize, object: Map<String, Value>, findings: &mut Findings) {
        let Some(id) = read_id(self.path, line, &object, findings) else {
            self.found.complete = false;
            return;
        };
        let prompt = read_prompt(self.path, line, id, object, &mut self.unread, findings);
        let row = prompt.as_ref().ok().map(|_| self.found.sound.len());
        match self.found.places.entry(id_of(&prompt).to_owned()) {
            Entry::Occupied(known) => {
                let message = format!("prompt id `{}` stands twice, first in line {}", known.key(), known.get().line);
                findings.push(Finding::error(self.path, line, message).at_field("prompt_id"));
                return;
            }
            Entry::Vacant(free) => free.insert(Place { line, row }),
        };
        if let Ok(prompt) = prompt {
            self.found.sound.push(prompt);
            self.found.lines.push(line);
        }
    }
}

/// A cell of Parquet as JSON. What JSON has no word for becomes a truth value or null, which no field of a prompt takes.
fn json(field: &Field) -> Value {
    if let Some(text) = parquet_rows::text(field) {
        return Value::String(text.to_owned());
    }
    match field {
        Field::Null => Value::Null,
        Field::ListInternal(list) => list.elements().iter().map(json).collect(),
        Field::Group(group) => group.get_column_iter().map(|(name, field)| (name.clone(), json(field))).collect(),
        other => parquet_rows::number(other).map_or(Value::Bool(false), Value::from),
    }
}

/// Prompts that look as if they had been read in the wrong encoding once.
fn wrongly_decoded(path: &Path, found: &Prompts, findings: &mut Findings) {
    let signs: Vec<(usize, String)> = found
        .sound
        .iter()
        .zip(&found.lines)
        .filter_map(|(prompt, &line)| encoding::mojibake(&prompt.text()).map(|sign| (line, sign)))
        .collect();
    named(
        &signs,
        |(line, sign)| {
            let message = format!("`{sign}` looks like UTF-8 that was read in another encoding");
            Finding::warning(path, *line, message).at_field("prompt").help("export the texts again as UTF-8")
        },
        |(line, _), more| {
            let message = format!("{more} more prompts look as if they had been read in another encoding");
            Finding::warning(path, *line, message).at_field("prompt")
        },
        findings,
    );
}

fn id_of(prompt: &Result<Prompt, String>) -> &str {
    match prompt {
        Ok(prompt) => &prompt.id,
        Err(id) => id,
    }
}

fn read_id(path: &Path, line: usize, object: &Map<String, Value>, findings: &mut Findings) -> Option<String> {
    let problem = match object.get("prompt_id") {
        Some(Value::String(id)) if !id.is_empty() => return Some(id.clone()),
        Some(Value::String(_)) => "the id is empty".to_owned(),
        Some(other) => format!("expected a string, found {}", object::kind_of(other)),
        None => "the field is missing".to_owned(),
    };
    findings.push(Finding::error(path, line, problem).at_field("prompt_id").help(SHAPE));
    None
}

/// The prompt of one line; its id alone once a finding says what is wrong with it.
fn read_prompt(
    path: &Path,
    line: usize,
    id: String,
    object: Map<String, Value>,
    unread: &mut BTreeMap<String, (usize, usize)>,
    findings: &mut Findings,
) -> Result<Prompt, String> {
    let mut prompt = Prompt::new(id, "");
    let mut content = None;
    let mut problems: Vec<Finding> = Vec::new();
    let mut wrong = |field: &str, message: String, help: &str| {
        problems.push(Finding::error(path, line, message).at_field(field).help(help));
    };
    for (field, value) in object {
        match (field.as_str(), value) {
            ("prompt_id", _) | ("benchmark" | "description" | "tags", Value::Null) => {}
            ("prompt", value) => match read_content(value) {
                Ok(read) => content = Some(read),
                Err((place, message)) => {
                    let help = r#"a prompt is a string or a list of {"role": "user", "content": "..."}"#;
                    wrong(&place, message, help);
                    content = Some(PromptContent::Text("?".to_owned()));
                }
            },
            ("benchmark", Value::String(benchmark)) => prompt.benchmark = Some(benchmark),
            ("description", Value::String(description)) => prompt.description = Some(description),
            ("tags", Value::Array(tags)) if tags.iter().all(Value::is_string) => {
                prompt.tags = tags.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            }
            (name @ ("benchmark" | "description"), other) => {
                wrong(
                    name,
                    format!("expected a string, found {}", object::kind_of(&other)),
                    "leave it out where unknown",
                );
            }
            ("tags", _) => wrong("tags", "expected a list of strings".to_owned(), r#"such as ["long", "german"]"#),
            (name, _) => match source::misspelled(name, &FIELDS) {
                Some(known) => wrong(name, "unknown field".to_owned(), &format!("did you mean `{known}`?")),
                None => unread.entry(field).or_insert((line, 0)).1 += 1,
            },
        }
    }
    match content {
        None => wrong("prompt", "the field is missing".to_owned(), SHAPE),
        Some(content) => prompt.content = content,
    }
    if problems.is_empty() && prompt.text().trim().is_empty() {
        problems.push(Finding::error(path, line, "the prompt is empty").at_field("prompt").help("remove the line"));
    }
    if problems.is_empty() {
        return Ok(prompt);
    }
    for problem in problems {
        findings.push(problem);
    }
    Err(prompt.id)
}

/// A text or a conversation; otherwise the field at fault and what is wrong with it.
fn read_content(value: Value) -> Result<PromptContent, (String, String)> {
    let messages = match value {
        Value::String(text) => return Ok(PromptContent::Text(text)),
        Value::Array(messages) => messages,
        other => {
            return Err((
                "prompt".to_owned(),
                format!("expected a string or a list, found {}", object::kind_of(&other)),
            ));
        }
    };
    let read = |(at, message): (usize, &Value)| {
        let place = |field: &str| format!("prompt[{at}]{field}");
        let Value::Object(fields) = message else {
            return Err((place(""), format!("expected a message, found {}", object::kind_of(message))));
        };
        let role: MessageRole = match fields.get("role") {
            None => return Err((place(".role"), "the field is missing".to_owned())),
            Some(role) => serde_json::from_value(role.clone())
                .map_err(|_| (place(".role"), format!("{role} is none of system, user, assistant, tool")))?,
        };
        match fields.get("content") {
            Some(Value::String(content)) => Ok(Message::new(role, content)),
            None => Err((place(".content"), "the field is missing".to_owned())),
            // An answer that only calls tools.
            Some(Value::Null) if role == MessageRole::Assistant => Ok(Message::new(role, "")),
            Some(Value::Array(_)) => serde_json::from_value(message.clone())
                .map_err(|error| (place(".content"), format!("not a list of content parts: {error}"))),
            Some(other) => Err((
                place(".content"),
                format!("expected a string or a list of parts, found {}", object::kind_of(other)),
            )),
        }
    };
    messages.iter().enumerate().map(read).collect::<Result<_, _>>().map(PromptContent::Messages)
}
