//! What holds already is not asked for again; connections are repaired, or kept with the reason; names that
//! nobody wants any more go.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers outside of test functions; what fails here fails the test"
)]

#[path = "support/shop.rs"]
mod shop;
mod support;

use shop::{ENDPOINT, Place, change, endpoint, finding, service, set_status};
use support::STACK;

const NO_SUBNET: &str =
    "    service.beta.kubernetes.io/azure-pls-ip-configuration-subnet: nowhere\n";

#[test]
fn an_accepted_finding_is_not_asked_for_again() {
    let place = Place::new();
    place.write(&service("app").lines(NO_SUBNET).yaml());
    place.plan("").expect(3);
    place.apply("--accept partly-made").expect(0);
    let plan = place.plan("").expect(0);
    assert_eq!(plan.last_line(), "No changes.", "{}", plan.stdout);
    // The load balancer is made by now, and the rest fails as before.
    assert!(plan.stdout.contains("warning[controller-fails]"), "{}", plan.stdout);
    place.write(&format!("{}{}", service("app").lines(NO_SUBNET).yaml(), service("other").yaml()));
    let plan = place.planned();
    assert_eq!(finding(&plan, "controller-fails").unwrap()["severity"], "warning");
    assert_eq!(plan["refusals"], serde_json::json!([]));
    // What another Service brings is still asked for.
    place.write(&format!(
        "{}{}",
        service("app").lines(NO_SUBNET).yaml(),
        service("other").lines(NO_SUBNET).yaml()
    ));
    let refused = place.plan("").expect(3).stdout;
    assert!(
        refused.contains("error[partly-made]") && refused.contains("Service/default/other"),
        "{refused}"
    );
    assert_eq!(refused.matches("error[").count(), 1, "{refused}");
    // Neither does a change of the Service itself that leaves the failure as it is.
    let other_port = service("app").lines(NO_SUBNET).yaml().replace("port: 80", "port: 81");
    place.write(&other_port);
    assert_eq!(place.planned()["refusals"], serde_json::json!([]));
}

#[test]
fn an_own_endpoint_that_would_be_rejected_again_is_kept() {
    let place = Place::new();
    let reject = "---\napiVersion: privlink.dev/v1alpha1\nkind: EndpointApproval\n\
                  metadata: {name: nobody}\nspec:\n  service: {namespace: default, name: app}\n  \
                  reject: [{subscription: 00000000-0000-0000-0000-000000000000}]\n";
    place.write(&format!(
        "{}{}{reject}",
        service("app").yaml(),
        endpoint().lines("  approval: Manual\n").yaml()
    ));
    place.apply("").expect(0);
    let plan = place.planned();
    let kept = change(&plan, ENDPOINT).unwrap();
    assert_eq!(kept["action"], "keep");
    assert!(kept["reason"].as_str().unwrap().contains("EndpointApproval nobody"), "{kept}");
    assert_eq!(place.plan("").expect(0).last_line(), "No changes.");
    // Without the approval's word it asks again.
    place.write(&format!(
        "{}{}",
        service("app").yaml(),
        endpoint().lines("  approval: Manual\n").yaml()
    ));
    let plan = place.planned();
    assert_eq!(change(&plan, ENDPOINT).unwrap()["action"], "replace");
}

#[test]
fn an_endpoint_that_is_disconnected_is_made_anew() {
    let place = Place::new();
    place.write(&format!("{}{}", service("app").yaml(), endpoint().yaml()));
    place.apply("").expect(0);
    place.edit("/privateendpoints/app-pe", |endpoint| {
        set_status(&mut endpoint["properties"]["privateLinkServiceConnections"][0], "Disconnected");
    });
    let plan = place.planned();
    let replaced = change(&plan, ENDPOINT).unwrap();
    assert_eq!(replaced["action"], "replace");
    assert!(replaced["reason"].as_str().unwrap().contains("Disconnected"), "{replaced}");
    place.apply("").expect(0);
    assert_eq!(place.plan("").expect(0).last_line(), "No changes.");
}

