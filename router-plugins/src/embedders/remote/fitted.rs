//! The remote embedder, ready.

use std::collections::VecDeque;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use router_core::embedding_cache::embed_cached;
use router_core::prelude::*;
use router_core::{EmbeddingCache, PromptKey};

use crate::embedders::remote::config::RemoteConfig;
use crate::embedders::remote::protocol;
use crate::http::Client;
use crate::neighbors::normalize;

/// Version of what is done to texts and vectors. A change of any vector for the same parameters changes it, and so the
/// fingerprint.
const ALGORITHM: u32 = 1;

/// The text by which a model is known again.
const PROBE: &str = "Which year did the first people walk on the Moon, and what is 17 * 23?";

/// The least cosine of two vectors of the probe by one model.
const SAME_MODEL: f64 = 0.999;

/// An encoder behind an address, of which the dimension and the vector of a fixed text are known.
pub struct RemoteEmbedder {
    config: RemoteConfig,
    dimension: usize,
    /// The vector of [`PROBE`] at fit, unless the configuration wants none.
    probe: Option<Vec<f32>>,
    /// Whether the server has given the probe's vector to this embedder.
    verified: AtomicBool,
    /// Whether the cache's vector of the probe is that of this embedder.
    cache_agrees: OnceLock<bool>,
    client: OnceLock<Client>,
}

impl RemoteEmbedder {
    fn new(config: RemoteConfig, dimension: usize, probe: Option<Vec<f32>>) -> Self {
        Self {
            config,
            dimension,
            probe,
            verified: AtomicBool::new(false),
            cache_agrees: OnceLock::new(),
            client: OnceLock::new(),
        }
    }

    /// The embedder of `config`, after one request that finds its dimension and the probe's vector; none if the dimension is
    /// given and no probe is wanted.
    ///
    /// If the cache of `cx` knows the probe, its vector is taken, so that two fits through one cache give the same bytes.
    ///
    /// # Errors
    /// What the server is refused for, see [`ask`](Self::ask); [`ErrorKind::Incompatible`] if the vectors in the cache are of another
    /// model.
    pub(super) async fn find(config: RemoteConfig, cx: &FitContext) -> Result<Self> {
        if let (Some(dimension), false) = (config.dimension, config.probe) {
            let embedder = Self::new(config, dimension, None);
            // A missing key is better known now than after a while.
            embedder.client()?;
            return Ok(embedder);
        }
        let mut embedder = Self::new(config, 0, None);
        let vector = embedder.ask(&[PROBE.to_owned()], embedder.config.dimension).await?.into_vec();
        embedder.dimension = vector.len();
        if !embedder.config.probe {
            return Ok(embedder);
        }
        let mut probe = vector;
        if let Some(cache) = cx.embedding_cache() {
            match embedder.probe_in(cache) {
                Some(kept) if cosine(&kept, &probe) >= SAME_MODEL => probe = kept,
                Some(_) => return Err(embedder.changed("the embeddings in the cache were made")),
                None => {
                    let embeddings = Embeddings::new(Matrix::from_vec(1, probe.len(), probe.clone())?);
                    cache.store(&embedder.fingerprint(), &[probe_key()], &embeddings);
                }
            }
        }
        embedder.probe = Some(probe);
        // Nothing is left to be found out: neither from the server nor from the cache.
        let _ = embedder.cache_agrees.set(true);
        *embedder.verified.get_mut() = true;
        Ok(embedder)
    }

