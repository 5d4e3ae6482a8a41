//! Pages as a browser reads them: their elements, and that texts of others make none. With PAGES set to a folder they are
//! written there, for `.ci/page`, which looks at them in Chromium.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here fails the test")]

#[path = "support/markup.rs"]
mod markup;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use markup::Page;
use privlink_core::drift::Report;
use privlink_core::plan::Plan;
use privlink_render::layout::Layout;
use privlink_render::text::Frame;
use privlink_render::{drift, html};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use support::{Workplace, edit_json, read_json, root};

/// Texts that act where they are taken for markup, for an address, or for a control sequence.
const HOSTILE: [&str; 9] = [
    "</title></style><script>document.title='hacked'</script>",
    "\"><img src=//evil.example/x onerror=document.title='hacked'>",
    "javascript:document.title='hacked'",
    "<a href='https://evil.example'>here</a>",
    "\u{202e}gnp.exe \u{1b}[2J\u{0}",
    "`</code></pre><iframe srcdoc='<script>top.document.title=1</script>'></iframe>`",
    "--><svg/onload=document.title='hacked'><!--",
    "<base href=//evil.example><meta http-equiv=refresh content=0;url=//evil.example>",
    "' onmouseover=document.title='hacked' x='&lt;b&gt;&#60;b&#62;",
];

/// All elements that pages are made of.
const KNOWN: [&str; 39] = [
    "a", "article", "body", "code", "dd", "details", "div", "dl", "dt", "em", "footer", "h1", "h2",
    "h3", "head", "header", "html", "li", "main", "meta", "nav", "ol", "p", "pre", "section",
    "small", "span", "strong", "style", "summary", "table", "tbody", "td", "th", "thead", "title",
    "tr", "ul", "br",
];

/// What a value is with a hostile text at the end of every text that may be any.
fn poisoned<T: DeserializeOwned>(value: &Value) -> T {
    let mut pointers = Vec::new();
    texts(value, String::new(), &mut pointers);
    let mut value = value.clone();
    let mut poisoned = 0;
    for (at, pointer) in pointers.iter().enumerate() {
        let text = value.pointer(pointer).unwrap().clone();
        let hostile = format!("{}{}", text.as_str().unwrap(), HOSTILE[at % HOSTILE.len()]);
        *value.pointer_mut(pointer).unwrap() = hostile.into();
        if T::deserialize(&value).is_ok() {
            poisoned += 1;
        } else {
            *value.pointer_mut(pointer).unwrap() = text;
        }
    }
    assert!(poisoned > HOSTILE.len(), "{poisoned} of {}", pointers.len());
    T::deserialize(&value).unwrap()
}

/// Where all texts of a value are.
fn texts(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(at),
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, it)| texts(it, format!("{at}/{index}"), found));
        }
        Value::Object(fields) => {
            for (key, it) in fields {
                let key = key.replace('~', "~0").replace('/', "~1");
                texts(it, format!("{at}/{key}"), found);
            }
        }
        _ => {}
    }
}

fn plan(plan: &Plan) -> String {
    html::plan(plan, &Frame::plain(Layout::default()))
}

/// So many stacks: of ten, one is new, one disconnects, one is edited, and one's endpoint is cut off; the rest are as they should be.
fn fleet(stacks: usize) -> Workplace {
    let place = Workplace::empty();
    let from = |file: &str| fs::read_to_string(root().join("benches/stack").join(file)).unwrap();
    let (stack, new, applied) = (from("stack.yaml"), from("new.json"), from("applied.json"));
    for at in 0..stacks {
        let (team, name) = (format!("team-{}", at % 3), format!("stack-{at}"));
        let folder = place.path().join("stacks").join(&team).join(&name);
        fs::create_dir_all(&folder).unwrap();
        let text = match at % 10 {
            3 => stack.replacen("azure-pls-name: app-1-pls", "azure-pls-name: app-1-link", 1),
            5 => stack.replacen("azure-pls-visibility: \"*\"", "azure-pls-visibility: a b", 1),
            _ => stack.clone(),
        };
        fs::write(folder.join("stack.yaml"), text).unwrap();
        let observed = place.path().join("observed").join(&team);
        fs::create_dir_all(&observed).unwrap();
        let file = observed.join(format!("{name}.json"));
        fs::write(&file, if at % 10 == 1 { &new } else { &applied }).unwrap();
        if at % 10 == 7 {
            edit_json(&file, cut_off);
        }
    }
    place
}

