//! Names of files and folders made from the names of models and benchmarks.

use std::collections::BTreeSet;

/// `name` as the name of a folder, on any system: letters, digits, `.`, `-` and `_`.
///
/// ```
/// assert_eq!(router_data::formats::folder_name("MMLU-Pro: law"), "MMLU-Pro__law");
/// ```
pub fn folder_name(name: &str) -> String {
    let safe = |letter: char| if letter.is_alphanumeric() || "-_.".contains(letter) { letter } else { '_' };
    let name: String = name.chars().map(safe).collect();
    let name = name.trim_matches('.');
    if name.is_empty() { "_".to_owned() } else { name.to_owned() }
}

/// The folder names of `names`, in order, no two the same.
pub(super) fn folder_names<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut taken = BTreeSet::new();
    names
        .map(|name| {
            let mut folder = folder_name(name);
            // Two names that differ in case alone are one on some systems.
            while !taken.insert(folder.to_lowercase()) {
                folder.push('_');
            }
            folder
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_stay_below_the_place_that_was_named() {
        let cases = [
            ("gsm8k", "gsm8k"),
            ("MMLU-Pro: law", "MMLU-Pro__law"),
            ("../up", "_up"),
            ("a/b\\c", "a_b_c"),
            ("..", "_"),
            ("", "_"),
        ];
        for (benchmark, folder) in cases {
            assert_eq!(folder_name(benchmark), folder);
        }
        assert_eq!(folder_names(["a/b", "a_b", "A_B"].into_iter()), ["a_b", "a_b_", "A_B__"]);
    }
}
