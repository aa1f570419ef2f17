//! Thirty-two numbers that can be read off a text: how long it is, in which script, how much of it is code or formula, and whether
//! it looks like a multiple-choice question or a few-shot prompt.
//!
//! Every number lies in [0, 1] and has a fixed meaning, listed in [`FEATURES`]. Shares count characters; counts are squashed by
//! x / (x + h), 1/2 at the h that the list names, so that no text is off the scale. Nothing is learned or downloaded. O(length) a
//! text.
//!
//! Alone it is a baseline: what routing can do without understanding. Beside an encoder (in `concat`) it adds what encoders
//! wash out: length, digits, formatting. Languages are told apart by their script only.

use async_trait::async_trait;
use rayon::prelude::*;
use router_core::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Version of the algorithm. A change of any number for the same text changes it, and so the fingerprint.
const ALGORITHM: u32 = 1;

/// Parameters of the `features` embedder: none.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FeaturesConfig {}

impl PluginConfig for FeaturesConfig {
    const NAME: &'static str = "features";
    const SUMMARY: &'static str =
        "Length, scripts, digits, marks of code and formulas, shape of the question: 32 numbers";
    const SOURCE: &'static str = "this project";
    const COST: &'static str = "O(length) a text; nothing is learned or stored";
    const EXAMPLE: &'static str = "";
}

#[async_trait]
impl Embedder for FeaturesConfig {
    type Fitted = FeaturesEmbedder;

    async fn fit(&self, _texts: &[&str], _cx: &FitContext) -> Result<FeaturesEmbedder> {
        Ok(FeaturesEmbedder {})
    }
}

router_core::register!(EmbedderRole, FeaturesConfig);

/// The features embedder, ready. It has no state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeaturesEmbedder {}

#[async_trait]
impl FittedEmbedder for FeaturesEmbedder {
    fn dimension(&self) -> usize {
        FEATURES.len()
    }

    fn fingerprint(&self) -> String {
        format!("features {ALGORITHM}")
    }

    async fn embed(&self, texts: &[&str]) -> Result<Embeddings> {
        let mut vectors = Matrix::zeros(texts.len(), FEATURES.len());
        vectors.as_mut_slice().par_chunks_mut(FEATURES.len()).zip(texts).for_each(|(out, text)| {
            out.copy_from_slice(&features(text));
        });
        Ok(Embeddings::new(vectors))
    }
}

impl Persist for FeaturesEmbedder {
    const FORMAT: &'static str = "features-embedder";
    const VERSION: u32 = 1;

    fn save(&self, writer: &mut SlotWriter) -> Result<()> {
        writer.put_json("algorithm", &ALGORITHM)
    }

    fn load(reader: &SlotReader<'_>) -> Result<Self> {
        let algorithm: u32 = reader.get_json("algorithm")?;
        if algorithm != ALGORITHM {
            return Err(Error::new(
                ErrorKind::Incompatible,
                format!("features {algorithm} are not features {ALGORITHM}"),
            )
            .help("train again with this version"));
        }
        Ok(Self {})
    }
}

