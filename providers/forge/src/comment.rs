//! One comment: found by its marker, made if it is not there, and kept up to date.

use crate::error::ForgeError;
use crate::exchange::{Settings, Token};
use crate::forge::{Api, Place};
use privlink_http::failure::ErrorKind;

/// How often it is looked again after what was found went away, or after nobody knows whether it was
/// made.
const ROUNDS: u32 = 3;

/// A comment that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Comment {
    /// Its id; on Azure DevOps with its thread's before it.
    pub(crate) id: String,
    /// Its text.
    pub(crate) body: String,
}

/// What became of the comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was made.
    Created,
    /// It was there, and has another text now.
    Updated,
    /// It was there with this text.
    Unchanged,
}

/// The discussion of a pull request, with a token that may write there.
#[derive(Debug)]
pub struct Discussion(Box<dyn Api>);

impl Discussion {
    /// A client for a place.
    ///
    /// # Errors
    ///
    /// Refuses an address without TLS.
    pub fn new(place: &Place, token: &Token, settings: Settings) -> Result<Self, ForgeError> {
        (place.forge.api)(place, token, settings).map(Self)
    }

    /// Makes the comment that starts with the marker, or gives it this text. Of those that are there
    /// only one by the token's own identity is written to: whoever else starts a comment with the marker
    /// keeps it.
    ///
    /// # Errors
    ///
    /// See [`ErrorKind`]. What passes was tried again.
    pub async fn keep(&mut self, marker: &str, body: &str) -> Result<Outcome, ForgeError> {
        let mut round = 1;
        loop {
            let found = self.0.find(marker).await?;
            let done = match &found {
                Some(comment) if comment.body.trim_end() == body.trim_end() => {
                    return Ok(Outcome::Unchanged);
                }
                Some(comment) => self.0.update(comment, body).await.map(|()| Outcome::Updated),
                None => self.0.create(body).await.map(|()| Outcome::Created),
            };
            let error = match done {
                Ok(outcome) => return Ok(outcome),
                Err(error) => error,
            };
            // Gone meanwhile: it is made again. An answer to a creation that was lost: it is looked for.
            let again = match error.kind {
                ErrorKind::Missing => found.is_some(),
                ErrorKind::Transient => true,
                _ => false,
            };
            if !again || round >= ROUNDS {
                return Err(error);
            }
            tracing::debug!(round, %error, "looking again");
            tokio::time::sleep(self.0.settings().first_delay).await;
            round += 1;
        }
    }
}

/// Whether a text starts with the marker, as a line of its own.
pub(crate) fn is_marked(body: &str, marker: &str) -> bool {
    body.strip_prefix(marker).is_some_and(|rest| rest.is_empty() || rest.starts_with(['\n', '\r']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_stands_at_the_start_on_a_line_of_its_own() {
        let marker = "<!-- privlink:a -->";
        assert!(is_marked("<!-- privlink:a -->\nx", marker) && is_marked(marker, marker));
        for other in ["> <!-- privlink:a -->", "<!-- privlink:ab -->", "<!-- privlink:a -->x", ""] {
            assert!(!is_marked(other, marker), "{other}");
        }
    }
}
