//! A model directory in the hub's layout.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use once_cell::sync::OnceCell;
use router_core::{Error, ErrorKind, Result};
use serde_json::Value;

use crate::models::pooling;
use crate::models::record::{ModelRecord, identity, is_inside};
use router_encoder::Pooling;

/// What sentence-transformers calls the file with the token limit: one name an architecture, of which the first found is read.
const LIMIT_FILES: [&str; 7] = [
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];
/// The weights in one file.
const WHOLE: &str = "model.safetensors";
/// The names of the pieces where they are not.
const INDEX: &str = "model.safetensors.index.json";
/// A tokenizer without a limit says so by a huge number.
const NO_LIMIT: f64 = 1e9;
/// Modules of `modules.json` that need no weights beside the encoder's own.
const KNOWN_MODULES: [&str; 4] = ["Transformer", "StaticEmbedding", "Pooling", "Normalize"];

/// A model directory in the hub's layout, read and checked, its weights not yet loaded.
///
/// ```text
/// config.json                         the architecture and its sizes
/// tokenizer.json                      the tokenizer
/// model.safetensors                   the weights, or model.safetensors.index.json and the pieces that it names
/// modules.json                        optional: whether vectors are normalized, where the pooling is configured
/// 1_Pooling/config.json               optional: how token vectors become one; mean if it is missing
/// sentence_bert_config.json           optional: the token limit
/// config_sentence_transformers.json   optional: named prompts that are put before a text
/// router-model.json                   optional: the hashes, written by `fetch`
/// ```
#[derive(Debug, Clone)]
pub struct ModelDirectory {
    path: PathBuf,
    config: Value,
    record: Option<ModelRecord>,
    weights: Vec<String>,
    pooling_file: PathBuf,
    pooling: Pooling,
    normalize: bool,
    lowercase: bool,
    max_tokens: Option<usize>,
    prompts: BTreeMap<String, String>,
    default_prompt: Option<String>,
    fingerprint: OnceCell<String>,
}

impl ModelDirectory {
    /// Reads the small files of the model at `path` and finds its weights. Costs less than a millisecond.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if a file is missing or cannot be read; [`ErrorKind::Data`] if one is malformed;
    /// [`ErrorKind::Unsupported`] for weights in another format than safetensors, for a module (such as `Dense`) or a pooling
    /// that is not among ours.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let config = required(&path, "config.json")?;
        required_file(&path, "tokenizer.json")?;
        let weights = weights(&path)?;
        let modules = Modules::read(&path)?;
        let pooling_file = Path::new(&modules.pooling).join("config.json");
        let pooling = match optional(&path, &pooling_file)? {
            Some(pooling) => pooling::of_module(&pooling, &path.join(&pooling_file))?,
            None => Pooling::default(),
        };
        let mut limits = Value::Null;
        for name in LIMIT_FILES {
            if let Some(found) = optional(&path, Path::new(name))? {
                limits = found;
                break;
            }
        }
        let tokenizer = optional(&path, Path::new("tokenizer_config.json"))?.unwrap_or_default();
        let max_tokens = max_tokens(&config, &limits, &tokenizer);
        let prompts = optional(&path, Path::new("config_sentence_transformers.json"))?.unwrap_or_default();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Ok(Self {
            pooling_file,
            pooling,
            normalize: modules.normalize,
            lowercase: limits.get("do_lower_case").and_then(Value::as_bool).unwrap_or(false),
            max_tokens,
            prompts: prompts
                .get("prompts")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                .filter_map(|(name, prompt)| Some((name.clone(), text(prompt)?)))
                .collect(),
            default_prompt: prompts.get("default_prompt_name").and_then(text),
            record: ModelRecord::read(&path)?,
            weights,
            config,
            path,
            fingerprint: OnceCell::new(),
        })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All of config.json.
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// `model_type` of config.json, such as `bert`, `mpnet`, `model2vec` or `wordllama`; empty if there is none.
    pub fn architecture(&self) -> &str {
        self.config.get("model_type").and_then(Value::as_str).unwrap_or_default()
    }

