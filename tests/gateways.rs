//! Gateways in plans: what moving to one and renaming one means for who comes by Private Link.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here fails the test")]

#[path = "support/served.rs"]
mod served;
#[path = "support/stage.rs"]
mod stage;
mod support;

use privlink_core::plan::{Finding, Op, Plan};
use stage::Stage;
use support::scene::{Endpoint, Service, stack};

fn gateway(name: &str, more: &str) -> String {
    format!(
        "---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: default}}
spec:
  gatewayClassName: approuting-istio
  infrastructure:
    annotations:
      service.beta.kubernetes.io/azure-load-balancer-internal: \"true\"
{more}  listeners: [{{name: https, port: 443, protocol: TLS, tls: {{mode: Passthrough}}}}]
"
    )
}

/// A Service as Istio makes it, written down.
fn made(name: &str) -> Service {
    let ports = "{name: status-port, port: 15021, appProtocol: tcp}, {name: https, port: 443, appProtocol: tls}";
    Service::linked(&format!("{name}-approuting-istio"))
        .line(&format!("ports: [{ports}]"))
        .line("ipFamilyPolicy: PreferDualStack")
        .line(&format!("selector: {{gateway.networking.k8s.io/gateway-name: {name}}}"))
}

/// The Service of the Gateway `edge` as it is in a cluster, with a Private Link Service of this name.
fn owned_by_edge(link: &str) -> String {
    made("edge").annotation("azure-pls-name", link).yaml().replace(
        "  annotations:\n",
        "  labels: {gateway.istio.io/managed: istio.io-gateway-controller}\n  ownerReferences:\n  - {apiVersion: \
         gateway.networking.k8s.io/v1, kind: Gateway, name: edge, uid: 5f0e6d1c-3a54-4a55-9d3b-6a4f0d8f3b10}\n  annotations:\n",
    )
}

fn of<'p>(plan: &'p Plan, code: &str) -> Vec<&'p Finding> {
    plan.findings.iter().filter(|it| it.code.as_str() == code).collect()
}

fn scene(parts: &[String]) -> String {
    stack("") + &parts.concat()
}

#[test]
fn a_gateway_beside_an_ingress_moves_nobody_who_comes_by_private_link() {
    let stage = Stage::new();
    let nginx = || Service::linked("nginx").at("10.240.0.25").line("ports: [{port: 443}]").yaml();
    let endpoint = || Endpoint::new("pe", "nginx").yaml();
    stage.apply(&scene(&[nginx(), endpoint()]));
    let plan = stage.plan(&scene(&[nginx(), endpoint(), gateway("gw", "")]));
    let found = of(&plan, "consumers-stay");
    assert_eq!(found.len(), 1, "{:?}", plan.findings);
    assert!(found[0].message.starts_with("1 consumer of pls-"), "{}", found[0].message);
    assert!(found[0].message.contains("Gateway default/gw"), "{}", found[0].message);
    let help = found[0].help.as_deref().unwrap_or_default();
    assert!(help.contains("azure-load-balancer-ipv4: 10.240.0.25"), "{help}");
    assert!(help.contains("privlink route"), "{help}");
    // Another port is another matter, and so is what has no consumers.
    let other = gateway("gw", "").replace("port: 443", "port: 8443");
    let plan = stage.plan(&scene(&[nginx(), endpoint(), other]));
    assert_eq!(of(&plan, "consumers-stay"), Vec::<&Finding>::new());
    let plan = stage.plan(&scene(&[nginx(), gateway("gw", "")]));
    assert!(plan.changes.iter().any(|it| it.address.to_string() == "PrivateEndpoint/pe"));
}

#[test]
fn a_gateway_that_left_the_input_takes_its_service_along() {
    let stage = Stage::new();
    let owned = owned_by_edge("link-of-edge");
    stage.apply(&scene(&[owned, Endpoint::new("pe", "edge-approuting-istio").yaml()]));
    let link = "      service.beta.kubernetes.io/azure-pls-create: \"true\"\n";
    let endpoint = || Endpoint::new("pe", "shop-approuting-istio").yaml();
    // What the stack's mark is on, which a Gateway copies, is known to go.
    let plan = stage.plan(&scene(&[gateway("shop", link), endpoint()]));
    let gone =
        plan.changes.iter().find(|it| it.reason == "is deleted with its Gateway default/edge");
    assert!(gone.is_some(), "{:#?}", plan.changes);
    assert_eq!(plan.summary.consumers_disconnected, 1);
    let deletes =
        |plan: &Plan| plan.steps.iter().any(|it| matches!(it.op, Op::DeleteService { .. }));
    assert!(!deletes(&plan), "its controller deletes it, and privlink does not");
    // Of one that is not marked it is said what may be.
    let other = |text: &str| text.replace("{name: shop}\nspec", "{name: other}\nspec");
    let plan = stage.plan(&other(&scene(&[gateway("shop", link), endpoint()])));
    let found = of(&plan, "gateway-left");
    assert_eq!(found.len(), 1, "{:?}", plan.findings);
    assert!(
        found[0].message.contains("Gateway default/edge is not in the input"),
        "{:?}",
        found[0]
    );
    assert!(found[0].place.is_some());
    // One that is still there is nobody's business.
    let edge = gateway("edge", link);
    let plan = stage.plan(&other(&scene(&[gateway("shop", link), edge, endpoint()])));
    assert_eq!(of(&plan, "gateway-left"), Vec::<&Finding>::new());
}

/// As recorded (`tests/recordings/gateways/istio/class-changed-after.json`): Istio writes what a Gateway comes to, and deletes
/// nothing.
#[test]
fn a_gateway_of_another_class_leaves_its_consumers_with_the_old_service() {
    let stage = Stage::new();
    stage.apply(&scene(&[owned_by_edge("link-of-edge")]));
    let group = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/MC_myResourceGroup_myAKSCluster_eastus";
    let target = format!(
        "target: {{id: {group}/providers/Microsoft.Network/privateLinkServices/link-of-edge}}"
    );
    let consumers = stack("").replace("{name: shop}", "{name: consumers}");
    stage.apply(&(consumers + &Endpoint::new("pe", "any").lines(&target).yaml()));
    let link = "      service.beta.kubernetes.io/azure-pls-create: \"true\"\n";
    let moved = gateway("edge", link).replace("approuting-istio", "istio");
    let address = "  addresses: [{type: Hostname, value: a.example.com}]\n  listeners:";
    let nowhere = gateway("edge", link).replace("  listeners:", address);
    for after in [moved, nowhere] {
        let plan = stage.plan(&scene(std::slice::from_ref(&after)));
        let old = "Service/default/edge-approuting-istio";
        assert!(!plan.changes.iter().any(|it| it.address.to_string() == old), "{after}{plan:#?}");
        assert_eq!(plan.summary.consumers_disconnected, 0);
        let found = of(&plan, "consumers-stay");
        assert_eq!(found.len(), 1, "{:#?}", plan.findings);
        let said = "leaves Service default/edge-approuting-istio in place: 1 consumer of link-of-edge stays connected through the old one";
        assert!(found[0].message.contains(said), "{:?}", found[0]);
        assert!(found[0].place.as_ref().unwrap().starts_with("after.yaml:"), "{:?}", found[0]);
    }
}
