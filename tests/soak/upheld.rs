//! What must hold of the world after every round.

use privlink_core::plan::Finding;
use privlink_core::rule;
use privlink_sandbox::{Entry, World};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

use crate::generated::{ENDPOINTS, SERVICES, Version, is_own};

/// Who is connected: the endpoint's id, and the guid of the Private Link Service with the status.
pub(crate) fn connected(world: &World) -> BTreeMap<String, (String, String)> {
    let document = world.to_json();
    let mut connected = BTreeMap::new();
    for resource in document["azure"].as_array().unwrap() {
        let id = resource["id"].as_str().unwrap().to_lowercase();
        if !id.contains("/privateendpoints/") || resource["properties"]["subnet"].is_null() {
            continue;
        }
        let lists = ["privateLinkServiceConnections", "manualPrivateLinkServiceConnections"];
        for connection in
            lists.iter().flat_map(|list| resource["properties"][*list].as_array()).flatten()
        {
            let properties = &connection["properties"];
            let status = &properties["privateLinkServiceConnectionState"]["status"];
            let link = properties["privateLinkServiceId"].as_str().unwrap().to_lowercase();
            connected.insert(id.clone(), (link, status.as_str().unwrap_or_default().to_owned()));
        }
    }
    connected
}

fn named(resources: &[Value], collection: &str) -> BTreeSet<String> {
    let ids = resources.iter().map(|it| it["id"].as_str().unwrap().to_lowercase());
    let of = |id: String| {
        let (parent, name) = id.rsplit_once('/')?;
        parent.ends_with(collection).then(|| name.to_owned())
    };
    ids.filter_map(of).collect()
}

/// Nothing of the stack is lost, and nothing of it is left over.
pub(crate) fn whole(world: &World, version: &Version, findings: &[Finding]) {
    let document = world.to_json();
    let azure = document["azure"].as_array().unwrap();
    let own = |names: BTreeSet<String>| -> BTreeSet<String> {
        names
            .into_iter()
            .filter(|it| !it.starts_with("neighbour") && !it.starts_with("stranger"))
            .collect()
    };
    let links: BTreeSet<String> = version
        .services
        .iter()
        .filter(|(_, it)| it.link)
        .map(|(at, _)| format!("{}-pls", SERVICES[*at]))
        .collect();
    // The controller does not delete the Private Link Service of a Service that no longer asks for one
    // while its frontend lives; the plan says so.
    let staying: BTreeSet<String> = findings
        .iter()
        .filter(|it| it.code == rule::LINK_STAYS)
        .map(|it| format!("{}-pls", it.address.name.rsplit('/').next().unwrap()))
        .collect();
    let found = own(named(azure, "/privatelinkservices"));
    assert!(links.is_disjoint(&staying), "{links:?} {staying:?}");
    assert_eq!(found, &links | &staying, "Private Link Services");
    let endpoints: BTreeSet<String> =
        version.endpoints.keys().map(|at| ENDPOINTS[*at].to_owned()).collect();
    assert_eq!(own(named(azure, "/privateendpoints")), endpoints, "endpoints");
    let records: BTreeSet<String> = version
        .endpoints
        .iter()
        .filter(|(_, it)| it.record)
        .map(|(at, _)| ENDPOINTS[*at].to_owned())
        .collect();
    let found = named(azure, "privatednszones/privatelink.contoso.com/a");
    assert_eq!(own(found), records, "records");
    let connected = connected(world);
    for (at, reaching) in &version.endpoints {
        let end = format!("/privateendpoints/{}", ENDPOINTS[*at]);
        let (_, (link, status)) = connected.iter().find(|(id, _)| id.ends_with(&end)).unwrap();
        assert!(link.ends_with(&format!("/{}-pls", SERVICES[reaching.service])), "{end} {link}");
        let waits = reaching.manual && !(version.approve && reaching.far) && status == "Pending";
        assert!(waits || status == "Approved", "{end} is {status}: {version:#?}");
    }
    frontends_have_services(&document, azure);
}

/// Each frontend of the internal load balancer, and each rule, is one of a Service that is there.
fn frontends_have_services(document: &Value, azure: &[Value]) {
    let objects = document["kubernetes"]["objects"].as_array().unwrap();
    let uids: BTreeSet<String> = objects
        .iter()
        .filter(|it| it["kind"] == "Service" && it["spec"]["type"] == "LoadBalancer")
        .map(|it| format!("a{}", it["metadata"]["uid"].as_str().unwrap().replace('-', "")))
        .map(|name| name.chars().take(32).collect())
        .collect();
    let mut seen = BTreeSet::new();
    for balancer in azure.iter().filter(|it| {
        it["id"].as_str().unwrap().to_lowercase().ends_with("/loadbalancers/kubernetes-internal")
    }) {
        for list in ["frontendIPConfigurations", "loadBalancingRules", "probes"] {
            for part in balancer["properties"][list].as_array().into_iter().flatten() {
                let name: String = part["name"].as_str().unwrap().chars().take(32).collect();
                assert!(uids.contains(&name), "{list}: {name} is of no Service");
                seen.insert(name);
            }
        }
    }
    assert_eq!(seen, uids, "Services without a frontend");
}

/// Nobody is cut off whom no plan had listed: who was connected is so still, to the same, or was named.
pub(crate) fn nobody_else_is_cut_off(
    before: &BTreeMap<String, (String, String)>,
    after: &BTreeMap<String, (String, String)>,
    listed: &BTreeSet<String>,
) {
    for (endpoint, (link, status)) in before.iter().filter(|(_, (_, status))| status == "Approved")
    {
        let name = endpoint.rsplit('/').next().unwrap();
        let there = after.get(endpoint).is_some_and(|now| now == &(link.clone(), status.clone()));
        assert!(
            there || listed.contains(endpoint) || listed.contains(name),
            "{endpoint} was connected to {link} and is {:?}; listed: {listed:?}",
            after.get(endpoint)
        );
    }
}

pub(crate) fn nothing_foreign_is_written(requests: &[Entry]) {
    let written = requests.iter().filter(|it| it.method != "GET");
    let foreign: Vec<&Entry> = written.filter(|it| !is_own(&it.path)).collect();
    assert!(foreign.is_empty(), "{foreign:#?}");
}