    /// The non-negative integer `field` of config.json.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] if it is missing or something else.
    pub fn config_integer(&self, field: &str) -> Result<usize> {
        let number = self.config.get(field).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok());
        number.ok_or_else(|| {
            let found = self.config.get(field).map_or_else(|| "missing".to_owned(), Value::to_string);
            Error::new(ErrorKind::Data, format!("a non-negative integer belongs here, not {found}"))
                .in_file(self.path.join("config.json"))
                .at_field(field)
        })
    }

    /// The weights, safetensors each, in a fixed order; one unless the model is in pieces.
    pub fn weights(&self) -> Vec<PathBuf> {
        self.weights.iter().map(|weights| self.path.join(weights)).collect()
    }

    /// tokenizer.json.
    pub fn tokenizer(&self) -> PathBuf {
        self.path.join("tokenizer.json")
    }

    /// How token vectors become one.
    pub fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// Whether vectors are brought to unit length: what modules.json says, `normalize` of a static model's config.json, and
    /// true where neither says anything.
    pub fn normalize(&self) -> bool {
        self.config.get("normalize").and_then(Value::as_bool).unwrap_or(self.normalize)
    }

    /// Whether a text is lower-cased before its tokenizer sees it (most lower-case by themselves).
    pub fn lowercase(&self) -> bool {
        self.lowercase
    }

    /// The most tokens of a text that the encoder takes at once, special tokens included: the limit of sentence_bert_config.json
    /// or else of the tokenizer, and never more than there are positions. `None` if nothing limits it.
    pub fn max_tokens(&self) -> Option<usize> {
        self.max_tokens
    }

    /// The prompts that the model knows by name, as E5's `query`: texts to be put before a text.
    pub fn prompts(&self) -> &BTreeMap<String, String> {
        &self.prompts
    }

    /// What belongs before every text: the prompt called `name`, or without a name the model's default prompt; nothing if it
    /// has none.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the model has no prompt of that name; lists those that it has.
    pub fn prefix(&self, name: Option<&str>) -> Result<&str> {
        let Some(name) = name.or(self.default_prompt.as_deref()) else { return Ok("") };
        self.prompts.get(name).map(String::as_str).ok_or_else(|| {
            let known: Vec<&str> = self.prompts.keys().map(String::as_str).collect();
            Error::new(ErrorKind::Config, format!("the model has no prompt `{name}`"))
                .in_file(self.path.join("config_sentence_transformers.json"))
                .help(if known.is_empty() {
                    "it has none; give the text itself as `prefix`".to_owned()
                } else {
                    format!("it has: {}", known.join(", "))
                })
        })
    }

    /// The paths of all its files that this program reads, and of its licence.
    pub fn parts(&self) -> Vec<String> {
        let pooling = self.pooling_file.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/");
        let small = ["config.json", "tokenizer.json", INDEX, "modules.json", "tokenizer_config.json"];
        let more = [&*pooling, "config_sentence_transformers.json", "LICENSE", "LICENSE.txt", "LICENSE.md"];
        let names = small.into_iter().chain(LIMIT_FILES).chain(more).filter(|name| self.path.join(name).is_file());
        names.map(str::to_owned).chain(self.weights.iter().cloned()).collect()
    }

    /// What `fetch` wrote down about it; `None` if it came another way.
    pub fn record(&self) -> Option<&ModelRecord> {
        self.record.as_ref()
    }

    /// Identifies what determines the vectors, wherever the directory lies: SHA-256 over the hashes of config.json,
    /// tokenizer.json and the weights, and over pooling, normalization, lower-casing and token limit. Prompts are not in it:
    /// an embedder adds the one that it uses to its own fingerprint.
    ///
    /// Of a model that `fetch` brought, the hashes of large files are the recorded ones, as long as length and a sample of half
    /// a megabyte agree; `router embedder check` reads all of them. Of any other directory they are computed here, once, at
    /// about 0.5 ms (with the CPU's SHA instructions) to 3 ms a megabyte.
    ///
    /// # Errors
    /// [`ErrorKind::Io`].
    pub fn fingerprint(&self) -> Result<&str> {
        let fingerprint = self.fingerprint.get_or_try_init(|| -> Result<String> {
            let mut lines = vec!["router model 1".to_owned()];
            let names = ["config.json", "tokenizer.json"].into_iter().chain(self.weights.iter().map(String::as_str));
            for name in names {
                lines.push(format!("{name} {}", identity(&self.path, name, self.record.as_ref())?));
            }
            let Self { pooling, lowercase, max_tokens, .. } = self;
            let normalize = self.normalize();
            lines.push(format!("{pooling:?} normalize={normalize} lowercase={lowercase} max_tokens={max_tokens:?}"));
            Ok(router_core::artifact::sha256(lines.join("\n").as_bytes()))
        })?;
        Ok(fingerprint)
    }
}

