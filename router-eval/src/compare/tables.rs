//! The tables of a comparison.

use std::collections::{BTreeMap, BTreeSet};

use router_core::{TaskId, statistics};
use serde::Serialize;
use serde_json::Value;

use crate::compare::side::Side;
use crate::compare::{Asked, CauseCount, short};

/// A choice of A that became another one of B.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Switch {
    /// A's choice; null if no model was eligible.
    pub a: Option<String>,
    /// B's choice.
    pub b: Option<String>,
    /// Prompts.
    pub prompts: usize,
    /// Prompts on which both choices were observed.
    pub scored: usize,
    /// Mean quality of B's choice - that of A's, over those.
    pub delta: Option<f64>,
}

/// How often the two agree on a task's prompts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskAgreement {
    /// The task; null for the prompts without one.
    pub task: Option<TaskId>,
    /// Its keywords.
    pub keywords: Vec<String>,
    /// Prompts.
    pub prompts: usize,
    /// Share on which both chose the same model.
    pub agreement: f64,
    /// Its 95% Wilson interval, a group of near duplicates counted as one prompt.
    pub agreement_ci: [f64; 2],
    /// The most frequent switch among them.
    pub switch: Option<Switch>,
}

/// A setting in which two routers differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SettingDifference {
    /// Its path: `policy.lambda`.
    pub field: String,
    /// A's value; null if A has no such setting.
    pub a: Option<String>,
    /// B's value.
    pub b: Option<String>,
}

/// Number of near-duplicate groups among the named rows.
pub(super) fn distinct_groups(asked: &Asked<'_>, rows: impl Iterator<Item = usize>) -> usize {
    rows.filter_map(|row| asked.groups.get(row)).collect::<BTreeSet<_>>().len()
}

/// The switches on the rows `differing`, the most frequent first, ties by name.
pub(super) fn switches(a: &Side<'_>, b: &Side<'_>, asked: &Asked<'_>, differing: &[usize]) -> Vec<Switch> {
    let mut cells: BTreeMap<(Option<&str>, Option<&str>), Vec<usize>> = BTreeMap::new();
    for &row in differing {
        cells.entry((a.model(row), b.model(row))).or_default().push(row);
    }
    let mut switches: Vec<Switch> = cells
        .into_iter()
        .map(|((of_a, of_b), rows)| {
            let deltas: Vec<f64> =
                rows.iter().filter_map(|&row| Some(asked.quality(row, of_b)? - asked.quality(row, of_a)?)).collect();
            Switch {
                a: of_a.map(str::to_owned),
                b: of_b.map(str::to_owned),
                prompts: rows.len(),
                scored: deltas.len(),
                delta: (!deltas.is_empty()).then(|| deltas.iter().sum::<f64>() / deltas.len() as f64),
            }
        })
        .collect();
    switches.sort_by_key(|switch| std::cmp::Reverse(switch.prompts)); // stable
    switches
}

/// Agreement by the tasks of `of`, in the order of their ids, without a task last; nothing for a router without tasks.
pub(super) fn tasks(of: &Side<'_>, a: &Side<'_>, b: &Side<'_>, asked: &Asked<'_>) -> Vec<TaskAgreement> {
    let cards = &of.router.tasks().tasks;
    if cards.is_empty() {
        return Vec::new();
    }
    let mut rows_of: BTreeMap<(bool, Option<TaskId>), Vec<usize>> = BTreeMap::new();
    for row in 0..asked.prompts.len() {
        let task = of.task(row);
        rows_of.entry((task.is_none(), task)).or_default().push(row);
    }
    rows_of
        .into_iter()
        .map(|((_, task), rows)| {
            let differing: Vec<usize> = rows.iter().copied().filter(|&row| a.model(row) != b.model(row)).collect();
            let agreement = 1.0 - differing.len() as f64 / rows.len() as f64;
            let groups = distinct_groups(asked, rows.iter().copied());
            let card = task.and_then(|task| cards.get(task.index()));
            TaskAgreement {
                task,
                keywords: card.map(|card| card.keywords.clone()).unwrap_or_default(),
                prompts: rows.len(),
                agreement,
                agreement_ci: statistics::wilson(agreement, groups as f64),
                switch: switches(a, b, asked, &differing).into_iter().next(),
            }
        })
        .collect()
}

/// How often each cause stands among `causes`, the most frequent first, ties by name.
pub(super) fn cause_counts<'a>(causes: impl Iterator<Item = &'a str>) -> Vec<CauseCount> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for cause in causes {
        *counts.entry(cause).or_default() += 1;
    }
    let mut counts: Vec<CauseCount> =
        counts.into_iter().map(|(cause, prompts)| CauseCount { cause: cause.to_owned(), prompts }).collect();
    counts.sort_by_key(|count| std::cmp::Reverse(count.prompts));
    counts
}

/// The leaves in which two resolved configurations differ, in A's order, then what only B has.
pub(super) fn settings(a: &Value, b: &Value) -> Vec<SettingDifference> {
    let (mut leaves_a, mut leaves_b) = (Vec::new(), Vec::new());
    leaves(a, String::new(), &mut leaves_a);
    leaves(b, String::new(), &mut leaves_b);
    let of_b: BTreeMap<&str, &str> = leaves_b.iter().map(|(path, value)| (path.as_str(), value.as_str())).collect();
    let of_a: BTreeSet<&str> = leaves_a.iter().map(|(path, _)| path.as_str()).collect();
    let mut differences: Vec<SettingDifference> = leaves_a
        .iter()
        .filter(|(path, value)| of_b.get(path.as_str()) != Some(&value.as_str()))
        .map(|(path, value)| SettingDifference {
            field: path.clone(),
            a: Some(value.clone()),
            b: of_b.get(path.as_str()).map(|&value| value.to_owned()),
        })
        .collect();
    differences.extend(
        leaves_b.iter().filter(|(path, _)| !of_a.contains(path.as_str())).map(|(path, value)| SettingDifference {
            field: path.clone(),
            a: None,
            b: Some(value.clone()),
        }),
    );
    differences
}

fn leaves(value: &Value, path: String, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                leaves(field, if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, found);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (at, item) in items.iter().enumerate() {
                leaves(item, format!("{path}[{at}]"), found);
            }
        }
        leaf => found.push((path, short(leaf))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_named_by_their_path() {
        let a = json!({ "seed": 7, "policy": { "use": "utility", "lambda": 0.0 }, "estimators": [{ "use": "moe" }] });
        let b = json!({ "seed": 7, "policy": { "use": "utility", "lambda": 0.5 }, "estimators": [{ "use": "moe" }, { "use": "ridge" }] });
        let found: Vec<(String, Option<String>, Option<String>)> =
            settings(&a, &b).into_iter().map(|setting| (setting.field, setting.a, setting.b)).collect();
        assert_eq!(
            found,
            [
                ("policy.lambda".into(), Some("0.0".into()), Some("0.5".into())),
                ("estimators[1].use".into(), None, Some("ridge".into())),
            ]
        );
        assert!(settings(&a, &a).is_empty());
    }

    #[test]
    fn causes_are_counted_the_most_frequent_first() {
        let counts = cause_counts(["weights", "policy", "weights", "models"].into_iter());
        let counts: Vec<(&str, usize)> = counts.iter().map(|count| (count.cause.as_str(), count.prompts)).collect();
        assert_eq!(counts, [("weights", 2), ("models", 1), ("policy", 1)]);
    }
}
