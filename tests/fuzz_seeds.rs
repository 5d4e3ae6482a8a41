//! What the fuzz targets do with text from outside, done with their seeds and with mutations of them.
//! `MUTATIONS` says how many of each target: few in the gate, 50,000 of all in `.ci/full`.

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

/// What is put into an input, or in the place of a part of it.
const PARTS: [&str; 16] = [
    "null",
    "-1",
    "18446744073709551615",
    "1e999",
    "\u{202e}",
    "\u{1b}[31m",
    "{}",
    "[]",
    "&a ",
    "*a",
    "!!str ",
    "---\n",
    "\"",
    "\u{e000}",
    "a: b\n",
    "../..",
];

/// Changes an input in one place.
fn mutate(input: &mut Vec<u8>, other: &[u8], draw: &mut impl FnMut(usize) -> usize) {
    let from = draw(input.len() + 1);
    let to = (from + draw(24)).min(input.len());
    match draw(5) {
        0 => drop(input.drain(from..to)),
        1 => {
            let again: Vec<u8> = input.iter().take(to).skip(from).copied().collect();
            drop(input.splice(from..from, again));
        }
        2 => {
            let part = PARTS.get(draw(PARTS.len())).copied().unwrap_or_default();
            drop(input.splice(from..to, part.bytes()));
        }
        3 => {
            let start = draw(other.len() + 1);
            let slice: Vec<u8> = other.iter().skip(start).take(draw(200)).copied().collect();
            drop(input.splice(from..to, slice));
        }
        _ => {
            if let Some(byte) = input.get_mut(from) {
                *byte ^= 1 << draw(8);
            }
        }
    }
}

/// Does what a fuzz target does with inputs that come of its seeds by a few changes each.
fn mutated(target: &str, reads: fn(&[u8])) {
    let folder = root().join("fuzz/corpus").join(target);
    let seeds = names(&format!("fuzz/corpus/{target}"));
    let seeds: Vec<Vec<u8>> =
        seeds.iter().map(|seed| std::fs::read(folder.join(seed)).unwrap()).collect();
    let count = std::env::var("MUTATIONS").ok().and_then(|count| count.parse().ok());
    let mut state = 1_u64;
    // splitmix64: the same inputs each time.
    let mut draw = |limit: usize| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 1).unwrap_or_default() % limit.max(1)
    };
    for _ in 0..count.unwrap_or(25) {
        let mut input = seeds.get(draw(seeds.len())).cloned().unwrap_or_default();
        let other = seeds.get(draw(seeds.len())).cloned().unwrap_or_default();
        for _ in 0..=draw(3) {
            mutate(&mut input, &other, &mut draw);
        }
        reads(&input);
    }
}

macro_rules! seeds {
    ($($target:ident),+ $(,)?) => {
        $(#[test] fn $target() { sow(stringify!($target), targets::$target); })+

        mod mutations {
            $(#[test] fn $target() { super::mutated(stringify!($target), super::targets::$target); })+
        }

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
