//! The router as a library inside a tokio service: one router for all requests, batches that form by themselves, a new router without a pause.
//!
//! `cargo run --release -p router-examples --example tokio_service`
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::sync::{Arc, PoisonError, RwLock};

use router_core::{Error, ErrorKind, Prompt, Result, Router, RouterConfig, UnfittedRouter};
use router_data::synthetic::{World, WorldConfig};
use tokio::sync::{mpsc, oneshot};

/// Requests that are decided together at most.
const BATCH: usize = 64;

type Answer = oneshot::Sender<Result<String>>;

/// What the handlers of a service share. Cheap to clone.
#[derive(Clone)]
struct Service {
    requests: mpsc::Sender<(Prompt, Answer)>,
    current: Arc<RwLock<Arc<Router>>>,
}

impl Service {
    /// Starts the task that decides.
    fn start(router: Router) -> Self {
        let current = Arc::new(RwLock::new(Arc::new(router)));
        let (requests, mut queue) = mpsc::channel::<(Prompt, Answer)>(1_024);
        let shared = Arc::clone(&current);
        tokio::spawn(async move {
            let mut waiting = Vec::new();
            // Whatever has come in while the last batch was decided is the next one: no timer, and no wait when it is quiet.
            while queue.recv_many(&mut waiting, BATCH).await > 0 {
                let (prompts, answers): (Vec<Prompt>, Vec<Answer>) = waiting.drain(..).unzip();
                let router = Arc::clone(&shared.read().unwrap_or_else(PoisonError::into_inner));
                // Deciding is work for a processor, not for the threads that serve the network.
                let decided = tokio::task::spawn_blocking(move || decide(&router, &prompts)).await;
                let decided = decided.unwrap_or_else(|lost| Err(Error::new(ErrorKind::Internal, lost.to_string())));
                match decided {
                    Ok(models) => {
                        for (model, answer) in models.into_iter().zip(answers) {
                            // Whoever asked may have gone away.
                            drop(answer.send(Ok(model)));
                        }
                    }
                    Err(error) => {
                        let told = error.to_string();
                        for answer in answers {
                            drop(answer.send(Err(Error::new(error.kind(), &*told))));
                        }
                    }
                }
            }
        });
        Self { requests, current }
    }

    /// What a handler awaits: the name of the model that `prompt` goes to.
    async fn model_for(&self, prompt: Prompt) -> Result<String> {
        let closed = || Error::new(ErrorKind::Cancelled, "the service is ending");
        let (answer, decided) = oneshot::channel();
        self.requests.send((prompt, answer)).await.map_err(|_| closed())?;
        decided.await.map_err(|_| closed())?
    }

    /// Takes a newly trained router into use. Batches under way end with the old one.
    fn replace(&self, router: Router) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(router);
    }
}

fn decide(router: &Router, prompts: &[Prompt]) -> Result<Vec<String>> {
    let name = |model| router.models().name(model).to_owned();
    let decisions = router.route_blocking(prompts, &[])?;
    Ok(decisions.iter().map(|decision| decision.model().map_or_else(|| "none".to_owned(), name)).collect())
}

fn train(seed: u64) -> Result<(Router, Vec<Prompt>)> {
    let text = format!("seed = {seed}\n[embedder]\nuse = \"hashing\"\n[[estimators]]\nuse = \"ridge\"\n");
    let unfitted =
        UnfittedRouter::from_config(&RouterConfig::from_toml(&text, "router.toml")?, &router_plugins::builtin()?)?;
    let dataset = Arc::new(World::generate(&WorldConfig { prompts: 900, ..WorldConfig::demo(7) })?.dataset);
    Ok((unfitted.fit_blocking(&dataset, &unfitted.context())?, dataset.prompts().to_vec()))
}

async fn serve() -> Result<()> {
    let (router, prompts) = train(7)?;
    let service = Service::start(router);
    let mut handlers = tokio::task::JoinSet::new();
    for prompt in prompts.iter().take(300).cloned() {
        let service = service.clone();
        handlers.spawn(async move { service.model_for(prompt).await });
    }
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    while let Some(done) = handlers.join_next().await {
        let model = done.map_err(|lost| Error::new(ErrorKind::Internal, lost.to_string()))??;
        *counts.entry(model).or_default() += 1;
    }
    for (model, count) in &counts {
        println!("{count:>4} {model}");
    }
    // A new router is trained beside the old one, which goes on answering.
    service.replace(
        tokio::task::spawn_blocking(|| train(8))
            .await
            .map_err(|lost| Error::new(ErrorKind::Internal, lost.to_string()))??
            .0,
    );
    let Some(prompt) = prompts.into_iter().next() else { return Ok(()) };
    println!("after the change: {}", service.model_for(prompt).await?);
    Ok(())
}

/// Serves 300 requests at once, then changes the router.
pub fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .build()
        .map_err(|source| Error::new(ErrorKind::Internal, "no runtime").caused_by(source))?;
    runtime.block_on(serve())
}
