//! Which rights are needed, for what, and where: one table, for the checks and for the roles that are
//! printed.
//!
//! Actions are those of the `Microsoft.Network` provider; that a subnet's join, the approval of
//! connections and the join of a frontend are checked on the linked resource was seen in Azure's
//! `LinkedAuthorizationFailed` errors. That the controller writes the NAT subnet when its policy is not
//! yet `Disabled` is recorded (`disablePLSNetworkPolicy`).

use std::collections::BTreeSet;

use serde_json::Value;

use crate::annotation::keys::PLS_RESOURCE_GROUP;
use crate::arm::arm_type::ArmType;
use crate::arm::resource::Subnet;
use crate::desired::{Approval, Dns, Services, Target};
use crate::input::{Input, Named};
use crate::node::dns_record;
use crate::resource_id::ResourceId;

use super::{Actions, Needs, Phase, Subject, Verb};

/// Where an action is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum On {
    /// The resource group of the AKS cluster.
    ClusterGroup,
    /// Groups of load balancers, scale sets and the like: the node resource group.
    NodeGroup,
    /// The group of the cluster's virtual network, and those of endpoints.
    NetworkGroup,
    /// Subscriptions of endpoints.
    EndpointSubscription,
    /// Resource groups of endpoints.
    EndpointGroup,
    /// Resource groups of endpoints with a DNS zone group.
    ZoneGroupEndpoint,
    /// Subnets of endpoints.
    EndpointSubnet,
    /// Where the Private Link Services are that endpoints are approved on automatically.
    AutomaticLink,
    /// Where the Private Link Services are on which connections are decided.
    DecidedLink,
    /// Private DNS zones with records.
    RecordZone,
    /// Private DNS zones of zone groups.
    GroupZone,
}

/// One right of the caller.
pub(super) struct Right {
    pub(super) phase: Phase,
    pub(super) on: On,
    pub(super) action: &'static str,
    pub(super) why: &'static str,
}

const fn right(phase: Phase, on: On, action: &'static str, why: &'static str) -> Right {
    Right { phase, on, action, why }
}

