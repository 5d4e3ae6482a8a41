//! A stack of a consumer: private endpoints alone, and no cluster that anybody names or asks.

use serde_json::{Value, json};

use crate::support::Run;
use crate::world::{Applied, NODE_GROUP, SUBSCRIPTION, Somebody, classes, network, told};

const ENDPOINT: &str = "PrivateEndpoint/internal-app-pe";
const CONSUMER: &str = "11111111-1111-1111-1111-111111111111";

fn endpoint() -> String {
    network(CONSUMER, "consumerResourceGroup", "privateEndpoints/internal-app-pe")
}

fn consumer() -> Applied {
    Applied::in_its_world("consumer")
}

/// Runs a command where there is no kubeconfig.
fn run(applied: &Applied, words: &str) -> Run {
    let words = format!("{words} -f examples/consumer --sandbox");
    applied.place.run_with(&words, &[("KUBECONFIG", "nowhere/config"), ("HOME", "nowhere")])
}

/// The connection, as the provider sees it.
async fn connection(somebody: &Somebody) -> Value {
    let link = network(SUBSCRIPTION, NODE_GROUP, "privateLinkServices/my-pls");
    somebody.read(&link).await["properties"]["privateEndpointConnections"][0].clone()
}

#[test]
fn it_is_planned_applied_looked_at_and_destroyed_without_a_cluster() {
    let applied = consumer();
    for (command, last) in [
        ("plan --detailed-exitcode", "No changes."),
        ("drift", "No drift."),
        ("preflight", "Preflight: "),
    ] {
        let it = run(&applied, command).expect(0);
        assert!(it.last_line().starts_with(last), "{command}: {}", it.stdout);
    }
    run(&applied, "plan --destroy --out gone.json").expect(0);
    let words = "apply gone.json --sandbox=.privlink/sandbox/consumer.json";
    let nowhere = [("KUBECONFIG", "nowhere/config"), ("HOME", "nowhere")];
    let ended = applied.place.run_with(words, &nowhere).expect(0);
    assert!(ended.stderr.contains("No lock: consumer has no cluster"), "{}", ended.stderr);
    assert!(run(&applied, "plan").expect(0).stdout.contains("not in Azure yet"));
    let unlocked = run(&applied, "unlock").expect(0);
    assert!(unlocked.stderr.contains("no cluster to keep a lock in"), "{}", unlocked.stderr);
    // From what was observed, the same.
    run(&applied, "observe --out seen.json").expect(0);
    let offline = applied.place.run("plan -f examples/consumer --observed seen.json").expect(0);
    assert!(offline.stdout.contains("not in Azure yet"), "{}", offline.stdout);
}

/// Whose the controller's objects are, a cluster would say: none of them is anybody's here, and none left over.
#[test]
fn what_is_the_providers_is_no_concern_of_it() {
    let applied = consumer();
    assert!(applied.differences(0, "").is_empty());
    for format in ["text", "json"] {
        let report = run(&applied, &format!("drift -o {format}")).expect(0).stdout;
        assert!(!report.contains("my-pls --") && !report.contains("orphan"), "{report}");
    }
    let plan = run(&applied, "plan --destroy").expect(0).stdout;
    assert!(!plan.contains("Private Link Service"), "{plan}");
}

#[test]
fn an_endpoint_that_its_provider_rejects_is_broken_now() {
    let applied = consumer();
    applied.meanwhile(|somebody| async move {
        let mut connection = connection(&somebody).await;
        connection["properties"]["privateLinkServiceConnectionState"] =
            json!({"status": "Rejected", "description": "by the provider"});
        let id = connection["id"].as_str().unwrap().to_owned();
        somebody.write("PUT", &id, Some(&connection)).await;
    });
    let found = applied.differences(2, "");
    assert_eq!(classes(&found), [told("disconnected", "EndpointConnection/internal-app-pe")]);
    assert!(!found[0]["repair"].is_null(), "{found:#?}");
}

#[test]
fn an_endpoint_that_its_provider_disconnects_is_re_created_by_the_next_plan() {
    let applied = consumer();
    applied.meanwhile(|somebody| async move {
        let id = connection(&somebody).await["id"].as_str().unwrap().to_owned();
        somebody.write("DELETE", &id, None).await;
    });
    let text = run(&applied, "drift").expect(2).stdout;
    assert!(text.contains("Broken now: 1") && text.contains("repair: "), "{text}");
    let plan = run(&applied, "plan").expect(0).stdout;
    assert!(plan.contains("-/+ Endpoint internal-app-pe"), "{plan}");
}

