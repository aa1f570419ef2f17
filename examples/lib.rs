//! The code of README.md and of the book, compiled and run as the tests of this crate's documentation.
//!
//! The examples themselves are the files beside this one.

/// Includes a page, so that its Rust becomes tests.
#[cfg(doctest)]
macro_rules! page {
    ($($name:ident: $file:literal;)*) => {
        $(
            #[doc = include_str!($file)]
            pub mod $name {}
        )*
    };
}

#[cfg(doctest)]
page! {
    readme: "../README.md";
    concepts: "../docs/concepts.md";
    discovery: "../docs/discovery.md";
    embedders: "../docs/embedders.md";
    embedding_cache: "../docs/embedding-cache.md";
    evaluation: "../docs/evaluation.md";
    experiments: "../docs/experiments.md";
    formats: "../docs/formats.md";
    guard: "../docs/guard.md";
    metrics: "../docs/metrics.md";
    onboarding: "../docs/onboarding.md";
    performance: "../docs/performance.md";
    plugins: "../docs/plugins.md";
    remote_embedders: "../docs/remote-embedders.md";
    routers: "../docs/routers.md";
    uncertainty: "../docs/uncertainty.md";
}

/// docs/tutorial.md. Its estimator begins with the crate's own documentation, which only a crate has.
#[cfg(doctest)]
#[doc = include_str!("../docs/tutorial.md")]
pub mod tutorial {}
