//! Differences that begin at the Kubernetes API.

use serde_json::{Value, json};

use crate::world::{Applied, classes, told};

#[test]
fn what_was_applied_has_not_drifted() {
    let applied = Applied::private_link();
    let report = applied.report(0, "");
    assert_eq!(report["summary"]["drift"], 0);
    let nodes = report["stacks"][0]["objects"].as_array().unwrap();
    assert!(nodes.iter().all(|node| node["state"] == "in-sync"), "{nodes:?}");
    let kinds: Vec<&str> =
        nodes.iter().map(|it| it["address"].as_str().unwrap().split('/').next().unwrap()).collect();
    for kind in
        ["Service", "FrontendIp", "PrivateLinkService", "PrivateEndpoint", "EndpointConnection"]
    {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    assert_eq!(applied.run("drift", "").expect(0).last_line(), "No drift.");
}

/// The controller has carried the edit out, so that Azure is as the live Service says: that is one
/// difference, and its field manager is named.
#[test]
fn an_edit_by_hand_is_one_difference_and_names_its_manager() {
    let applied = Applied::private_link();
    applied.meanwhile(|somebody| async move {
        somebody.annotate("kubectl-edit", &[("azure-pls-proxy-protocol", Some("true"))]).await;
    });
    let differences = applied.differences(2, "");
    assert_eq!(
        classes(&differences),
        [told("edited-in-kubernetes", "Service/default/internal-app")]
    );
    let it = &differences[0];
    assert_eq!(it["cause"]["by"], "somebody-in-kubernetes");
    assert_eq!(it["cause"]["manager"], "kubectl-edit");
    assert!(it["cause"]["at"].as_str().unwrap().starts_with("20"), "{it}");
    assert_eq!(it["fields"][0]["found"], "true");
    assert_eq!(it["fields"][0]["wanted"], Value::Null);
    assert_eq!(it["heals"], "no");
    let annotation = "service.beta.kubernetes.io/azure-pls-proxy-protocol-";
    let take_back = format!("kubectl annotate service -n default internal-app {annotation}");
    let apply = "privlink apply -f examples/private-link --sandbox";
    assert_eq!(it["repair"], json!({"commands": [take_back, apply]}));
}

/// An apply leaves the fields of others alone, so that no plan shows this.
#[test]
fn a_target_port_set_by_hand_is_told_though_no_plan_would_change_it() {
    let applied = Applied::private_link();
    applied.meanwhile(|somebody| async move {
        let ports = json!([{"port": 80, "protocol": "TCP", "targetPort": 8080}]);
        somebody.patch_service("kubectl-edit", json!({"spec": {"ports": ports}})).await;
    });
    assert_eq!(applied.run("plan", "").expect(0).last_line(), "No changes.");
    let differences = applied.differences(2, "");
    let service = "Service/default/internal-app";
    assert_eq!(classes(&differences), [told("edited-in-kubernetes", service)]);
    assert_eq!(differences[0]["cause"]["manager"], "kubectl-edit");
    let commands = differences[0]["repair"]["commands"].as_array().unwrap();
    assert_eq!(commands[0], "kubectl edit service -n default internal-app");
}

#[test]
fn a_value_changed_by_hand_is_taken_back_by_its_repair() {
    let applied = Applied::private_link();
    applied.meanwhile(|somebody| async move {
        somebody.annotate("kubectl-annotate", &[("azure-pls-create", Some("false"))]).await;
    });
    let differences = applied.differences(2, "");
    // What desired state asks for is no orphan: the edit is the one difference.
    let service = "Service/default/internal-app";
    assert_eq!(classes(&differences), [told("edited-in-kubernetes", service)]);
    let field = &differences[0]["fields"][0];
    assert_eq!((&field["wanted"], &field["found"]), (&json!("true"), &json!("false")));
    // The repair, as the report gives it: a plain apply is refused, since kubectl owns the field.
    applied.run("apply", "--auto-approve").expect(3);
    applied.meanwhile(|somebody| async move {
        somebody.annotate("kubectl-annotate", &[("azure-pls-create", None)]).await;
    });
    applied.run("apply", "--auto-approve --controller-timeout 20").expect(0);
    applied.run("drift", "").expect(0);
}

/// A removal leaves no field manager: an earlier look tells it from a desired state that moved on.
#[test]
fn a_removal_shows_by_an_earlier_look() {
    let applied = Applied::private_link();
    let before = applied.snapshot("before.json");
    applied.meanwhile(|somebody| async move {
        somebody.annotate("kubectl-edit", &[("azure-pls-name", None)]).await;
    });
    let address = "Service/default/internal-app";
    let differences = applied.differences(2, "--since before.json");
    assert_eq!(classes(&differences), [told("edited-in-kubernetes", address)]);
    assert_eq!(differences[0]["cause"]["after"], before["takenAt"]);
}

#[test]
fn a_desired_state_that_moved_on_was_not_applied() {
    let applied = Applied::private_link();
    applied.rewrite("internal-app.yaml", "port: 80", "port: 81");
    let differences = applied.differences(2, "");
    assert_eq!(classes(&differences), [told("not-applied", "Service/default/internal-app")]);
    assert_eq!(differences[0]["cause"]["by"], "desired-state");
    let apply = "privlink apply -f examples/private-link --sandbox";
    assert_eq!(differences[0]["repair"], json!({"commands": [apply]}));
    applied.run("apply", "--auto-approve --controller-timeout 20").expect(0);
    applied.run("drift", "").expect(0);
}

/// Somebody edits what privlink wrote, and then owns it: each field is named with its manager, and nothing is forced.
#[test]
fn conflicts_are_named_field_by_field_and_never_forced() {
    let applied = Applied::private_link();
    let edited = [("azure-pls-name", Some("theirs")), ("azure-pls-create", Some("false"))];
    applied.meanwhile(|somebody| async move { somebody.annotate("kubectl-edit", &edited).await });
    let plan = applied.run("plan", "-o json").expect(3).stdout;
    let plan: Value = serde_json::from_str(&plan).unwrap();
    let findings = plan["findings"].as_array().unwrap().iter();
    let conflicts: Vec<&str> = findings
        .filter(|it| it["code"] == "field-conflict")
        .map(|it| it["message"].as_str().unwrap())
        .collect();
    let owned = |name: &str| {
        format!(
            ".metadata.annotations.service.beta.kubernetes.io/{name} belongs to field manager \"kubectl-edit\""
        )
    };
    // The API server's words go on with the version and the time.
    let owned = ["azure-pls-create", "azure-pls-name"].map(owned);
    assert_eq!(conflicts.len(), 2, "{conflicts:?}");
    assert!(conflicts.iter().zip(owned).all(|(it, owned)| it.starts_with(&owned)), "{conflicts:?}");
    applied.run("apply", "--auto-approve --max-disconnects 9").expect(3);
    let snapshot = applied.snapshot("after.json");
    let services = snapshot["kubernetes"]["services"]["present"].as_array().unwrap().iter();
    let name = "service.beta.kubernetes.io/azure-pls-name";
    let live: Vec<&Value> = services.map(|it| &it["metadata"]["annotations"][name]).collect();
    assert!(live.contains(&&json!("theirs")), "{live:?}");
}

/// What a tool will write is nobody's command, and disconnects no less.
#[test]
fn whom_the_tools_sync_disconnects_is_told() {
    let applied = Applied::private_link();
    applied.meanwhile(|somebody| async move {
        let labels = json!({"argocd.argoproj.io/instance": "shop", "privlink.dev/stack": null});
        somebody.patch_service("argocd-controller", json!({"metadata": {"labels": labels}})).await;
    });
    assert_eq!(applied.differences(0, ""), [] as [Value; 0]);
    let name = "azure-pls-name: my-pls";
    let address = "service.beta.kubernetes.io/azure-load-balancer-ipv4: 10.240.0.25";
    applied.rewrite("internal-app.yaml", name, &format!("{name}\n    {address}"));
    applied.run("plan", "").expect(3);
    let differences = applied.differences(2, "");
    assert_eq!(differences[0]["heals"], "tool", "{differences:#?}");
    let disconnects = differences[0]["disconnects"].to_string();
    assert!(disconnects.contains("myAKSServicePE"), "{differences:#?}");
}

#[test]
fn what_argo_cd_keeps_is_repaired_by_argo_cd() {
    let applied = Applied::new("internal-load-balancer", 0);
    applied.meanwhile(|somebody| async move {
        let patch = json!({"metadata": {
            "labels": {"argocd.argoproj.io/instance": "shop", "privlink.dev/stack": null},
        }});
        somebody.patch_service("argocd-controller", patch).await;
        let patch = json!({"spec": {"externalTrafficPolicy": "Local"}});
        somebody.patch_service("kubectl-edit", patch).await;
    });
    let differences = applied.differences(2, "");
    assert_eq!(
        classes(&differences),
        [told("edited-in-kubernetes", "Service/default/internal-app")]
    );
    assert_eq!(differences[0]["cause"]["manager"], "kubectl-edit");
    assert_eq!(differences[0]["heals"], "tool");
    assert!(differences[0]["repair"].get("commands").is_none(), "{}", differences[0]);
}

#[test]
fn a_failing_controller_is_named_with_its_event() {
    let applied = Applied::private_link();
    applied.meanwhile(|somebody| async move {
        let bad = [("azure-pls-ip-configuration-ip-address-count", Some("nine"))];
        somebody.annotate("kubectl-edit", &bad).await;
    });
    let differences = applied.differences(2, "");
    let service = "Service/default/internal-app";
    assert_eq!(
        classes(&differences),
        [told("edited-in-kubernetes", service), told("controller-failed", service)]
    );
    let it = &differences[1];
    assert_eq!(it["cause"]["by"], "controller");
    assert_eq!(it["cause"]["event"]["reason"], "SyncLoadBalancerFailed");
    assert!(it["message"].as_str().unwrap().contains("nine"), "{it}");
    assert!(it["repair"]["commands"][0].as_str().unwrap().starts_with("kubectl describe service"));
}

/// A Service that was just written, with no event since: the controller is still to come.
#[test]
fn a_controller_that_has_not_come_is_behind() {
    let applied = Applied::private_link();
    let mut snapshot = applied.snapshot("now.json");
    let service = &mut snapshot["kubernetes"]["services"]["present"][0];
    assert_eq!(service["metadata"]["name"], "internal-app");
    service["spec"]["ports"][0]["port"] = json!(8080);
    let later = "2099-01-01T00:00:10Z";
    service["metadata"]["managedFields"][0]["time"] = json!(later);
    service["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:ports"] =
        json!({"k:{\"port\":8080,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}});
    snapshot["takenAt"] = json!("2099-01-01T00:01:00Z");
    applied.save("now.json", &snapshot);
    applied.rewrite("internal-app.yaml", "port: 80", "port: 8080");
    let run = applied.place.run("drift -f examples/private-link --observed now.json -o json");
    let report = crate::world::checked(&run.expect(2).stdout);
    let differences = report["stacks"][0]["differences"].as_array().unwrap();
    assert_eq!(
        classes(differences),
        [told("controller-behind", "FrontendIp/default/internal-app")]
    );
    assert_eq!(differences[0]["heals"], "soon");
    // An hour later it should have been.
    snapshot["takenAt"] = json!("2099-01-01T01:00:00Z");
    applied.save("now.json", &snapshot);
    let run = applied.place.run("drift -f examples/private-link --observed now.json -o json");
    let report = crate::world::checked(&run.expect(2).stdout);
    let differences = report["stacks"][0]["differences"].as_array().unwrap();
    assert_eq!(classes(differences), [told("changed-in-azure", "FrontendIp/default/internal-app")]);
}

#[test]
fn a_service_that_left_desired_state_is_an_orphan_and_a_missing_one_is_missing() {
    let applied = Applied::private_link();
    applied.rewrite("internal-app.yaml", "name: internal-app", "name: other-app");
    applied.rewrite("endpoint.yaml", "name: internal-app", "name: other-app");
    let differences = applied.differences(2, "");
    let found = classes(&differences);
    assert!(found.contains(&told("orphan", "Service/default/internal-app")), "{found:?}");
    assert!(found.contains(&told("missing", "Service/default/other-app")), "{found:?}");
}

#[test]
fn a_service_made_again_is_another_one() {
    let applied = Applied::new("internal-load-balancer", 0);
    let before = applied.snapshot("before.json");
    applied.run("destroy", "--auto-approve --controller-timeout 20").expect(0);
    applied.run("apply", "--auto-approve --controller-timeout 20").expect(0);
    applied.run("drift", "").expect(0);
    let differences = applied.differences(2, "--since before.json");
    assert_eq!(
        classes(&differences)[0],
        told("recreated", "Service/default/internal-app"),
        "{differences:#?}"
    );
    let uid = &before["kubernetes"]["services"]["present"][0]["metadata"]["uid"];
    assert_eq!(&differences[0]["fields"][0]["wanted"], uid);
    assert_eq!(differences[0]["cause"]["after"], before["takenAt"]);
}

#[test]
fn what_cannot_be_read_is_no_drift_and_no_success() {
    let applied = Applied::private_link();
    let mut snapshot = applied.snapshot("now.json");
    snapshot["kubernetes"]["services"] = json!({"unreadable": "forbidden"});
    applied.save("now.json", &snapshot);
    let run = applied.place.run("drift -f examples/private-link --observed now.json -o json");
    let report = crate::world::checked(&run.expect(1).stdout);
    let stack = &report["stacks"][0];
    assert_eq!(classes(stack["differences"].as_array().unwrap()), []);
    assert_eq!(stack["unreadable"][0], json!({"what": "Services", "why": "forbidden"}));
    // Unreadable wins over --exit-zero and over drift.
    let run = "drift -f examples/private-link --observed now.json --exit-zero";
    applied.place.run(run).expect(1);
}

/// A plan changes nothing that another field manager set, and says so in a line.
#[test]
fn what_was_set_by_hand_and_stays_is_a_line_of_the_plan() {
    let applied = Applied::private_link();
    applied.meanwhile(|somebody| async move {
        somebody.annotate("kubectl-annotate", &[("azure-pls-proxy-protocol", Some("true"))]).await;
    });
    let plan = applied.run("plan", "").expect(0);
    let line = "1 annotation was set by hand and stays (kubectl-annotate): privlink drift";
    // Wherever the terminal's width breaks it.
    let words = plan.stdout.replace('│', " ");
    let words: Vec<&str> = words.split_whitespace().collect();
    assert!(words.join(" ").contains(line), "{}", plan.stdout);
    let differences = applied.differences(2, "");
    assert!(differences.iter().any(|it| it["class"] == "edited-in-kubernetes"));
}

/// Flux reports success after a denied deletion, and forgets the object (flux2 issue 4911); so does an upgrade by Helm.
#[test]
fn a_service_that_flux_forgot_is_left_over() {
    let applied = Applied::private_link();
    let labels = |patch: &mut Value| {
        patch["metadata"]["labels"]["kustomize.toolkit.fluxcd.io/name"] = json!("apps");
        patch["metadata"]["labels"]["kustomize.toolkit.fluxcd.io/namespace"] = json!("flux-system");
    };
    let leave = |name: &str, kind: &str, kustomization: &str| {
        let mut service = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": "default", "uid": name, "annotations": {
                "service.beta.kubernetes.io/azure-load-balancer-internal": "true",
            }},
            "spec": {"type": kind, "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}]},
        });
        labels(&mut service);
        service["metadata"]["labels"]["kustomize.toolkit.fluxcd.io/name"] = json!(kustomization);
        service
    };
    applied.meanwhile(|somebody| async move {
        somebody
            .patch_service(
                "kustomize-controller",
                json!({"metadata": {"labels": {
                    "kustomize.toolkit.fluxcd.io/name": "apps",
                    "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
                }}}),
            )
            .await;
    });
    applied.edit_world(|world| {
        let objects = world["kubernetes"]["objects"].as_array_mut().unwrap();
        objects.push(leave("old-app", "LoadBalancer", "apps"));
        objects.push(leave("inner", "ClusterIP", "apps"));
        objects.push(leave("of-others", "LoadBalancer", "others"));
    });
    let differences = applied.differences(2, "");
    let forgotten: Vec<&Value> = differences.iter().filter(|it| it["class"] == "orphan").collect();
    assert_eq!(forgotten.len(), 1, "{differences:#?}");
    assert_eq!(forgotten[0]["address"], "Service/default/old-app");
    let message = forgotten[0]["message"].as_str().unwrap();
    assert!(message.contains("Kustomization flux-system/apps applied it"), "{message}");
    let delete = "kubectl delete service -n default old-app";
    assert_eq!(forgotten[0]["repair"]["commands"], json!([delete]));
}
