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

/// The first reason of an error: what nothing else is the reason of.
pub fn root(error: &dyn std::error::Error) -> String {
    let mut reason = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    reason.to_string()
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
/// removed wherever it stands, and it ends somewhere.
pub fn clean(text: &str) -> String {
    const LONGEST: usize = 2000;
    let text = without_bearers(&without_tokens(text));
    let mut shown = String::with_capacity(text.len().min(LONGEST));
    for c in text.chars() {
        shown.push(if c.is_control() { ' ' } else { c });
        if shown.len() > LONGEST {
            shown.push_str(" ...");
            break;
        }
    }
    shown.trim().to_owned()
}

/// What stands where a secret stood.
const TOKEN: &str = "[token]";

/// JSON Web Tokens (RFC 7519), and beginnings of them: base64url of a JSON object starts with `eyJ`.
fn without_tokens(text: &str) -> String {
    const SHORTEST: usize = 20;
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("eyJ") {
        safe.push_str(before);
        let is_of_it = |c: char| c.is_ascii_alphanumeric() || "-_.=".contains(c);
        let end = behind.find(|c: char| !is_of_it(c)).unwrap_or(behind.len());
        let (token, after) = behind.split_at(end);
        if token.len() + 3 > SHORTEST {
            safe.push_str(TOKEN);
        } else {
            safe.push_str("eyJ");
            safe.push_str(token);
        }
        rest = after;
    }
    safe.push_str(rest);
    safe
}

/// What follows the word `bearer`, whatever is between them but another word.
fn without_bearers(text: &str) -> String {
    const WORD: &str = "bearer";
    const SHORTEST: usize = 9;
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    // Lower case of ASCII has the same length and borders.
    while let Some(at) = rest.to_ascii_lowercase().find(WORD) {
        let (before, behind) = rest.split_at(at + WORD.len());
        safe.push_str(before);
        let secret = behind.trim_start_matches(between);
        let gap = behind.len() - secret.len();
        let end = secret.find(|c: char| c.is_whitespace() || "\"'<>,;()".contains(c));
        let (word, after) = secret.split_at(end.unwrap_or(secret.len()));
        if gap > 0 && word.len() >= SHORTEST {
            safe.push_str(behind.get(..gap).unwrap_or_default());
            safe.push_str(TOKEN);
            rest = after;
        } else {
            rest = behind;
        }
    }
    safe.push_str(rest);
    safe
}

/// Whether a character may stand between `bearer` and the token: blanks as they are and as URLs write
/// them, signs of assignment, quotes.
fn between(c: char) -> bool {
    c.is_whitespace() || c.is_control() || ":=+%20\"'`\\\u{200b}".contains(c)
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

    #[test]
    fn a_token_is_found_wherever_it_stands() {
        let jwt = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";
        for shape in [
            "access_token=@",
            "token:@",
            "[@]",
            "{@}",
            "`@`",
            "|@|",
            "/@/",
            "\u{200b}@",
            "x@y",
            "@",
            "Bearer%20@",
            "Bearer  @",
            "bearer:@",
            "Bearer\t@",
            "a?b=@&c=d",
            "\\\"@\\\"",
            "Bearer=@",
            "#@",
        ] {
            let shown = clean(&shape.replace('@', jwt));
            assert!(!shown.contains("eyJ") && !shown.contains("c2lnbm"), "{shape}: {shown}");
        }
        for shape in
            ["Bearer%20@", "Bearer  @", "bearer:@", "BEARER = @", "Bearer+@", "bearer: \"@\""]
        {
            let shown = clean(&shape.replace('@', "opaque-secret-1"));
            assert!(!shown.contains("opaque"), "{shape}: {shown}");
        }
        assert_eq!(clean("keyJ is bearer of news"), "keyJ is bearer of news");
    }
}
