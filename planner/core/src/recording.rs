//! Recordings of the real controller: replaying and comparing them.

pub mod case;
