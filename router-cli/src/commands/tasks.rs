//! `router tasks`: what discovery found, from the artifact's cards.

use router_core::artifact::ArtifactReader;
use router_core::{Result, TaskCard, TaskCards, TaskId};

use super::Session;
use crate::arguments::Tasks;
use crate::table::{Align, Table, count, percent, plural, score};

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
pub(super) fn list(cards: &TaskCards) -> String {
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
        let (best, interval) = card.models.first().map_or_else(Default::default, |model| {
            (
                model.model.clone(),
                format!("{} [{}, {}]", score3(model.mean), score3(model.interval[0]), score3(model.interval[1])),
            )
        });
        table.row([
            card.id.to_string(),
            count(card.size),
            percent(card.share),
            card.keywords.join(", "),
            best,
            interval,
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

fn score3(value: f64) -> String {
    format!("{value:.3}")
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
            text.push_str(&format!("  {}: {}\n", exemplar.prompt_id, words.join(" ")));
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
            format!("[{}, {}]", score(model.interval[0]), score(model.interval[1])),
            count(model.outcomes),
            if card.candidates.contains(&model.model) { "yes".to_owned() } else { String::new() },
        ]);
    }
    format!("{text}\n{}", table.render())
}
