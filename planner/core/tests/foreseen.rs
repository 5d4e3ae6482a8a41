//! What is foreseen of manifests where nobody looked at the cluster and at Azure.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use privlink_core::controller::predict::Change;
use privlink_core::desired::{self, Options};
use privlink_core::diagnostic::Source;
use privlink_core::plan::Finding;
use privlink_core::rule::{self, Severity};
use privlink_core::wanted::Wanted;
use privlink_core::{assumed, document, lint, prediction};

/// What is foreseen of one public Service with these annotations and this spec.
fn foreseen(facts: &str, annotations: &str, spec: &str) -> Vec<Finding> {
    let text = format!(
        "apiVersion: privlink.dev/v1alpha1\nkind: Stack\nmetadata: {{name: shop}}\nspec: {{subscription: \
         00000000-0000-0000-0000-000000000000, resourceGroup: rg, cluster: aks, facts: {{{facts}}}}}\n---\n\
         apiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: default, annotations: {{{annotations}}}}}\n\
         spec: {{type: LoadBalancer, ports: [{{port: 80}}], {spec}}}\n"
    );
    let documents = document::parse(&Source::new("a.yaml", text).unwrap());
    let (desired, problems) = desired::resolve(documents, &Options::default());
    assert!(problems.iter().all(|it| it.severity < Severity::Error), "{problems:?}");
    let (facts, cluster) = assumed::cluster(&desired::pinned(&desired, None));
    let service = desired.services.values().next().unwrap();
    let stored = prediction::stored(&service.manifest, None, &facts, Some("uid")).unwrap();
    let changes = [Change::Apply(Arc::new(stored))];
    let world = assumed::world(&facts, &changes);
    let prediction = prediction::predict(world, cluster, &changes);
    lint::foreseen(&Wanted::as_written(&desired), &facts, &prediction)
}

const KEY: &str = "service.beta.kubernetes.io";
const DUAL: &str = "ipFamilies: [IPv4, IPv6], ipFamilyPolicy: RequireDualStack";
const ONLY_IPV6: &str = "ipFamilies: [IPv6], ipFamilyPolicy: SingleStack";

#[test]
fn public_addresses_that_a_service_names_are_taken_to_exist() {
    let several = "loadBalancers: [{name: kubernetes}, {name: two}]";
    for facts in ["", several, "outboundType: userDefinedRouting", "loadBalancerSku: basic"] {
        for (annotations, spec) in [
            (format!("{KEY}/azure-pip-name: mine"), ""),
            (
                format!(
                    "{KEY}/azure-pip-name: mine, {KEY}/azure-load-balancer-resource-group: net"
                ),
                "",
            ),
            (format!("{KEY}/azure-load-balancer-ipv4: 20.51.7.9"), ""),
            (format!("{KEY}/azure-pip-name: mine, {KEY}/azure-load-balancer-ipv4: 20.51.7.9"), ""),
            (String::new(), "loadBalancerIP: 20.51.7.9"),
        ] {
            let found = foreseen(facts, &annotations, spec);
            let failures: Vec<_> =
                found.iter().filter(|it| lint::FAILURES.contains(&it.code)).collect();
            assert!(failures.is_empty(), "{facts} {annotations} {spec}: {failures:?}");
        }
    }
}

#[test]
fn public_addresses_of_both_families_are_taken_to_exist() {
    let two = "ipFamilies: [IPv4, IPv6]";
    for (annotations, spec) in [
        (format!("{KEY}/azure-pip-name: four, {KEY}/azure-pip-name-ipv6: six"), DUAL),
        (
            format!(
                "{KEY}/azure-load-balancer-ipv4: 20.51.7.9, {KEY}/azure-load-balancer-ipv6: \
                 '2603:1030::9'"
            ),
            DUAL,
        ),
        (format!("{KEY}/azure-pip-name: six"), ONLY_IPV6),
        (format!("{KEY}/azure-pip-name-ipv6: six"), ONLY_IPV6),
        (format!("{KEY}/azure-load-balancer-ipv6: '2603:1030::9'"), ONLY_IPV6),
    ] {
        let found = foreseen(two, &annotations, spec);
        assert!(found.is_empty(), "{annotations} {spec}: {found:?}");
    }
}

#[test]
fn an_address_that_can_be_no_public_one_stays_an_error() {
    let found = foreseen("", &format!("{KEY}/azure-load-balancer-ipv4: 10.0.0.9"), "");
    assert!(
        found.iter().any(|it| it.code == rule::CONTROLLER_FAILS && it.severity == Severity::Error),
        "{found:?}"
    );
}

#[test]
fn a_probe_at_port_0_is_told_at_its_annotation() {
    let zero = format!("{KEY}/port_80_health-probe_port: '0'");
    for spec in ["", "allocateLoadBalancerNodePorts: false"] {
        let found = foreseen("", &zero, spec);
        let failure = found.iter().find(|it| lint::FAILURES.contains(&it.code)).unwrap();
        let help = failure.help.as_ref().unwrap();
        assert!(help.starts_with("Name a port that nodes answer on"), "{help}");
        let place = failure.place.as_ref().unwrap();
        assert!(place.starts_with("a.yaml:8:"), "{place}");
    }
    let found = foreseen("", "", "allocateLoadBalancerNodePorts: false");
    let failure = found.iter().find(|it| lint::FAILURES.contains(&it.code)).unwrap();
    assert!(failure.help.as_ref().unwrap().starts_with("Leave allocateLoadBalancerNodePorts out"));
}

#[test]
fn the_frontend_that_aks_makes_for_outbound_traffic_is_taken_to_exist() {
    let two = "ipFamilies: [IPv4, IPv6]";
    assert_eq!(foreseen(two, "", ONLY_IPV6), []);
    // Without it, another Service may have a frontend of IPv4: that is not said by the input.
    for (facts, annotations) in [
        (format!("{two}, outboundType: userDefinedRouting"), String::new()),
        (two.to_owned(), format!("{KEY}/azure-load-balancer-internal: 'true'")),
    ] {
        let found = foreseen(&facts, &annotations, ONLY_IPV6);
        let failure = found.iter().find(|it| lint::FAILURES.contains(&it.code)).unwrap();
        assert_eq!(failure.severity, Severity::Warning, "{found:?}");
        assert!(failure.help.as_ref().unwrap().ends_with("which `plan` looks at."));
    }
}
