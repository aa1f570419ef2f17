//! Where the parts of a JSON text stand, for messages that name a line. The text is known to be valid.

/// The elements of the list (the members of the object) that `bytes`, valid JSON, holds: the line each starts in, and its bytes.
pub(crate) fn elements(bytes: &[u8]) -> Vec<(usize, &[u8])> {
    let mut found = Vec::new();
    let (mut line, mut depth) = (1usize, 0usize);
    let (mut quoted, mut escaped) = (false, false);
    let mut open: Option<(usize, usize)> = None;
    for (at, &byte) in bytes.iter().enumerate() {
        if depth == 1 && !quoted && matches!(byte, b',' | b']' | b'}') {
            if let Some((start, first)) = open.take() {
                found.push((first, bytes.get(start..at).unwrap_or_default()));
            }
        } else if depth >= 1 && open.is_none() && !byte.is_ascii_whitespace() {
            open = Some((at, line));
        }
        if quoted {
            quoted = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else {
            match byte {
                b'"' => quoted = true,
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        line += usize::from(byte == b'\n');
    }
    found
}

/// The members of the object that `bytes`, valid JSON, holds: the line each value starts in, its name, and its bytes.
pub(crate) fn members(bytes: &[u8]) -> Vec<(usize, String, &[u8])> {
    // The elements of an object are `"name": value`; a name is a string of its own, then a colon.
    let mut found = Vec::new();
    for (line, member) in elements(bytes) {
        let mut escaped = false;
        let closes = |&(at, &byte): &(usize, &u8)| {
            let close = at > 0 && byte == b'"' && !escaped;
            escaped = !escaped && byte == b'\\';
            close
        };
        let Some(quote) = member.iter().enumerate().find(closes).map(|(at, _)| at) else { continue };
        let Some((name, rest)) = member.split_at_checked(quote + 1) else { continue };
        let Ok(name) = serde_json::from_slice::<String>(name) else { continue };
        let Some(colon) = rest.iter().position(|&byte| byte == b':') else { continue };
        let value = rest.get(colon + 1..).unwrap_or_default();
        let blank = value.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let before = member.len() - value.len() + blank;
        let lines = member.iter().take(before).filter(|&&byte| byte == b'\n').count();
        found.push((line + lines, name, value.get(blank..).unwrap_or_default()));
    }
    found
}

/// How many lines of the object `entry` lie before the field `key`; 0 if it is not found.
pub(crate) fn lines_before_key(entry: &[u8], key: &str) -> usize {
    let quoted = format!("\"{key}\"");
    let mut from = 0;
    while let Some(rest) = entry.get(from..) {
        let Some(at) = rest.windows(quoted.len()).position(|window| window == quoted.as_bytes()) else { break };
        let after = rest.get(at + quoted.len()..).unwrap_or_default();
        if after.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':') {
            return entry.iter().take(from + at).filter(|&&byte| byte == b'\n').count();
        }
        from += at + quoted.len();
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_know_their_lines() {
        let bytes = b"[\n {\"a\": \"],\\\"\"},\n\n 2,[3,\n4] ]\n";
        let found: Vec<_> = elements(bytes).into_iter().map(|(line, e)| (line, String::from_utf8_lossy(e))).collect();
        assert_eq!(found.len(), 3);
        assert_eq!((found[0].0, found[0].1.as_ref()), (2, "{\"a\": \"],\\\"\"}"));
        assert_eq!((found[1].0, found[1].1.as_ref()), (4, "2"));
        assert_eq!((found[2].0, found[2].1.trim()), (4, "[3,\n4]"));
    }

    #[test]
    fn a_key_is_not_a_value() {
        assert_eq!(lines_before_key(b"{\"model\": \"tags\",\n\"tags\" : 1}", "tags"), 1);
    }

    #[test]
    fn members_know_their_lines() {
        let bytes = b"{\n \"a \\\": \" : [1,\n2],\n\"b\":\n {\"c\": \"}\"}}";
        let found: Vec<_> =
            members(bytes).into_iter().map(|(line, n, v)| (line, n, String::from_utf8_lossy(v))).collect();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].0, found[0].1.as_str(), found[0].2.as_ref()), (2, "a \": ", "[1,\n2]"));
        assert_eq!((found[1].0, found[1].1.as_str(), found[1].2.as_ref()), (5, "b", "{\"c\": \"}\"}"));
        assert!(members(b"{}").is_empty());
        assert!(elements(b" [ ] ").is_empty());
    }
}
