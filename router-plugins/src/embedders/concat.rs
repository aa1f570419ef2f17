//! Several embedders side by side.
//!
//! Every part's vector is scaled to unit length and then by the square root of its share of the weights, so that the inner product
//! of two vectors is the weighted mean of the parts' cosines; vectors have unit length unless a part's is zero. Costs what the
//! parts cost; d is the sum of theirs. A part may be any registered embedder, another `concat` included.
//!
//! Choose it to give an encoder what it washes out (`features` for length and form, `hashing` for exact words), or to join two
//! encoders that see different things.

use std::collections::BTreeMap;

use async_trait::async_trait;
use router_core::prelude::*;
use router_core::traits::StoredEmbedder;
use router_core::{ComponentConfig, EmbeddingCache};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::neighbors::normalize;
use crate::nested::{self, Built};
use crate::ranges::out_of_range;

/// Version of the algorithm. A change of any vector for the same parts changes it, and so the fingerprint.
const ALGORITHM: u32 = 1;

/// One embedder of a [`ConcatConfig`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConcatPart {
    /// The part's weight in the similarity of two texts, relative to the others. Default 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1.0e-6, max = 1.0e6))]
    pub weight: f64,
    /// The embedder: its name under `use`, and its parameters.
    #[schemars(with = "BTreeMap<String, Value>")]
    pub embedder: ComponentConfig,
}

fn one() -> f64 {
    1.0
}

impl ConcatPart {
    /// The embedder `name` with its defaults, under `weight`.
    pub fn new(name: impl Into<String>, weight: f64) -> Self {
        Self { weight, embedder: ComponentConfig::new(name) }
    }
}

/// Parameters of the `concat` embedder; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConcatConfig {
    /// The embedders, at least one, each with a weight. Default: `hashing` of weight 0.8 and `features` of weight 0.2.
    #[schemars(length(min = 1))]
    pub parts: Vec<ConcatPart>,
    #[serde(skip)]
    #[schemars(skip)]
    built: Built<EmbedderRole>,
}

impl Default for ConcatConfig {
    fn default() -> Self {
        Self::new(vec![ConcatPart::new("hashing", 0.8), ConcatPart::new("features", 0.2)])
    }
}

impl ConcatConfig {
    /// A configuration of these parts.
    pub fn new(parts: Vec<ConcatPart>) -> Self {
        Self { parts, built: Built::default() }
    }
}

impl PluginConfig for ConcatConfig {
    const NAME: &'static str = "concat";
    const SUMMARY: &'static str = "Several embedders side by side, each with a weight";
    const SOURCE: &'static str = "this project";
    const COST: &'static str = "that of its parts; d is the sum of theirs";
    const EXAMPLE: &'static str = r#"[[parts]]
weight = 0.7
embedder = { use = "hashing", dimension = 512, words = [1, 1], characters = [3, 3], character_weight = 0.7, sublinear = true, lowercase = true, fold_digits = true, hash_seed = 0 }

[[parts]]
weight = 0.3
embedder = { use = "features" }
"#;

    fn prepare(&mut self, registry: &Registry) -> Result<()> {
        let mut built = Vec::with_capacity(self.parts.len());
        for (at, ConcatPart { embedder, .. }) in self.parts.iter_mut().enumerate() {
            built.push(nested::build::<EmbedderRole>(registry, embedder, &format!("parts[{at}].embedder"))?);
        }
        self.built = Built(built);
        Ok(())
    }
}

#[async_trait]
impl Embedder for ConcatConfig {
    type Fitted = ConcatEmbedder;

    fn learns(&self) -> bool {
        self.built.0.iter().any(|part| part.learns())
    }

