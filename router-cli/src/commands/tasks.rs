//! `router tasks`: what discovery found, from the artifact's cards.

use std::cmp::Ordering;
use std::fmt::Write as _;

use router_core::artifact::ArtifactReader;
use router_core::tasks::ModelCard;
use router_core::{Result, TaskCard, TaskCards, TaskId};

use super::Session;
use crate::arguments::{TaskOrder, Tasks};
use crate::bars::Axis;
use crate::table::{Align, Table, count, interval, percent, plural, score, short_difference, short_score};

/// Candidates named in the list of all tasks.
const CANDIDATES_SHOWN: usize = 1;

pub(super) fn run(arguments: &Tasks, session: &mut Session) -> Result<()> {
    let reader = ArtifactReader::open(&arguments.router, &session.registry)?;
    let mut cards: TaskCards = reader.read_tasks()?;
    let output = &mut session.output;
    match arguments.id {
        Some(id) => {
            let card = cards.get(TaskId(id))?;
            output.document(card)?;
            output.line(full(card))
        }
        None => {
            sort(&mut cards.tasks, arguments.sort);
            output.document(&cards)?;
            output.line(list(&cards))
        }
    }
}

/// Sorts by falling size, stability, quality or lead; what is not known comes last, ties keep the order of the ids.
fn sort(cards: &mut [TaskCard], order: TaskOrder) {
    let key = |card: &TaskCard| match order {
        TaskOrder::Size => Some(card.size as f64),
        TaskOrder::Stability => card.stability,
        TaskOrder::Quality => card.models.first().map(|best| best.score),
        TaskOrder::Lead => lead(card),
    };
    cards.sort_by(|a, b| match (key(a), key(b)) {
        (Some(a), Some(b)) => b.total_cmp(&a),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    });
}

/// How far the best model's score is above the next one's.
fn lead(card: &TaskCard) -> Option<f64> {
    match card.models.as_slice() {
        [best, next, ..] => Some(best.score - next.score),
        _ => None,
    }
}

/// Every task on a line or two.
fn list(cards: &TaskCards) -> String {
    if cards.tasks.is_empty() {
        return format!("no tasks: the router was fitted to {} as a whole", plural(cards.prompts, "prompt"));
    }
    let measured = cards.tasks.iter().any(|card| card.stability.is_some());
    let mut columns = vec![("task", Align::Right), ("prompts", Align::Right), ("share", Align::Right)];
    if measured {
        columns.push(("stability", Align::Right));
    }
    columns.extend([
        ("keywords", Align::Left),
        ("candidates", Align::Left),
        ("mean quality of the first", Align::Right),
        ("lead", Align::Right),
    ]);
    let mut table = Table::new(columns);
    for card in &cards.tasks {
        let quality =
            |model: &ModelCard| format!("{} {}", short_score(model.mean), interval(model.interval, short_score));
        let mut row = vec![card.id.to_string(), count(card.size), percent(card.share)];
        if measured {
            row.push(card.stability.map_or_else(|| "-".to_owned(), short_score));
        }
        row.extend([
            card.keywords.join(", "),
            candidates(card),
            card.models.first().map(quality).unwrap_or_default(),
            lead(card).map(short_difference).unwrap_or_default(),
        ]);
        table.row(row);
    }
    let alone = match cards.without_task {
        0 => String::new(),
        without => {
            let share = without as f64 / cards.prompts.max(1) as f64;
            format!("; {} without a task ({})", plural(without, "prompt"), percent(share))
        }
    };
    format!(
        "{}\n\n{} among {}{alone}",
        table.render(),
        plural(cards.tasks.len(), "task"),
        plural(cards.prompts, "training prompt")
    )
}

