//! Parameters of the remote embedder.

use std::time::Duration;

use async_trait::async_trait;
use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::embedders::remote::fitted::RemoteEmbedder;
use crate::http::{ApiKey, Client, ClientOptions};

/// How vectors travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// As JSON numbers. Every server knows it.
    #[default]
    Float,
    /// As the base64 of little-endian f32: a third of the bytes, exact. A server that answers numbers all the same is understood.
    Base64,
}

/// Parameters of the `remote` embedder; see the [module](super).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RemoteConfig {
    /// The server's address, with or without `/v1`; one that ends in `/embeddings` is taken as it is. Neither credentials nor a query
    /// may stand in it. Default: Ollama on this machine, `http://localhost:11434`.
    pub url: String,
    /// An environment variable whose value replaces `url` where it is set, for an artifact that is used elsewhere than it was
    /// trained. Default: none.
    pub url_environment: Option<String>,
    /// The model, as the server calls it. Default `all-minilm`.
    pub model: String,
    /// Any text that tells apart models of one name: change it when the server changes the model, and nothing of the old one is taken
    /// from the cache. Default: none.
    pub revision: Option<String>,
    /// d, the length of a vector. It is requested (`dimensions`), which only models that can shorten their vectors accept, and checked.
    /// Default: what the model gives; it is found at fit and checked from then on.
    #[schemars(range(min = 1, max = 65_536))]
    pub dimension: Option<usize>,
    /// What is put before every text, as some models want it: `query: `. Default: nothing.
    pub prefix: String,
    /// Characters of a text that are sent at most, the prefix not counted; the rest is cut, and the text is reported as truncated.
    /// Default 8000, which fits into 8,192 tokens in nearly every script.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub maximum_characters: usize,
    /// Whether vectors are brought to length 1. Default true.
    pub normalize: bool,
    /// Whether a fixed text is embedded at fit and again on the first use of a loaded router, to find out whether the server has
    /// changed the model. Default true; costs two tiny requests.
    pub probe: bool,
    /// The environment variable that holds the key of the service, sent as `Authorization: Bearer`. The key itself is never stored
    /// or printed. Default: none, no key is sent.
    pub api_key_environment: Option<String>,
    /// How vectors travel: `float` or `base64`. Default `float`.
    pub encoding: Encoding,
    /// Texts in one request. Default 32.
    #[schemars(range(min = 1, max = 2048))]
    pub batch_size: usize,
    /// Requests at once. Default 4.
    #[schemars(range(min = 1, max = 64))]
    pub concurrency: usize,
    /// Seconds that one request may take. Default 60.
    #[schemars(range(min = 0.001, max = 3600.0))]
    pub timeout_seconds: f64,
    /// How often a request is tried again where that may help: no connection, a cut answer, 408, 429, 5xx. Default 5.
    #[schemars(range(min = 0, max = 20))]
    pub retries: u32,
    /// Seconds before a request is tried again for the first time; doubled with every further time, up to 30, and at least what the
    /// server asks for, up to 120. Default 0.5.
    #[schemars(range(min = 0.0, max = 30.0))]
    pub retry_seconds: f64,
}

impl Default for RemoteConfig {
    fn default() -> Self {
        Self {
            url: "http://localhost:11434".to_owned(),
            url_environment: None,
            model: "all-minilm".to_owned(),
            revision: None,
            dimension: None,
            prefix: String::new(),
            maximum_characters: 8000,
            normalize: true,
            probe: true,
            api_key_environment: None,
            encoding: Encoding::Float,
            batch_size: 32,
            concurrency: 4,
            timeout_seconds: 60.0,
            retries: 5,
            retry_seconds: 0.5,
        }
    }
}

impl RemoteConfig {
    /// Checks what the schema cannot say.
    pub(super) fn check(&self) -> Result<()> {
        endpoint(&self.url).map_err(|error| error.at_field("url"))?;
        if self.model.trim().is_empty() {
            return Err(Error::new(ErrorKind::Config, "the model has no name").at_field("model"));
        }
        for (field, variable) in
            [("url_environment", &self.url_environment), ("api_key_environment", &self.api_key_environment)]
        {
            let named = |name: &String| {
                !name.is_empty() && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
            };
            if !variable.as_ref().is_none_or(named) {
                // What stands there may be the key itself.
                return Err(Error::new(ErrorKind::Config, "this is not the name of an environment variable")
                    .at_field(field)
                    .help("letters, digits and underscores, as in `OPENAI_API_KEY`; a key itself stands in no configuration"));
            }
        }
        Ok(())
    }

