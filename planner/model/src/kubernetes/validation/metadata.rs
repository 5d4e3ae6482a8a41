//! `ValidateObjectMeta` of a Service, and the annotations that `ValidateService` compares.

use serde_json::Value;

use crate::pointer::{At, text};

use super::{Cause, list, name};

/// Bytes that all annotations may have together.
const ANNOTATIONS: usize = 256 << 10;

/// Finalizers without a domain that there are.
const FINALIZERS: [&str; 3] = ["foregroundDeletion", "kubernetes", "orphan"];

pub(super) fn check(object: &Value, causes: &mut Vec<Cause>) {
    let own = text(object, "/metadata/name");
    for why in name::service_name(own) {
        causes.push(Cause::invalid("metadata.name", &own.into(), &why));
    }
    let namespace = text(object, "/metadata/namespace");
    for why in Some(namespace).filter(|it| !it.is_empty()).into_iter().flat_map(name::label) {
        causes.push(Cause::invalid("metadata.namespace", &namespace.into(), &why));
    }
    name::check_labels(object.at("/metadata/labels"), "metadata.labels", causes);
    annotations(object, causes);
    owners(object, causes);
    for (index, finalizer) in list(object, "/metadata/finalizers").iter().enumerate() {
        let finalizer = finalizer.as_str().unwrap_or_default();
        for why in name::qualified(finalizer) {
            causes.push(Cause::invalid("metadata.finalizers", &finalizer.into(), &why));
        }
        if !finalizer.contains('/') && !FINALIZERS.contains(&finalizer) {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            let field = format!("metadata.finalizers[{index}]");
            causes.push(Cause::invalid(field, &finalizer.into(), why));
        }
    }
}

/// Who owns it (`ValidateOwnerReferences`): each reference says all of its four fields, an Event owns nothing, and
/// one owner at most is the controller. Fields are named without the number of their reference.
fn owners(object: &Value, causes: &mut Vec<Cause>) {
    const FIELD: &str = "metadata.ownerReferences";
    let mut controllers = Vec::new();
    for owner in list(object, "/metadata/ownerReferences") {
        let [version, kind, name, uid] =
            ["/apiVersion", "/kind", "/name", "/uid"].map(|field| text(owner, field));
        let number = version.rsplit('/').next().unwrap_or_default();
        for (field, value, given, what) in [
            ("apiVersion", version, number, "version"),
            ("kind", kind, kind, "kind"),
            ("name", name, name, "name"),
            ("uid", uid, uid, "uid"),
        ] {
            if given.is_empty() {
                let why = format!("{what} must not be empty");
                causes.push(Cause::invalid(format!("{FIELD}.{field}"), &value.into(), &why));
            }
        }
        if (version, kind) == ("v1", "Event") {
            let why = "/v1, Kind=Event is disallowed from being an owner";
            causes.push(Cause::invalid(FIELD, owner, why));
        }
        if owner.at("/controller") == Some(&Value::Bool(true)) {
            controllers.push(format!("{kind}/{name}"));
        }
    }
    if let [first, others @ ..] = controllers.as_slice() {
        for other in others {
            let why = format!(
                "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {other}"
            );
            let all = object.at("/metadata/ownerReferences").unwrap_or(&Value::Null);
            causes.push(Cause::invalid(FIELD, all, &why));
        }
    }
}

/// Keys are compared without regard to case; all together must not be too long.
fn annotations(object: &Value, causes: &mut Vec<Cause>) {
    const FIELD: &str = "metadata.annotations";
    let Some(all) = object.at("/metadata/annotations").and_then(Value::as_object) else { return };
    for key in all.keys() {
        for why in name::qualified(&key.to_lowercase()) {
            causes.push(Cause::invalid(FIELD, &key.as_str().into(), &why));
        }
    }
    let length = |(key, value): (&String, &Value)| key.len() + value.as_str().map_or(0, str::len);
    if all.iter().map(length).sum::<usize>() > ANNOTATIONS {
        causes.push(Cause {
            reason: "FieldValueTooLong",
            message: format!("Too long: may not be more than {ANNOTATIONS} bytes"),
            field: FIELD.to_owned(),
        });
    }
    const MODE: &str = "service.kubernetes.io/topology-mode";
    const HINTS: &str = "service.kubernetes.io/topology-aware-hints";
    if let (Some(mode), Some(hints)) = (all.get(MODE), all.get(HINTS))
        && mode != hints
    {
        let why = format!("must match annotations[{HINTS}] when both are specified");
        causes.push(Cause::invalid(format!("{FIELD}[{MODE}]"), mode, &why));
    }
}
