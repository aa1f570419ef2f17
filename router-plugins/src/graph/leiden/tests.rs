use proptest::prelude::*;
use router_core::{ErrorKind, Seed};

use super::*;

fn run(leiden: Leiden, graph: &Graph, seed: u64) -> Partition {
    leiden.run(graph, &mut Seed::root(seed).stream("leiden"), &CancelToken::new()).unwrap()
}

/// `count` cliques of `size` nodes in a ring, each tied to the next by one edge.
fn ring_of_cliques(count: u32, size: u32) -> Graph {
    let mut edges = Vec::new();
    for clique in 0..count {
        for a in 0..size {
            edges.extend((a + 1..size).map(|b| (clique * size + a, clique * size + b, 1.0)));
        }
        edges.push((clique * size, (clique + 1) % count * size + 1, 1.0));
    }
    Graph::from_edges((count * size) as usize, &edges).unwrap()
}

/// Zachary's karate club (1977), the edges in the order of networkx.
fn karate() -> Graph {
    let neighbors: [&[u32]; 34] = [
        &[1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 17, 19, 21, 31],
        &[2, 3, 7, 13, 17, 19, 21, 30],
        &[3, 7, 8, 9, 13, 27, 28, 32],
        &[7, 12, 13],
        &[6, 10],
        &[6, 10, 16],
        &[16],
        &[],
        &[30, 32, 33],
        &[33],
        &[],
        &[],
        &[],
        &[33],
        &[32, 33],
        &[32, 33],
        &[],
        &[],
        &[32, 33],
        &[33],
        &[32, 33],
        &[],
        &[32, 33],
        &[25, 27, 29, 32, 33],
        &[25, 27, 31],
        &[31],
        &[29, 33],
        &[33],
        &[31, 33],
        &[32, 33],
        &[32, 33],
        &[32, 33],
        &[33],
        &[],
    ];
    let edges: Vec<_> = (0..34u32).flat_map(|a| neighbors[a as usize].iter().map(move |&b| (a, b, 1.0))).collect();
    assert_eq!(edges.len(), 78);
    Graph::from_edges(34, &edges).unwrap()
}

#[test]
fn the_karate_club_reaches_the_known_optimum() {
    // Its maximum modularity is 0.4198 with four communities (Brandes et al. 2008, table 1).
    let partition = run(Leiden::default(), &karate(), 1);
    assert!((partition.quality - 0.419_789_6).abs() < 1e-6, "{}", partition.quality);
    assert_eq!(partition.communities, 4);
    assert_eq!(modularity(&karate(), &partition.labels, 1.0).unwrap(), partition.quality);
}

#[test]
fn modularity_by_hand() {
    let path = Graph::from_edges(3, &[(0, 1, 1.0), (1, 2, 3.0)]).unwrap();
    // Inside {1, 2}: 3 of 4. Strengths 1, 4, 3 of 8: (1/8)^2 + (7/8)^2.
    let expected = |resolution: f64| 0.75 - resolution * 50.0 / 64.0;
    assert!((modularity(&path, &[4, 9, 9], 1.0).unwrap() - expected(1.0)).abs() < 1e-15);
    assert!((modularity(&path, &[4, 9, 9], 2.5).unwrap() - expected(2.5)).abs() < 1e-15);
    assert_eq!(constant_potts(&path, &[4, 9, 9], 0.5).unwrap(), 2.5);
    assert_eq!(modularity(&path, &[0, 0], 1.0).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(modularity(&Graph::default(), &[], 1.0).unwrap(), 0.0);
    let with_loop = Graph::from_edges(2, &[(0, 0, 1.0), (0, 1, 1.0)]).unwrap();
    // networkx: (1 + 0) / 2 - (3/4)^2 - (1/4)^2.
    assert!((modularity(&with_loop, &[0, 1], 1.0).unwrap() - (0.5 - 0.625)).abs() < 1e-15);
}

#[test]
fn cliques_are_found_and_the_resolution_decides_how_many() {
    let graph = ring_of_cliques(30, 5);
    // At resolution 1, modularity prefers to merge neighboring cliques of this ring (Fortunato and Barthelemy 2007); the
    // constant Potts model does not.
    let merged = run(Leiden::default(), &graph, 3);
    assert!(merged.communities < 20, "{}", merged.communities);
    let cliques: Vec<u32> = (0..150).map(|node| node / 5).collect();
    assert!(merged.quality > modularity(&graph, &cliques, 1.0).unwrap());
    let finer = run(Leiden { resolution: 3.0, ..Leiden::default() }, &graph, 3);
    assert_eq!(finer.communities, 30);
    let potts = run(Leiden { quality: Quality::ConstantPotts, resolution: 0.3, ..Leiden::default() }, &graph, 3);
    assert_eq!(potts.communities, 30);
    assert!((potts.quality - 30.0 * (10.0 - 0.3 * 10.0)).abs() < 1e-9);
    assert_eq!(constant_potts(&graph, &potts.labels, 0.3).unwrap(), potts.quality);
    assert!(potts.labels.iter().enumerate().all(|(node, &label)| label as usize == node / 5));
    assert_eq!(run(Leiden { resolution: 0.0, ..Leiden::default() }, &graph, 3).communities, 1);
}

#[test]
fn graphs_with_nothing_to_find_and_cancellation() {
    for graph in [Graph::default(), Graph::from_edges(3, &[]).unwrap(), Graph::from_edges(1, &[(0, 0, 2.0)]).unwrap()] {
        let partition = run(Leiden::default(), &graph, 0);
        assert_eq!(partition.communities, graph.nodes());
        assert_eq!(partition.quality, modularity(&graph, &partition.labels, 1.0).unwrap());
    }
    let pair = Graph::from_edges(3, &[(0, 2, 0.1)]).unwrap();
    assert_eq!(run(Leiden::default(), &pair, 0).labels, [0, 1, 0]);
    let token = CancelToken::new();
    token.cancel();
    let error = Leiden::default().run(&pair, &mut Seed::root(0).stream("x"), &token).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

proptest! {
    #[test]
    fn communities_are_connected_levels_nest_and_no_single_move_helps(
        nodes in 2u32..60,
        raw in prop::collection::vec((0u32..60, 0u32..60, 1u32..9), 1..300),
        randomness in prop::sample::select(vec![0.0, 0.01, 1.0]),
        quality in prop::sample::select(vec![Quality::Modularity, Quality::ConstantPotts]),
        seed: u64,
    ) {
        let edges: Vec<_> = raw.iter().map(|&(a, b, w)| (a % nodes, b % nodes, f64::from(w))).collect();
        let graph = Graph::from_edges(nodes as usize, &edges).unwrap();
        let leiden = Leiden { quality, randomness, ..Leiden::default() };
        let partition = run(leiden, &graph, seed);
        prop_assert_eq!(&partition, &run(leiden, &graph, seed));
        prop_assert_eq!(&connected_parts(&graph, &partition.labels), &partition.labels);
        for pair in partition.levels.windows(2) {
            for a in 0..nodes as usize {
                for b in 0..a {
                    prop_assert!(pair[0][a] != pair[0][b] || pair[1][a] == pair[1][b]);
                }
            }
        }
        // Every community and an empty one, for every node.
        for node in 0..nodes as usize {
            let mut labels = partition.labels.clone();
            for target in 0..=partition.communities as u32 {
                labels[node] = target;
                let moved = quality_of(&graph, &labels, quality, 1.0);
                prop_assert!(moved <= partition.quality + 1e-6 * partition.quality.abs().max(1.0));
            }
        }
    }
}
