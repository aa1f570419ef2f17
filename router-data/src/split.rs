//! Splits into train and test that never part near duplicates.
//!
//! All give rows of the data set, ascending; the same seed gives the same rows. The sides of a split hold every row once, but
//! for [`leave_out`], which also leaves rows out.
#![allow(clippy::indexing_slicing, reason = "rows are those of the data set, labels and groups are one a row")]

use std::collections::{BTreeMap, BTreeSet};

use rand::seq::SliceRandom;
use router_core::{Dataset, Error, ErrorKind, Result, Seed};

/// Rows of a data set, for training and for testing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Split {
    /// The rows to train on, ascending.
    pub train: Vec<usize>,
    /// The rows to test on, ascending.
    pub test: Vec<usize>,
}

/// A random split with about `train_share` of the rows, in (0, 1), in train. O(n log n).
///
/// # Errors
/// [`ErrorKind::Usage`] for another share, or if there are fewer than two near-duplicate groups.
pub fn random(dataset: &Dataset, train_share: f64, seed: &Seed) -> Result<Split> {
    by_labels(&vec![0; dataset.prompts().len()], dataset.groups(), train_share, seed)
}

/// A random split in which every benchmark has about `train_share` of its rows in train; prompts without a benchmark count as
/// one. A benchmark of at least two near-duplicate groups is on both sides. O(n log n).
///
/// # Errors
/// As [`random`].
pub fn stratified(dataset: &Dataset, train_share: f64, seed: &Seed) -> Result<Split> {
    let mut names: Vec<Option<&str>> = dataset.prompts().iter().map(|prompt| prompt.benchmark.as_deref()).collect();
    let labels = names.clone();
    names.sort_unstable();
    names.dedup();
    let labels: Vec<u32> = labels.iter().map(|name| names.partition_point(|known| known < name) as u32).collect();
    by_labels(&labels, dataset.groups(), train_share, seed)
}

/// A random split that is stratified by any labels, one a row; rows of one group stay together. O(n log n).
///
/// A group has the label of its first row. A label of at least two groups is on both sides. What rounding takes from one
/// label it gives to the next, so that the whole split has the share too.
///
/// # Errors
/// [`ErrorKind::Usage`] for a share outside (0, 1), or fewer than two groups; [`ErrorKind::Shape`] if there are not as many
/// groups as labels.
pub fn by_labels(labels: &[u32], groups: &[u32], train_share: f64, seed: &Seed) -> Result<Split> {
    if !(train_share > 0.0 && train_share < 1.0) {
        return Err(Error::new(ErrorKind::Usage, format!("a train share of {train_share}"))
            .help("a share lies between 0 and 1, neither of them included"));
    }
    if labels.len() != groups.len() {
        return Err(Error::shape("near-duplicate groups", labels.len(), groups.len()));
    }
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by_key(|&row| groups[row]);
    let units: Vec<&[usize]> = order.chunk_by(|&a, &b| groups[a] == groups[b]).collect();
    if units.len() < 2 {
        return Err(Error::new(ErrorKind::Usage, format!("a split of {} near-duplicate groups", units.len()))
            .help("both sides need a prompt"));
    }
    let mut strata: BTreeMap<u32, Vec<&[usize]>> = BTreeMap::new();
    for unit in units {
        strata.entry(labels[unit[0]]).or_default().push(unit);
    }
    let mut stream = seed.stream("split");
    let mut split = Split::default();
    let mut dealt = 0usize;
    let last = strata.len() - 1;
    for (at, mut stratum) in strata.into_values().enumerate() {
        stratum.shuffle(&mut stream);
        dealt += stratum.iter().map(|unit| unit.len()).sum::<usize>();
        let quota = (train_share * dealt as f64).round() as usize;
        let mut chosen: Vec<bool> = Vec::with_capacity(stratum.len());
        let mut train = split.train.len();
        for unit in &stratum {
            // A group too large for what is left to deal goes to test, and smaller ones behind it still fit.
            let fits = train + unit.len() <= quota;
            train += if fits { unit.len() } else { 0 };
            chosen.push(fits);
        }
        let both = stratum.len() > 1;
        let smallest = (0..stratum.len()).min_by_key(|&unit| stratum[unit].len()).unwrap_or(0);
        let must_train = both || (at == last && split.train.is_empty());
        let must_test = both || (at == last && split.test.is_empty());
        if must_train && !chosen.contains(&true) {
            chosen[smallest] = true;
        } else if must_test && !chosen.contains(&false) {
            chosen[smallest] = false;
        }
        for (unit, to_train) in stratum.iter().zip(chosen) {
            if to_train { &mut split.train } else { &mut split.test }.extend_from_slice(unit);
        }
    }
    split.train.sort_unstable();
    split.test.sort_unstable();
    Ok(split)
}

