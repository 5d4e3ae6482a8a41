//! What the controller owns and would not mend by itself is mended by making it sync, within the budget.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers outside of test functions; what fails here fails the test"
)]

#[path = "support/shop.rs"]
mod shop;
mod support;

use shop::{Place, change, endpoint, service};
use support::edit_json;

const SERVICE: &str = "Service/default/app";

/// A place where `app` with this address and an endpoint to it were applied.
fn applied() -> Place {
    let place = Place::new();
    let own = "    service.beta.kubernetes.io/azure-load-balancer-ipv4: 10.240.0.25\n";
    place.write(&format!("{}{}", service("app").lines(own).yaml(), endpoint().yaml()));
    place.apply("").expect(0);
    place
}

#[track_caller]
fn is_nudged(place: &Place) {
    let plan = place.planned();
    let field = &change(&plan, SERVICE).unwrap()["fields"][0]["path"];
    assert!(field.as_str().unwrap().contains("privlink.dev/sync"), "{plan:#}");
    let nudges = plan["steps"].as_array().unwrap().iter().filter(|it| !it["op"]["nudge"].is_null());
    assert_eq!(nudges.count(), 1, "{plan:#}");
}

#[test]
fn a_rule_that_somebody_changed_is_mended() {
    let place = applied();
    place.edit("/loadbalancers/kubernetes-internal", |balancer| {
        balancer["properties"]["loadBalancingRules"][0]["properties"]["idleTimeoutInMinutes"] =
            9.into();
    });
    is_nudged(&place);
    place.apply("").expect(0);
    assert_eq!(place.plan("").expect(0).last_line(), "No changes.");
}

#[test]
fn a_link_that_somebody_deleted_comes_back() {
    let place = applied();
    place.remove("/privatelinkservices/app-pls");
    place.edit("/privateendpoints/app-pe", |endpoint| {
        let connection = &mut endpoint["properties"]["privateLinkServiceConnections"][0];
        shop::set_status(connection, "Disconnected");
    });
    is_nudged(&place);
    place.apply("").expect(0);
    assert!(place.has("/privatelinkservices/app-pls"));
    assert_eq!(place.plan("").expect(0).last_line(), "No changes.");
}

#[test]
fn a_link_that_was_deleted_just_now_comes_back_when_the_cache_is_old() {
    let place = applied();
    // Another sync reads the link into the controller's cache.
    let own = "    service.beta.kubernetes.io/azure-load-balancer-ipv4: 10.240.0.25\n";
    let other_port = service("app").lines(own).yaml().replace("port: 80", "port: 81");
    place.write(&format!("{other_port}{}", endpoint().yaml()));
    place.apply("").expect(0);
    place.remove("/privatelinkservices/app-pls");
    is_nudged(&place);
    // The endpoint still shows a connection, to what is no longer there.
    let plan = place.planned();
    assert_eq!(change(&plan, "PrivateEndpoint/app-pe").unwrap()["action"], "replace");
    place.apply("--max-disconnects 1").expect(0);
    assert!(place.has("/privatelinkservices/app-pls"));
    assert_eq!(place.plan("").expect(0).last_line(), "No changes.");
}

#[test]
fn a_sync_that_would_cut_consumers_off_is_not_brought_about() {
    let place = applied();
    place.edit("/loadbalancers/kubernetes-internal", |balancer| {
        let frontend = &mut balancer["properties"]["frontendIPConfigurations"][0]["properties"];
        frontend["privateIPAddress"] = "10.240.0.99".into();
    });
    is_nudged(&place);
    let refused = place.plan("").expect(3).stdout;
    assert!(refused.contains(" --max-disconnects 1\n"), "{refused}");
    place.apply("").expect(3);
    // The rest can go on without it.
    place.plan("--exclude Service/default/app").expect(0);
    place.apply("--max-disconnects 1").expect(0);
    assert_eq!(place.plan("").expect(0).last_line(), "No changes.");
}

#[test]
fn a_frontend_that_was_left_on_the_internal_load_balancer_goes() {
    let place = Place::new();
    let internal =
        service("app").yaml().replace("azure-pls-create: \"true\"", "azure-pls-create: \"false\"");
    place.write(&internal);
    place.apply("").expect(0);
    let left = place.find("/loadbalancers/kubernetes-internal").unwrap();
    place.write(&internal.replace(
        "azure-load-balancer-internal: \"true\"",
        "azure-load-balancer-internal: \"false\"",
    ));
    place.apply("--accept becomes-public").expect(0);
    assert!(!place.has("/loadbalancers/kubernetes-internal"));
    // As if the controller had been stopped between its two writes.
    edit_json(&place.world(), |world| world["azure"].as_array_mut().unwrap().push(left));
    is_nudged(&place);
    place.apply("").expect(0);
    assert!(!place.has("/loadbalancers/kubernetes-internal"));
    assert_eq!(place.plan("").expect(0).last_line(), "No changes.");
}
