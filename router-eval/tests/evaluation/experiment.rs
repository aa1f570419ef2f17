//! Experiments: cells are what evaluations of their own are, and nothing about how they are run changes them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use router_core::{ComponentConfig, Dataset, ErrorKind, FitContext, Result, RouterConfig};
use router_data::directory;
use router_eval::experiment::{Differences, Experiment, Filter, Grid, Report, State, compare, pool};
use router_eval::summary::{Entry, Summary};
use router_eval::{NamedConfig, Options, cross_validate, train_test};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::plugins::{EMBEDDED, registry};
use crate::worlds::world;

/// Prompts of unlike texts in two benchmarks; model b is right about those that hold an `a`.
fn rows(first: usize) -> Vec<(String, &'static str, [Option<f32>; 2])> {
    let words =
        ["apple", "bridge", "cellar", "dance", "eagle", "fog", "garden", "hedge", "ivory", "jug", "kettle", "lime"];
    (0..12)
        .map(|at| {
            let text = format!("p{} {} {}", at + first, words[at], words[(at * 5 + first + 3) % 12].repeat(2));
            let right = text.contains('a');
            (
                text,
                ["x", "y"][at % 2],
                [Some(f32::from(u8::from(!right || at % 3 == 0))), Some(f32::from(u8::from(right)))],
            )
        })
        .collect()
}

fn dataset(name: &str, first: usize) -> Dataset {
    let rows = rows(first);
    let rows: Vec<(&str, &str, &[Option<f32>])> =
        rows.iter().map(|(text, benchmark, outcomes)| (text.as_str(), *benchmark, outcomes.as_slice())).collect();
    world(name, &[Some(1.0), Some(3.0)], &rows)
}

/// A place with two data sets, and a grid in it.
struct Place {
    directory: TempDir,
    grid: String,
}

impl Place {
    fn new(grid: &str) -> Self {
        let directory = TempDir::new().unwrap();
        for (name, first) in [("one", 0), ("two", 100)] {
            directory::write(&dataset(name, first), directory.path().join(name)).unwrap();
        }
        let grid = grid.replace("DIR", &directory.path().display().to_string());
        Self { directory, grid }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn open(&self, out: &str) -> Experiment {
        let grid = Grid::from_toml(&self.grid, "grid.toml", &registry(), None).unwrap();
        Experiment::open(grid, &self.path(out), &registry()).unwrap()
    }

    fn run(&self, out: &str, filters: &[&str], jobs: usize) -> Report {
        let experiment = self.open(out);
        let filters: Vec<Filter> =
            filters.iter().map(|filter| Filter::parse(filter, experiment.cells()).unwrap()).collect();
        experiment.run(&experiment.select(&filters), jobs, &registry(), &FitContext::new(0)).unwrap()
    }

    fn tables(&self, out: &str) -> Vec<Vec<u8>> {
        ["results.csv", "results.parquet", "results.json"]
            .map(|name| fs::read(self.path(out).join(name)).unwrap())
            .to_vec()
    }

    fn data(&self, name: &str) -> Arc<Dataset> {
        Arc::new(directory::read(self.path(name)).unwrap())
    }
}

const GRID: &str = r#"
folds = 3
seeds = [1, 2]
sizes = [0.5, 1.0]
resamples = 200
data = ["DIR/one", { name = "both", train = "DIR/one", test = "DIR/two" }]

[router.embedder]
use = "letters"

[[router.estimators]]
each = [{ use = "memory" }, { use = "script", otherwise = { each = [0, 1] } }, { use = "neighbors" }]
"#;

fn find<'a>(report: &'a Report, fields: &[(&str, Value)], result: &str) -> &'a Map<String, Value> {
    let fits =
        |row: &&Map<String, Value>| fields.iter().all(|(name, value)| row[*name] == *value) && row["result"] == result;
    let mut found = report.rows.iter().filter(fits);
    let row = found.next().unwrap();
    assert!(found.next().is_none(), "{fields:?} are several rows");
    row
}

