//! The secrets that this process holds. A server may repeat what it was sent, in any words: so each is
//! replaced by its value in everything that is shown.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

/// What stands where a secret stood.
const HIDDEN: &str = "[token]";
/// Shorter ones are words that texts hold by chance.
const SHORTEST: usize = 8;

static HELD: RwLock<BTreeSet<String>> = RwLock::new(BTreeSet::new());

/// Remembers a secret, for [`hide`].
pub fn hold(secret: &str) {
    let secret = secret.trim();
    if secret.len() < SHORTEST {
        return;
    }
    let mut held = HELD.write().unwrap_or_else(PoisonError::into_inner);
    if held.contains(secret) {
        return;
    }
    held.insert(in_url(secret));
    held.insert(in_json(secret));
    held.insert(secret.to_owned());
}

/// A text without the secrets that are held.
pub fn hide(text: &str) -> Cow<'_, str> {
    let held = HELD.read().unwrap_or_else(PoisonError::into_inner);
    let mut found: Vec<&String> = held.iter().filter(|it| text.contains(it.as_str())).collect();
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    // One may be the beginning of another.
    found.sort_by_key(|it| std::cmp::Reverse(it.len()));
    let hidden = found.into_iter().fold(text.to_owned(), |text, it| text.replace(it, HIDDEN));
    Cow::Owned(hidden)
}

/// A secret as a URL writes it.
fn in_url(secret: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    secret.bytes().map(byte).collect()
}

/// A secret as JSON writes it.
fn in_json(secret: &str) -> String {
    secret.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_hidden_in_any_shape() {
        hold("held-s3cret/one");
        hold("held-s3cret/one-and-more");
        hold("short");
        for shape in ["@", "x@y", "`@`", "|@|", "token=@&a", "[@]", "\u{200b}@"] {
            for secret in ["held-s3cret/one", "held-s3cret%2Fone", "held-s3cret/one-and-more"] {
                let text = shape.replace('@', secret);
                let shown = hide(&text);
                assert_eq!(shown, shape.replace('@', HIDDEN));
            }
        }
        assert_eq!(hide("a short text"), "a short text");
    }
}
