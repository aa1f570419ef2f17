//! Seed streams: one ChaCha stream a component, derived from the root seed and the component's slot path.
//!
//! Adding a component shifts no other, because a stream depends on its own path alone.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

/// The generator that every component draws from.
pub type SeedStream = ChaCha8Rng;

/// A point in the tree of seeds.
///
/// ```
/// use rand::Rng;
/// use router_core::Seed;
/// let root = Seed::root(7);
/// let draw = |seed: &Seed| seed.stream("weights").next_u64();
/// assert_eq!(draw(&root.child("estimators/0")), draw(&Seed::root(7).child("estimators/0")));
/// assert_ne!(draw(&root.child("estimators/0")), draw(&root.child("estimators/1")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    key: [u8; 32],
}

impl Seed {
    /// The root seed of a run.
    pub fn root(seed: u64) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"router seed 1\0");
        hash.update(seed.to_le_bytes());
        Self { key: hash.finalize().into() }
    }

    /// The seed of the component at `path` below this one.
    pub fn child(&self, path: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.key);
        hash.update(path.as_bytes());
        Self { key: hash.finalize().into() }
    }

    /// The stream of random numbers for one purpose of this component.
    pub fn stream(&self, purpose: &str) -> SeedStream {
        ChaCha8Rng::from_seed(self.child(purpose).key)
    }
}
