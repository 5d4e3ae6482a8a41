//! What all writes have: who writes, whether by force, whether at all.

use privlink_model::kubernetes::server_side_apply::Writer;
use serde_json::{Value, json};

use crate::server::Call;
use crate::state::State;

use super::status::Refusal;
use super::store;
use super::target::Target;
use privlink_model::kubernetes::validation::Cause;

/// A request that writes.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) target: Target,
    pub(super) body: Value,
    pub(super) manager: String,
    pub(super) force: bool,
    pub(super) dry_run: bool,
    pub(super) strict: bool,
}

impl Write {
    pub(super) fn of(call: &Call, target: Target) -> Result<Self, Refusal> {
        if is_protobuf(call) {
            return Err(Refusal::no_protobuf());
        }
        let body = if call.body.is_empty() {
            Value::Null
        } else {
            call.json().map_err(|error| {
                Refusal::bad_request(format!("the body of the request is not JSON: {error}"))
            })?
        };
        let dry_run = match call.parameter("dryRun").unwrap_or_default() {
            "" => body.get("dryRun").is_some_and(|stages| *stages == json!(["All"])),
            "All" => true,
            other => {
                let value = format!("[]string{{{other:?}}}");
                let cause = Cause {
                    reason: "FieldValueNotSupported",
                    message: format!("Unsupported value: {value}: supported values: \"All\""),
                    field: "dryRun".to_owned(),
                };
                let options = match call.method.as_str() {
                    "POST" => "CreateOptions",
                    "PUT" => "UpdateOptions",
                    "DELETE" => "DeleteOptions",
                    _ => "PatchOptions",
                };
                return Err(Refusal::invalid(&format!("{options}.meta.k8s.io"), "", &[cause]));
            }
        };
        // Who names no manager is known by the program's name, as in the API server.
        let program = call.header("user-agent").unwrap_or("unknown");
        let program = program.split('/').next().unwrap_or("unknown");
        let manager = call.parameter("fieldManager").unwrap_or(program).to_owned();
        Ok(Self {
            target,
            body,
            manager,
            force: call.flag("force"),
            dry_run,
            strict: call.parameter("fieldValidation") == Some("Strict"),
        })
    }

    pub(super) fn writer<'a>(&'a self, time: &'a str, version: &'a str) -> Writer<'a> {
        let subresource = self.target.status.then_some("status");
        Writer { manager: &self.manager, api_version: version, time, subresource }
    }

    /// Stores the object, unless this is a dry run.
    pub(super) fn store(&self, state: &mut State, object: Value) -> Value {
        let key = store::key_of(&object);
        if self.dry_run { object } else { store::put(state, self.target.resource, &key, object) }
    }
}

/// Whether a request's body is in Kubernetes' protobuf encoding.
pub(super) fn is_protobuf(call: &Call) -> bool {
    call.header("content-type").is_some_and(|kind| kind.contains("protobuf"))
}
