//! Fitting a document into so many bytes: sections with a rank, of which the least important are cut
//! first, between their items and never within one.

use std::collections::{BTreeMap, BTreeSet};

/// How much a section matters; the lower ones are cut first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// What is destroyed, who is cut off, what is refused.
    Destructive,
    /// What a reader should know.
    Finding,
    /// What else changes.
    Change,
    /// The picture of it.
    Picture,
    /// The fields that differ.
    Field,
}

/// A part of a document: a head, items that can be left out from the end, and a tail.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    /// How much it matters.
    pub(crate) rank: Rank,
    /// What an item is, for saying how many are left out.
    pub(crate) noun: &'static str,
    /// What stands before the items.
    pub(crate) head: String,
    /// What each stands for itself.
    pub(crate) items: Vec<String>,
    /// What stands behind the items, and closes what the head opens.
    pub(crate) tail: String,
    /// How many more items there are, which no place takes.
    pub(crate) unwritten: usize,
}

/// Sections under one heading, which stands only if one of them does.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// The heading.
    pub(crate) heading: String,
    /// The sections.
    pub(crate) sections: Vec<Section>,
}

impl Section {
    /// How many items fit into so many bytes, and how many bytes they take with what is around them.
    fn fit(&self, bytes: usize) -> Option<(usize, usize)> {
        let mut taken = self.head.len() + self.tail.len();
        let mut keep = 0;
        for item in &self.items {
            if taken + item.len() > bytes {
                break;
            }
            taken += item.len();
            keep += 1;
        }
        // A head above nothing says nothing.
        (keep > 0).then_some((keep, taken))
    }
}

/// How many items of each noun.
pub(crate) type Counts = BTreeMap<&'static str, usize>;

/// A document that fits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fitted {
    /// Its text.
    pub(crate) text: String,
    /// What is left out.
    pub(crate) left_out: Counts,
}

/// How many items there are.
pub(crate) fn all(parts: &[Part]) -> Counts {
    let mut counts = Counts::new();
    for section in parts.iter().flat_map(|part| &part.sections) {
        *counts.entry(section.noun).or_default() += section.items.len() + section.unwritten;
    }
    counts
}

/// The parts, in their order, cut to so many bytes.
pub(crate) fn fit(parts: &[Part], bytes: usize) -> Fitted {
    let mut order: Vec<(usize, usize, &Section)> = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        order.extend(part.sections.iter().enumerate().map(|(nth, section)| (at, nth, section)));
    }
    // Sorting is stable: within a rank the first ones come first.
    order.sort_by_key(|(.., section)| section.rank);
    let mut left = bytes;
    let mut kept: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    let mut opened = BTreeSet::new();
    let mut left_out = Counts::new();
    for (at, nth, section) in order {
        let heading = match parts.get(at) {
            Some(part) if !opened.contains(&at) => part.heading.len(),
            _ => 0,
        };
        let fits = left.checked_sub(heading).and_then(|left| section.fit(left));
        let (keep, taken) = fits.map_or((0, 0), |(keep, taken)| (keep, heading + taken));
        left -= taken;
        if keep > 0 {
            kept.insert((at, nth), keep);
            opened.insert(at);
        }
        let missing = section.items.len() - keep + section.unwritten;
        if missing > 0 {
            *left_out.entry(section.noun).or_default() += missing;
        }
    }
    Fitted { text: text(parts, &kept), left_out }
}

fn text(parts: &[Part], kept: &BTreeMap<(usize, usize), usize>) -> String {
    let mut text = String::new();
    for (at, part) in parts.iter().enumerate() {
        let mut heading = Some(&part.heading);
        for (nth, section) in part.sections.iter().enumerate() {
            let Some(keep) = kept.get(&(at, nth)) else { continue };
            text.extend(heading.take().map(String::as_str));
            text.push_str(&section.head);
            text.extend(section.items.iter().take(*keep).map(String::as_str));
            text.push_str(&section.tail);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(rank: Rank, items: &[&str]) -> Section {
        Section {
            rank,
            noun: "item",
            head: "<".into(),
            items: items.iter().map(|it| (*it).to_owned()).collect(),
            tail: ">".into(),
            unwritten: 0,
        }
    }

    fn part(heading: &str) -> Part {
        let sections = vec![section(Rank::Field, &["a", "b"]), section(Rank::Destructive, &["c"])];
        Part { heading: heading.into(), sections }
    }

    #[test]
    fn all_that_fits_stays_in_its_order() {
        let fitted = fit(&[part("#")], 8);
        assert_eq!((fitted.text.as_str(), fitted.left_out.len()), ("#<ab><c>", 0));
    }

    #[test]
    fn what_matters_least_goes_first_and_what_is_open_is_closed() {
        let parts = [part("")];
        assert_eq!(fit(&parts, 6).text, "<a><c>");
        assert_eq!(fit(&parts, 5).text, "<c>");
        assert_eq!(fit(&parts, 5).left_out, Counts::from([("item", 2)]));
        assert_eq!(fit(&parts, 2).text, "");
        assert_eq!(fit(&parts, 2).left_out, all(&parts));
    }

    #[test]
    fn nothing_stands_without_its_heading_and_no_heading_above_nothing() {
        let parts = [part("a long heading"), part("")];
        assert_eq!(fit(&parts, 10).text, "<ab><c>");
        assert_eq!(fit(&parts[..1], 16).text, "");
    }
}
