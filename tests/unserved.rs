//! Consumers whose connections stay, and whom nothing serves any more.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what fails here fails the test"
)]

#[path = "support/served.rs"]
mod served;
#[path = "support/stage.rs"]
mod stage;
mod support;

use privlink_core::plan::{Finding, Plan};
use privlink_core::rule::Severity;
use stage::Stage;
use support::scene::{Endpoint, Service, stack};

const ADDRESS: &str = "10.240.0.25";

/// The Service that has the Private Link Service.
fn web(port: u16) -> String {
    let port = format!("ports: [{{port: {port}}}]");
    Service::linked("web").annotation("azure-pls-name", "web-pls").at(ADDRESS).line(&port).yaml()
}

/// Another on its frontend.
fn side(ports: &str) -> String {
    Service::internal("side").at(ADDRESS).line(&format!("ports: [{ports}]")).yaml()
}

/// An endpoint that is to reach a Service.
fn endpoint(service: &str) -> String {
    Endpoint::new("by-1", service).yaml()
}

/// What becomes of a stack with both Services and an endpoint on the first.
fn planned(after: &[String]) -> Plan {
    let stage = Stage::new();
    let before = [web(80), side("{port: 8443}"), endpoint("web")];
    stage.apply(&format!("{}{}", stack(""), before.concat()));
    stage.plan(&format!("{}{}", stack(""), after.concat()))
}

fn unserved(plan: &Plan) -> Vec<&Finding> {
    let is_it = |it: &&Finding| it.code.as_str() == "port-unserved";
    plan.findings.iter().filter(is_it).collect()
}

#[test]
fn a_private_link_service_that_outlives_its_service_is_told_with_its_consumers() {
    // The endpoint is named by id, as another stack's would be.
    let id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/mc_myresourcegroup_myakscluster_eastus/\
              providers/Microsoft.Network/privateLinkServices/web-pls";
    let by_id =
        endpoint("web").replace("service: {namespace: default, name: web}", &format!("id: {id}"));
    assert!(by_id.contains(id), "{by_id}");
    let plan = planned(&[side("{port: 8443}"), by_id.clone()]);
    let found = unserved(&plan);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((found[0].code.as_str(), found[0].severity), ("port-unserved", Severity::Warning));
    for words in
        ["TCP 80", "web-pls", "1 consumer stays connected", "by-1", "Service default/web goes"]
    {
        assert!(found[0].message.contains(words), "{words}: {}", found[0].message);
    }
    // Another on the frontend serves the port.
    let plan = planned(&[side("{port: 80, name: a}, {port: 8443, name: b}"), by_id]);
    assert_eq!(unserved(&plan), [] as [&Finding; 0]);
}

#[test]
fn a_port_that_consumers_use_and_that_goes_is_told() {
    let plan = planned(&[web(81), side("{port: 8443}"), endpoint("web")]);
    let found = unserved(&plan);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((found[0].code.as_str(), found[0].severity), ("port-unserved", Severity::Warning));
    assert!(found[0].place.is_some() && found[0].message.contains("TCP 80"), "{:#?}", found[0]);
    let plan = planned(&[web(80), side("{port: 8444}"), endpoint("web")]);
    assert_eq!(unserved(&plan), [] as [&Finding; 0], "the endpoint is to reach another Service");
}

#[test]
fn who_moves_to_another_service_in_the_same_plan_loses_nothing() {
    let plan = planned(&[side("{port: 8443}"), endpoint("side")]);
    assert_eq!(unserved(&plan), [] as [&Finding; 0]);
    // Nobody is connected any more once the endpoint is gone.
    let plan = planned(&[side("{port: 8443}")]);
    assert_eq!(unserved(&plan), [] as [&Finding; 0]);
}