/// What the caller needs in Azure.
pub(super) const OWN: &[Right] = &[
    right(
        Phase::Plan,
        On::ClusterGroup,
        "Microsoft.ContainerService/managedClusters/read",
        "facts",
    ),
    right(
        Phase::Plan,
        On::ClusterGroup,
        "Microsoft.ContainerService/managedClusters/loadBalancers/read",
        "facts",
    ),
    right(Phase::Plan, On::NodeGroup, "Microsoft.Network/loadBalancers/read", "frontends, rules"),
    right(Phase::Plan, On::NodeGroup, "Microsoft.Network/privateLinkServices/read", "consumers"),
    right(
        Phase::Plan,
        On::NodeGroup,
        "Microsoft.Network/publicIPAddresses/read",
        "public frontends",
    ),
    right(Phase::Plan, On::NodeGroup, "Microsoft.Network/networkSecurityGroups/read", "its rules"),
    right(Phase::Plan, On::NodeGroup, "Microsoft.Network/virtualNetworks/read", "subnets"),
    right(Phase::Plan, On::NodeGroup, "Microsoft.Compute/virtualMachineScaleSets/read", "facts"),
    right(Phase::Plan, On::NetworkGroup, "Microsoft.Network/virtualNetworks/read", "subnets"),
    right(
        Phase::Plan,
        On::EndpointSubscription,
        "Microsoft.Network/privateEndpoints/read",
        "endpoints",
    ),
    right(
        Phase::Plan,
        On::EndpointSubscription,
        "Microsoft.Network/networkInterfaces/read",
        "addresses",
    ),
    right(Phase::Plan, On::RecordZone, "Microsoft.Network/privateDnsZones/A/read", "records"),
    right(
        Phase::Plan,
        On::RecordZone,
        "Microsoft.Network/privateDnsZones/virtualNetworkLinks/read",
        "who resolves its names",
    ),
    right(Phase::Plan, On::GroupZone, "Microsoft.Network/privateDnsZones/read", "zones"),
    right(Phase::Plan, On::GroupZone, "Microsoft.Network/privateDnsZones/A/read", "records"),
    right(
        Phase::Plan,
        On::GroupZone,
        "Microsoft.Network/privateDnsZones/virtualNetworkLinks/read",
        "who resolves its names",
    ),
    right(
        Phase::Plan,
        On::ZoneGroupEndpoint,
        "Microsoft.Network/privateEndpoints/privateDnsZoneGroups/read",
        "zone groups",
    ),
    right(
        Phase::Apply,
        On::EndpointGroup,
        "Microsoft.Network/privateEndpoints/write",
        "creates endpoints",
    ),
    right(
        Phase::Apply,
        On::EndpointGroup,
        "Microsoft.Network/privateEndpoints/delete",
        "removes and remakes endpoints",
    ),
    right(
        Phase::Apply,
        On::EndpointSubscription,
        "Microsoft.Network/locations/operations/read",
        "follows operations",
    ),
    right(
        Phase::Apply,
        On::EndpointSubscription,
        "Microsoft.Network/locations/operationResults/read",
        "follows deletions",
    ),
    right(
        Phase::Apply,
        On::EndpointSubnet,
        "Microsoft.Network/virtualNetworks/subnets/join/action",
        "puts endpoints into it",
    ),
    right(
        Phase::Apply,
        On::AutomaticLink,
        "Microsoft.Network/privateLinkServices/PrivateEndpointConnectionsApproval/action",
        "connects with approval: Automatic",
    ),
    right(
        Phase::Apply,
        On::DecidedLink,
        "Microsoft.Network/privateLinkServices/privateEndpointConnections/read",
        "sees who asks to connect",
    ),
    right(
        Phase::Apply,
        On::DecidedLink,
        "Microsoft.Network/privateLinkServices/privateEndpointConnections/write",
        "approves and rejects connections",
    ),
    right(
        Phase::Apply,
        On::RecordZone,
        "Microsoft.Network/privateDnsZones/A/write",
        "writes records",
    ),
    right(
        Phase::Apply,
        On::RecordZone,
        "Microsoft.Network/privateDnsZones/A/delete",
        "removes records",
    ),
    right(
        Phase::Apply,
        On::GroupZone,
        "Microsoft.Network/privateDnsZones/join/action",
        "links the zone",
    ),
    right(
        Phase::Apply,
        On::ZoneGroupEndpoint,
        "Microsoft.Network/privateEndpoints/privateDnsZoneGroups/write",
        "creates zone groups",
    ),
    right(
        Phase::Apply,
        On::ZoneGroupEndpoint,
        "Microsoft.Network/privateEndpoints/privateDnsZoneGroups/delete",
        "removes zone groups",
    ),
];

/// Where a verb is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum In {
    /// In all namespaces.
    Cluster,
    /// Where Services are written.
    Services,
    /// Where the lock is.
    Lock,
}

/// What the caller needs in the cluster: phase, where, group, resource, verbs, reason.
pub(super) type ClusterRight =
    (Phase, In, &'static str, &'static str, &'static [&'static str], &'static str);

/// All of them.
pub(super) const VERBS: &[ClusterRight] = &[
    (Phase::Plan, In::Cluster, "", "services", &["get", "list"], "reads Services"),
    (Phase::Plan, In::Cluster, "", "nodes", &["list"], "reads Nodes"),
    (Phase::Plan, In::Cluster, "", "events", &["list"], "reads the controller's words"),
    (
        Phase::Plan,
        In::Cluster,
        "",
        "namespaces",
        &["get", "list"],
        "tells clusters, sees what stays",
    ),
    (Phase::Apply, In::Cluster, "", "services", &["watch"], "waits for Services"),
    (Phase::Apply, In::Cluster, "", "events", &["watch"], "waits for the controller"),
    (Phase::Apply, In::Services, "", "services", &["create", "patch", "delete"], "writes Services"),
    (
        Phase::Apply,
        In::Lock,
        "coordination.k8s.io",
        "leases",
        &["get", "create", "update", "delete"],
        "holds the stack's lock",
    ),
];

