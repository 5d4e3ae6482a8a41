//! Values that nobody knows before they exist.
//!
//! An unknown is text that composes: a mark stands for what is handed out later, and text around it
//! stays what it is, so that `pls-a` and an unknown uid make one unknown name. A mark carries what it
//! is unknown *of* (`uid default/web`), hence one unknown equals itself and no other, and references
//! keep working. [`show`] turns marks into the words a person reads.

/// Opens a mark. A private-use character, which no YAML, Kubernetes or ARM name may hold.
pub const OPEN: char = '\u{E000}';
/// Closes a mark.
pub const CLOSE: char = '\u{E001}';

/// Stands for a slash within a mark.
pub const SLASH: char = '\u{E002}';

/// The mark of something unknown: `what` is the noun shown (`uid`), `of` tells it from others of its
/// kind (`default/web`) and is not shown. A mark may stand in a segment of an ARM id, so slashes of `of`
/// are kept as [`SLASH`]; marks within `of` lose their brackets, so marks do not nest.
pub fn mark(what: &str, of: &str) -> String {
    let of: String = of
        .chars()
        .filter(|c| *c != OPEN && *c != CLOSE)
        .map(|c| if c == '/' { SLASH } else { c })
        .collect();
    format!("{OPEN}{what}|{of}{CLOSE}")
}

/// Whether a text holds a mark.
pub fn is_unknown(text: &str) -> bool {
    text.contains(OPEN)
}

/// The text as people and JSON see it: a text that is one mark alone becomes
/// `(known after apply)`, a mark within other text `(uid known after apply)`.
pub fn show(text: &str) -> String {
    if !is_unknown(text) {
        return text.to_owned();
    }
    let alone = text.starts_with(OPEN) && text.find(CLOSE) == Some(text.len() - CLOSE.len_utf8());
    if alone {
        return "(known after apply)".to_owned();
    }
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, marked)) = rest.split_once(OPEN) {
        shown.push_str(before);
        let (inside, after) = marked.split_once(CLOSE).unwrap_or((marked, ""));
        let what = inside.split('|').next().unwrap_or_default();
        shown.push('(');
        shown.push_str(what);
        shown.push_str(" known after apply)");
        rest = after;
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_alone_is_known_after_apply() {
        assert_eq!(show(&mark("address", "default/web")), "(known after apply)");
    }

    #[test]
    fn a_mark_composes_with_the_text_around_it() {
        let uid = mark("uid", "default/web");
        assert_eq!(show(&format!("pls-a{uid}-TCP-80")), "pls-a(uid known after apply)-TCP-80");
    }

    #[test]
    fn a_mark_stays_one_segment_of_an_id_and_does_not_nest() {
        let uid = mark("uid", "default/web");
        assert!(!uid.contains('/'));
        let address = mark("address", &format!("/a/{uid}/b"));
        assert_eq!(show(&address), "(known after apply)");
    }

    #[test]
    fn one_unknown_equals_itself_and_no_other() {
        assert_eq!(mark("uid", "a/b"), mark("uid", "a/b"));
        assert_ne!(mark("uid", "a/b"), mark("uid", "a/c"));
    }
}
