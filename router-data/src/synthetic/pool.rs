//! Made-up models with prices that go with their size.
#![allow(clippy::indexing_slicing, reason = "indices are taken modulo the lengths")]

use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use router_core::{Model, ModelPool, Result, SeedStream};

const MAKERS: [&str; 16] = [
    "atlas",
    "beacon",
    "cobalt",
    "driftwood",
    "ember",
    "fathom",
    "granite",
    "harbor",
    "indigo",
    "juniper",
    "kestrel",
    "lumen",
    "marlin",
    "nimbus",
    "onyx",
    "quill",
];

/// The end of a name, US dollars for a million input tokens, and context window, from small to large.
const SIZES: [(&str, f64, u32); 5] = [
    ("3b", 0.04, 8_192),
    ("7b", 0.10, 32_768),
    ("32b", 0.35, 32_768),
    ("large", 1.20, 131_072),
    ("ultra", 5.00, 200_000),
];

pub(crate) const MOST_MODELS: usize = MAKERS.len() * SIZES.len();

/// What a world knows of a model besides its name and price.
#[derive(Debug, Clone)]
pub(crate) struct Nature {
    /// Size from 0, smallest, to 1, largest.
    pub(crate) size: f64,
    /// Tokens for every four bytes of prompt.
    pub(crate) tokenizer: f64,
    /// Output tokens against the mean over models.
    pub(crate) verbosity: f64,
    /// Whether its calls were measured.
    pub(crate) measured: bool,
}

/// `count` models by name, sizes spread evenly, the last `unmeasured` of a random order not measured.
pub(crate) fn pool(count: usize, unmeasured: usize, stream: &mut SeedStream) -> Result<(ModelPool, Vec<Nature>)> {
    let mut makers = MAKERS;
    makers.shuffle(stream);
    let mut models: Vec<(Model, Nature)> = (0..count)
        .map(|at| {
            // The second round of makers takes their next sizes, so that no name comes twice.
            let (maker, round) = (at % MAKERS.len(), at / MAKERS.len());
            let size = (maker + round) % SIZES.len();
            let (suffix, price, context_window) = SIZES[size];
            let input = three_digits(price * stream.random_range(0.7..1.4));
            let output = three_digits(input * stream.random_range(2.5..4.5));
            let mut model = Model::new(format!("{}-{suffix}", makers[maker])).with_price(input, output);
            model.context_window = Some(context_window);
            let size = size as f64 / (SIZES.len() - 1) as f64;
            for (tag, likely) in [("json", 0.4 + 0.6 * size), ("tools", 0.2 + 0.7 * size), ("images", 0.4 * size)] {
                if stream.random_bool(likely) {
                    model.tags.push(tag.to_owned());
                }
            }
            let nature = Nature {
                size,
                tokenizer: stream.random_range(0.9..1.15),
                verbosity: stream.random_range(0.7..1.4),
                measured: true,
            };
            (model, nature)
        })
        .collect();
    models.shuffle(stream);
    for (_, nature) in models.iter_mut().rev().take(unmeasured) {
        nature.measured = false;
    }
    models.sort_by(|a, b| a.0.name.cmp(&b.0.name));
    let (models, natures) = models.into_iter().unzip();
    Ok((ModelPool::new(models)?, natures))
}

fn three_digits(price: f64) -> f64 {
    (price * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_pool_has_distinct_names() {
        let mut stream = router_core::Seed::root(3).stream("pool");
        let (pool, natures) = pool(MOST_MODELS, 4, &mut stream).unwrap();
        assert_eq!(pool.len(), MOST_MODELS);
        assert_eq!(natures.iter().filter(|nature| !nature.measured).count(), 4);
    }
}
