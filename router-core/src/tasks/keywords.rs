//! Keywords of tasks by class-based TF-IDF.
//!
//! weight(term, task) = frequency in the task * ln(1 + A / frequency over all tasks), with A the mean number of words a task
//! (Grootendorst, BERTopic, arXiv 2203.05794, section 3.3, equation 2). The frequency in the task is its share of the task's
//! words, which changes no order within a task.
//!
//! That formula dampens words that are frequent everywhere but keeps them: `the` may still lead. A list of stop words would
//! know one language; instead a term must distinguish the task: the share of the task's texts that hold it must be at least
//! [`LIFT`] times the share of the other tasks' texts, half a text being added to both counts, and it must not be common: in more
//! than [`COMMON`] of the texts of most tasks. What is common everywhere in the data falls by these rules in any language. Of a pair of words both must distinguish the task; a pair that covers most of what
//! is said of one of its words stands for it; and no word is shown twice.
#![allow(clippy::indexing_slicing, reason = "words are numbered here, and one map a task is allocated here")]

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use rayon::prelude::*;

use crate::tasks::words::{BREAK, words};

/// How much more often a term must stand in the task's texts than in the others'.
const LIFT: f64 = 2.0;
/// A term that stands in more than this share of a task's texts is common there.
const COMMON: f64 = 0.05;
/// The share of a word's occurrences in a task above which the pair that holds them stands for the word.
const ABSORBED: f64 = 0.75;

/// The number of a word, or [`NO_WORD`].
type Word = u32;
/// Stands for [`BREAK`] in a text, and for the second word of a term of one word.
const NO_WORD: Word = Word::MAX;
/// A word or a pair of words.
type Term = (Word, Word);

/// How often a term stands somewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    times: usize,
    texts: usize,
    /// Groups in which it is common, for counts over all groups.
    common: usize,
}

type Counts = HashMap<Term, Count>;

/// The `count` terms (words and pairs of words) that distinguish each group of texts most; see the [module](self). A term must
/// stand in at least two texts of its group (or the group's only one). Ties go to the alphabetically first. O(words of all
/// texts), read in parallel.
pub(super) fn keywords<'a>(groups: impl Iterator<Item = Vec<Cow<'a, str>>>, count: usize) -> Vec<Vec<String>> {
    if count == 0 {
        return groups.map(|_| Vec::new()).collect();
    }
    let mut vocabulary = Vocabulary::default();
    let groups: Vec<Vec<Vec<Word>>> = groups
        .map(|texts| {
            let texts: Vec<Vec<String>> = texts.par_iter().map(|text| words(text)).collect();
            texts.into_iter().map(|text| vocabulary.number(text)).collect()
        })
        .collect();
    let names = vocabulary.names;
    let sizes: Vec<usize> = groups.iter().map(Vec::len).collect();
    let all_texts: usize = sizes.iter().sum();
    let counted: Vec<Counts> = groups.par_iter().map(|texts| count_terms(texts, singles)).collect();
    let totals = total(&counted, &sizes);
    let group_words: Vec<usize> = counted.iter().map(|counts| counts.values().map(|count| count.times).sum()).collect();
    let mean_words = group_words.iter().sum::<usize>() as f64 / groups.len().max(1) as f64;

    let distinguishing = |group: usize, term: &Term, count: Count, totals: &Counts| -> bool {
        let (inside, outside) = (sizes[group] as f64, (all_texts - sizes[group]) as f64);
        let elsewhere = (totals[term].texts - count.texts) as f64;
        count.texts >= 2.min(sizes[group])
            && (outside == 0.0
                || 2 * totals[term].common <= sizes.len()
                    && (count.texts as f64 + 0.5) / (inside + 1.0) >= LIFT * (elsewhere + 0.5) / (outside + 1.0))
    };
    let words_of: Vec<Counts> = counted
        .into_iter()
        .enumerate()
        .map(|(group, counts)| {
            counts.into_iter().filter(|(term, count)| distinguishing(group, term, *count, &totals)).collect()
        })
        .collect();

    // Pairs of words that distinguish some group; all their occurrences are counted, in every group.
    let kept: Vec<BTreeSet<Term>> = groups
        .par_iter()
        .zip(&words_of)
        .map(|(texts, kept)| {
            let both = |&(first, second): &Term| {
                first != second && kept.contains_key(&(first, NO_WORD)) && kept.contains_key(&(second, NO_WORD))
            };
            texts.iter().flat_map(|text| pairs(text)).filter(both).collect()
        })
        .collect();
    let wanted: BTreeSet<Term> = kept.iter().flatten().copied().collect();
    let pair_counts: Vec<Counts> = groups
        .par_iter()
        .map(|texts| count_terms(texts, |text| pairs(text).filter(|pair| wanted.contains(pair)).collect()))
        .collect();
    let pair_totals = total(&pair_counts, &sizes);

    words_of
        .into_iter()
        .zip(pair_counts)
        .zip(&kept)
        .enumerate()
        .map(|(group, ((mut terms, pair_counts), kept))| {
            let mut pairs: Vec<(Term, Count)> = pair_counts
                .into_iter()
                .filter(|(term, count)| kept.contains(term) && distinguishing(group, term, *count, &pair_totals))
                .collect();
            // A hash map's order is nobody's order, and ties below go to the first.
            pairs.sort_unstable_by_key(|(term, _)| *term);
            let mut stands_for: BTreeMap<Word, (usize, Term)> = BTreeMap::new();
            for &(pair, count) in &pairs {
                for word in [pair.0, pair.1] {
                    let said = terms.get(&(word, NO_WORD)).map_or(0, |count| count.times);
                    let best = stands_for.get(&word).map_or(0, |(times, _)| *times);
                    if count.times as f64 >= ABSORBED * said as f64 && count.times > best {
                        stands_for.insert(word, (count.times, pair));
                    }
                }
            }
            terms.extend(pairs);
            let weigh = |(term, count): (&Term, &Count)| {
                let everywhere = totals.get(term).or_else(|| pair_totals.get(term)).map_or(0, |count| count.times);
                (class_tf_idf(count.times, group_words[group], everywhere, mean_words), *term)
            };
            let mut weighted: Vec<(f64, Term)> = terms.iter().map(weigh).collect();
            weighted.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| spelled(a.1, &names).cmp(&spelled(b.1, &names))));
            let order = weighted.into_iter().map(|(_, term)| term);
            pick(order, &stands_for, count).into_iter().map(|term| spelled(term, &names)).collect()
        })
        .collect()
}

