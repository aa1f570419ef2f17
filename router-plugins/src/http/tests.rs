//! Waits and keys, without a server. What happens with one is in tests/remote.rs.

use std::time::Duration;

use super::key::ApiKey;
use super::retry::{LONGEST_ASKED, LONGEST_WAIT, asked, salt, wait};

#[test]
fn waits_double_up_to_a_limit_and_are_spread() {
    let first = Duration::from_millis(500);
    for failure in 0..100 {
        let whole = first.saturating_mul(1 << failure.min(20)).min(LONGEST_WAIT);
        for request in 0..20_u64 {
            let one = wait(first, failure, request, None);
            assert!(one >= whole / 2 && one <= whole, "{failure}: {one:?} of {whole:?}");
            assert_eq!(one, wait(first, failure, request, None), "the same request waits the same");
        }
    }
    let different: std::collections::BTreeSet<Duration> =
        (0..100).map(|request| wait(first, 3, request, None)).collect();
    assert!(different.len() > 90);
    assert_ne!(salt(b"one"), salt(b"two"));
    assert_eq!(wait(Duration::ZERO, 5, 1, None), Duration::ZERO);
}

#[test]
fn a_server_s_wish_counts_up_to_a_limit() {
    let first = Duration::from_millis(1);
    assert_eq!(wait(first, 0, 1, Some(Duration::from_secs(7))), Duration::from_secs(7));
    assert_eq!(wait(first, 0, 1, Some(Duration::from_secs(1 << 40))), LONGEST_ASKED);
    assert!(wait(first, 0, 1, Some(Duration::ZERO)) > Duration::ZERO, "zero is not for ever");

    // The example dates of RFC 9110, sections 5.6.7 and 10.2.3.
    let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(asked(Some("120"), None), Some(Duration::from_secs(120)));
    assert_eq!(asked(Some(" 3 "), date), Some(Duration::from_secs(3)));
    assert_eq!(asked(Some("Sun, 06 Nov 1994 08:50:07 GMT"), date), Some(Duration::from_secs(30)));
    assert_eq!(asked(Some("Sunday, 06-Nov-94 08:50:07 GMT"), date), Some(Duration::from_secs(30)));
    assert_eq!(asked(Some("Sun, 06 Nov 1994 08:00:00 GMT"), date), Some(Duration::ZERO), "a past date");
    for (nonsense, date) in [("soon", date), ("-1", date), ("1.5", date), ("Sun, 06 Nov 1994 08:50:07 GMT", None)] {
        assert_eq!(asked(Some(nonsense), date), None, "{nonsense}");
    }
    assert_eq!(asked(None, date), None);
}

#[test]
fn a_key_is_hidden_whole_and_cut() {
    let key = ApiKey::new(" sk-\"odd\\key\n").unwrap();
    assert_eq!(format!("{key:?}"), "[key]");
    assert_eq!(key.hide(r#"no sk-"odd\key here"#, false), "no [key] here");
    assert_eq!(key.hide(r#"{"error": "sk-\"odd\\key"}"#, false), r#"{"error": "[key]"}"#);
    assert_eq!(key.hide(r#"it ends in sk-"odd"#, true), "it ends in ");
    assert_eq!(key.hide("it ends in s", true), "it ends in ");
    assert_eq!(key.hide("it ends", true), "it end", "one letter more than needed");
    assert_eq!(key.hide("it ends", false), "it ends");
    for unsound in ["", " \n", "a b", "schlüssel", "a\u{7f}"] {
        assert_eq!(ApiKey::new(unsound), None, "{unsound:?}");
    }
}
