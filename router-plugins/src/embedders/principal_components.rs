//! The principal components of another embedder's vectors.
//!
//! Vectors of the training texts are centered, and their directions of greatest variance become the new axes (Pearson 1901;
//! Jolliffe, Principal Component Analysis, 2002): z = V' (x - mean), V the leading eigenvectors of the covariance. Distances between texts of the
//! training kind are kept as far as `dimension` numbers can.
//!
//! Choose it where an encoder has more numbers than the training prompts can tell apart: trees and tasks find the numbers that matter
//! more easily among 64 than among 384, everything behind the embedder costs less, and beside `features` in a `concat` the encoder no
//! longer crowds them out. With n texts of D numbers and p the smaller of both, fitting costs O(n D p + p^2 d) after the embedding and 8 n D
//! bytes, a text O(D d).

use std::collections::BTreeMap;

use async_trait::async_trait;
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use router_core::pipeline::embed_in_batches;
use router_core::prelude::*;
use router_core::traits::StoredEmbedder;
use router_core::{ComponentConfig, EmbeddingCache};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::linear_algebra::dominant::dominant_eigen;
use crate::neighbors::dot;
use crate::nested::{self, Built};
use crate::ranges::out_of_range;

/// Version of the algorithm. A change of any vector for the same texts changes it, and so the fingerprint.
const ALGORITHM: u32 = 1;

/// Parameters of the `principal-components` embedder; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PrincipalComponentsConfig {
    /// d, the components that are kept; fewer where the embedder has fewer numbers or the texts are fewer. Default 64.
    #[schemars(range(min = 1, max = 4096))]
    pub dimension: usize,
    /// Whether every component is brought to variance 1, so that all count the same. Default false.
    pub whiten: bool,
    /// The embedder: its name under `use`, and its parameters. Default `hashing`.
    #[schemars(with = "BTreeMap<String, Value>")]
    pub embedder: ComponentConfig,
    #[serde(skip)]
    #[schemars(skip)]
    built: Built<EmbedderRole>,
}

impl Default for PrincipalComponentsConfig {
    fn default() -> Self {
        Self::new(64, ComponentConfig::new("hashing"))
    }
}

impl PrincipalComponentsConfig {
    /// `dimension` components of `embedder`.
    pub fn new(dimension: usize, embedder: ComponentConfig) -> Self {
        Self { dimension, whiten: false, embedder, built: Built::default() }
    }
}

impl PluginConfig for PrincipalComponentsConfig {
    const NAME: &'static str = "principal-components";
    const SUMMARY: &'static str = "The leading principal components of another embedder's vectors";
    const SOURCE: &'static str = "Jolliffe, Principal Component Analysis, 2nd edition, Springer (2002)";
    const COST: &'static str =
        "beside the inner embedder's D numbers a text: fit O(n D p + p^2 d), p the smaller of n and D; O(D d) a text";
    const EXAMPLE: &'static str = "dimension = 64\nembedder = { use = \"hashing\", dimension = 512, words = [1, 1], characters = [3, 3], character_weight = 0.7, sublinear = true, lowercase = true, fold_digits = true, hash_seed = 0 }\n";

    fn prepare(&mut self, registry: &Registry) -> Result<()> {
        self.built = Built(vec![nested::build::<EmbedderRole>(registry, &mut self.embedder, "embedder")?]);
        Ok(())
    }
}

#[async_trait]
impl Embedder for PrincipalComponentsConfig {
    type Fitted = PrincipalComponentsEmbedder;

    fn learns(&self) -> bool {
        true
    }

    async fn fit(&self, texts: &[&str], cx: &FitContext) -> Result<PrincipalComponentsEmbedder> {
        if self.dimension == 0 {
            return out_of_range("dimension", &0, "at least 1 and at most 4096");
        }
        let embedder = self.built.0.first().ok_or_else(|| nested::unprepared(Self::NAME))?;
        let embedder = embedder.fit(texts, &cx.child("embedder")).await?;
        let prompts: Vec<Prompt> = texts.iter().map(|text| Prompt::new("", *text)).collect();
        let prompts: Vec<&Prompt> = prompts.iter().collect();
        let vectors = embed_in_batches(&*embedder, &prompts, cx).await?.vectors;
        let (mean, components) = components(&vectors, self.dimension, self.whiten, cx)?;
        PrincipalComponentsEmbedder::new(self.embedder.name.clone(), embedder, mean, components)
    }
}

