//! Conformance: what every plugin of a role must do, as functions that a third party can call.
//!
//! A [`Subject`] names a plugin in a registry; [`cases`] gives the cases of its role, each with a name and a function that
//! returns what went wrong. [`conformance!`](crate::conformance) makes one `#[test]` of a plugin; router-plugins runs every
//! case of every registered plugin as a test of its own name.
//!
//! The [`world`] module holds the minimal worlds that the cases run on, [`components`] a minimal plugin a role, so that any
//! one plugin can be put into a whole router.

mod aggregator;
mod case;
mod classifier;
pub mod components;
mod discoverer;
mod embedder;
mod estimator;
mod policy;
mod router;
mod shared;
pub mod world;

pub use case::{Case, Subject, Verdict, cases, check};

/// Makes a test that holds a plugin against every case of its role: `conformance!(EstimatorRole, MyConfig);`, or with cases
/// that do not apply, and why: `conformance!(EstimatorRole, MyConfig, except = ["better than the global mean"]);`.
///
/// A plugin that does not stand on its defaults alone, such as one that reads a model from disk, names what it needs:
/// `conformance!(EmbedderRole, MyConfig, parameters = serde_json::json!({ "model": "tests/fixtures/tiny" }), except = []);`.
#[macro_export]
macro_rules! conformance {
    ($role:ty, $config:ty) => {
        $crate::conformance!($role, $config, except = []);
    };
    ($role:ty, $config:ty, except = [$($except:literal),* $(,)?]) => {
        $crate::conformance!($role, $config, parameters = ::std::default::Default::default(), except = [$($except),*]);
    };
    ($role:ty, $config:ty, parameters = $parameters:expr, except = [$($except:literal),* $(,)?]) => {
        #[test]
        fn conformance() {
            let mut registry = $crate::Registry::new();
            registry.register::<$role, $config>(env!("CARGO_PKG_NAME")).expect("a free name");
            let failures = $crate::testkit::check(
                registry,
                <$role as $crate::registry::Role>::NAME,
                <$config as $crate::PluginConfig>::NAME,
                $parameters,
                &[$($except),*],
            );
            assert!(failures.is_empty(), "{}", failures.join("\n"));
        }
    };
}
