//! Requests as lines of JSON: what `route`, `compare` and `drift` read.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use router_core::{Constraints, Error, ErrorKind, ModelPool, Prompt, PromptContent, Result};
use serde_json::{Map, Value};

/// Bytes of input read ahead.
pub(super) const READ_AHEAD: usize = 1 << 20;

/// The name of stdin in arguments and errors.
pub(super) const STDIN: &str = "-";

/// Lines of JSON from a file or stdin.
pub(super) struct Lines {
    name: String,
    input: Box<dyn BufRead>,
    text: Vec<u8>,
    number: usize,
}

impl Lines {
    /// Opens `path`; `-` is stdin.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let input: Box<dyn BufRead> = if name == STDIN {
            Box::new(BufReader::with_capacity(READ_AHEAD, std::io::stdin().lock()))
        } else {
            Box::new(BufReader::with_capacity(READ_AHEAD, File::open(path).map_err(|source| Error::io(path, source))?))
        };
        Ok(Self { name, input, text: Vec::new(), number: 0 })
    }

    /// The next request; `None` at the end of the input. A line without a `prompt_id` is named by its number.
    pub(super) fn next(&mut self) -> Result<Option<(Prompt, Constraints)>> {
        loop {
            self.text.clear();
            let read = self.input.read_until(b'\n', &mut self.text).map_err(|source| Error::io(&self.name, source))?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            let found = request(&self.text, self.number);
            if let Some(request) = found.map_err(|error| error.in_file(&self.name).at_line(self.number))? {
                return Ok(Some(request));
            }
        }
    }
}

/// The request on a line of input; `None` for an empty line. `number` names a prompt without an id.
pub(super) fn request(line: &[u8], number: usize) -> Result<Option<(Prompt, Constraints)>> {
    if line.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let data = |what: String| Error::new(ErrorKind::Data, what);
    let value: Value = serde_json::from_slice(line.trim_ascii_end())
        .map_err(|source| data(format!("not JSON: {}", reason(&source))))?;
    let Value::Object(mut fields) = value else {
        return Err(data("not a JSON object".into()).help("{\"prompt\": \"...\"}"));
    };
    let content = match fields.remove("prompt") {
        None => return Err(data("is missing".into()).at_field("prompt").help("{\"prompt\": \"...\"}")),
        Some(content) => serde_json::from_value::<PromptContent>(content).map_err(|_| {
            data("is neither a text nor a list of messages".into())
                .at_field("prompt")
                .help("[{\"role\": \"user\", \"content\": \"...\"}]; the roles are system, user, assistant, tool")
        })?,
    };
    let id = match fields.remove("prompt_id") {
        None | Some(Value::Null) => number.to_string(),
        Some(Value::String(id)) => id,
        Some(_) => return Err(data("is not a string".into()).at_field("prompt_id")),
    };
    // A data set's prompts.jsonl can be piped in as it is.
    for known in ["benchmark", "tags", "description"] {
        fields.remove(known);
    }
    let constraints = read_constraints(fields)?;
    Ok(Some((Prompt { content, ..Prompt::new(id, "") }, constraints)))
}

/// As [`request`], its constraints held against `pool`.
pub(super) fn request_of(line: &[u8], number: usize, pool: &ModelPool) -> Result<Option<(Prompt, Constraints)>> {
    let request = request(line, number)?;
    if let Some((_, constraints)) = &request {
        constraints.check(pool)?;
    }
    Ok(request)
}

fn read_constraints(fields: Map<String, Value>) -> Result<Constraints> {
    let read = |fields: Map<String, Value>| serde_json::from_value::<Constraints>(Value::Object(fields));
    read(fields.clone()).map_err(|whole| {
        // serde names no field for a wrong type: the one that fails alone is it.
        let at = fields.iter().find_map(|(name, value)| {
            let alone = read(Map::from_iter([(name.clone(), value.clone())]));
            alone.err().map(|error| (name.clone(), error))
        });
        match at {
            Some((name, error)) => Error::new(ErrorKind::Data, reason(&error)).at_field(name),
            None => Error::new(ErrorKind::Data, reason(&whole)),
        }
    })
}

/// What serde says, without a line and column that mean nothing in a line of JSON Lines.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.find(" at line 1 column ") {
        Some(end) if error.column() > 0 => {
            format!("{} at column {}", text.get(..end).unwrap_or(&text), error.column())
        }
        Some(end) => text.get(..end).unwrap_or(&text).to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_constraint_names_its_field() {
        let read = |text: &str| {
            let Value::Object(fields) = serde_json::from_str(text).unwrap() else { panic!("{text}") };
            read_constraints(fields)
        };
        assert_eq!(read("{}").unwrap(), Constraints::default());
        let error = read(r#"{"required_tags": ["a"], "allowed_models": 3}"#).unwrap_err();
        assert_eq!(error.field(), Some("allowed_models"));
        let error = read(r#"{"alowed_models": ["a"]}"#).unwrap_err();
        assert_eq!(error.field(), Some("alowed_models"));
        assert!(error.message().starts_with("unknown field"), "{error}");
    }
}
