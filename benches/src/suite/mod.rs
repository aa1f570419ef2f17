//! The benches of every role, for any plugins of any registry.
//!
//! A crate of plugins benches them beside others of their role, on the same worlds, by one line in `benches/speed.rs`
//! (`harness = false`): [`benches!`](crate::benches). The targets of this crate do the same over every registered plugin.
//!
//! A bench is named `estimate/moe/n=1000,d=128,m=10,t=10`: what is measured, the plugin, the size of the world. Sizes vary one number at a time,
//! so that `router bench-report` can tell how time grows with each. Beside its time, each writes how good the plugin is at that size
//! ([`sidecar`]), so that nothing is bought by being wrong. Fits run only for benches that the filter of the command line admits.

mod aggregate;
mod choose;
mod classify;
mod discover;
mod embed;
mod estimate;
pub mod sidecar;
mod split;

use std::cell::OnceCell;

use criterion::{Bencher, BenchmarkId, Criterion, Throughput};
use router_core::Registry;
use router_core::registry::Shelved;
use serde_json::{Value, json};

use crate::Size;

/// A plugin that is benched, with its parameters.
#[derive(Debug, Clone)]
pub struct Plugin {
    /// Its name in the registry.
    pub name: &'static str,
    /// Its parameters as a JSON object; what is left out has its default.
    pub parameters: Value,
}

impl Plugin {
    /// The plugin `name` with its defaults.
    pub fn named(name: &'static str) -> Self {
        Self { name, parameters: json!({}) }
    }
}

/// A role whose plugins can be benched.
pub trait Suite: Shelved {
    /// Adds the benches of `plugins` of `registry` to `criterion`.
    fn bench(criterion: &mut Criterion, registry: &Registry, plugins: &[Plugin]);
}

/// The smallest size, to which one number at a time is raised.
const BASE: Size = Size { n: 1_000, d: 128, m: 10, tasks: 10 };

/// The sizes that benches run on: [`BASE`], then larger n, d, m and tasks. A single tiny one where criterion only tests that benches run.
pub(crate) fn sizes() -> Vec<Size> {
    if only_tested() {
        return vec![Size { n: 60, d: 16, m: 4, tasks: 3 }];
    }
    let n = [2_000, 4_000].map(|n| Size { n, ..BASE });
    let d = [256, 512].map(|d| Size { d, ..BASE });
    let m = [30, 100].map(|m| Size { m, ..BASE });
    let tasks = [30, 100].map(|tasks| Size { tasks, ..BASE });
    [BASE].into_iter().chain(n).chain(d).chain(m).chain(tasks).collect()
}

/// Whether criterion runs every bench once, and measures nothing: `cargo bench -- --test` and `cargo test --benches`.
pub fn only_tested() -> bool {
    let given = |name: &str| std::env::args().any(|argument| argument == name);
    given("--test") || !given("--bench")
}

/// How good a plugin is: what was measured, in words, and the number; more is better.
pub(crate) type Quality = (&'static str, f64);

/// One bench: its group, the plugin and the size, and how many prompts a call handles.
pub(crate) struct Bench<'a> {
    pub(crate) group: &'static str,
    pub(crate) plugin: &'a Plugin,
    pub(crate) size: Size,
    /// Prompts handled by a call, for the throughput.
    pub(crate) prompts: usize,
    /// Whether a call takes so long that ten samples have to do.
    pub(crate) slow: bool,
}

impl Bench<'_> {
    /// Runs it: `prepare` is called once, if the bench runs at all, `quality` on what it gives, and `call` is measured.
    pub(crate) fn run<T>(
        &self,
        criterion: &mut Criterion,
        prepare: impl Fn() -> T,
        quality: impl Fn(&T) -> Option<Quality>,
        call: impl Fn(&mut Bencher<'_>, &T),
    ) {
        let mut group = criterion.benchmark_group(self.group);
        if self.slow {
            group.sample_size(10);
        }
        group.throughput(Throughput::Elements(self.prompts as u64));
        let prepared = OnceCell::new();
        group.bench_function(BenchmarkId::new(self.plugin.name, self.size), |bencher| {
            let prepared = prepared.get_or_init(|| {
                let prepared = prepare();
                if !only_tested()
                    && let Some((measure, value)) = quality(&prepared)
                {
                    sidecar::write(self.group, self.plugin.name, &self.size.to_string(), measure, value);
                }
                prepared
            });
            call(bencher, prepared);
        });
        group.finish();
    }
}

/// What a bench target runs: criterion with the options of the command line.
pub fn main(bench: impl FnOnce(&mut Criterion)) {
    let mut criterion = Criterion::default().configure_from_args();
    bench(&mut criterion);
    criterion.final_summary();
}

/// Benches every plugin of role `R` of the built-in registry that runs by itself.
pub fn builtin<R: Suite>(criterion: &mut Criterion) {
    let registry = crate::registry();
    let plugins: Vec<Plugin> = crate::names(&registry, R::NAME).into_iter().map(Plugin::named).collect();
    R::bench(criterion, &registry, &plugins);
}

/// The `main` of a bench target for a plugin of one's own: `router_benches::benches!(EstimatorRole, MyConfig);`, with parameters
/// `benches!(EstimatorRole, MyConfig, parameters = serde_json::json!({ "k": 5 }));`, and beside built-in plugins of the role on the same
/// worlds `benches!(EstimatorRole, MyConfig, beside = ["neighbors", "moe"]);`.
#[macro_export]
macro_rules! benches {
    ($role:ty, $config:ty) => {
        $crate::benches!($role, $config, beside = []);
    };
    ($role:ty, $config:ty, beside = [$($beside:literal),* $(,)?]) => {
        $crate::benches!($role, $config, parameters = $crate::__private::no_parameters(), beside = [$($beside),*]);
    };
    ($role:ty, $config:ty, parameters = $parameters:expr) => {
        $crate::benches!($role, $config, parameters = $parameters, beside = []);
    };
    ($role:ty, $config:ty, parameters = $parameters:expr, beside = [$($beside:literal),* $(,)?]) => {
        fn main() {
            $crate::suite::main(|criterion| {
                let mut registry = $crate::registry();
                $crate::__private::register::<$role, $config>(&mut registry, env!("CARGO_PKG_NAME"));
                let own = $crate::suite::Plugin { name: <$config as $crate::__private::PluginConfig>::NAME, parameters: $parameters };
                let mut plugins = vec![own];
                plugins.extend([$($beside),*].map(|name: &'static str| $crate::suite::Plugin::named(name)));
                <$role as $crate::suite::Suite>::bench(criterion, &registry, &plugins);
            });
        }
    };
}

#[doc(hidden)]
pub mod private {
    //! What [`benches!`](crate::benches) says by name.

    pub use router_core::PluginConfig;
    use router_core::Registry;
    use router_core::registry::{Registrable, Shelved};
    use serde_json::{Value, json};

    pub fn no_parameters() -> Value {
        json!({})
    }

    pub fn register<R: Shelved, C: Registrable<R>>(registry: &mut Registry, origin: &'static str) {
        registry.register::<R, C>(origin).expect("a name that no built-in plugin has");
    }
}
