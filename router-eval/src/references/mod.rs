//! References.

use router_core::{FitContext, Persist, Registry, Result, SlotReader, SlotWriter, TrainingSet};

/// The references that are fitted on the training data.
pub struct References {}

impl References {
    /// The slot of an artifact that holds the references.
    pub const SLOT: &'static str = "references";

    /// Fits.
    pub fn fit(set: &TrainingSet, registry: &Registry, nominal_output_tokens: u32, cx: &FitContext) -> Result<Self> {
        let _ = (set, registry, nominal_output_tokens, cx);
        Ok(Self {})
    }

    /// Loads the references that `router train` stored in the artifact in `directory`.
    pub fn load_from(directory: impl AsRef<std::path::Path>, registry: &Registry) -> Result<Self> {
        router_core::artifact::ArtifactReader::open(directory, registry)?
            .read_slot(Self::SLOT, |_, slot| slot.load::<Self>())
    }
}

impl Persist for References {
    const FORMAT: &'static str = "references";
    const VERSION: u32 = 1;

    fn save(&self, _writer: &mut SlotWriter) -> Result<()> {
        Ok(())
    }

    fn load(_reader: &SlotReader<'_>) -> Result<Self> {
        Ok(Self {})
    }
}
