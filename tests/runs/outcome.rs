//! What comes of a run: what it refuses, what it leaves alone, and what it tells.

use privlink_sandbox::{Effect, Fault, World};

use crate::served::{Scene, Served};
use crate::{end, fault, start, until, was_asked};

#[test]
fn an_apply_is_verified_by_a_plan() {
    let served = Served::new(World::first());
    let file = |internal: bool| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: app\n  annotations: \
             {{service.beta.kubernetes.io/azure-load-balancer-internal: \"{internal}\"}}\n\
             spec: {{type: LoadBalancer, selector: {{app: app}}, ports: [{{port: 80}}]}}\n"
        )
    };
    let stack = "--subscription 00000000-0000-0000-0000-000000000000 --resource-group myResourceGroup \
                 --cluster myAKSCluster";
    let apply = format!("apply -f app.yaml --auto-approve --verify {stack}");
    std::fs::write(served.path().join("app.yaml"), file(false)).unwrap();
    let verified = served.run(&apply).expect(0);
    assert!(verified.stderr.contains("Verified: "), "{}", verified.stderr);
    // What a public Service leaves behind takes a second sync, which the plan has.
    std::fs::write(served.path().join("app.yaml"), file(true)).unwrap();
    let verified = served.run(&apply).expect(0);
    assert!(verified.stdout.contains("second-sync"), "{}", verified.stdout);
    assert!(verified.stderr.contains("Verified: "), "{}", verified.stderr);
    // What cannot be read again is not verified.
    let refused = crate::served::refused(403, "AuthorizationFailed", None);
    let unreadable =
        Fault { after: 1, times: 0, ..fault("GET", "Microsoft.Network/loadBalancers?", refused) };
    served.add_faults([unreadable]);
    std::fs::write(served.path().join("app.yaml"), file(true).replace("80", "81")).unwrap();
    let not = served.run(&apply).expect(7);
    assert!(not.stderr.contains("Not verified: "), "{}", not.stderr);
}

#[test]
fn outputs_are_variables_that_nobody_else_can_set() {
    let scene = Scene::of("endpoint-in-other-subscription");
    let served = scene.serve();
    served.run(&scene.words("apply")).expect(6);
    // Somebody at Azure's side writes a state that would end its variable and begin another.
    let hostile = "Pending\nEVIL=$(id)\r##vso[task.setvariable variable=EVIL]1";
    let connections = "manualPrivateLinkServiceConnections";
    served.edit(|world| {
        for mut resource in world.azure.to_json() {
            let pointer = format!(
                "/properties/{connections}/0/properties/privateLinkServiceConnectionState/status"
            );
            if let Some(status) = resource.pointer_mut(&pointer) {
                *status = hostile.into();
                world.azure.insert(resource).unwrap();
            }
        }
    });
    let outputs = |format: &str| {
        served.run(&format!("output -f examples/{} -o {format}", scene.name)).expect(0).stdout
    };
    let state =
        |text: &str| text.lines().find(|line| line.contains("CONNECTION")).unwrap().to_owned();
    let dotenv = outputs("dotenv");
    assert!(
        state(&dotenv).ends_with(
            "__CONNECTION=\"Pending\\nEVIL=\\$(id)\\r##vso[task.setvariable variable=EVIL]1\""
        ),
        "{dotenv}"
    );
    let github = outputs("github");
    let delimiter = state(&github).split_once("<<").unwrap().1.to_owned();
    // What would act on a terminal or end the line leaves this program escaped.
    let shown = hostile.replace('\r', "\\u000d");
    assert!(github.ends_with(&format!("\n{shown}\n{delimiter}\n")), "{github}");
    let pipelines = outputs("azure-pipelines");
    assert!(pipelines.lines().all(|line| line.starts_with("##vso[task.setvariable variable=")));
    // A command within the value is broken up, whatever the agent makes of it.
    assert!(state(&pipelines).contains("]Pending%0AEVIL=$(id)%0D#\\#vso["), "{pipelines}");
    let text = outputs("text");
    assert!(!text.contains("##vso") && text.contains("Pending\\nEVIL"), "{text}");
    assert!(dotenv.contains("PRIVATE_LINK_SERVICE__DEFAULT__"), "{dotenv}");
}

#[test]
fn nothing_is_applied_when_what_every_prediction_rests_on_cannot_be_read() {
    let scene = Scene::of("internal-load-balancer");
    let served = scene.serve();
    let denied = Effect::Status {
        status: 403,
        code: "AuthorizationFailed".to_owned(),
        message: "no".to_owned(),
        retry_after: None,
    };
    served.add_faults([Fault { times: 0, ..fault("GET", "/loadBalancers?", denied) }]);
    let apply = scene.words("apply");
    for words in [apply.as_str(), "destroy -f examples/internal-load-balancer --yes"] {
        let run = served.run(words).expect(1);
        assert!(run.stderr.contains("AuthorizationFailed"), "{}", run.stderr);
        assert!(run.stderr.contains("so nothing is planned"), "{}", run.stderr);
    }
    assert!(!was_asked(&served, "PATCH", "/services/"));
}

/// Somebody decides on a connection after it was read and before it is approved: the write is refused, and the
/// decision stays.
#[test]
fn a_connection_that_was_decided_on_meanwhile_is_not_overruled() {
    let scene = Scene::of("endpoint-in-other-subscription");
    let served = scene.serve();
    served.run(&scene.words("apply")).expect(6);
    let approval = "apiVersion: privlink.dev/v1alpha1\nkind: EndpointApproval\nmetadata: {name: partners}\n\
                    spec:\n  service: {namespace: default, name: internal-app}\n  \
                    approve: [{subscription: 11111111-1111-1111-1111-111111111111}]\n";
    let file = served.path().join("examples/endpoint-in-other-subscription/approval.yaml");
    std::fs::write(file, approval).unwrap();
    let slow = Effect::Latency { milliseconds: 3000 };
    served.add_faults([fault("PUT", "/privateEndpointConnections/", slow)]);
    let child = start(&served, &scene.words("apply"));
    until("the approval", || served.struck() == [1]);
    served.edit(|world| {
        let link = world.azure.private_link_services.values_mut().next().unwrap();
        let link = std::sync::Arc::make_mut(link);
        let connections = link.properties.private_endpoint_connections.as_mut().unwrap();
        let connection = connections.first_mut().unwrap();
        connection.etag = Some("W/\"moved\"".to_owned());
        let state = connection.properties.private_link_service_connection_state.as_mut().unwrap();
        state.status = Some("Rejected".to_owned());
    });
    let run = end(child).expect(7);
    assert!(
        run.stderr.contains("PreconditionFailed") || run.stdout.contains("PreconditionFailed"),
        "{run:?}"
    );
    let world = served.world().to_json().to_string();
    assert!(world.contains("\"Rejected\"") && !world.contains("Approved by privlink"), "{world}");
}
