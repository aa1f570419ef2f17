//! What all requests share.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use router_core::config::ConfigSource;
use router_core::{Error, ErrorKind, Registry, Request, Result, Router};
use serde::Serialize;
use uuid::Uuid;

use crate::account::Ledger;
use crate::clients::{Spending, midnight};
use crate::clock::seconds;
use crate::config::{RecordsConfig, ServeConfig, ServerConfig};
use crate::conversations::Conversations;
use crate::decide::{Asked, Decided, Undecided};
use crate::error::Refusal;
use crate::live::{Live, Which};
use crate::metrics::Metrics;
use crate::records::{Recorder, Shadow};
use crate::routed::Routed;
use crate::upstream::Gate;

/// What a gateway is made of: routers, and a configuration that goes with them.
pub struct Setup {
    /// The router that decides.
    pub router: Router,
    /// The router that the configuration names as its candidate.
    pub candidate: Option<Router>,
    /// The configuration.
    pub config: ServeConfig,
    /// Where the configuration was read, so that what does not go with the router is located in it.
    pub source: Option<ConfigSource>,
}

impl Setup {
    /// Reads the configuration at `config` and loads the artifact at `artifact`.
    ///
    /// # Errors
    /// As [`ServeConfig::from_file`] and [`Router::load`].
    pub fn load(artifact: &Path, config: &Path, registry: &Registry) -> Result<Self> {
        let (config, source) = ServeConfig::from_file(config)?;
        let candidate = config.candidate.as_ref().map(|candidate| Router::load(&candidate.router, registry));
        let candidate = candidate.transpose().map_err(|error| error.context("candidate"))?;
        Ok(Self { router: Router::load(artifact, registry)?, candidate, config, source: Some(source) })
    }

    async fn live(self) -> Result<Live> {
        let Self { router, candidate, config, source } = self;
        Live::new(router, candidate, config).await.map_err(|error| match (&source, error.field()) {
            (Some(source), Some(_)) => source.locate(error),
            _ => error,
        })
    }
}

/// Brings what a gateway is made of anew.
pub type Loader = Arc<dyn Fn() -> Result<Setup> + Send + Sync>;

/// What came of a reload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// The fingerprint of the router that decides now.
    pub router: String,
    /// The sections of the configuration that are new and need a restart to take effect.
    pub needs_restart: Vec<&'static str>,
}

/// A gateway, before it listens.
pub struct Gateway {
    live: RwLock<Arc<Live>>,
    /// What it worked with before the last reload.
    previous: Mutex<Option<Arc<Live>>>,
    loader: Option<Loader>,
    /// Held by a reload that is under way.
    reloading: tokio::sync::Mutex<()>,
    pub(crate) server: ServerConfig,
    records: Option<RecordsConfig>,
    /// Conversations that are remembered.
    remembered: usize,
    pub(crate) gate: Gate,
    pub(crate) ledger: Ledger,
    pub(crate) conversations: Conversations,
    is_draining: AtomicBool,
}

impl Gateway {
    /// A gateway of `router` and the upstreams of `config`. Reads the keys, and measures what a decision costs.
    ///
    /// # Errors
    /// [`router_core::ErrorKind::Config`] for models that the router does not know; [`router_core::ErrorKind::Usage`] for a key that
    /// is not where the configuration says; [`router_core::ErrorKind::Io`];
    /// what the store of the records reports.
    pub async fn new(router: Router, config: ServeConfig) -> Result<Self> {
        Self::of(Setup { router, candidate: None, config, source: None }).await
    }

    /// A gateway of what `loader` brings, now and at every [`reload`](Self::reload).
    ///
    /// # Errors
    /// What `loader` reports; as [`new`](Self::new).
    pub async fn reloadable(loader: Loader) -> Result<Self> {
        Ok(Self { loader: Some(Arc::clone(&loader)), ..Self::of(loader()?).await? })
    }

