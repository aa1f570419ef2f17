//! Routers over a world with many planted tasks, and one decision at a time, as a service makes them.

use router_core::pipeline::RouteBuffers;
use router_core::{Decision, MatrixView, PromptsView, Router, RouterConfig, TrainingSet, UnfittedRouter};

use crate::{Size, World, registry};

/// The estimators whose decisions are measured, as they stand in a configuration.
pub const ESTIMATORS: [(&str, &str); 4] = [
    ("moe", "use = \"moe\"\nepochs = 5"),
    ("ridge", "use = \"ridge\""),
    ("forest", "use = \"forest\"\ntrees = 200"),
    ("neighbors", "use = \"neighbors\""),
];

/// A router over the planted tasks of a world, with the task scores and one estimator.
pub struct Deciding {
    world: World,
    router: Router,
    buffers: RouteBuffers,
    decision: [Decision; 1],
}

impl Deciding {
    /// Fits `estimator` (its lines of TOML) to the world of `size`.
    pub fn new(size: Size, estimator: &str) -> Self {
        let world = World::new(size);
        let config = format!(
            "seed = 7\n[embedder]\nuse = \"hashing\"\ndimension = {}\n[discoverer]\nuse = \"labels\"\n[classifier]\nuse = \"softmax\"\n\
             [[estimators]]\n{estimator}\n[aggregator]\nuse = \"weighted\"\nalpha = 0.5\n[policy]\nuse = \"utility\"\nlambda = 1.0\n",
            size.d
        );
        let config = RouterConfig::from_toml(&config, "deciding.toml").expect("a configuration");
        let unfitted = UnfittedRouter::from_config(&config, &registry()).expect("a router");
        let cx = unfitted.context();
        let (embedder, _) = pollster::block_on(unfitted.embed(&world.dataset, &cx)).expect("an embedder");
        let set = TrainingSet::new(world.dataset.clone(), world.embeddings.clone()).expect("a training set");
        let router = unfitted.fit_embedded(&set, embedder, &cx).expect("a fit");
        Self { world, router, buffers: RouteBuffers::default(), decision: [Decision::default()] }
    }

    /// Tasks of the router.
    pub fn tasks(&self) -> usize {
        self.router.tasks().tasks.len()
    }

    /// Decides for prompt `row` (modulo their number) from its embedding.
    pub fn decide(&mut self, row: usize) {
        let row = row % self.world.dataset.prompts().len();
        let Some(prompt) = self.world.dataset.prompts().get(row..=row) else { return };
        let embedding = self.world.embeddings.row(row);
        let view = MatrixView::new(1, embedding.len(), embedding).expect("one embedding");
        self.router
            .route_batch(PromptsView::all(prompt), view, &[], &mut self.buffers, &mut self.decision)
            .expect("a decision");
    }
}
