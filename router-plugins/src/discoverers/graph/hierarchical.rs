//! Several resolutions from one graph, chosen branch by branch.
#![allow(clippy::indexing_slicing, reason = "branches and their labels are rows of the set, counted here")]

use router_core::prelude::*;

use super::config::{GraphConfig, Objective};
use super::discover::{communities_at, density};
use crate::discoverers::held_out::{Candidate, Split, choose, folds};
use crate::graph::Graph;
use crate::neighbors::normalized;

/// Folds that are held out in turn.
const FOLDS: usize = 3;

/// The tasks of `graph`, and the tree that they were split off from; `resolutions` ascending.
///
/// All prompts are one branch at first. A branch is split if that serves held-out prompts ([`Branches::is_worth_splitting`]), by
/// the coarsest resolution that cuts it; its parts are branches in their turn, to be cut by finer resolutions alone. Where no part
/// is split again and the coarse cut is worth nothing by itself, the gain lies in a finer cut but is spread over parts that are too
/// small to show it alone: the branch is then cut by the resolution that serves it as a whole.
pub(super) fn discover(
    config: &GraphConfig,
    resolutions: &[f64],
    set: &TrainingSet,
    graph: &Graph,
    cx: &FitContext,
) -> Result<TaskMap> {
    let rows: Vec<usize> = (0..set.len()).filter(|&row| graph.strength(row) > 0.0).collect();
    if rows.len() < config.minimum_size.max(1) {
        return Ok(TaskMap::none(set.len()));
    }
    let all: Vec<usize> = (0..set.len()).collect();
    let branches = Branches {
        config,
        resolutions,
        set,
        graph,
        points: normalized(set.embeddings()),
        folds: folds(&all, FOLDS, cx),
        cx,
    };
    let mut tree = Tree { labels: vec![None; set.len()], parents: Vec::new() };
    match branches.parts(&rows, 0, "all")? {
        Some(parts) => tree.add(&parts, None),
        None => tree.add_task(&rows, None),
    }
    TaskMap::from_tree(&tree.labels, &tree.parents)
}

/// A branch that was split, or a task.
enum Part {
    Task(Vec<usize>),
    Split(Vec<Part>),
}

/// The nodes of the tree as they are numbered, and the leaf of every prompt.
struct Tree {
    labels: Vec<Option<u32>>,
    parents: Vec<Option<u32>>,
}

impl Tree {
    fn add(&mut self, parts: &[Part], parent: Option<u32>) {
        for part in parts {
            match part {
                Part::Task(rows) => self.add_task(rows, parent),
                Part::Split(parts) => {
                    let node = self.parents.len() as u32;
                    self.parents.push(parent);
                    self.add(parts, Some(node));
                }
            }
        }
    }

    fn add_task(&mut self, rows: &[usize], parent: Option<u32>) {
        for &row in rows {
            self.labels[row] = Some(self.parents.len() as u32);
        }
        self.parents.push(parent);
    }
}

/// What branches are split by.
struct Branches<'a> {
    config: &'a GraphConfig,
    resolutions: &'a [f64],
    set: &'a TrainingSet,
    graph: &'a Graph,
    points: Matrix,
    folds: Vec<Split>,
    cx: &'a FitContext,
}