    /// A gateway of `setup`.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub async fn of(setup: Setup) -> Result<Self> {
        // Measuring a decision makes a large future, which is no caller's to carry.
        Box::pin(Self::build(setup)).await
    }

    async fn build(setup: Setup) -> Result<Self> {
        let config = setup.config.clone();
        let (server, records) = (config.server.clone(), config.records.clone());
        let metrics = Arc::new(Metrics::new());
        let (recorder, charged) = match &config.records {
            Some(records) => {
                let (recorder, charged) = Recorder::start(records, &metrics, midnight()).await?;
                (Some(recorder), charged)
            }
            None => (None, HashMap::new()),
        };
        if recorder.is_none() && config.clients.iter().any(|client| client.daily_budget_usd.is_some()) {
            tracing::warn!("without [records] a restart forgets what clients spent today");
        }
        let conversations = Conversations::new(config.conversations.remembered);
        let live = setup.live().await?;
        if let Some(recorder) = &recorder {
            recorder.models(live.models()).await;
        }
        Ok(Self {
            live: RwLock::new(Arc::new(live)),
            previous: Mutex::new(None),
            loader: None,
            reloading: tokio::sync::Mutex::new(()),
            gate: Gate::new(server.concurrency, server.queue, seconds(server.queue_seconds)),
            ledger: Ledger { metrics, recorder, spending: Arc::new(Spending::new(charged)), overview: Arc::default() },
            conversations,
            server,
            records,
            remembered: config.conversations.remembered,
            is_draining: AtomicBool::new(false),
        })
    }

    /// Loads router and configuration anew, and works with them from now on. They are validated first: keys are there, names go together, a
    /// decision is made. Requests that are under way go on with what they began with. Of `[server]` and `[records]` what is new needs a restart.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if this gateway cannot load; what is wrong with the new ones, and then nothing has changed.
    pub async fn reload(&self) -> Result<Reloaded> {
        let _alone = self.reloading.lock().await;
        let Some(loader) = self.loader.clone() else {
            return Err(Error::new(ErrorKind::Unsupported, "this gateway was not told where to load from"));
        };
        let new = match tokio::task::spawn_blocking(move || loader()).await {
            Ok(Ok(setup)) => setup.live().await,
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::new(ErrorKind::Internal, "loading failed")),
        };
        let new = new.inspect_err(|error| tracing::error!(%error, "nothing was reloaded"))?;
        Ok(self.replace(Arc::new(new)).await)
    }

    /// Works again with what it worked with before the last reload; a second time takes that back.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if nothing was reloaded.
    pub async fn roll_back(&self) -> Result<Reloaded> {
        let _alone = self.reloading.lock().await;
        let previous = self.previous.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match previous {
            Some(previous) => Ok(self.replace(previous).await),
            None => Err(Error::new(ErrorKind::Usage, "nothing was reloaded that could be taken back")),
        }
    }

    async fn replace(&self, new: Arc<Live>) -> Reloaded {
        let old = std::mem::replace(&mut *self.live.write().unwrap_or_else(PoisonError::into_inner), Arc::clone(&new));
        *self.previous.lock().unwrap_or_else(PoisonError::into_inner) = Some(old);
        if let Some(recorder) = &self.ledger.recorder {
            recorder.models(new.models()).await;
        }
        let mut needs_restart = Vec::new();
        if new.config.server != self.server {
            needs_restart.push("server");
        }
        if new.config.conversations.remembered != self.remembered {
            needs_restart.push("conversations.remembered");
        }
        if new.config.records != self.records {
            needs_restart.push("records");
        }
        let router = new.fingerprint().to_owned();
        tracing::info!(router, needs_restart = needs_restart.join(", "), "reloaded");
        Reloaded { router, needs_restart }
    }

    /// What it works with now. A request keeps to what it began with.
    pub(crate) fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether it takes no further requests on.
    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }

    pub(crate) fn drain(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    /// Lets the other router decide beside, without anybody waiting for it, and records what it would have asked.
    pub(crate) fn shadow(&self, live: &Arc<Live>, which: Which, request: Request, decision: Uuid) {
        let Some(recorder) = self.ledger.recorder.clone() else { return };
        let live = Arc::clone(live);
        tokio::spawn(async move {
            let routed = live.routed(which);
            let request = Request { constraints: routed.known(request.constraints), ..request };
            // Where it is too busy, or fails, nothing is said of this request.
            let Ok(mut decided) = routed.decider.decide(vec![request.into()], false).await else { return };
            let model = decided.pop().and_then(|decided| decided.decision.model());
            if let Some(model) = model {
                let model = routed.router().models().name(model).to_owned();
                recorder.shadow(decision, Shadow { router: routed.fingerprint.clone(), model });
            }
        });
    }

    /// Decides `requests`, whose constraints were checked.
    ///
    /// # Errors
    /// 503 if too many wait for a decision; 500 if the router fails, which is logged.
    pub(crate) async fn decide(
        &self,
        routed: &Routed,
        requests: Vec<Asked>,
        explain: bool,
    ) -> std::result::Result<Vec<Decided>, Refusal> {
        routed.decider.decide(requests, explain).await.map_err(|undecided| match undecided {
            Undecided::Busy => Refusal::busy("too many requests wait for a decision"),
            Undecided::Failed(error) => {
                tracing::error!(%error, "no decision");
                Refusal::internal()
            }
        })
    }
}
