//! Rendering: plans, graphs and reports as text, JSON, Markdown, DOT and Mermaid.
//!
//! A renderer takes data and a writer, and decides nothing.

pub mod drift;
pub mod escape;
pub mod graph;
pub mod json;
pub mod markdown;
pub mod outputs;
pub mod prediction;
pub mod preflight;
pub mod report;
pub mod style;
pub mod summary;
pub mod text;
