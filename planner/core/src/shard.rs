//! A part of many stacks, for one machine of several. A stack is in the same one whatever other stacks there are.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One of so many parts. It is written as `2/7`, and counts from 1.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Shard {
    index: usize,
    of: usize,
}

impl Shard {
    /// The one of so many that is at an index, from 1.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the numbers.
    pub fn new(index: usize, of: usize) -> Result<Self, String> {
        match (index, of) {
            (_, 0) => Err("there is at least one shard".to_owned()),
            (0, _) => Err("shards count from 1".to_owned()),
            _ if index > of => Err(format!("there is no shard {index} of {of}")),
            _ => Ok(Self { index, of }),
        }
    }

    /// Which it is, from 1.
    pub const fn index(self) -> usize {
        self.index
    }

    /// Of how many.
    pub const fn of(self) -> usize {
        self.of
    }

    /// Whether a stack is in it: by a hash of the path that tells it from the others, so that no other stack moves when one
    /// is added.
    pub fn holds(self, path: &str) -> bool {
        let hash = Sha256::digest(path.as_bytes());
        let first = hash.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let Ok(of) = u64::try_from(self.of) else { return false };
        usize::try_from(first % of).is_ok_and(|at| at + 1 == self.index)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number =
            |text: &str| text.parse().map_err(|_| "write it as I/N, such as 2/7".to_owned());
        let (index, of) = text.split_once('/').ok_or("write it as I/N, such as 2/7")?;
        Self::new(number(index)?, number(of)?)
    }
}

impl TryFrom<String> for Shard {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> Self {
        shard.to_string()
    }
}

/// Those that are not among the shards that several reports are of.
///
/// # Errors
///
/// Says so when the reports are not of one run: some are of shards and others are not, or of other numbers of shards, or
/// two are of the same one.
pub fn missing(shards: &[Option<Shard>]) -> Result<Vec<Shard>, String> {
    let given: Vec<Shard> = shards.iter().flatten().copied().collect();
    let Some(first) = given.first() else { return Ok(Vec::new()) };
    if given.len() < shards.len() {
        return Err("some reports are of a shard, and others of none".to_owned());
    }
    if let Some(other) = given.iter().find(|it| it.of != first.of) {
        return Err(format!("shard {first} and shard {other} are of different runs"));
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = given.iter().find(|it| !seen.insert(it.index)) {
        return Err(format!("two reports are of shard {twice}"));
    }
    let all = (1..=first.of).filter(|index| !seen.contains(index));
    Ok(all.map(|index| Shard { index, of: first.of }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(text: &str) -> Shard {
        text.parse().unwrap()
    }

    #[test]
    fn every_stack_is_in_one_shard_whatever_others_there_are() {
        let paths: Vec<String> =
            (0..1_000).map(|at| format!("team{}/stack-{at}", at % 9)).collect();
        let mut held = [0; 7];
        for path in &paths {
            let of: Vec<usize> =
                (1..=7).filter(|index| Shard::new(*index, 7).unwrap().holds(path)).collect();
            assert_eq!(of.len(), 1, "{path}");
            held[of[0] - 1] += 1;
        }
        assert!(held.iter().all(|it| (100..190).contains(it)), "{held:?}");
        // What a release before put somewhere stays there.
        assert!(shard("1/7").holds("team0/stack-0"));
        assert!(shard("1/1").holds("anything"));
    }

    #[test]
    fn what_is_no_shard_is_refused() {
        for bad in ["0/3", "4/3", "1/0", "1", "a/b", "1/2/3", "-1/2", "/"] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
        assert_eq!(serde_json::to_string(&shard("2/7")).unwrap(), "\"2/7\"");
        assert!(serde_json::from_str::<Shard>("\"8/7\"").is_err());
    }

    #[test]
    fn what_is_missing_is_known_only_within_one_run() {
        let of = |texts: &[&str]| {
            let shards: Vec<Option<Shard>> = texts.iter().map(|it| it.parse().ok()).collect();
            missing(&shards)
        };
        assert_eq!(of(&["", ""]), Ok(Vec::new()));
        assert_eq!(of(&["3/3", "1/3", "2/3"]), Ok(Vec::new()));
        assert_eq!(of(&["4/4", "2/4"]), Ok(vec![shard("1/4"), shard("3/4")]));
        for bad in [&["1/2", ""][..], &["1/2", "2/3"], &["1/2", "1/2"]] {
            assert!(of(bad).is_err(), "{bad:?}");
        }
    }
}