/// The weight of a term; see the [module](self).
fn class_tf_idf(times: usize, group_words: usize, everywhere: usize, mean_words: f64) -> f64 {
    times as f64 / group_words.max(1) as f64 * (1.0 + mean_words / everywhere.max(1) as f64).ln()
}

/// The first `count` terms no word of which was taken before. A word that a pair stands for gives way to it, unless a word of
/// the pair was taken.
fn pick(order: impl Iterator<Item = Term>, stands_for: &BTreeMap<Word, (usize, Term)>, count: usize) -> Vec<Term> {
    let mut shown: BTreeSet<Word> = BTreeSet::new();
    let mut picked = Vec::new();
    for (first, second) in order {
        if picked.len() == count {
            break;
        }
        let is_new = |term: Term| !shown.contains(&term.0) && !shown.contains(&term.1);
        if !is_new((first, second)) {
            continue;
        }
        let pair = stands_for.get(&first).filter(|_| second == NO_WORD).map(|(_, pair)| *pair);
        let term = pair.filter(|&pair| is_new(pair)).unwrap_or((first, second));
        shown.insert(term.0);
        if term.1 != NO_WORD {
            shown.insert(term.1);
        }
        picked.push(term);
    }
    picked
}

fn spelled((first, second): Term, names: &[String]) -> String {
    match names.get(second as usize) {
        Some(second) => format!("{} {second}", names[first as usize]),
        None => names[first as usize].clone(),
    }
}

/// Numbers words in the order of their first appearance.
#[derive(Default)]
struct Vocabulary {
    numbers: HashMap<String, Word>,
    names: Vec<String>,
}

impl Vocabulary {
    fn number(&mut self, text: Vec<String>) -> Vec<Word> {
        text.into_iter()
            .map(|word| {
                if word == BREAK {
                    return NO_WORD;
                }
                if let Some(&number) = self.numbers.get(&word) {
                    return number;
                }
                let number = self.names.len() as Word;
                self.names.push(word.clone());
                self.numbers.insert(word, number);
                number
            })
            .collect()
    }
}

fn singles(text: &[Word]) -> Vec<Term> {
    text.iter().filter(|&&word| word != NO_WORD).map(|&word| (word, NO_WORD)).collect()
}

/// Every two words of `text` that follow each other.
fn pairs(text: &[Word]) -> impl Iterator<Item = Term> {
    text.windows(2).map(|pair| (pair[0], pair[1])).filter(|&(first, second)| first != NO_WORD && second != NO_WORD)
}