/// A split for every benchmark, by name and in the order of names: [`leave_out`] each. O(n b) for b benchmarks.
///
/// # Errors
/// [`ErrorKind::Usage`] with fewer than two benchmarks, or if nothing is left to train on.
pub fn leave_one_benchmark_out(dataset: &Dataset) -> Result<Vec<(String, Split)>> {
    let names = benchmarks(dataset);
    if names.len() < 2 {
        return Err(Error::new(ErrorKind::Usage, format!("the data set has {} benchmarks", names.len()))
            .help("leaving one out takes at least two"));
    }
    names.into_iter().map(|name| leave_out(dataset, name).map(|split| (name.to_owned(), split))).collect()
}

/// The split in which the prompts of `benchmark` are test, and train is the others without the near duplicates of those.
/// Prompts without a benchmark are trained on. O(n).
///
/// # Errors
/// [`ErrorKind::Usage`] for a benchmark that no prompt has, or if nothing is left to train on.
pub fn leave_out(dataset: &Dataset, benchmark: &str) -> Result<Split> {
    let prompts = dataset.prompts();
    let test: Vec<usize> =
        (0..prompts.len()).filter(|&row| prompts[row].benchmark.as_deref() == Some(benchmark)).collect();
    if test.is_empty() {
        let names = benchmarks(dataset);
        let known: Vec<String> = names.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
        let more = if names.len() > LISTED { format!(" and {} more", names.len() - LISTED) } else { String::new() };
        let help = match names.len() {
            0 => "no prompt of the data set has a benchmark".to_owned(),
            _ => format!("there are {}{more}", known.join(", ")),
        };
        return Err(Error::new(ErrorKind::Usage, format!("no prompt is of benchmark `{benchmark}`")).help(help));
    }
    let held: BTreeSet<u32> = test.iter().map(|&row| dataset.groups()[row]).collect();
    let train: Vec<usize> = (0..prompts.len()).filter(|&row| !held.contains(&dataset.groups()[row])).collect();
    if train.is_empty() {
        let message = format!("nothing is left to train on without benchmark `{benchmark}`");
        return Err(
            Error::new(ErrorKind::Usage, message).help("every other prompt is a near duplicate of one of its prompts")
        );
    }
    Ok(Split { train, test })
}

/// So many benchmarks are listed in an error.
const LISTED: usize = 20;

