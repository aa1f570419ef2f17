//! What a command that runs for long says while it does: lines on stderr, and traces where there is somebody to take them.

use std::io;

use router_core::Result;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

#[cfg(feature = "opentelemetry")]
mod traces;

/// What is written down until it is dropped. What is still to be exported goes out then.
pub(crate) struct Logging {
    #[cfg(feature = "opentelemetry")]
    _traces: Option<traces::Traces>,
}

/// Writes what happens to stderr, a line each: from remarks on, or with `quiet` from warnings on. Exports traces where the environment
/// names a collector.
///
/// # Errors
/// [`router_core::ErrorKind::Usage`] for a collector that is none.
#[cfg_attr(not(feature = "opentelemetry"), expect(clippy::unnecessary_wraps, reason = "a feature can fail"))]
pub(crate) fn start(quiet: bool) -> Result<Logging> {
    let level = if quiet { LevelFilter::WARN } else { LevelFilter::INFO };
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(io::stderr).with_filter(level);
    let subscriber = tracing_subscriber::registry().with(lines);
    #[cfg(feature = "opentelemetry")]
    let (layer, traces) = traces::start()?;
    #[cfg(feature = "opentelemetry")]
    let subscriber = subscriber.with(layer);
    // Where a program has its own already, that one stays.
    let _ = subscriber.try_init();
    Ok(Logging {
        #[cfg(feature = "opentelemetry")]
        _traces: traces,
    })
}
