//! JSON Schemas of what is read, printed and saved.

mod input;
mod output;

pub use input::files;
pub use output::output_files;