/// The names of the benchmarks, sorted.
fn benchmarks(dataset: &Dataset) -> Vec<&str> {
    let names: BTreeSet<&str> = dataset.prompts().iter().filter_map(|prompt| prompt.benchmark.as_deref()).collect();
    names.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use router_core::{Model, ModelPool, Outcome, Outcomes, Prompt};

    use super::*;

    fn dataset(labels: &[Option<u8>], groups: &[u32]) -> Dataset {
        let prompts = labels
            .iter()
            .enumerate()
            .map(|(row, label)| {
                let prompt = Prompt::new(format!("p{row}"), "text");
                match label {
                    Some(label) => prompt.with_benchmark(format!("b{label}")),
                    None => prompt,
                }
            })
            .collect();
        let rows = labels.iter().map(|_| vec![Outcome::new(0, 1.0)]).collect();
        let pool = ModelPool::new(vec![Model::new("m")]).unwrap();
        let outcomes = Outcomes::from_rows(1, rows).unwrap();
        Dataset::new("d", prompts, pool, outcomes).unwrap().with_groups(groups.to_vec()).unwrap()
    }

    fn check_sides(split: &Split, groups: &[u32]) -> Result<(), TestCaseError> {
        prop_assert!(!split.train.is_empty() && !split.test.is_empty());
        let mut all = [split.train.clone(), split.test.clone()].concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..groups.len()).collect::<Vec<_>>());
        prop_assert!(split.train.is_sorted() && split.test.is_sorted());
        for &row in &split.train {
            prop_assert!(split.test.iter().all(|&other| groups[other] != groups[row]));
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn sides_are_whole_and_groups_stay_together(
            rows in prop::collection::vec((prop::option::of(0u8..5), 0u32..60), 2..150), share in 0.05f64..0.95, seed: u64
        ) {
            let (labels, groups): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
            prop_assume!(groups.iter().any(|&group| group != groups[0]));
            let data = dataset(&labels, &groups);
            let seed = Seed::root(seed);
            for split in [random(&data, share, &seed).unwrap(), stratified(&data, share, &seed).unwrap()] {
                check_sides(&split, &groups)?;
            }
            prop_assert_eq!(random(&data, share, &seed).unwrap(), random(&data, share, &seed).unwrap());
        }

        #[test]
        fn strata_have_their_share(counts in prop::collection::vec(2usize..60, 1..6), share in 0.1f64..0.9, seed: u64) {
            let labels: Vec<Option<u8>> =
                counts.iter().enumerate().flat_map(|(label, &count)| vec![Some(label as u8); count]).collect();
            let groups: Vec<u32> = (0..labels.len() as u32).collect();
            let split = stratified(&dataset(&labels, &groups), share, &Seed::root(seed)).unwrap();
            for (label, &count) in counts.iter().enumerate() {
                let train = split.train.iter().filter(|&&row| labels[row] == Some(label as u8)).count();
                prop_assert!(train >= 1 && train < count);
                prop_assert!((train as f64 - share * count as f64).abs() <= 2.0 + counts.len() as f64 / 2.0);
            }
        }

        #[test]
        fn a_benchmark_left_out_leaves_no_near_duplicate_behind(
            rows in prop::collection::vec((prop::option::of(0u8..4), 0u32..80), 2..120)
        ) {
            let (labels, groups): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
            let Ok(splits) = leave_one_benchmark_out(&dataset(&labels, &groups)) else { return Ok(()) };
            for (name, split) in splits {
                prop_assert_eq!(&split, &leave_out(&dataset(&labels, &groups), &name).unwrap());
                for row in 0..labels.len() {
                    let held = labels[row].is_some_and(|label| format!("b{label}") == name);
                    prop_assert_eq!(split.test.contains(&row), held);
                    let related = split.test.iter().any(|&test| groups[test] == groups[row]);
                    prop_assert_eq!(split.train.contains(&row), !related);
                    // Only near duplicates of the benchmark are on neither side.
                    prop_assert!(split.train.contains(&row) || split.test.contains(&row) || related);
                }
            }
        }
    }

    #[test]
    fn the_share_is_exact_without_duplicates() {
        let groups: Vec<u32> = (0..100).collect();
        let split = random(&dataset(&[None; 100], &groups), 0.7, &Seed::root(1)).unwrap();
        assert_eq!((split.train.len(), split.test.len()), (70, 30));
        assert_ne!(split, random(&dataset(&[None; 100], &groups), 0.7, &Seed::root(2)).unwrap());
    }

    #[test]
    fn what_cannot_be_split_is_refused() {
        let kind = |result: Result<Split>| result.unwrap_err().kind();
        let one = dataset(&[None, None], &[3, 3]);
        assert_eq!(kind(random(&one, 0.5, &Seed::root(0))), ErrorKind::Usage);
        let two = dataset(&[None, None], &[0, 1]);
        assert_eq!(kind(random(&two, 1.0, &Seed::root(0))), ErrorKind::Usage);
        assert_eq!(kind(random(&two, f64::NAN, &Seed::root(0))), ErrorKind::Usage);
        assert_eq!(leave_one_benchmark_out(&two).unwrap_err().kind(), ErrorKind::Usage);
        assert_eq!(kind(leave_out(&two, "b1")), ErrorKind::Usage);
        let labeled = dataset(&[Some(1), Some(2)], &[0, 1]);
        let error = leave_out(&labeled, "b3").unwrap_err().to_string();
        assert!(error.contains("`b3`") && error.contains("there are `b1`, `b2`"), "{error}");
        // What is left would be a near duplicate of what is tested on.
        assert_eq!(kind(leave_out(&dataset(&[Some(1), Some(2)], &[0, 0]), "b1")), ErrorKind::Usage);
        assert_eq!(kind(by_labels(&[0], &[0, 1], 0.5, &Seed::root(0))), ErrorKind::Shape);
    }
}