#[test]
fn an_endpoint_that_somebody_deleted_or_made_again_is_told() {
    let applied = consumer();
    applied.snapshot("before.json");
    applied.meanwhile(|somebody| async move {
        let mut body = somebody.read(&endpoint()).await;
        somebody.write("DELETE", &endpoint(), None).await;
        for read_only in ["etag", "id", "name", "type"] {
            body.as_object_mut().unwrap().shift_remove(read_only);
        }
        let properties = body["properties"].as_object_mut().unwrap();
        for read_only in ["networkInterfaces", "provisioningState", "resourceGuid"] {
            properties.shift_remove(read_only);
        }
        somebody.write("PUT", &endpoint(), Some(&body)).await;
    });
    let found = classes(&applied.differences(2, "--since before.json"));
    assert!(found.iter().any(|it| it.1 == ENDPOINT), "{found:?}");
    applied.meanwhile(|somebody| async move {
        somebody.write("DELETE", &endpoint(), None).await;
    });
    let found = classes(&applied.differences(2, ""));
    assert!(found.contains(&told("missing", ENDPOINT)), "{found:?}");
}

/// A cluster that somebody names all the same is asked, and holds the lock.
#[test]
fn a_cluster_that_is_named_is_asked() {
    let applied = consumer();
    applied.rewrite(
        "stack.yaml",
        "  subscription: 11111111-1111-1111-1111-111111111111",
        "  subscription: 00000000-0000-0000-0000-000000000000\n  resourceGroup: myResourceGroup\n  cluster: myAKSCluster",
    );
    applied.rewrite(
        "endpoint.yaml",
        "spec:",
        "spec:\n  subscription: 11111111-1111-1111-1111-111111111111",
    );
    let plan = applied.run("plan", "-o json").expect(0).stdout;
    assert!(plan.contains("\"cluster\""), "{plan}");
    let applied = applied.run("apply", "--auto-approve").expect(0);
    assert!(!applied.stderr.contains("No lock"), "{}", applied.stderr);
}

#[test]
fn a_name_that_leads_elsewhere_is_broken_now() {
    let applied = consumer();
    let zone =
        network(CONSUMER, "consumerResourceGroup", "privateDnsZones/privatelink.contoso.com");
    let record = format!("{zone}/A/app");
    applied.meanwhile(|somebody| async move {
        somebody.write("PUT", &zone, Some(&json!({"location": "global"}))).await;
        let vnet = network(CONSUMER, "consumerResourceGroup", "virtualNetworks/consumer-vnet");
        let link = json!({
            "location": "global",
            "properties": {"virtualNetwork": {"id": vnet}, "registrationEnabled": false},
        });
        somebody.write("PUT", &format!("{zone}/virtualNetworkLinks/l"), Some(&link)).await;
    });
    let dns = "spec:\n  dns: {record: {zone: privatelink.contoso.com, name: app}}";
    applied.rewrite("endpoint.yaml", "spec:", dns);
    assert!(run(&applied, "drift").expect(2).stdout.contains("Broken now: 1"));
    run(&applied, "apply --auto-approve --verify").expect(0);
    run(&applied, "drift").expect(0);
    applied.edit(&record, |record| {
        record["properties"]["aRecords"] = json!([{"ipv4Address": "10.9.9.9"}]);
    });
    let text = run(&applied, "drift").expect(2).stdout;
    assert!(text.contains("10.9.9.9") && text.contains("repair: privlink apply"), "{text}");
}

/// In a cloud nothing says which subscription is meant but what is written.
#[test]
fn a_subscription_that_nobody_says_is_asked_for() {
    let applied = consumer();
    let file = applied.place.path().join("examples/consumer/stack.yaml");
    let stack =
        "apiVersion: privlink.dev/v1alpha1\nkind: Stack\nmetadata: {name: consumer}\nspec: {}\n";
    std::fs::write(&file, stack).unwrap();
    let variables = [("PRIVLINK_ARM_TOKEN", "t"), ("KUBECONFIG", "nowhere"), ("HOME", "nowhere")];
    let words = "plan -f examples/consumer --auth token";
    let asked = applied.place.run_with(words, &variables).expect(1).stderr;
    assert!(asked.contains("PrivateEndpoint/internal-app-pe names no subscription"), "{asked}");
    std::fs::remove_file(applied.place.path().join("examples/consumer/endpoint.yaml")).unwrap();
    let asked = applied.place.run_with(words, &variables).expect(1).stderr;
    assert!(asked.contains("no subscription is named"), "{asked}");
}
