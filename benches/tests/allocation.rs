//! A decision after the embedding asks for no memory once the buffers have grown.

use router_benches::Size;
use router_benches::decisions::{Deciding, ESTIMATORS};

#[test]
fn a_decision_allocates_nothing() {
    let size = Size { n: 300, d: 32, m: 6, tasks: 10 };
    // The search for neighbors builds its lists anew.
    for (name, estimator) in ESTIMATORS.into_iter().filter(|(name, _)| *name != "neighbors") {
        let mut deciding = Deciding::new(size, estimator);
        (0..300).for_each(|row| deciding.decide(row));
        let counted = allocation_counter::measure(|| (0..300).for_each(|row| deciding.decide(row)));
        assert_eq!(counted.count_total, 0, "{name}: {counted:?}");
    }
}

/// What the test above would miss if nothing were counted.
#[test]
fn the_counter_counts() {
    let counted = allocation_counter::measure(|| drop(std::hint::black_box(vec![0u8; 100])));
    assert_eq!(counted.count_total, 1);
}
