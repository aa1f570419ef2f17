//! Utility routing behind a guard: the best single model is left only where that has been shown to pay.
//!
//! On narrow pools routers lose to the best single model: the differences between models that they expect are smaller than the
//! errors of the estimates, and the largest of many estimates is an optimistic one. This policy routes by quality - lambda * cost
//! as `utility` does, but a prompt leaves the *best single model* (of the highest mean utility in training) only if the expected
//! gain over it reaches a threshold; and whether there is such a threshold at all is decided by a test of the whole policy.
//!
//! # The test
//!
//! Every threshold t of a grid (0, and quantiles of the expected gains of the training prompts that would leave) makes a policy.
//! Its realized gain over the best single model b on prompt i is, with r the model of the highest expected utility and g = û_r - û_b its
//! expected gain,
//!
//! ```text
//! D_i(t) = 1[g_i >= t] * (u_i,r - u_i,b)        u = quality - lambda * cost of the outcome, û = the same as expected
//! ```
//!
//! where all estimates are cross-fitted: they come from parts that had not seen prompt i. H_t: E D(t) <= 0 is tested one-sided at
//! level `level`, the standard error clustered by groups of near duplicates. That is Learn then Test (Angelopoulos, Bates, Candès,
//! Jordan and Lei, arXiv 2110.01052; Annals of Applied Statistics 19, 2025) with the mean loss against the best single model as the
//! risk: with probability 1 - `level` no threshold that passes has an expected loss, whichever of them is then chosen.
//!
//! - **Several thresholds** are tested in a fixed sequence (section 2.3 there): the unguarded policy, t = 0, comes first, then rising
//!   thresholds while they pass, each at the full level, because the first that fails ends the sequence. Compared on
//!   cross-validated estimates of real outcomes with a bootstrapped maximum of the statistics (Romano and Wolf, Econometrica 73, 2005), with
//!   level shared between both, and with a sequence that starts where the estimates expect the largest statistic, this one kept
//!   most of the gain where there was one: among calibrated estimates the policy of t = 0 gains most, so the level is best spent there.
//! - **The choice among those that pass**: the lowest threshold whose mean gain is within one (paired) standard error of the highest;
//!   the highest itself chases noise, and gave up an eighth of the gain on one of four sets of real outcomes.
//! - **One prompt lost outright** is added to the data, as conformal risk control does (Angelopoulos et al., arXiv 2208.02814): the
//!   normal approximation says nothing of losses so rare that none was seen, as when many prompts save a cent and one in a
//!   thousand fails. At least 30 groups must leave and have outcomes at a threshold that passes.
//! - **The best single model is chosen on the same data**, and its mean there is too high by what it was chosen for. That makes
//!   D too low, never too high: for t = 0 and complete outcomes the mean gain over b is the smallest of those over all models, so that
//!   passing means to beat every one of them, as in an intersection-union test (Berger, Technometrics 24, 1982). Where several
//!   models are nearly best, the guard is therefore slow to open. Choosing b on other folds than it is compared on is no way out: between
//!   models that tie, it is then below average exactly where it is compared, and a router that always answers one of them would pass.
//! - **Missing cells and weights**: u_i,k is the doubly robust û + f * (u - û), f = 0 where the cell is missing, otherwise the outcome's
//!   weight over the mean weight of all n cells of the model (Dudík, Langford and Li, ICML 2011; Robins, Rotnitzky and Zhao, JASA 89,
//!   1994). With complete outcomes of equal weight it is u itself. It is unbiased if cells are missing at random, or the weights hold
//!   inverse propensities as those of a log do, whatever the estimates. Of a model of fewer than 30 outcomes nothing can be shown:
//!   no prompt leaves for it, and it is the best single model only where all have as few.
//! - Realized cost is the measured one where there is one, otherwise the expected one.
//!
//! # Decisions
//!
//! A request that does not admit the best single model is guarded against the best eligible one, by mean utility in training, with
//! the same threshold. After the chosen model the fallback names the other models that would have been left for, by falling utility, then
//! the remaining ones by their mean utility in training, the best single one first. Where no threshold passes, or the set was too small to
//! be cross-fitted, that is all of them. `level = 1` tests nothing and is `utility`.
//!
//! Fitting costs a cross-fit, then O(n (m + log n) + n * thresholds); a prompt O(m log m), without allocation once the decisions have been
//! used before. Choose it wherever losing to a constant choice would be worse than missing a gain too small to be shown.

mod config;
mod fit;
mod fitted;
#[cfg(test)]
mod tests;

pub use config::GuardedConfig;
pub use fit::Tested;
pub use fitted::{Guard, GuardedPolicy};
