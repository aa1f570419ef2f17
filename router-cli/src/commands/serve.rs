//! `router serve`: the gateway.

use std::collections::BTreeMap;
use std::sync::Arc;

use router_core::{Error, ErrorKind, Registry, Result};
use router_serve::{Gateway, Loader, Server, Setup};
use tokio::signal::unix::{SignalKind, signal};

use super::Session;
use crate::arguments::Serve;
use crate::logging;

pub(super) fn run(arguments: &Serve, session: &mut Session) -> Result<()> {
    let _logging = logging::start(session.output.is_quiet())?;
    let (artifact, config) = (arguments.router.clone(), arguments.config.clone());
    let loader: Loader = Arc::new(move || Setup::load(&artifact, &config, &Registry::collected()?));
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
        let mut hung_up = watch(SignalKind::hangup())?;
        let gateway = Gateway::reloadable(loader).await?;
        let server = Server::bind(gateway, &arguments.listen).await?;
        let url = format!("http://{}", server.address()?);
        let mut document = BTreeMap::from([("listening", url.clone())]);
        let mut lines = vec![format!("listening on {url}")];
        let (server, envoy) = beside(server, arguments).await?;
        if let Some(address) = envoy {
            lines.push(format!("external processing for Envoy on {address}"));
            document.insert("ext_proc", address);
        }
        session.output.document(&document)?;
        for line in lines {
            session.output.line(format_args!("{line}"))?;
        }
        session.output.flush()?;
        let gateway = server.gateway();
        tokio::spawn(async move {
            while hung_up.recv().await.is_some() {
                // What came of it is logged.
                let _ = gateway.reload().await;
            }
        });
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

/// `server`, with what it serves Envoy if that is asked for, and where.
#[cfg(feature = "ext-proc")]
async fn beside(server: Server, arguments: &Serve) -> Result<(Server, Option<String>)> {
    let Some(address) = &arguments.ext_proc else { return Ok((server, None)) };
    let server = server.with_ext_proc(address).await?;
    let address = server.ext_proc_address().map(|address| address.to_string());
    Ok((server, address))
}

#[cfg(not(feature = "ext-proc"))]
#[expect(clippy::unused_async, reason = "a feature waits")]
async fn beside(server: Server, _: &Serve) -> Result<(Server, Option<String>)> {
    Ok((server, None))
}