/// The name and the meaning of every number, in order.
pub const FEATURES: [(&str, &str); 32] = [
    ("length", "ln(1 + characters) / ln(1 + 100,000), at most 1"),
    ("words", "words, squashed at 100"),
    ("lines", "lines, squashed at 10"),
    ("sentences", "marks that end a sentence (. ! ? and their ideographic forms), squashed at 5"),
    ("word length", "characters a word, squashed at 5"),
    ("line length", "characters a line, squashed at 80"),
    ("distinct words", "share of the words that are different, in lower case"),
    ("long words", "share of the words of more than 8 characters"),
    ("latin", "share of the letters that are Latin"),
    ("non-ascii latin", "share of the letters that are Latin beyond a to z: accents"),
    ("cyrillic", "share of the letters that are Cyrillic"),
    ("greek", "share of the letters that are Greek"),
    ("arabic and hebrew", "share of the letters that are Arabic or Hebrew"),
    ("indic", "share of the letters of the scripts from Devanagari to Sinhala"),
    ("han", "share of the letters that are Han"),
    ("kana", "share of the letters that are Hiragana or Katakana"),
    ("hangul", "share of the letters that are Hangul"),
    ("other letters", "share of the letters of any other script"),
    ("upper case", "share of the letters that are upper case"),
    ("white space", "share of the characters"),
    ("digits", "share of the characters"),
    ("numbers", "runs of digits, squashed at 5"),
    ("punctuation", "share of the characters that are ASCII punctuation"),
    ("question marks", "question marks, squashed at 2"),
    ("code fences", "triple backticks, squashed at 1"),
    ("code marks", "braces, semicolons, ==, ->, =>, ::, (), and backslash-free indented lines, squashed at 10"),
    ("code words", "share of the words that are keywords of common programming languages"),
    ("formula marks", "dollar signs, backslash commands, ^ and _{, squashed at 5"),
    ("operators", "share of the characters that are + - * / = < > or mathematical operators"),
    ("choices", "lines that begin with a choice, such as (A), B. or C), squashed at 2"),
    ("list items", "lines that begin with a bullet or a number, squashed at 3"),
    ("shots", "lines that begin with a label such as Question:, Q:, Input:, beyond the first, squashed at 2"),
];

/// Keywords of common programming languages that are rare in prose.
const CODE_WORDS: [&str; 26] = [
    "def",
    "elif",
    "lambda",
    "async",
    "await",
    "const",
    "func",
    "fn",
    "struct",
    "enum",
    "impl",
    "namespace",
    "println",
    "printf",
    "println!",
    "typedef",
    "void",
    "bool",
    "boolean",
    "int",
    "float",
    "str",
    "null",
    "nullptr",
    "sql",
    "elseif",
];

/// Labels that begin a shot of a few-shot prompt, in lower case.
const SHOT_LABELS: [&str; 8] = ["question:", "q:", "input:", "example:", "problem:", "text:", "sentence:", "review:"];

