//! Records: what became of every decision, kept in SQLite or PostgreSQL.
//!
//! - [`Address`]: where they are
//! - [`Record`], [`Feedback`]: what is kept
//! - [`Records`]: written and read, one schema for both databases (`schema`, `connection`)
//! - `recorder`: the queue and the thread that writes, off the path of requests
//! - [`import`]: recorded decisions as a data set; [`Traffic`]: as calls whose policy can be evaluated
//!
//! A prompt's text is kept only where the configuration asks for it, an embedding never, and no key of anybody.

mod address;
mod connection;
mod feedback;
mod import;
mod postgres;
mod record;
mod recorder;
mod schema;
mod sqlite;
mod store;
mod traffic;

pub use address::Address;
pub use feedback::Feedback;
pub use import::import;
pub use record::{Attempt, Record, now_milliseconds};
pub use store::{Recorded, Records, Shadow};
pub use traffic::Traffic;

pub(crate) use recorder::{Fate, Recorder};
