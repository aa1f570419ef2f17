//! Prompts in words.
#![allow(clippy::indexing_slicing, reason = "indices are drawn below the lengths, or taken modulo them")]

use rand::RngExt as _;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use router_core::SeedStream;

use super::bank::{CLOSINGS, COMMON, CUES, KINDS, Kind, PEOPLE};

/// The words of a task.
#[derive(Debug, Clone)]
pub(crate) struct Vocabulary {
    pub(crate) name: String,
    kind: &'static Kind,
    /// Nouns, verbs, adjectives.
    words: [Vec<String>; 3],
}

/// The vocabularies of `tasks` tasks: the kinds of the bank in a random order, then pairs of kinds with nouns of their own.
pub(crate) fn vocabularies(tasks: usize, stream: &mut SeedStream) -> Vec<Vocabulary> {
    let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let mut order: Vec<usize> = (0..KINDS.len()).collect();
    order.shuffle(stream);
    (0..tasks)
        .map(|task| {
            let turn = task / KINDS.len();
            let kind = &KINDS[order[task % KINDS.len()]];
            let mut vocabulary = Vocabulary {
                name: kind.name.to_owned(),
                kind,
                words: [owned(&kind.nouns), owned(&kind.verbs), owned(&kind.adjectives)],
            };
            if turn > 0 {
                let other = &KINDS[order[(task + turn) % KINDS.len()]];
                vocabulary.name = format!("{} on {}", kind.name, other.name);
                vocabulary.words[0] = owned(&other.nouns[..other.nouns.len() / 2]);
                vocabulary.words[0].extend((0..other.nouns.len() / 2).map(|_| invented(stream)));
            }
            vocabulary
        })
        .collect()
}

/// A word that is in no dictionary and can be spoken.
fn invented(stream: &mut SeedStream) -> String {
    const STARTS: [&str; 12] = ["bra", "cli", "dro", "fle", "gru", "kra", "plo", "sku", "tri", "vel", "wyn", "zor"];
    const MIDDLES: [&str; 8] = ["ba", "di", "go", "lu", "me", "no", "ri", "ta"];
    const ENDS: [&str; 8] = ["cks", "dle", "lm", "nt", "rp", "sk", "th", "x"];
    let mut word = String::new();
    for part in [&STARTS[..], &MIDDLES, &ENDS] {
        word.push_str(part[stream.random_range(0..part.len())]);
    }
    word
}

/// One prompt in the words of `vocabulary`. `sides` says for every kind of cue which side the prompt is on; empty without cues.
pub(crate) fn compose(vocabulary: &Vocabulary, overlap: f64, sides: &[bool], stream: &mut SeedStream) -> String {
    let kind = vocabulary.kind;
    let mut text = String::new();
    for (cue, &side) in CUES.iter().zip(sides) {
        sentence(cue[usize::from(side)][0], vocabulary, overlap, stream, &mut text);
    }
    sentence(kind.asks[stream.random_range(0..kind.asks.len())], vocabulary, overlap, stream, &mut text);
    let skipped = stream.random_range(0..=kind.contexts.len());
    for (at, context) in kind.contexts.iter().enumerate() {
        if at != skipped {
            sentence(context, vocabulary, overlap, stream, &mut text);
        }
    }
    for (cue, &side) in CUES.iter().zip(sides) {
        sentence(cue[usize::from(side)][1], vocabulary, overlap, stream, &mut text);
    }
    if sides.is_empty() && stream.random_bool(0.5) {
        sentence(CLOSINGS[stream.random_range(0..CLOSINGS.len())], vocabulary, overlap, stream, &mut text);
    }
    text
}

/// Adds `template` to `text` with its slots filled.
fn sentence(template: &str, vocabulary: &Vocabulary, overlap: f64, stream: &mut SeedStream, text: &mut String) {
    if !text.is_empty() {
        text.push(' ');
    }
    let mut parts = template.split('{');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (slot, rest) = part.split_once('}').unwrap_or(("", part));
        let class = ["n", "v", "a"].iter().position(|&class| class == slot);
        let word = match (slot, class) {
            (_, Some(class)) if stream.random_bool(overlap) => {
                COMMON[class].choose(stream).copied().unwrap_or("").to_owned()
            }
            (_, Some(class)) => vocabulary.words[class].choose(stream).cloned().unwrap_or_default(),
            ("p", _) => PEOPLE.choose(stream).copied().unwrap_or("").to_owned(),
            _ => stream.random_range(11..100u32).to_string(),
        };
        if word.starts_with(['a', 'e', 'i', 'o', 'u']) && (text.ends_with(" a ") || text == "A ") {
            text.pop();
            text.push_str("n ");
        }
        text.push_str(&word);
        text.push_str(rest);
    }
}
