//! Chains of hops: the shortest way from one version to another over the hops that there are.
//!
//! Pure: hops come in as values in the order in which they are searched. Versions are names here,
//! two of them are the same or not, and none is newer than another.

use std::collections::HashMap;

use relup::hop::HopPath;

/// The places in `hops` of those that lead from `from` to `to`, in the order in which they are
/// gone; `None` where they do not. Of several ways the one with the fewest hops, of several of these the
/// one whose first hop that differs is searched first.
pub(crate) fn shortest(hops: &[HopPath], from: &str, to: &str) -> Option<Vec<usize>> {
    if from == to {
        return Some(Vec::new());
    }
    // How each version is reached first; the queue is in the order of the ways that lead there.
    let mut reached: HashMap<&str, usize> = HashMap::new();
    let mut queue = vec![from];
    let mut next = 0;
    while let Some(&at) = queue.get(next) {
        next += 1;
        for (index, hop) in hops.iter().enumerate() {
            let (start, end) = (hop.from.as_str(), hop.to.as_str());
            if start != at || end == from || reached.contains_key(end) {
                continue;
            }
            reached.insert(end, index);
            if end == to {
                return Some(back(hops, &reached, from, to));
            }
            queue.push(end);
        }
    }
    None
}

/// The versions from which `to` can be reached, nearest first.
pub(crate) fn leading_to<'h>(hops: &'h [HopPath], to: &str) -> Vec<&'h str> {
    let mut found: Vec<&str> = Vec::new();
    let mut next = 0;
    let mut at = to;
    loop {
        for hop in hops.iter().filter(|hop| hop.to == at) {
            if hop.from != to && !found.contains(&hop.from.as_str()) {
                found.push(&hop.from);
            }
        }
        match found.get(next) {
            Some(vsn) => at = vsn,
            None => return found,
        }
        next += 1;
    }
}

/// `5.10.4 -> 5.10.5 -> 5.10.6`, of hops that follow one another.
pub(crate) fn words<'h>(hops: impl IntoIterator<Item = &'h HopPath>) -> String {
    let mut text = String::new();
    for hop in hops {
        if text.is_empty() {
            text.push_str(&hop.from);
        }
        text.push_str(" -> ");
        text.push_str(&hop.to);
    }
    text
}

fn back(hops: &[HopPath], reached: &HashMap<&str, usize>, from: &str, to: &str) -> Vec<usize> {
    let mut way = Vec::new();
    let mut at = to;
    while at != from {
        // Every version on the way was reached by a hop, and the first of them starts at `from`.
        let Some(&index) = reached.get(at) else { break };
        way.push(index);
        at = &hops[index].from;
    }
    way.reverse();
    way
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hops written `a-b`.
    fn hops(words: &str) -> Vec<HopPath> {
        let hop = |word: &str| {
            let (from, to) = word.split_once('-').expect("two versions");
            HopPath {
                from: from.to_owned(),
                to: to.to_owned(),
            }
        };
        words.split_whitespace().map(hop).collect()
    }

    fn check(given: &str, from: &str, to: &str, expected: Option<&str>) {
        let hops = hops(given);
        let found = shortest(&hops, from, to);
        let found = found.map(|way| words(way.iter().map(|&index| &hops[index])));
        assert_eq!(found.as_deref(), expected, "{given}: {from} to {to}");
    }

    #[test]
    fn the_way_with_the_fewest_hops_is_found_in_any_order() {
        for (given, from, to, expected) in [
            ("", "a", "b", None),
            ("a-b", "a", "b", Some("a -> b")),
            ("a-b", "b", "a", None),
            ("a-b b-c", "a", "c", Some("a -> b -> c")),
            ("b-c a-b", "a", "c", Some("a -> b -> c")),
            ("a-b b-c a-c", "a", "c", Some("a -> c")),
            ("a-b c-d", "a", "d", None),
            // Names, not numbers: the way may lead over what looks older.
            (
                "5.10.4-5.9.0 5.9.0-5.10.5",
                "5.10.4",
                "5.10.5",
                Some("5.10.4 -> 5.9.0 -> 5.10.5"),
            ),
            ("1-2 2-3 3-4 4-5 1-4", "1", "5", Some("1 -> 4 -> 5")),
        ] {
            check(given, from, to, expected);
        }
    }

    #[test]
    fn of_ways_of_one_length_the_one_searched_first_wins() {
        check("a-c a-b b-d c-d", "a", "d", Some("a -> c -> d"));
        check("a-b a-c c-d b-d", "a", "d", Some("a -> b -> d"));
        let hops = hops("a-b a-b b-c");
        assert_eq!(shortest(&hops, "a", "c"), Some(vec![0, 2]));
    }

    #[test]
    fn circles_end() {
        check("a-b b-a a-a b-c", "a", "c", Some("a -> b -> c"));
        check("a-b b-a", "a", "c", None);
        check("a-b", "a", "a", Some(""));
        assert_eq!(leading_to(&hops("a-b b-a"), "b"), ["a"]);
    }

    #[test]
    fn what_leads_to_a_version_is_known_nearest_first() {
        let hops = hops("a-b b-d c-d d-e x-y");
        assert_eq!(leading_to(&hops, "e"), ["d", "b", "c", "a"]);
        assert!(leading_to(&hops, "a").is_empty());
    }
}
