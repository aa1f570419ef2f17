//! The gateway: an OpenAI-compatible endpoint that asks, for every request, the model that a router names.
//!
//! Thin on purpose: it reads requests, lets [`router_core::Router`] decide, and passes answers on. The library, `router route` and
//! the gateway give the same decision for the same request.
//!
//! - [`config`]: upstreams, models, pools, limits, in TOML
//! - `decide`: a request as the router's query; decisions on threads of their own where the encoder is slow
//! - `upstream`: client, circuit breaker and bounded queue of each upstream
//! - `plan`: which models are asked in which order, and what they are sent
//! - `dispatch`: the chosen model, then the fallback, until one answers
//! - `stream`: answers passed through, event by event
//! - `admission`: whose a request is, and its place among those under way
//! - `http`: the surface, a file each
//! - `ext_proc`, with the feature `ext-proc`: the same decisions for an Envoy that sends the requests itself
//! - `live`: what the gateway works with at one time; `routed`: a router that decides here; `gateway`: what all requests share
//! - `clients`: keys and budgets; `conversations`: which model answered last
//! - `account`, `metrics`, `overview` (what the dashboard shows): what became of each request
//! - [`records`]: the same, kept in SQLite or PostgreSQL
//! - `trace`: spans of the same, for OpenTelemetry or whatever else listens to [`tracing`]
//!
//! ```no_run
//! # async fn example(router: router_core::Router) -> router_core::Result<()> {
//! use router_serve::{Gateway, ServeConfig, Server};
//! let gateway = Gateway::new(router, ServeConfig::from_file("serve.toml")?.0).await?;
//! let server = Server::bind(gateway, "127.0.0.1:8080").await?;
//! server.run(std::future::pending()).await;
//! # Ok(())
//! # }
//! ```

pub mod config;

mod account;
mod admission;
mod clients;
mod clock;
mod conversations;
mod decide;
mod dispatch;
mod error;
#[cfg(feature = "ext-proc")]
mod ext_proc;
mod gateway;
mod headers;
mod http;
mod live;
mod metrics;
mod overview;
mod plan;
pub mod records;
mod routed;
mod server;
mod stream;
mod trace;
mod upstream;

pub use config::ServeConfig;
pub use gateway::{Gateway, Loader, Reloaded, Setup};
pub use server::Server;
