//! Holm's correction: many routers compared at once make one of them look good by chance.

/// Adjusted p-values that hold the chance of any false claim at the level, whatever the dependence (Holm, Scandinavian Journal of
/// Statistics 6, 1979): in rising order, `max over earlier of min(1, (k - rank) * p)` with the rank counted from 0. O(k log k).
///
/// ```
/// use router_eval::significance::holm;
/// // In order 0.01, 0.02, 0.03, 0.04: times 4, 3, 2, 1 gives 0.04, 0.06, 0.06, 0.04; never falling: 0.04, 0.06, 0.06, 0.06.
/// assert_eq!(holm(&[0.04, 0.01, 0.03, 0.02]), [0.06, 0.04, 0.06, 0.06]);
/// ```
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<(usize, f64)> = p_values.iter().copied().enumerate().collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut highest = 0.0f64;
    for (rank, (at, p)) in order.into_iter().enumerate() {
        highest = highest.max(((p_values.len() - rank) as f64 * p).min(1.0));
        if let Some(place) = adjusted.get_mut(at) {
            *place = highest;
        }
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_claim_is_not_corrected_and_none_goes_beyond_1() {
        assert_eq!(holm(&[0.03]), [0.03]);
        assert_eq!(holm(&[0.6, 0.7]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }
}