/// Rejects the first consumer, on both sides.
fn cut_off(snapshot: &mut Value) {
    let lists = snapshot["azure"].as_object_mut().unwrap();
    for (list, connections) in [
        ("/privatelinkservices", "/present/0/properties/privateEndpointConnections/0"),
        ("/privateendpoints", "/present/0/properties/privateLinkServiceConnections/0"),
    ] {
        let (_, list) = lists.iter_mut().find(|(key, _)| key.ends_with(list)).unwrap();
        let status = "/properties/privateLinkServiceConnectionState/status";
        *list.pointer_mut(&format!("{connections}{status}")).unwrap() = "Rejected".into();
    }
}

/// A page of a fleet, by the binary.
fn of_fleet(place: &Workplace, command: &str) -> String {
    let words = format!("{command} --stacks stacks --observed observed -o html");
    let page = place.run(&words).stdout;
    assert_eq!(page, place.run(&words).stdout, "the same bytes for the same report");
    page
}

/// The plan of what another tool writes, which disconnects twelve.
fn guarded() -> Value {
    let place = Workplace::empty();
    support::copy(&root().join("examples/gitops-guard"), place.path());
    let json = place.run("plan -f . --observed world/observed.json -o json").expect(3).stdout;
    serde_json::from_str(&json).unwrap()
}

/// The pages by name, those with hostile texts too.
fn pages() -> BTreeMap<&'static str, String> {
    let golden = |file: &str| read_json(&root().join("golden").join(file));
    let refused = golden("frontend-recreated/plan.json");
    let guarded = guarded();
    let drifted = golden("drift/drift.json");
    let small = fleet(10);
    let words = "drift -f stacks/team-1/stack-7 --observed observed/team-1/stack-7.json";
    let broken = small.run(&format!("{words} -o json")).stdout;
    let broken: Value = serde_json::from_str(&broken).unwrap();
    let report = |value: &Value| drift::html::report(&Report::deserialize(value).unwrap());
    BTreeMap::from([
        ("plan-refused", plan(&Plan::deserialize(&refused).unwrap())),
        ("plan-many-consumers", plan(&Plan::deserialize(&guarded).unwrap())),
        ("plan-deletion", plan(&Plan::deserialize(golden("deletion/plan.json")).unwrap())),
        ("drift-edited", report(&drifted)),
        ("drift-broken", report(&broken)),
        ("fleet-plan", of_fleet(&small, "plan")),
        ("fleet-drift", of_fleet(&small, "drift")),
        ("hostile-plan", plan(&poisoned(&refused))),
        ("hostile-many-consumers", plan(&poisoned(&guarded))),
        ("hostile-drift-edited", drift::html::report(&poisoned(&drifted))),
        ("hostile-drift-broken", drift::html::report(&poisoned(&broken))),
    ])
}

/// Writes a page where somebody else looks at it, if somebody does.
fn keep(name: &str, page: &str) {
    let Some(folder) = std::env::var_os("PAGES") else { return };
    fs::create_dir_all(&folder).unwrap();
    fs::write(Path::new(&folder).join(format!("{name}.html")), page).unwrap();
}

#[test]
fn pages_are_what_they_should_be() {
    for (name, html) in pages() {
        keep(name, &html);
        let page = Page::read(&html);
        assert!(page.wrong.is_empty(), "{name}: {:?}", page.wrong);
        nothing_acts(name, &page);
        is_built_for_readers(name, &page);
        // What was hostile is there to be read, which is why it must not act.
        if name.starts_with("hostile") {
            let text: String = page.elements.iter().map(|it| it.text.as_str()).collect();
            assert!(text.matches("document.title='hacked'").count() > 3, "{name}: {text}");
        }
    }
}

