//! `router compare`: where two artifacts decide differently, and why.

use std::fmt::Write as _;

use router_core::{Constraints, Prompt, Result, Router};
use router_eval::compare::{
    Asked, CompareOptions, Comparison, Contribution, Difference, QualityDifference, Switch, TaskAgreement, View,
    compare,
};

use super::requests::Lines;
use super::{Session, near_duplicate_groups, read};
use crate::arguments::Compare;
use crate::table::{Align, Table, count, interval, percent, plural, score, short_difference, short_score};

/// Settings, switches and tasks that are listed.
const MOST_ROWS: usize = 20;

pub(super) fn run(arguments: &Compare, session: &mut Session) -> Result<()> {
    let a = Router::load(&arguments.a, &session.registry)?;
    let b = Router::load(&arguments.b, &session.registry)?;
    let options = CompareOptions {
        resamples: arguments.resamples,
        seed: session.seed.unwrap_or(a.config().seed),
        differences: arguments.show,
    };
    let comparison = match (&arguments.data, &arguments.prompts) {
        (Some(data), _) => compare(&a, &b, &Asked::dataset(&*read(data)?), &options)?,
        (None, Some(file)) => {
            let mut lines = Lines::open(file)?;
            let (mut prompts, mut constraints): (Vec<Prompt>, Vec<Constraints>) = (Vec::new(), Vec::new());
            while let Some((prompt, constraint)) = lines.next()? {
                prompts.push(prompt);
                constraints.push(constraint);
            }
            let groups = near_duplicate_groups(&prompts.iter().collect::<Vec<_>>());
            compare(&a, &b, &Asked::prompts(&prompts, &constraints, &groups)?, &options)?
        }
        // The command line asks for one of the two.
        (None, None) => return Ok(()),
    };
    if let Some(out) = &arguments.out {
        comparison.write(out)?;
    }
    let output = &mut session.output;
    output.document(&comparison)?;
    output.line(describe(&comparison, &arguments.a.display().to_string(), &arguments.b.display().to_string()))?;
    if let Some(out) = &arguments.out {
        output.line(format_args!("\nwrote comparison.json and decisions.csv into {}", out.display()))?;
    }
    Ok(())
}

/// The comparison to read.
fn describe(comparison: &Comparison, a: &str, b: &str) -> String {
    let mut text = String::new();
    let mut fact = |name: &str, value: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<12}{value}");
    };
    fact("A", a);
    fact("B", b);
    fact(
        "agreement",
        &format!(
            "{} {} on {}",
            percent(comparison.agreement),
            interval(comparison.agreement_ci, percent),
            plural(comparison.prompts, "prompt")
        ),
    );
    if let Some(quality) = &comparison.quality {
        for (name, difference) in [("quality", &quality.all), ("", &quality.differing)] {
            if name.is_empty() && comparison.agreed == comparison.prompts {
                continue;
            }
            let which = if name.is_empty() { "where they differ" } else { "over all" };
            match difference {
                Some(difference) => fact(name, &format!("{which}: {}", quality_line(difference))),
                None => fact(name, &format!("{which}: no prompt on which both choices were observed")),
            }
        }
        if quality.unscored > 0 {
            fact("", &format!("not scored: {}", plural(quality.unscored, "prompt")));
        }
    }
    fact("trained on", if comparison.same_training_data { "the same data" } else { "different data" });
    text.push_str(&settings(comparison));
    if comparison.agreed == comparison.prompts {
        text.push_str("\nthey never differ");
        return text;
    }
    text.push_str(&switches(&comparison.switches));
    text.push_str(&causes(comparison));
    for (name, tasks) in [("A", &comparison.tasks_a), ("B", &comparison.tasks_b)] {
        text.push_str(&tasks_table(name, tasks));
    }
    if !comparison.differences.is_empty() {
        text.push_str("\nfurthest apart\n");
    }
    for difference in &comparison.differences {
        text.push_str(&difference_text(difference));
    }
    text.trim_end().to_owned()
}

fn quality_line(difference: &QualityDifference) -> String {
    format!(
        "A {}, B {}, B - A {} {} ({})",
        score(difference.a),
        score(difference.b),
        short_difference(difference.delta),
        interval(difference.ci, short_difference),
        plural(difference.prompts, "prompt"),
    )
}

fn or_dash(value: Option<&String>) -> String {
    value.cloned().unwrap_or_else(|| "-".to_owned())
}

/// A remark on rows that are not shown.
fn more(all: usize) -> String {
    if all > MOST_ROWS {
        format!("... and {} more; --json has them all\n", count(all - MOST_ROWS))
    } else {
        String::new()
    }
}

fn settings(comparison: &Comparison) -> String {
    if comparison.settings.is_empty() {
        return "settings    the same\n".to_owned();
    }
    let mut table = Table::new([("setting", Align::Left), ("A", Align::Left), ("B", Align::Left)]);
    for setting in comparison.settings.iter().take(MOST_ROWS) {
        table.row([setting.field.clone(), or_dash(setting.a.as_ref()), or_dash(setting.b.as_ref())]);
    }
    format!("\n{}\n{}", table.render(), more(comparison.settings.len()))
}

fn switch_name(model: Option<&String>) -> String {
    model.cloned().unwrap_or_else(|| "(no model)".to_owned())
}

