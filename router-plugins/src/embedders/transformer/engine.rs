//! What turns sequences of tokens into vectors, behind one face.

use router_core::prelude::*;
use router_encoder::{Encoder, EncoderOptions, InstructionSet, Pooling};

use crate::embedders::transformer::config::{Engine, Family, TransformerConfig};
use crate::models::ModelDirectory;

/// An opened model.
pub(super) enum Opened {
    /// On our own kernels.
    Native(Box<Encoder>),
    /// On candle.
    #[cfg(feature = "candle")]
    Candle(Box<super::candle::CandleEncoder>),
}

impl Opened {
    /// Opens `model` as `config` says, pooling its tokens by `pooling`.
    pub(super) fn open<F: Family>(
        config: &TransformerConfig<F>,
        model: &ModelDirectory,
        pooling: Pooling,
    ) -> Result<Self> {
        let description = model.path().join("config.json");
        match config.engine {
            Engine::Native => {
                let options = EncoderOptions {
                    precision: config.precision,
                    pooling,
                    // Windows are joined first.
                    normalize: false,
                    instruction_set: InstructionSet::best(),
                };
                Ok(Self::Native(Box::new(Encoder::open(&description, &model.weights(), options)?)))
            }
            #[cfg(feature = "candle")]
            Engine::Candle => Ok(Self::Candle(Box::new(super::candle::CandleEncoder::open(
                &description,
                &model.weights(),
                pooling,
                config.device,
            )?))),
            #[cfg(not(feature = "candle"))]
            Engine::Candle => Err(Error::new(ErrorKind::Unsupported, "this program was built without candle")
                .at_field("engine")
                .help("build it with the cargo feature `candle`")),
        }
    }

    /// The vectors of `sequences`, n x d in their order.
    pub(super) fn encode(&self, sequences: &[&[u32]]) -> Result<Matrix> {
        match self {
            Self::Native(encoder) => {
                let mut out = Matrix::default();
                encoder.encode(sequences, &mut out)?;
                Ok(out)
            }
            #[cfg(feature = "candle")]
            Self::Candle(encoder) => encoder.encode(sequences),
        }
    }
}
