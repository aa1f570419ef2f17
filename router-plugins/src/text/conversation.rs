//! A conversation as pieces of text that weigh differently, and one vector out of theirs.
//!
//! What is asked stands in the last turn of the user; what came before tells what it is about; a system text is the same for every
//! request of an application and says little about one of them. So each is embedded by itself, and the vector of the
//! conversation is their weighted sum. A prompt that is one text, or a conversation of one message, is that text: it takes
//! exactly the way of a plain text.
//!
//! An embedder uses it like this:
//!
//! ```ignore
//! async fn embed_prompts(&self, prompts: &[&Prompt]) -> Result<Embeddings> {
//!     let pieces = Pieces::of(prompts, &self.conversation);
//!     pieces.combine(self.embed(&pieces.texts()).await?)
//! }
//! ```

use router_core::{Embeddings, Error, Matrix, Message, MessageRole, Prompt, PromptContent, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the messages of a conversation weigh.
///
/// The share of the system text is taken off first; of what remains, `last_turn` goes to the last turn of the user and the rest
/// to the turns beside it, each half as much as the next more recent one. The shares of what is not there go to what is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConversationConfig {
    /// The share of the last turn of the user beside the other turns. Default 0.7; 1 reads nothing else.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub last_turn: f64,
    /// The most turns of user, assistant and tools that are read beside the last turn of the user, the most recent first. Each
    /// costs as much as a prompt. Default 4. Where there are more, the decision says that a part was not read.
    #[schemars(range(min = 0, max = 64))]
    pub turns: usize,
    /// The share of the system text. Default 0: it is not read.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub system: f64,
}

impl Default for ConversationConfig {
    fn default() -> Self {
        Self { last_turn: 0.7, turns: 4, system: 0.0 }
    }
}

impl ConversationConfig {
    /// What an embedder's fingerprint says about it.
    pub fn fingerprint(&self) -> String {
        let Self { last_turn, turns, system } = self;
        format!("conversation={last_turn}/{turns}/{system}")
    }
}

/// The texts that make up a batch of prompts, one or several a prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Pieces<'a> {
    texts: Vec<&'a str>,
    weights: Vec<f64>,
    /// Behind the last piece of every prompt.
    ends: Vec<usize>,
    /// The prompts, ascending, of which a turn is not among the pieces.
    truncated: Vec<usize>,
}

