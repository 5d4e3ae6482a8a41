//! The table of Offers.

use super::{API_VERSION, CONSUMER_ENDPOINT, CONSUMER_SUBSCRIPTION, MANY, TAGS, object};
use crate::schema::{Object, Rule, Shape, Text, optional, required};
use privlink_model::arm::arm_type::ArmType;

/// `kind: Offer`.
pub static OFFER: Object = object(&[
    required(
        "apiVersion",
        Shape::Text(Text::OneOf(&[API_VERSION])),
        "Always privlink.dev/v1alpha1.",
    ),
    required("kind", Shape::Text(Text::OneOf(&["Offer"])), "Always Offer."),
    required("metadata", Shape::Object(&OFFER_METADATA), "The Offer's name."),
    required("spec", Shape::Object(&OFFER_SPEC), "What is offered."),
]);

static OFFER_METADATA: Object = object(&[
    required(
        "name",
        Shape::Text(Text::ResourceName(1, 127)),
        "The Offer's name: NAMESPACE.SERVICE, as privlink writes it.",
    ),
    optional("namespace", Shape::Any, "Not used."),
    optional("labels", TAGS, "Not used; kustomize may set them."),
    optional("annotations", TAGS, "Not used; kustomize may set them."),
]);

static OFFER_SPEC: Object = object(&[
    optional("stack", Shape::Text(Text::LabelValue), "The provider's stack."),
    required(
        "id",
        Shape::Text(Text::ResourceId(ArmType::PrivateLinkService.name())),
        "The Private Link Service's id.",
    ),
    required(
        "alias",
        Shape::Text(Text::Alias),
        "The Private Link Service's alias. It is another one once the Private Link Service was re-created.",
    ),
    optional("location", Shape::Text(Text::Location), "Its region."),
    optional(
        "fqdns",
        Shape::List(&Shape::Text(Text::NotEmpty), MANY),
        "Names that it announces, which a consumer's DNS zone group takes.",
    ),
    optional(
        "visibility",
        Shape::List(&Shape::Text(Text::NotEmpty), MANY),
        "Subscriptions that may see it; \"*\" is all. None if not given: by Azure's roles alone.",
    ),
    optional("approval", Shape::Object(&OFFER_APPROVAL), "Who approves connections."),
]);

static OFFER_APPROVAL: Object = object(&[
    optional(
        "automatic",
        Shape::List(&Shape::Text(Text::NotEmpty), MANY),
        "Subscriptions whose connections Azure approves at once; \"*\" is all.",
    ),
    optional(
        "manual",
        Shape::List(&Shape::Object(&AWAITED), MANY),
        "Consumers whose connections the provider approves with its next apply. Whoever is on neither list waits \
         for the provider's decision.",
    ),
]);

static AWAITED: Object = Object {
    fields: &[
        CONSUMER_SUBSCRIPTION,
        CONSUMER_ENDPOINT,
        optional(
            "requestMessage",
            Shape::Boolean,
            "Whether the endpoint's requestMessage must be the token that the provider gave them.",
        ),
    ],
    rule: Rule::OneOfTwo,
};
