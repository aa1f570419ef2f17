//! Groups of prompts that are nearly the same text: they must not lie on both sides of a split.
//!
//! Two prompts are near duplicates if the sets of their word 5-shingles have a Jaccard similarity of at least 1/2; groups are
//! the connected components (Broder, "On the resemblance and containment of documents", 1997). One word that is exchanged
//! changes five shingles, so that 1/2 is about one word in fifteen, or another set of answers below the same question.
//!
//! A shingle that stands in more than 20 different texts is template, not content (the instructions or the worked examples of
//! a benchmark), and is left out of the sets: otherwise a long template would glue a whole benchmark together. What two
//! prompts have beside the template is compared alone. A prompt of which fewer than five shingles are left, less than one
//! word of its own, is a near duplicate only of prompts that are equal to it up to case and space.
//!
//! Candidate pairs come from prefix filtering (Chaudhuri, Ganti, Kaushik, "A primitive operator for similarity joins in data
//! cleaning", ICDE 2006): with shingles ordered from rare to common, two sets of Jaccard similarity at least t share a shingle
//! among the first |x| - ceil(t |x|) + 1 of each. Because no shingle that is kept stands in more than 20 texts, a set meets
//! at most 19 others a shingle, the join is linear, and, unlike MinHash with banding, it misses nothing: the result is exact.
//! Every candidate is verified on its whole sets.
//!
//! Cost: O(s log s) for s shingles in all, about as many as there are words.
#![allow(clippy::indexing_slicing, reason = "rows and ranks are those that were numbered here")]

use std::collections::HashMap;

use router_core::{Dataset, Result};

/// Words in a shingle.
const SHINGLE: usize = 5;
/// A shingle in more different texts than this is template.
const TEMPLATE: usize = 20;
/// The Jaccard similarity of near duplicates, as a fraction.
const SIMILARITY: (usize, usize) = (1, 2);

/// `dataset` with the near-duplicate groups of its prompts' texts.
///
/// # Errors
/// None in practice: there is one group a prompt.
pub fn attach(dataset: Dataset) -> Result<Dataset> {
    let texts: Vec<_> = dataset.prompts().iter().map(router_core::Prompt::text).collect();
    let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    let found = groups(&texts);
    dataset.with_groups(found)
}

/// The near-duplicate group of every text, numbered from 0 in the order of their first members.
///
/// ```
/// use router_data::near_duplicates::groups;
/// let a = "Anna has five red apples and gives two of them to her brother Tom before they both walk home to lunch.";
/// let b = "Anna has five red apples and gives two of them to her brother Tom before they both walk home to lunch!";
/// assert_eq!(groups(&[a, "Write a poem about rain.", b]), [0, 1, 0]);
/// ```
pub fn groups(texts: &[&str]) -> Vec<u32> {
    let mut documents: Vec<Document> = texts.iter().map(|text| Document::new(text)).collect();
    let mut union = Union::new(texts.len());

    // Texts that are equal in every word belong together, whatever is left of them; the first of them stands for all, so that
    // many copies of one text do not look like a template.
    let mut whole: HashMap<u64, Vec<usize>> = HashMap::with_capacity(texts.len());
    for (row, document) in documents.iter_mut().enumerate() {
        let same_hash = whole.entry(document.whole).or_default();
        if let Some(&first) = same_hash.iter().find(|&&other| same_words(texts[other], texts[row])) {
            union.join(first, row);
            document.shingles = Vec::new();
        } else {
            same_hash.push(row);
        }
    }

    let (sets, ranks) = content_shingles(&documents);
    let mut postings: Vec<Vec<usize>> = vec![Vec::new(); ranks];
    let mut tried = vec![usize::MAX; texts.len()];
    for (row, set) in sets.iter().enumerate() {
        // Shingles of this text alone come first in the order and meet nobody.
        let prefix = set.size - (set.size * SIMILARITY.0).div_ceil(SIMILARITY.1) + 1;
        let prefix = (prefix + set.shared.len()).saturating_sub(set.size);
        for &shingle in set.shared.iter().take(prefix) {
            let met = &mut postings[shingle as usize];
            for &other in met.iter() {
                if tried[other] != row && union.find(other) != union.find(row) && sets[other].similar(set) {
                    union.join(other, row);
                }
                tried[other] = row;
            }
            met.push(row);
        }
    }
    union.groups()
}

struct Document {
    /// A hash of all words.
    whole: u64,
    /// Hashes of the distinct shingles, ascending.
    shingles: Vec<u64>,
}

impl Document {
    fn new(text: &str) -> Self {
        let words: Vec<u64> = words(text).map(hash_word).collect();
        let whole = hash_words(&words);
        let mut shingles: Vec<u64> =
            if words.len() < SHINGLE { vec![whole] } else { words.windows(SHINGLE).map(hash_words).collect() };
        shingles.sort_unstable();
        shingles.dedup();
        Self { whole, shingles }
    }
}

/// Runs of letters and digits; every other character that is not space is a word of its own, so that `a + b` is not `a - b`.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text.trim_start();
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let end = if first.is_alphanumeric() {
            rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (word, after) = rest.split_at(end);
        rest = after.trim_start();
        Some(word)
    })
}

