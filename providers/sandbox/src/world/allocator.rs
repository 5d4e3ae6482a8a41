//! What a cluster and Azure allocate: uids, guids, etags, ports, addresses. Drawn from the world's
//! seed, the name of what they are for and how many that name had before, so that the same story
//! gives the same values, whichever of two concurrent requests came first.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Allocates values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Allocator {
    /// What every value depends on.
    pub seed: String,
    /// How many values each name was given.
    #[serde(default)]
    pub issued: BTreeMap<String, u64>,
}

impl Allocator {
    /// An allocator that allocated nothing yet.
    pub fn new(seed: impl Into<String>) -> Self {
        Self { seed: seed.into(), issued: BTreeMap::new() }
    }

    /// A new guid, in the form of a random one, for something of this name.
    pub fn guid(&mut self, of: &str) -> String {
        let bytes = self.draw(&format!("guid {}", of.to_lowercase()));
        let hex: String = bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        let variant = match part(16, 17) {
            "0" | "4" | "8" | "c" => '8',
            "1" | "5" | "9" | "d" => '9',
            "2" | "6" | "a" | "e" => 'a',
            _ => 'b',
        };
        format!(
            "{}-{}-4{}-{variant}{}-{}",
            part(0, 8),
            part(8, 12),
            part(13, 16),
            part(17, 20),
            part(20, 32)
        )
    }

    /// A new number below `bound` for something of this name.
    pub fn number(&mut self, of: &str, bound: u32) -> u32 {
        let bytes = self.draw(&format!("number {}", of.to_lowercase()));
        let mut four = [0; 4];
        four.copy_from_slice(bytes.get(..4).unwrap_or(&[0; 4]));
        u32::from_be_bytes(four).checked_rem(bound).unwrap_or(0)
    }

    /// How many values of this name were given, this one included.
    pub fn count(&mut self, of: &str) -> u64 {
        let count = self.issued.entry(of.to_owned()).or_default();
        *count += 1;
        *count
    }

    fn draw(&mut self, of: &str) -> Vec<u8> {
        let count = self.count(of);
        Sha256::digest(format!("{}\n{of}\n{count}", self.seed).as_bytes()).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gets_other_values_each_time_but_the_same_in_the_same_story() {
        let mut one = Allocator::new("s");
        let mut two = Allocator::new("s");
        let first = one.guid("Service/default/web");
        assert_ne!(first, one.guid("Service/default/web"));
        two.guid("Service/default/other");
        assert_eq!(first, two.guid("service/default/web"), "other names do not matter");
        assert_eq!(first.len(), 36);
        assert_eq!(first.as_bytes()[14], b'4');
        assert_ne!(first, Allocator::new("t").guid("Service/default/web"));
    }
}