/// No script, no address but of a place in the page, no attribute that runs, and nothing that pages are not made of.
fn nothing_acts(name: &str, page: &Page) {
    for element in &page.elements {
        assert!(KNOWN.contains(&element.name.as_str()), "{name}: {element:?}");
        for (attribute, value) in &element.attributes {
            let harmless = matches!(
                attribute.as_str(),
                "aria-label"
                    | "aria-labelledby"
                    | "charset"
                    | "class"
                    | "content"
                    | "http-equiv"
                    | "id"
                    | "lang"
                    | "name"
                    | "open"
                    | "role"
                    | "scope"
                    | "tabindex"
                    | "aria-hidden"
                    | "title"
            );
            let is_place = attribute == "href" && value.starts_with('#');
            assert!(harmless || is_place, "{name}: {attribute} in {element:?}");
        }
    }
    let metas: Vec<_> = page.named("meta").collect();
    let policy = metas.iter().position(|it| it.attribute("http-equiv").is_some()).unwrap();
    assert_eq!(metas[policy].attribute("http-equiv"), Some("Content-Security-Policy"), "{name}");
    assert!(
        metas[policy].attribute("content").unwrap().starts_with("default-src 'none'"),
        "{name}"
    );
    assert!(metas[..policy].iter().all(|it| it.attribute("charset").is_some()), "{name}");
    assert_eq!(metas.iter().filter(|it| it.attribute("http-equiv").is_some()).count(), 1, "{name}");
}

/// Landmarks, headings in order, links that lead somewhere, and names that are there once.
fn is_built_for_readers(name: &str, page: &Page) {
    for landmark in ["header", "main", "footer", "h1", "title"] {
        assert_eq!(page.named(landmark).count(), 1, "{name}: {landmark}");
    }
    let title = page.named("title").next().unwrap();
    assert!(!title.text.trim().is_empty() && title.within == ["html", "head"], "{name}");
    let mut level = 0;
    for element in &page.elements {
        let Some(next) = element.name.strip_prefix('h').and_then(|it| it.parse::<u8>().ok()) else {
            continue;
        };
        assert!(next <= level + 1, "{name}: h{next} below h{level}: {}", element.text);
        level = next;
    }
    let ids: Vec<_> = page.elements.iter().filter_map(|it| it.attribute("id")).collect();
    let unique: BTreeSet<_> = ids.iter().copied().collect();
    assert_eq!(ids.len(), unique.len(), "{name}: {ids:?}");
    for element in &page.elements {
        let link = element.attribute("href").map(|it| &it[1..]);
        for target in [link, element.attribute("aria-labelledby")].into_iter().flatten() {
            assert!(unique.contains(target), "{name}: {target}");
        }
        if element.name == "details" {
            assert!(page.named("summary").count() >= page.named("details").count(), "{name}");
        }
        // What scrolls by itself is reached by keyboard, and named.
        if element.attribute("tabindex").is_some() {
            assert!(
                element.attribute("aria-label").is_some() && element.attribute("role").is_some()
            );
        }
    }
}

#[test]
fn a_page_of_many_stacks_stays_small() {
    // As many as docs/page.md says, where somebody looks at them; they take a while.
    let stacks = if std::env::var_os("PAGES").is_some() { 200 } else { 20 };
    let place = fleet(stacks);
    for (command, most_bytes) in [("plan", 10_000), ("drift", 10_000)] {
        let words = format!("{command} --stacks stacks --observed observed -o html");
        let html = place.run(&words).stdout;
        keep(&format!("fleet-{command}-{stacks}"), &html);
        println!("{command}: {} bytes for {stacks} stacks", html.len());
        assert!(html.len() < stacks * most_bytes, "{command}: {}", html.len());
        let page = Page::read(&html);
        assert!(page.wrong.is_empty(), "{:?}", page.wrong);
        is_built_for_readers(command, &page);
    }
}
