//! A custom embedder over an HTTP endpoint: a service of one's own, with a protocol of its own.
//!
//! For a service that speaks OpenAI's `/v1/embeddings` there is `use = "remote"`; this page is for all others.
//!
//! `cargo run --release -p router-examples --example custom_embedder_http`
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::time::Duration;

use async_trait::async_trait;
use router_core::prelude::*;
use router_core::registry::config::check;
use router_plugins::http::{Client, ClientOptions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the service is, and what it answers with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceConfig {
    /// Its address.
    pub url: String,
    /// Length of its vectors.
    #[schemars(range(min = 1, max = 65_536))]
    pub dimension: usize,
    /// Texts a request.
    #[schemars(range(min = 1, max = 10_000))]
    pub batch: usize,
}

impl Default for ServiceConfig {
    fn default() -> Self {
        Self { url: "http://127.0.0.1:8080/embed".to_owned(), dimension: 26, batch: 32 }
    }
}

impl PluginConfig for ServiceConfig {
    const NAME: &'static str = "service";
    const SUMMARY: &'static str = "Vectors of a service that answers {\"texts\"} by {\"vectors\"}";
    const SOURCE: &'static str = "this example";
    const COST: &'static str = "a round trip a batch";
    const EXAMPLE: &'static str = "url = \"http://embeddings.internal/embed\"\ndimension = 384\n";
}

#[async_trait]
impl Embedder for ServiceConfig {
    type Fitted = Service;

    async fn fit(&self, _texts: &[&str], _cx: &FitContext) -> Result<Service> {
        Service::new(self.clone())
    }
}

/// The service with a client of it.
pub struct Service {
    config: ServiceConfig,
    client: Client,
}

impl Service {
    fn new(config: ServiceConfig) -> Result<Self> {
        check(&config)?;
        // Requests run on threads of the client: no runtime is assumed. It retries what may succeed later.
        let options = ClientOptions {
            concurrency: 4,
            timeout: Duration::from_secs(30),
            retries: 3,
            first_wait: Duration::from_millis(200),
        };
        Ok(Self { client: Client::new(config.url.clone(), None, options)?, config })
    }
}

#[derive(Serialize)]
struct Question<'a> {
    texts: &'a [&'a str],
}

#[derive(Deserialize)]
struct Answer {
    vectors: Vec<Vec<f32>>,
}

#[async_trait]
impl FittedEmbedder for Service {
    fn dimension(&self) -> usize {
        self.config.dimension
    }

    fn fingerprint(&self) -> String {
        // The address tells the model; say its version too where the service tells one.
        format!("service 1 {} {}", self.config.url, self.config.dimension)
    }

    async fn embed(&self, texts: &[&str]) -> Result<Embeddings> {
        let mut requests = Vec::new();
        for batch in texts.chunks(self.config.batch) {
            let body = serde_json::to_vec(&Question { texts: batch })
                .map_err(|source| Error::new(ErrorKind::Internal, "texts are not JSON").caused_by(source))?;
            // All are under way at once; a number takes at most 32 characters.
            let maximum_bytes = 1_000 + 32 * (batch.len() * self.config.dimension) as u64;
            requests.push((batch.len(), self.client.post(body, maximum_bytes)));
        }
        let mut numbers = Vec::with_capacity(texts.len() * self.config.dimension);
        for (count, request) in requests {
            let answer: Answer = serde_json::from_slice(&request.await?).map_err(|source| {
                Error::new(ErrorKind::Embedding, "the answer is no list of vectors").caused_by(source)
            })?;
            // A service may be another one than it was: what does not fit is an error, not a panic later on.
            if answer.vectors.len() != count || answer.vectors.iter().any(|one| one.len() != self.config.dimension) {
                return Err(Error::new(ErrorKind::Embedding, "the answer has other vectors than were asked for")
                    .help("check `url` and `dimension`"));
            }
            numbers.extend(answer.vectors.into_iter().flatten());
        }
        let vectors = Matrix::from_vec(texts.len(), self.config.dimension, numbers)?;
        vectors.view().check_finite("vectors of the service")?;
        Ok(Embeddings::new(vectors))
    }

    /// A vector costs a round trip, so that training and evaluation keep it on the disk.
    fn worth_caching(&self) -> bool {
        true
    }
}

impl Persist for Service {
    const FORMAT: &'static str = "example-service";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("config", &self.config)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        Self::new(reader.get_json("config")?).map_err(|error| reader.corrupt(&error.to_string()))
    }
}

/// Starts a service and embeds with it.
pub fn main() -> Result<()> {
    let config = ServiceConfig { url: service::start(), ..ServiceConfig::default() };
    let service = Service::new(config)?;
    let texts = ["Translate this sentence into French.", "Translate that sentence into German.", "What is 17 * 23?"];
    let vectors = service.embed(&texts);
    let vectors = pollster::block_on(vectors)?.vectors;
    for (a, b) in [(0, 1), (0, 2)] {
        let cosine: f32 = vectors.row(a).iter().zip(vectors.row(b)).map(|(x, y)| x * y).sum();
        println!("{:<40} {:<40} {cosine:.2}", texts.get(a).unwrap_or(&""), texts.get(b).unwrap_or(&""));
    }
    Ok(())
}

/// A service that counts letters, to have one here.
mod service {
    use std::io::{BufRead as _, BufReader, Read as _, Result, Write as _};
    use std::net::{TcpListener, TcpStream};

    use serde_json::{Value, json};

    /// Its address. It ends with the process.
    pub(super) fn start() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|error| fail(&error));
        let address = listener.local_addr().unwrap_or_else(|error| fail(&error));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || drop(answer(&stream)));
            }
        });
        format!("http://{address}/embed")
    }

    #[allow(clippy::panic, reason = "an example without a free port has nothing to show")]
    fn fail(error: &std::io::Error) -> ! {
        panic!("no port for the example's service: {error}")
    }

    /// Answers the requests of one connection.
    fn answer(stream: &TcpStream) -> Result<()> {
        let mut reader = BufReader::new(stream);
        loop {
            let mut length = 0;
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line)? == 0 {
                    return Ok(());
                }
                let line = line.trim().to_ascii_lowercase();
                if let Some(value) = line.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap_or(0);
                }
                if line.is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            let question: Value = serde_json::from_slice(&body).unwrap_or_default();
            let texts = question.get("texts").and_then(Value::as_array).cloned().unwrap_or_default();
            let vectors: Vec<Vec<f32>> = texts.iter().map(|text| letters(text.as_str().unwrap_or_default())).collect();
            let body = json!({ "vectors": vectors }).to_string();
            let mut stream = stream;
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )?;
        }
    }

    /// How often each letter stands in a text, as a vector of length 1.
    fn letters(text: &str) -> Vec<f32> {
        let count = |letter: u8| text.bytes().filter(|byte| byte.to_ascii_lowercase() == letter).count() as f32;
        let counts: Vec<f32> = (b'a'..=b'z').map(count).collect();
        let length = counts.iter().map(|count| count * count).sum::<f32>().sqrt().max(1.0);
        counts.iter().map(|count| count / length).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    router_core::conformance!(
        EmbedderRole,
        ServiceConfig,
        parameters = serde_json::json!({ "url": service::start() }),
        except = []
    );
}
