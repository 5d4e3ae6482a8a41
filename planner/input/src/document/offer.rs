//! `kind: Offer`: what a provider publishes of a Private Link Service for its consumers.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::decode::consumer;
use super::reader::Reader;
use super::{Consumer, Documents};
use crate::diagnostic::{Diagnostic, Spanned};
use crate::resource_id::ResourceId;
use crate::rule::{SKIPPED_KIND, Severity};
use privlink_model::pointer::At;
use serde_json::{Value, json};

/// `kind: Offer`.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// Its name: `NAMESPACE.SERVICE` as `privlink output -o offer` writes it.
    pub name: Spanned<String>,
    /// The provider's stack.
    pub stack: Option<Spanned<String>>,
    /// The Private Link Service's id.
    pub id: Spanned<ResourceId>,
    /// Its alias, which is another one once it was re-created.
    pub alias: Spanned<String>,
    /// Its region.
    pub location: Option<Spanned<String>>,
    /// The names that it announces.
    pub fqdns: Vec<String>,
    /// Subscriptions that may see it; `*` is all of them.
    pub visibility: Vec<String>,
    /// Subscriptions whose connections Azure approves at once.
    pub automatic: Vec<String>,
    /// Consumers whose connections the provider approves with its next apply.
    pub manual: Vec<Awaited>,
    /// Whether it was read since an endpoint names its file, and is no document of the input.
    pub is_apart: bool,
}

/// A consumer that an EndpointApproval of the provider's names.
#[derive(Clone, Debug, PartialEq)]
pub struct Awaited {
    /// Who.
    pub consumer: Consumer,
    /// Whether a request message is expected that the provider gave them.
    pub needs_message: bool,
}

/// What endpoints name of Offers: those of the input, those of files, and why a file could not be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Offers {
    /// All that were read.
    pub all: Vec<Offer>,
    /// Why files that endpoints name could not be read, by [`file`].
    pub unread: BTreeMap<String, String>,
}

pub(super) fn offer(document: Reader<'_>) -> Option<Offer> {
    let spec = document.get("spec")?;
    let texts = |of: Option<Reader<'_>>, name: &str| -> Vec<String> {
        let texts = of.map(|it| it.texts(name)).unwrap_or_default();
        texts.into_iter().map(|text| text.value).collect()
    };
    let approval = spec.get("approval");
    let manual = approval.into_iter().flat_map(|it| it.items("manual"));
    Some(Offer {
        name: document.get("metadata")?.text("name")?,
        stack: spec.text("stack"),
        id: spec.text("id")?.map(ResourceId::new),
        alias: spec.text("alias")?,
        location: spec.text("location"),
        fqdns: texts(Some(spec), "fqdns"),
        visibility: texts(Some(spec), "visibility"),
        automatic: texts(approval, "automatic"),
        manual: manual
            .filter_map(|it| {
                let needs_message = it.boolean("requestMessage").unwrap_or(false);
                Some(Awaited { consumer: consumer(it)?, needs_message })
            })
            .collect(),
        is_apart: false,
    })
}

/// The file that a target `offer: TEXT` in a document of `source` means, and the Offer's name in it, if it says one:
/// paths are relative to the document's file.
pub fn file<'a>(source: &str, text: &'a str) -> (String, Option<&'a str>) {
    let (file, name) = match text.rsplit_once('#') {
        Some((file, name)) => (file, Some(name)),
        None => (text, None),
    };
    let folder = Path::new(source).parent().filter(|_| !source.starts_with('<'));
    let path = folder.unwrap_or(Path::new("")).join(file);
    (plain(&path).display().to_string(), name)
}

