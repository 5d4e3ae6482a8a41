//! ARM's paths.

use privlink_model::resource_id::ResourceId;

use crate::server::Call;

/// What a path names.
#[derive(Clone, Debug)]
pub(super) struct Path {
    /// The segments in lower case.
    pub(super) lower: Vec<String>,
    /// The path as an id, spelled as it was sent.
    pub(super) id: ResourceId,
}

/// A resource, or a collection of resources, of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// `Microsoft.Network/loadBalancers`, spelled as it was sent.
    pub(super) kind: String,
    /// Whether one resource is named, and not a collection.
    pub(super) is_resource: bool,
    /// How many types there are: 1 for a top-level resource.
    pub(super) depth: usize,
}

impl Path {
    pub(super) fn of(call: &Call) -> Self {
        let id = format!("/{}", call.segments().join("/"));
        let lower = call.segments().into_iter().map(str::to_lowercase).collect();
        Self { lower, id: ResourceId::new(id) }
    }

    pub(super) fn lower(&self) -> Vec<&str> {
        self.lower.iter().map(String::as_str).collect()
    }

    /// The subscription as it was sent.
    pub(super) fn subscription(&self) -> &str {
        self.id.subscription().unwrap_or_default()
    }

    /// What is named behind the last `providers`.
    pub(super) fn named(&self) -> Option<Named> {
        let at = self.lower.iter().rposition(|segment| segment == "providers")?;
        let parts: Vec<&str> = self.id.as_str().split('/').skip(1).skip(at + 1).collect();
        let (namespace, rest) = parts.split_first()?;
        if rest.is_empty() {
            return None;
        }
        let types: Vec<&str> = rest.iter().step_by(2).copied().collect();
        Some(Named {
            kind: format!("{namespace}/{}", types.join("/")),
            is_resource: rest.len() % 2 == 0,
            depth: types.len(),
        })
    }
}
