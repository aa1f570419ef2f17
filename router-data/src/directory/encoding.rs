//! Signs that a file was saved in another encoding than UTF-8, or passed through one.

/// What `bytes` start with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The byte order mark of UTF-8, so many bytes long; what follows is UTF-8.
    Utf8(usize),
    /// UTF-16, with a byte order mark or with every other byte of its beginning zero.
    Utf16,
    /// Nothing that says otherwise.
    None,
}

const UTF8_BOM: &[u8] = b"\xEF\xBB\xBF";
const UTF16_BOMS: [&[u8]; 2] = [b"\xFF\xFE", b"\xFE\xFF"];
/// So many bytes are looked at for a mark, and for UTF-16 without one.
pub(crate) const BEGINNING: usize = 64;

/// The encoding that the beginning of `bytes` tells of.
pub(crate) fn mark(bytes: &[u8]) -> Mark {
    if bytes.starts_with(UTF8_BOM) {
        return Mark::Utf8(UTF8_BOM.len());
    }
    let beginning = bytes.get(..BEGINNING).unwrap_or(bytes);
    let zeros = |parity: usize| {
        let count = beginning.iter().skip(parity).step_by(2).filter(|&&byte| byte == 0).count();
        count >= 2 && count * 8 > beginning.len()
    };
    // ASCII in UTF-16 has a zero beside every letter; bytes that are zero on both sides are no text at all.
    if UTF16_BOMS.iter().any(|bom| bytes.starts_with(bom)) || zeros(0) != zeros(1) { Mark::Utf16 } else { Mark::None }
}

/// How the lines of a file end, line after line.
#[derive(Debug, Default)]
pub(crate) struct LineEnds {
    lines: usize,
    /// Whether the first line ends in CRLF.
    first: bool,
    /// The first line that ends the other way, and how many do.
    other: Option<(usize, usize)>,
}

impl LineEnds {
    /// Takes the next line in, which ends in CRLF or in LF.
    pub(crate) fn add(&mut self, carriage_return: bool) {
        self.lines += 1;
        if self.lines == 1 {
            self.first = carriage_return;
        } else if carriage_return != self.first {
            self.other.get_or_insert((self.lines, 0)).1 += 1;
        }
    }

    /// Lines that end the other way than the first: which is the first of them, and how many there are.
    pub(crate) fn mixed(&self) -> Option<(usize, usize)> {
        self.other
    }
}

/// A piece of `text` that looks like UTF-8 read as Latin-1 or Windows-1252 (`Ã©` for `é`, `â€™` for `’`), or a replacement
/// character, which stands where a letter was lost.
pub(crate) fn mojibake(text: &str) -> Option<String> {
    if text.is_ascii() {
        return None;
    }
    let letters: Vec<char> = text.chars().collect();
    for (at, &letter) in letters.iter().enumerate() {
        let following = match letter {
            '\u{fffd}' => return Some(letter.to_string()),
            'Â' | 'Ã' => 1,
            'â' => 2,
            'ð' => 3,
            _ => continue,
        };
        let Some(rest) = letters.get(at + 1..=at + following) else { continue };
        if rest.iter().all(|&letter| continuation(letter)) {
            return Some(std::iter::once(&letter).chain(rest).collect());
        }
    }
    None
}

/// Whether Windows-1252 or Latin-1 has `letter` at one of the bytes 0x80 to 0xBF, which continue a letter in UTF-8.
fn continuation(letter: char) -> bool {
    matches!(letter, '\u{80}'..='\u{bf}') || WINDOWS_1252.contains(&letter)
}

/// The letters of Windows-1252 at 0x80 to 0x9F that Latin-1 does not have there.
const WINDOWS_1252: [char; 27] = [
    '€', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 'Ž', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š',
    '›', 'œ', 'ž', 'Ÿ',
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks() {
        assert_eq!(mark(b"\xEF\xBB\xBF{}"), Mark::Utf8(3));
        assert_eq!(mark(b"\xFF\xFE{\0"), Mark::Utf16);
        assert_eq!(mark(b"\xFE\xFF\0{"), Mark::Utf16);
        let text = r#"{"prompt_id": "a", "prompt": "b"}"#;
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!((mark(&little), mark(&big)), (Mark::Utf16, Mark::Utf16));
        for plain in [text.as_bytes(), b"", b"a", b"a\0b", &[0; 40]] {
            assert_eq!(mark(plain), Mark::None, "{plain:?}");
        }
    }

    #[test]
    fn line_ends() {
        let mixed = |ends: &[bool]| {
            let mut found = LineEnds::default();
            for &carriage_return in ends {
                found.add(carriage_return);
            }
            found.mixed()
        };
        assert_eq!(mixed(&[false, false]), None);
        assert_eq!(mixed(&[true, true]), None);
        assert_eq!(mixed(&[true, false, true, false]), Some((2, 2)));
        assert_eq!(mixed(&[false, false, true]), Some((3, 1)));
        assert_eq!(mixed(&[]), None);
    }

    #[test]
    fn utf8_read_as_something_else_is_seen_and_good_text_is_not() {
        // Every letter of Latin-1 and some punctuation, encoded as UTF-8 and decoded wrongly.
        for letter in ('\u{a0}'..='\u{ff}').chain(['’', '“', '—', '€', '\u{1F600}']) {
            let mut buffer = [0; 4];
            let wrong: String = letter.encode_utf8(&mut buffer).bytes().map(char::from).collect();
            assert_eq!(mojibake(&format!("x{wrong}y")), Some(wrong), "{letter}");
        }
        assert_eq!(mojibake("donâ€™t"), Some("â€™".to_owned()));
        assert_eq!(mojibake("na\u{fffd}ve"), Some("\u{fffd}".to_owned()));
        for good in
            ["café", "São Paulo, AÇÃO", "Âge d’or", "Größe: 5 €", "naïve — “quoted”", "中文 и русский", "ÃO", "â"]
        {
            assert_eq!(mojibake(good), None, "{good}");
        }
    }
}
