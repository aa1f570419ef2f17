//! `prompts.jsonl`: the prompts, one a line.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use router_core::{Message, MessageRole, Prompt, PromptContent};
use serde_json::{Map, Value};

use super::findings::{Finding, Findings};
use super::object::{self, Object};
use super::source;

/// The prompts as far as they could be read.
#[derive(Debug, Default)]
pub(crate) struct Prompts {
    /// The sound prompts, in the order of the file.
    pub(crate) sound: Vec<Prompt>,
    /// The line of each of them.
    pub(crate) lines: Vec<usize>,
    /// The row of each of them, by id; `None` for an id whose line is at fault otherwise.
    pub(crate) rows: HashMap<String, Option<usize>>,
    /// Whether `rows` names all: an id that is not there is an unknown prompt.
    pub(crate) complete: bool,
}

const FIELDS: [&str; 5] = ["prompt_id", "prompt", "benchmark", "description", "tags"];
const SHAPE: &str = r#"a line is {"prompt_id": "...", "prompt": "...", "benchmark": "..."}"#;

pub(crate) fn read(path: &Path, findings: &mut Findings) -> Prompts {
    let mut found = Prompts::default();
    let Some(bytes) = source::load(path, findings) else { return found };
    found.complete = true;
    let mut first_lines: HashMap<String, usize> = HashMap::new();
    let mut unread: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (line, content) in source::lines(&bytes) {
        if content.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let Some(text) = source::utf8(path, line, content, findings) else {
            found.complete = false;
            continue;
        };
        let object = match serde_json::from_str::<Object>(text) {
            Ok(Object(object)) => object,
            Err(error) => {
                findings.push(Finding::error(path, line, object::message(&error)).help(SHAPE));
                found.complete = false;
                continue;
            }
        };
        let Some(id) = read_id(path, line, &object, findings) else {
            found.complete = false;
            continue;
        };
        let prompt = read_prompt(path, line, id, object, &mut unread, findings);
        if let Some(first) = first_lines.get(id_of(&prompt)) {
            let message = format!("prompt id `{}` stands twice, first in line {first}", id_of(&prompt));
            findings.push(Finding::error(path, line, message).at_field("prompt_id"));
            continue;
        }
        first_lines.insert(id_of(&prompt).to_owned(), line);
        match prompt {
            Ok(prompt) => {
                found.rows.insert(prompt.id.clone(), Some(found.sound.len()));
                found.sound.push(prompt);
                found.lines.push(line);
            }
            Err(id) => {
                found.rows.insert(id, None);
            }
        }
    }
    for (field, (line, count)) in unread {
        findings.push(
            Finding::warning(path, line, format!("the field is not read; lines that have it: {count}"))
                .at_field(field)
                .help(format!("the fields are {}", FIELDS.join(", "))),
        );
    }
    if found.complete && found.rows.is_empty() {
        findings.push(Finding::error(path, 1, "there is no prompt").help(SHAPE));
        // One finding says it; an unknown prompt in every row of outcomes would say no more.
        found.complete = false;
    }
    found
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
