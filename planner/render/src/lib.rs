//! Rendering: plans, explanations, graphs and reports as text, JSON, Markdown, DOT and Mermaid, and in the
//! shapes that pipelines and other tools read.
//!
//! A renderer takes data and a writer, and decides nothing.

pub mod admission_policy;
pub(crate) mod budget;
pub mod comment;
pub(crate) mod consumers;
pub mod drift;
pub mod escape;
pub mod explanation;
pub mod fleet;
pub(crate) mod full;
pub mod gates;
pub mod graph;
pub mod guard;
pub mod html;
pub mod json;
pub mod layout;
mod markdown;
pub mod notice;
pub mod offer;
pub mod outputs;
pub mod picture;
pub mod pipeline;
mod place;
pub mod plans;
pub mod prediction;
pub mod preflight;
pub mod report;
pub mod route;
pub mod rule;
pub mod sarif;
pub mod schemas;
pub mod snapshot;
pub mod style;
pub mod summary;
pub mod terraform;
pub mod text;
