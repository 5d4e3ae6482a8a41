//! What the path of a request names.

use privlink_model::kubernetes::service::Key;

use crate::server::Call;

use super::resource::Resource;
use super::status::Refusal;

/// What a path names.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// The kind.
    pub(super) resource: &'static Resource,
    /// The group it was asked under.
    pub(super) group: String,
    /// The namespace, if one was named.
    pub(super) namespace: Option<String>,
    /// The name, if one object was named.
    pub(super) name: Option<String>,
    /// Whether its status was named.
    pub(super) status: bool,
}

impl Target {
    /// What a path names. `/api/v1/namespaces/NS/services/NAME/status`, without the namespace for
    /// objects that have none and for lists of all namespaces.
    pub(super) fn of(call: &Call) -> Result<Self, Refusal> {
        let segments: Vec<&str> = call.segments();
        let (group, rest) = match segments.as_slice() {
            ["api", "v1", rest @ ..] => ("", rest),
            ["apis", group, "v1", rest @ ..] => (*group, rest),
            _ => return Err(Refusal::no_such_path()),
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, plural, rest @ ..]
                if Resource::find(group, plural).is_some() =>
            {
                (Some((*namespace).to_owned()), (*plural, rest))
            }
            [plural, rest @ ..] => (None, (*plural, rest)),
            [] => return Err(Refusal::no_such_path()),
        };
        let (plural, rest) = rest;
        let resource = Resource::find(group, plural).ok_or_else(Refusal::no_such_path)?;
        let (name, status) = match rest {
            [] => (None, false),
            [name] => (Some((*name).to_owned()), false),
            [name, "status"] if resource.has_status => (Some((*name).to_owned()), true),
            _ => return Err(Refusal::no_such_path()),
        };
        if resource.namespaced && name.is_some() && namespace.is_none() {
            return Err(Refusal::no_such_path());
        }
        Ok(Self { resource, group: group.to_owned(), namespace, name, status })
    }

    /// The object's key.
    pub(super) fn key(&self) -> Key {
        Key::new(self.namespace.clone().unwrap_or_default(), self.name.clone().unwrap_or_default())
    }
}
