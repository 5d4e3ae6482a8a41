//! ARM resource ids.

use std::fmt;

/// How many bytes of two ids are compared at once.
const PIECE: usize = 16;

/// An ARM resource id. Kept as it was spelled, compared case-insensitively, as ARM does.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct ResourceId(String);

impl ResourceId {
    /// An id from its text, whatever it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The id of a resource of `provider_type` (`Microsoft.Network/loadBalancers`) in a group.
    pub fn in_group(subscription: &str, group: &str, provider_type: &str, name: &str) -> Self {
        Self(
            [
                "/subscriptions/",
                subscription,
                "/resourceGroups/",
                group,
                "/providers/",
                provider_type,
                "/",
                name,
            ]
            .concat(),
        )
    }

    /// The id of a child.
    #[must_use]
    pub fn child(&self, kind: &str, name: &str) -> Self {
        Self([self.0.as_str(), "/", kind, "/", name].concat())
    }

    /// As it was spelled.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// In lower case, for use as a key.
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// The segment after `name` (`subscriptions`, `resourceGroups`, `loadBalancers`), any case.
    pub fn segment(&self, name: &str) -> Option<&str> {
        let mut parts = segments(&self.0).map(|(_, part)| part);
        parts.find(|part| part.eq_ignore_ascii_case(name))?;
        parts.next()
    }

    /// The subscription.
    pub fn subscription(&self) -> Option<&str> {
        self.segment("subscriptions")
    }

    /// The resource group.
    pub fn resource_group(&self) -> Option<&str> {
        self.segment("resourceGroups")
    }

    /// The last segment.
    pub fn name(&self) -> &str {
        split_last(&self.0).map_or(&self.0, |(_, name)| name)
    }

    /// The id without its last two segments: a child's parent, or a resource's provider path.
    pub fn parent(&self) -> Option<Self> {
        let (rest, _) = split_last(&self.0)?;
        let (rest, _) = split_last(rest)?;
        Some(Self(rest.to_owned()))
    }

    /// The id without its last segment: the collection that lists it.
    pub fn collection(&self) -> Option<Self> {
        let (rest, _) = split_last(&self.0)?;
        Some(Self(rest.to_owned()))
    }
}

/// What is before the last slash, and the segment behind it.
pub(crate) fn split_last(id: &str) -> Option<(&str, &str)> {
    // Segments are short: their bytes are looked at one by one sooner than a search is set up.
    let at = id.bytes().rposition(|byte| byte == b'/')?;
    Some((id.get(..at)?, id.get(at + 1..)?))
}

/// What is between slashes, with how many bytes are before each.
pub(crate) fn segments(id: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut from = Some(0);
    std::iter::from_fn(move || {
        let start = from?;
        let rest = id.get(start..)?;
        let end = rest.bytes().position(|byte| byte == b'/');
        from = end.map(|end| start + end + 1);
        Some((start, rest.get(..end.unwrap_or(rest.len()))?))
    })
}

impl PartialEq for ResourceId {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for ResourceId {}

impl PartialOrd for ResourceId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ResourceId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let (one, other) = (self.0.as_bytes(), other.0.as_bytes());
        // Ids of one group begin alike, mostly in the same spelling: that part needs no lower case.
        let pieces = one.chunks_exact(PIECE).zip(other.chunks_exact(PIECE));
        let alike = pieces.take_while(|(one, other)| one == other).count() * PIECE;
        let (one, other) = (one.iter().skip(alike), other.iter().skip(alike));
        one.map(u8::to_ascii_lowercase).cmp(other.map(u8::to_ascii_lowercase))
    }
}

impl std::hash::Hash for ResourceId {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        for byte in self.0.bytes() {
            state.write_u8(byte.to_ascii_lowercase());
        }
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_compare_without_regard_to_case() {
        let id = ResourceId::in_group("s", "MC_rg", "Microsoft.Network/loadBalancers", "lb");
        assert_eq!(id, ResourceId::new(id.as_str().to_uppercase()));
        assert_eq!(id.resource_group(), Some("MC_rg"));
        assert_eq!(id.child("probes", "p").parent(), Some(id));
    }

    #[test]
    fn ids_are_ordered_as_their_keys_are() {
        let parts =
            ["/subscriptions/", "Microsoft.Network", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "[", "z", ""];
        let mut ids = Vec::new();
        for (one, other) in parts.iter().flat_map(|one| parts.map(|other| (one, other))) {
            let both = format!("{one}{other}");
            ids.extend([ResourceId::new(both.to_lowercase()), ResourceId::new(both)]);
        }
        for (one, other) in ids.iter().flat_map(|one| ids.iter().map(move |other| (one, other))) {
            assert_eq!(one.cmp(other), one.key().cmp(&other.key()), "{one} {other}");
        }
    }
}
