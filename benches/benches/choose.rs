//! Choosing: estimates to decisions, for every registered plugin.

fn main() {
    router_benches::suite::main(router_benches::suite::builtin::<router_core::PolicyRole>);
}
