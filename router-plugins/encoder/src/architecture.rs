//! What `config.json` says of an encoder.

use std::path::Path;

use router_core::{Error, ErrorKind, Result};
use serde_json::Value;

use crate::kernels::matmul::Activation;

/// The families of encoders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// BERT and its many descendants of the same layout.
    Bert,
    /// RoBERTa and XLM-RoBERTa: BERT with positions counted from after the padding token's id.
    Roberta,
    /// MPNet: positions as RoBERTa's, and a bias of attention by relative position.
    Mpnet,
}

/// The shape of an encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct Architecture {
    /// Its family.
    pub family: Family,
    /// h, numbers of a token's vector.
    pub hidden: usize,
    /// Layers.
    pub layers: usize,
    /// Attention heads of a layer.
    pub heads: usize,
    /// f, numbers between the two products of a layer's feed-forward part.
    pub intermediate: usize,
    /// Token ids are below it.
    pub vocabulary: usize,
    /// Rows of the table of positions.
    pub positions: usize,
    /// The row of a sequence's first position.
    pub first_position: usize,
    /// Rows of the table of token types; 0 for none.
    pub token_types: usize,
    /// Buckets of MPNet's relative positions; 0 for none.
    pub relative_buckets: usize,
    /// What layer norms add to a variance.
    pub epsilon: f32,
    /// Between the two products of a layer's feed-forward part.
    pub activation: Activation,
}

