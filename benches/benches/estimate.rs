//! Estimation: what quality to expect of every model; fitting apart, for every registered plugin.

fn main() {
    router_benches::suite::main(router_benches::suite::builtin::<router_core::EstimatorRole>);
}