router_core::register!(EmbedderRole, PrincipalComponentsConfig);

/// The mean of `vectors` (n x D), and at most `dimension` components as rows, d x D.
#[allow(clippy::indexing_slicing, reason = "one mean a column")]
fn components(vectors: &Matrix, dimension: usize, whiten: bool, cx: &FitContext) -> Result<(Vec<f32>, Matrix)> {
    let (n, inner) = (vectors.rows(), vectors.cols());
    let count = n.max(1) as f64;
    let mut mean = vec![0.0f64; inner];
    for row in 0..n {
        mean.iter_mut().zip(vectors.row(row)).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    for sum in &mut mean {
        *sum /= count;
    }
    let centered: Vec<f64> =
        vectors.as_slice().iter().enumerate().map(|(at, &value)| f64::from(value) - mean[at % inner]).collect();
    let centered = MatRef::from_row_major_slice(&centered, n, inner);
    cx.check_cancelled()?;
    // X'X and XX' have the same eigenvalues; the smaller is solved.
    let by_texts = n < inner;
    let mut products = if by_texts { Mat::<f64>::zeros(n, n) } else { Mat::zeros(inner, inner) };
    let (left, right) = if by_texts { (centered, centered.transpose()) } else { (centered.transpose(), centered) };
    matmul(products.as_mut(), Accum::Replace, left, right, 1.0 / count, Par::Seq);
    cx.check_cancelled()?;
    let (values, mut axes) = dominant_eigen(products.as_ref(), dimension, cx)?;
    if by_texts {
        let mut by_numbers = Mat::<f64>::zeros(inner, axes.ncols());
        matmul(by_numbers.as_mut(), Accum::Replace, centered.transpose(), axes.as_ref(), 1.0, Par::Seq);
        axes = by_numbers;
    }
    // Directions without variance are no components; one is kept, so that a vector is never empty.
    let least = values.first().copied().unwrap_or(0.0).max(0.0) * 1e-9;
    let found = values.iter().take_while(|&&value| value > least).count();
    let kept = dimension.min(found.max(1));
    let mut components = Matrix::zeros(kept, inner);
    for (component, &value) in values.iter().enumerate().take(kept.min(found)) {
        let length = axes.col(component).iter().map(|value| value * value).sum::<f64>().sqrt();
        let scale = if whiten { value.sqrt().recip() } else { 1.0 } / length;
        for (to, value) in components.row_mut(component).iter_mut().zip(axes.col(component).iter()) {
            *to = (scale * value) as f32;
        }
    }
    Ok((mean.into_iter().map(|value| value as f32).collect(), components))
}

/// Principal components that are ready.
pub struct PrincipalComponentsEmbedder {
    name: String,
    embedder: Box<dyn StoredEmbedder>,
    mean: Vec<f32>,
    /// d x D.
    components: Matrix,
}

impl PrincipalComponentsEmbedder {
    fn new(name: String, embedder: Box<dyn StoredEmbedder>, mean: Vec<f32>, components: Matrix) -> Result<Self> {
        let inner = embedder.dimension();
        if (mean.len(), components.cols()) != (inner, inner) || components.rows() == 0 {
            return Err(Error::shape(
                "principal components",
                format!("some x {inner}"),
                format!("{} x {}", components.rows(), components.cols()),
            ));
        }
        if !mean.iter().chain(components.as_slice()).all(|value| value.is_finite()) {
            return Err(Error::new(ErrorKind::NonFinite, "principal components"));
        }
        Ok(Self { name, embedder, mean, components })
    }

    fn project(&self, Embeddings { vectors, truncated }: Embeddings) -> Result<Embeddings> {
        if vectors.cols() != self.mean.len() {
            return Err(Error::shape(&format!("vectors of `{}`", self.name), self.mean.len(), vectors.cols()));
        }
        let mut out = Matrix::zeros(vectors.rows(), self.components.rows());
        let mut centered = vec![0.0f32; self.mean.len()];
        for row in 0..vectors.rows() {
            let values = vectors.row(row).iter().zip(&self.mean);
            centered.iter_mut().zip(values).for_each(|(to, (value, mean))| *to = value - mean);
            for (component, to) in out.row_mut(row).iter_mut().enumerate() {
                *to = dot(self.components.row(component), &centered);
            }
        }
        Ok(Embeddings { vectors: out, truncated })
    }
}

#[async_trait]
impl FittedEmbedder for PrincipalComponentsEmbedder {
    fn dimension(&self) -> usize {
        self.components.rows()
    }

    fn fingerprint(&self) -> String {
        let numbers: Vec<u8> =
            self.mean.iter().chain(self.components.as_slice()).flat_map(|value| value.to_le_bytes()).collect();
        let hash = router_core::artifact::sha256(&numbers);
        format!("principal-components {ALGORITHM} {hash} ({})", self.embedder.fingerprint())
    }

    async fn embed(&self, texts: &[&str]) -> Result<Embeddings> {
        self.project(self.embedder.embed(texts).await?)
    }

    async fn embed_prompts(&self, prompts: &[&Prompt]) -> Result<Embeddings> {
        self.project(self.embedder.embed_prompts(prompts).await?)
    }

    fn worth_caching(&self) -> bool {
        self.embedder.worth_caching()
    }

    async fn embed_through(&self, cache: &dyn EmbeddingCache, prompts: &[&Prompt]) -> Result<Embeddings> {
        self.project(self.embedder.embed_through(cache, prompts).await?)
    }
}

impl Persist for PrincipalComponentsEmbedder {
    const FORMAT: &'static str = "principal-components-embedder";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("name", &self.name)?;
        writer.put_f32("mean", &self.mean)?;
        writer.put_matrix("components", &self.components)?;
        writer.put_nested("embedder", &*self.embedder)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let name: String = reader.get_json("name")?;
        let embedder = nested::load::<EmbedderRole>(reader, "embedder", &name)?;
        Self::new(name, embedder, reader.get_f32("mean")?, reader.get_matrix("components")?)
            .map_err(|error| reader.corrupt(&error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_of_a_plane_by_hand() {
        // Points (t, t, 0) and (u, -u, 0) around (1, 2, 3): variances 2 mean(t^2) = 8 and 2 mean(u^2) = 1 along the diagonals.
        let offsets: [(f32, f32); 4] = [(4.0, 0.0), (-4.0, 0.0), (0.0, 2f32.sqrt()), (0.0, -(2f32.sqrt()))];
        let rows = offsets.iter().flat_map(|&(t, u)| [1.0 + t + u, 2.0 + t - u, 3.0]).collect();
        let vectors = Matrix::from_vec(4, 3, rows).unwrap();
        let (mean, axes) = components(&vectors, 3, false, &FitContext::new(1)).unwrap();
        assert_eq!((axes.rows(), axes.cols()), (2, 3), "the third direction has no variance");
        for (found, expected) in mean.iter().zip([1.0, 2.0, 3.0]) {
            assert!((found - expected).abs() < 1e-6);
        }
        let half = 0.5f32.sqrt();
        for (row, expected) in [[half, half, 0.0], [half, -half, 0.0]].iter().enumerate() {
            assert!((dot(axes.row(row), expected).abs() - 1.0).abs() < 1e-6, "{axes:?}");
        }
        let (_, white) = components(&vectors, 3, true, &FitContext::new(1)).unwrap();
        let variance = |row: usize| -> f32 {
            let of = |at: usize| -> f32 {
                let centered: Vec<f32> = vectors.row(at).iter().zip(&mean).map(|(value, mean)| value - mean).collect();
                dot(white.row(row), &centered).powi(2)
            };
            (0..4).map(of).sum::<f32>() / 4.0
        };
        assert!((variance(0) - 1.0).abs() < 1e-5 && (variance(1) - 1.0).abs() < 1e-5);
    }

    #[test]
    fn equal_vectors_have_one_component_that_is_zero() {
        let vectors = Matrix::from_vec(3, 2, vec![0.5; 6]).unwrap();
        let (_, axes) = components(&vectors, 8, true, &FitContext::new(1)).unwrap();
        assert_eq!(axes.rows(), 1);
        assert!(axes.as_slice().iter().all(|value| value.is_finite()));
    }
}