/// Holds a row of the table against an entry of an evaluation.
fn same(row: &Map<String, Value>, entry: &Entry) {
    let interval = |ci: Option<[f64; 2]>| ci.map_or([None, None], |[low, high]| [Some(low), Some(high)]);
    let [low, high] = interval(entry.quality_ci);
    let [gap_low, gap_high] = interval(entry.gap_closed_ci);
    let best = entry.vs_best_single;
    let knn = entry.vs_knn;
    let expected = [
        ("quality", entry.quality),
        ("quality_low", low),
        ("quality_high", high),
        ("cost_usd", entry.cost_usd),
        ("gap_closed", entry.gap_closed),
        ("gap_closed_low", gap_low),
        ("gap_closed_high", gap_high),
        ("vs_best_single", best.map(|found| found.delta)),
        ("vs_best_single_low", best.map(|found| found.ci[0])),
        ("vs_knn", knn.map(|found| found.delta)),
        ("vs_knn_high", knn.map(|found| found.ci[1])),
        ("unscored", Some(entry.unscored as f64)),
    ];
    for (name, value) in expected {
        assert_eq!(row[name].as_f64(), value, "{name} of {}", entry.name);
    }
}

fn config(estimator: ComponentConfig, embedder: &str) -> NamedConfig {
    NamedConfig::new(
        "router",
        RouterConfig { estimators: vec![estimator], ..RouterConfig::new(ComponentConfig::new(embedder)) },
    )
}

fn holds_against(report: &Report, fields: &[(&str, Value)], summary: &Summary) {
    for entry in summary.routers.iter().chain(&summary.references) {
        same(find(report, fields, &entry.name), entry);
    }
}

#[test]
fn a_cell_is_what_an_evaluation_of_its_own_finds() {
    for embedder in ["letters", "seen"] {
        let place = Place::new(&GRID.replace("letters", embedder));
        let report = place.run("out", &["size=1"], 2);
        assert_eq!((report.cells, report.selected, report.ran, report.failed), (32, 16, 16, 0));
        for seed in [1, 2] {
            let options = Options { seeds: vec![seed], resamples: 200, ..Options::default() };
            for (label, estimator) in
                [("memory", ComponentConfig::new("memory")), ("neighbors", ComponentConfig::new("neighbors"))]
            {
                let configs = [config(estimator, embedder)];
                let fields =
                    |data: &str| [("data", json!(data)), ("seed", json!(seed)), ("estimators[0]", json!(label))];
                let (cx, one) = (FitContext::new(0), place.data("one"));
                let folded = cross_validate(&configs, &registry(), &[Arc::clone(&one)], 3, &options, &cx).unwrap();
                holds_against(&report, &fields("one"), &folded.summary);
                let tested = train_test(&configs, &registry(), &one, &[place.data("two")], &options, &cx).unwrap();
                holds_against(&report, &fields("both"), &tested.summary);
            }
        }
    }
}

#[test]
fn a_smaller_size_learns_from_fewer_prompts() {
    let place = Place::new(&GRID.replace("[0.5, 1.0]", "[0.25, 1.0]"));
    let report = place.run("out", &["seed=1", "estimators[0]=memory", "data=both"], 1);
    // The memory knows no prompt of the other data set, whatever it learned; the references learn too.
    let best = |size: f64| find(&report, &[("size", json!(size))], "benchmark-label")["quality"].as_f64();
    assert_eq!(report.ran, 2);
    assert!(best(0.25).is_some() && best(1.0).is_some());
    let prompts = |size: f64| find(&report, &[("size", json!(size))], "router")["prompts"].clone();
    assert_eq!((prompts(0.25), prompts(1.0)), (json!(12), json!(12)), "all prompts are asked");
}

