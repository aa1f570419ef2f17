//! Who may ask, and for how much a day.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A client that may ask, by its key. Where the configuration names no client, everybody may.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientConfig {
    /// Unique among the clients; it stands in records and metrics in place of the key.
    pub name: String,
    /// The SHA-256 hash of its key, 64 hexadecimal digits: `printf %s "$KEY" | sha256sum`. The key itself stands nowhere.
    #[schemars(regex(pattern = "^[0-9a-fA-F]{64}$"))]
    pub key_sha256: String,
    /// US dollars that it may spend on a day, from midnight to midnight UTC; left out, as much as it likes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1_000_000_000.0))]
    pub daily_budget_usd: Option<f64>,
    /// Whether it may administer the gateway: `/admin/...`.
    #[serde(default)]
    pub admin: bool,
}

impl ClientConfig {
    /// The hash; `None` if it is none.
    pub(crate) fn hash(&self) -> Option<[u8; 32]> {
        let digits = self.key_sha256.as_bytes();
        let mut hash = [0; 32];
        if digits.len() != 2 * hash.len() {
            return None;
        }
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(hash)
    }
}

/// Conversations stay with the model that answered before, since a switch throws its upstream's prompt cache away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConversationsConfig {
    /// The gain in expected utility (on the scale of quality) that a switch to another model has to exceed.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub switching_cost: f64,
    /// Conversations whose model is kept in memory; of more, those that were silent the longest are forgotten.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub remembered: usize,
}

impl Default for ConversationsConfig {
    fn default() -> Self {
        Self { switching_cost: 0.02, remembered: 100_000 }
    }
}
