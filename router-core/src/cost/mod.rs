//! What a call costs: measured where it was, estimated from price and tokens where it was not.

mod call;
mod model;
mod output_length;

pub use call::{CostKind, call_cost};
pub use model::CostModel;
pub(crate) use output_length::{FittedLength, LengthCalibration, OutputLength, SLOT as OUTPUT_LENGTH_SLOT};
