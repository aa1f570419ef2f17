//! The services that models are asked at: a client with its key, a circuit breaker and a bounded queue each.

mod breaker;
mod client;
mod failure;
mod gate;
pub(crate) mod tls;

use router_core::{Error, Result};
use router_plugins::http::ApiKey;

pub(crate) use breaker::{Breaker, CircuitState, Pass};
pub(crate) use client::{API_KEY, Client, reason};
pub(crate) use failure::{Failure, is_of_client};
pub(crate) use gate::{Gate, Permit};

use crate::clock::seconds;
use crate::config::UpstreamConfig;

/// An upstream that can be asked.
pub(crate) struct Upstream {
    pub(crate) config: UpstreamConfig,
    pub(crate) client: Client,
    pub(crate) breaker: Breaker,
    pub(crate) gate: Gate,
}

impl Upstream {
    /// Takes the key from where `config` says it is, and connects only when asked.
    ///
    /// # Errors
    /// [`router_core::ErrorKind::Usage`] without the key that the configuration speaks of; [`router_core::ErrorKind::Config`] for an
    /// address or certificates that are none.
    pub(crate) fn new(config: UpstreamConfig) -> Result<Self> {
        let of_upstream = |error: Error| error.context(format_args!("upstream `{}`", config.name));
        let key = match (&config.key_environment, &config.key_file) {
            (Some(variable), _) => Some(ApiKey::from_environment(variable).map_err(of_upstream)?),
            (None, Some(path)) => Some(ApiKey::from_file(path).map_err(of_upstream)?),
            (None, None) => None,
        };
        let client = Client::new(&config, key).map_err(of_upstream)?;
        let breaker = Breaker::new(config.breaker.failures, seconds(config.breaker.open_seconds));
        let gate = Gate::new(config.concurrency, config.queue, seconds(config.queue_seconds));
        Ok(Self { config, client, breaker, gate })
    }
}
