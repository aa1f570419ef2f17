//! The gRPC service, and what it listens at.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::service::ext_proc::v3::external_processor_server::{
    ExternalProcessor, ExternalProcessorServer,
};
use envoy_types::pb::envoy::service::ext_proc::v3::{ProcessingRequest, ProcessingResponse};
use futures_util::stream::{BoxStream, StreamExt as _, unfold};
use router_core::Result;
use tokio::sync::oneshot;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

use super::exchange::{Exchange, Reply};
use crate::gateway::Gateway;
use crate::server::{Beside, Server, address_of, listen};

/// What a message may hold beside a body: the rest of it, and so much of a body that is too long that it can be told so.
const BESIDE_BODY: usize = 1 << 20;

/// How often a connection on which nothing comes is asked whether anybody is there, so that an Envoy that is lost holds no places.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

impl Server {
    /// Serves Envoy's external processing too, at `address`, `127.0.0.1:9000`; port 0 is any free one. It stops with the server.
    ///
    /// # Errors
    /// [`router_core::ErrorKind::Usage`] if that cannot be listened at.
    pub async fn with_ext_proc(mut self, address: &str) -> Result<Self> {
        let listener = listen(address).await?;
        let address = address_of(&listener)?;
        let gateway = self.gateway();
        let run = Box::new(move |stop| {
            let run: futures_util::future::BoxFuture<'static, ()> =
                Box::pin(serve(gateway, TcpIncoming::from(listener).with_nodelay(Some(true)), stop));
            run
        });
        self.beside = Some(Beside { address, run });
        Ok(self)
    }

    /// Where it serves Envoy's external processing, if it does.
    pub fn ext_proc_address(&self) -> Option<SocketAddr> {
        self.beside.as_ref().map(|beside| beside.address)
    }
}

/// Serves until `stop`; then exchanges under way may end.
async fn serve(gateway: Arc<Gateway>, incoming: TcpIncoming, stop: oneshot::Receiver<()>) {
    let answers = gateway.live().upstreams().map(|upstream| upstream.config.answer_bytes).max().unwrap_or(0);
    let most = gateway.server.request_bytes.max(answers).saturating_add(BESIDE_BODY);
    let exchanges = u32::try_from(gateway.server.concurrency.saturating_add(gateway.server.queue)).ok();
    let service = ExternalProcessorServer::new(Service(gateway)).max_decoding_message_size(most);
    let served = tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .max_concurrent_streams(exchanges)
        .serve_with_incoming_shutdown(service, incoming, async {
            // One that is dropped stops it, too.
            let _ = stop.await;
        });
    if let Err(error) = served.await {
        tracing::error!(%error, "external processing has ended");
    }
}

/// Envoy's external processing by a gateway.
struct Service(Arc<Gateway>);

#[tonic::async_trait]
impl ExternalProcessor for Service {
    type ProcessStream = BoxStream<'static, std::result::Result<ProcessingResponse, Status>>;

    async fn process(
        &self,
        request: Request<Streaming<ProcessingRequest>>,
    ) -> std::result::Result<Response<Self::ProcessStream>, Status> {
        let talk = Some((request.into_inner(), Exchange::new(Arc::clone(&self.0))));
        let replies = unfold(talk, async |talk| {
            let (mut messages, mut exchange) = talk?;
            let message = match messages.message().await {
                Ok(Some(message)) => message,
                Ok(None) => {
                    exchange.end();
                    return None;
                }
                Err(status) => return Some((Err(status), None)),
            };
            match exchange.take(message).await {
                Ok(Reply::More(reply)) => Some((Ok(reply), Some((messages, exchange)))),
                Ok(Reply::Last(reply)) => Some((Ok(reply), None)),
                Err(status) => {
                    tracing::warn!(status = status.message(), "an exchange with Envoy was ended");
                    Some((Err(status), None))
                }
            }
        });
        Ok(Response::new(replies.boxed()))
    }
}
