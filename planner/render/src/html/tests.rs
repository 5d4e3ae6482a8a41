use super::*;

/// Texts that act somewhere: as markup, as an address, as control characters.
const HOSTILE: [&str; 6] = [
    "</title></style><script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "<a href='https://evil.example'>here</a>",
    "\u{202e}gnp.exe \u{1b}[2J",
    "`</code><iframe srcdoc=x>`",
];

#[test]
fn text_from_outside_is_inert() {
    for text in HOSTILE {
        let page = page(
            text,
            &html! { h1 { (Inert(text)) } },
            &html! { p { (Inert(text)) } (lines("it", text)) },
        );
        for acts in [
            "<code>x",
            "<script",
            "<img",
            "<iframe",
            "<a ",
            "onerror=alert(1)>",
            "\u{202e}",
            "\u{1b}",
        ] {
            assert!(!page.contains(acts), "{acts}: {page}");
        }
    }
}

#[test]
fn a_page_asks_for_nothing() {
    let page = page("t", &html! { h1 { "v" } }, &html! {});
    assert!(page.contains("default-src 'none'"), "{page}");
    for asks in ["<script", "<link", "<img", "url(", "@import", "http://", "https://", "src="] {
        assert!(!page.contains(asks), "{asks}");
    }
    assert!(page.starts_with("<!DOCTYPE html><html lang=\"en\">"), "{page}");
}