/// x / (x + half): 0 at 0, 1/2 at `half`, toward 1.
fn squash(count: usize, half: f64) -> f64 {
    let count = count as f64;
    count / (count + half)
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Counts of the characters of a text.
#[derive(Debug, Default)]
struct Characters {
    all: usize,
    letters: usize,
    /// By script, as the features from `latin` to `other letters` list them; accented Latin counts in both of the first two.
    scripts: [usize; 10],
    upper: usize,
    space: usize,
    digits: usize,
    numbers: usize,
    punctuation: usize,
    operators: usize,
    ends: usize,
    questions: usize,
}

impl Characters {
    fn of(text: &str) -> Self {
        let mut counts = Self::default();
        let mut in_number = false;
        for character in text.chars() {
            counts.all += 1;
            let is_digit = character.is_numeric();
            counts.digits += usize::from(is_digit);
            counts.numbers += usize::from(is_digit && !in_number);
            in_number = is_digit || (in_number && matches!(character, '.' | ','));
            counts.space += usize::from(character.is_whitespace());
            counts.punctuation += usize::from(character.is_ascii_punctuation());
            counts.operators += usize::from(
                matches!(character, '+' | '-' | '*' | '/' | '=' | '<' | '>' | '\u{d7}' | '\u{f7}')
                    || matches!(character, '\u{2200}'..='\u{22ff}'),
            );
            counts.ends += usize::from(matches!(character, '.' | '!' | '?' | '\u{3002}' | '\u{ff01}' | '\u{ff1f}'));
            counts.questions += usize::from(matches!(character, '?' | '\u{ff1f}' | '\u{61f}'));
            if character.is_alphabetic() {
                counts.letters += 1;
                counts.upper += usize::from(character.is_uppercase());
                for (script, count) in counts.scripts.iter_mut().enumerate() {
                    *count += usize::from(belongs(character, script));
                }
            }
        }
        counts
    }
}

/// Whether a letter belongs to the script of this number.
fn belongs(letter: char, script: usize) -> bool {
    let latin = letter.is_ascii() || matches!(letter, '\u{80}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}');
    match script {
        0 => latin,
        1 => latin && !letter.is_ascii(),
        2 => matches!(letter, '\u{400}'..='\u{52f}'),
        3 => matches!(letter, '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}'),
        4 => {
            matches!(letter, '\u{590}'..='\u{77f}' | '\u{8a0}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}')
        }
        5 => matches!(letter, '\u{900}'..='\u{dff}'),
        6 => {
            matches!(letter, '\u{3005}'..='\u{3007}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
        }
        7 => matches!(letter, '\u{3040}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}'),
        8 => matches!(letter, '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{ac00}'..='\u{d7af}'),
        _ => !latin && !(2..9).any(|known| belongs(letter, known)),
    }
}

/// The numbers of one text, as [`FEATURES`] lists them.
fn features(text: &str) -> [f32; FEATURES.len()] {
    let characters = Characters::of(text);
    let words: Vec<&str> = text.split_whitespace().collect();
    let lines: Vec<&str> = text.lines().collect();
    let of_words = |test: &dyn Fn(&str) -> bool| words.iter().filter(|word| test(word)).count();
    let of_lines = |test: &dyn Fn(&str) -> bool| lines.iter().filter(|line| test(line)).count();
    let occurrences = |marks: &[&str]| -> usize { marks.iter().map(|mark| text.matches(mark).count()).sum() };
    let lower: std::collections::BTreeSet<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let in_words: usize = words.iter().map(|word| word.chars().count()).sum();
    let indented = |line: &str| line.starts_with("    ") || line.starts_with('\t');
    let code_marks = occurrences(&["{", "}", ";", "==", "->", "=>", "::", "()"]) + of_lines(&indented);
    let shots = of_lines(&is_shot);
    let script = |at: usize| share(characters.scripts.get(at).copied().unwrap_or(0), characters.letters);
    let numbers: [f64; FEATURES.len()] = [
        ((1.0 + characters.all as f64).ln() / 100_001f64.ln()).min(1.0),
        squash(words.len(), 100.0),
        squash(lines.len(), 10.0),
        squash(characters.ends, 5.0),
        {
            let mean = share(in_words, words.len());
            mean / (mean + 5.0)
        },
        {
            let mean = share(characters.all, lines.len());
            mean / (mean + 80.0)
        },
        share(lower.len(), words.len()),
        share(of_words(&|word| word.chars().count() > 8), words.len()),
        script(0),
        script(1),
        script(2),
        script(3),
        script(4),
        script(5),
        script(6),
        script(7),
        script(8),
        script(9),
        share(characters.upper, characters.letters),
        share(characters.space, characters.all),
        share(characters.digits, characters.all),
        squash(characters.numbers, 5.0),
        share(characters.punctuation, characters.all),
        squash(characters.questions, 2.0),
        squash(occurrences(&["```"]), 1.0),
        squash(code_marks, 10.0),
        share(of_words(&is_code_word), words.len()),
        squash(occurrences(&["$", "^", "_{"]) + commands(text), 5.0),
        share(characters.operators, characters.all),
        squash(of_lines(&is_choice), 2.0),
        squash(of_lines(&is_list_item), 3.0),
        squash(shots.saturating_sub(1), 2.0),
    ];
    numbers.map(|number| number as f32)
}

/// Backslashes before a letter, as of LaTeX commands.
fn commands(text: &str) -> usize {
    let bytes = text.as_bytes();
    bytes.iter().zip(bytes.iter().skip(1)).filter(|&(&a, b)| a == b'\\' && b.is_ascii_alphabetic()).count()
}

fn is_code_word(word: &str) -> bool {
    let word = word.trim_matches(|character: char| matches!(character, '(' | ')' | ',' | ';' | '`' | '{' | '*'));
    CODE_WORDS.iter().any(|code| code.eq_ignore_ascii_case(word))
}

/// Whether a line begins with a single letter from A to J in or before a bracket, or before a full stop, colon or bracket.
fn is_choice(line: &str) -> bool {
    let line = line.trim_start();
    let (opened, line) = line.strip_prefix(['(', '[']).map_or((false, line), |rest| (true, rest));
    let mut characters = line.chars();
    let (letter, mark, after) = (characters.next(), characters.next(), characters.next());
    let is_letter = letter.is_some_and(|letter| matches!(letter.to_ascii_uppercase(), 'A'..='J'));
    let closed = if opened { matches!(mark, Some(')' | ']')) } else { matches!(mark, Some(')' | '.' | ':')) };
    is_letter && closed && after.is_none_or(char::is_whitespace)
}

/// Whether a line begins with a bullet or a number before a full stop or bracket.
fn is_list_item(line: &str) -> bool {
    let line = line.trim_start();
    if line.strip_prefix(['-', '*', '\u{2022}']).is_some_and(|rest| rest.starts_with(' ')) {
        return true;
    }
    let rest = line.trim_start_matches(|character: char| character.is_ascii_digit());
    rest.len() < line.len() && rest.strip_prefix(['.', ')']).is_some_and(|rest| rest.starts_with(' '))
}

fn is_shot(line: &str) -> bool {
    let line = line.trim_start();
    // Labels may be numbered: `Question 2:`.
    let label: String = line.chars().take_while(|&character| character != ':').take(16).collect();
    let label = label.trim_end_matches(|character: char| character.is_ascii_digit() || character.is_whitespace());
    line.contains(':') && SHOT_LABELS.iter().any(|shot| shot.trim_end_matches(':').eq_ignore_ascii_case(label))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str, name: &str) -> f32 {
        let at = FEATURES.iter().position(|&(feature, _)| feature == name).unwrap();
        features(text)[at]
    }

    fn near(text: &str, name: &str, expected: f64) {
        let found = f64::from(of(text, name));
        assert!((found - expected).abs() < 1e-6, "{name} of {text:?}: {found} where {expected} belongs");
    }

    #[test]
    fn numbers_by_hand() {
        near("", "length", 0.0);
        near(&"x".repeat(100_000), "length", 1.0);
        near("one two two", "words", 3.0 / 103.0);
        near("one Two two", "distinct words", 2.0 / 3.0);
        near("ab cd", "word length", 2.0 / 7.0);
        near("a\nb\nc", "lines", 3.0 / 13.0);
        near("What? Why?! No.", "sentences", 4.0 / 9.0);
        near("What? Why?", "question marks", 0.5);
        near("AbCd", "upper case", 0.5);
        near("a1 22", "digits", 0.6);
        near("1,000 apples, 3.5 pears, 7", "numbers", 3.0 / 8.0);
        near("extraordinary is long", "long words", 1.0 / 3.0);
        near("x = y + 1", "operators", 2.0 / 9.0);
    }

    #[test]
    fn scripts_are_told_apart() {
        for (text, name) in [
            ("Wo ist der Bahnhof", "latin"),
            ("Где вокзал", "cyrillic"),
            ("πού είναι", "greek"),
            ("أين المحطة", "arabic and hebrew"),
            ("स्टेशन कहाँ है", "indic"),
            ("車站在哪裡", "han"),
            ("すてーしょん", "kana"),
            ("역이 어디", "hangul"),
            ("ሰላም", "other letters"),
        ] {
            near(text, name, 1.0);
        }
        near("éa", "non-ascii latin", 0.5);
        near("車a", "han", 0.5);
    }

    #[test]
    fn shapes_are_seen() {
        let choices = "Which is red?\n(A) grass\n(B) blood\nC. sky\nD) snow\nAn apple is red.";
        near(choices, "choices", 4.0 / 6.0);
        near("- one\n* two\n3. three\n4) four\n5 five", "list items", 4.0 / 7.0);
        near("Q: 1?\nA: 1\nQ: 2?\nA: 2\nQuestion 3: 3?", "shots", 0.5);
        near("Question: only one", "shots", 0.0);
        near("```rust\nfn main() {}\n```", "code fences", 2.0 / 3.0);
        // (), {, }, ; and one indented line.
        near("fn f() {\n    g;\n}", "code marks", 5.0 / 15.0);
        near("def f(x): return None", "code words", 0.25);
        near(r"$\frac{1}{2}$ and x^2", "formula marks", 4.0 / 9.0);
    }

    proptest! {
        #[test]
        fn every_number_of_every_text_lies_in_the_unit_interval(text in "\\PC{0,200}") {
            for ((name, _), value) in FEATURES.iter().zip(features(&text)) {
                prop_assert!((0.0..=1.0).contains(&value), "{}: {}", name, value);
            }
        }
    }
}
