//! The known key that looks most like an unknown one.

/// The most similar of `known`, if it is similar enough to be meant.
pub(super) fn nearest(unknown: &str, known: &mut dyn Iterator<Item = String>) -> Option<String> {
    let unknown = unknown.to_lowercase();
    let bound = (unknown.chars().count() / 3).max(1);
    known
        .map(|key| (distance(&unknown, &key), key))
        .filter(|(distance, _)| *distance <= bound)
        .min()
        .map(|(_, key)| key)
}

/// Letters to insert, remove or exchange to get from one text to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, left) in from.chars().enumerate() {
        let mut diagonal = i;
        let mut before = i + 1;
        row[0] = before;
        for (right, cell) in to.iter().zip(&mut row[1..]) {
            let exchanged = diagonal + usize::from(left != *right);
            diagonal = *cell;
            before = exchanged.min(before + 1).min(*cell + 1);
            *cell = before;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_letters() {
        for (from, to, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("issuer", "isuer", 1),
            ("kitten", "sitting", 3),
            ("same", "same", 0),
        ] {
            assert_eq!(distance(from, to), expected, "{from} {to}");
        }
    }

    #[test]
    fn only_a_similar_key_is_proposed() {
        let known = || {
            ["drain_timeout", "in_flight"]
                .map(str::to_owned)
                .into_iter()
        };
        assert_eq!(
            nearest("drain_time_out", &mut known()),
            Some("drain_timeout".to_owned())
        );
        assert_eq!(nearest("colour", &mut known()), None);
    }
}
