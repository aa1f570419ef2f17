//! `router tasks`: what discovery found, from the artifact's cards.

use std::fmt::Write as _;

use router_core::artifact::ArtifactReader;
use router_core::tasks::ModelCard;
use router_core::{Result, TaskCard, TaskCards, TaskId};

use super::Session;
use crate::arguments::Tasks;
use crate::table::{Align, Table, count, interval, percent, plural, score, short_score};

pub(super) fn run(arguments: &Tasks, session: &mut Session) -> Result<()> {
    let reader = ArtifactReader::open(&arguments.router, &session.registry)?;
    let cards: TaskCards = reader.read_tasks()?;
    let output = &mut session.output;
    match arguments.id {
        Some(id) => {
            let card = cards.get(TaskId(id))?;
            output.document(card)?;
            output.line(full(card))
        }
        None => {
            output.document(&cards)?;
            output.line(list(&cards))
        }
    }
}

/// Every task on a line or two.
fn list(cards: &TaskCards) -> String {
    if cards.tasks.is_empty() {
        return format!("no tasks: the router was fitted to {} as a whole", plural(cards.prompts, "prompt"));
    }
    let mut table = Table::new([
        ("task", Align::Right),
        ("prompts", Align::Right),
        ("share", Align::Right),
        ("keywords", Align::Left),
        ("best model", Align::Left),
        ("mean quality", Align::Right),
        ("candidates", Align::Left),
    ]);
    for card in &cards.tasks {
        let best = card.models.first();
        let quality =
            |model: &ModelCard| format!("{} {}", short_score(model.mean), interval(model.interval, short_score));
        table.row([
            card.id.to_string(),
            count(card.size),
            percent(card.share),
            card.keywords.join(", "),
            best.map(|model| model.model.clone()).unwrap_or_default(),
            best.map(quality).unwrap_or_default(),
            card.candidates.join(", "),
        ]);
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
    if !card.exemplars.is_empty() {
        text.push_str("\ntypical prompts\n");
        for exemplar in &card.exemplars {
            // A prompt of several lines stays on one.
            let words: Vec<&str> = exemplar.text.split_whitespace().collect();
            // Writing to a string does not fail.
            let _ = writeln!(text, "  {}: {}", exemplar.prompt_id, words.join(" "));
        }
    }
    let mut table = Table::new([
        ("model", Align::Left),
        ("score", Align::Right),
        ("mean quality", Align::Right),
        ("95% interval", Align::Right),
        ("outcomes", Align::Right),
        ("candidate", Align::Left),
    ]);
    for model in &card.models {
        table.row([
            model.model.clone(),
            score(model.score),
            score(model.mean),
            interval(model.interval, score),
            count(model.outcomes),
            if card.candidates.contains(&model.model) { "yes".to_owned() } else { String::new() },
        ]);
    }
    format!("{text}\n{}", table.render())
}
