//! Four sets of real outcomes, read in place where they are: counts and the best single model against published values.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use router_core::{Dataset, Result};
use router_data::directory;
use router_data::near_duplicates;
use router_data::stats::Stats;

struct Expected {
    name: &'static str,
    train: usize,
    test: usize,
    models: usize,
    best_single: f64,
    oracle: f64,
}

/// From the README of the data.
const SETS: [Expected; 4] = [
    Expected { name: "paper9", train: 2_997, test: 999, models: 9, best_single: 0.696, oracle: 0.890 },
    Expected { name: "frontier27", train: 3_354, test: 1_117, models: 27, best_single: 0.894, oracle: 0.989 },
    Expected { name: "mmlupro30", train: 7_131, test: 2_375, models: 30, best_single: 0.728, oracle: 0.950 },
    Expected { name: "priced20", train: 736, test: 243, models: 20, best_single: 0.860, oracle: 0.967 },
];

/// The folder of the real sets; `None`, said aloud, where it is absent.
fn folder(test: &str) -> Option<PathBuf> {
    let given = std::env::var_os("ROUTER_REAL_DATA").map(PathBuf::from);
    let folder = given.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data")));
    if SETS.iter().all(|set| folder.join(set.name).is_dir()) {
        return Some(folder);
    }
    eprintln!("SKIPPED {test}: there is no real data in {} (set ROUTER_REAL_DATA)", folder.display());
    None
}

#[allow(clippy::disallowed_methods, reason = "a test measures time; nothing fitted sees it")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let done = work();
    (done, start.elapsed())
}

#[test]
fn counts_and_best_single_are_those_published() -> Result<()> {
    let Some(folder) = folder("counts_and_best_single_are_those_published") else { return Ok(()) };
    for set in &SETS {
        let read = |side: &str| directory::read(folder.join(set.name).join(side));
        let ((train, test), took) = timed(|| (read("train"), read("test")));
        let (train, test): (Dataset, Dataset) = (train?, test?);
        assert_eq!(train.name(), format!("{}/train", set.name));
        assert_eq!((train.prompts().len(), test.prompts().len()), (set.train, set.test), "{}", set.name);
        assert_eq!((train.models().len(), test.models().len()), (set.models, set.models), "{}", set.name);
        assert_eq!(train.models(), test.models(), "{}", set.name);
        let best = train.outcomes().best_single();
        let stats = Stats::of(&test);
        let quality = stats.models[best].mean_quality.unwrap();
        eprintln!(
            "{}: best single {} {quality:.4}, oracle {:.4}, {} + {} near-duplicate groups of {} + {} prompts, read in {took:.2?}",
            set.name,
            train.models().name(best),
            stats.oracle.unwrap(),
            Stats::of(&train).near_duplicate_groups,
            stats.near_duplicate_groups,
            set.train,
            set.test,
        );
        assert!((quality - set.best_single).abs() < 0.0006, "{}: {quality}", set.name);
        assert!((stats.oracle.unwrap() - set.oracle).abs() < 0.0006, "{}: {:?}", set.name, stats.oracle);
    }
    Ok(())
}

#[test]
fn real_directories_pass_the_check_and_survive_a_round_trip() -> Result<()> {
    let Some(folder) = folder("real_directories_pass_the_check_and_survive_a_round_trip") else { return Ok(()) };
    let place = tempfile::tempdir().unwrap();
    for set in &SETS {
        let findings = directory::check(folder.join(set.name).join("test"));
        assert_eq!(findings.errors().count(), 0, "{findings}");
        let test = directory::read(folder.join(set.name).join("test"))?;
        let copy = place.path().join(set.name);
        directory::write(&test, &copy)?;
        let again = directory::read(&copy)?;
        assert_eq!(again.fingerprint(), test.fingerprint());
        assert_eq!((again.prompts(), again.outcomes()), (test.prompts(), test.outcomes()));
    }
    Ok(())
}

#[test]
fn near_duplicates_of_seven_thousand_prompts_take_under_a_second() -> Result<()> {
    let Some(folder) = folder("near_duplicates_of_seven_thousand_prompts_take_under_a_second") else { return Ok(()) };
    for set in &SETS {
        let (train, test) = (
            directory::read(folder.join(set.name).join("train"))?,
            directory::read(folder.join(set.name).join("test"))?,
        );
        let own: Vec<_> = train.prompts().iter().map(router_core::Prompt::text).collect();
        let own: Vec<&str> = own.iter().map(AsRef::as_ref).collect();
        // The best of three, because other tests run beside this one.
        let runs = (0..3).map(|_| timed(|| near_duplicates::groups(&own)));
        let (groups, took) = runs.min_by_key(|(_, took)| *took).unwrap();
        assert_eq!(groups, train.groups());
        // Both sides at once: how many test prompts have a near duplicate in train?
        let both: Vec<_> = train.prompts().iter().chain(test.prompts()).map(router_core::Prompt::text).collect();
        let both: Vec<&str> = both.iter().map(AsRef::as_ref).collect();
        let groups = near_duplicates::groups(&both);
        let (in_train, in_test) = groups.split_at(own.len());
        let in_train: std::collections::BTreeSet<u32> = in_train.iter().copied().collect();
        let crossing = in_test.iter().filter(|group| in_train.contains(group)).count();
        let mut sizes = std::collections::BTreeMap::<u32, usize>::new();
        groups.iter().for_each(|&group| *sizes.entry(group).or_default() += 1);
        let largest = sizes.values().max().copied().unwrap_or(0);
        eprintln!(
            "{}: {took:.2?} for {} prompts; {crossing} of {} test prompts have a near duplicate in train; largest group {largest}",
            set.name,
            own.len(),
            set.test,
        );
        assert!(took < Duration::from_secs(1), "{}: {took:?}", set.name);
        assert!(largest <= own.len() / 20, "{}: a group of {largest}", set.name);
    }
    Ok(())
}
