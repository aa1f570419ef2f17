//! Asking a web service: what embedders behind an HTTP endpoint share.
//!
//! A [`Client`] posts JSON to one address on worker threads of its own, a bounded number of requests at once, and an async caller
//! awaits the answers without being blocked and without a runtime. It tries again what may succeed later (no connection, a cut
//! answer, 408, 429, 5xx), waiting longer every time and as long as the server asks; it bounds what it reads; and its [`ApiKey`]
//! comes from the environment and appears in no message.

mod client;
mod key;
mod retry;

pub use client::{Client, ClientOptions};
pub use key::ApiKey;

#[cfg(test)]
mod tests;