/// A path without `.`, and without `..` where what it leaves is written before it.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(plain.components().next_back(), Some(Component::Normal(_))) =>
            {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

impl Offers {
    /// Puts the alias that an Offer says into an endpoint's document in place of the Offer, so that the document can be
    /// read elsewhere. Lists have their items so treated.
    pub fn put_in_place(&self, source: &str, document: &mut Value) {
        if let Some(items) = document.get_mut("items").and_then(Value::as_array_mut) {
            items.iter_mut().for_each(|item| self.put_in_place(source, item));
        }
        if document.get("kind").and_then(Value::as_str) != Some("PrivateEndpoint") {
            return;
        }
        let is_automatic = document.at("/spec/approval").is_some_and(|it| it == "Automatic");
        let Some(target) = document.pointer_mut("/spec/target") else { return };
        let offer = target.get("offer").and_then(Value::as_str);
        let Some(offer) = offer.and_then(|text| self.named(source, text).next()) else { return };
        *target = if is_automatic {
            json!({"id": offer.id.as_str()})
        } else {
            json!({"alias": offer.alias.value})
        };
    }

    /// The Offers that a document of `source` means: one of the input by its name, or those of a file that fit.
    pub fn named<'a>(
        &'a self,
        source: &str,
        text: &'a str,
    ) -> impl Iterator<Item = &'a Offer> + use<'a> {
        let (file, name) = file(source, text);
        let is_named = move |it: &&Offer| !it.is_apart && it.name.value == text;
        let by_name = self.all.iter().filter(is_named);
        let is_here = self.all.iter().any(|it| is_named(&it));
        let of_file = self.all.iter().filter(move |it| {
            !is_here
                && it.name.span.source().name() == file
                && name.is_none_or(|name| it.name.value == name)
        });
        by_name.chain(of_file)
    }
}

impl Documents {
    /// The files that endpoints name for an Offer and that are not among what was read: each as it is shown, with a
    /// file that names it.
    pub fn asked_offers(&self) -> BTreeMap<String, String> {
        let offers = &self.offers;
        let mut asked = BTreeMap::new();
        for endpoint in &self.endpoints {
            let super::EndpointTarget::Offer(text) = &endpoint.target else { continue };
            let source = text.span.source().name();
            let (file, _) = file(source, text);
            let is_read = offers
                .all
                .iter()
                .any(|it| it.name.value == text.value || it.name.span.source().name() == file);
            if !is_read {
                asked.entry(file).or_insert_with(|| source.to_owned());
            }
        }
        asked
    }

    /// Adds the Offers of a file that an endpoint names (by [`file`]), and what is wrong with that file. Its other documents are no
    /// part of the input.
    pub fn append_offers(&mut self, file: &str, read: Self) {
        let is_error = |it: &Diagnostic| it.severity == Severity::Error;
        if read.offers.all.is_empty() && read.diagnostics.iter().any(is_error) {
            let why = "it has errors, which are reported there".to_owned();
            self.offers.unread.insert(file.to_owned(), why);
        }
        let apart = read.offers.all.into_iter().map(|offer| Offer { is_apart: true, ..offer });
        self.offers.all.extend(apart);
        self.diagnostics.extend(read.diagnostics.into_iter().filter(|it| it.code != SKIPPED_KIND));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Source;
    use crate::document::parse;

    #[test]
    fn a_file_is_beside_the_document_that_names_it() {
        let path = |source, text| file(source, text);
        assert_eq!(path("a/b.yaml", "offer.yaml"), ("a/offer.yaml".to_owned(), None));
        assert_eq!(
            path("a/b/c.yaml", "../p/o.yaml#default.web"),
            ("a/p/o.yaml".to_owned(), Some("default.web"))
        );
        assert_eq!(path("b.yaml", "../../o.yaml").0, "../../o.yaml");
        assert_eq!(path("<stdin>", "./o.yaml").0, "o.yaml");
    }

    #[test]
    fn a_document_that_goes_elsewhere_has_the_alias_in_it() {
        let text = "apiVersion: privlink.dev/v1alpha1\nkind: Offer\nmetadata: {name: default.web}\nspec:\n  \
            id: /subscriptions/s/resourceGroups/g/providers/Microsoft.Network/privateLinkServices/web\n  \
            alias: web.22222222-2222-2222-2222-222222222222.eastus.azure.privatelinkservice\n";
        let source = Source::new("a/offers/web.yaml", text).unwrap();
        let mut documents = Documents::default();
        documents.append_offers("a/offers/web.yaml", parse(&source));
        let target = |source: &str, approval: &str| {
            let spec = json!({"approval": approval, "target": {"offer": "offers/web.yaml"}});
            let mut list = json!({"items": [{"kind": "PrivateEndpoint", "spec": spec}]});
            documents.offers.put_in_place(source, &mut list);
            list["items"][0]["spec"]["target"].clone()
        };
        let alias = "web.22222222-2222-2222-2222-222222222222.eastus.azure.privatelinkservice";
        assert_eq!(target("a/b.yaml", "Manual"), json!({"alias": alias}));
        let id =
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/privateLinkServices/web";
        assert_eq!(target("a/b.yaml", "Automatic"), json!({"id": id}));
        // Whose Offer is not there stays as it is.
        assert_eq!(target("c/b.yaml", "Manual"), json!({"offer": "offers/web.yaml"}));
    }
}