    /// What asks the server.
    pub(super) fn client(&self) -> Result<Client> {
        let url = match &self.url_environment {
            Some(variable) => match std::env::var(variable) {
                Ok(url) if !url.is_empty() => {
                    endpoint(&url).map_err(|error| error.context(format!("the environment variable {variable}")))?
                }
                _ => endpoint(&self.url)?,
            },
            None => endpoint(&self.url)?,
        };
        let key = self.api_key_environment.as_deref().map(ApiKey::from_environment).transpose()?;
        let options = ClientOptions {
            concurrency: self.concurrency,
            timeout: Duration::from_secs_f64(self.timeout_seconds.clamp(0.001, 3600.0)),
            retries: self.retries,
            first_wait: Duration::from_secs_f64(self.retry_seconds.clamp(0.0, 30.0)),
        };
        Client::new(url, key, options)
    }
}

/// The address of the embeddings of the server at `url`.
///
/// # Errors
/// [`ErrorKind::Config`]; the message does not repeat the address, which may hold credentials.
fn endpoint(url: &str) -> Result<String> {
    let wrong = |what: &str, help: &str| Err(Error::new(ErrorKind::Config, what.to_owned()).help(help.to_owned()));
    let url = url.trim();
    let lower = url.to_ascii_lowercase();
    let Some(rest) = lower.strip_prefix("http://").or_else(|| lower.strip_prefix("https://")) else {
        return wrong(
            "this is not the address of a web server",
            "as `http://localhost:11434` or `https://api.openai.com/v1`",
        );
    };
    if rest.contains('@') {
        return wrong(
            "credentials stand in the address",
            "name the environment variable that holds the key: `api_key_environment`",
        );
    }
    if rest.contains(['?', '#']) {
        return wrong("a query or fragment stands in the address", "give the address alone");
    }
    let host = rest.split(['/', ':']).next().unwrap_or_default();
    if host.is_empty() || url.contains(char::is_whitespace) || url.contains(char::is_control) {
        return wrong(
            "this is not the address of a web server",
            "as `http://localhost:11434` or `https://api.openai.com/v1`",
        );
    }
    let base = url.trim_end_matches('/');
    Ok(if base.ends_with("/embeddings") {
        base.to_owned()
    } else if base.ends_with("/v1") {
        format!("{base}/embeddings")
    } else {
        format!("{base}/v1/embeddings")
    })
}

impl PluginConfig for RemoteConfig {
    const NAME: &'static str = "remote";
    const SUMMARY: &'static str =
        "An encoder behind an OpenAI-compatible /v1/embeddings: vLLM, TEI, Ollama, hosted ones";
    const SOURCE: &'static str = "the OpenAI API reference, Create embeddings";
    const COST: &'static str = "a round trip a batch";
    const EXAMPLE: &'static str = r#"url = "https://api.openai.com/v1"
model = "text-embedding-3-small"
dimension = 512
api_key_environment = "OPENAI_API_KEY"
maximum_characters = 8000
normalize = true
encoding = "base64"
batch_size = 64
concurrency = 4
timeout_seconds = 60.0
retries = 5
"#;

    fn prepare(&mut self, _registry: &Registry) -> Result<()> {
        self.check()
    }
}

#[async_trait]
impl Embedder for RemoteConfig {
    type Fitted = RemoteEmbedder;

    async fn fit(&self, _texts: &[&str], cx: &FitContext) -> Result<RemoteEmbedder> {
        self.check()?;
        RemoteEmbedder::find(self.clone(), cx).await
    }
}

router_core::register!(EmbedderRole, RemoteConfig);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_completed_and_mistakes_found() {
        for (url, full) in [
            ("http://localhost:8000", "http://localhost:8000/v1/embeddings"),
            ("http://localhost:8000/", "http://localhost:8000/v1/embeddings"),
            ("https://api.openai.com/v1", "https://api.openai.com/v1/embeddings"),
            ("HTTPS://host/v1/", "HTTPS://host/v1/embeddings"),
            ("https://host/api/v3/embeddings", "https://host/api/v3/embeddings"),
            ("http://[::1]:80", "http://[::1]:80/v1/embeddings"),
        ] {
            assert_eq!(endpoint(url).unwrap(), full);
        }
        for wrong in ["", "localhost:8000", "ftp://host", "http://", "http:///v1", "http://a b", "http://host\n/x"] {
            assert_eq!(endpoint(wrong).unwrap_err().kind(), ErrorKind::Config, "{wrong:?}");
        }
        for secret in ["https://user:hunter2@host/v1", "https://host/v1?key=hunter2", "https://host/#hunter2"] {
            let error = endpoint(secret).unwrap_err();
            assert!(error.kind() == ErrorKind::Config && !format!("{error:?} {error}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_key_in_the_configuration_is_refused_and_not_repeated() {
        let config = RemoteConfig { api_key_environment: Some("sk-hunter2".into()), ..RemoteConfig::default() };
        let error = config.check().unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::Config, Some("api_key_environment")));
        assert!(!format!("{error:?} {error}").contains("hunter2"), "{error}");
    }
}
