//! What the fuzz targets do with text from outside, done with their seeds.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

#[path = "../fuzz/src/lib.rs"]
mod targets;

use support::{names, root};

/// Does what a fuzz target does with each of its seeds.
fn sow(target: &str, reads: fn(&[u8])) {
    let seeds = names(&format!("fuzz/corpus/{target}"));
    assert!(!seeds.is_empty(), "{target} has no seeds");
    for seed in seeds {
        let file = root().join("fuzz/corpus").join(target).join(seed);
        reads(&std::fs::read(file).unwrap());
    }
}

macro_rules! seeds {
    ($($target:ident),+ $(,)?) => {
        $(#[test] fn $target() { sow(stringify!($target), targets::$target); })+

        #[test]
        fn every_target_has_a_test() {
            let mut tested = vec![$(stringify!($target)),+];
            tested.sort_unstable();
            assert_eq!(names("fuzz/corpus"), tested);
            let targets = names("fuzz/targets").into_iter();
            let targets: Vec<String> = targets.map(|it| it.trim_end_matches(".rs").to_owned()).collect();
            assert_eq!(targets, tested);
        }
    };
}

seeds!(
    admission,
    documents,
    annotations,
    saved_plan,
    snapshot,
    journal,
    arm,
    kubernetes,
    next_link
);
