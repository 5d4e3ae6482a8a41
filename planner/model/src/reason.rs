//! Why a call failed, in words that are fit to be shown: no token, no control character, not too long.

/// An error and all its reasons, each once.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(reason) = source {
        let reason_text = reason.to_string();
        if !text.contains(&reason_text) {
            text.push_str(": ");
            text.push_str(&reason_text);
        }
        source = reason.source();
    }
    text
}

/// Whether a chain of reasons says that no TLS connection was made: a certificate that is not trusted,
/// or a server that does not speak TLS. The words are rustls'. It would be the same the next time.
pub fn is_tls(chain: &str) -> bool {
    const WORDS: [&str; 4] = [
        "invalid peer certificate",
        "received fatal alert",
        "received corrupt message",
        "peer is incompatible",
    ];
    WORDS.iter().any(|words| chain.contains(words))
}

/// Text from outside, fit to be shown: control characters become spaces, what looks like a token is
/// removed, and it ends somewhere.
pub fn clean(text: &str) -> String {
    const LONGEST: usize = 2000;
    let mut shown = String::with_capacity(text.len().min(LONGEST));
    for word in text.split_inclusive(|c: char| c.is_whitespace() || "\"'<>,;()".contains(c)) {
        let is_token = word.starts_with("eyJ") && word.len() > 20;
        let after_bearer = shown.to_ascii_lowercase().ends_with("bearer ");
        if is_token || (after_bearer && word.len() > 8) {
            shown.push_str("[token] ");
        } else {
            shown.extend(word.chars().map(|c| if c.is_control() { ' ' } else { c }));
        }
        if shown.len() > LONGEST {
            shown.push_str(" ...");
            break;
        }
    }
    shown.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_failures_are_told_from_others() {
        assert!(is_tls("error sending request: invalid peer certificate: UnknownIssuer"));
        assert!(!is_tls("error sending request: Connection reset by peer (os error 104)"));
    }

    #[test]
    fn tokens_and_control_characters_are_not_shown() {
        let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";
        let shown = clean(&format!("sent Authorization: Bearer {token}\u{1b}[2J ('{token}')"));
        assert!(!shown.contains("eyJ") && !shown.contains('\u{1b}'), "{shown}");
        assert!(!clean("Authorization: Bearer opaque-secret-1 x").contains("opaque"));
        assert_eq!(clean("Subnet s has bearer x"), "Subnet s has bearer x");
    }
}
