//! Leiden against reference values of Python's igraph and leidenalg, on three graphs that both languages build by the same
//! integer formulas. `benches/peers/leiden/` regenerates the values and times all three.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::print_stdout, reason = "a test: what fails, fails it")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

use rayon::prelude::*;
use router_core::{CancelToken, Seed};
use router_plugins::graph::{Graph, Leiden, Partition, modularity, normalized_mutual_information};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    nodes: usize,
    edges: usize,
    checksum: String,
    /// Mean modularity of five seeds.
    igraph: f64,
    leidenalg: f64,
    /// The best of leidenalg's partitions.
    labels: String,
}

#[derive(Deserialize)]
struct References {
    graphs: BTreeMap<String, Reference>,
}

fn references() -> BTreeMap<String, Reference> {
    serde_json::from_str::<References>(include_str!("fixtures/leiden.json")).unwrap().graphs
}

/// SplitMix64 (Steele, Lea and Flood 2014).
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u32) -> u32 {
        (((self.next() >> 32) * u64::from(bound)) >> 32) as u32
    }
}

type Edges = Vec<(u32, u32, f64)>;

/// 1,000 nodes in 10 equal blocks.
fn planted() -> (usize, Edges) {
    let (mut draw, mut edges) = (SplitMix(1), Vec::new());
    for a in 0..1000 {
        for b in a + 1..1000 {
            if draw.below(1000) < if a / 100 == b / 100 { 120 } else { 10 } {
                edges.push((a, b, 1.0));
            }
        }
    }
    (1000, edges)
}

/// 5,000 nodes in blocks of 20 to 400, a quarter of the edges anywhere.
fn unequal() -> (usize, Edges) {
    let mut draw = SplitMix(2);
    let (mut sizes, mut total) = (Vec::new(), 0);
    while total < 5000 {
        let share = 1 + draw.below(20);
        sizes.push((20 * 20 / share).min(5000 - total));
        total += sizes[sizes.len() - 1];
    }
    // Start and size of every node's block.
    let mut block = Vec::new();
    for size in sizes {
        let start = block.len() as u32;
        block.extend((0..size).map(|_| (start, size)));
    }
    let mut edges = BTreeSet::new();
    for a in 0..5000u32 {
        for _ in 0..4 + 16 / (1 + draw.below(8)) {
            let (start, size) = block[a as usize];
            let b = if draw.below(4) == 0 { draw.below(5000) } else { start + draw.below(size) };
            if a != b {
                edges.insert((a.min(b), a.max(b)));
            }
        }
    }
    (5000, edges.into_iter().map(|(a, b)| (a, b, 1.0)).collect())
}

/// 20,000 points around 40 centers, each tied to its 15 nearest; weight 2 where both name the other.
fn clustered() -> (usize, Edges) {
    const D: usize = 8;
    let (n, k, clusters) = (20_000, 15, 40);
    let mut draw = SplitMix(3);
    let centers: Vec<[i64; D]> = (0..clusters).map(|_| std::array::from_fn(|_| i64::from(draw.below(1200)))).collect();
    let points: Vec<[i64; D]> = (0..n)
        .map(|_| {
            let bound = 1 + draw.below(clusters);
            let center = centers[draw.below(bound) as usize];
            center.map(|value| value + (0..4).map(|_| i64::from(draw.below(300))).sum::<i64>() - 600)
        })
        .collect();
    let nearest: Vec<Vec<u32>> = (0..n as usize)
        .into_par_iter()
        .map(|row| {
            let others = (0..n as usize).filter(|&other| other != row);
            let mut all: Vec<(i64, u32)> = others
                .map(|other| {
                    let squares = (0..D).map(|col| (points[row][col] - points[other][col]).pow(2));
                    (squares.sum(), other as u32)
                })
                .collect();
            all.select_nth_unstable(k - 1);
            all.into_iter().take(k).map(|(_, other)| other).collect()
        })
        .collect();
    let mut named = BTreeMap::new();
    for (row, others) in (0..).zip(nearest) {
        for other in others {
            *named.entry((other.min(row), other.max(row))).or_insert(0.0) += 1.0;
        }
    }
    (n as usize, named.into_iter().map(|((a, b), weight)| (a, b, weight)).collect())
}

