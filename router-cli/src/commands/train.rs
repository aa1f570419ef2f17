//! `router train`: a configuration and a data set become an artifact.

use std::path::Path;
use std::sync::Arc;

use router_core::artifact::{ArtifactWriter, ErasedPersist};
use router_core::{Dataset, FitContext, Registry, Result, Router, RouterConfig, TrainingSet, UnfittedRouter};
use router_eval::References;
use serde_json::{Value, json};

use super::Session;
use crate::arguments::Train;
use crate::table::{count, percent, plural};

pub(super) fn run(arguments: &Train, session: &mut Session) -> Result<()> {
    let (config, source) = RouterConfig::from_file(&arguments.config)?;
    let config = session.seeded(config);
    let unfitted = UnfittedRouter::from_config(&config, &session.registry).map_err(|error| source.locate(error))?;
    // A place that cannot be written is better known before a long fit than after it.
    drop(ArtifactWriter::create(&arguments.out)?);
    let (dataset, findings) = router_data::directory::read_checked(&arguments.data)?;
    let (dataset, warnings) = (Arc::new(dataset), findings.warnings().count());

    let cx = session.caching(config.seed, arguments.no_cache);
    let fitted = fit(&unfitted, &dataset, &cx);
    session.tell_cache();
    let (router, set) = fitted?;
    let references =
        if arguments.no_references { None } else { Some(fit_references(&router, &set, &session.registry, &cx)?) };
    let router = if arguments.no_exemplars { router.without_exemplars() } else { router };
    save(&router, references.as_ref(), &arguments.out)?;

    let facts = Facts { router: &router, dataset: &dataset, warnings };
    let output = &mut session.output;
    let mut document = facts.document();
    if let Some(object) = document.as_object_mut() {
        object.insert("artifact".into(), arguments.out.display().to_string().into());
        object.insert("references".into(), references.is_some().into());
    }
    output.document(&document)?;
    output.line(facts.text())?;
    if warnings > 0 {
        output.line(format_args!(
            "warnings    {}; `router data check {}` shows them",
            count(warnings),
            arguments.data.display()
        ))?;
    }
    output.line(format_args!("wrote       {}", arguments.out.display()))
}

/// Fits the router, and gives the embedded training set, which the references are fitted to.
pub(super) fn fit(unfitted: &UnfittedRouter, dataset: &Arc<Dataset>, cx: &FitContext) -> Result<(Router, TrainingSet)> {
    let (embedder, embeddings) = pollster::block_on(unfitted.embed(dataset, cx))?;
    let set = TrainingSet::new(Arc::clone(dataset), Arc::new(embeddings.vectors))?;
    let router = unfitted.fit_embedded(&set, embedder, cx)?;
    Ok((router, set))
}

/// Fits what the router is compared with.
pub(super) fn fit_references(
    router: &Router,
    set: &TrainingSet,
    registry: &Registry,
    cx: &FitContext,
) -> Result<References> {
    References::fit(set, registry, router.config().cost.nominal_output_tokens, cx)
}

/// Writes the artifact, the references in a slot of their own.
pub(super) fn save(router: &Router, references: Option<&References>, out: &Path) -> Result<()> {
    let extra: Vec<(&str, &dyn ErasedPersist)> =
        references.map(|references| (References::SLOT, references as &dyn ErasedPersist)).into_iter().collect();
    router.save_with(out, &extra)
}

/// What a fit found.
pub(super) struct Facts<'a> {
    pub(super) router: &'a Router,
    pub(super) dataset: &'a Dataset,
    pub(super) warnings: usize,
}

impl Facts<'_> {
    fn document(&self) -> Value {
        let cards = self.router.tasks();
        let weights = self.router.part_weights();
        let parts: Vec<Value> = self
            .router
            .parts()
            .enumerate()
            .map(|(at, part)| {
                json!({
                    "slot": part.slot,
                    "name": part.name,
                    "stage": part.stage,
                    "weight": weights.and_then(|weights| weights.get(at)),
                })
            })
            .collect();
        let models: Vec<&str> = self.router.models().models().iter().map(|model| model.name.as_str()).collect();
        json!({
            "seed": self.router.config().seed,
            "data": {
                "name": self.dataset.name(),
                "prompts": self.dataset.prompts().len(),
                "outcomes": self.dataset.outcomes().len(),
                "models": models,
                "warnings": self.warnings,
            },
            "embedder": {
                "name": self.router.config().embedder.name,
                "dimension": self.router.embedder().dimension(),
                "fingerprint": self.router.embedder().fingerprint(),
            },
            "tasks": {
                "count": cards.tasks.len(),
                "sizes": cards.tasks.iter().map(|card| card.size).collect::<Vec<_>>(),
                "without_task": cards.without_task,
            },
            "parts": parts,
            "findings": self.router.findings(),
        })
    }

    /// The facts, a line each.
    pub(super) fn text(&self) -> String {
        let router = self.router;
        let cards = router.tasks();
        let mut lines = vec![
            format!(
                "learned     from {}, {} and {}",
                plural(self.dataset.prompts().len(), "prompt"),
                plural(router.models().len(), "model"),
                plural(self.dataset.outcomes().len(), "outcome"),
            ),
            format!("embedder    {}, {} dimensions", router.config().embedder.name, router.embedder().dimension()),
        ];
        if router.config().discoverer.is_some() {
            let sizes: Vec<String> = cards.tasks.iter().map(|card| count(card.size)).collect();
            let without = cards.without_task as f64 / cards.prompts.max(1) as f64;
            lines.push(format!(
                "tasks       {} of {} prompts; {} without a task ({})",
                cards.tasks.len(),
                if sizes.is_empty() { "no".to_owned() } else { sizes.join(", ") },
                count(cards.without_task),
                percent(without),
            ));
        }
        let weights = router.part_weights();
        let parts: Vec<String> = router
            .parts()
            .enumerate()
            .map(|(at, part)| match weights.and_then(|weights| weights.get(at)) {
                Some(weight) => format!("{weight:.2} x {} ({})", part.slot, part.name),
                None => format!("{} ({})", part.slot, part.name),
            })
            .collect();
        lines.push(format!("estimates   {}", parts.join(" + ")));
        lines.extend(router.findings().iter().map(|finding| format!("found       {finding}")));
        lines.push(format!("seed        {}", router.config().seed));
        lines.join("\n")
    }
}