fn lower(word: &str) -> impl Iterator<Item = char> + '_ {
    word.chars().flat_map(char::to_lowercase)
}

fn same_words(a: &str, b: &str) -> bool {
    let (mut a, mut b) = (words(a), words(b));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if lower(a).eq(lower(b)) => {}
            _ => return false,
        }
    }
}

/// FNV-1a over the lower-case letters, finished by [`mix`]: the same on every machine.
fn hash_word(word: &str) -> u64 {
    let step = |hash: u64, c: u32| (hash ^ u64::from(c)).wrapping_mul(0x0100_0000_01b3);
    let start = 0xcbf2_9ce4_8422_2325;
    mix(if word.is_ascii() {
        word.bytes().fold(start, |hash, byte| step(hash, u32::from(byte.to_ascii_lowercase())))
    } else {
        lower(word).fold(start, |hash, c| step(hash, u32::from(c)))
    })
}

fn hash_words(words: &[u64]) -> u64 {
    words.iter().fold(words.len() as u64, |hash, &word| mix(hash.rotate_left(23) ^ word))
}

/// The finisher of SplitMix64 (Steele, Lea, Flood 2014): every bit of the input moves every bit of the output.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The shingles of one document that are content.
#[derive(Debug, Clone, Default)]
struct Content {
    /// How many there are.
    size: usize,
    /// Those that stand in another document too, as ranks from rare to common, ascending.
    shared: Vec<u32>,
}

impl Content {
    /// Whether the Jaccard similarity is at least [`SIMILARITY`].
    fn similar(&self, other: &Self) -> bool {
        let (a, b) = (&self.shared, &other.shared);
        let (mut i, mut j, mut common) = (0, 0, 0usize);
        while i < a.len() && j < b.len() {
            match a[i].cmp(&b[j]) {
                std::cmp::Ordering::Less => i += 1,
                std::cmp::Ordering::Greater => j += 1,
                std::cmp::Ordering::Equal => {
                    common += 1;
                    i += 1;
                    j += 1;
                }
            }
        }
        common * SIMILARITY.1 >= (self.size + other.size - common) * SIMILARITY.0
    }
}

/// The content of every document, and how many ranks there are. One sort finds who shares what.
fn content_shingles(documents: &[Document]) -> (Vec<Content>, usize) {
    let mut all: Vec<(u64, u32)> = Vec::with_capacity(documents.iter().map(|document| document.shingles.len()).sum());
    for (document, row) in documents.iter().zip(0..) {
        all.extend(document.shingles.iter().map(|&shingle| (shingle, row)));
    }
    all.sort_unstable();
    let mut contents = vec![Content::default(); documents.len()];
    let mut shared: Vec<&[(u64, u32)]> = Vec::new();
    for same in all.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() <= TEMPLATE) {
        for &(_, row) in same {
            contents[row as usize].size += 1;
        }
        if same.len() > 1 {
            shared.push(same);
        }
    }
    shared.sort_by_key(|same| same.len());
    for (same, rank) in shared.iter().zip(0..) {
        for &(_, row) in *same {
            contents[row as usize].shared.push(rank);
        }
    }
    for (content, document) in contents.iter_mut().zip(documents) {
        if content.size < document.shingles.len() && content.size < SHINGLE {
            *content = Content::default();
        }
    }
    (contents, shared.len())
}

/// Disjoint sets; the root of a set is its lowest member.
struct Union(Vec<usize>);

