//! Training prompts that stand for a task.

use crate::tasks::cards::Exemplar;
use crate::types::dataset::TrainingSet;

/// Longest exemplar text on a card, in characters.
const EXEMPLAR_CHARACTERS: usize = 200;

/// Exemplars are looked for among this share of a task's prompts: those nearest to its center.
const CENTRAL_SHARE: f64 = 0.5;

/// How much nearness to the center counts against likeness to the exemplars that are there already.
const RELEVANCE: f64 = 0.4;

/// `count` prompts of `rows` that are central and differ from each other.
///
/// The first is the one nearest by cosine to the mean direction of the task; each further one maximizes 0.4 * cosine to the
/// center - 0.6 * highest cosine to those before it (maximal marginal relevance, Carbonell and Goldstein, SIGIR 1998,
/// equation 1) among the central half of the
/// task. No two are near duplicates, nor of equal embedding. Ties go to the lowest
/// row. O(size * d * count).
pub(super) fn exemplars(set: &TrainingSet, rows: &[usize], count: usize) -> Vec<Exemplar> {
    if count == 0 || rows.is_empty() {
        return Vec::new();
    }
    let embeddings = set.embeddings();
    let mut center = vec![0.0f64; embeddings.cols()];
    for &row in rows {
        let values = embeddings.row(row);
        let norm = norm(values);
        if norm > 0.0 {
            for (sum, &value) in center.iter_mut().zip(values) {
                *sum += f64::from(value) / norm;
            }
        }
    }
    let length = center.iter().map(|value| value * value).sum::<f64>().sqrt();
    let mut candidates: Vec<Candidate> = rows
        .iter()
        .map(|&row| {
            let values = embeddings.row(row);
            let dot: f64 = values.iter().zip(&center).map(|(&value, &mean)| f64::from(value) * mean).sum();
            let scale = norm(values) * length;
            Candidate { row, central: if scale > 0.0 { dot / scale } else { -1.0 }, alike: f64::NEG_INFINITY }
        })
        .collect();
    candidates.sort_by(|a, b| b.central.total_cmp(&a.central).then(a.row.cmp(&b.row)));
    let central = (candidates.len() as f64 * CENTRAL_SHARE).ceil() as usize;
    candidates.truncate(central.max(count));

    let mut chosen = Vec::new();
    while chosen.len() < count {
        let value = |candidate: &Candidate| {
            let alike = if candidate.alike.is_finite() { candidate.alike } else { 0.0 };
            RELEVANCE * candidate.central - (1.0 - RELEVANCE) * alike
        };
        let best = candidates
            .iter()
            .enumerate()
            .max_by(|(_, a), (_, b)| value(a).total_cmp(&value(b)).then(b.row.cmp(&a.row)))
            .map(|(at, _)| at);
        let Some(at) = best else { break };
        let taken = candidates.swap_remove(at);
        candidates.retain_mut(|candidate| {
            let alike = cosine(embeddings.row(candidate.row), embeddings.row(taken.row));
            candidate.alike = candidate.alike.max(alike);
            set.group(candidate.row) != set.group(taken.row) && alike < 1.0 - 1e-9
        });
        chosen.push(exemplar(set, taken.row));
    }
    chosen
}

/// A prompt that may become an exemplar.
struct Candidate {
    row: usize,
    /// Cosine to the center.
    central: f64,
    /// Highest cosine to an exemplar; minus infinity before the first.
    alike: f64,
}

fn norm(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot: f64 = a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
    let scale = norm(a) * norm(b);
    if scale > 0.0 { dot / scale } else { 0.0 }
}

fn exemplar(set: &TrainingSet, row: usize) -> Exemplar {
    let prompt = set.prompt(row);
    let text = prompt.text();
    let mut short: String = text.chars().take(EXEMPLAR_CHARACTERS).collect();
    if short.len() < text.len() {
        short.push_str("...");
    }
    Exemplar { prompt_id: prompt.id.clone(), text: short }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::types::dataset::Dataset;
    use crate::types::matrix::Matrix;
    use crate::types::model::{Model, ModelPool};
    use crate::types::outcome::{Outcome, Outcomes};
    use crate::types::prompt::Prompt;

    fn chosen(embeddings: &[[f32; 2]], groups: Vec<u32>, count: usize) -> Vec<String> {
        let n = embeddings.len();
        let prompts = (0..n).map(|row| Prompt::new(row.to_string(), "x")).collect();
        let pool = ModelPool::new(vec![Model::new("a")]).unwrap();
        let outcomes = Outcomes::from_rows(1, vec![vec![Outcome::new(0, 1.0)]; n]).unwrap();
        let dataset = Dataset::new("d", prompts, pool, outcomes).unwrap().with_groups(groups).unwrap();
        let matrix = Matrix::from_vec(n, 2, embeddings.concat()).unwrap();
        let set = TrainingSet::new(Arc::new(dataset), Arc::new(matrix)).unwrap();
        let rows: Vec<usize> = (0..n).collect();
        exemplars(&set, &rows, count).into_iter().map(|exemplar| exemplar.prompt_id).collect()
    }

    fn at(degrees: f32) -> [f32; 2] {
        [degrees.to_radians().cos(), degrees.to_radians().sin()]
    }

    #[test]
    fn the_first_is_the_most_central_and_the_next_is_on_another_side() {
        let points = [at(0.0), at(1.0), at(-20.0), at(20.0), at(-60.0), at(60.0)];
        // Nearest to the mean (0.17 degrees) is 0, then 1, then 20; 1 is nearly the same as 0, so that 20 comes second. The outer
        // points are not in the central half.
        let found = chosen(&points, (0..6).collect(), 2);
        assert_eq!(found, ["0", "3"]);
    }

    #[test]
    fn near_duplicates_and_equal_embeddings_are_shown_once() {
        let points = [at(0.0), at(0.0), at(5.0), at(6.0)];
        assert_eq!(chosen(&points, vec![0, 1, 2, 2], 4).len(), 2);
        assert_eq!(chosen(&[[0.0, 0.0]], vec![0], 3), ["0"]);
        assert_eq!(chosen(&points, vec![0, 1, 2, 3], 0), [""; 0]);
    }
}