impl<'a> Pieces<'a> {
    /// The pieces of `prompts`. Every prompt has at least one; messages of white space only are none, unless there is nothing
    /// else.
    pub fn of(prompts: &[&'a Prompt], config: &ConversationConfig) -> Self {
        let mut pieces = Self {
            texts: Vec::new(),
            weights: Vec::new(),
            ends: Vec::with_capacity(prompts.len()),
            truncated: Vec::new(),
        };
        for (row, prompt) in prompts.iter().enumerate() {
            match &prompt.content {
                PromptContent::Text(text) => pieces.push(text, 1.0),
                PromptContent::Messages(messages) => match messages.as_slice() {
                    [only] => pieces.push(&only.content, 1.0),
                    messages => {
                        if pieces.push_conversation(messages, config) {
                            pieces.truncated.push(row);
                        }
                    }
                },
            }
            pieces.ends.push(pieces.texts.len());
        }
        pieces
    }

    /// All texts, to be embedded in one go.
    pub fn texts(&self) -> &[&'a str] {
        &self.texts
    }

    /// One vector a prompt out of one a text. That of a prompt of one piece is the piece's own. Otherwise it has the direction
    /// of the weighted sum of the pieces' vectors and the weighted mean of their lengths, so that out of vectors of length 1
    /// comes one of length 1.
    ///
    /// # Errors
    /// [`router_core::ErrorKind::Shape`] if there is not one vector a text.
    pub fn combine(&self, embeddings: Embeddings) -> Result<Embeddings> {
        let Embeddings { vectors, truncated } = embeddings;
        if vectors.rows() != self.texts.len() {
            return Err(Error::shape("vectors of pieces", self.texts.len(), vectors.rows()));
        }
        if self.texts.len() == self.ends.len() {
            // One piece each.
            return Ok(Embeddings { vectors, truncated: union(truncated, &self.truncated) });
        }
        let mut combined = Matrix::zeros(self.ends.len(), vectors.cols());
        let mut cut = Vec::new();
        let mut start = 0;
        for (row, &end) in self.ends.iter().enumerate() {
            let out = combined.row_mut(row);
            if end - start == 1 {
                out.copy_from_slice(vectors.row(start));
            } else {
                self.sum(&vectors, start..end, out);
            }
            if truncated.iter().any(|piece| (start..end).contains(piece)) {
                cut.push(row);
            }
            start = end;
        }
        Ok(Embeddings { vectors: combined, truncated: union(cut, &self.truncated) })
    }

    fn sum(&self, vectors: &Matrix, pieces: std::ops::Range<usize>, out: &mut [f32]) {
        let mut total = vec![0.0_f64; out.len()];
        let mut length = 0.0;
        let weights = self.weights.get(pieces.clone()).unwrap_or_default();
        for (piece, weight) in pieces.zip(weights) {
            let vector = vectors.row(piece);
            length += weight * norm(vector.iter().map(|&value| f64::from(value)));
            for (sum, &value) in total.iter_mut().zip(vector) {
                *sum += weight * f64::from(value);
            }
        }
        let found = norm(total.iter().copied());
        // Pieces that cancel each other leave no direction.
        let scale = if found > 1e-12 { length / found } else { 0.0 };
        for (value, sum) in out.iter_mut().zip(total) {
            *value = (sum * scale) as f32;
        }
    }

    fn push(&mut self, text: &'a str, weight: f64) {
        self.texts.push(text);
        self.weights.push(weight);
    }

    /// Adds the pieces of a conversation and says whether there were too many of them.
    fn push_conversation(&mut self, messages: &'a [Message], config: &ConversationConfig) -> bool {
        let spoken: Vec<&Message> = messages.iter().filter(|message| !message.content.trim().is_empty()).collect();
        let (system, turns): (Vec<&Message>, Vec<&Message>) =
            spoken.into_iter().partition(|message| message.role == MessageRole::System);
        // Where the user says nothing, what was said last takes the place.
        let asked = turns.iter().rposition(|message| message.role == MessageRole::User).or(turns.len().checked_sub(1));
        let mut beside: Vec<&Message> = turns;
        let asked = asked.map(|at| beside.remove(at));
        beside.reverse();
        let most = if config.last_turn < 1.0 { config.turns } else { 0 };
        let too_many = most > 0 && beside.len() > most;
        beside.truncate(most);

        let system_share = match (asked, system.len()) {
            (_, 0) => 0.0,
            (None, _) => 1.0,
            (Some(_), _) => config.system,
        };
        let beside_share = if beside.is_empty() { 0.0 } else { 1.0 - config.last_turn };
        let half = |back: usize| 0.5_f64.powi(back as i32);
        let halves: f64 = (0..beside.len()).map(half).sum();
        let asked = asked.map(|message| (message, 1.0 - beside_share));
        let beside = beside.iter().enumerate().map(|(back, message)| (*message, beside_share * half(back) / halves));
        let turns = asked.into_iter().chain(beside).map(|(message, share)| (message, share * (1.0 - system_share)));
        let system = system.iter().map(|message| (*message, system_share / system.len() as f64));
        let before = self.texts.len();
        for (message, weight) in turns.chain(system).filter(|(_, weight)| *weight > 0.0) {
            self.push(&message.content, weight);
        }
        if self.texts.len() == before {
            self.push("", 1.0);
        }
        too_many
    }
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

/// Two ascending lists as one.
fn union(mut rows: Vec<usize>, others: &[usize]) -> Vec<usize> {
    if !others.is_empty() {
        rows.extend_from_slice(others);
        rows.sort_unstable();
        rows.dedup();
    }
    rows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chat(messages: &[(MessageRole, &str)]) -> Prompt {
        Prompt::chat("c", messages.iter().map(|(role, content)| Message::new(*role, *content)).collect())
    }

    fn weighed(prompt: &Prompt, config: ConversationConfig) -> Vec<(String, f64)> {
        let pieces = Pieces::of(&[prompt], &config);
        pieces.texts.iter().map(|text| (*text).to_owned()).zip(pieces.weights.iter().copied()).collect()
    }

    #[track_caller]
    fn assert_weighed(found: &[(String, f64)], expected: &[(&str, f64)]) {
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for ((text, weight), (expected_text, expected_weight)) in found.iter().zip(expected) {
            assert!(text == expected_text && (weight - expected_weight).abs() < 1e-12, "{found:?}");
        }
    }

    use MessageRole::{Assistant, System, Tool, User};

    #[test]
    fn the_last_turn_of_the_user_weighs_most_and_earlier_turns_ever_less() {
        let prompt = chat(&[
            (System, "Be brief."),
            (User, "first"),
            (Assistant, "answer"),
            (User, "question"),
            (Tool, "result"),
        ]);
        let config = ConversationConfig::default();
        let rest = 0.3 / 1.75;
        let turns = [("question", 0.7), ("result", rest), ("answer", rest / 2.0), ("first", rest / 4.0)];
        assert_weighed(&weighed(&prompt, config), &turns);
        let system = ConversationConfig { system: 0.2, ..config };
        let mut with_system: Vec<(&str, f64)> = turns.iter().map(|(text, weight)| (*text, weight * 0.8)).collect();
        with_system.push(("Be brief.", 0.2));
        assert_weighed(&weighed(&prompt, system), &with_system);
        let alone = ConversationConfig { last_turn: 1.0, ..config };
        assert_weighed(&weighed(&prompt, alone), &[("question", 1.0)]);
        assert!(Pieces::of(&[&prompt], &alone).truncated.is_empty());
        let fewer = ConversationConfig { turns: 2, ..config };
        assert_weighed(&weighed(&prompt, fewer), &[("question", 0.7), ("result", 0.2), ("answer", 0.1)]);
        assert_eq!(Pieces::of(&[&prompt], &fewer).truncated, [0]);
    }

    #[test]
    fn what_is_missing_gives_its_share_to_what_is_there() {
        let config = ConversationConfig { system: 0.2, ..ConversationConfig::default() };
        assert_weighed(&weighed(&chat(&[(System, "s"), (User, "u")]), config), &[("u", 0.8), ("s", 0.2)]);
        assert_weighed(&weighed(&chat(&[(System, "s"), (User, " ")]), config), &[("s", 1.0)]);
        let said = chat(&[(Assistant, "a"), (Assistant, "b")]);
        assert_weighed(&weighed(&said, config), &[("b", 0.7), ("a", 0.3)]);
        assert_weighed(&weighed(&chat(&[(User, ""), (User, "\n")]), config), &[("", 1.0)]);
        assert_weighed(&weighed(&chat(&[]), config), &[("", 1.0)]);
        assert_weighed(&weighed(&chat(&[(System, "s")]), ConversationConfig::default()), &[("s", 1.0)]);
    }

    #[test]
    fn vectors_are_combined_by_weight_and_plain_prompts_keep_theirs() {
        let plain = Prompt::new("p", "text");
        let talk = chat(&[(User, "first"), (User, "second")]);
        let pieces = Pieces::of(&[&plain, &talk, &plain], &ConversationConfig::default());
        assert_eq!(pieces.texts(), ["text", "second", "first", "text"]);
        let vectors = Matrix::from_vec(4, 2, vec![3.0, 4.0, 1.0, 0.0, 0.0, 1.0, 0.1, 0.2]).unwrap();
        let combined = pieces.combine(Embeddings { vectors: vectors.clone(), truncated: vec![2, 3] }).unwrap();
        assert_eq!(combined.truncated, [1, 2]);
        assert_eq!(combined.vectors.row(0), [3.0, 4.0]);
        assert_eq!(combined.vectors.row(2), [0.1, 0.2]);
        let length = 0.58_f32.sqrt();
        for (value, expected) in combined.vectors.row(1).iter().zip([0.7 / length, 0.3 / length]) {
            assert!((value - expected).abs() < 1e-6, "{combined:?}");
        }
        let two = Pieces::of(&[&plain, &plain], &ConversationConfig::default());
        let kept = Matrix::from_vec(2, 2, vec![3.0, 4.0, 0.1, 0.2]).unwrap();
        assert_eq!(two.combine(Embeddings::new(kept.clone())).unwrap().vectors, kept);
        assert_eq!(two.combine(Embeddings::new(vectors)).unwrap_err().kind(), router_core::ErrorKind::Shape);
    }

    fn role() -> impl Strategy<Value = MessageRole> {
        prop_oneof![Just(System), Just(User), Just(Assistant), Just(Tool)]
    }

    proptest! {
        #[test]
        fn weights_are_a_distribution_and_unit_vectors_stay_unit(
            messages in prop::collection::vec((role(), "[a-c ]{0,3}"), 0..8),
            last_turn in 0.0..=1.0_f64, turns in 0..6_usize, system in 0.0..=1.0_f64,
        ) {
            let messages: Vec<(MessageRole, &str)> = messages.iter().map(|(role, text)| (*role, text.as_str())).collect();
            let prompt = chat(&messages);
            let pieces = Pieces::of(&[&prompt], &ConversationConfig { last_turn, turns, system });
            prop_assert!(!pieces.texts.is_empty());
            if messages.len() != 1 {
                prop_assert!((pieces.weights.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{:?}", pieces);
            }
            let n = pieces.texts.len();
            // Vectors of one quadrant do not cancel.
            let vectors: Vec<f32> = (0..n).flat_map(|at| { let angle = at as f32 * 0.2; [angle.cos(), angle.sin()] }).collect();
            let out = pieces.combine(Embeddings::new(Matrix::from_vec(n, 2, vectors).unwrap())).unwrap().vectors;
            let length = out.as_slice().iter().map(|value| value * value).sum::<f32>().sqrt();
            prop_assert!((length - 1.0).abs() < 1e-5);
        }
    }
}
