//! A request as JSON: what the command line reads a line each, and what the gateway is asked.

use serde::Deserialize as _;
use serde_json::{Map, Value};

use crate::error::{Error, ErrorKind, Result};
use crate::types::constraints::Constraints;
use crate::types::model::ModelPool;
use crate::types::prompt::{Prompt, PromptContent};

/// A prompt and what its answer must keep to.
///
/// Its JSON form is `{"prompt": text or [{"role", "content"}], "prompt_id"?}` with the fields of [`Constraints`] beside them;
/// `benchmark`, `tags` and `description` may stand there too, as in a dataset's prompts.jsonl.
///
/// ```
/// use router_core::Request;
/// let request = Request::from_json(br#"{"prompt": "What is 3 + 4?", "maximum_cost_usd": 0.01}"#, "1").unwrap();
/// assert_eq!((request.prompt.id.as_str(), request.constraints.maximum_cost_usd), ("1", Some(0.01)));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The prompt.
    pub prompt: Prompt,
    /// Its constraints.
    pub constraints: Constraints,
}

impl Request {
    /// Reads a JSON object; `id` names a prompt without an id.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] with the field.
    pub fn from_json(text: &[u8], id: &str) -> Result<Self> {
        let value: Value = serde_json::from_slice(text.trim_ascii_end())
            .map_err(|source| data(format!("not JSON: {}", reason(&source))))?;
        Self::from_value(value, id)
    }

    /// As [`from_json`](Self::from_json), of a value that was read already.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] with the field.
    pub fn from_value(value: Value, id: &str) -> Result<Self> {
        let Value::Object(mut fields) = value else {
            return Err(data("not a JSON object".into()).help("{\"prompt\": \"...\"}"));
        };
        let content = match fields.remove("prompt") {
            None => return Err(data("is missing".into()).at_field("prompt").help("{\"prompt\": \"...\"}")),
            Some(content) => content_of(&content).map_err(|error| error.at_field("prompt"))?,
        };
        let id = match fields.remove("prompt_id") {
            None | Some(Value::Null) => id.to_owned(),
            Some(Value::String(id)) => id,
            Some(_) => return Err(data("is not a string".into()).at_field("prompt_id")),
        };
        // A data set's prompts.jsonl can be piped in as it is.
        for known in ["benchmark", "tags", "description"] {
            fields.remove(known);
        }
        let constraints = Constraints::from_fields(fields)?;
        Ok(Self { prompt: Prompt { content, ..Prompt::new(id, "") }, constraints })
    }

    /// The same, its constraints held against `pool`.
    ///
    /// # Errors
    /// As [`Constraints::check`].
    pub fn checked(self, pool: &ModelPool) -> Result<Self> {
        self.constraints.check(pool)?;
        Ok(self)
    }
}

/// The content of a prompt: a text, or a list of messages as chat APIs take it.
///
/// # Errors
/// [`ErrorKind::Data`] if it is neither.
pub fn content_of(value: &Value) -> Result<PromptContent> {
    PromptContent::deserialize(value).map_err(|_| {
        data("is neither a text nor a list of messages".into())
            .help("[{\"role\": \"user\", \"content\": \"...\"}]; the roles are system, user, assistant, tool")
    })
}

impl Constraints {
    /// Reads the fields of a JSON object, which are constraints all.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] with the field: an unknown one, or one of a wrong type.
    pub fn from_fields(fields: Map<String, Value>) -> Result<Self> {
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
}

fn data(what: String) -> Error {
    Error::new(ErrorKind::Data, what)
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
            Constraints::from_fields(fields)
        };
        assert_eq!(read("{}").unwrap(), Constraints::default());
        let error = read(r#"{"required_tags": ["a"], "allowed_models": 3}"#).unwrap_err();
        assert_eq!(error.field(), Some("allowed_models"));
        let error = read(r#"{"alowed_models": ["a"]}"#).unwrap_err();
        assert_eq!(error.field(), Some("alowed_models"));
        assert!(error.message().starts_with("unknown field"), "{error}");
    }
}
