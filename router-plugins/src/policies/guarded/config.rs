//! Parameters of the `guarded` policy.

use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ranges::out_of_range;

/// Parameters of the `guarded` policy; see the [module](super).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GuardedConfig {
    /// Quality given up for a US dollar saved, as in `utility`. Default 0: the best expected quality whatever it costs.
    #[schemars(range(min = 0.0, max = 1.0e12))]
    pub lambda: f64,
    /// The probability with which a router that gains nothing over the best single model may leave it all the same. Default 0.05;
    /// 1 leaves it unguarded, as `utility`; 0 always answers the best single model.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub level: f64,
}

impl Default for GuardedConfig {
    fn default() -> Self {
        Self { lambda: 0.0, level: 0.05 }
    }
}

impl PluginConfig for GuardedConfig {
    const NAME: &'static str = "guarded";
    const SUMMARY: &'static str = "The highest utility, but the best single model where no gain over it is shown";
    const SOURCE: &'static str =
        "Angelopoulos et al., Learn then Test, arXiv 2110.01052; Annals of Applied Statistics 19 (2025)";
    const COST: &'static str = "fit a cross-fit and O(n (m + log n + thresholds)); O(m log m) a prompt";
    const EXAMPLE: &'static str = "lambda = 0.5\nlevel = 0.1\n";
}

impl GuardedConfig {
    /// # Errors
    /// [`ErrorKind::Config`] for a lambda that is negative or not finite, or a level outside [0, 1].
    pub(super) fn check(&self) -> Result<()> {
        if !self.lambda.is_finite() || self.lambda < 0.0 {
            return out_of_range("lambda", &self.lambda, "a finite number, at least 0");
        }
        if !(0.0..=1.0).contains(&self.level) {
            return out_of_range("level", &self.level, "at least 0 and at most 1");
        }
        Ok(())
    }
}
