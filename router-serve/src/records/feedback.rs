//! How good an answer was, as somebody says later.

use router_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use uuid::Uuid;

/// How good the answer to a recorded decision was.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feedback {
    /// The decision, by the id that the answer's header `x-router-decision` named.
    pub decision_id: Uuid,
    /// From 0 to 1.
    pub quality: f64,
    /// Words beside it, kept where the configuration asks for them.
    #[serde(default)]
    pub comment: Option<String>,
}

impl Feedback {
    /// Reads a JSON document.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] with the field.
    pub fn read(text: &[u8]) -> Result<Self> {
        let data = |what: String| Error::new(ErrorKind::Data, what);
        let value: serde_json::Value =
            serde_json::from_slice(text).map_err(|error| data(format!("the body is not JSON: {error}")))?;
        let has = |field: &str| value.get(field).is_some_and(|value| !value.is_null());
        for field in ["decision_id", "quality"] {
            if !has(field) {
                return Err(data("is missing".to_owned())
                    .at_field(field)
                    .help("{\"decision_id\": \"...\", \"quality\": 0.5}"));
            }
        }
        let id = value.get("decision_id").and_then(serde_json::Value::as_str);
        if id.is_none_or(|id| Uuid::parse_str(id).is_err()) {
            return Err(data("is not an id".to_owned())
                .at_field("decision_id")
                .help("an answer names its decision in the header x-router-decision"));
        }
        let quality = value.get("quality").and_then(serde_json::Value::as_f64);
        if quality.is_none_or(|quality| !(0.0..=1.0).contains(&quality)) {
            return Err(data("is not a number from 0 to 1".to_owned()).at_field("quality"));
        }
        serde_json::from_value(value).map_err(|error| data(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_name_their_field() {
        let id = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";
        let read = |text: String| Feedback::read(text.as_bytes());
        assert_eq!(read(format!("{{\"decision_id\": \"{id}\", \"quality\": 1}}")).unwrap().quality, 1.0);
        for (text, field) in [
            ("{}".to_owned(), Some("decision_id")),
            (format!("{{\"decision_id\": \"{id}\"}}"), Some("quality")),
            (format!("{{\"decision_id\": \"{id}\", \"quality\": 1.01}}"), Some("quality")),
            (format!("{{\"decision_id\": \"{id}\", \"quality\": \"good\"}}"), Some("quality")),
            ("{\"decision_id\": \"x\", \"quality\": 1}".to_owned(), Some("decision_id")),
            (format!("{{\"decision_id\": \"{id}\", \"quality\": 1, \"note\": 3}}"), None),
            ("[]".to_owned(), Some("decision_id")),
            ("{".to_owned(), None),
        ] {
            assert_eq!(read(text.clone()).unwrap_err().field(), field, "{text}");
        }
    }
}