impl Branches<'_> {
    /// The parts of the branch `rows`, to be cut by the resolutions from number `level` on; none if it is one task. `path` names
    /// the branch among the streams of random numbers.
    fn parts(&self, rows: &[usize], level: usize, path: &str) -> Result<Option<Vec<Part>>> {
        self.cx.check_cancelled()?;
        if rows.len() < 2 * self.config.minimum_size {
            return Ok(None);
        }
        let mut coarsest = None;
        for level in level..self.resolutions.len() {
            let parts = self.cut(rows, level, &format!("leiden {path}"))?;
            if parts.len() > 1 {
                coarsest = Some((level, parts));
                break;
            }
        }
        let Some((level, cut)) = coarsest else { return Ok(None) };
        let candidates = self.candidates(rows, level, path)?;
        if !Self::is_worth_splitting(&candidates) {
            return Ok(None);
        }
        let parts = self.refined(cut, level + 1, path)?;
        let is_split_again = parts.iter().any(|part| matches!(part, Part::Split(_)));
        let finer = level + choose(&candidates) - 1;
        if is_split_again || finer == level || Self::is_worth_splitting(&candidates[..2]) {
            return Ok(Some(parts));
        }
        let cut = self.cut(rows, finer, &format!("leiden {path}"))?;
        if cut.len() < 2 { Ok(None) } else { Ok(Some(self.refined(cut, finer + 1, &format!("{path}/{finer}:"))?)) }
    }

    /// The parts of each branch of `cut`, or the branch as a task.
    fn refined(&self, cut: Vec<Vec<usize>>, level: usize, path: &str) -> Result<Vec<Part>> {
        let refine = |(at, rows): (usize, Vec<usize>)| {
            Ok(match self.parts(&rows, level, &format!("{path}/{at}"))? {
                Some(parts) => Part::Split(parts),
                None => Part::Task(rows),
            })
        };
        cut.into_iter().enumerate().map(refine).collect()
    }

    /// Whether a finer one of `candidates`, of which the first is the branch as a whole, is better for held-out prompts by more
    /// than one standard error of the paired difference.
    fn is_worth_splitting(candidates: &[Candidate]) -> bool {
        choose(candidates) > 0
    }

    /// The branch as one task, and as cut by each resolution from number `level` on: how they serve the branch's held-out prompts,
    /// fold by fold. Each cut is made anew among the prompts that are not held out.
    fn candidates(&self, rows: &[usize], level: usize, path: &str) -> Result<Vec<Candidate>> {
        let mut candidates = vec![Candidate::default(); 1 + self.resolutions.len() - level];
        for (fold, split) in self.folds.iter().enumerate() {
            let within = |part: &[usize]| rows.iter().copied().filter(|row| part.binary_search(row).is_ok()).collect();
            let split = Split { learn: within(&split.learn), judge: within(&split.judge) };
            if split.learn.is_empty() || split.judge.is_empty() {
                continue;
            }
            let share = split.learn.len() as f64 / rows.len() as f64;
            let whole = vec![Some(0); split.learn.len()];
            candidates[0].add(self.set, &self.points, &split, &whole);
            for (at, candidate) in candidates.iter_mut().skip(1).enumerate() {
                self.cx.check_cancelled()?;
                let labels = self.labels(&split.learn, share, level + at, &format!("leiden {path} {fold}"))?;
                candidate.add(self.set, &self.points, &split, &labels);
            }
        }
        Ok(candidates)
    }

    /// The communities of the branch `rows`, each by its rows.
    fn cut(&self, rows: &[usize], level: usize, purpose: &str) -> Result<Vec<Vec<usize>>> {
        let labels = self.labels(rows, 1.0, level, purpose)?;
        let count = labels.iter().flatten().max().map_or(0, |&label| label as usize + 1);
        let mut parts = vec![Vec::new(); count];
        for (&row, label) in rows.iter().zip(&labels) {
            if let Some(label) = label {
                parts[*label as usize].push(row);
            }
        }
        parts.retain(|part| !part.is_empty());
        Ok(parts)
    }

    /// The community of each of `rows` among themselves, which are all of a branch or the share of it that is not held out; at a
    /// resolution that means what it means in the whole graph.
    fn labels(&self, rows: &[usize], share: f64, level: usize, purpose: &str) -> Result<Vec<Option<u32>>> {
        let part = self.graph.induced(rows);
        let resolution = match self.config.quality {
            // The weight that two nodes expect between them is their strengths' product over all weight: that of the whole graph,
            // not of the branch. Where nodes are held out, both shrink alike.
            Objective::Modularity => {
                let whole = self.graph.total_weight() * share * share;
                self.resolutions[level] * part.total_weight() / whole.max(f64::MIN_POSITIVE)
            }
            Objective::Cpm => self.resolutions[level] * density(self.graph),
        };
        let purpose = format!("{purpose} {}", self.resolutions[level]);
        communities_at(self.config, resolution, &part, &purpose, self.cx)
    }
}
