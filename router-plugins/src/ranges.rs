//! Parameters out of their range: what a configuration that is built in code may get wrong. One that is read from a file is checked by its schema.

use std::fmt::Display;

use router_core::{Error, ErrorKind, Result};

/// The error that `value` of `field` is none of those `allowed`.
///
/// # Errors
/// That, always: [`ErrorKind::Config`].
pub(crate) fn out_of_range<T>(field: &str, value: &dyn Display, allowed: &str) -> Result<T> {
    Err(Error::new(ErrorKind::Config, format!("{value} is out of range"))
        .at_field(field)
        .help(format!("allowed: {allowed}")))
}
