//! Embedding: texts to vectors.

use criterion::Criterion;
use router_core::{EmbedderRole, ErrorKind, FitContext, Matrix, Registry};

use super::{Bench, Plugin, Suite, sizes};
use crate::World;

/// Prompts whose nearest neighbor is looked at.
const ASKED: usize = 200;

impl Suite for EmbedderRole {
    /// `embed`: the texts of the world to vectors, at every n. Quality is the share of prompts whose nearest neighbor has their task.
    fn bench(criterion: &mut Criterion, registry: &Registry, plugins: &[Plugin]) {
        let base = sizes().first().copied().expect("a size");
        for size in sizes().into_iter().filter(|size| (size.d, size.m, size.tasks) == (base.d, base.m, base.tasks)) {
            let world = World::new(size);
            let texts: Vec<String> = world.dataset.prompts().iter().map(|prompt| prompt.text().into_owned()).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            for plugin in plugins {
                let (embedder, _) =
                    registry.build::<Self>(plugin.name, plugin.parameters.clone()).expect("an embedder");
                let fitted = match pollster::block_on(embedder.fit(&texts, &FitContext::new(1))) {
                    Ok(fitted) => fitted,
                    // Its model has not been brought to this machine.
                    Err(error) if error.kind() == ErrorKind::Io => continue,
                    Err(error) => panic!("{}: {error}", plugin.name),
                };
                let embed = || pollster::block_on(fitted.embed(&texts)).expect("embeddings").vectors;
                let bench = Bench { group: "embed", plugin, size, prompts: size.n, slow: size.n > base.n };
                bench.run(
                    criterion,
                    || (),
                    |()| Some(("nearest neighbor of the same task", same_task(&embed(), size.tasks))),
                    |bencher, ()| bencher.iter(embed),
                );
            }
        }
    }
}

/// The share of the first rows whose nearest other row by cosine has the same planted task.
fn same_task(vectors: &Matrix, tasks: usize) -> f64 {
    let dot = |a: usize, b: usize| -> f32 { vectors.row(a).iter().zip(vectors.row(b)).map(|(x, y)| x * y).sum() };
    let lengths: Vec<f32> = (0..vectors.rows()).map(|row| dot(row, row).sqrt().max(f32::MIN_POSITIVE)).collect();
    let asked = ASKED.min(vectors.rows());
    let same = (0..asked).filter(|&row| {
        let others = (0..vectors.rows()).filter(|&other| other != row);
        let cosines = others.map(|other| (dot(row, other) / lengths.get(other).copied().unwrap_or(1.0), other));
        cosines
            .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))
            .is_some_and(|(_, other)| other % tasks == row % tasks)
    });
    same.count() as f64 / asked as f64
}
