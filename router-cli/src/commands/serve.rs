//! `router serve`: the gateway.

use router_core::{Error, ErrorKind, Result, Router};
use router_serve::{Gateway, ServeConfig, Server};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::Session;
use crate::arguments::Serve;
use crate::logging;

pub(super) fn run(arguments: &Serve, session: &mut Session) -> Result<()> {
    logging::start(session.output.is_quiet());
    let (config, source) = ServeConfig::from_file(&arguments.config)?;
    let router = Router::load(&arguments.router, &session.registry)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::new(ErrorKind::Internal, "cannot start the runtime").caused_by(source))?;
    runtime.block_on(async {
        // Before it listens: who sees the address may already send the signal.
        let watch = |kind| {
            signal(kind).map_err(|source| Error::new(ErrorKind::Internal, "cannot watch for signals").caused_by(source))
        };
        let (mut interrupted, mut terminated) = (watch(SignalKind::interrupt())?, watch(SignalKind::terminate())?);
        let gateway = Gateway::new(router, config).await.map_err(|error| match error.field() {
            Some(_) => source.locate(error),
            None => error,
        })?;
        let server = Server::bind(gateway, &arguments.listen).await?;
        let url = format!("http://{}", server.address()?);
        session.output.document(&json!({ "listening": url }))?;
        session.output.line(format_args!("listening on {url}"))?;
        session.output.flush()?;
        let stop = async {
            tokio::select! {
                _ = interrupted.recv() => {}
                _ = terminated.recv() => {}
            }
        };
        server.run(stop).await;
        Ok(())
    })
}
