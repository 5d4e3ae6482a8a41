//! Snapshots compared, and made fit to be given away.

use serde_json::{Value, json};

use crate::support::assert_fits;
use crate::world::{Applied, network, of_nodes};

fn diff(applied: &Applied, code: i32) -> Value {
    let run = applied.place.run("diff old.json new.json -o json --detailed-exitcode").expect(code);
    let diff: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_fits("diff", &diff);
    diff
}

fn nodes(diff: &Value) -> Vec<(String, String)> {
    let text = |it: &Value, field: &str| it[field].as_str().unwrap().to_owned();
    let nodes = diff["objects"].as_array().unwrap().iter();
    nodes.map(|it| (text(it, "what"), text(it, "address"))).collect()
}

fn node(what: &str, address: &str) -> (String, String) {
    (what.to_owned(), address.to_owned())
}

#[test]
fn a_snapshot_does_not_differ_from_itself_or_from_a_later_one() {
    let applied = Applied::private_link();
    applied.snapshot("old.json");
    applied.snapshot("new.json");
    assert_eq!(nodes(&diff(&applied, 0)), []);
    let text = applied.place.run("diff old.json new.json").expect(0);
    assert_eq!(text.last_line(), "No differences.");
}

#[test]
fn nodes_that_change_come_and_go_are_told() {
    let applied = Applied::private_link();
    applied.snapshot("old.json");
    applied.meanwhile(|somebody| async move {
        let service = of_nodes("privateLinkServices/my-pls");
        let link = somebody.read(&service).await;
        let connection = &link["properties"]["privateEndpointConnections"][0]["id"];
        somebody.write("DELETE", connection.as_str().unwrap(), None).await;
        somebody.annotate("kubectl-edit", &[("azure-pls-proxy-protocol", Some("true"))]).await;
    });
    applied.snapshot("new.json");
    let endpoint = "00000000-0000-0000-0000-000000000000/myOtherResourceGroup/myAKSServicePE";
    assert_eq!(
        nodes(&diff(&applied, 2)),
        [
            node("changed", "Service/default/internal-app"),
            node("changed", "PrivateLinkService/default/internal-app"),
            node("changed", &format!("PrivateEndpoint/{endpoint}")),
            node("removed", &format!("EndpointConnection/{endpoint}")),
        ]
    );
    let markdown = applied.place.run("diff old.json new.json -o markdown").expect(0).stdout;
    assert!(markdown.contains("4 objects differ: 3 changed, 1 removed."), "{markdown}");
    let text = applied.place.run("diff old.json new.json --exit-code").expect(2).stdout;
    assert!(text.contains("properties.enableProxyProtocol: false -> true"), "{text}");
}

#[test]
fn what_was_made_anew_is_told_by_its_identity() {
    let applied = Applied::new("internal-load-balancer", 0);
    applied.snapshot("old.json");
    applied.run("destroy", "-y --controller-timeout 20").expect(0);
    applied.run("apply", "-y --controller-timeout 20").expect(0);
    applied.snapshot("new.json");
    let diff = diff(&applied, 2);
    let found = nodes(&diff);
    assert!(found.contains(&node("recreated", "Service/default/internal-app")), "{found:?}");
    assert!(found.contains(&node("recreated", "FrontendIp/default/internal-app")), "{found:?}");
    assert_eq!(diff["objects"][0]["fields"][0]["path"], "metadata.uid");
}

#[test]
fn what_one_of_them_does_not_show_is_not_compared() {
    let applied = Applied::private_link();
    let mut snapshot = applied.snapshot("old.json");
    let lists: Vec<String> = snapshot["azure"].as_object().unwrap().keys().cloned().collect();
    for list in lists {
        snapshot["azure"][list.as_str()] = json!({"unreadable": "no"});
    }
    snapshot["kubernetes"]["services"] = json!({"unreadable": "no"});
    applied.save("new.json", &snapshot);
    let diff = diff(&applied, 0);
    assert_eq!(nodes(&diff), []);
    assert!(diff["notCompared"].as_array().unwrap().len() > 5, "{diff:#}");
}

const PARTNER: &str = "11111111-1111-1111-1111-111111111111";

/// The AKS scenario with somebody else's endpoint on it, and a plan that cuts everybody off.
fn shared() -> Applied {
    let applied = Applied::private_link();
    let theirs = network(PARTNER, "consumerResourceGroup", "privateEndpoints/theirs");
    let body = json!({
        "location": "eastus",
        "properties": {
            "subnet": {"id": network(
                PARTNER, "consumerResourceGroup", "virtualNetworks/consumer-vnet/subnets/pe-subnet")},
            "manualPrivateLinkServiceConnections": [{"name": "theirs", "properties": {
                "privateLinkServiceId": of_nodes("privateLinkServices/my-pls"),
                "groupIds": [], "requestMessage": "team alpha"}}],
        },
    });
    applied.meanwhile(|somebody| async move { somebody.write("PUT", &theirs, Some(&body)).await });
    applied.edit(&of_nodes("privateLinkServices/my-pls"), |link| {
        let text = link.to_string().replace("\"Pending\"", "\"Approved\"");
        *link = serde_json::from_str(&text).unwrap();
    });
    applied
}

