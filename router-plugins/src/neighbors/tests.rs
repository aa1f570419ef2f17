use proptest::prelude::*;
use rand::RngExt;
use router_core::parallel::with_threads;
use router_core::{ErrorKind, Seed};

use super::*;

/// `rows x cols` numbers in [-1, 1).
fn random(rows: usize, cols: usize, seed: u64) -> Matrix {
    let mut stream = Seed::root(seed).stream("points");
    let data = (0..rows * cols).map(|_| stream.random_range(-1.0f32..1.0)).collect();
    Matrix::from_vec(rows, cols, data).unwrap()
}

/// All pairs in double precision, fully sorted.
fn brute_force(points: &Matrix, queries: &Matrix, k: usize, exclude_self: bool) -> Vec<Vec<(f64, usize)>> {
    let cosine = |a: &[f32], b: &[f32]| {
        let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum::<f64>();
        let norms = (product(a, a) * product(b, b)).sqrt();
        if norms > 0.0 { product(a, b) / norms } else { 0.0 }
    };
    (0..queries.rows())
        .map(|query| {
            let mut all: Vec<(f64, usize)> = (0..points.rows())
                .filter(|&row| !(exclude_self && row == query))
                .map(|row| (cosine(queries.row(query), points.row(row)), row))
                .collect();
            all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            all.truncate(k);
            all
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn exact_search_is_brute_force(n in 1usize..150, q in 1usize..80, d in 1usize..20, k in 1usize..30, seed: u64) {
        let (points, queries) = (random(n, d, seed), random(q, d, seed ^ 1));
        let found = knn(points.view(), queries.view(), k, false).unwrap();
        prop_assert_eq!(found.k, k.min(n));
        for (query, expected) in brute_force(&points, &queries, k, false).into_iter().enumerate() {
            let (indices, similarities) = found.row(query);
            for (at, &(similarity, _)) in expected.iter().enumerate() {
                prop_assert!((f64::from(similarities[at]) - similarity).abs() < 1e-5);
                // Rows may swap only where their similarities are the same up to rounding.
                let own = brute_force(&points.gather(&[indices[at] as usize]), &queries.gather(&[query]), 1, false);
                prop_assert!((own[0][0].0 - similarity).abs() < 1e-5);
            }
        }
    }
}

#[test]
fn search_crosses_blocks_of_points_and_leaves_the_query_out() {
    let points = random(5000, 3, 5);
    let found = knn(points.view(), points.view(), 7, true).unwrap();
    for (query, expected) in brute_force(&points, &points, 7, true).iter().enumerate().step_by(501) {
        assert!(!found.row(query).0.contains(&(query as u32)));
        for (at, (similarity, _)) in expected.iter().enumerate() {
            assert!((f64::from(found.row(query).1[at]) - similarity).abs() < 1e-5);
        }
    }
}

#[test]
fn ties_go_to_the_lowest_row_and_zeros_have_similarity_zero() {
    let mut data = vec![0.0; 4 * 2];
    data.extend([1.0, 0.0].repeat(3000));
    data.extend([-1.0, 0.0]);
    let points = Matrix::from_vec(3005, 2, data).unwrap();
    let queries = Matrix::from_vec(2, 2, vec![2.0, 0.0, 0.0, 0.0]).unwrap();
    let found = knn(points.view(), queries.view(), 3, false).unwrap();
    assert_eq!(found.row(0), (&[4u32, 5, 6][..], &[1.0f32; 3][..]));
    assert_eq!(found.row(1), (&[0u32, 1, 2][..], &[0.0f32; 3][..]));
    let all = knn(points.view(), queries.view(), 9999, false).unwrap();
    assert_eq!(all.row(0).0[3004], 3004);
    assert_eq!(all.row(0).1[3000..], [0.0, 0.0, 0.0, 0.0, -1.0]);
}

#[test]
fn a_query_alone_gets_the_same_bits_at_any_thread_count() {
    let index = NeighborIndex::exact(normalized(random(3001, 37, 8).view()));
    let queries = normalized(random(131, 37, 9).view());
    let cx = FitContext::new(0);
    let one = with_threads(1, || index.search(queries.view(), 11, &cx)).unwrap().unwrap();
    let two = with_threads(2, || index.search(queries.view(), 11, &cx)).unwrap().unwrap();
    assert_eq!(one, two);
    assert_eq!(one, index.search_here(queries.view(), 11).unwrap());
    for row in 0..queries.rows() {
        let alone = index.search_here(queries.view().slice_rows(row, row + 1), 11).unwrap();
        assert_eq!(alone.row(0), one.row(row), "query {row}");
    }
}

#[test]
fn a_search_among_points_finds_what_queries_find_at_any_thread_count() {
    // Three blocks of points, the last a part of one; duplicates across blocks and zeros.
    let mut points = normalized(random(1300, 65, 4).view());
    for (to, from) in [(600, 3), (1299, 3), (700, 699)] {
        let copy = points.row(from).to_vec();
        points.row_mut(to).copy_from_slice(&copy);
    }
    points.row_mut(512).fill(0.0);
    let index = NeighborIndex::exact(points.clone());
    let cx = FitContext::new(0);
    let one = with_threads(1, || index.search_among(9, &cx)).unwrap().unwrap();
    let three = with_threads(3, || index.search_among(9, &cx)).unwrap().unwrap();
    assert_eq!(one, three);
    assert_eq!(one.row(3).0[..2], [600, 1299]);
    assert_eq!(one.row(1299).0[..2], [3, 600]);
    assert_eq!(one.row(512), (&[0u32, 1, 2, 3, 4, 5, 6, 7, 8][..], &[0.0f32; 9][..]));
    // One more, since a query finds itself.
    let queried = index.search(points.view(), 10, &cx).unwrap();
    for row in 0..1300 {
        let (indices, similarities) = queried.row(row);
        let others = indices.iter().zip(similarities).filter(|&(&index, _)| index as usize != row).take(9);
        for (at, (&index, &similarity)) in others.enumerate() {
            assert!((one.row(row).1[at] - similarity).abs() < 1e-6, "row {row}: {index}");
        }
    }
    // Both ends of a pair see the same bits.
    for row in 0..1300u32 {
        for (&other, &similarity) in one.row(row as usize).0.iter().zip(one.row(row as usize).1) {
            let (back, similarities) = one.row(other as usize);
            if let Some(at) = back.iter().position(|&index| index == row) {
                assert_eq!(similarities[at].to_bits(), similarity.to_bits(), "{row} - {other}");
            }
        }
    }
}

#[test]
fn approximate_search_finds_nearly_all_and_repeats() {
    // Clustered points, as embeddings are, with duplicates and zeros among them.
    let (centers, noise) = (random(30, 24, 1), random(2000, 24, 2));
    let mut points = Matrix::zeros(2000, 24);
    for row in 0..2000 {
        for col in 0..24 {
            points.set(row, col, centers.get(row % 30, col) + 0.5 * noise.get(row, col));
        }
    }
    points.row_mut(17).fill(0.0);
    let copy = points.row(3).to_vec();
    points.row_mut(99).copy_from_slice(&copy);
    let cx = FitContext::new(0);
    let build = || NeighborIndex::new(normalized(points.view()), Search::Automatic, 1999, &cx).unwrap();
    let index = build();
    let approximate = index.search_among(10, &cx).unwrap();
    assert_eq!(approximate, build().search_among(10, &cx).unwrap());
    assert_eq!(approximate.row(3).0[0], 99);
    let exact = knn(points.view(), points.view(), 10, true).unwrap();
    assert_eq!(approximate.row(17).0, exact.row(17).0, "a query of zeros");
    let hits: usize = (0..2000)
        .map(|row| approximate.row(row).0.iter().filter(|index| exact.row(row).0.contains(index)).count())
        .sum();
    assert!(hits as f64 / 20_000.0 > 0.97, "recall {}", hits as f64 / 20_000.0);
}

#[test]
fn shapes_numbers_and_cancellation_are_checked() {
    let points = random(5, 3, 0);
    assert_eq!(knn(points.view(), random(5, 4, 0).view(), 1, false).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(knn(points.view(), random(4, 3, 0).view(), 1, true).unwrap_err().kind(), ErrorKind::Shape);
    let mut broken = points.clone();
    broken.set(1, 1, f32::NAN);
    assert_eq!(knn(broken.view(), points.view(), 1, false).unwrap_err().kind(), ErrorKind::NonFinite);
    let token = CancelToken::new();
    token.cancel();
    let cx = FitContext::new(0).with_cancel(token);
    let index = NeighborIndex::exact(points.clone());
    assert_eq!(index.search_among(1, &cx).unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(NeighborIndex::new(points, Search::Approximate, 0, &cx).unwrap_err().kind(), ErrorKind::Cancelled);
}

#[test]
fn nothing_to_find_is_no_panic() {
    let one = random(1, 3, 0);
    assert_eq!(knn(one.view(), one.view(), 5, true).unwrap().k, 0);
    assert_eq!(knn(one.view(), Matrix::zeros(0, 3).view(), 5, false).unwrap().indices.len(), 0);
    let flat = Matrix::zeros(3, 0);
    assert_eq!(knn(flat.view(), flat.view(), 1, true).unwrap().indices, [1, 0, 0]);
}
