//! Is a model what it claims to be, and does this program compute with it what the reference implementation does?
//!
//! The reference vectors of a catalog model stand beside this file: three texts, embedded by sentence-transformers (or by
//! wordllama's own Python) in f32 on a CPU.

use std::path::{Path, PathBuf};

use router_core::{EmbedderRole, Error, ErrorKind, FitContext, MatrixView, Registry, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::models::cache::{Cache, ModelState};
use crate::models::catalog::{self, CatalogModel};
use crate::models::hash::sha256_file;
use crate::models::record::ModelRecord;
use crate::neighbors::{dot, normalize};

/// The least cosine between our vector of a text and the reference's. It leaves room for weights and activations in 8 bits;
/// in f32 all but rounding agrees.
pub const LEAST_COSINE: f32 = 0.995;

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Checked {
    /// The model.
    pub name: String,
    /// Where it lies.
    pub path: PathBuf,
    /// How many files there are whose hash is known.
    pub files: usize,
    /// What our vectors are like beside the reference's; `None` if there is no reference for this model, or if its files are
    /// damaged.
    pub vectors: Option<VectorCheck>,
    /// What is wrong, a sentence each; empty if nothing is.
    pub problems: Vec<String>,
}

/// Our vectors beside the reference's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VectorCheck {
    /// The embedder plugin that computed them.
    pub embedder: String,
    /// How many texts were embedded.
    pub texts: usize,
    /// The smallest cosine between our vector and the reference's.
    pub smallest_cosine: f32,
    /// The largest difference of a number, vectors brought to length 1.
    pub largest_difference: f32,
}

#[derive(Deserialize)]
struct Reference {
    texts: Vec<ReferenceText>,
}

#[derive(Deserialize)]
struct ReferenceText {
    text: String,
    vector: Vec<f32>,
}

/// Rehashes every file of the model `name` in `cache`, and embeds reference texts with the plugin that the catalog names.
///
/// # Errors
/// [`ErrorKind::Io`] if the model is not there; [`ErrorKind::UnknownPlugin`] if the plugin is not in `registry`;
/// [`ErrorKind::Cancelled`]; whatever the plugin reports. What is found wrong with the model is no error but a
/// [problem](Checked::problems).
pub async fn check(name: &str, cache: &Cache, registry: &Registry, cx: &FitContext) -> Result<Checked> {
    let path = cache.model(name)?;
    let known = catalog::find(name);
    let ModelState::Present(record) = cache.state(name)? else {
        // The same words as an embedder would use.
        cache.locate(name)?;
        return Err(Error::new(ErrorKind::Usage, "was not brought by `router embedder fetch`: no hash is known")
            .in_file(&path)
            .help("fetch it --from there"));
    };
    let mut checked = Checked {
        name: name.to_owned(),
        path: path.clone(),
        files: record.files.len(),
        vectors: None,
        problems: check_files(&path, &record, known, cx)?,
    };
    if let Some(model) = known
        && checked.problems.is_empty()
    {
        let vectors = check_vectors(model, &path, registry, cx).await?;
        if vectors.smallest_cosine < LEAST_COSINE {
            checked.problems.push(format!(
                "a vector has cosine {} with the reference's, less than {LEAST_COSINE}",
                vectors.smallest_cosine
            ));
        }
        checked.vectors = Some(vectors);
    }
    Ok(checked)
}

fn check_files(
    path: &Path,
    record: &ModelRecord,
    known: Option<&CatalogModel>,
    cx: &FitContext,
) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    let bar = cx.begin("checking files", Some(record.bytes()));
    for (name, file) in &record.files {
        cx.check_cancelled()?;
        bar.message(name);
        let place = path.join(name);
        if !place.is_file() {
            problems.push(format!("{}: missing", place.display()));
            continue;
        }
        let found = sha256_file(&place)?;
        if found != file.sha256 {
            problems.push(format!("{}: SHA-256 {found} where {} belongs", place.display(), file.sha256));
        }
        bar.advance(file.bytes);
    }
    for file in known.map(|model| model.files).unwrap_or_default() {
        match record.files.get(file.path) {
            Some(recorded) if recorded.sha256 == file.sha256 => {}
            None if file.optional => {}
            _ => problems.push(format!("{}: not the file of the catalog", path.join(file.path).display())),
        }
    }
    Ok(problems)
}

