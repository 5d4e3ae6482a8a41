//! Base64 in the alphabet of URLs, without padding, as JWTs use it.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for position in 0..=chunk.len() {
            let index = (bits >> (18 - 6 * position)) & 63;
            let character = ALPHABET.get(index as usize).copied().unwrap_or(b'A');
            encoded.push(char::from(character));
        }
    }
    encoded
}

/// What was encoded; nothing if it holds another character.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.bytes() {
        let index = ALPHABET.iter().position(|other| *other == byte)?;
        bits = bits << 6 | u32::try_from(index).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            decoded.push(u8::try_from(bits >> count & 255).ok()?);
        }
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_encoded_without_padding() {
        for (text, encoded) in [("a", "YQ"), ("ab", "YWI"), ("abc?", "YWJjPw"), ("", "")] {
            assert_eq!(encode(text), encoded);
            assert_eq!(decode(encoded).as_deref(), Some(text.as_bytes()));
        }
        assert_eq!(decode("a+b"), None);
    }
}
