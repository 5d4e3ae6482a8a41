//! Files into desired state.

mod offer;

use privlink_core::desired::{self, Desired, Options};
use privlink_core::diagnostic::{self, Diagnostic, MAX_SOURCE_BYTES, Source};
use privlink_core::document::{self, Documents};
use privlink_core::rule::{self, Severity};
use privlink_core::token;
use privlink_core::wanted::Wanted;
use privlink_core::yaml;
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::args;
use crate::artefact::Artefact;
use crate::command_error::{CommandError, io};

/// Desired state with all that is wrong with it.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// What is sound.
    pub(crate) desired: Desired,
    /// What is not.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// All that was read, as it is written.
    pub(crate) texts: Vec<Arc<Source>>,
}

impl Loaded {
    /// The desired state, if nothing is wrong; and what to say all the same.
    pub(crate) fn sound(self) -> Result<(Desired, Vec<Diagnostic>), CommandError> {
        let is_error = |diagnostic: &Diagnostic| diagnostic.severity == Severity::Error;
        if self.diagnostics.iter().any(is_error) {
            return Err(CommandError::diagnostics(self.diagnostics));
        }
        Ok((self.desired, self.diagnostics))
    }

    /// Whether there is no document at all in it.
    pub(crate) fn is_empty(&self) -> bool {
        let holds = |source: &Arc<Source>| yaml::documents(source).any(|it| it.root.is_some());
        let Desired { stack, services, endpoints, .. } = &self.desired;
        let may_be = stack.is_none() && services.is_empty() && endpoints.is_empty();
        may_be && self.diagnostics.is_empty() && !self.texts.iter().any(holds)
    }
}

/// Reads what the flags name.
pub(crate) fn load(
    input: &args::Input,
    context_namespace: Option<String>,
) -> Result<Loaded, CommandError> {
    Ok(resolved(sources(&input.filename)?, input, context_namespace))
}

/// Reads files, folders and stdin.
pub(crate) fn load_paths(
    paths: &[PathBuf],
    namespace: Option<String>,
    strict: bool,
) -> Result<Loaded, CommandError> {
    let input = args::Input { filename: paths.to_vec(), namespace, strict };
    load(&input, None)
}

/// What was read, before it is known what it says together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    documents: Documents,
    texts: Vec<Arc<Source>>,
}

impl Sources {
    /// Every document as data, in the order of the files, with what Offers say in place of their files.
    pub(crate) fn documents(&self) -> Vec<serde_json::Value> {
        let documents = self.texts.iter().flat_map(|source| {
            let roots = yaml::documents(source).filter_map(|it| it.root);
            let values: Vec<_> = roots.map(|root| (source.name(), root.to_json())).collect();
            values
        });
        documents
            .map(|(source, mut document)| {
                self.documents.offers.put_in_place(source, &mut document);
                document
            })
            .collect()
    }
}

/// Reads the documents in files, folders and stdin.
pub(crate) fn sources(paths: &[PathBuf]) -> Result<Sources, CommandError> {
    sources_of(paths, false)
}

/// The same; folders may be without any, if so.
pub(crate) fn sources_of(paths: &[PathBuf], may_be_empty: bool) -> Result<Sources, CommandError> {
    let mut sources = Sources::default();
    let mut all = Vec::new();
    for path in paths {
        all.extend(files(path, may_be_empty)?.into_iter().map(|file| (file == *path, file)));
    }
    if all.len() > 1 {
        // The same file by another path is the same file.
        let mut seen = BTreeSet::new();
        all.retain(|(_, file)| {
            seen.insert(std::fs::canonicalize(file).unwrap_or_else(|_| file.clone()))
        });
    }
    for (is_named, file) in all {
        let (name, bytes) = read(&file)?;
        let Sources { documents, texts } = &mut sources;
        if let Some(artefact) = Artefact::of(&bytes) {
            documents.diagnostics.push(skipped(&name, artefact, is_named)?);
            continue;
        }
        match Source::from_bytes(&name, bytes) {
            Ok(source) => {
                documents.append(document::parse(&source));
                texts.push(source);
            }
            Err(diagnostic) => documents.diagnostics.push(*diagnostic),
        }
    }
    offer::read_offers(&mut sources.documents, &sources.texts);
    Ok(sources)
}

