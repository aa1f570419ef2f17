//! Listening: connections of clients, and the end of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use router_core::{Error, ErrorKind, Result};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};

use crate::clock::seconds;
use crate::gateway::Gateway;
use crate::http::routes;

/// Most bytes of a request's head.
const HEAD_BYTES: usize = 64 << 10;

/// How long to wait before accepting again when the system has no room for a connection.
const NO_ROOM: Duration = Duration::from_millis(50);

/// How long the records may take to be written at the end.
const FLUSH: Duration = Duration::from_secs(10);

/// What is served beside HTTP, at an address of its own.
#[cfg_attr(not(feature = "ext-proc"), expect(dead_code, reason = "nothing is served beside without a feature"))]
pub(crate) struct Beside {
    pub(crate) address: SocketAddr,
    /// Serves until it is told to stop, and ends when what is under way has.
    pub(crate) run: Box<dyn FnOnce(oneshot::Receiver<()>) -> BoxFuture<'static, ()> + Send>,
}

/// A gateway that listens.
pub struct Server {
    gateway: Arc<Gateway>,
    listener: TcpListener,
    pub(crate) beside: Option<Beside>,
}

/// Listens at `address`.
///
/// # Errors
/// [`ErrorKind::Usage`] if that cannot be listened at.
pub(crate) async fn listen(address: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|source| {
        Error::new(ErrorKind::Usage, format!("cannot listen at {address}: {source}"))
            .help("127.0.0.1:8080")
            .caused_by(source)
    })
}

/// Where `listener` listens.
///
/// # Errors
/// [`ErrorKind::Internal`] if the system does not say.
pub(crate) fn address_of(listener: &TcpListener) -> Result<SocketAddr> {
    listener
        .local_addr()
        .map_err(|source| Error::new(ErrorKind::Internal, "the address is not known").caused_by(source))
}

impl Server {
    /// Listens at `address`, `127.0.0.1:8080`; port 0 is any free one.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if that cannot be listened at.
    pub async fn bind(gateway: Gateway, address: &str) -> Result<Self> {
        Ok(Self { gateway: Arc::new(gateway), listener: listen(address).await?, beside: None })
    }

    /// The gateway that it serves.
    pub fn gateway(&self) -> Arc<Gateway> {
        Arc::clone(&self.gateway)
    }

    /// Where it listens.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] if the system does not say.
    pub fn address(&self) -> Result<SocketAddr> {
        address_of(&self.listener)
    }

    /// Serves until `stop` is done. Then no connection is accepted any more, and answers under way may end within the time that the
    /// configuration gives them.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Self { gateway, listener, beside } = self;
        let (stop_beside, beside_stops) = oneshot::channel();
        let beside = beside.map(|beside| tokio::spawn((beside.run)(beside_stops)));
        let service = TowerToHyperService::new(routes(Arc::clone(&gateway)));
        let connections = Arc::new(Semaphore::new(gateway.server.connections));
        let graceful = GracefulShutdown::new();
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(seconds(gateway.server.request_seconds))
            .max_buf_size(HEAD_BYTES)
            .keep_alive(true);
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = async {
                let place = Arc::clone(&connections).acquire_owned().await;
                (listener.accept().await, place)
            };
            let (accepted, place) = tokio::select! {
                accepted = accepted => accepted,
                () = &mut stop => break,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(NO_ROOM).await;
                    continue;
                }
            };
            // What is streamed goes out at once.
            let _ = stream.set_nodelay(true);
            let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service.clone()));
            tokio::spawn(async move {
                let _place = place;
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection ended");
                }
            });
        }
        drop(listener);
        drop(stop_beside);
        gateway.drain();
        tracing::info!(under_way = gateway.gate.inside(), "stopping");
        let all_end = async {
            graceful.shutdown().await;
            if let Some(beside) = beside {
                let _ = beside.await;
            }
        };
        if tokio::time::timeout(seconds(gateway.server.drain_seconds), all_end).await.is_err() {
            tracing::warn!(under_way = gateway.gate.inside(), "answers under way were cut off");
        }
        if let Some(recorder) = &gateway.ledger.recorder
            && !recorder.flush(FLUSH).await
        {
            tracing::warn!("records were not written in time");
        }
    }
}
