//! Evaluations.

use std::sync::Arc;

use router_core::{Dataset, Error, ErrorKind, FitContext, Registry, Result, Router};

use crate::evaluation::Evaluation;
use crate::options::{NamedConfig, Options};
use crate::references::References;

/// Fits every configuration on `train` and evaluates it on `test`.
pub fn train_test(
    configs: &[NamedConfig],
    registry: &Registry,
    train: &Arc<Dataset>,
    test: &[Arc<Dataset>],
    options: &Options,
    cx: &FitContext,
) -> Result<Evaluation> {
    let _ = (configs, registry, train, test, cx);
    options.check()?;
    Err(Error::new(ErrorKind::Unsupported, "not yet"))
}

/// Evaluates a fitted router on `test`.
pub fn artifact(
    router: &Router,
    references: &References,
    test: &[Arc<Dataset>],
    options: &Options,
) -> Result<Evaluation> {
    let _ = (router, references, test);
    options.check()?;
    Err(Error::new(ErrorKind::Unsupported, "not yet"))
}

/// Cross-validates every configuration on each of `data`.
pub fn cross_validate(
    configs: &[NamedConfig],
    registry: &Registry,
    data: &[Arc<Dataset>],
    folds: usize,
    options: &Options,
    cx: &FitContext,
) -> Result<Evaluation> {
    let _ = (configs, registry, data, folds, cx);
    options.check()?;
    Err(Error::new(ErrorKind::Unsupported, "not yet"))
}
