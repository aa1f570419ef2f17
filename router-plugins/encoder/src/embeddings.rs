//! The first step of an encoder: tables of tokens and positions.

use router_core::Result;

use crate::architecture::Architecture;
use crate::checkpoint::Checkpoint;
use crate::kernels::rows::LayerNorm;
use crate::kernels::{InstructionSet, padded};

/// Tables of tokens and positions, and the layer norm of their sum.
pub(crate) struct TokenEmbeddings {
    hidden: usize,
    /// vocabulary x hidden.
    words: Vec<f32>,
    /// positions x hidden; the only token type in use is added to it.
    positions: Vec<f32>,
    first_position: usize,
    norm: LayerNorm,
}

/// The two numbers of a layer norm, by their names of today or of the first checkpoints.
pub(crate) fn layer_norm(
    set: InstructionSet,
    architecture: &Architecture,
    checkpoint: &Checkpoint,
    name: &str,
) -> Result<LayerNorm> {
    let names = if checkpoint.has(&format!("{name}.gamma")) { ["gamma", "beta"] } else { ["weight", "bias"] };
    let [gamma, beta] = names.map(|part| checkpoint.tensor(&format!("{name}.{part}"), &[architecture.hidden]));
    Ok(LayerNorm::new(set, gamma?, beta?, architecture.epsilon))
}

impl TokenEmbeddings {
    /// Reads the tables.
    pub(crate) fn read(set: InstructionSet, architecture: &Architecture, checkpoint: &Checkpoint) -> Result<Self> {
        let Architecture { hidden, vocabulary, positions, token_types, first_position, .. } = *architecture;
        let words = checkpoint.tensor("embeddings.word_embeddings.weight", &[vocabulary, hidden])?;
        let mut table = checkpoint.tensor("embeddings.position_embeddings.weight", &[positions, hidden])?;
        if token_types > 0 {
            let kinds = checkpoint.tensor("embeddings.token_type_embeddings.weight", &[token_types, hidden])?;
            for row in table.chunks_exact_mut(hidden) {
                row.iter_mut().zip(&kinds).for_each(|(value, kind)| *value += kind);
            }
        }
        let norm = layer_norm(set, architecture, checkpoint, "embeddings.LayerNorm")?;
        Ok(Self { hidden, words, positions: table, first_position, norm })
    }

    /// Writes the rows of one sequence to `out`, tokens x padded(hidden). Ids and length were checked.
    pub(crate) fn apply(&self, ids: &[u32], out: &mut [f32]) {
        let hidden = self.hidden;
        let mut next = self.first_position;
        for (row, &id) in out.chunks_exact_mut(padded(hidden)).zip(ids) {
            // RoBERTa and MPNet do not count padding tokens, which a text can spell out: they have their id's position.
            let position = if self.first_position == id as usize + 1 { id as usize } else { next };
            next += usize::from(position == next);
            let word = self.words.get(id as usize * hidden..).unwrap_or_default();
            let position = self.positions.get(position * hidden..).unwrap_or_default();
            let (numbers, padding) = row.split_at_mut(hidden);
            numbers.iter_mut().zip(word.iter().zip(position)).for_each(|(to, (word, position))| *to = word + position);
            padding.fill(0.0);
        }
        self.norm.apply(ids.len(), out, None);
    }
}
