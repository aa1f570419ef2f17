//! Lists of strings as Python prints them: `['first turn', "it's the second"]`, which is what RouterBench keeps prompts as.

use std::fmt::Write as _;

/// The strings of a list of them; `None` if `text` is anything else.
pub(super) fn parse(text: &str) -> Option<Vec<String>> {
    let inside = text.trim().strip_prefix('[')?.strip_suffix(']')?;
    let mut letters = inside.chars().peekable();
    let mut strings = Vec::new();
    loop {
        while letters.next_if(|letter| letter.is_whitespace()).is_some() {}
        let Some(quote) = letters.next() else { return (!strings.is_empty()).then_some(strings) };
        if quote != '\'' && quote != '"' {
            return None;
        }
        let mut string = String::new();
        loop {
            match letters.next()? {
                letter if letter == quote => break,
                '\\' => escape(&mut letters, &mut string)?,
                letter => string.push(letter),
            }
        }
        strings.push(string);
        while letters.next_if(|letter| letter.is_whitespace()).is_some() {}
        match letters.next() {
            None => return Some(strings),
            Some(',') => {}
            Some(_) => return None,
        }
    }
}

/// What stands behind a backslash. Python leaves a backslash before a letter that it does not know.
fn escape(letters: &mut std::iter::Peekable<std::str::Chars<'_>>, string: &mut String) -> Option<()> {
    let letter = letters.next()?;
    let digits = match letter {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        'n' => {
            string.push('\n');
            return Some(());
        }
        'r' => {
            string.push('\r');
            return Some(());
        }
        't' => {
            string.push('\t');
            return Some(());
        }
        other => {
            if !matches!(other, '\\' | '\'' | '"') {
                string.push('\\');
            }
            string.push(other);
            return Some(());
        }
    };
    let mut code = 0;
    for _ in 0..digits {
        code = code * 16 + letters.next()?.to_digit(16)?;
    }
    string.push(char::from_u32(code)?);
    Some(())
}

/// `strings` as Python prints a list of them.
pub(super) fn print<'a>(strings: impl Iterator<Item = &'a str>) -> String {
    let printed: Vec<String> = strings.map(print_one).collect();
    format!("[{}]", printed.join(", "))
}

fn print_one(string: &str) -> String {
    let quote = if string.contains('\'') && !string.contains('"') { '"' } else { '\'' };
    let mut printed = String::from(quote);
    for letter in string.chars() {
        match letter {
            '\n' => printed.push_str("\\n"),
            '\r' => printed.push_str("\\r"),
            '\t' => printed.push_str("\\t"),
            '\\' => printed.push_str("\\\\"),
            letter if letter == quote => {
                printed.push('\\');
                printed.push(letter);
            }
            letter if u32::from(letter) < 0x20 || (0x7f..0xa1).contains(&u32::from(letter)) => {
                // Writing into a string cannot fail.
                let _ = write!(printed, "\\x{:02x}", u32::from(letter));
            }
            letter => printed.push(letter),
        }
    }
    printed.push(quote);
    printed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_as_python_has_them() {
        // What CPython 3.11 prints.
        assert_eq!(
            print(["it's", "a \"b\"", "both ' and \"", "tab\there", "\u{7f}é\\"].into_iter()),
            r#"["it's", 'a "b"', 'both \' and "', 'tab\there', '\x7fé\\']"#
        );
        assert_eq!(parse(r#"['a\x41\u00e9', "it's", ]"#), Some(vec!["aAé".to_owned(), "it's".to_owned()]));
        assert_eq!(parse(r"['\d']"), Some(vec![r"\d".to_owned()]));
        for other in ["", "[", "[]", "plain", "[1, 2]", "['a'", "['a' 'b']", "['a']x", "['\\x4']", "['\\ud800']"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_parsed(strings in prop::collection::vec(".*", 1..4)) {
            prop_assert_eq!(parse(&print(strings.iter().map(String::as_str))), Some(strings));
        }

        #[test]
        fn any_text_is_parsed_without_panic(text in "[\\[\\]'\"\\\\xuU0-9a, é]{0,40}") {
            let _ = parse(&text);
        }
    }
}
