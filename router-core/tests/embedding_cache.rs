//! A cache of embeddings never changes a result; contents are embedded once; work that is cut off goes on where it was.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use router_core::prelude::*;
use router_core::testkit::MemoryCache;
use router_core::testkit::components::{
    self, MinimalAggregator, MinimalClassifier, MinimalDiscoverer, MinimalEstimator, MinimalPolicy,
};
use router_core::testkit::world::MinimalWorld;
use router_core::{CachedEmbedding, CancelToken, EmbeddingCache, Progress, ProgressBar, RouterBuilder, UnfittedRouter};

/// How many texts each [`SlowConfig`] was asked for, by its number.
static ASKED: Mutex<BTreeMap<usize, usize>> = Mutex::new(BTreeMap::new());
static NUMBER: AtomicUsize = AtomicUsize::new(1);

/// An embedder that says it is worth a cache, and counts what it is asked for. Texts longer than 40 bytes it cuts.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct SlowConfig {
    number: usize,
    /// Whether it answers NaN.
    broken: bool,
}

impl SlowConfig {
    fn new() -> Self {
        Self { number: NUMBER.fetch_add(1, Ordering::Relaxed), broken: false }
    }

    fn asked(&self) -> usize {
        ASKED.lock().unwrap().get(&self.number).copied().unwrap_or_default()
    }
}

impl PluginConfig for SlowConfig {
    const NAME: &'static str = "slow";
    const SUMMARY: &'static str = "Counts what it is asked for.";
    const SOURCE: &'static str = "this project";
    const COST: &'static str = "whatever it takes";
    const EXAMPLE: &'static str = "";
}

#[async_trait]
impl Embedder for SlowConfig {
    type Fitted = Self;

    async fn fit(&self, _texts: &[&str], _cx: &FitContext) -> Result<Self> {
        Ok(self.clone())
    }
}

#[async_trait]
impl FittedEmbedder for SlowConfig {
    fn dimension(&self) -> usize {
        16
    }

    fn fingerprint(&self) -> String {
        // The number is the test's, not the embedder's.
        "slow 1".to_owned()
    }

    fn worth_caching(&self) -> bool {
        true
    }

    async fn embed(&self, texts: &[&str]) -> Result<Embeddings> {
        *ASKED.lock().unwrap().entry(self.number).or_default() += texts.len();
        let mut vectors = Matrix::zeros(texts.len(), 16);
        for (row, text) in texts.iter().enumerate() {
            for (at, byte) in text.bytes().take(40).enumerate() {
                vectors.row_mut(row)[(at * 7 + byte as usize) % 16] += 0.1;
            }
        }
        if self.broken {
            vectors.set(0, 0, f32::NAN);
        }
        let truncated = (0..texts.len()).filter(|&row| texts[row].len() > 40).collect();
        Ok(Embeddings { vectors, truncated })
    }
}

impl Persist for SlowConfig {
    const FORMAT: &'static str = "slow-embedder";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("broken", &self.broken)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        Ok(Self { number: 0, broken: reader.get_json("broken")? })
    }
}

fn unfitted(embedder: &SlowConfig) -> UnfittedRouter {
    let mut registry = Registry::new();
    components::register(&mut registry).unwrap();
    registry.register::<EmbedderRole, SlowConfig>("tests").unwrap();
    RouterBuilder::new(&registry)
        .seed(7)
        .embedder(embedder.clone())
        .discoverer(MinimalDiscoverer {})
        .classifier(MinimalClassifier {})
        .task_scores(MinimalEstimator {})
        .estimator(MinimalEstimator {})
        .aggregator(MinimalAggregator {})
        .policy(MinimalPolicy {})
        .build()
        .unwrap()
}

/// Every file of an artifact but the number of the embedder, which is the test's own.
fn artifact(unfitted: &UnfittedRouter, world: &MinimalWorld, cx: &FitContext) -> BTreeMap<String, Vec<u8>> {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("artifact");
    unfitted.fit_blocking(&world.dataset, cx).unwrap().save(&place).unwrap();
    let read = |path: &Path| {
        let bytes = std::fs::read(path).unwrap();
        match serde_json::from_slice::<serde_json::Value>(&bytes) {
            Ok(mut json) if json.get("config").is_some() => {
                json["config"]["embedder"]["number"] = 0.into();
                // It covers that number.
                json["digest"] = 0.into();
                json.to_string().into_bytes()
            }
            _ => bytes,
        }
    };
    std::fs::read_dir(&place)
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), read(&path)))
        .collect()
}

#[test]
fn no_cold_and_warm_cache_give_the_same_artifact() {
    let world = MinimalWorld::easy(300, 1).unwrap();
    let cache: Arc<MemoryCache> = Arc::default();
    let with = |unfitted: &UnfittedRouter| unfitted.context().with_embedding_cache(Arc::clone(&cache) as _);
    let (plain, cold, warm) = (SlowConfig::new(), SlowConfig::new(), SlowConfig::new());
    let router = unfitted(&plain);
    let without = artifact(&router, &world, &router.context());
    let distinct = plain.asked();
    assert!((1..=300).contains(&distinct));
    let router = unfitted(&cold);
    assert!(without == artifact(&router, &world, &with(&router)), "a cold cache changes the artifact");
    assert_eq!((cold.asked(), cache.len()), (distinct, distinct));
    let router = unfitted(&warm);
    assert!(without == artifact(&router, &world, &with(&router)), "a warm cache changes the artifact");
    assert_eq!(warm.asked(), 0);
    assert_eq!(cache.fingerprints(), ["slow 1"]);

    // The comparison sees what it must: with other vectors in the cache, the artifact is another.
    cache.change(|row| row.vector.reverse());
    let router = unfitted(&SlowConfig::new());
    assert!(without != artifact(&router, &world, &with(&router)), "the artifact does not depend on the embeddings");
}