fn graph(name: &str) -> Graph {
    let reference = &references()[name];
    let (nodes, edges) = match name {
        "planted" => planted(),
        "unequal" => unequal(),
        _ => clustered(),
    };
    let checksum = edges.iter().fold(0u64, |total, &(a, b, weight)| {
        let edge = u64::from(a) << 32 | u64::from(b) << 8 | weight as u64;
        total.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(edge)
    });
    assert_eq!((nodes, edges.len()), (reference.nodes, reference.edges));
    assert_eq!(checksum.to_string(), reference.checksum, "{name} is not the graph that the references saw");
    Graph::from_edges(nodes, &edges).unwrap()
}

fn run(graph: &Graph, seed: u64, passes: Option<usize>) -> Partition {
    let leiden = Leiden { passes, ..Leiden::default() };
    leiden.run(graph, &mut Seed::root(seed).stream("leiden"), &CancelToken::new()).unwrap()
}

/// Number of connected parts of all communities together.
fn connected_parts(graph: &Graph, labels: &[u32]) -> usize {
    let mut seen = vec![false; labels.len()];
    let mut parts = 0;
    for start in 0..labels.len() {
        if std::mem::replace(&mut seen[start], true) {
            continue;
        }
        parts += 1;
        let mut stack = vec![start];
        while let Some(node) = stack.pop() {
            for &target in graph.row(node).0 {
                let target = target as usize;
                if labels[target] == labels[node] && !std::mem::replace(&mut seen[target], true) {
                    stack.push(target);
                }
            }
        }
    }
    parts
}

fn holds_against_the_references(name: &str) {
    let (graph, reference) = (graph(name), &references()[name]);
    let labels: Vec<u32> = reference.labels.split(' ').map(|label| label.parse().unwrap()).collect();
    for seed in 0..3 {
        let partition = run(&graph, seed, None);
        let found = modularity(&graph, &partition.labels, 1.0).unwrap();
        let agreement = normalized_mutual_information(&partition.labels, &labels).unwrap();
        println!(
            "{name}, seed {seed}: modularity {found:.6} (igraph {:.6}, leidenalg {:.6}), NMI {agreement:.4}, {} communities, {} passes",
            reference.igraph, reference.leidenalg, partition.communities, partition.passes
        );
        assert_eq!(found, partition.quality);
        assert!(found >= reference.igraph * 0.999 && found >= reference.leidenalg * 0.999);
        assert!(agreement >= 0.95);
        assert_eq!(connected_parts(&graph, &partition.labels), partition.communities);
        assert_eq!(run(&graph, seed, None), partition);
    }
}

#[test]
fn equal_blocks() {
    holds_against_the_references("planted");
}

#[test]
fn unequal_blocks() {
    holds_against_the_references("unequal");
}

#[test]
fn nearest_neighbors_of_clustered_points() {
    holds_against_the_references("clustered");
}

#[test]
#[ignore = "the Rust side of benches/peers/leiden/compare.py: reads `graph seed passes` lines, answers with times"]
#[allow(clippy::disallowed_methods, reason = "this one measures time")]
fn serve_timings() {
    let mut graphs = BTreeMap::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, seed, passes] = words[..] else { continue };
        let graph = graphs.entry(name.to_owned()).or_insert_with(|| graph(name));
        let passes = passes.parse::<i64>().unwrap();
        let start = std::time::Instant::now();
        let partition = run(graph, seed.parse().unwrap(), usize::try_from(passes).ok());
        let seconds = start.elapsed().as_secs_f64();
        println!("timing {seconds} {} {}", partition.quality, partition.communities);
    }
}