#[test]
fn jobs_and_order_change_no_byte() {
    let place = Place::new(GRID);
    place.run("by-one", &[], 1);
    place.run("by-four", &[], 4);
    assert_eq!(place.tables("by-one"), place.tables("by-four"));
    // In pieces, in another order.
    for filter in ["size=1", "script", "seed=2", "data=one"] {
        place.run("pieces", &[filter], 2);
    }
    let last = place.run("pieces", &[], 2);
    assert!(last.ran > 0 && last.reused > 0, "{} run, {} reused", last.ran, last.reused);
    assert_eq!(place.tables("by-one"), place.tables("pieces"));
    let again = place.run("pieces", &[], 2);
    assert_eq!((again.ran, again.reused), (0, 32));
    assert_eq!(place.tables("by-one"), place.tables("pieces"));
}

#[test]
fn damaged_and_half_written_files_are_made_anew() {
    let place = Place::new(GRID);
    place.run("out", &[], 2);
    let whole = place.tables("out");
    let mut cells: Vec<PathBuf> =
        fs::read_dir(place.path("out/cells")).unwrap().map(|file| file.unwrap().path()).collect();
    cells.sort();
    let bytes = fs::read(&cells[0]).unwrap();
    fs::write(&cells[0], &bytes[..bytes.len() / 2]).unwrap();
    fs::write(&cells[1], "").unwrap();
    // A whole file of another cell.
    fs::copy(&cells[3], &cells[2]).unwrap();
    fs::remove_file(&cells[4]).unwrap();
    let leftover = place.path("out/cells/.router-eval-abc");
    fs::write(&leftover, "half").unwrap();
    fs::remove_file(place.path("out/results.csv")).unwrap();
    assert_eq!(place.run("out", &[], 2).ran, 4);
    assert_eq!(place.tables("out"), whole);
    assert_eq!(fs::read(&cells[0]).unwrap(), bytes);
    assert!(!leftover.exists());
}

#[test]
fn a_cell_that_fails_stops_no_other() {
    let grid =
        GRID.replace("{ use = \"memory\" }", "{ use = \"broken\", how = { each = [\"error\", \"panic\", \"\"] } }");
    let place = Place::new(&grid);
    let report = place.run("out", &["seed=1", "size=1", "data=one"], 2);
    assert_eq!((report.ran, report.done, report.failed), (6, 4, 2));
    let errors: Vec<&str> = report.failures.iter().map(|(_, error)| error.as_str()).collect();
    assert!(errors[0].contains("broken on purpose"), "{errors:?}");
    assert!(errors[1].contains("a component panicked: broken on purpose"), "{errors:?}");
    let failed: Vec<_> = report.rows.iter().filter(|row| !row["error"].is_null()).collect();
    assert_eq!(failed.len(), 2);
    assert!(failed.iter().all(|row| row["quality"].is_null() && row["result"].is_null()));
    let tables = place.tables("out");
    // What failed is tried again, and nothing else.
    let again = place.run("out", &["seed=1", "size=1", "data=one"], 1);
    assert_eq!((again.ran, again.reused), (2, 4));
    assert_eq!(place.tables("out"), tables);
    let states: Vec<State> = {
        let experiment = place.open("out");
        experiment.cells().iter().map(|cell| experiment.state(cell)).collect()
    };
    assert_eq!(states.iter().filter(|state| **state == State::Failed).count(), 2);
    assert_eq!(states.iter().filter(|state| **state == State::Open).count(), 48 - 6);
}

#[test]
fn what_does_not_depend_on_what_varies_is_done_once() {
    let place = Place::new(&GRID.replace("letters", "counted"));
    let before = EMBEDDED.load(Ordering::SeqCst);
    assert_eq!(place.run("out", &[], 3).ran, 32);
    // Twelve prompts of the one, and the same twelve with those of the other: whatever seeds, sizes, folds and estimators there are.
    assert_eq!(EMBEDDED.load(Ordering::SeqCst) - before, 12 + 24);
}

