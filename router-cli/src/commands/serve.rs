//! `router serve`: the gateway.

use std::sync::Arc;

use router_core::{Error, ErrorKind, Registry, Result};
use router_serve::{Gateway, Loader, Server, Setup};
use serde_json::json;
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
        let mut document = serde_json::Map::from_iter([("listening".to_owned(), json!(url))]);
        let mut lines = vec![format!("listening on {url}")];
        #[cfg(feature = "ext-proc")]
        let server = match &arguments.ext_proc {
            None => server,
            Some(address) => {
                let server = server.with_ext_proc(address).await?;
                let address = server.ext_proc_address().map(|address| address.to_string()).unwrap_or_default();
                lines.push(format!("external processing for Envoy on {address}"));
                document.insert("ext_proc".to_owned(), address.into());
                server
            }
        };
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
