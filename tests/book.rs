//! The pages for users hang together: nothing is missing in the book, and no link leads nowhere.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::{names, root};

/// The targets of a page's links, but for those in code.
fn links(page: &str) -> Vec<String> {
    let prose: String = page.split("```").step_by(2).collect();
    let prose: String = prose.split('`').step_by(2).collect();
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.map(ToOwned::to_owned).collect()
}

/// The anchors of a page's headings, as GitHub and mdBook make them.
fn anchors(page: &str) -> Vec<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| line.trim_start_matches('#').trim().to_lowercase())
        .map(|text| text.replace(' ', "-"))
        .map(|text| text.chars().filter(|it| it.is_alphanumeric() || "-_".contains(*it)).collect())
        .collect()
}

fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"]
        .iter()
        .map(|name| root().join(name))
        .collect();
    pages.extend(names("docs").iter().map(|name| root().join("docs").join(name)));
    let examples = names("examples");
    pages.extend(examples.iter().map(|name| root().join("examples").join(name).join("README.md")));
    pages.retain(|page| page.extension().is_some_and(|it| it == "md") && page.exists());
    pages
}

#[test]
fn every_link_leads_somewhere() {
    let (mut broken, mut count) = (Vec::new(), 0);
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text).iter().filter(|link| !link.contains("://")) {
            count += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target =
                if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            let found = target.exists()
                && (anchor.is_empty()
                    || anchors(&fs::read_to_string(&target).unwrap())
                        .iter()
                        .any(|it| it == anchor));
            if !found {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(count > 30, "{count} links were looked at");
}

#[test]
fn every_page_is_in_the_book() {
    let summary = fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap();
    let listed = links(&summary);
    for name in names("docs").iter().filter(|name| name.ends_with(".md") && *name != "SUMMARY.md") {
        assert!(listed.contains(name), "docs/SUMMARY.md lacks {name}");
    }
    assert!(listed.iter().all(|it| Path::new(it).extension().is_some_and(|it| it == "md")));
}