    async fn fit(&self, texts: &[&str], cx: &FitContext) -> Result<ConcatEmbedder> {
        if self.built.0.len() != self.parts.len() {
            return Err(nested::unprepared(Self::NAME));
        }
        let mut parts = Vec::with_capacity(self.parts.len());
        for (at, (part, embedder)) in self.parts.iter().zip(&self.built.0).enumerate() {
            let embedder = embedder.fit(texts, &cx.child(&format!("parts/{at}"))).await?;
            parts.push(Part { name: part.embedder.name.clone(), weight: part.weight, embedder });
        }
        ConcatEmbedder::new(parts)
    }
}

router_core::register!(EmbedderRole, ConcatConfig);

/// A part that is ready.
struct Part {
    name: String,
    weight: f64,
    embedder: Box<dyn StoredEmbedder>,
}

/// Several embedders that are ready.
pub struct ConcatEmbedder {
    parts: Vec<Part>,
}

impl ConcatEmbedder {
    fn new(parts: Vec<Part>) -> Result<Self> {
        if parts.is_empty() {
            return Err(Error::new(ErrorKind::Config, "`concat` has no part")
                .at_field("parts")
                .help("give at least one"));
        }
        if let Some(part) = parts.iter().find(|part| !part.weight.is_finite() || part.weight <= 0.0) {
            return out_of_range("parts", &part.weight, "a finite weight above 0");
        }
        Ok(Self { parts })
    }

    /// Puts what the parts answered for `count` texts side by side.
    fn join(&self, count: usize, answers: &[Embeddings]) -> Result<Embeddings> {
        let total: f64 = self.parts.iter().map(|part| part.weight).sum();
        let mut vectors = Matrix::zeros(count, self.dimension());
        let mut truncated: Vec<usize> = answers.iter().flat_map(|answer| answer.truncated.iter().copied()).collect();
        truncated.sort_unstable();
        truncated.dedup();
        for row in 0..count {
            let mut rest = vectors.row_mut(row);
            for (part, answer) in self.parts.iter().zip(answers) {
                let d = part.embedder.dimension();
                if (answer.vectors.rows(), answer.vectors.cols()) != (count, d) || rest.len() < d {
                    let found = format!("{} x {}", answer.vectors.rows(), answer.vectors.cols());
                    return Err(Error::shape(&format!("vectors of `{}`", part.name), format!("{count} x {d}"), found));
                }
                let (own, others) = rest.split_at_mut(d);
                own.copy_from_slice(answer.vectors.row(row));
                normalize(own);
                let scale = (part.weight / total).sqrt() as f32;
                for value in own.iter_mut() {
                    *value *= scale;
                }
                rest = others;
            }
        }
        Ok(Embeddings { vectors, truncated })
    }
}

#[async_trait]
impl FittedEmbedder for ConcatEmbedder {
    fn dimension(&self) -> usize {
        self.parts.iter().map(|part| part.embedder.dimension()).sum()
    }

    fn fingerprint(&self) -> String {
        let parts: Vec<String> =
            self.parts.iter().map(|part| format!("{} ({})", part.weight, part.embedder.fingerprint())).collect();
        format!("concat {ALGORITHM} {}", parts.join(" "))
    }

    async fn embed(&self, texts: &[&str]) -> Result<Embeddings> {
        let mut answers = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            answers.push(part.embedder.embed(texts).await?);
        }
        self.join(texts.len(), &answers)
    }

    async fn embed_prompts(&self, prompts: &[&Prompt]) -> Result<Embeddings> {
        let mut answers = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            answers.push(part.embedder.embed_prompts(prompts).await?);
        }
        self.join(prompts.len(), &answers)
    }

    fn worth_caching(&self) -> bool {
        self.parts.iter().any(|part| part.embedder.worth_caching())
    }

    async fn embed_through(&self, cache: &dyn EmbeddingCache, prompts: &[&Prompt]) -> Result<Embeddings> {
        let mut answers = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            answers.push(part.embedder.embed_through(cache, prompts).await?);
        }
        self.join(prompts.len(), &answers)
    }
}