/// What has to be asked for a stack.
pub fn needs(subject: &Subject<'_>) -> Needs {
    let input = subject.input;
    let mut needs = Needs { principal: principal(subject), ..Needs::default() };
    for right in OWN.iter().filter(|right| right.phase <= subject.phase) {
        for scope in scopes(subject, right.on) {
            needs.own.entry(scope).or_default().insert(right.action, right.why);
        }
    }
    let has_cluster = input.live.has_cluster();
    for (phase, place, group, resource, verbs, why) in VERBS {
        if *phase > subject.phase || !has_cluster {
            continue;
        }
        for namespace in namespaces(subject, *place) {
            for verb in *verbs {
                let verb = Verb { namespace: namespace.clone(), group, resource, verb };
                needs.verbs.insert(verb, why);
            }
        }
    }
    if subject.phase == Phase::Apply && has_cluster {
        of_controller(subject, &mut needs.cluster);
    }
    needs.registered.insert(input.facts.subscription.to_lowercase());
    for Named { id, wanted, .. } in input.endpoints() {
        let own = id.subscription().unwrap_or_default().to_lowercase();
        needs.registered.insert(own.clone());
        needs.tenants.insert(own);
        needs.tenants.insert(match &wanted.target {
            Target::Id(id) => id.subscription().unwrap_or_default().to_lowercase(),
            Target::Service(_) | Target::Alias(_) => input.facts.subscription.to_lowercase(),
        });
    }
    needs.registered.remove("");
    needs.tenants.remove("");
    needs
}

/// The object id of the identity that the controller of an AKS cluster works as.
fn principal(subject: &Subject<'_>) -> Option<String> {
    let Input { live, facts, .. } = subject.input;
    let cluster = live.clusters_of(&facts.resource_group).next()?;
    let identity = cluster.get("identity")?;
    let assigned = identity.get("userAssignedIdentities").and_then(Value::as_object);
    let user = assigned.and_then(|all| all.values().next()?.get("principalId"));
    user.or_else(|| identity.get("principalId"))?.as_str().map(ToOwned::to_owned)
}

fn group(subscription: &str, name: &str) -> String {
    format!("/subscriptions/{subscription}/resourcegroups/{name}").to_lowercase()
}

/// The group that a resource is in.
fn group_of(id: &ResourceId) -> Option<String> {
    Some(group(id.subscription()?, id.resource_group()?))
}

/// Where an action is needed, in lower case.
fn scopes(subject: &Subject<'_>, on: On) -> BTreeSet<String> {
    let input = subject.input;
    let facts = input.facts;
    let endpoints = || input.endpoints();
    let subscription =
        |id: &ResourceId| Some(format!("/subscriptions/{}", id.subscription()?).to_lowercase());
    let mut scopes: BTreeSet<String> = match on {
        On::ClusterGroup => {
            let lists = input.live.lists().map(|(list, _)| list);
            let ending = ArmType::ManagedCluster.list_in("").to_lowercase();
            lists.filter_map(|list| list.strip_suffix(&ending)).map(ToOwned::to_owned).collect()
        }
        On::NodeGroup => BTreeSet::from([group(&facts.subscription, &facts.resource_group)]),
        On::NetworkGroup => {
            let networks = endpoints().map(|it| it.subnet());
            let networks = networks.filter_map(|subnet| group_of(&subnet));
            networks.chain(group_of(&facts.virtual_network_id())).collect()
        }
        On::EndpointSubscription => {
            let own = format!("/subscriptions/{}", facts.subscription).to_lowercase();
            endpoints().filter_map(|it| subscription(&it.id)).chain([own]).collect()
        }
        On::EndpointGroup => endpoints().filter_map(|it| group_of(&it.id)).collect(),
        On::ZoneGroupEndpoint => endpoints()
            .filter(|it| matches!(it.wanted.dns, Some(Dns::ZoneGroup { .. })))
            .filter_map(|it| group_of(&it.id))
            .collect(),
        On::EndpointSubnet => endpoints().map(|it| it.subnet().key()).collect(),
        On::AutomaticLink => endpoints()
            .filter(|it| it.wanted.approval == Approval::Automatic)
            .filter_map(|it| link_scope(subject, &it.wanted.target))
            .collect(),
        On::DecidedLink => {
            let services = input.wanted.approvals().map(|it| &it.service);
            services.map(|it| link_group(subject, &it.value)).collect()
        }
        On::RecordZone => endpoints()
            .filter_map(|Named { id, wanted, .. }| match &wanted.dns {
                Some(Dns::Record { zone, .. }) => Some(dns_record::zone_id(zone, &id).key()),
                _ => None,
            })
            .collect(),
        On::GroupZone => endpoints()
            .flat_map(|Named { id, wanted, .. }| {
                let zones = match &wanted.dns {
                    Some(Dns::ZoneGroup { zones, .. }) => zones.as_slice(),
                    _ => &[],
                };
                zones.iter().map(move |zone| dns_record::zone_id(zone, &id).key())
            })
            .collect(),
    };
    scopes.retain(|scope| !scope.ends_with('/') && !scope.contains("//"));
    scopes
}