#[test]
fn an_endpoint_whose_link_is_another_is_made_anew() {
    let place = Place::new();
    place.write(&format!("{}{}", service("app").yaml(), endpoint().yaml()));
    place.apply("").expect(0);
    place.edit("/privatelinkservices/app-pls", |link| {
        link["properties"]["privateEndpointConnections"] = serde_json::json!([]);
    });
    let plan = place.planned();
    let replaced = change(&plan, ENDPOINT).unwrap();
    assert_eq!(replaced["action"], "replace");
    let reason = replaced["reason"].as_str().unwrap();
    assert!(reason.contains("no longer the one it connected to"), "{reason}");
    assert!(finding(&plan, "connection-disagrees").is_some(), "{plan:#}");
}

#[test]
fn two_ends_that_disagree_are_found() {
    let place = Place::new();
    place.write(&format!("{}{}", service("app").yaml(), endpoint().yaml()));
    place.apply("").expect(0);
    place.edit("/privatelinkservices/app-pls", |link| {
        set_status(&mut link["properties"]["privateEndpointConnections"][0], "Pending");
    });
    let plan = place.planned();
    let found = finding(&plan, "connection-disagrees").unwrap();
    let message = found["message"].as_str().unwrap();
    assert!(message.contains("as Approved") && message.contains("as Pending"), "{message}");
    assert_eq!(found["severity"], "warning");
}

const RECORD: &str = "  dns: {record: {zone: privatelink.contoso.com, name: app}}\n";
const GROUP: &str = "  dns: {zoneGroup: {zones: [privatelink.contoso.com]}}\n";

#[test]
fn a_record_that_nobody_wants_any_more_goes() {
    let place = Place::new();
    place.write(&format!("{}{}", service("app").yaml(), endpoint().lines(RECORD).yaml()));
    place.apply("").expect(0);
    assert!(place.has("/privatednszones/privatelink.contoso.com/a/app"));
    place.write(&format!("{}{}", service("app").yaml(), endpoint().yaml()));
    let plan = place.planned();
    let gone = change(&plan, "DnsRecord/privatelink.contoso.com/app").unwrap();
    assert_eq!(gone["action"], "delete");
    place.apply("").expect(0);
    assert!(!place.has("/privatednszones/privatelink.contoso.com/a/app"));
    assert_eq!(place.plan("").expect(0).last_line(), "No changes.");
}

#[test]
fn a_record_that_is_left_out_is_still_found_later() {
    let place = Place::new();
    place.write(&format!("{}{}", service("app").yaml(), endpoint().lines(RECORD).yaml()));
    place.apply("").expect(0);
    place.write(&format!("{}{}", service("app").yaml(), endpoint().yaml()));
    // The endpoint's tag, by which the record is found, stays as long as the record does.
    let left_out = "--exclude DnsRecord/privatelink.contoso.com/app";
    assert!(place.apply(left_out).expect(0).stdout.contains("No changes. Left out: DnsRecord"));
    place.apply("").expect(0);
    assert!(!place.has("/privatednszones/privatelink.contoso.com/a/app"));
}

#[test]
fn a_record_goes_with_its_endpoint() {
    let place = Place::new();
    place.write(&format!("{}{}", service("app").yaml(), endpoint().lines(RECORD).yaml()));
    place.apply("").expect(0);
    place.write(&service("app").yaml());
    place.apply("--max-disconnects 1").expect(0);
    assert!(!place.has("/privatednszones/privatelink.contoso.com/a/app"));
    assert!(!place.has("/privateendpoints/app-pe"));
    assert_eq!(place.plan("").expect(0).last_line(), "No changes.");
}