async fn check_vectors(model: &CatalogModel, path: &Path, registry: &Registry, cx: &FitContext) -> Result<VectorCheck> {
    let reference = reference(model)?;
    let path = path.to_str().ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, "the path is not UTF-8")
            .in_file(path)
            .help("set ROUTER_CACHE to another folder")
    })?;
    let (embedder, _) = registry.build::<EmbedderRole>(model.embedder, json!({ "model": path }))?;
    let fitted = embedder.fit(&[], cx).await?;
    let texts: Vec<&str> = reference.texts.iter().map(|text| text.text.as_str()).collect();
    let ours = fitted.embed(&texts).await?.vectors;
    compare(model, ours.view(), &reference)
}

/// Our vectors beside the reference's.
fn compare(model: &CatalogModel, ours: MatrixView<'_>, reference: &Reference) -> Result<VectorCheck> {
    let mut found = VectorCheck {
        embedder: model.embedder.to_owned(),
        texts: reference.texts.len(),
        smallest_cosine: 1.0,
        largest_difference: 0.0,
    };
    if (ours.rows(), ours.cols()) != (found.texts, model.dimension) {
        let expected = format!("{} x {}", found.texts, model.dimension);
        return Err(Error::shape("reference vectors", expected, format!("{} x {}", ours.rows(), ours.cols())));
    }
    for (row, text) in reference.texts.iter().enumerate() {
        let (mut a, mut b) = (ours.row(row).to_vec(), text.vector.clone());
        normalize(&mut a);
        normalize(&mut b);
        found.smallest_cosine = found.smallest_cosine.min(dot(&a, &b));
        let differences = a.iter().zip(&b).map(|(x, y)| (x - y).abs());
        found.largest_difference = differences.fold(found.largest_difference, f32::max);
    }
    Ok(found)
}

/// The reference vectors of `model`.
fn reference(model: &CatalogModel) -> Result<Reference> {
    let text = match model.name {
        "all-MiniLM-L6-v2" => include_str!("all-MiniLM-L6-v2.json"),
        "all-mpnet-base-v2" => include_str!("all-mpnet-base-v2.json"),
        "wordllama" => include_str!("wordllama.json"),
        other => return Err(Error::new(ErrorKind::Internal, format!("no reference vectors for `{other}`"))),
    };
    serde_json::from_str(text)
        .map_err(|source| Error::new(ErrorKind::Internal, "reference vectors are malformed").caused_by(source))
}

#[cfg(test)]
mod tests {
    use router_core::Matrix;

    use super::*;

    #[test]
    fn every_catalog_model_has_references_of_its_dimension() {
        for model in catalog::CATALOG {
            let reference = reference(model).unwrap();
            assert!(reference.texts.len() >= 3, "{}", model.name);
            assert!(reference.texts.iter().all(|text| text.vector.len() == model.dimension), "{}", model.name);
        }
    }

    #[test]
    fn vectors_are_compared_by_direction() {
        let model = catalog::find("wordllama").unwrap();
        let reference = reference(model).unwrap();
        let scaled: Vec<f32> = reference.texts.iter().flat_map(|text| text.vector.iter().map(|x| 3.0 * x)).collect();
        let rows = reference.texts.len();
        let same = compare(model, MatrixView::new(rows, 256, &scaled).unwrap(), &reference).unwrap();
        assert!(same.smallest_cosine > 0.999_999 && same.largest_difference < 1e-6, "{same:?}");
        let mut other = Matrix::from_vec(rows, 256, scaled).unwrap();
        other.row_mut(1).reverse();
        let other = compare(model, other.view(), &reference).unwrap();
        assert!(other.smallest_cosine < LEAST_COSINE && other.largest_difference > 1e-3, "{other:?}");
        let short = Matrix::zeros(rows, 8);
        assert_eq!(compare(model, short.view(), &reference).unwrap_err().kind(), ErrorKind::Shape);
    }
}
