//! Numbers of things, in words.

/// `1 consumer`, `2 consumers`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