impl Architecture {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// [`ErrorKind::Io`]; [`ErrorKind::Artifact`] for a file that is malformed, naming the field; [`ErrorKind::Unsupported`] for
    /// a model of another kind than the [families](Family), or with other parts.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).map_err(|error| Error::io(path, error))?;
        let config: Value = serde_json::from_slice(&text).map_err(|error| {
            Error::new(ErrorKind::Artifact, "the model's configuration is not JSON")
                .in_file(path)
                .at_line(error.line())
                .caused_by(error)
                .help("bring the model again")
        })?;
        Self::from_config(&config).map_err(|error| error.in_file(path))
    }

    /// As [`read`](Self::read), from the file's content.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn from_config(config: &Value) -> Result<Self> {
        let text = |field: &str| config.get(field).and_then(Value::as_str);
        let unsupported = |field: &str, found: &str, supported: &str| {
            Error::new(ErrorKind::Unsupported, format!("`{found}` is not supported"))
                .at_field(field)
                .help(format!("supported: {supported}"))
        };
        let family = match text("model_type") {
            Some("bert") => Family::Bert,
            Some("roberta" | "xlm-roberta" | "camembert") => Family::Roberta,
            Some("mpnet") => Family::Mpnet,
            other => {
                return Err(unsupported("model_type", other.unwrap_or("none"), "bert, roberta, xlm-roberta, mpnet"));
            }
        };
        if let Some(kind) = text("position_embedding_type").filter(|&kind| kind != "absolute") {
            return Err(unsupported("position_embedding_type", kind, "absolute"));
        }
        let activation = match text("hidden_act").unwrap_or("gelu") {
            "gelu" => Activation::Gelu,
            "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" => Activation::GeluTanh,
            "relu" => Activation::Relu,
            other => {
                return Err(unsupported("hidden_act", other, "gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, relu"));
            }
        };
        // The bounds keep a damaged file from asking for the machine's whole memory.
        let number = |field: &str, default: Option<usize>, most: usize| -> Result<usize> {
            let wrong = |found: String| {
                Error::new(ErrorKind::Artifact, format!("{found} where a number from 0 to {most} belongs"))
                    .at_field(field)
                    .help("the model's configuration is damaged or of another kind; bring the model again")
            };
            match config.get(field) {
                None | Some(Value::Null) => default.ok_or_else(|| wrong("nothing".into())),
                Some(value) => value
                    .as_u64()
                    .map(|value| value as usize)
                    .filter(|&value| value <= most)
                    .ok_or_else(|| wrong(value.to_string())),
            }
        };
        let (hidden, heads) = (number("hidden_size", None, 16_384)?, number("num_attention_heads", None, 1024)?);
        let positions = number("max_position_embeddings", None, 1 << 20)?;
        let first_position =
            if family == Family::Bert { 0 } else { number("pad_token_id", Some(1), 1 << 20)?.saturating_add(1) };
        let architecture = Self {
            family,
            hidden,
            layers: number("num_hidden_layers", None, 1024)?,
            heads,
            intermediate: number("intermediate_size", None, 1 << 18)?,
            vocabulary: number("vocab_size", None, 1 << 24)?,
            positions,
            first_position,
            token_types: if family == Family::Mpnet { 0 } else { number("type_vocab_size", Some(2), 1024)? },
            relative_buckets: if family == Family::Mpnet {
                number("relative_attention_num_buckets", Some(32), 4096)?
            } else {
                0
            },
            epsilon: config.get("layer_norm_eps").and_then(Value::as_f64).unwrap_or(1e-12) as f32,
            activation,
        };
        let wrong = |field: &str, what: &str| {
            Err(Error::new(ErrorKind::Artifact, what).at_field(field).help("bring the model again"))
        };
        if heads == 0 || hidden == 0 || !hidden.is_multiple_of(heads) {
            return wrong("num_attention_heads", "the hidden size is not a multiple of the attention heads");
        }
        if architecture.vocabulary == 0 || architecture.intermediate == 0 {
            return wrong("vocab_size", "the vocabulary or the intermediate size is 0");
        }
        if positions <= first_position {
            return wrong("max_position_embeddings", "there is no position for a token");
        }
        if family == Family::Mpnet && architecture.relative_buckets < 4 {
            return wrong("relative_attention_num_buckets", "relative positions need at least 4 buckets");
        }
        if !(architecture.epsilon.is_finite() && architecture.epsilon > 0.0) {
            return wrong("layer_norm_eps", "what layer norms add to a variance must be above 0");
        }
        Ok(architecture)
    }

    /// The longest sequence in tokens, special tokens included.
    pub fn maximum_tokens(&self) -> usize {
        self.positions - self.first_position
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn minilm() -> Value {
        json!({
            "model_type": "bert", "hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536,
            "vocab_size": 30522, "max_position_embeddings": 512, "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu"
        })
    }

    #[test]
    fn a_configuration_is_read() {
        let architecture = Architecture::from_config(&minilm()).unwrap();
        assert_eq!((architecture.hidden, architecture.maximum_tokens()), (384, 512));
        let mut roberta = minilm();
        roberta["model_type"] = "xlm-roberta".into();
        roberta["pad_token_id"] = 1.into();
        roberta["max_position_embeddings"] = 514.into();
        assert_eq!(Architecture::from_config(&roberta).unwrap().maximum_tokens(), 512);
    }

    #[test]
    fn what_cannot_be_computed_is_refused_with_its_field() {
        for (field, value, kind) in [
            ("model_type", json!("t5"), ErrorKind::Unsupported),
            ("hidden_act", json!("swiglu"), ErrorKind::Unsupported),
            ("position_embedding_type", json!("relative_key"), ErrorKind::Unsupported),
            ("num_attention_heads", json!(7), ErrorKind::Artifact),
            ("hidden_size", json!(-1), ErrorKind::Artifact),
            ("vocab_size", json!(1_u64 << 40), ErrorKind::Artifact),
            ("max_position_embeddings", json!(0), ErrorKind::Artifact),
            ("layer_norm_eps", json!(0.0), ErrorKind::Artifact),
        ] {
            let mut config = minilm();
            config[field] = value;
            let error = Architecture::from_config(&config).unwrap_err();
            assert_eq!((error.kind(), error.field()), (kind, Some(field)), "{error}");
        }
    }
}
