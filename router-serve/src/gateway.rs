//! What all requests share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use router_core::{Request, Result, Router};

use crate::clock::seconds;
use crate::config::{ServeConfig, ServerConfig};
use crate::decide::{Decided, Undecided};
use crate::error::Refusal;
use crate::live::Live;
use crate::metrics::Metrics;
use crate::upstream::Gate;

/// A gateway, before it listens.
pub struct Gateway {
    live: RwLock<Arc<Live>>,
    pub(crate) server: ServerConfig,
    pub(crate) gate: Gate,
    pub(crate) metrics: Arc<Metrics>,
    is_draining: AtomicBool,
}

impl Gateway {
    /// A gateway of `router` and the upstreams of `config`. Reads the keys, and measures what a decision costs.
    ///
    /// # Errors
    /// [`router_core::ErrorKind::Config`] for models that the router does not know; [`router_core::ErrorKind::Usage`] for a key that
    /// is not where the configuration says; [`router_core::ErrorKind::Io`].
    pub async fn new(router: Router, config: ServeConfig) -> Result<Self> {
        let server = config.server.clone();
        let live = Live::new(router, config).await?;
        Ok(Self {
            live: RwLock::new(Arc::new(live)),
            gate: Gate::new(server.concurrency, server.queue, seconds(server.queue_seconds)),
            metrics: Arc::new(Metrics::new()),
            server,
            is_draining: AtomicBool::new(false),
        })
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

    /// Decides `requests`, whose constraints were checked.
    ///
    /// # Errors
    /// 503 if too many wait for a decision; 500 if the router fails, which is logged.
    pub(crate) async fn decide(
        &self,
        live: &Live,
        requests: Vec<Request>,
        explain: bool,
    ) -> std::result::Result<Vec<Decided>, Refusal> {
        live.decider.decide(requests, explain).await.map_err(|undecided| match undecided {
            Undecided::Busy => Refusal::busy("too many requests wait for a decision"),
            Undecided::Failed(error) => {
                tracing::error!(%error, "no decision");
                Refusal::internal()
            }
        })
    }
}