    fn client(&self) -> Result<&Client> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = self.config.client()?;
        Ok(self.client.get_or_init(|| client))
    }

    /// The vectors of texts as they are sent, n x d, normalized if that is wanted.
    ///
    /// # Errors
    /// [`ErrorKind::Remote`] if the server does not answer, retryable where another try later may succeed; [`ErrorKind::Embedding`] if
    /// what it answers are not the vectors of these texts; [`ErrorKind::Usage`] without the key.
    async fn ask(&self, texts: &[String], dimension: Option<usize>) -> Result<Matrix> {
        let client = self.client()?;
        let mut batches = texts.chunks(self.config.batch_size);
        let mut asked = VecDeque::new();
        let mut data = Vec::new();
        loop {
            // One request for every thread to do and one to go on with: no more is held in memory.
            while asked.len() < 2 * self.config.concurrency
                && let Some(batch) = batches.next()
            {
                let body = protocol::request(&self.config, batch)?;
                asked.push_back((batch.len(), client.post(body, protocol::maximum_bytes(batch.len(), dimension))));
            }
            let Some((count, answer)) = asked.pop_front() else { break };
            let answer = answer.await?;
            let vectors =
                protocol::read(&answer, count, dimension).map_err(|wrong| self.refuse(client, &answer, &wrong))?;
            data.extend_from_slice(vectors.as_slice());
        }
        let mut vectors = Matrix::from_vec(texts.len(), data.len() / texts.len().max(1), data)?;
        if self.config.normalize {
            for row in 0..vectors.rows() {
                normalize(vectors.row_mut(row));
            }
        }
        Ok(vectors)
    }

    /// The error of an answer with which something is wrong.
    fn refuse(&self, client: &Client, answer: &[u8], wrong: &str) -> Error {
        let (wrong, begins) = (client.hide_key(wrong), client.excerpt(answer));
        let what = format!("the answer of model `{}` is not that of an embeddings server: {wrong}", self.config.model);
        Error::new(ErrorKind::Embedding, what)
            .help(format!("check `url`, `model` and `dimension`; it begins with: {begins}"))
    }

    /// Asks for the probe once more, the first time that a loaded embedder asks at all.
    async fn verify(&self) -> Result<()> {
        let Some(probe) = self.probe.as_ref().filter(|_| !self.verified.load(Ordering::Acquire)) else { return Ok(()) };
        let vector = self.ask(&[PROBE.to_owned()], Some(self.dimension)).await?;
        if cosine(vector.as_slice(), probe) < SAME_MODEL {
            return Err(self.changed("the router was trained"));
        }
        self.verified.store(true, Ordering::Release);
        Ok(())
    }

    fn changed(&self, since: &str) -> Error {
        let model = &self.config.model;
        Error::new(
            ErrorKind::Incompatible,
            format!("the model `{model}` on the server is not the one with which {since}"),
        )
        .help("bring back that model, or give the new one a `revision` of its own and train again")
    }

    /// The cache's vector of the probe.
    fn probe_in(&self, cache: &dyn EmbeddingCache) -> Option<Vec<f32>> {
        let known = cache.lookup(&self.fingerprint(), self.dimension, &[probe_key()]);
        let vector = known.into_iter().next().flatten()?.vector;
        (vector.len() == self.dimension && vector.iter().all(|value| value.is_finite())).then_some(vector)
    }

    /// `text` as it is sent, and whether it was cut.
    fn prepared(&self, text: &str) -> (String, bool) {
        let RemoteConfig { prefix, maximum_characters, .. } = &self.config;
        let end = text.char_indices().nth(*maximum_characters).map(|(end, _)| end);
        let mut sent = prefix.clone();
        sent.push_str(end.and_then(|end| text.get(..end)).unwrap_or(text));
        if sent.is_empty() {
            // Servers refuse the empty text, which must have a vector all the same.
            sent.push(' ');
        }
        (sent, end.is_some())
    }
}

fn probe_key() -> PromptKey {
    PromptKey::of(&Prompt::new("probe", PROBE))
}

/// The cosine; 0 with a vector of zeros or of another length.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum::<f64>();
    let norms = (product(a, a) * product(b, b)).sqrt();
    if a.len() == b.len() && norms > 0.0 { product(a, b) / norms } else { 0.0 }
}

#[async_trait]
impl FittedEmbedder for RemoteEmbedder {
    fn dimension(&self) -> usize {
        self.dimension
    }

    fn fingerprint(&self) -> String {
        // What determines the vectors, and neither where the server is nor how it is asked.
        let RemoteConfig { model, revision, prefix, maximum_characters, normalize, .. } = &self.config;
        let revision = revision.as_deref().unwrap_or_default();
        format!(
            "remote {ALGORITHM} model={model:?} revision={revision:?} d={} prefix={prefix:?} \
             characters={maximum_characters} normalize={normalize}",
            self.dimension
        )
    }

    async fn embed(&self, texts: &[&str]) -> Result<Embeddings> {
        if texts.is_empty() {
            return Ok(Embeddings::new(Matrix::zeros(0, self.dimension)));
        }
        self.verify().await?;
        let (sent, cut): (Vec<String>, Vec<bool>) = texts.iter().map(|text| self.prepared(text)).unzip();
        let vectors = self.ask(&sent, Some(self.dimension)).await?;
        Ok(Embeddings {
            vectors,
            truncated: cut.iter().enumerate().filter(|(_, cut)| **cut).map(|(row, _)| row).collect(),
        })
    }

    fn worth_caching(&self) -> bool {
        true
    }

    async fn embed_through(&self, cache: &dyn EmbeddingCache, prompts: &[&Prompt]) -> Result<Embeddings> {
        // A router from elsewhere may meet a cache that was filled when the name stood for another model.
        let agrees = |probe: &Vec<f32>| {
            *self
                .cache_agrees
                .get_or_init(|| self.probe_in(cache).is_none_or(|kept| cosine(&kept, probe) >= SAME_MODEL))
        };
        if self.probe.as_ref().is_none_or(agrees) {
            embed_cached(self, cache, prompts).await
        } else {
            self.embed_prompts(prompts).await
        }
    }
}

impl Persist for RemoteEmbedder {
    const FORMAT: &'static str = "remote-embedder";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("parameters", &self.config)?;
        writer.put_json("dimension", &self.dimension)?;
        if let Some(probe) = &self.probe {
            writer.put_f32("probe", probe)?;
        }
        Ok(())
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let config: RemoteConfig = reader.get_json("parameters")?;
        config.check().map_err(|error| reader.corrupt(&error.to_string()))?;
        let dimension: usize = reader.get_json("dimension")?;
        let sound = (1..=65_536).contains(&dimension)
            && (1..=2048).contains(&config.batch_size)
            && (1..=64).contains(&config.concurrency)
            && config.timeout_seconds.is_finite()
            && config.retry_seconds.is_finite()
            && config.dimension.is_none_or(|requested| requested == dimension);
        if !sound {
            return Err(reader.corrupt("a parameter of the remote embedder is out of range"));
        }
        let probe = if config.probe { Some(reader.get_f32_of("probe", dimension)?) } else { None };
        Ok(Self::new(config, dimension, probe))
    }
}