/// What documents say together. Services that name no namespace are in the flag's, or the context's.
pub(crate) fn resolved(
    sources: Sources,
    input: &args::Input,
    context_namespace: Option<String>,
) -> Loaded {
    let Sources { documents, texts } = sources;
    let namespace = input.namespace.clone().or(context_namespace);
    let stack_name = input.filename.first().and_then(|path| stack_name(path));
    let (desired, mut diagnostics) =
        desired::resolve(documents, &Options { namespace, stack_name });
    token::tokens(&Wanted::as_written(&desired)).for_each(privlink_http::secret::hold);
    if input.strict {
        diagnostic::make_strict(&mut diagnostics);
    }
    Loaded { desired, diagnostics, texts }
}

/// The note on a file that privlink itself wrote and that lies in a folder; one that is named is an error.
fn skipped(name: &str, artefact: Artefact, is_named: bool) -> Result<Diagnostic, CommandError> {
    let what = artefact.as_str();
    if is_named {
        return Err(
            CommandError::new(format!("{name} is {what}, not desired state")).hint(artefact.help())
        );
    }
    Ok(Diagnostic::new(rule::SKIPPED_KIND, format!("skipped {name}: it is {what}")))
}

/// The files of a path: itself, or those of a folder that look like manifests, in order of name.
fn files(path: &Path, may_be_empty: bool) -> Result<Vec<PathBuf>, CommandError> {
    if path.as_os_str() == "-" {
        return Ok(vec![path.to_owned()]);
    }
    let shown = path.display().to_string();
    let metadata = std::fs::metadata(path).map_err(io(&shown))?;
    if !metadata.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(io(&shown))? {
        let file = entry.map_err(io(&shown))?.path();
        if is_manifest(&file) {
            within(path, &file)?;
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() && !may_be_empty {
        return Err(CommandError::new(format!("{shown} holds no *.yaml, *.yml or *.json file"))
            .hint("Subfolders are not read: name one with -f, or read each as a stack of its own with --stacks."));
    }
    Ok(files)
}

/// Whether a file of a folder is taken for a manifest, by its ending.
pub(crate) fn is_manifest(file: &Path) -> bool {
    let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    ["yaml", "yml", "json"].contains(&ending) && file.is_file()
}

/// Refuses a link that leads out of the folder it was found in: lines of what is read are shown, and
/// whoever may commit to the folder may have put it there.
pub(crate) fn within(folder: &Path, file: &Path) -> Result<(), CommandError> {
    let shown = file.display().to_string();
    let is = std::fs::canonicalize(file).map_err(io(&shown))?;
    let of = std::fs::canonicalize(folder).map_err(io(&folder.display().to_string()))?;
    if is.starts_with(of) {
        return Ok(());
    }
    Err(CommandError::new(format!("{shown} leads out of {}", folder.display()))
        .hint("Remove the link, or name the file itself with another -f."))
}

/// The text of a file, with the name it is shown under. Reading stops behind the size that is refused.
fn read(path: &Path) -> Result<(String, Vec<u8>), CommandError> {
    let limit = u64::try_from(MAX_SOURCE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes).map_err(io("stdin"))?;
        return Ok(("<stdin>".to_owned(), bytes));
    }
    let shown = path.display().to_string();
    let file = std::fs::File::open(path).map_err(io(&shown))?;
    file.take(limit).read_to_end(&mut bytes).map_err(io(&shown))?;
    Ok((shown, bytes))
}

/// The name of a stack without a Stack document: its folder's or file's.
pub(crate) fn stack_name(path: &Path) -> Option<String> {
    if path.as_os_str() == "-" {
        return None;
    }
    let path = std::fs::canonicalize(path).ok()?;
    Some(path.file_stem()?.to_str()?.to_owned())
}
