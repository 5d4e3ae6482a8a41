//! Private endpoints of virtual networks, and of those peered with them, as far as they were read.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{ENDPOINTS_OF_BASIC_NETWORK, ENDPOINTS_OF_NETWORK, Limit};
use crate::input::{Input, Named};
use crate::pointer::{At, text};
use crate::resource_id::ResourceId;
use crate::snapshot::Observation;

/// Endpoints of a network that the stack's endpoints are in, once all is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkUse {
    /// The network.
    pub network: ResourceId,
    /// The document of the first endpoint that comes, or else of the first that is there.
    pub endpoint: String,
    /// How many of the stack's come.
    pub coming: usize,
    /// How many there will be in the network.
    pub count: usize,
    /// How many there may be, by what the network says of itself.
    pub limit: &'static Limit,
    /// How many there will be in the network and those peered with it.
    pub with_peers: usize,
}

/// Endpoints that are wanted and not there yet, by id, with their subnet.
pub(crate) fn coming(input: &Input<'_>) -> BTreeMap<String, ResourceId> {
    let new = |it: &Named<'_>| !matches!(input.live.resource(&it.id), Observation::Present(_));
    input.endpoints().filter(new).map(|it| (it.id.key(), it.subnet())).collect()
}

/// The networks that the stack's endpoints are in, by id.
pub fn networks(input: &Input<'_>) -> Vec<NetworkUse> {
    let new = coming(input);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let live = input.live.world().private_endpoints.values();
    let live = live.filter_map(|it| ResourceId::new(it.subnet()).parent());
    for network in live.chain(new.values().filter_map(ResourceId::parent)) {
        *counts.entry(network.key()).or_insert(0) += 1;
    }
    let count = |key: &str| counts.get(key).copied().unwrap_or(0);
    let mut uses: BTreeMap<String, NetworkUse> = BTreeMap::new();
    for endpoint in input.endpoints() {
        let Some(network) = endpoint.subnet().parent() else { continue };
        let name = &endpoint.at.name;
        let is_new = new.contains_key(&endpoint.id.key());
        let entry = uses.entry(network.key()).or_insert_with(|| {
            let seen = input.live.resource(&network).known().ok().flatten();
            let peers: BTreeSet<String> = seen.map(peers).unwrap_or_default();
            NetworkUse {
                endpoint: name.clone(),
                coming: 0,
                count: count(&network.key()),
                limit: limit(seen),
                with_peers: count(&network.key())
                    + peers.iter().map(|peer| count(peer)).sum::<usize>(),
                network,
            }
        });
        if is_new && entry.coming == 0 {
            entry.endpoint.clone_from(name);
        }
        entry.coming += usize::from(is_new);
    }
    uses.into_values().collect()
}

/// How many endpoints a network may have: more where its own property says so.
fn limit(network: Option<&Value>) -> &'static Limit {
    let policies =
        network.and_then(|it| it.at("/properties/privateEndpointVNetPolicies")?.as_str());
    match policies {
        Some(policies) if policies.eq_ignore_ascii_case("Basic") => &ENDPOINTS_OF_BASIC_NETWORK,
        _ => &ENDPOINTS_OF_NETWORK,
    }
}

/// The networks that a network is peered with, in lower case.
fn peers(network: &Value) -> BTreeSet<String> {
    let peerings = network.at("/properties/virtualNetworkPeerings").and_then(Value::as_array);
    let remote = peerings.into_iter().flatten();
    let remote = remote.map(|it| text(it, "/properties/remoteVirtualNetwork/id").to_lowercase());
    remote.filter(|id| !id.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::desired::{self, Desired};
    use crate::diagnostic::Source;
    use crate::document::parse;
    use crate::facts::Facts;
    use crate::input::Options;
    use crate::inventory::Inventory;
    use crate::join;
    use crate::snapshot::{Kubernetes, Reading, Snapshot};

    const SUBSCRIPTION: &str = "/subscriptions/11111111-1111-1111-1111-111111111111";

    fn network(name: &str) -> String {
        format!(
            "{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/{name}"
        )
    }

    fn wanted() -> Desired {
        let text = "apiVersion: privlink.dev/v1alpha1\nkind: PrivateEndpoint\nmetadata: {name: pe}\nspec:\n  \
            subscription: 11111111-1111-1111-1111-111111111111\n  resourceGroup: g\n  \
            subnet: {virtualNetwork: hub, name: pe}\n  \
            target: {alias: web.22222222-2222-2222-2222-222222222222.eastus.azure.privatelinkservice}\n";
        desired::resolve(parse(&Source::new("a.yaml", text).unwrap()), &desired::Options::default())
            .0
    }

    /// So many live endpoints in the hub and in a network that is peered with it.
    fn uses(in_hub: usize, in_spoke: usize, policies: &str) -> NetworkUse {
        let endpoint = |at: usize, of: &str| {
            Arc::new(json!({
                "id": format!("{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.Network/privateEndpoints/{of}{at}"),
                "properties": {"subnet": {"id": format!("{}/subnets/pe", network(of))}},
            }))
        };
        let endpoints = (0..in_hub).map(|at| endpoint(at, "hub"));
        let endpoints = endpoints.chain((0..in_spoke).map(|at| endpoint(at, "Spoke"))).collect();
        let hub = json!({"id": network("hub"), "properties": {
            "privateEndpointVNetPolicies": policies,
            "virtualNetworkPeerings": [
                {"properties": {"remoteVirtualNetwork": {"id": network("spoke")}}},
                {"properties": {"remoteVirtualNetwork": {"id": network("elsewhere")}}},
            ],
        }});
        let list = |kind: &str| {
            format!("{SUBSCRIPTION}/resourcegroups/g/providers/microsoft.network/{kind}")
        };
        let snapshot = Snapshot {
            format_version: crate::snapshot::FORMAT_VERSION.to_owned(),
            taken_at: String::new(),
            redacted: false,
            kubernetes: Kubernetes::none(),
            azure: BTreeMap::from([
                (list("privateendpoints"), Reading::Present(endpoints)),
                (list("virtualnetworks"), Reading::Present(vec![Arc::new(hub)])),
            ]),
            index: crate::snapshot::Index::default(),
        };
        let (desired, facts, options) = (wanted(), Facts::default(), Options::default());
        let live = Inventory::of(&snapshot);
        let wanted = join::identify(&desired, &live, &facts, &options);
        let mut uses = networks(&Input::new(&wanted, &live, &facts, &options));
        assert_eq!(uses.len(), 1);
        uses.remove(0)
    }

    #[test]
    fn a_network_s_own_property_says_how_many_endpoints_it_may_have() {
        let few = uses(999, 0, "Disabled");
        assert_eq!((few.count, few.coming, few.limit.most), (1000, 1, 1000));
        assert_eq!(uses(1000, 0, "Basic").limit.most, 5000);
    }

    #[test]
    fn endpoints_of_peered_networks_count() {
        let both = uses(10, 3989, "Basic");
        assert_eq!((both.count, both.with_peers), (11, 4000));
    }
}
