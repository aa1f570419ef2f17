//! Changes to a prompt that leave its task as it was.

use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use router_core::{MessageRole, Prompt, PromptContent, Seed, SeedStream};
use serde::{Deserialize, Serialize};

/// Share of the letters within words that a typo strikes.
const TYPOS: f64 = 0.03;

/// Ways to say the same, around the prompt.
const TEMPLATES: [(&str, &str); 6] = [
    ("Please help me with the following.\n\n", ""),
    ("I have a question for you: ", "\n\nThanks in advance!"),
    ("", "\n\nPlease answer as well as you can."),
    ("Could you have a look at this?\n\n", ""),
    ("Here is what I would like to know.\n", "\nTake your time."),
    ("Hello! ", " Thank you."),
];

/// Sentences that have nothing to do with any prompt.
const DISTRACTORS: [&str; 6] = [
    "By the way, it has been raining here since the morning.",
    "P.S. My neighbor has just bought a green bicycle.",
    "Unrelated: the meeting was moved from Tuesday to Thursday.",
    "(I am writing this on the train, so please excuse my brevity.)",
    "My sister says hello, and that the soup was very good.",
    "Also, the museum on the corner opens at ten on weekdays.",
];

/// A change to a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Perturbation {
    /// Letters swapped, dropped or doubled within words: 3% of them, at least one.
    Typos,
    /// Everything in upper or in lower case.
    Case,
    /// A phrase around the prompt that asks for the same.
    Template,
    /// A sentence appended that has nothing to do with it.
    Distractor,
}

impl Perturbation {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Typos, Self::Case, Self::Template, Self::Distractor];

    /// The name, as in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Typos => "typos",
            Self::Case => "case",
            Self::Template => "template",
            Self::Distractor => "distractor",
        }
    }

    /// `prompt` changed, by the random numbers that `seed` has for its identifier. Of a conversation, the last message of the
    /// user is changed, or the last one if there is none.
    pub fn apply(self, prompt: &Prompt, seed: &Seed) -> Prompt {
        let mut stream = seed.child(self.name()).stream(&prompt.id);
        let mut changed = prompt.clone();
        match &mut changed.content {
            PromptContent::Text(text) => *text = self.change(text, &mut stream),
            PromptContent::Messages(messages) => {
                let user = messages.iter().rposition(|message| message.role == MessageRole::User);
                let at = user.unwrap_or(messages.len().saturating_sub(1));
                if let Some(message) = messages.get_mut(at) {
                    message.content = self.change(&message.content, &mut stream);
                }
            }
        }
        changed
    }

    fn change(self, text: &str, stream: &mut SeedStream) -> String {
        match self {
            Self::Typos => typos(text, stream),
            Self::Case if stream.random::<bool>() => text.to_uppercase(),
            Self::Case => text.to_lowercase(),
            Self::Template => {
                let (before, after) = TEMPLATES.choose(stream).copied().unwrap_or_default();
                format!("{before}{text}{after}")
            }
            Self::Distractor => format!("{text}\n\n{}", DISTRACTORS.choose(stream).copied().unwrap_or_default()),
        }
    }
}

fn typos(text: &str, stream: &mut SeedStream) -> String {
    let letters: Vec<char> = text.chars().collect();
    // Letters between letters, so that digits, signs and the ends of words stay.
    let inner: Vec<usize> = letters
        .windows(3)
        .enumerate()
        .filter(|(_, three)| three.iter().all(|letter| letter.is_alphabetic()))
        .map(|(at, _)| at + 1)
        .collect();
    let one = inner.choose(stream).copied();
    let struck: Vec<usize> =
        inner.into_iter().filter(|&at| stream.random::<f64>() < TYPOS || Some(at) == one).collect();
    let mut changed = String::with_capacity(text.len() + struck.len());
    let mut struck = struck.into_iter().peekable();
    let mut pending = letters.into_iter().enumerate().peekable();
    while let Some((at, letter)) = pending.next() {
        if struck.next_if_eq(&at).is_none() {
            changed.push(letter);
            continue;
        }
        match stream.random_range(0..3) {
            0 => {
                // The next letter first.
                if let Some((next, other)) = pending.next() {
                    let _ = struck.next_if_eq(&next);
                    changed.push(other);
                }
                changed.push(letter);
            }
            1 => {}
            _ => changed.extend([letter, letter]),
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use router_core::Message;

    use super::*;

    fn of(perturbation: Perturbation, text: &str, id: &str) -> String {
        perturbation.apply(&Prompt::new(id, text), &Seed::root(1)).text().into_owned()
    }

    #[test]
    fn typos_strike_letters_within_words_alone() {
        let text = "Compute 12345 * 678 = ? and explain every intermediate step of the multiplication carefully.";
        for id in ["a", "b", "c", "d"] {
            let changed = of(Perturbation::Typos, text, id);
            assert_ne!(changed, text);
            let signs = |text: &str| text.chars().filter(|letter| !letter.is_alphabetic()).collect::<String>();
            assert_eq!(signs(&changed), signs(text));
            let (was, is) = (text.split(' ').count(), changed.split(' ').count());
            assert_eq!(was, is);
            assert!(changed.len().abs_diff(text.len()) <= 6, "{changed}");
        }
        // Nothing to strike, nothing struck.
        assert_eq!(of(Perturbation::Typos, "1 + 1 = ?", "a"), "1 + 1 = ?");
    }

    #[test]
    fn the_prompt_is_kept_within_templates_and_before_distractors() {
        let text = "What is the capital of France?";
        for id in ["a", "b", "c", "d", "e"] {
            let wrapped = of(Perturbation::Template, text, id);
            assert!(wrapped.contains(text) && wrapped != text);
            assert!(of(Perturbation::Distractor, text, id).starts_with("What is the capital of France?\n\n"));
            assert_eq!(of(Perturbation::Case, text, id).to_lowercase(), text.to_lowercase());
        }
        let cases: std::collections::BTreeSet<String> =
            ["a", "b", "c", "d", "e", "f", "g", "h"].map(|id| of(Perturbation::Case, text, id)).into();
        assert_eq!(cases.len(), 2, "both cases occur");
    }

    #[test]
    fn the_same_seed_and_prompt_give_the_same_change() {
        assert_eq!(
            of(Perturbation::Typos, "something to be mistyped", "a"),
            of(Perturbation::Typos, "something to be mistyped", "a")
        );
        let seeds = [1, 2, 3].map(|seed| {
            let prompt = Prompt::new("a", "something long enough to be mistyped in more than one way");
            Perturbation::Typos.apply(&prompt, &Seed::root(seed)).text().into_owned()
        });
        assert!(seeds[0] != seeds[1] || seeds[1] != seeds[2]);
    }

    #[test]
    fn of_a_conversation_the_last_question_is_changed() {
        let chat = Prompt::chat(
            "c",
            vec![
                Message::new(MessageRole::User, "First"),
                Message::new(MessageRole::Assistant, "Answer"),
                Message::new(MessageRole::User, "Second"),
                Message::new(MessageRole::Assistant, "Other"),
            ],
        );
        let changed = Perturbation::Distractor.apply(&chat, &Seed::root(1));
        let PromptContent::Messages(messages) = &changed.content else { panic!("still a conversation") };
        let kept = [0, 1, 3].map(|at| messages[at].content.as_str());
        assert_eq!(kept, ["First", "Answer", "Other"]);
        assert!(messages[2].content.starts_with("Second\n\n"));
    }
}