#[test]
fn filters_choose_cells() {
    let place = Place::new(GRID);
    let experiment = place.open("out");
    let select = |filters: &[&str]| -> Result<usize> {
        let filters =
            filters.iter().map(|filter| Filter::parse(filter, experiment.cells())).collect::<Result<Vec<_>>>()?;
        Ok(experiment.select(&filters).len())
    };
    let counts = [
        (&[][..], 32),
        (&["memory"], 8),
        (&["data=one"], 16),
        (&["data!=one"], 16),
        (&["size<1"], 16),
        (&["size<=1"], 32),
        (&["size>=0.6", "seed>1"], 8),
        (&["size=0.50"], 16),
        (&["estimators[0].otherwise=1"], 8),
        (&["estimators[0].otherwise!=1"], 8),
        (&["estimators[0]=script", "seed=1", "data=both", "size=1"], 2),
        (&["seed=1 size=0.5"], 8),
        (&["nothing"], 0),
    ];
    for (filters, count) in counts {
        assert_eq!(select(filters).unwrap(), count, "{filters:?}");
    }
    for wrong in ["sise=1", "seed<x"] {
        assert_eq!(select(&[wrong]).unwrap_err().kind(), ErrorKind::Usage, "{wrong}");
    }
    assert!(!place.path("out").exists(), "looking writes nothing");
}

#[test]
fn digests_cover_what_a_result_depends_on() {
    let digests = |grid: &str| -> Vec<String> {
        let place = Place::new(GRID);
        let grid = grid.replace("DIR", &place.directory.path().display().to_string());
        let grid = Grid::from_toml(&grid, "grid.toml", &registry(), None).unwrap();
        let experiment = Experiment::open(grid, &place.path("out"), &registry()).unwrap();
        experiment.cells().iter().map(|cell| cell.digest().to_owned()).collect()
    };
    let first = digests(GRID);
    let mut distinct = first.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 32);
    assert_eq!(first, digests(GRID), "not on where the data is");
    for (from, to) in
        [("folds = 3", "folds = 4"), ("= 200", "= 300"), ("letters", "seen"), ("name = \"both\"", "name = \"b\"")]
    {
        let other = digests(&GRID.replace(from, to));
        let kept = other.iter().filter(|digest| first.contains(digest)).count();
        // Folds are nothing to a test set, and a name is nothing to the other data set.
        let expected = if from.starts_with("folds") || from.starts_with("name") { 16 } else { 0 };
        assert_eq!(kept, expected, "{from} -> {to}");
    }
}

