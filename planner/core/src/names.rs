//! Names as people sort them: numbers within them by value, those that count up as one.

use std::cmp::Ordering;

/// Names in natural order, three and more that count up as one.
pub fn folded(mut names: Vec<String>) -> Vec<String> {
    names.sort_by(|one, other| natural(one, other));
    let mut folded = Vec::new();
    let mut rest = names.as_slice();
    while let Some(first) = rest.first() {
        let run =
            rest.windows(2).take_while(|pair| matches!(pair, [one, other] if follows(one, other)));
        let length = run.count() + 1;
        match rest.get(length - 1).filter(|_| length > 2) {
            Some(last) => {
                folded.push(format!("{first} .. {last}"));
                rest = rest.get(length..).unwrap_or_default();
            }
            None => {
                folded.push(first.clone());
                rest = rest.get(1..).unwrap_or_default();
            }
        }
    }
    folded
}

/// Whether a name is as a pattern, in which `*` stands for any characters.
pub fn is_like(name: &str, pattern: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return name == pattern };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match left.find(part) {
            Some(at) => left = left.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    left.ends_with(last)
}

/// A name and the number at its end.
fn numbered(name: &str) -> Option<(&str, u64)> {
    let stem = name.trim_end_matches(|it: char| it.is_ascii_digit());
    let number = name.get(stem.len()..)?.parse().ok()?;
    (!stem.is_empty()).then_some((stem, number))
}

fn follows(one: &str, other: &str) -> bool {
    match (numbered(one), numbered(other)) {
        (Some((stem, number)), Some((other, next))) => {
            stem == other && number.checked_add(1) == Some(next)
        }
        _ => false,
    }
}

/// As people sort: numbers within names by value.
pub fn natural(one: &str, other: &str) -> Ordering {
    let (mut left, mut right) = (one, other);
    loop {
        let (Some(a), Some(b)) = (left.chars().next(), right.chars().next()) else {
            return left.len().cmp(&right.len()).then_with(|| one.cmp(other));
        };
        if a.is_ascii_digit() && b.is_ascii_digit() {
            let (digits, after) = digits(left);
            let (others, behind) = self::digits(right);
            let order = (digits.len(), digits).cmp(&(others.len(), others));
            if order != Ordering::Equal {
                return order;
            }
            (left, right) = (after, behind);
        } else {
            if a != b {
                return a.cmp(&b);
            }
            left = left.get(a.len_utf8()..).unwrap_or_default();
            right = right.get(b.len_utf8()..).unwrap_or_default();
        }
    }
}

/// The digits that a text begins with, without leading zeros, and the rest.
fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|it: char| !it.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    (digits.trim_start_matches('0'), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        let like = [
            ("PrivateEndpoint/a", "PrivateEndpoint/a"),
            ("PrivateEndpoint/a", "PrivateEndpoint/*"),
            ("Service/default/app", "*/default/*"),
            ("Service/default/app", "*"),
            ("Service/aXbXb", "Service/a*b*b"),
            ("x", "x*"),
        ];
        let unlike = [
            ("PrivateEndpoint/ab", "PrivateEndpoint/a"),
            ("Service/default/app", "*/other/*"),
            ("Service/ab", "Service/a*b*b"),
            ("ab", "*a"),
            ("", "?"),
        ];
        assert!(like.iter().all(|(name, pattern)| is_like(name, pattern)));
        assert!(!unlike.iter().any(|(name, pattern)| is_like(name, pattern)));
    }

    #[test]
    fn names_that_count_up_are_one() {
        let names: Vec<String> = (1..=12).map(|at| format!("tf-pe-{at}")).collect();
        assert_eq!(folded(names), ["tf-pe-1 .. tf-pe-12"]);
        let names = ["b", "a10", "a2", "a3"].map(str::to_owned).to_vec();
        assert_eq!(folded(names), ["a2", "a3", "a10", "b"]);
    }

    #[test]
    fn numbers_are_sorted_by_value() {
        assert_eq!(natural("pe2", "pe10"), Ordering::Less);
        assert_eq!(natural("pe02", "pe2"), Ordering::Less);
        assert_eq!(natural("a", "a"), Ordering::Equal);
        assert_eq!(natural("é1", "é1b"), Ordering::Less);
    }
}
