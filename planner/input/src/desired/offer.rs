//! What an endpoint reaches by an Offer.

use super::{Approval, Consumer, Target};
use crate::diagnostic::{Diagnostic, Spanned};
use crate::document::PrivateEndpoint;
use crate::document::offer::{self, Awaited, Offer, Offers};
use crate::kubernetes::service::Key;
use crate::resource_id::ResourceId;
use crate::rule::{At, Example, basis, rules};
use privlink_model::arm::arm_type::ArmType;

/// What an Offer says of an endpoint that takes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Offered {
    /// The Offer's name.
    pub name: String,
    /// The provider's stack, if the Offer says it.
    pub stack: Option<String>,
    /// The names that the Private Link Service announces.
    pub fqdns: Vec<String>,
    /// Whether Azure approves the connection at once.
    pub is_automatic: bool,
    /// Whether the provider approves it with a request message that both know alone: the endpoint's is a token.
    pub needs_message: bool,
}

/// An endpoint that takes an Offer, as its document says it.
pub(super) struct Asker<'a> {
    pub(super) endpoint: &'a PrivateEndpoint,
    /// Its own subscription or the stack's.
    pub(super) subscription: Option<&'a Spanned<String>>,
}

/// What an endpoint reaches whose target is an Offer. By the alias, which says of itself when the Private Link
/// Service is another one; by the id where the document asks to be approved automatically, which Azure does not
/// take of an alias.
pub(super) fn taken(
    offers: &Offers,
    named: &Spanned<String>,
    asker: &Asker<'_>,
    problems: &mut Vec<Diagnostic>,
) -> Option<(Target<Key>, Offered)> {
    let offer = match find(offers, named) {
        Ok(offer) => offer,
        Err(problem) => {
            problems.push(*problem);
            return None;
        }
    };
    let needs_message = needs_message(offer, asker);
    check(offer, named, asker, problems);
    if needs_message && asker.endpoint.request_message.is_none() {
        problems.push(without_message(offer, named));
    }
    let subscription = asker.subscription.map(|it| it.value.as_str());
    let offered = Offered {
        name: offer.name.value.clone(),
        stack: offer.stack.as_ref().map(|it| it.value.clone()),
        fqdns: offer.fqdns.clone(),
        is_automatic: subscription.is_some_and(|it| lists(&offer.automatic, it)),
        needs_message,
    };
    let is_automatic = asker.endpoint.approval.as_ref().map(|it| it.value);
    let target = match is_automatic {
        Some(Approval::Automatic) => Target::Id(offer.id.clone()),
        _ => Target::Alias(offer.alias.clone()),
    };
    Some((target, offered))
}

/// The Offer that a document names: one of the input by its name, or one of a file.
fn find<'a>(offers: &'a Offers, named: &'a Spanned<String>) -> Result<&'a Offer, Box<Diagnostic>> {
    let source = named.span.source().name();
    let (file, name) = offer::file(source, named);
    let missing = |message: String, help: String| {
        let problem = Diagnostic::new(OFFER_MISSING, message);
        Err(Box::new(problem.at(&named.span, "the endpoint takes it").help(help)))
    };
    let of_file = || offers.all.iter().filter(|it| it.name.span.source().name() == file);
    let mut fitting = offers.named(source, named);
    match (fitting.next(), fitting.next()) {
        (Some(offer), None) => Ok(offer),
        (Some(_), Some(_)) => {
            let names: Vec<&str> = of_file().map(|it| it.name.as_str()).collect();
            missing(
                format!("{file} holds several Offers: {}", names.join(", ")),
                format!("say which: `{}#{}`", named.value, names.first().unwrap_or(&"NAME")),
            )
        }
        (None, _) => match (offers.unread.get(&file), name) {
            (Some(why), _) => missing(
                format!("the Offer in {file} cannot be read: {why}"),
                "the provider writes it with `privlink output -o offer --out FILE`; paths are relative to this file"
                    .to_owned(),
            ),
            (None, Some(name)) if of_file().next().is_some() => missing(
                format!("{file} holds no Offer `{name}`"),
                "look at the names in it".to_owned(),
            ),
            (None, _) => missing(
                format!("there is no Offer `{}` in the input, and {file} holds none", named.value),
                "the provider writes it with `privlink output -o offer --out FILE`".to_owned(),
            ),
        },
    }
}

/// Whether a list of subscriptions has one.
fn lists(list: &[String], subscription: &str) -> bool {
    list.iter().any(|it| it == "*" || it.eq_ignore_ascii_case(subscription))
}

/// What the Offer says against the endpoint.
fn check(
    offer: &Offer,
    named: &Spanned<String>,
    asker: &Asker<'_>,
    problems: &mut Vec<Diagnostic>,
) {
    let Some(subscription) = asker.subscription else { return };
    let is_own = offer.id.subscription().is_some_and(|it| it.eq_ignore_ascii_case(subscription));
    if !is_own && !lists(&offer.visibility, subscription) {
        problems.push(
            Diagnostic::new(
                OFFER_NOT_VISIBLE,
                format!(
                    "the Offer `{}` is not visible to subscription {}",
                    offer.name.value, subscription.value
                ),
            )
            .at(&named.span, "there, only callers with a role on it find the alias")
            .at(&offer.alias.span, "offered here")
            .help("ask the provider to add the subscription to azure-pls-visibility, and to publish the Offer again"),
        );
    }
}

