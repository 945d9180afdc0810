//! The nearest known name to a misspelt one.

/// The candidate that is near enough to be meant, if there is one.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters may differ: more is another word.
    let most = (name.chars().count() / 3).max(1);
    let lower = name.to_lowercase();
    candidates
        .into_iter()
        .filter(|c| c.len().abs_diff(name.len()) <= most + 2)
        .map(|c| (strsim::damerau_levenshtein(&lower, &c.to_lowercase()), c))
        .filter(|(distance, c)| *distance <= most || (name.len() >= 4 && c.starts_with(name)))
        .min()
        .map(|(_, c)| c)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn only_near_names_are_suggested() {
        let names = ["lifetime_value", "city", "country"];
        assert_eq!(nearest("lifetime_valeu", names), Some("lifetime_value"));
        assert_eq!(nearest("City", names), Some("city"));
        assert_eq!(nearest("contry", names), Some("country"));
        assert_eq!(nearest("amount", names), None);
        assert_eq!(nearest("", names), None);
    }
}