#[test]
fn a_zone_group_that_nobody_wants_any_more_goes() {
    let place = Place::new();
    place.write(&format!("{}{}", service("app").yaml(), endpoint().lines(GROUP).yaml()));
    place.apply("").expect(0);
    assert!(place.has("/privateendpoints/app-pe/privatednszonegroups/default"));
    place.write(&format!("{}{}", service("app").yaml(), endpoint().yaml()));
    let plan = place.planned();
    assert_eq!(change(&plan, "DnsRecord/app-pe/default").unwrap()["action"], "delete");
    place.apply("").expect(0);
    assert!(!place.has("/privateendpoints/app-pe/privatednszonegroups/default"));
    assert_eq!(place.plan("").expect(0).last_line(), "No changes.");
}

#[test]
fn a_zone_group_of_another_name_takes_the_place_of_the_first() {
    let place = Place::new();
    place.write(&format!("{}{}", service("app").yaml(), endpoint().lines(GROUP).yaml()));
    place.apply("").expect(0);
    let named = GROUP.replace("zones:", "name: second, zones:");
    place.write(&format!("{}{}", service("app").yaml(), endpoint().lines(&named).yaml()));
    place.apply("").expect(0);
    assert!(!place.has("/privatednszonegroups/default"));
    assert!(place.has("/privatednszonegroups/second"));
    assert_eq!(place.plan("").expect(0).last_line(), "No changes.");
}

#[test]
fn a_zone_group_in_a_zone_that_is_not_there_is_found_before_the_apply() {
    let place = Place::new();
    let group = GROUP.replace("privatelink.contoso.com", "nowhere.example");
    place.write(&format!("{}{}", service("app").yaml(), endpoint().lines(&group).yaml()));
    let plan = place.planned();
    let found = finding(&plan, "zone-missing").unwrap();
    assert!(found["message"].as_str().unwrap().contains("nowhere.example"), "{found}");
    place.plan("").expect(3);
}

/// A stack of another subscription whose endpoint asks for `app-pls`.
fn partner(place: &Place) {
    let partner = format!(
        "{}---\napiVersion: privlink.dev/v1alpha1\nkind: PrivateEndpoint\nmetadata: {{name: partner-pe}}\n\
         spec:\n  subscription: 11111111-1111-1111-1111-111111111111\n  \
         resourceGroup: consumerResourceGroup\n  \
         subnet: {{virtualNetwork: consumer-vnet, name: pe-subnet}}\n  approval: Manual\n  \
         requestMessage: please\n  target: {{id: /subscriptions/00000000-0000-0000-0000-000000000000/\
         resourceGroups/MC_myResourceGroup_myAKSCluster_eastus/providers/Microsoft.Network/\
         privateLinkServices/app-pls}}\n",
        STACK.replace("shop", "partner")
    );
    std::fs::write(place.path().join("partner.yaml"), partner).unwrap();
    place.run("apply -f partner.yaml --sandbox=world.json --auto-approve").expect(6);
}

const OPEN: &str = "    service.beta.kubernetes.io/azure-pls-visibility: \"*\"\n";

#[test]
fn a_stranger_is_told_of_without_any_approval() {
    let place = Place::new();
    place.write(&service("app").lines(OPEN).yaml());
    place.apply("").expect(0);
    partner(&place);
    let plan = place.planned();
    let message = finding(&plan, "stranger-pending").unwrap()["message"].as_str().unwrap();
    for part in ["partner-pe", "11111111-1111-1111-1111-111111111111", "please"] {
        assert!(message.contains(part), "{part} is missing in {message}");
    }
}