/// Whether the provider approves the endpoint with a request message alone that both know.
fn needs_message(offer: &Offer, asker: &Asker<'_>) -> bool {
    let Some(subscription) = asker.subscription else { return false };
    let is_expected = |it: &Awaited| it.needs_message && is_of(&it.consumer, subscription, asker);
    !lists(&offer.automatic, subscription) && offer.manual.iter().any(is_expected)
}

fn without_message(offer: &Offer, named: &Spanned<String>) -> Diagnostic {
    Diagnostic::new(
        OFFER_NEEDS_MESSAGE,
        format!(
            "the provider of the Offer `{}` approves this endpoint only with the right requestMessage",
            offer.name.value
        ),
    )
    .at(&named.span, "the endpoint has none")
    .help("write the token that the provider gave you as `requestMessage`")
}

/// Whether a consumer is the endpoint, or all of its subscription.
fn is_of(consumer: &Consumer, subscription: &str, asker: &Asker<'_>) -> bool {
    match consumer {
        Consumer::Subscription(of) => of.eq_ignore_ascii_case(subscription),
        Consumer::Endpoint(id) => {
            let document = asker.endpoint;
            let name = document.azure_name.as_ref().unwrap_or(&document.name);
            let own = ResourceId::in_group(
                subscription,
                &document.resource_group,
                ArmType::PrivateEndpoint.name(),
                name,
            );
            id.value == own
        }
    }
}

/// An Offer and an endpoint that takes it, for the examples: with more of the Offer's `spec`, and of the endpoint's.
macro_rules! taken {
    ($offer:literal, $endpoint:literal) => {
        concat!(
            "apiVersion: privlink.dev/v1alpha1\n",
            "kind: Offer\n",
            "metadata: {name: default.web}\n",
            "spec:\n",
            "  id: /subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/provider/providers/Microsoft.Network/privateLinkServices/web\n",
            "  alias: web.22222222-2222-2222-2222-222222222222.eastus.azure.privatelinkservice\n",
            $offer,
            "---\n",
            "apiVersion: privlink.dev/v1alpha1\n",
            "kind: PrivateEndpoint\n",
            "metadata: {name: web-pe}\n",
            "spec:\n",
            "  subscription: 44444444-4444-4444-4444-444444444444\n",
            "  resourceGroup: consumer\n",
            "  subnet: {virtualNetwork: vnet, name: pe}\n",
            $endpoint,
        )
    };
}

rules! {
    /// A PrivateEndpoint takes an Offer that is not there: no document of the input has that name, and the file
    /// cannot be read, is outside of the repository or the working folder, or holds none or several.
    OFFER_MISSING = "offer-missing", Error, [Desired], {
        basis: basis::SHAPE,
        advice: "Name the file that the provider published, relative to the document's file, or add the Offer to \
            the input. Of several in one file, name one: `FILE#NAME`.",
        example: Example::new(
            At::Documents,
            taken!("", "  target: {offer: default.wbe}"),
            taken!("", "  target: {offer: default.web}"),
        ),
    }

    /// The Offer says which subscriptions may see the Private Link Service, and the endpoint's is not among them:
    /// unless roles of its own tenant let the caller read it, Azure does not find the alias from there.
    OFFER_NOT_VISIBLE = "offer-not-visible", Warning, [Desired], {
        basis: basis::documented("who sees a Private Link Service", basis::link::SERVICE),
        advice: "The provider adds the subscription to `azure-pls-visibility` and publishes the Offer again.",
        example: Example::new(
            At::Documents,
            taken!(
                "  visibility: [33333333-3333-3333-3333-333333333333]\n",
                "  target: {offer: default.web}"
            ),
            taken!("  visibility: [\"*\"]\n", "  target: {offer: default.web}"),
        ),
    }

    /// The Offer says that the provider approves this consumer with a request message that both know, and the endpoint
    /// has none: its connection stays Pending.
    OFFER_NEEDS_MESSAGE = "offer-needs-message", Warning, [Desired], {
        basis: basis::CONNECTION,
        advice: "Write the token that the provider gave you as `requestMessage`.",
        example: Example::new(
            At::Documents,
            taken!(
                "  approval: {manual: [{subscription: 44444444-4444-4444-4444-444444444444, requestMessage: true}]}\n",
                "  target: {offer: default.web}"
            ),
            taken!(
                "  approval: {manual: [{subscription: 44444444-4444-4444-4444-444444444444, requestMessage: true}]}\n",
                "  target: {offer: default.web}\n  requestMessage: the word we agreed on"
            ),
        ),
    }
}