impl Union {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    fn find(&mut self, mut member: usize) -> usize {
        while self.0[member] != member {
            self.0[member] = self.0[self.0[member]];
            member = self.0[member];
        }
        member
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.find(a), self.find(b));
        self.0[a.max(b)] = a.min(b);
    }

    fn groups(mut self) -> Vec<u32> {
        let mut next = 0;
        let mut groups = vec![0u32; self.0.len()];
        for row in 0..groups.len() {
            let root = self.find(row);
            if root == row {
                groups[row] = next;
                next += 1;
            } else {
                groups[row] = groups[root];
            }
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_and_space_make_no_difference() {
        assert_eq!(groups(&["What is  up?", "what is up?", "What is up!"]), [0, 0, 1]);
        assert_eq!(groups(&[]), Vec::<u32>::new());
        assert_eq!(groups(&["", " ", "x"]), [0, 0, 1]);
    }

    #[test]
    fn a_template_does_not_glue_a_benchmark_together() {
        let template = (0..150).map(|i| format!("instruction{i}")).collect::<Vec<_>>().join(" ");
        let texts: Vec<String> =
            (0..60).map(|i| format!("{template} Which is larger, region{i} or area{i}?")).collect();
        let refs: Vec<&str> = texts.iter().map(String::as_str).collect();
        assert_eq!(groups(&refs), (0..60).collect::<Vec<u32>>());
        // As few as are not yet a template are near duplicates of one another.
        assert_eq!(groups(&refs[..10]), vec![0; 10]);
    }

    #[test]
    fn many_copies_are_still_copies() {
        let copies = vec!["one and the same long prompt that somebody pasted again and again and again"; 30];
        assert_eq!(groups(&copies), vec![0; 30]);
    }

    /// A template of `words` words and one or more slots.
    fn template(name: &str, words: usize) -> String {
        (0..words).fold(String::new(), |text, word| text + name + &word.to_string() + " ")
    }

    fn found(texts: &[String]) -> Vec<u32> {
        groups(&texts.iter().map(String::as_str).collect::<Vec<_>>())
    }

    #[test]
    fn prompts_of_a_template_are_judged_by_what_differs() {
        let words = |name: &str| template(&format!("{name}w"), 20);
        // Thirty pairs: a body of twenty words of its own in the middle of a template, and the same body with a word less.
        let wrap = |body: &str| format!("{}{body}{}", template("before", 120), template("after", 30));
        let mut texts: Vec<String> = Vec::new();
        for pair in 0..30 {
            let body = words(&format!("p{pair}"));
            texts.push(wrap(&body));
            texts.push(wrap(&format!("{} ", body.trim_end().rsplit_once(' ').unwrap().0)));
        }
        let expected: Vec<u32> = (0..30).flat_map(|pair| [pair, pair]).collect();
        assert_eq!(found(&texts), expected);
        // The body alone, in no template, is the same question.
        texts.push(words("p7"));
        assert_eq!(found(&texts)[60], 7);
    }

    #[test]
    fn another_order_of_template_text_is_no_duplicate() {
        // Every shingle of these is common, but for the few where the parts meet.
        let parts: Vec<String> = (0..6).map(|part| template(&format!("part{part}x"), 12)).collect();
        let mut texts = Vec::new();
        for a in 0..6 {
            for b in (0..6).filter(|&b| b != a) {
                for c in (0..6).filter(|&c| c != a && c != b) {
                    texts.push(format!("{}{}{}", parts[a], parts[b], parts[c]));
                }
            }
        }
        let among: BTreeSet<u32> = found(&texts).into_iter().collect();
        assert_eq!(among.len(), texts.len());
    }

    #[test]
    fn copies_of_a_text_do_not_make_it_a_template() {
        let text = "one and the same long prompt that somebody pasted again and again and again without a change, as if it were a letter to the editor of a small paper";
        let mut texts = vec![text.to_owned(); 30];
        texts.push(text.replace("somebody", "nobody"));
        assert_eq!(found(&texts), vec![0; 31]);
    }

    #[test]
    fn the_same_question_with_other_answers_is_a_near_duplicate() {
        let question =
            "Why is the second planet of a system nearly as large as the first although its mass is so much smaller?";
        let texts = [
            format!("{question} A. pressure B. hydrogen C. distance D. rings"),
            format!("{question} A. distance B. pressure C. magnetism D. hydrogen"),
            "Why is the second violin of the quartet nearly as important as the first although its part is so much smaller?"
                .to_owned(),
        ];
        assert_eq!(found(&texts), [0, 0, 1]);
    }

    proptest! {
        /// Against the definition: all pairs, real Jaccard similarity, components by repeated relabelling.
        #[test]
        fn prefix_filtering_misses_nothing(texts in prop::collection::vec(prop_oneof!["([abc] ){4,14}", "((a|a|a|b) ){4,14}"], 0..60)) {
            let sets: Vec<BTreeSet<Vec<String>>> = texts.iter().map(|text| {
                let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
                if words.len() < SHINGLE { BTreeSet::from([words]) } else { words.windows(SHINGLE).map(<[String]>::to_vec).collect() }
            }).collect();
            let distinct: Vec<usize> = (0..texts.len()).filter(|&row| !texts[..row].contains(&texts[row])).collect();
            let count = |shingle: &Vec<String>| distinct.iter().filter(|&&row| sets[row].contains(shingle)).count();
            let content: Vec<BTreeSet<Vec<String>>> = sets.iter()
                .map(|set| {
                    let left: BTreeSet<_> = set.iter().filter(|shingle| count(shingle) <= TEMPLATE).cloned().collect();
                    if left.len() < set.len() && left.len() < SHINGLE { BTreeSet::new() } else { left }
                }).collect();
            let mut labels: Vec<usize> = (0..texts.len()).collect();
            for i in 0..texts.len() {
                for j in 0..i {
                    let common = content[i].intersection(&content[j]).count() as f64;
                    let all = content[i].union(&content[j]).count() as f64;
                    let alike = texts[i].split_whitespace().eq(texts[j].split_whitespace());
                    if alike || (all > 0.0 && common / all >= 0.5) {
                        let (from, to) = (labels[i].max(labels[j]), labels[i].min(labels[j]));
                        labels.iter_mut().filter(|label| **label == from).for_each(|label| *label = to);
                    }
                }
            }
            let found = found(&texts);
            for i in 0..texts.len() {
                for j in 0..i {
                    prop_assert_eq!(found[i] == found[j], labels[i] == labels[j], "{} and {}", i, j);
                }
            }
        }
    }
}