#[test]
fn a_consumer_that_is_cut_off_is_listed_with_what_it_wrote() {
    let place = Place::new();
    let approve = "---\napiVersion: privlink.dev/v1alpha1\nkind: EndpointApproval\n\
                   metadata: {name: partners}\nspec:\n  service: {namespace: default, name: app}\n  \
                   approve: [{subscription: 11111111-1111-1111-1111-111111111111}]\n";
    place.write(&format!("{}{approve}", service("app").lines(OPEN).yaml()));
    place.apply("").expect(0);
    partner(&place);
    place.apply("").expect(0);
    let moved = "    service.beta.kubernetes.io/azure-load-balancer-ipv4: 10.240.0.77\n";
    place.write(&format!("{}{approve}", service("app").lines(&format!("{OPEN}{moved}")).yaml()));
    let plan = place.planned();
    let link = change(&plan, "PrivateLinkService/default/app").unwrap();
    assert_eq!(link["action"], "replace");
    let cut = &link["effect"]["consumersDisconnected"][0];
    assert!(cut["endpoint"].as_str().unwrap().ends_with("/partner-pe"), "{cut}");
    assert_eq!(cut["subscription"], "11111111-1111-1111-1111-111111111111");
    assert_eq!(cut["requestMessage"], "please");
    assert_eq!(cut["own"], false);
    place.plan("").expect(3);
}

#[test]
fn two_endpoints_of_one_name_in_two_groups_go_both() {
    let place = Place::new();
    let subnet = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/\
                  myOtherResourceGroup/providers/Microsoft.Network/virtualNetworks/myOtherVNET/\
                  subnets/pe-subnet";
    let other = format!(
        "---\napiVersion: privlink.dev/v1alpha1\nkind: PrivateEndpoint\nmetadata: {{name: other}}\nspec:\n  \
         name: app-pe\n  resourceGroup: myResourceGroup\n  subnet: {{id: {subnet}}}\n  \
         target: {{service: {{namespace: default, name: app}}}}\n"
    );
    place.write(&format!("{}{}{other}", service("app").yaml(), endpoint().yaml()));
    place.apply("").expect(0);
    let ids = ["myotherresourcegroup", "myresourcegroup"].map(|group| {
        format!("/resourcegroups/{group}/providers/microsoft.network/privateendpoints/app-pe")
    });
    assert!(ids.iter().all(|id| place.has(id)));
    // One alone is called by its name.
    place.write(&format!("{}{other}", service("app").yaml()));
    let plan = place.planned();
    let group = "00000000-0000-0000-0000-000000000000/myOtherResourceGroup";
    let leaving = format!("PrivateEndpoint/{group}/app-pe");
    assert_eq!(change(&plan, ENDPOINT).unwrap()["action"], "delete", "{plan:#}");
    assert!(change(&plan, &leaving).is_none(), "{plan:#}");
    place.write(&service("app").yaml());
    let plan = place.planned();
    assert_eq!(change(&plan, &leaving).unwrap()["action"], "delete", "{plan:#}");
    assert!(change(&plan, ENDPOINT).is_none(), "{plan:#}");
    // One of them alone can be meant.
    let one = place.plan(&format!("--target {leaving} -o json")).expect(0).stdout;
    let one: serde_json::Value = serde_json::from_str(&one).unwrap();
    assert_eq!(one["summary"]["privlink"]["delete"], 1, "{one:#}");
    place.apply("--max-deletes 2").expect(0);
    assert!(!ids.iter().any(|id| place.has(id)));
    assert_eq!(place.plan("").expect(0).last_line(), "No changes.");
}

#[test]
fn a_load_balancer_that_one_service_leaves_to_another_is_said_to_hang_on_the_order() {
    let place = Place::new();
    place.write(&service("app").yaml());
    place.apply("").expect(0);
    place.write(&service("web").yaml());
    let plan = place.planned();
    let balancer = change(&plan, "LoadBalancer/kubernetes-internal").unwrap();
    assert_eq!(
        (&balancer["action"], &balancer["evidence"]),
        (&"replace".into(), &"guessed".into())
    );
    assert!(balancer["reason"].as_str().unwrap().contains("stays otherwise"), "{balancer:#}");
    place.apply("").expect(0);
    assert_eq!(place.plan("").expect(0).last_line(), "No changes.");
    // One Service that is made anew takes it along for certain.
    let plan = place.plan("-o json --replace Service/default/web").expect(0).stdout;
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    let balancer = change(&plan, "LoadBalancer/kubernetes-internal").unwrap();
    assert!(!balancer["reason"].as_str().unwrap().contains("stays otherwise"), "{balancer:#}");
}
