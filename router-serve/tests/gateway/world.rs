//! A small router, and gateways of it.

use std::sync::{Arc, OnceLock};

use router_core::{
    Dataset, Model, ModelPool, Outcome, Outcomes, Prompt, Registry, Router, RouterConfig, UnfittedRouter,
};
use router_serve::{Gateway, ServeConfig, Server};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::client::Client;

const CONFIG: &str = r#"
seed = 7
[embedder]
use = "hashing"
dimension = 256
[discoverer]
use = "graph"
neighbors = 10
[[estimators]]
use = "neighbors"
"#;

/// A prompt for which `solver` is the best model, `thrifty` the next.
pub(crate) const SUM: &str = "Solve the equation 31 x + 5 = 99 for x. Show the algebra of every step.";
/// A prompt for which `poet` is the best model, `thrifty` the next.
pub(crate) const POEM: &str = "Write a short poem about a golden harbor, with rhyme and verse.";

pub(crate) fn registry() -> Registry {
    router_plugins::builtin().unwrap()
}

/// An artifact of a router for sums and poems.
pub(crate) fn artifact() -> &'static std::path::Path {
    static ARTIFACT: OnceLock<TempDir> = OnceLock::new();
    static PATH: OnceLock<std::path::PathBuf> = OnceLock::new();
    let directory = ARTIFACT.get_or_init(|| {
        let directory = TempDir::new().unwrap();
        fit([0.2, 0.95, 0.6], [0.9, 0.3, 0.6]).save(directory.path().join("artifact")).unwrap();
        directory
    });
    PATH.get_or_init(|| directory.path().join("artifact"))
}

pub(crate) fn router() -> Router {
    Router::load(artifact(), &registry()).unwrap()
}

/// A router that takes sums for poems: another one than [`router`], which decides otherwise.
pub(crate) fn sums_are_poems() -> Router {
    fit([0.9, 0.3, 0.6], [0.2, 0.95, 0.6])
}

fn fit(sums: [f32; 3], poems: [f32; 3]) -> Router {
    let tagged = |model: Model, window, tags: &[&str]| Model {
        context_window: window,
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        ..model
    };
    let pool = ModelPool::new(vec![
        tagged(Model::new("poet").with_price(2.0, 8.0), None, &["prose"]),
        tagged(Model::new("solver").with_price(3.0, 12.0), Some(1000), &[]),
        tagged(Model::new("thrifty").with_price(0.1, 0.4), Some(4000), &["prose", "tools"]),
    ])
    .unwrap();
    let subjects = ["river", "castle", "engine", "garden", "planet", "violin"];
    let moods = ["quiet", "golden", "broken", "ancient", "restless"];
    let (mut prompts, mut rows) = (Vec::new(), Vec::new());
    for at in 0..120 {
        let (subject, mood) = (subjects[at / 2 % 6], moods[at / 24]);
        let (text, qualities) = if at % 2 == 0 {
            let (a, b, c) = (17 * at, 17 * at + 3, 119 * at + 11);
            let text = format!(
                "Solve the equation {a} x + {b} = {c} for x. Show the algebra of every step for the {mood} {subject} problem."
            );
            (text, sums)
        } else {
            (format!("Write a short poem about a {mood} {subject} and {at} stars, with rhyme and verse."), poems)
        };
        prompts.push(Prompt::new(format!("q{at}"), text));
        let outcome = |(model, quality): (usize, f32)| Outcome {
            input_tokens: Some(30),
            output_tokens: Some(100),
            ..Outcome::new(model, quality + (at % 5) as f32 / 100.0)
        };
        rows.push(qualities.into_iter().enumerate().map(outcome).collect());
    }
    let outcomes = Outcomes::from_rows(3, rows).unwrap();
    let dataset = Arc::new(Dataset::new("world", prompts, pool, outcomes).unwrap());
    let unfitted =
        UnfittedRouter::from_config(&RouterConfig::from_toml(CONFIG, "C.toml").unwrap(), &registry()).unwrap();
    unfitted.fit_blocking(&dataset, &unfitted.context()).unwrap()
}

/// A gateway that runs.
pub(crate) struct Running {
    pub(crate) client: Client,
    stop: Option<oneshot::Sender<()>>,
    server: tokio::task::JoinHandle<()>,
}

impl Running {
    /// Tells it to stop, and gives what ends when it has.
    pub(crate) fn stop(mut self) -> tokio::task::JoinHandle<()> {
        self.stop.take().unwrap().send(()).unwrap();
        self.server
    }
}

/// Runs a gateway of `config`.
pub(crate) async fn run(config: &str) -> Running {
    let config = ServeConfig::from_toml(config, "serve.toml").unwrap();
    serve(Gateway::new(router(), config).await.unwrap()).await
}

/// Runs `gateway`.
pub(crate) async fn serve(gateway: Gateway) -> Running {
    start(Server::bind(gateway, "127.0.0.1:0").await.unwrap())
}

/// Runs `server`.
pub(crate) fn start(server: Server) -> Running {
    let client = Client::new(format!("http://{}", server.address().unwrap()));
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(server.run(async {
        // A test that ends without a word ends its gateway too.
        let _ = stopped.await;
    }));
    Running { client, stop: Some(stop), server }
}

/// A configuration in which `a`, `b` and `c` serve poet, solver and thrifty; `of_upstreams` goes into every upstream.
pub(crate) fn three(bases: [&str; 3], of_upstreams: &str) -> String {
    let [a, b, c] = bases;
    format!(
        r#"
[[upstreams]]
name = "a"
base_url = "{a}"
{of_upstreams}
[[upstreams]]
name = "b"
base_url = "{b}"
{of_upstreams}
[[upstreams]]
name = "c"
base_url = "{c}"
{of_upstreams}
{models}
"#,
        models = models(["a", "b", "c"])
    )
}

/// The part of a configuration in which these upstreams serve poet, solver (under another name) and thrifty.
pub(crate) fn models([poet, solver, thrifty]: [&str; 3]) -> String {
    format!(
        r#"
[[models]]
model = "poet"
served_by = [{{ upstream = "{poet}" }}]
[[models]]
model = "solver"
served_by = [{{ upstream = "{solver}", model = "solver-2" }}]
[[models]]
model = "thrifty"
served_by = [{{ upstream = "{thrifty}" }}]
"#
    )
}

/// An address where nobody listens.
pub(crate) async fn nobody() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/v1", listener.local_addr().unwrap())
}