/// Where the Private Link Service of a target is; nobody can tell of an alias.
fn link_scope(
    subject: &Subject<'_>,
    target: &Target<crate::kubernetes::service::Key>,
) -> Option<String> {
    match target {
        Target::Id(id) => Some(id.key()),
        Target::Service(service) => Some(link_group(subject, &service.value)),
        Target::Alias(_) => None,
    }
}

/// The group of a Service's Private Link Service: it may not have a name yet.
fn link_group(subject: &Subject<'_>, key: &crate::kubernetes::service::Key) -> String {
    let facts = subject.input.facts;
    let said = subject.input.wanted.service(key);
    let said = said.and_then(|service| service.annotation(PLS_RESOURCE_GROUP));
    let said = said.map(|said| said.trim()).filter(|said| !said.is_empty());
    group(&facts.subscription, said.unwrap_or(&facts.private_link_service_group()))
}

fn namespaces(subject: &Subject<'_>, place: In) -> BTreeSet<Option<String>> {
    match place {
        In::Cluster => BTreeSet::from([None]),
        In::Lock => BTreeSet::from([Some(subject.lock_namespace.to_owned())]),
        In::Services => {
            let wanted = subject.input.wanted;
            if wanted.services_by() == Some(Services::External) {
                return BTreeSet::new();
            }
            // Those of Gateways are their controllers' to write.
            let own = wanted.services().filter(|it| it.made_by.is_none());
            own.map(|it| Some(it.name.namespace.clone())).collect()
        }
    }
}

/// What the controller needs for what it is predicted to write.
fn of_controller(subject: &Subject<'_>, needed: &mut Actions) {
    let facts = subject.input.facts;
    let after = &subject.prediction.after;
    let mut need = |scope: String, action: &'static str, why: &'static str| {
        needed.entry(scope).or_default().insert(action, why);
    };
    if !subject.input.wanted.has_services() {
        return;
    }
    let balancers = group(facts.network_subscription(), &facts.load_balancer_group());
    need(balancers.clone(), "Microsoft.Network/loadBalancers/read", "reads load balancers");
    need(balancers.clone(), "Microsoft.Network/loadBalancers/write", "writes load balancers");
    let frontends = after.load_balancers.values();
    let frontends = frontends
        .flat_map(|balancer| balancer.properties.frontend_ip_configurations.iter().flatten())
        .filter_map(|frontend| frontend.properties.subnet.as_ref());
    let join = "Microsoft.Network/virtualNetworks/subnets/join/action";
    for subnet in frontends {
        let subnet = subnet.id().to_lowercase();
        need(subnet.clone(), "Microsoft.Network/virtualNetworks/subnets/read", "finds the subnet");
        need(subnet, join, "puts frontends into it");
    }
    for link in after.private_link_services.values() {
        let Some(scope) = group_of(&ResourceId::new(link.id())) else { continue };
        for (action, why) in OF_LINKS {
            need(scope.clone(), action, why);
        }
        let action = "Microsoft.Network/loadBalancers/frontendIPConfigurations/join/action";
        need(balancers.clone(), action, "puts Private Link Services on frontends");
        for nat in link.properties.ip_configurations.iter().flatten() {
            let Some(subnet) = &nat.properties.subnet else { continue };
            let key = subnet.id().to_lowercase();
            need(key.clone(), join, "puts NAT addresses into it");
            let before = subject.prediction.before.subnets.get(&key);
            if let Some(subnet) = before.filter(|subnet| !is_policy_disabled(subnet)) {
                let action = "Microsoft.Network/virtualNetworks/subnets/write";
                need(key, action, "disables its privateLinkServiceNetworkPolicies");
                for (scope, action) in linked(&subnet.properties.other) {
                    need(scope, action, "writes a subnet that refers to it");
                }
            }
        }
    }
    for subnet in subnets_of_pools(subject) {
        need(subnet, join, "puts nodes of a pool in it behind load balancers");
    }
}