fn switches(switches: &[Switch]) -> String {
    let scored = switches.iter().any(|switch| switch.delta.is_some());
    let mut columns = vec![("A chooses", Align::Left), ("B chooses", Align::Left), ("prompts", Align::Right)];
    if scored {
        columns.push(("quality B - A", Align::Right));
    }
    let mut table = Table::new(columns);
    for switch in switches.iter().take(MOST_ROWS) {
        let mut row = vec![switch_name(switch.a.as_ref()), switch_name(switch.b.as_ref()), count(switch.prompts)];
        if scored {
            row.push(switch.delta.map_or_else(|| "-".to_owned(), short_difference));
        }
        table.row(row);
    }
    format!("\n{}\n{}", table.render(), more(switches.len()))
}

fn causes(comparison: &Comparison) -> String {
    let mut table =
        Table::new([("main cause", Align::Left), ("prompts", Align::Right), ("adds to the mean gap", Align::Right)]);
    let mean = |cause: &str| -> Option<f64> {
        comparison.contributions.iter().find(|one| one.cause == cause && shows(one)).map(|mean| mean.gap)
    };
    let mut rows: Vec<(&str, usize)> =
        comparison.causes.iter().map(|cause| (cause.cause.as_str(), cause.prompts)).collect();
    for Contribution { cause, .. } in comparison.contributions.iter().filter(|contribution| shows(contribution)) {
        if !rows.iter().any(|(known, _)| known == cause) {
            rows.push((cause, 0));
        }
    }
    for (cause, prompts) in rows {
        table.row([cause.to_owned(), count(prompts), mean(cause).map_or_else(|| "-".to_owned(), short_difference)]);
    }
    format!("\n{}\n", table.render())
}

/// Whether three decimals show anything of it.
fn shows(contribution: &Contribution) -> bool {
    contribution.gap.abs() >= 0.000_5
}

fn tasks_table(name: &str, tasks: &[TaskAgreement]) -> String {
    if tasks.is_empty() {
        return format!("\n{name} has no tasks\n");
    }
    let heading = format!("task of {name}");
    let mut table = Table::new([
        (heading.as_str(), Align::Right),
        ("prompts", Align::Right),
        ("agreement", Align::Right),
        ("most frequent switch", Align::Left),
        ("keywords", Align::Left),
    ]);
    for task in tasks.iter().take(MOST_ROWS) {
        let switch = task.switch.as_ref().map_or_else(String::new, |switch| {
            format!(
                "{} to {} ({})",
                switch_name(switch.a.as_ref()),
                switch_name(switch.b.as_ref()),
                count(switch.prompts)
            )
        });
        table.row([
            task.task.map_or_else(|| "none".to_owned(), |task| task.to_string()),
            count(task.prompts),
            format!("{} {}", percent(task.agreement), interval(task.agreement_ci, percent)),
            switch,
            task.keywords.join(", "),
        ]);
    }
    format!("\n{}\n{}", table.render(), more(tasks.len()))
}

fn difference_text(difference: &Difference) -> String {
    let gap = difference.gap.map_or_else(|| "unknown".to_owned(), short_score);
    let mut text =
        format!("\n{}: {}\n  gap {gap}; cause: {}", difference.prompt_id, difference.prompt, difference.cause);
    let contributions: Vec<String> = difference
        .contributions
        .iter()
        .filter(|contribution| shows(contribution))
        .map(|contribution| format!("{} {}", contribution.cause, short_difference(contribution.gap)))
        .collect();
    if contributions.len() > 1 {
        // Writing to a string does not fail.
        let _ = write!(text, " ({})", contributions.join(", "));
    }
    text.push('\n');
    let (of_a, of_b) = (switch_name(difference.a.model.as_ref()), switch_name(difference.b.model.as_ref()));
    for (name, view) in [("A", &difference.a), ("B", &difference.b)] {
        text.push_str(&view_text(name, view));
    }
    let mut table = Table::new([
        ("  expected quality by".to_owned(), Align::Left),
        (format!("A: {of_a}"), Align::Right),
        (format!("A: {of_b}"), Align::Right),
        (format!("B: {of_a}"), Align::Right),
        (format!("B: {of_b}"), Align::Right),
    ]);
    let (scores_a, scores_b) = (&difference.a.scores, &difference.b.scores);
    let mut parts: Vec<&str> = scores_a.iter().map(|pair| pair.part.as_str()).collect();
    parts.extend(
        scores_b.iter().map(|pair| pair.part.as_str()).filter(|part| !scores_a.iter().any(|pair| pair.part == **part)),
    );
    // The aggregate stands last.
    parts.sort_by_key(|part| *part == "aggregate");
    for part in parts {
        let mut row = vec![format!("  {part}")];
        for scores in [scores_a, scores_b] {
            let pair = scores.iter().find(|pair| pair.part == part);
            let weight = pair.and_then(|pair| pair.weight).map_or_else(String::new, |weight| format!("{weight:.2} x "));
            for value in [pair.and_then(|pair| pair.of_a), pair.and_then(|pair| pair.of_b)] {
                let value =
                    value.map_or_else(|| "-".to_owned(), |value| format!("{weight}{}", short_score(f64::from(value))));
                row.push(value);
            }
        }
        table.row(row);
    }
    format!("{text}{}\n", table.render())
}

fn view_text(name: &str, view: &View) -> String {
    let task = match view.task {
        Some(task) => format!("task {task} ({})", view.keywords.join(", ")),
        None => "no task".to_owned(),
    };
    let quality =
        view.quality.map_or_else(String::new, |quality| format!(", observed quality {}", short_score(quality)));
    format!("  {name} chooses {}{quality}: {task}; {}\n", switch_name(view.model.as_ref()), view.reasons.join("; "))
}
