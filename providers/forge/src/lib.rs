//! Where code is reviewed: one comment on a pull request of GitHub or Azure DevOps, or a merge request of
//! GitLab, which is found again and kept up to date.
//!
//! Tokens come from the pipeline's environment and go to the configured API only: links to other hosts
//! are refused, and redirects are not followed.

mod comment;
mod environment;
mod error;
mod exchange;
mod forge;

pub use comment::{Discussion, Outcome};
pub use environment::{Environment, Given};
pub use error::{ForgeDetail, ForgeError};
pub use exchange::{Settings, Token};
pub use forge::{FORGES, Forge, Place, Pull, named};
pub use privlink_http::failure::ErrorKind;