impl Persist for ConcatEmbedder {
    const FORMAT: &'static str = "concat-embedder";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        let parts: Vec<(&str, f64)> = self.parts.iter().map(|part| (part.name.as_str(), part.weight)).collect();
        writer.put_json("parts", &parts)?;
        for (at, part) in self.parts.iter().enumerate() {
            writer.put_nested(&format!("part{at}"), &*part.embedder)?;
        }
        Ok(())
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let named: Vec<(String, f64)> = reader.get_json("parts")?;
        let mut parts = Vec::with_capacity(named.len());
        for (at, (name, weight)) in named.into_iter().enumerate() {
            let embedder = nested::load::<EmbedderRole>(reader, &format!("part{at}"), &name)?;
            parts.push(Part { name, weight, embedder });
        }
        Self::new(parts).map_err(|error| reader.corrupt(&error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::neighbors::dot;

    /// The parts compute and never wait.
    fn now<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("an embedder of this crate waits"),
        }
    }

    fn vectors(name: &str, texts: &[&str]) -> Matrix {
        let registry = crate::builtin().unwrap();
        let (embedder, _) = registry.build::<EmbedderRole>(name, Value::Object(serde_json::Map::new())).unwrap();
        now(now(embedder.fit(texts, &FitContext::new(0))).unwrap().embed(texts)).unwrap().vectors
    }

    fn cosine(vectors: &Matrix) -> f64 {
        let (a, b) = (vectors.row(0), vectors.row(1));
        f64::from(dot(a, b)) / f64::from(dot(a, a) * dot(b, b)).sqrt()
    }

    #[test]
    fn similarity_is_the_weighted_mean_of_the_cosines() {
        let texts = ["Solve 3x + 4 = 10.", "Please solve: is 4 + 4 = 10?"];
        let mut config = ConcatConfig::new(vec![ConcatPart::new("features", 3.0), ConcatPart::new("hashing", 1.0)]);
        config.prepare(&crate::builtin().unwrap()).unwrap();
        let fitted = now(Embedder::fit(&config, &texts, &FitContext::new(0))).unwrap();
        let joined = now(fitted.embed(&texts)).unwrap().vectors;
        assert_eq!(joined.cols(), 32 + 1024);
        assert!((f64::from(dot(joined.row(0), joined.row(0))) - 1.0).abs() < 1e-5);
        let expected = 0.75 * cosine(&vectors("features", &texts)) + 0.25 * cosine(&vectors("hashing", &texts));
        assert!((f64::from(dot(joined.row(0), joined.row(1))) - expected).abs() < 1e-5);
    }

    #[test]
    fn parts_are_looked_up_and_their_mistakes_are_placed() {
        let registry = crate::builtin().unwrap();
        let resolve = |value| registry.resolve("embedder", "concat", value);
        let resolved = resolve(serde_json::json!({ "parts": [{ "embedder": { "use": "hashing" } }] })).unwrap();
        assert_eq!(resolved["parts"][0]["embedder"]["dimension"], 1024, "defaults are filled in");
        for (parts, kind, field) in [
            (
                serde_json::json!([{ "embedder": { "use": "no-such" } }]),
                ErrorKind::UnknownPlugin,
                "parts[0].embedder.use",
            ),
            (
                serde_json::json!([{ "embedder": { "use": "hashing", "dimension": 1 } }]),
                ErrorKind::Config,
                "parts[0].embedder.dimension",
            ),
            (
                serde_json::json!([{ "weight": 0.0, "embedder": { "use": "features" } }]),
                ErrorKind::Config,
                "parts[0].weight",
            ),
            (serde_json::json!([]), ErrorKind::Config, "parts"),
        ] {
            let error = resolve(serde_json::json!({ "parts": parts })).unwrap_err();
            assert_eq!((error.kind(), error.field()), (kind, Some(field)), "{error}");
        }
        let unprepared = now(Embedder::fit(&ConcatConfig::default(), &["x"], &FitContext::new(0)));
        assert_eq!(unprepared.err().unwrap().kind(), ErrorKind::Usage);
    }
}