/// What modules.json says.
struct Modules {
    /// The folder of the pooling's configuration.
    pooling: String,
    normalize: bool,
}

impl Modules {
    fn read(directory: &Path) -> Result<Self> {
        let Some(modules) = optional(directory, Path::new("modules.json"))? else {
            return Ok(Self { pooling: "1_Pooling".to_owned(), normalize: true });
        };
        let malformed = |what: &str| Error::new(ErrorKind::Data, what).in_file(directory.join("modules.json"));
        let mut found = Self { pooling: "1_Pooling".to_owned(), normalize: false };
        for module in modules.as_array().ok_or_else(|| malformed("a list of modules belongs here"))? {
            let class =
                module.get("type").and_then(Value::as_str).ok_or_else(|| malformed("a module has no `type`"))?;
            let name = class.rsplit('.').next().unwrap_or(class);
            if !KNOWN_MODULES.contains(&name) {
                return Err(Error::new(ErrorKind::Unsupported, format!("module `{class}` is not supported"))
                    .in_file(directory.join("modules.json"))
                    .help(format!("supported: {}", KNOWN_MODULES.join(", "))));
            }
            match name {
                "Normalize" => found.normalize = true,
                "Pooling" => {
                    let path = module.get("path").and_then(Value::as_str).unwrap_or("1_Pooling");
                    if !is_inside(path) {
                        return Err(malformed("the path of a module leads out of the model's directory"));
                    }
                    path.clone_into(&mut found.pooling);
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

/// The names of the weights' files.
fn weights(directory: &Path) -> Result<Vec<String>> {
    if directory.join(WHOLE).is_file() {
        return Ok(vec![WHOLE.to_owned()]);
    }
    if let Some(index) = optional(directory, Path::new(INDEX))? {
        let malformed = |what: &str| Error::new(ErrorKind::Data, what).in_file(directory.join(INDEX));
        let map = index.get("weight_map").and_then(Value::as_object);
        let map = map.ok_or_else(|| malformed("`weight_map` is missing"))?;
        let mut pieces = BTreeSet::new();
        for piece in map.values() {
            let piece = piece.as_str().filter(|piece| is_inside(piece));
            pieces.insert(piece.ok_or_else(|| malformed("`weight_map` names no file of this directory"))?.to_owned());
        }
        for piece in &pieces {
            required_file(directory, piece)?;
        }
        if pieces.is_empty() {
            return Err(malformed("`weight_map` is empty"));
        }
        return Ok(pieces.into_iter().collect());
    }
    for other in ["pytorch_model.bin", "tf_model.h5", "model.onnx", "onnx/model.onnx"] {
        if directory.join(other).is_file() {
            return Err(Error::new(ErrorKind::Unsupported, "weights are read as safetensors only")
                .in_file(directory.join(other))
                .help("save the model as model.safetensors, as `save_pretrained` of transformers does"));
        }
    }
    Err(missing(directory, WHOLE))
}

/// The most tokens at once, special tokens included.
fn max_tokens(config: &Value, limits: &Value, tokenizer: &Value) -> Option<usize> {
    let limit = |value: &Value, field: &str| {
        let number = value.get(field).and_then(Value::as_f64)?;
        (1.0..NO_LIMIT).contains(&number).then_some(number as usize)
    };
    // Architectures of RoBERTa's line count positions from behind the padding token's id.
    let reserved = match config.get("model_type").and_then(Value::as_str) {
        Some("mpnet" | "roberta" | "xlm-roberta" | "camembert") => {
            config.get("pad_token_id").and_then(Value::as_u64).map_or(2, |id| id as usize + 1)
        }
        _ => 0,
    };
    let positions = limit(config, "max_position_embeddings").map(|positions| positions.saturating_sub(reserved));
    let said = limit(limits, "max_seq_length").or_else(|| limit(tokenizer, "model_max_length"));
    match (said, positions) {
        (Some(said), Some(positions)) => Some(said.min(positions)),
        (said, positions) => said.or(positions),
    }
}

fn missing(directory: &Path, name: &str) -> Error {
    Error::io(directory.join(name), std::io::ErrorKind::NotFound.into())
        .help("a model directory holds config.json, tokenizer.json and model.safetensors")
}

fn required_file(directory: &Path, name: &str) -> Result<()> {
    if directory.join(name).is_file() { Ok(()) } else { Err(missing(directory, name)) }
}

fn required(directory: &Path, name: &str) -> Result<Value> {
    optional(directory, Path::new(name))?.ok_or_else(|| missing(directory, name))
}

/// The JSON of the file `name`; `None` if there is no such file.
fn optional(directory: &Path, name: &Path) -> Result<Option<Value>> {
    let path = directory.join(name);
    match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|source| {
            Error::new(ErrorKind::Data, source.to_string()).in_file(&path).at_line(source.line()).caused_by(source)
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(&path, error)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tempfile::TempDir;

    use super::*;

    fn directory(files: &[(&str, Value)]) -> TempDir {
        let directory = tempfile::tempdir().unwrap();
        let bert = json!({ "model_type": "bert", "hidden_size": 384, "max_position_embeddings": 512 });
        put(&directory, "config.json", &bert);
        put(&directory, "tokenizer.json", &json!({}));
        fs::write(directory.path().join("model.safetensors"), "weights").unwrap();
        for (name, value) in files {
            put(&directory, name, value);
        }
        directory
    }

    fn put(directory: &TempDir, name: &str, value: &Value) {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, value.to_string()).unwrap();
    }

    fn modules(names: &[(&str, &str)]) -> Value {
        let of = |(name, path): &(&str, &str)| json!({ "path": path, "type": format!("sentence_transformers.models.{name}") });
        names.iter().map(of).collect()
    }

    fn refused(files: &[(&str, Value)]) -> Error {
        ModelDirectory::open(directory(files).path()).unwrap_err()
    }

    #[test]
    fn a_bare_directory_has_defaults() {
        let model = directory(&[]);
        let model = ModelDirectory::open(model.path()).unwrap();
        assert_eq!((model.architecture(), model.config_integer("hidden_size").unwrap()), ("bert", 384));
        assert_eq!((model.pooling(), model.normalize(), model.max_tokens()), (Pooling::Mean, true, Some(512)));
        assert_eq!(model.prefix(None).unwrap(), "");
        assert_eq!(model.weights(), [model.path().join("model.safetensors")]);
        let error = model.config_integer("num_hidden_layers").unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::Data, Some("num_hidden_layers")));
    }

    #[test]
    fn sentence_transformers_files_are_read() {
        let model = directory(&[
            ("modules.json", modules(&[("Transformer", ""), ("Pooling", "2_Pooling")])),
            ("2_Pooling/config.json", json!({ "pooling_mode_cls_token": true })),
            ("sentence_bert_config.json", json!({ "max_seq_length": 256, "do_lower_case": true })),
            (
                "config_sentence_transformers.json",
                json!({ "prompts": { "query": "query: ", "passage": "passage: " }, "default_prompt_name": "query" }),
            ),
        ]);
        let model = ModelDirectory::open(model.path()).unwrap();
        assert_eq!((model.pooling(), model.normalize(), model.max_tokens()), (Pooling::Cls, false, Some(256)));
        assert!(model.lowercase());
        assert_eq!(model.prefix(None).unwrap(), "query: ");
        assert_eq!(model.prefix(Some("passage")).unwrap(), "passage: ");
        let error = model.prefix(Some("document")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("passage, query"), "{error}");
    }

    #[test]
    fn limits_are_never_above_the_positions() {
        let tokens = |config: Value, limits: Value, tokenizer: Value| max_tokens(&config, &limits, &tokenizer);
        let mpnet = json!({ "model_type": "mpnet", "max_position_embeddings": 514, "pad_token_id": 1 });
        assert_eq!(tokens(mpnet.clone(), json!({}), json!({})), Some(512));
        assert_eq!(tokens(mpnet.clone(), json!({ "max_seq_length": 384 }), json!({})), Some(384));
        assert_eq!(tokens(mpnet.clone(), json!({ "max_seq_length": 514 }), json!({})), Some(512));
        let unlimited = json!({ "model_max_length": 1e30 });
        assert_eq!(tokens(mpnet, json!({ "max_seq_length": null }), unlimited.clone()), Some(512));
        let bert = json!({ "max_position_embeddings": 512 });
        assert_eq!(tokens(bert, json!({}), json!({ "model_max_length": 128 })), Some(128));
        assert_eq!(tokens(json!({ "model_type": "model2vec" }), json!({}), unlimited), None);
    }

    #[test]
    fn pieces_are_found_by_their_index() {
        let index = json!({ "weight_map": { "b": "model-2.safetensors", "a": "model-1.safetensors", "c": "model-2.safetensors" } });
        let model = directory(&[("model.safetensors.index.json", index)]);
        fs::remove_file(model.path().join("model.safetensors")).unwrap();
        fs::write(model.path().join("model-1.safetensors"), "1").unwrap();
        let error = ModelDirectory::open(model.path()).unwrap_err();
        assert_eq!((error.exit_status(), error.file()), (2, Some(&*model.path().join("model-2.safetensors"))));
        fs::write(model.path().join("model-2.safetensors"), "2").unwrap();
        let opened = ModelDirectory::open(model.path()).unwrap();
        assert_eq!(
            opened.weights(),
            ["model-1.safetensors", "model-2.safetensors"].map(|name| model.path().join(name))
        );
    }

    #[test]
    fn what_is_missing_malformed_or_unsupported_is_named() {
        let model = directory(&[]);
        for name in ["model.safetensors", "tokenizer.json", "config.json"] {
            fs::remove_file(model.path().join(name)).unwrap();
            let error = ModelDirectory::open(model.path()).unwrap_err();
            assert_eq!((error.exit_status(), error.file()), (2, Some(&*model.path().join(name))), "{error}");
        }
        let model = directory(&[]);
        fs::rename(model.path().join("model.safetensors"), model.path().join("pytorch_model.bin")).unwrap();
        assert_eq!(ModelDirectory::open(model.path()).unwrap_err().kind(), ErrorKind::Unsupported);
        let model = directory(&[]);
        fs::write(model.path().join("config.json"), "{\n\"a\": }").unwrap();
        let error = ModelDirectory::open(model.path()).unwrap_err();
        assert_eq!((error.kind(), error.line()), (ErrorKind::Data, Some(2)));

        let dense = refused(&[("modules.json", modules(&[("Transformer", ""), ("Dense", "2_Dense")]))]);
        assert_eq!(dense.kind(), ErrorKind::Unsupported);
        let outside = refused(&[("modules.json", modules(&[("Pooling", "../elsewhere")]))]);
        assert_eq!(outside.kind(), ErrorKind::Data);
        assert_eq!(refused(&[("modules.json", json!({}))]).kind(), ErrorKind::Data);
    }

    #[test]
    fn the_fingerprint_knows_content_and_settings_but_not_the_place() {
        let limit = |tokens: usize| [("sentence_bert_config.json", json!({ "max_seq_length": tokens }))];
        let print = |model: &TempDir| ModelDirectory::open(model.path()).unwrap().fingerprint().unwrap().to_owned();
        let (first, second) = (directory(&limit(64)), directory(&limit(64)));
        assert_eq!(print(&first), print(&second));
        assert_ne!(print(&first), print(&directory(&limit(65))));
        let pooling = [("1_Pooling/config.json", json!({ "pooling_mode_cls_token": true }))];
        assert_ne!(print(&directory(&[])), print(&directory(&pooling)));
        for name in ["model.safetensors", "tokenizer.json", "config.json"] {
            let before = print(&second);
            let path = second.path().join(name);
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, format!("{text} ")).unwrap();
            assert_ne!(before, print(&second), "{name}");
        }
    }
}