#[test]
fn a_place_that_holds_something_else_is_refused() {
    let place = Place::new(GRID);
    fs::create_dir(place.path("mine")).unwrap();
    fs::write(place.path("mine/letter.txt"), "Dear").unwrap();
    let experiment = place.open("mine");
    let error = experiment.run(&experiment.select(&[]), 1, &registry(), &FitContext::new(0)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert_eq!(fs::read_dir(place.path("mine")).unwrap().count(), 1);
}

#[test]
fn grids_with_a_fault_name_line_and_field() {
    let error = |from: &str, to: &str| {
        let text = GRID.replacen(from, to, 1);
        assert_ne!(text, GRID);
        let error = Grid::from_toml(&text, "grid.toml", &registry(), None).unwrap_err();
        assert_eq!(error.file(), Some(Path::new("grid.toml")), "{error}");
        format!("{}: {}: {}", error.line().unwrap_or(0), error.field().unwrap_or("-"), error.message())
    };
    let cases = [
        ("folds = 3", "fold = 3", "2: fold: unknown field `fold`"),
        ("folds = 3", "folds = 1", "2: folds: 1 is not one that it can be"),
        ("[1, 2]", "[1, 1]", "3: seeds[1]: 1 stands twice"),
        ("[0.5, 1.0]", "[0.5, 1.5]", "4: sizes[1]: 1.5 is not one that it can be"),
        ("[0.5, 1.0]", "[]", "4: sizes: the list is empty"),
        ("test = ", "tset = ", "6: data[1].tset: unknown field `tset`"),
        ("train = \"DIR/one\", ", "", "6: data[1].train: the field is missing"),
        ("\"letters\"", "\"lettres\"", "9: router.embedder.use: unknown embedder `lettres`"),
        ("use = \"memory\"", "use = \"memmory\"", "12: router.estimators[0].each[0].use: unknown estimator `memmory`"),
        ("otherwise = ", "elsewise = ", "12: router.estimators[0].each[1].elsewise.each[0]: unknown field `elsewise`"),
        ("each = [0, 1]", "each = [0, \"x\"]", "12: router.estimators[0].each[1].otherwise.each[1]: "),
        ("each = [0, 1]", "each = []", "12: router.estimators[0].each[1].otherwise.each: there is no option"),
        ("{ use = \"neighbors\" }]", "{ use = \"neighbors\" }", "0: -: "),
        ("[router.embedder]", "[router]\nseed = { each = [1, 2] }\n[router.embedder]", "9: router.seed"),
    ];
    for (from, to, expected) in cases {
        let found = error(from, to);
        if expected.starts_with('0') {
            assert!(!found.starts_with("0:"), "a syntax error has a line: {found}");
        } else {
            assert!(found.starts_with(expected), "{found}\nis not\n{expected}");
        }
    }
    let seeds = Grid::from_toml(GRID, "grid.toml", &registry(), Some(3)).unwrap_err();
    assert_eq!((seeds.kind(), seeds.line()), (ErrorKind::Usage, Some(3)));
}

#[test]
fn a_base_is_changed_where_the_grid_says_so() {
    let place = Place::new(GRID);
    let base = place.path("base.toml");
    fs::write(&base, "seed = 9\n[embedder]\nuse = \"letters\"\n[[estimators]]\nuse = \"memory\"\n[cost]\nnominal_output_tokens = 7\n")
        .unwrap();
    let text = format!(
        "base = \"{}\"\ndata = [\"DIR\"]\n[router.embedder]\nuse = {{ each = [\"letters\", \"seen\"] }}\n[router.cross_fit]\nfolds = 3\n",
        base.display()
    );
    let grid = Grid::from_toml(&text, "grid.toml", &registry(), None).unwrap();
    assert_eq!((grid.seeds.as_slice(), grid.folds, grid.resamples), (&[9][..], 5, 10_000));
    assert_eq!(grid.settings.len(), 2);
    for (setting, embedder) in grid.settings.iter().zip(["letters", "seen"]) {
        assert_eq!(setting.config.embedder.name, embedder);
        assert_eq!((setting.config.cost.nominal_output_tokens, setting.config.cross_fit.folds), (7, 3));
        assert_eq!(setting.labels, [("embedder.use".to_owned(), embedder.to_owned())]);
    }
    // A fault of the base is told in the base.
    fs::write(&base, "[embedder]\nuse = \"letters\"\n[[estimators]]\nuse = \"memmory\"\n").unwrap();
    let error = Grid::from_toml(&text, "grid.toml", &registry(), None).unwrap_err();
    assert_eq!((error.file(), error.line()), (Some(base.as_path()), Some(4)), "{error}");
}

fn compared(place: &Place, a: &str, b: &str, by: &[&str]) -> Result<Differences> {
    let by: Vec<String> = by.iter().map(|&field| field.to_owned()).collect();
    compare(&place.path(a), &place.path(b), &by, 2000)
}

#[test]
fn stored_runs_are_compared_pair_by_pair() {
    let place = Place::new(GRID);
    place.run("a", &["size=1"], 2);
    place.run("b", &["size=1", "seed=1"], 2);
    let same = compared(&place, "a", "b", &[]).unwrap();
    assert_eq!((same.cells.len(), same.only_in_a.len(), same.only_in_b.len(), same.significant), (8, 8, 0, 0));
    for cell in &same.cells {
        assert_eq!(
            (cell.delta, cell.ci, cell.p, cell.p_holm, cell.agreement),
            (0.0, [0.0, 0.0], 1.0, 1.0, 1.0),
            "{cell:?}"
        );
        assert_eq!(cell.prompts, 12);
    }
    // Always a against always b, whose scores are known.
    let always = |model: usize| format!("estimators[0].otherwise={model}");
    for model in [0, 1] {
        place.run(&format!("always-{model}"), &[&always(model), "size=1", "seed=1"], 1);
    }
    let cells = compared(&place, "always-0", "always-1", &["data", "seed"]).unwrap().cells;
    assert_eq!(
        cells.iter().map(|cell| cell.cell.as_str()).collect::<Vec<_>>(),
        ["data=one seed=1", "data=both seed=1"]
    );
    for (cell, first) in cells.iter().zip([0, 100]) {
        let mean = |model: usize| rows(first).iter().map(|row| f64::from(row.2[model].unwrap())).sum::<f64>() / 12.0;
        assert!((cell.a - mean(0)).abs() < 1e-12 && (cell.b - mean(1)).abs() < 1e-12, "{cell:?}");
        assert!((cell.delta - (mean(1) - mean(0))).abs() < 1e-12);
        assert!(cell.ci[0] <= cell.delta && cell.delta <= cell.ci[1]);
        assert_eq!(cell.agreement, 0.0);
        assert!(cell.p > 0.0 && cell.p_holm >= cell.p && cell.p_holm <= 2.0 * cell.p);
    }
    assert_eq!(
        compared(&place, "a", "b", &["data"]).unwrap_err().kind(),
        ErrorKind::Usage,
        "several cells look the same"
    );
    assert_eq!(compared(&place, "a", "nowhere", &[]).unwrap_err().exit_status(), 2);
    let none = compared(&place, "always-0", "always-1", &[]).unwrap_err();
    assert_eq!(none.kind(), ErrorKind::Usage);
}

#[test]
fn seeds_and_data_sets_are_pooled_to_the_mean_of_means() {
    let place = Place::new(GRID);
    place.run("all", &["size=1"], 2);
    let against = |fields: &[&str]| fields.iter().map(|&field| field.to_owned()).collect::<Vec<_>>();
    let pooled = pool(&place.path("all"), &against(&["estimators[0].otherwise=0"]), 2000).unwrap();
    let other = pooled.settings.iter().find(|setting| setting.setting.contains("otherwise=1")).unwrap();
    let mean =
        |first: usize, model: usize| rows(first).iter().map(|row| f64::from(row.2[model].unwrap())).sum::<f64>() / 12.0;
    // The scores of a model that is always chosen are the same under every seed.
    let by_data: Vec<f64> = [0, 100].map(|first| mean(first, 1) - mean(first, 0)).to_vec();
    assert_eq!(other.data.iter().map(|data| (data.seeds, data.prompts)).collect::<Vec<_>>(), [(2, 12), (2, 12)]);
    for (data, expected) in other.data.iter().zip(&by_data) {
        assert!((data.difference.delta - expected).abs() < 1e-12, "{data:?}");
        assert!(data.difference.ci[0] <= *expected && *expected <= data.difference.ci[1]);
    }
    assert!((other.pooled.delta - by_data.iter().sum::<f64>() / 2.0).abs() < 1e-12);
    assert!((other.pooled.quality - other.pooled.against - other.pooled.delta).abs() < 1e-12);
    // Two strata, each with half the weight: narrower than the wider one of them.
    let width = |ci: [f64; 2]| ci[1] - ci[0];
    let widest = other.data.iter().map(|data| width(data.difference.ci)).fold(0.0, f64::max);
    assert!(width(other.pooled.ci) < widest);
    // No condition, no setting, several settings.
    for wrong in [&["nothing"][..], &["estimators[0]=nothing"], &["size=1"]] {
        let error = pool(&place.path("all"), &against(wrong), 100).unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::Usage, Some("--against")), "{error}");
    }
}