fn count_terms(texts: &[Vec<Word>], terms: impl Fn(&[Word]) -> Vec<Term>) -> Counts {
    let mut counts = Counts::new();
    for text in texts {
        let mut terms = terms(text);
        terms.sort_unstable();
        for same in terms.chunk_by(|a, b| a == b) {
            let count = counts.entry(same[0]).or_default();
            count.times += same.len();
            count.texts += 1;
        }
    }
    counts
}

fn total(groups: &[Counts], sizes: &[usize]) -> Counts {
    let mut totals = Counts::new();
    for (counts, &size) in groups.iter().zip(sizes) {
        for (term, count) in counts {
            let total = totals.entry(*term).or_default();
            total.times += count.times;
            total.texts += count.texts;
            total.common += usize::from(count.texts as f64 > COMMON * size as f64);
        }
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(groups: &[&[&str]], count: usize) -> Vec<Vec<String>> {
        let groups = groups.iter().map(|texts| texts.iter().map(|&text| Cow::from(text)).collect());
        keywords(groups, count)
    }

    #[test]
    fn the_weight_is_that_of_the_paper() {
        // A group of 50 words that says a term 5 times, 8 times over all groups, 40 words a group on average:
        // 5 / 50 * ln(1 + 40 / 8) = 0.1 * ln 6.
        assert!((class_tf_idf(5, 50, 8, 40.0) - 0.179_175_946_922_805_5).abs() < 1e-15);
    }

    #[test]
    fn words_that_distinguish_come_first() {
        let maths = ["Solve the equation x", "solve another equation now", "Solve this equation"];
        let code = ["write code now", "Write more CODE now", "the code we write"];
        assert_eq!(found(&[&maths, &code], 2), [["equation", "solve"], ["code", "write"]]);
    }

    #[test]
    fn what_every_task_says_is_no_keyword_in_any_language() {
        let sums =
            ["Wie groß ist die Summe der Zahlen", "Was ist die Summe und die Differenz", "die Summe ist die Zahl"];
        let poems = ["Schreibe die Verse und ist die Nacht", "die Verse ist die Liebe", "Was ist die Form der Verse"];
        let found = found(&[&sums, &poems], 3);
        assert_eq!(found, [["summe"], ["verse"]]);
    }

    #[test]
    fn a_pair_stands_for_words_that_only_it_says_and_no_word_is_shown_twice() {
        let learning = ["machine learning for images", "machine learning in short", "deep machine learning"];
        let cooking = ["bake bread in short", "bread for images", "deep bread"];
        let found = found(&[&learning, &cooking], 5);
        assert_eq!(found, [vec!["machine learning"], vec!["bread"]]);
    }

    #[test]
    fn the_same_texts_have_the_same_keywords_every_time() {
        // Many ties: every word is said once a text, in pairs that overlap.
        let texts: Vec<String> =
            (0..6).map(|at| format!("alpha beta gamma delta epsilon {at}x zeta eta theta")).collect();
        let other: Vec<String> = (0..6).map(|at| format!("one two three four five {at}y six seven eight")).collect();
        let once = || {
            let groups = [&texts, &other].map(|texts| texts.iter().map(|text| Cow::from(text.as_str())).collect());
            keywords(groups.into_iter(), 8)
        };
        let first = once();
        for _ in 0..20 {
            assert_eq!(once(), first);
        }
    }

    #[test]
    fn pairs_do_not_cross_punctuation() {
        let lists = ["red. green", "red, green", "red\ngreen"];
        let other = ["some text", "more text", "any text"];
        assert_eq!(found(&[&lists, &other], 5)[0], ["green", "red"]);
    }

    #[test]
    fn one_task_alone_has_its_most_frequent_words() {
        assert_eq!(found(&[&["the cat", "the dog and the cat", "the the"]], 2), [["the", "cat"]]);
        assert_eq!(found(&[&["the cat"], &[]], 0), [[""; 0], [""; 0]]);
        assert_eq!(found(&[&[], &["x"]], 3), [[""; 0], [""; 0]]);
    }

    #[test]
    fn scripts_without_spaces_have_keywords() {
        let maths = ["解方程式", "解这个方程", "方程有解"];
        let poems = ["写一首诗歌", "诗歌很美", "读诗歌"];
        let found = found(&[&maths, &poems], 1);
        assert_eq!(found, [["方程"], ["诗歌"]]);
    }
}
