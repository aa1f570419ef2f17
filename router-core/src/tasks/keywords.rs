//! Keywords of tasks by class-based TF-IDF.
#![allow(clippy::indexing_slicing, reason = "one map a task, allocated here")]

use std::collections::{BTreeMap, BTreeSet};

/// Words that say nothing about a task.
const STOP_WORDS: &[&str] = &[
    "a", "about", "after", "all", "also", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can",
    "could", "did", "do", "does", "each", "for", "from", "had", "has", "have", "he", "her", "his", "how", "if", "in",
    "into", "is", "it", "its", "may", "more", "most", "no", "not", "of", "on", "one", "only", "or", "other", "out",
    "over", "she", "should", "so", "some", "such", "than", "that", "the", "their", "them", "then", "there", "these",
    "they", "this", "to", "up", "was", "we", "were", "what", "when", "where", "which", "who", "why", "will", "with",
    "would", "you", "your",
];

/// The `count` words that distinguish each group of texts most, by class-based TF-IDF (Grootendorst 2022, BERTopic, eq. 1):
/// weight(word, group) = frequency in the group * ln(1 + mean words a group / frequency over all groups).
///
/// A word is a run of two or more letters or digits with a letter in it, lower-cased, and must stand in at least two texts of
/// the group (or the group's only one). Ties go to the alphabetically first. O(words).
pub(super) fn keywords<'a>(
    groups: impl Iterator<Item = Vec<std::borrow::Cow<'a, str>>>,
    count: usize,
) -> Vec<Vec<String>> {
    let mut frequencies: Vec<BTreeMap<String, (usize, usize)>> = Vec::new();
    let mut total: BTreeMap<String, usize> = BTreeMap::new();
    let mut texts = Vec::new();
    for group in groups {
        let mut frequency: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for text in &group {
            let mut seen = BTreeSet::new();
            for word in words(text) {
                let entry = frequency.entry(word.clone()).or_default();
                entry.0 += 1;
                if seen.insert(word) {
                    entry.1 += 1;
                }
            }
        }
        for (word, (times, _)) in &frequency {
            *total.entry(word.clone()).or_default() += times;
        }
        texts.push(group.len());
        frequencies.push(frequency);
    }
    let mean = total.values().sum::<usize>() as f64 / frequencies.len().max(1) as f64;
    frequencies
        .into_iter()
        .zip(texts)
        .map(|(frequency, texts)| {
            let size: usize = frequency.values().map(|(times, _)| times).sum();
            let mut weighted: Vec<(f64, String)> = frequency
                .into_iter()
                .filter(|(_, (_, in_texts))| *in_texts >= 2.min(texts))
                .map(|(word, (times, _))| {
                    let share = times as f64 / size as f64;
                    (share * (1.0 + mean / total[&word] as f64).ln(), word)
                })
                .collect();
            weighted.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
            weighted.truncate(count);
            weighted.into_iter().map(|(_, word)| word).collect()
        })
        .collect()
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| word.chars().count() >= 2 && word.chars().any(char::is_alphabetic))
        .map(str::to_lowercase)
        .filter(|word| STOP_WORDS.binary_search(&word.as_str()).is_err())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn stop_words_are_sorted() {
        assert!(STOP_WORDS.is_sorted());
    }

    #[test]
    fn words_that_distinguish_come_first() {
        let groups = vec![
            vec![Cow::from("Solve the equation x"), Cow::from("solve another equation now")],
            vec![Cow::from("write code now"), Cow::from("Write more CODE now")],
        ];
        let found = keywords(groups.into_iter(), 2);
        assert_eq!(found, [vec!["equation", "solve"], vec!["code", "write"]]);
    }
}