#[test]
fn a_content_that_stands_twice_is_embedded_once() {
    let long = "a text that is longer than what the embedder reads of it";
    let texts = ["one", long, "one", "two", long, "two", "one"];
    let prompts: Vec<Prompt> = texts.iter().enumerate().map(|(at, text)| Prompt::new(at.to_string(), *text)).collect();
    let world = MinimalWorld::easy(20, 1).unwrap();
    for cache in [None, Some(MemoryCache::new())] {
        let embedder = SlowConfig::new();
        let mut cx = FitContext::new(1);
        if let Some(cache) = cache {
            cx = cx.with_embedding_cache(Arc::new(cache));
        }
        let unfitted = unfitted(&embedder);
        let router = unfitted.fit_blocking(&world.dataset, &FitContext::new(1)).unwrap();
        let before = embedder.asked();
        let embeddings = pollster::block_on(router.embed_with(&prompts, &cx)).unwrap();
        assert_eq!(embedder.asked() - before, 3);
        let all = pollster::block_on(embedder.embed(&texts)).unwrap();
        assert_eq!(embeddings, all);
        assert_eq!(all.truncated, [1, 4]);
    }
}

/// Cancels after so many steps.
struct CancelAfter {
    steps: Arc<AtomicUsize>,
    limit: usize,
    token: CancelToken,
    messages: Arc<Mutex<Vec<String>>>,
}

impl CancelAfter {
    fn again(&self) -> Self {
        Self {
            steps: Arc::clone(&self.steps),
            limit: self.limit,
            token: self.token.clone(),
            messages: Arc::clone(&self.messages),
        }
    }
}

impl Progress for CancelAfter {
    fn begin(&self, _label: &str, _total: Option<u64>) -> Box<dyn ProgressBar> {
        Box::new(self.again())
    }
}

impl ProgressBar for CancelAfter {
    fn advance(&self, steps: u64) {
        if self.steps.fetch_add(steps as usize, Ordering::Relaxed) + steps as usize >= self.limit {
            self.token.cancel();
        }
    }

    fn message(&self, text: &str) {
        self.messages.lock().unwrap().push(text.to_owned());
    }
}

#[test]
fn work_that_is_cut_off_goes_on_where_it_was() {
    let texts: Vec<String> = (0..1_000).map(|at| format!("question number {at}")).collect();
    let prompts: Vec<Prompt> = texts.iter().map(|text| Prompt::new(text, text)).collect();
    let world = MinimalWorld::easy(20, 1).unwrap();
    let embedder = SlowConfig::new();
    let router = unfitted(&embedder).fit_blocking(&world.dataset, &FitContext::new(1)).unwrap();
    let before = embedder.asked();
    let cache: Arc<MemoryCache> = Arc::default();
    let watch = CancelAfter { steps: Arc::default(), limit: 400, token: CancelToken::new(), messages: Arc::default() };
    let cx = FitContext::new(1)
        .with_embedding_cache(Arc::clone(&cache) as _)
        .with_cancel(watch.token.clone())
        .with_progress(Arc::new(watch.again()));
    let error = pollster::block_on(router.embed_with(&prompts, &cx)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    let done = cache.len();
    assert!((400..1_000).contains(&done), "{done} rows were kept");
    assert_eq!(*watch.messages.lock().unwrap(), Vec::<String>::new());

    let cx = cx.with_cancel(CancelToken::new());
    let embeddings = pollster::block_on(router.embed_with(&prompts, &cx)).unwrap();
    assert_eq!(embedder.asked() - before, 1_000, "no text was embedded twice");
    assert_eq!(embeddings, router.embed_blocking(&prompts).unwrap());
    let last = watch.messages.lock().unwrap().last().cloned();
    assert_eq!(last, Some(format!("{done} from the cache")));
}

/// A cache that answers nonsense.
struct Nonsense(fn() -> Option<CachedEmbedding>, usize);

impl EmbeddingCache for Nonsense {
    fn lookup(&self, _: &str, _: usize, keys: &[router_core::PromptKey]) -> Vec<Option<CachedEmbedding>> {
        vec![(self.0)(); (keys.len() + self.1).saturating_sub(1)]
    }

    fn store(&self, _: &str, _: &[router_core::PromptKey], _: &Embeddings) {}
}

#[test]
fn a_cache_that_answers_nonsense_is_not_believed() {
    let embedder = SlowConfig::new();
    let prompts = [Prompt::new("a", "one"), Prompt::new("b", "two")];
    let prompts: Vec<&Prompt> = prompts.iter().collect();
    let expected = pollster::block_on(embedder.embed_prompts(&prompts)).unwrap();
    let wrong: [fn() -> Option<CachedEmbedding>; 3] = [
        || Some(CachedEmbedding { vector: vec![0.5; 15], truncated: true }),
        || Some(CachedEmbedding { vector: vec![f32::NAN; 16], truncated: true }),
        || None,
    ];
    for answer in wrong {
        for rows in 0..3 {
            let found = pollster::block_on(embedder.embed_through(&Nonsense(answer, rows), &prompts)).unwrap();
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn nothing_that_is_wrong_is_stored() {
    let embedder = SlowConfig { broken: true, ..SlowConfig::new() };
    let cache = MemoryCache::new();
    let prompt = Prompt::new("a", "one");
    let error = pollster::block_on(embedder.embed_through(&cache, &[&prompt])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NonFinite);
    assert!(cache.is_empty());
}
