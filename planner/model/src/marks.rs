//! What privlink marks objects with: labels, tags, annotations, and the names that it writes under.

/// The label of a Service, and the tag of a resource, that says which stack owns it. Labels do not
/// make the controller sync (recording 279), annotations do.
pub const STACK_LABEL: &str = "privlink.dev/stack";

/// [`STACK_LABEL`] as a tag: ARM refuses `/` in the names of tags.
pub const STACK_TAG: &str = "privlink-stack";

/// The label of a Service or of a document that protects its node: `true` holds every plan back that
/// would delete or replace it.
pub const PROTECT_LABEL: &str = "privlink.dev/protect";

/// [`PROTECT_LABEL`] as a tag of an endpoint.
pub const PROTECT_TAG: &str = "privlink-protect";

/// The tag of an endpoint that says where privlink keeps its name, so that it is found when the document
/// no longer says: the id of a record, or the name of a zone group.
pub const DNS_TAG: &str = "privlink-dns";

/// The tags and metadata that privlink marks resources with.
pub const MARKS: [&str; 3] = [STACK_TAG, PROTECT_TAG, DNS_TAG];

/// The annotation of a Service by which who writes it consents to disconnect consumers of its Private Link Service:
/// `ENDPOINT@DAY` or `NUMBER@DAY`, several behind commas.
pub const CONSENT_ANNOTATION: &str = "privlink.dev/allow-disconnects";

/// The label of a namespace or a Service that says what the guard does about it: `warn`, `enforce` or `off`.
pub const GUARD_LABEL: &str = "privlink.dev/guard";

/// The annotation of a Service that privlink makes beside another one, whose consumers are to move to it: which one
/// that is, as `namespace/name`.
pub const BESIDE_ANNOTATION: &str = "privlink.dev/beside";

/// The annotation of such a Service that says how far the consumers have moved: the stage of the way with gates.
pub const STAGE_ANNOTATION: &str = "privlink.dev/beside-stage";

/// The annotation whose change makes the controller sync.
pub const SYNC_ANNOTATION: &str = "privlink.dev/sync";

/// What a private DNS zone is called in a zone group that privlink writes.
pub fn zone_config_name(zone: &str) -> String {
    zone.replace('.', "-")
}

/// The field manager that owns what privlink writes.
pub const FIELD_MANAGER: &str = "privlink";

/// The field manager of the annotation that makes the controller sync: another one, so that the next
/// apply does not take the annotation away.
pub const SYNC_FIELD_MANAGER: &str = "privlink-sync";
