//! Test prompts that were trained on: the one place that looks for them.

use std::collections::BTreeSet;

use router_core::Prompt;

use crate::options::NearDuplicates;

/// The identity of a prompt's text apart from case, punctuation and spacing: 64 bits of a SHA-256.
pub(crate) fn fingerprint(prompt: &Prompt) -> u64 {
    let hash = router_core::artifact::sha256(normalized(&prompt.text()).as_bytes());
    hash.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or_default()
}

/// The words of a text in lower case, one space between them. A text without a letter or digit is only trimmed.
fn normalized(text: &str) -> String {
    let words: Vec<String> = text
        .split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    if words.is_empty() { text.trim().to_owned() } else { words.join(" ") }
}

/// Which of `test` have a text whose fingerprint is in `train`.
pub(crate) fn exact(train: &BTreeSet<u64>, test: &[Prompt]) -> Vec<bool> {
    test.iter().map(|prompt| train.contains(&fingerprint(prompt))).collect()
}

/// Which of `test` share a group of near duplicates with any of `train`.
pub(crate) fn near(train: &[Prompt], test: &[Prompt], groups: NearDuplicates) -> Vec<bool> {
    let both: Vec<&Prompt> = train.iter().chain(test).collect();
    let groups = groups(&both);
    let (of_train, of_test) = groups.split_at(train.len().min(groups.len()));
    let trained: BTreeSet<u32> = of_train.iter().copied().collect();
    of_test.iter().map(|group| trained.contains(group)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_does_not_hide_a_duplicate() {
        let of = |text: &str| fingerprint(&Prompt::new("p", text));
        assert_eq!(of("What is 2 + 2?"), of("  what IS 2\n2"));
        assert_ne!(of("What is 2 + 2?"), of("What is 2 + 3?"));
        assert_ne!(of("?!"), of("..."));
    }
}
