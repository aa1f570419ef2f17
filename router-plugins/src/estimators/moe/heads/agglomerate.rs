//! Coarse tasks where the discoverer found none: tasks of similar wording, put together.
#![allow(
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "clusters are numbered below the count they are allocated for, and index rows and columns alike"
)]

use router_core::{Matrix, MatrixView, Result, TaskHierarchy};

use crate::neighbors::{dot, normalize};

/// A hierarchy of two levels: about as many coarse tasks as the square root of the number of tasks, by average linkage of the
/// tasks' centers under the cosine (Sokal and Michener 1958; the nearest-neighbor chain of Benzecri 1982). A coarse task of one
/// task is left out. `members` are the rows of every task. O(n d + tasks^2 d).
///
/// # Errors
/// Never for members that are rows of `embeddings`.
pub(super) fn hierarchy(embeddings: MatrixView<'_>, members: &[Vec<usize>]) -> Result<TaskHierarchy> {
    let tasks = members.len();
    let coarse = (tasks as f64).sqrt().ceil() as usize;
    let mut merges = average_linkage(similarities(&centers(embeddings, members)));
    // The most similar first; the chain finds them in another order.
    merges.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then((a.into, a.from).cmp(&(b.into, b.from))));
    let mut group: Vec<usize> = (0..tasks).collect();
    for merge in merges.iter().take(tasks.saturating_sub(coarse)) {
        let (into, from) = (group[merge.into], group[merge.from]);
        group.iter_mut().filter(|group| **group == from).for_each(|group| *group = into);
    }
    let mut parents = vec![None; tasks];
    for first in 0..tasks {
        let of_group: Vec<usize> = (first..tasks).filter(|&task| group[task] == group[first]).collect();
        if parents[first].is_none() && of_group.len() > 1 {
            let parent = parents.len() as u32;
            for task in of_group {
                parents[task] = Some(parent);
            }
            parents.push(None);
        }
    }
    TaskHierarchy::new(tasks, parents)
}

/// The direction of every task's mean, tasks x d; zero without one.
fn centers(embeddings: MatrixView<'_>, members: &[Vec<usize>]) -> Matrix {
    let mut centers = Matrix::zeros(members.len(), embeddings.cols());
    for (task, rows) in members.iter().enumerate() {
        let center = centers.row_mut(task);
        for &row in rows {
            center.iter_mut().zip(embeddings.row(row)).for_each(|(sum, value)| *sum += value);
        }
        normalize(center);
    }
    centers
}

/// The cosines between all centers, row by row.
fn similarities(centers: &Matrix) -> Vec<Vec<f64>> {
    let tasks = centers.rows();
    let of = |a: usize| (0..tasks).map(move |b| f64::from(dot(centers.row(a), centers.row(b)))).collect();
    (0..tasks).map(of).collect()
}

/// Two clusters, named by their first members, that become one.
struct Merge {
    into: usize,
    from: usize,
    similarity: f64,
}

/// All merges of average linkage, in the order in which chains of nearest neighbors find them.
fn average_linkage(mut similarity: Vec<Vec<f64>>) -> Vec<Merge> {
    let count = similarity.len();
    let mut size = vec![1.0f64; count];
    let mut merges = Vec::new();
    let mut chain: Vec<usize> = Vec::new();
    while merges.len() + 1 < count {
        let Some(&tip) = chain.last() else {
            chain.extend(size.iter().position(|&size| size > 0.0));
            continue;
        };
        // The nearest to the tip; of equals the one before it in the chain, so that chains end.
        let mut nearest = chain.len().checked_sub(2).map(|before| chain[before]);
        for other in (0..count).filter(|&other| other != tip && size[other] > 0.0) {
            if nearest.is_none_or(|nearest| similarity[tip][other] > similarity[tip][nearest]) {
                nearest = Some(other);
            }
        }
        let Some(nearest) = nearest else { break };
        if chain.len() < 2 || nearest != chain[chain.len() - 2] {
            chain.push(nearest);
            continue;
        }
        chain.truncate(chain.len() - 2);
        let (into, from) = (tip.min(nearest), tip.max(nearest));
        merges.push(Merge { into, from, similarity: similarity[into][from] });
        let (of_into, of_from) = (size[into], size[from]);
        for other in 0..count {
            let mean = (of_into * similarity[into][other] + of_from * similarity[from][other]) / (of_into + of_from);
            similarity[into][other] = mean;
            similarity[other][into] = mean;
        }
        size[into] += of_from;
        size[from] = 0.0;
    }
    merges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_of_similar_wording_come_under_one() {
        // Directions at 0, 2, 4, 90, 92 and 200 degrees; three coarse tasks, one of which has a single task.
        let degrees = [0.0f32, 90.0, 2.0, 200.0, 92.0, 4.0];
        let data = degrees.iter().flat_map(|degrees| [degrees.to_radians().cos(), degrees.to_radians().sin()]);
        let embeddings = Matrix::from_vec(6, 2, data.collect()).unwrap();
        let members: Vec<Vec<usize>> = (0..6).map(|row| vec![row]).collect();
        let tree = hierarchy(embeddings.view(), &members).unwrap();
        let parents = vec![Some(6), Some(7), Some(6), None, Some(7), Some(6), None, None];
        assert_eq!(tree, TaskHierarchy::new(6, parents).unwrap());
        for tasks in 0..3 {
            let tree = hierarchy(embeddings.view(), &members[..tasks]).unwrap();
            assert_eq!(tree, TaskHierarchy::flat(tasks));
        }
        // A task without a prompt, and all alike: any tree, but one of all tasks.
        let alike = Matrix::from_vec(4, 1, vec![1.0; 4]).unwrap();
        let tree = hierarchy(alike.view(), &[vec![0], vec![], vec![1], vec![2, 3]]).unwrap();
        assert_eq!(tree.tasks(), 4);
    }

    #[test]
    fn average_linkage_agrees_with_merges_worked_out_by_hand() {
        // 0-1 at 0.9; 2-3 at 0.8; then {0, 1} with {2, 3} at the mean of the four similarities between them.
        let rows = [[1.0, 0.9, 0.1, 0.2], [0.9, 1.0, 0.3, 0.4], [0.1, 0.3, 1.0, 0.8], [0.2, 0.4, 0.8, 1.0]];
        let merges = average_linkage(rows.iter().map(|row| row.to_vec()).collect());
        let found: Vec<_> = merges.iter().map(|merge| (merge.into, merge.from)).collect();
        assert_eq!(found, [(0, 1), (2, 3), (0, 2)]);
        assert!((merges[2].similarity - 0.25).abs() < 1e-12);
    }
}