/// All arrays in the order of their texts: pseudonyms sort otherwise than names.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.into_iter().map(sorted).collect();
            items.sort_by_key(Value::to_string);
            Value::Array(items)
        }
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> =
                fields.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            fields.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(fields.into_iter().collect())
        }
        other => other,
    }
}

#[test]
fn a_plan_from_a_redacted_snapshot_is_the_plan_but_for_pseudonyms() {
    let applied = shared();
    applied.snapshot("full.json");
    applied.run("observe", "--redact --out redacted.json").expect(0);
    let read = |name: &str| std::fs::read_to_string(applied.place.path().join(name)).unwrap();
    let redacted = read("redacted.json");
    for word in [PARTNER, "consumerResourceGroup", "theirs", "team alpha", "tenantId", "managed-by"]
    {
        assert!(!redacted.to_lowercase().contains(&word.to_lowercase()), "{word}");
    }
    assert_fits("snapshot", &serde_json::from_str(&redacted).unwrap());
    // What the pull request proposes: another address, which makes the frontend and the link anew.
    applied.rewrite(
        "internal-app.yaml",
        "azure-pls-create",
        "azure-load-balancer-ipv4: 10.240.0.99\n    service.beta.kubernetes.io/azure-pls-create",
    );
    let plan = |from: &str| {
        let words = format!("plan -f examples/private-link --observed {from} -o json");
        applied.place.run(&words).expect(3).stdout
    };
    let (full, redacted) = (plan("full.json"), plan("redacted.json"));
    assert!(full.contains(PARTNER) && full.contains("team alpha"), "{full}");
    // The consumer that is cut off is found in both; its pseudonyms lead from one plan to the other.
    let consumer = |plan: &str| -> Value {
        let plan: Value = serde_json::from_str(plan).unwrap();
        let changes = plan["changes"].as_array().unwrap().iter();
        let cut = changes.filter_map(|it| it["effect"]["consumersDisconnected"].as_array());
        cut.flatten().find(|it| it["own"] == false).unwrap().clone()
    };
    let (theirs, pseudonym) = (consumer(&full), consumer(&redacted));
    let parts = |consumer: &Value| -> Vec<String> {
        consumer["endpoint"].as_str().unwrap().split('/').map(ToOwned::to_owned).collect()
    };
    let mut renamed = full.clone();
    for (from, to) in parts(&theirs).iter().zip(parts(&pseudonym)).filter(|(from, to)| *from != to)
    {
        renamed = renamed.replace(from.as_str(), &to);
    }
    renamed = renamed.replace("team alpha", pseudonym["requestMessage"].as_str().unwrap());
    // The alias of the stack's own service is kept back too.
    let alias = |file: &str| -> String {
        let text = read(file);
        let at = text.find(".azure.privatelinkservice").unwrap();
        text[..at].rsplit('"').next().unwrap().to_owned()
    };
    renamed = renamed.replace(&alias("full.json"), &alias("redacted.json"));
    let value = |text: &str| sorted(serde_json::from_str(text).unwrap());
    let mut marked = value(&redacted);
    assert_eq!(marked.as_object_mut().unwrap().remove("redacted"), Some(Value::Bool(true)));
    assert_eq!(value(&renamed), marked);
    // The next run gives the same pseudonyms.
    applied.run("observe", "--redact --out again.json").expect(0);
    assert!(read("again.json").contains(pseudonym["endpoint"].as_str().unwrap()));
}

/// What pseudonyms would be taken for names by is refused, and says so.
#[test]
fn what_is_redacted_says_so_and_is_not_applied() {
    let applied = shared();
    applied.snapshot("full.json");
    applied.run("observe", "--redact --out redacted.json").expect(0);
    let run = |words: &str, code: i32| applied.place.run(words).expect(code);
    let plan = "plan -f examples/private-link --observed";
    let out = run(&format!("{plan} redacted.json --out plan.json"), 0).stdout;
    let said = "Planned from a redacted snapshot";
    assert!(out.starts_with(said), "{out}");
    assert!(run("comment plan.json --dry-run", 0).stdout.contains(said));
    assert!(!run(&format!("{plan} full.json"), 0).stdout.contains(said));
    let refused = run("apply plan.json --sandbox", 1).stderr;
    assert!(refused.contains("plan.json was planned from a redacted snapshot"), "{refused}");
    for words in [
        "drift -f examples/private-link --sandbox --since redacted.json",
        "import --observed redacted.json --all --out imported",
        "diff full.json redacted.json",
    ] {
        let stderr = run(words, 1).stderr;
        assert!(stderr.contains("redacted.json is redacted"), "{words}: {stderr}");
    }
    run("diff redacted.json redacted.json", 0);
}
