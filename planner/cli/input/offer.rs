//! Files with Offers, which endpoints name: read within the repository of the document alone, since lines of what is
//! read are shown, and whoever may commit a document chooses the path.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use privlink_core::diagnostic::Source;
use privlink_core::document::{self, Documents};

use super::is_manifest;

/// The most bytes of a file with Offers: some thousand of them.
const MOST_BYTES: usize = 4 << 20;

/// Reads the Offers that endpoints name and that are not among what was read. What cannot be read is reported with
/// the endpoint.
pub(super) fn read_offers(documents: &mut Documents, texts: &[Arc<Source>]) {
    for (file, named_in) in documents.asked_offers() {
        // It is a part of the input, and holds none.
        if texts.iter().any(|text| text.name() == file) {
            continue;
        }
        match read(&file, &named_in) {
            Ok(source) => documents.append_offers(&file, document::parse(&source)),
            Err(why) => {
                documents.offers.unread.insert(file, why);
            }
        }
    }
}

fn read(file: &str, named_in: &str) -> Result<Arc<Source>, String> {
    let path = std::fs::canonicalize(file).map_err(|error| error.to_string())?;
    let root = root(named_in).map_err(|error| error.to_string())?;
    if !path.starts_with(&root) {
        return Err(format!("it leads out of {}", root.display()));
    }
    if !is_manifest(&path) {
        return Err("it is no *.yaml, *.yml or *.json file".to_owned());
    }
    let bytes = privlink_file::read(&path, MOST_BYTES).map_err(|error| error.to_string())?;
    Source::from_bytes(file, bytes).map_err(|problem| problem.message)
}

/// The folder that Offers of a document may be in: its repository, or without one the working folder, or else the
/// document's own.
fn root(named_in: &str) -> std::io::Result<PathBuf> {
    let working = std::fs::canonicalize(".")?;
    let folder = match Path::new(named_in).parent() {
        _ if named_in.starts_with('<') => working.clone(),
        None => working.clone(),
        Some(parent) if parent.as_os_str().is_empty() => working.clone(),
        Some(parent) => std::fs::canonicalize(parent)?,
    };
    let repository = folder.ancestors().find(|it| it.join(".git").exists());
    Ok(match repository {
        Some(repository) => repository.to_owned(),
        None if folder.starts_with(&working) => working,
        None => folder,
    })
}
