//! The `privlink` binary.
fn main() {}
