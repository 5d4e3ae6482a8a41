//! Azure's regions, however they are spelled.

/// A region as Azure stores it: `eastus` for `East US`.
pub fn plain(location: &str) -> String {
    location.to_lowercase().replace(' ', "")
}

/// Whether two spellings mean one region.
pub fn is_same(one: &str, other: &str) -> bool {
    plain(one) == plain(other)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_region_is_spelled_as_the_portal_or_as_arm_does() {
        assert!(super::is_same("East US", "eastus"));
        assert!(!super::is_same("East US", "eastus2"));
    }
}
