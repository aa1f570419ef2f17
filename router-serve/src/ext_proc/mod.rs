//! The decisions of the gateway for an Envoy that sends the requests itself: its external processing, the gRPC service
//! `envoy.service.ext_proc.v3.ExternalProcessor`.
//!
//! - `listen`: the service, and what it listens at
//! - `exchange`: a request and its answer, message by message
//! - `sent`: what an upstream is sent in place of what the client sent
//! - `answer`: what is read of an answer on its way
//! - `message`: Envoy's messages, read and made

mod answer;
mod exchange;
mod listen;
mod message;
mod sent;