/// What a subnet may refer to, with the action that ARM checks on it when the subnet is written
/// (`LinkedAuthorizationFailed`; permissions of Microsoft.Network).
const OF_SUBNETS: [(&str, &str); 5] = [
    ("natGateway", "Microsoft.Network/natGateways/join/action"),
    ("routeTable", "Microsoft.Network/routeTables/join/action"),
    ("networkSecurityGroup", "Microsoft.Network/networkSecurityGroups/join/action"),
    ("serviceEndpointPolicies", "Microsoft.Network/serviceEndpointPolicies/join/action"),
    ("ipAllocations", "Microsoft.Network/ipAllocations/join/action"),
];

/// What a live subnet refers to, and the action needed there to write the subnet.
fn linked(properties: &serde_json::Map<String, Value>) -> Vec<(String, &'static str)> {
    let id = |value: &Value| value.get("id")?.as_str().map(str::to_lowercase);
    OF_SUBNETS
        .iter()
        .flat_map(|(field, action)| {
            let ids: Vec<String> = match properties.get(*field) {
                Some(Value::Array(items)) => items.iter().filter_map(id).collect(),
                Some(one) => id(one).into_iter().collect(),
                None => Vec::new(),
            };
            ids.into_iter().map(|id| (id, *action))
        })
        .collect()
}

/// The subnets of the cluster's node pools, where they are not AKS's own network. The controller writes
/// scale sets to put nodes behind a load balancer, and each refers to its subnet.
fn subnets_of_pools(subject: &Subject<'_>) -> BTreeSet<String> {
    let Input { live, facts, .. } = subject.input;
    let own = live.clusters_of(&facts.resource_group);
    own.flat_map(|cluster| {
        let pools = cluster.pointer("/properties/agentPoolProfiles").and_then(Value::as_array);
        let subnets = pools.into_iter().flatten().filter_map(|pool| pool.get("vnetSubnetID"));
        subnets.filter_map(|it| it.as_str().map(str::to_lowercase)).collect::<Vec<_>>()
    })
    .collect()
}

/// What the controller needs where Private Link Services are.
const OF_LINKS: [(&str, &str); 4] = [
    ("Microsoft.Network/privateLinkServices/read", "reads Private Link Services"),
    ("Microsoft.Network/privateLinkServices/write", "writes Private Link Services"),
    ("Microsoft.Network/privateLinkServices/delete", "removes Private Link Services"),
    (
        "Microsoft.Network/privateLinkServices/privateEndpointConnections/delete",
        "removes connections before their Private Link Service",
    ),
];

/// Whether Private Link Services may be in a subnet already.
pub(super) fn is_policy_disabled(subnet: &Subnet) -> bool {
    let policy = subnet.properties.private_link_service_network_policies.as_deref();
    policy.is_some_and(|policy| policy.eq_ignore_ascii_case("Disabled"))
}
