//! How fast the plugin is, and how good, beside others of its role on the same worlds. `cargo bench` runs it.

router_benches::benches!(
    {{role_type}},
    my_idea::MyIdeaConfig,
    beside = [{{rivals}}]
);