/// The first candidates and how many more there are.
fn candidates(card: &TaskCard) -> String {
    let mut text = card.candidates.iter().take(CANDIDATES_SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if card.candidates.len() > CANDIDATES_SHOWN {
        // Writing to a string does not fail.
        let _ = write!(text, " and {} more", card.candidates.len() - CANDIDATES_SHOWN);
    }
    text
}

/// One card.
fn full(card: &TaskCard) -> String {
    let mut text = format!(
        "task {}: {}, {} of all\nkeywords    {}\ncandidates  {}\n",
        card.id,
        plural(card.size, "training prompt"),
        percent(card.share),
        card.keywords.join(", "),
        card.candidates.join(", "),
    );
    if let Some(stability) = card.stability {
        let judged = match stability {
            0.75.. => "stable",
            0.6..0.75 => "a pattern, its borders doubtful",
            _ => "not to be trusted",
        };
        // Writing to a string does not fail.
        let _ = writeln!(text, "stability   {} ({judged})", short_score(stability));
    }
    if !card.exemplars.is_empty() {
        text.push_str("\ntypical prompts\n");
        for exemplar in &card.exemplars {
            // A prompt of several lines stays on one.
            let words: Vec<&str> = exemplar.text.split_whitespace().collect();
            let _ = writeln!(text, "  {}: {}", exemplar.prompt_id, words.join(" "));
        }
    }
    let axis = Axis::around(card.models.iter().map(|model| model.interval));
    let picture = format!("95% interval, {}", axis.ends());
    let mut table = Table::new([
        ("model", Align::Left),
        ("score", Align::Right),
        ("mean quality", Align::Right),
        ("95% interval", Align::Right),
        ("outcomes", Align::Right),
        (picture.as_str(), Align::Left),
    ]);
    for model in &card.models {
        table.row([
            model.model.clone(),
            score(model.score),
            score(model.mean),
            interval(model.interval, score),
            count(model.outcomes),
            axis.bar(model.mean, model.interval),
        ]);
    }
    format!("{text}\n{}", table.render())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(id: u32, size: usize, stability: Option<f64>, scores: &[f64]) -> TaskCard {
        let models = scores.iter().enumerate().map(|(at, &score)| ModelCard {
            model: format!("m{at}"),
            score,
            mean: score,
            interval: [score - 0.05, score + 0.05],
            outcomes: size,
        });
        TaskCard {
            id: TaskId(id),
            size,
            share: size as f64 / 100.0,
            stability,
            keywords: vec!["word".into()],
            exemplars: Vec::new(),
            candidates: (0..scores.len()).map(|at| format!("m{at}")).collect(),
            models: models.collect(),
        }
    }

    #[test]
    fn orders_put_the_highest_first_and_the_unknown_last() {
        let order = |by| {
            let mut cards = vec![
                card(0, 60, None, &[0.7, 0.6]),
                card(1, 30, Some(0.5), &[0.9, 0.4]),
                card(2, 10, Some(0.8), &[0.8]),
            ];
            sort(&mut cards, by);
            cards.iter().map(|card| card.id.0).collect::<Vec<_>>()
        };
        assert_eq!(order(TaskOrder::Size), [0, 1, 2]);
        assert_eq!(order(TaskOrder::Stability), [2, 1, 0]);
        assert_eq!(order(TaskOrder::Quality), [1, 2, 0]);
        assert_eq!(order(TaskOrder::Lead), [1, 0, 2]);
    }

    #[test]
    fn a_list_fits_and_shows_stability_where_it_was_measured() {
        let tasks = vec![card(0, 60, Some(0.91), &[0.9, 0.8, 0.7, 0.6, 0.5]), card(1, 30, None, &[0.5])];
        let cards = TaskCards { prompts: 100, without_task: 10, tasks };
        let text = list(&cards);
        assert!(text.contains("stability") && text.contains(".910"), "{text}");
        assert!(text.contains("m0 and 4 more"), "{text}");
        assert!(text.ends_with("2 tasks among 100 training prompts; 10 prompts without a task (10.0%)"), "{text}");
        let old = TaskCards {
            tasks: cards.tasks.into_iter().map(|card| TaskCard { stability: None, ..card }).collect(),
            ..cards
        };
        assert!(!list(&old).contains("stability"));
    }

    #[test]
    fn a_card_is_a_picture_too() {
        let text = full(&card(3, 60, Some(0.7), &[0.9, 0.72]));
        assert!(text.contains("stability   .700 (a pattern, its borders doubtful)"), "{text}");
        assert!(text.contains("0.6 to 1.0"), "{text}");
        let of = |model: &str| text.lines().find(|line| line.starts_with(model)).unwrap();
        assert!(of("m0").ends_with("············├─●──┤··"), "{text}");
        assert!(of("m1").ends_with("···├──●─┤···········"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }
}
