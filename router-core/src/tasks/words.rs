//! Texts as words of any language.

use unicode_normalization::UnicodeNormalization as _;
use unicode_segmentation::UnicodeSegmentation as _;

/// Stands between words that do not follow each other: no pair of words is made across it.
pub(super) const BREAK: &str = "";

/// Words of a text that are read: what a prompt is about shows early, and a prompt may have a million characters.
const MOST_WORDS: usize = 2_000;

/// The words of `text` in order, in compatibility form (NFKC) and lower case, with [`BREAK`] where punctuation, a line's end or
/// a word that is left out parts two of them.
///
/// Words are those of Unicode Standard Annex #29, with at least two characters and a letter. Scripts that write no spaces
/// (Han, Kana, Thai...) come out of it letter by letter: there every two neighbors make a word, as search engines do.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    // Segments that touch each other: one in scripts with spaces, many in those without.
    let mut run: Vec<&str> = Vec::new();
    for segment in text.split_word_bounds().take(4 * MOST_WORDS) {
        if segment.chars().any(char::is_alphanumeric) {
            run.push(segment);
            continue;
        }
        flush(&mut run, &mut found);
        if !segment.chars().all(|letter| letter == ' ') {
            part(&mut found);
        }
        if found.len() >= MOST_WORDS {
            break;
        }
    }
    flush(&mut run, &mut found);
    found.truncate(MOST_WORDS);
    found
}

/// Adds the words of `run` to `found` and empties it.
fn flush(run: &mut Vec<&str>, found: &mut Vec<String>) {
    match run.as_slice() {
        [] => {}
        [only] => push(only, found),
        several => {
            part(found);
            for pair in several.windows(2) {
                push(&pair.concat(), found);
                part(found);
            }
        }
    }
    run.clear();
}

fn push(segment: &str, found: &mut Vec<String>) {
    let word: String = segment.nfkc().flat_map(char::to_lowercase).collect();
    if word.chars().count() >= 2 && word.chars().any(char::is_alphabetic) {
        found.push(word);
    } else {
        part(found);
    }
}

fn part(found: &mut Vec<String>) {
    if found.last().is_some_and(|last| last != BREAK) {
        found.push(BREAK.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        words(text).into_iter().filter(|word| word != BREAK).collect()
    }

    #[test]
    fn words_of_many_scripts_are_found() {
        assert_eq!(found("Don't SOLVE x+1, please."), ["don't", "solve", "please"]);
        assert_eq!(found("Wie groß ist der Übergang?"), ["wie", "groß", "ist", "der", "übergang"]);
        // The same letters composed and decomposed, and in full width, are the same word.
        assert_eq!(found("cafe\u{301}"), found("café"));
        assert_eq!(found("ＳＱＬ"), ["sql"]);
        assert_eq!(found("Решите уравнение"), ["решите", "уравнение"]);
        // No spaces: pairs of neighbors.
        assert_eq!(found("解方程式"), ["解方", "方程", "程式"]);
        assert_eq!(found("12 345 3.5"), [""; 0]);
        assert_eq!(found("🙂 ... \n\t"), [""; 0]);
    }

    #[test]
    fn punctuation_and_left_out_words_part_neighbors() {
        assert_eq!(words("one two. three"), ["one", "two", BREAK, "three"]);
        assert_eq!(words("plan b wins"), ["plan", BREAK, "wins"]);
        assert_eq!(words("line one\nline two"), ["line", "one", BREAK, "line", "two"]);
    }

    #[test]
    fn a_million_characters_are_read_in_part() {
        assert_eq!(words(&"word ".repeat(200_000)).len(), MOST_WORDS);
        assert!(words(&"x".repeat(1_000_000)).len() == 1);
    }
}
