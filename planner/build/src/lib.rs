//! From which commit, and for which target, this binary is built.
//!
//! A crate of its own, since a commit changes it: only the binary is compiled again then, and no test is.

/// The commit that was checked out when this was built, 40 hexadecimal digits; `unknown` of sources that came
/// without their repository. What was edited since does not show.
pub const COMMIT: &str = env!("PRIVLINK_BUILT_FROM");

/// The target triple that this is built for, such as `x86_64-unknown-linux-musl`.
pub const TARGET: &str = env!("PRIVLINK_BUILT_FOR");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_is_one_or_is_unknown() {
        let is_one = COMMIT.len() == 40 && COMMIT.bytes().all(|it| it.is_ascii_hexdigit());
        assert!(is_one || COMMIT == "unknown", "{COMMIT}");
        assert!(TARGET.contains(std::env::consts::ARCH) || TARGET.contains('-'), "{TARGET}");
    }
}
