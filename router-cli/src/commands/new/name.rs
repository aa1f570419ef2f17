//! Names of new plugins, which are names of crates too.

use router_core::{Error, ErrorKind, Result};

/// What a crate cannot be called: words of the language, its own libraries, and the crates that a new one depends on.
const TAKEN: [&str; 72] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "async-trait",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "router-benches",
    "router-cli",
    "router-core",
    "router-data",
    "router-encoder",
    "router-eval",
    "router-plugins",
    "router-serve",
    "schemars",
    "self",
    "serde",
    "speed",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "union",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
    "con",
    "nul",
    "prn",
];

/// A name of lower-case words with hyphens.
pub(super) struct Name(String);

impl Name {
    /// Reads a name.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let wrong =
            |message: String, help: &str| Err(Error::new(ErrorKind::Usage, message).at_field("NAME").help(help));
        let word = |word: &str| {
            word.bytes().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit()) && !word.is_empty()
        };
        if !text.starts_with(|letter: char| letter.is_ascii_lowercase()) || !text.split('-').all(word) {
            return wrong(
                format!("`{text}` is not a name for a plugin"),
                "lower-case words of a-z and 0-9 with single hyphens: my-idea",
            );
        }
        if text.len() > 64 {
            return wrong(format!("`{text}` is {} letters long", text.len()), "at most 64");
        }
        if TAKEN.contains(&text) {
            return wrong(
                format!("no crate of a plugin can be called `{text}`"),
                "it is a word of Rust, or a crate that this one uses",
            );
        }
        Ok(Self(text.to_owned()))
    }

    /// `my-idea`, in configurations and as the package.
    pub(super) fn hyphens(&self) -> &str {
        &self.0
    }

    /// `my_idea`, in Rust.
    pub(super) fn underscores(&self) -> String {
        self.0.replace('-', "_")
    }

    /// `MyIdea`, of types.
    pub(super) fn capitals(&self) -> String {
        let capital = |word: &str| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
        };
        self.0.split('-').map(capital).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_words_with_hyphens() {
        let name = Name::parse("my-2nd-idea").unwrap();
        assert_eq!(
            (name.hyphens(), name.underscores().as_str(), name.capitals().as_str()),
            ("my-2nd-idea", "my_2nd_idea", "My2ndIdea")
        );
        let long = "a".repeat(65);
        for wrong in [
            "",
            "-",
            "a-",
            "-a",
            "a--b",
            "My-idea",
            "my_idea",
            "2nd",
            "idée",
            "a b",
            "a/b",
            "..",
            "match",
            "serde",
            "router-core",
            &long,
        ] {
            let error = Name::parse(wrong).err().unwrap();
            assert_eq!((error.kind(), error.field()), (ErrorKind::Usage, Some("NAME")), "{wrong}");
        }
    }
}
