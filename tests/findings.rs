//! What findings say in cases that the examples of their rules (`tests/rules.rs`) do not show.

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

use privlink_core::plan::{Finding, Step};
use privlink_core::rule::Severity;
use serde_json::{Value, json};
use stage::Stage;
use support::scene::{Endpoint, Service, approval, stack};
use support::{Workplace, names, root};

/// The findings of a plan from one desired state to another, in a sandbox of its own.
fn findings(before: &[String], after: &[String]) -> Vec<Finding> {
    findings_after(before, after, |_| {})
}

/// The same, when somebody changes what Azure holds in between.
fn findings_after(
    before: &[String],
    after: &[String],
    meddle: impl FnOnce(&mut Vec<Value>),
) -> Vec<Finding> {
    let stage = Stage::new();
    let text = |services: &[String]| format!("{}{}", stack(""), services.concat());
    if !before.is_empty() {
        stage.apply(&text(before));
    }
    stage.meddle(meddle);
    stage.plan(&text(after)).findings
}

/// The first finding of a code.
#[track_caller]
fn first<'a>(found: &'a [Finding], code: &str) -> &'a Finding {
    let it = found.iter().find(|it| it.code.as_str() == code);
    it.unwrap_or_else(|| panic!("{code} is not among {found:#?}"))
}

fn has(found: &[Finding], code: &str) -> bool {
    found.iter().any(|it| it.code.as_str() == code)
}

#[track_caller]
fn check(before: &[String], after: &[String], code: &str) {
    check_in(&findings(before, after), code);
}

#[track_caller]
fn check_in(found: &[Finding], code: &str) {
    let it = first(found, code);
    assert!(it.place.as_ref().unwrap().starts_with("after.yaml:"), "{it:?}");
    assert!(!it.help.as_ref().unwrap().is_empty(), "{it:?}");
}

const LINK: (&str, &str) = ("azure-pls-create", "true");

fn web(more: &[(&str, &str)], spec: &str) -> Vec<String> {
    vec![Service::internal("web").annotations(more).lines(spec).yaml()]
}

/// `already has unmanaged private link service` (pkg/provider/azure_privatelinkservice.go).
#[test]
fn a_private_link_service_without_the_controllers_tags_blocks() {
    let after = web(&[LINK, ("azure-pls-visibility", "*")], "");
    let found = findings_after(&web(&[LINK], ""), &after, |resources| {
        let is_link = |it: &&mut Value| {
            it["type"].as_str().is_some_and(|it| it.ends_with("/privateLinkServices"))
        };
        let link = resources.iter_mut().find(is_link).unwrap();
        link.as_object_mut().unwrap().remove("tags").unwrap();
    });
    check_in(&found, "link-blocked");
    // With its tags it is the Service's again; deleted it would be lost to whoever is connected.
    let help = first(&found, "link-blocked").help.as_ref().unwrap();
    assert!(help.contains("az tag update --operation merge"), "{help}");
    assert!(help.contains("k8s-azure-owner-service=default/web"), "{help}");
    assert!(!help.to_lowercase().contains("delete "), "{help}");
}

/// The subnet that is missing is the one that is named: that of the nodes is there, and is not to be written again.
#[test]
fn a_missing_nat_subnet_is_the_one_to_be_made() {
    let missing = ("azure-pls-ip-configuration-subnet", "no-such-subnet");
    let found = findings(&[], &web(&[LINK, missing], ""));
    let it = found.iter().find(|it| it.message.contains("no-such-subnet")).unwrap();
    let help = it.help.as_ref().unwrap();
    assert!(help.contains("--name no-such-subnet --address-prefixes"), "{help}");
    let place = it.place.as_ref().unwrap();
    let line = web(&[LINK, missing], "").concat();
    let line = format!("{}{line}", stack("")).lines().position(|it| it.contains("no-such"));
    assert!(place.starts_with(&format!("after.yaml:{}:", line.unwrap() + 1)), "{place}");
}

#[test]
fn a_link_cannot_change_its_group() {
    let after = web(&[LINK, ("azure-pls-resource-group", "myResourceGroup")], "");
    check(&web(&[LINK], ""), &after, "link-cannot-move");
}

#[test]
fn static_nat_addresses_survive_that_their_link_is_made_anew() {
    let nat = ("azure-pls-ip-configuration-ip-address", "10.240.9.9");
    let before = web(&[LINK, nat, ("azure-load-balancer-ipv4", "10.240.0.25")], "");
    let after = web(&[LINK, nat, ("azure-load-balancer-ipv4", "10.240.0.26")], "");
    let found = findings(&before, &after);
    assert!(found.iter().all(|finding| finding.severity != Severity::Error), "{found:#?}");
}

#[test]
fn several_ports_need_names() {
    let two = Service::internal("web").line("ports: [{port: 80}, {port: 81}]").yaml();
    let place = Workplace::with_example("internal-load-balancer");
    std::fs::write(place.path().join("two.yaml"), format!("{}{two}", stack(""))).unwrap();
    let plan = place.run("plan -f two.yaml --sandbox");
    let said = format!("{}{}", plan.stdout, plan.stderr);
    assert!(plan.code != 0 && said.contains("name"), "{said}");
}

/// The AKS scenario with more written behind it, planned on a sandbox in which the scenario was applied.
fn connected_with(more: &str, replace: (&str, &str)) -> Vec<Finding> {
    let folder = root().join("examples/private-link");
    let files = names("examples/private-link").into_iter().filter(|it| it.ends_with(".yaml"));
    let texts: Vec<String> =
        files.map(|it| std::fs::read_to_string(folder.join(it)).unwrap()).collect();
    let text = texts.join("---\n");
    let stage = Stage::new();
    stage.apply(&text);
    stage.plan(&format!("{}{more}", text.replace(replace.0, replace.1))).findings
}

#[test]
fn a_zone_that_is_not_there_is_found_before_the_apply() {
    let dns = "  approval: Automatic\n  dns: {record: {zone: no-such-zone.example, name: web}}";
    let found = connected_with("", ("  approval: Automatic", dns));
    assert!(has(&found, "zone-missing"), "{found:#?}");
}

#[test]
fn an_approval_that_rejects_the_stacks_own_endpoint_is_found() {
    let approval = "---\napiVersion: privlink.dev/v1alpha1\nkind: EndpointApproval\nmetadata: {name: all}\n\
                    spec:\n  service: {namespace: default, name: internal-app}\n  approve: []\n  \
                    reject: [{subscription: 00000000-0000-0000-0000-000000000000}]\n";
    let found = connected_with(approval, ("never written", ""));
    assert!(has(&found, "own-endpoint-rejected"), "{found:#?}");
}

#[test]
fn http_by_app_protocol_alone_asks_for_the_root() {
    let port = "ports: [{name: plain, port: 80, appProtocol: http}]";
    let of = |more: &[(&str, &str)], spec: &str| findings(&[], &web(more, spec));
    check_in(&of(&[], port), "probe-without-path");
    let found = |found: Vec<Finding>| has(&found, "probe-without-path");
    assert!(!found(of(&[("azure-load-balancer-health-probe-request-path", "/ok")], port)));
    assert!(!found(of(&[("port_80_health-probe_protocol", "tcp")], port)));
    assert!(!found(of(&[], "ports: [{port: 80}]")));
    let ha = ("azure-load-balancer-enable-high-availability-ports", "true");
    let udp = "ports: [{name: a, port: 53, protocol: UDP}, {name: b, port: 80, appProtocol: http}]";
    check_in(&of(&[ha], port), "probe-without-path");
    check_in(&of(&[ha], udp), "probe-without-path");
    let second = "ports: [{name: a, port: 81}, {name: b, port: 80, appProtocol: http}]";
    assert!(!found(of(&[ha], second)), "the first port is probed");
    let labelled = of(&[], &format!("externalTrafficPolicy: Local\n{port}"));
    assert!(!found(labelled), "the node's health server is asked for /healthz");
}

#[test]
fn what_is_advised_of_istios_probes_is_answered() {
    let istio = |more: &[(&str, &str)]| {
        let ports =
            "ports: [{name: status, port: 15021}, {name: https, port: 443, appProtocol: https}]";
        let service = Service::internal("web").annotations(more).lines(ports);
        vec![service.lines("selector: {istio: ingressgateway}").yaml()]
    };
    let found = findings(&[], &istio(&[]));
    let help = first(&found, "probe-without-path").help.clone().unwrap();
    let (port, protocol) = ("port_443_health-probe_port", "port_443_health-probe_protocol");
    let path = ("port_443_health-probe_request-path", "/healthz/ready");
    for it in [port, "\"15021\"", &format!("{protocol}: http"), path.0, path.1] {
        assert!(help.contains(it), "{it}: {help}");
    }
    let halfway = findings(&[], &istio(&[(port, "15021"), path]));
    check_in(&halfway, "probe-by-https");
    let whole = findings(&[], &istio(&[(port, "15021"), path, (protocol, "http")]));
    assert!(whole.iter().all(|it| !it.code.as_str().starts_with("probe-")), "{whole:#?}");
    let node_port = findings(&[], &istio(&[(port, "status"), path]));
    check_in(&node_port, "probe-by-https");
}

#[test]
fn of_a_gateways_service_only_annotations_are_advised() {
    let gateway = "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n\
        metadata: {name: edge, namespace: default}\nspec:\n  gatewayClassName: istio\n  infrastructure:\n    \
        annotations: {service.beta.kubernetes.io/azure-load-balancer-internal: \"true\"}\n  \
        listeners: [{name: http, port: 80, protocol: HTTP}]\n";
    let found = Stage::new().plan(&format!("{}---\n{gateway}", stack(""))).findings;
    let help = first(&found, "probe-without-path").help.clone().unwrap();
    assert!(help.contains("port_80_health-probe_port: \"15021\""), "{help}");
    assert!(help.contains("spec.infrastructure.annotations"), "{help}");
    assert!(!help.contains("appProtocol"), "{help}");
}

#[test]
fn a_load_balancer_without_node_ports_is_refused() {
    let found = findings(&[], &web(&[], "allocateLoadBalancerNodePorts: false"));
    check_in(&found, "controller-fails");
    let it = first(&found, "controller-fails");
    assert!(it.help.as_ref().unwrap().contains("allocateLoadBalancerNodePorts"), "{it:?}");
    let text = web(&[], "allocateLoadBalancerNodePorts: false").concat();
    let text = format!("{}{text}", stack(""));
    let line = text.lines().position(|it| it.contains("allocateLoad")).unwrap() + 1;
    let place = it.place.as_ref().unwrap();
    assert!(place.starts_with(&format!("after.yaml:{line}:")), "{place}");
    let own = [("port_80_health-probe_port", "9000")];
    let found = findings(&[], &web(&own, "allocateLoadBalancerNodePorts: false"));
    assert!(!has(&found, "controller-fails"), "{found:#?}");
}

#[test]
fn the_proxy_protocol_reaches_neighbours() {
    let pinned = ("azure-load-balancer-ipv4", "10.240.0.50");
    let partner = Service::linked("partner")
        .annotations(&[pinned, ("azure-pls-proxy-protocol", "true")])
        .yaml();
    let shared =
        Service::internal("shared").annotations(&[pinned]).line("ports: [{port: 81}]").yaml();
    let billing = Service::internal("billing").lines("externalTrafficPolicy: Local").yaml();
    let plain = Service::internal("plain").yaml();
    let found = findings(&[], &[partner, shared, billing, plain]);
    let it = first(&found, "proxy-protocol-probe");
    let message = &it.message;
    assert!(message.contains("default/shared (shares its frontend)"), "{message}");
    assert!(message.contains("default/billing (is probed by HTTP)"), "{message}");
    assert!(!message.contains("default/plain"), "{message}");
}

#[test]
fn the_proxy_protocol_of_others_reaches_a_service() {
    let pinned = ("azure-load-balancer-ipv4", "10.240.0.50");
    let partner = |more: &[(&str, &str)]| {
        vec![Service::internal("partner").annotations(&[pinned]).annotations(more).yaml()]
    };
    let proxied = partner(&[LINK, ("azure-pls-proxy-protocol", "true")]);
    let http = ("azure-load-balancer-health-probe-protocol", "http");
    let ha = ("azure-load-balancer-enable-high-availability-ports", "true");
    let neighbour = Service::internal("neighbour").annotations(&[http]).yaml();
    let all = Service::internal("all").annotations(&[http, ha]).yaml();
    let sharer =
        Service::internal("sharer").annotations(&[pinned]).line("ports: [{port: 81}]").yaml();
    let plain = Service::internal("plain").yaml();
    let after = [neighbour.clone(), all, sharer, plain];
    // Of the stack that has the Private Link Service this input says nothing.
    let stage = Stage::new();
    stage.apply(&format!("{}{}", stack("").replace("shop", "other"), proxied.concat()));
    let found = stage.plan(&format!("{}{}", stack(""), after.concat())).findings;
    let told: Vec<(String, bool)> = found
        .iter()
        .filter(|it| it.code.as_str() == "proxy-protocol-probe")
        .map(|it| (it.address.to_string(), it.message.contains("it shares its frontend")))
        .collect();
    let at = |name: &str, shares: bool| (format!("Service/default/{name}"), shares);
    assert_eq!(told, [at("all", false), at("neighbour", false), at("sharer", true)], "{found:#?}");
    // The link outlives its annotations.
    let after = [partner(&[]).concat(), neighbour];
    let found = findings(&proxied, &after);
    let it = first(&found, "proxy-protocol-probe");
    assert!(it.message.contains("default/neighbour (is probed by HTTP)"), "{it:?}");
}

#[test]
fn ranges_that_shut_the_nat_addresses_out_are_found() {
    let subnet = ("azure-pls-ip-configuration-subnet", "pls-subnet");
    let deny = ("azure-deny-all-except-load-balancer-source-ranges", "true");
    let ranges = "loadBalancerSourceRanges: [10.1.0.0/24]";
    check(&[], &web(&[LINK, subnet], ranges), "nat-addresses-shut-out");
    let annotated = ("azure-allowed-ip-ranges", "10.1.0.0/24");
    check(&[], &web(&[LINK, subnet, annotated, deny], ""), "nat-addresses-shut-out");
    let open = findings(&[], &web(&[LINK, subnet, annotated], ""));
    check_in(&open, "ranges-keep-nobody-out");
    assert!(!has(&open, "nat-addresses-shut-out"), "{open:#?}");
    // The whole network's range has the NAT subnet in it.
    let all =
        findings(&[], &web(&[LINK, subnet, deny, ("azure-allowed-ip-ranges", "10.0.0.0/8")], ""));
    assert!(!has(&all, "nat-addresses-shut-out"), "{all:#?}");
}

#[test]
fn ranges_count_as_their_union_where_packets_arrive() {
    let subnet = ("azure-pls-ip-configuration-subnet", "pls-subnet");
    let off = ("azure-disable-load-balancer-floating-ip", "true");
    let deny = ("azure-deny-all-except-load-balancer-source-ranges", "true");
    let code = "nat-addresses-shut-out";
    let halves = "loadBalancerSourceRanges: [10.242.0.0/25, 10.242.0.128/25]";
    let found = findings(&[], &web(&[LINK, subnet], halves));
    assert!(!has(&found, code), "{found:#?}");
    let half = findings(&[], &web(&[LINK, subnet], "loadBalancerSourceRanges: [10.242.0.0/25]"));
    assert!(first(&half, code).message.contains("some of its NAT addresses"), "{half:#?}");
    // kube-proxy has ranges for each family, and looks at them for the load balancer's address only.
    let other = findings(&[], &web(&[LINK, subnet], "loadBalancerSourceRanges: ['fd00::/8']"));
    assert!(!has(&other, code), "{other:#?}");
    let found =
        findings(&[], &web(&[LINK, subnet, off], "loadBalancerSourceRanges: [10.1.0.0/24]"));
    assert!(!has(&found, code), "{found:#?}");
    // The security group sees nodes and node ports then.
    let ranges = ("azure-allowed-ip-ranges", "10.1.0.0/24");
    let found = findings(&[], &web(&[LINK, subnet, off, ranges, deny], ""));
    let it = first(&found, code);
    assert!(it.message.contains("k8s-azure-lb_deny-all_IPv4 denies them"), "{it:?}");
    let ranges = ("azure-allowed-ip-ranges", "10.1.0.0/24,10.242.0.0/24");
    let found = findings(&[], &web(&[LINK, subnet, off, ranges, deny], ""));
    assert!(!has(&found, code), "{found:#?}");
}

#[test]
fn restrictions_that_restrict_nothing_are_found() {
    let deny = ("azure-deny-all-except-load-balancer-source-ranges", "true");
    let tags = ("azure-allowed-service-tags", "AzureFrontDoor.Backend");
    let ranges = ("azure-allowed-ip-ranges", "10.1.0.0/24");
    let (ignored, open) = ("restriction-ignored", "ranges-keep-nobody-out");
    let codes = |annotations: &[(&str, &str)], spec: &str| {
        let found = findings(&[], &web(annotations, spec));
        (has(&found, ignored), has(&found, open))
    };
    assert_eq!(codes(&[deny], ""), (true, false));
    assert_eq!(codes(&[deny, tags], ""), (true, false));
    assert_eq!(codes(&[tags], ""), (false, true));
    assert_eq!(codes(&[tags, ranges], ""), (false, true));
    assert_eq!(codes(&[deny, tags, ranges], ""), (false, false));
    let public = vec![Service::public("web").annotations(&[deny, tags]).yaml()];
    check(&[], &public, ignored);
    // No security rule is written at all, since Kubernetes 1.35.
    let none = ("azure-disable-load-balancer-nsg-rule", "true");
    let stack = stack("facts: {kubernetesVersion: \"1.36\"}");
    let text = format!("{stack}{}", web(&[none, ranges, deny], "").concat());
    check_in(&Stage::new().plan(&text).findings, ignored);
    // kube-proxy looks at these, but not without floating IP.
    let spec = "loadBalancerSourceRanges: [10.1.0.0/24]";
    let off = ("azure-disable-load-balancer-floating-ip", "true");
    assert_eq!(codes(&[], spec), (false, false));
    assert_eq!(codes(&[off], spec), (false, true));
}

#[test]
fn a_rule_that_denies_probes_is_found() {
    let rule = |from: &str, priority: u32, access: &str| {
        json!({"name": format!("{access}-{priority}").to_lowercase(), "properties": {
            "protocol": "*", "sourcePortRange": "*", "destinationPortRange": "*",
            "sourceAddressPrefix": from, "destinationAddressPrefix": "10.240.0.0/16",
            "access": access, "priority": priority, "direction": "Inbound"}})
    };
    let with = |rules: &[Value]| {
        findings_after(&web(&[], ""), &web(&[], ""), |resources| {
            let is_group = |it: &&mut Value| it["name"] == "aks-agentpool-nsg";
            let group = resources.iter_mut().find(is_group).unwrap();
            group["properties"]["securityRules"].as_array_mut().unwrap().extend_from_slice(rules);
        })
    };
    let deny = rule("AzureLoadBalancer", 100, "Deny");
    let found = with(std::slice::from_ref(&deny));
    let it = first(&found, "probes-denied");
    assert!(it.message.contains("deny-100") && it.message.contains("every node"), "{it:?}");
    let found = with(&[deny, rule("AzureLoadBalancer", 99, "Allow")]);
    assert!(!has(&found, "probes-denied"), "{found:#?}");
    let found = with(&[rule("10.1.0.0/16", 100, "Deny")]);
    assert!(!has(&found, "probes-denied"), "{found:#?}");
}

#[test]
fn another_nat_subnet_is_a_thing_that_cannot_change() {
    let before = web(&[LINK, ("azure-pls-ip-configuration-subnet", "pls-subnet")], "");
    let found = findings(&before, &web(&[LINK], ""));
    check_in(&found, "link-cannot-move");
    assert!(!has(&found, "nat-addresses-rewritten"), "{found:#?}");
}

#[test]
fn a_failure_tells_what_is_deleted_before_it() {
    let address = ("azure-load-balancer-ipv4", "10.240.0.60");
    let before = web(&[LINK, address], "");
    let after = web(&[LINK, address, ("azure-load-balancer-internal-subnet", "apps-subnet")], "");
    let found = findings(&before, &after);
    let it = first(&found, "partly-made");
    let message = &it.message;
    assert!(message.contains("delete the Private Link Service"), "{message}");
    assert!(!message.contains("write the load balancer"), "{message}");
    assert!(it.help.as_ref().unwrap().contains("aks-subnet"), "{it:?}");
}

#[test]
fn an_ipv6_frontend_needs_one_of_ipv4_first() {
    let only = "ipFamilyPolicy: SingleStack\nipFamilies: [IPv6]";
    check(&[], &web(&[], only), "service-invalid");
}

#[test]
fn a_zone_group_of_a_service_that_announces_nothing_stays_empty() {
    let with = |more: &[(&str, &str)]| {
        let mut documents = web(more, "");
        let zones = "dns: {zoneGroup: {zones: [privatelink.contoso.com]}}";
        documents.push(Endpoint::new("web-pe", "web").lines(zones).yaml());
        findings(&[], &documents)
    };
    check_in(&with(&[LINK]), "zone-group-empty");
    check_in(&with(&[LINK, ("azure-pls-fqdns", "web.elsewhere.example")]), "zone-group-empty");
    let named = with(&[LINK, ("azure-pls-fqdns", "web.privatelink.contoso.com")]);
    assert!(!has(&named, "zone-group-empty"), "{named:#?}");
}

#[test]
fn more_rules_than_a_network_interface_takes_are_found() {
    let ports: Vec<String> =
        (0..101).map(|it| format!("{{name: p{it}, port: {}}}", 8000 + it)).collect();
    let services: Vec<String> = (0..3)
        .map(|it| {
            let service = Service::internal(&format!("web{it}"));
            service.line(&format!("ports: [{}]", ports.join(", "))).yaml()
        })
        .collect();
    let found = findings(&[], &services);
    let it = first(&found, "limit-exceeded");
    assert!(it.message.contains("303"), "{it:?}");
}

#[test]
fn what_the_api_server_refuses_is_found_at_its_place_before_the_apply() {
    let found = findings(&[], &web(&[], "clusterIP: 10.200.0.5"));
    check_in(&found, "service-invalid");
    let it = first(&found, "service-invalid");
    assert!(it.message.contains("does not match the current range"), "{it:?}");
}

/// What kube-apiserver refuses, where it stands, and nothing of what would follow from it. Some of it holds on every
/// cluster and is found without one; the rest a plan finds.
#[test]
fn refusals_of_the_api_server_are_found_before_anything_is_written() {
    let live = "loadBalancerClass: example.org/one";
    for (before, after, at, words) in [
        ("", "ports: [{port: 443, name: Not_A_Label}]", "Not_A", "a lowercase RFC 1123 label"),
        ("", "ports: [{port: 443, nodePort: 443}]", "nodePort", "not in the valid range"),
        ("", "healthCheckNodePort: 32001", "32001", "may only be set when"),
        (
            "",
            "sessionAffinity: ClientIP\nsessionAffinityConfig: {clientIP: {timeoutSeconds: 86401}}",
            "86401",
            "less than 86400",
        ),
        ("", "trafficDistribution: Close", "Close", "supported values"),
        ("", "ports: [{port: 443, name: a}, {port: 443, name: b}]", "name: b", "Duplicate value"),
        (
            "",
            "ipFamilyPolicy: SingleStack\nipFamilies: [IPv6]",
            "[IPv6]",
            "not configured on this cluster",
        ),
        ("", "ipFamilyPolicy: RequireDualStack", "RequireDual", "not configured for dual-stack"),
        ("", "clusterIP: 192.168.7.7", "192.168.7.7", "does not match the current range"),
        (live, "loadBalancerClass: example.org/two", "example.org/two", "may not change once set"),
    ] {
        let place = Workplace::with_example("internal-load-balancer");
        let text = |spec: &str| format!("{}{}", stack(""), web(&[], spec).concat());
        if !before.is_empty() {
            std::fs::write(place.path().join("before.yaml"), text(before)).unwrap();
            place.run("apply -f before.yaml --sandbox --auto-approve --controller-timeout 1");
        }
        let text = text(after);
        std::fs::write(place.path().join("after.yaml"), &text).unwrap();
        let run = place.run("plan -f after.yaml --sandbox");
        assert!([1, 3].contains(&run.code), "{after}: {run:?}");
        let said = format!("{}{}", run.stdout, run.stderr);
        assert_eq!(said.matches("[service-invalid]").count(), 1, "{after}: {said}");
        assert!(!said.contains("controller-fails"), "{after}: {said}");
        let flat = said
            .replace('\n', " ")
            .replace("│ ", "")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        assert!(flat.contains(words), "{after}: {said}");
        let line = text.lines().position(|it| it.contains(at)).unwrap() + 1;
        assert!(said.contains(&format!("after.yaml:{line}:")), "{after}: {said}");
    }
}

#[test]
fn a_namespace_that_is_not_there_is_found_unless_the_input_makes_it() {
    let with = |more: &str| {
        let text = Service::internal("web").namespace("shop").yaml();
        findings(&[], &[text, more.to_owned()])
    };
    check_in(&with(""), "namespace-missing");
    let made = with("---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n");
    assert!(!has(&made, "namespace-missing"), "{made:#?}");
}

/// What is missing, and what makes it, in a line each, for who plans an example in the wrong world.
#[test]
fn examples_that_need_a_cluster_of_their_own_say_so() {
    for (name, command) in
        [("dual-stack", "az aks update"), ("existing-network", "az network vnet create")]
    {
        let place = Workplace::with_example(name);
        let run = place.run(&format!("plan -f examples/{name} --sandbox")).expect(3);
        assert!(run.stdout.contains(command), "{}", run.stdout);
        let line = run.stderr.lines().find(|line| line.contains("sandbox init")).unwrap();
        let words = line.split("privlink ").nth(1).unwrap().split(',').next().unwrap();
        std::fs::create_dir_all(place.path().join(".privlink/sandbox")).unwrap();
        place.run(words).expect(0);
        let flag = line.split_whitespace().find(|word| word.starts_with("--sandbox=")).unwrap();
        place.run(&format!("plan -f examples/{name} {flag}")).expect(0);
    }
}

#[test]
fn a_group_for_links_that_is_not_there_is_found_at_its_annotation() {
    let after = web(&[LINK, ("azure-pls-resource-group", "nope-rg")], "");
    let found = findings(&[], &after);
    check_in(&found, "resource-group-missing");
    let it = first(&found, "resource-group-missing");
    assert!(it.message.contains("nope-rg"), "{it:?}");
    assert!(!has(&found, "partly-made"), "{found:#?}");
}

/// Its network is in another group, so that nothing else would tell.
#[test]
fn a_group_for_an_endpoint_that_is_not_there_is_one_finding_where_it_is_written() {
    let group =
        "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/myOtherResourceGroup";
    let subnet = format!(
        "subnet: {{id: {group}/providers/Microsoft.Network/virtualNetworks/myOtherVNET/subnets/pe-subnet}}"
    );
    let by_id = Endpoint::new("web-pe", "web").lines(&subnet).yaml();
    for endpoint in [by_id, Endpoint::new("web-pe", "web").yaml()] {
        let endpoint =
            endpoint.replace("resourceGroup: myOtherResourceGroup\n", "resourceGroup: nope-rg\n");
        let mut documents = web(&[LINK], "");
        documents.push(endpoint);
        let found = findings(&[], &documents);
        check_in(&found, "resource-group-missing");
        let errors: Vec<_> = found.iter().filter(|it| it.severity == Severity::Error).collect();
        assert_eq!(errors.len(), 1, "{found:#?}");
        assert!(errors[0].help.as_ref().unwrap().contains("az group create --name nope-rg"));
    }
}

#[test]
fn a_wrong_subscription_is_one_error_at_its_line() {
    let place = Workplace::with_example("internal-load-balancer");
    let other = "11111111-2222-3333-4444-555555555555";
    let wrong = stack("").replace("00000000-0000-0000-0000-000000000000", other);
    assert!(wrong.contains(other), "{wrong}");
    std::fs::write(place.path().join("app.yaml"), format!("{wrong}{}", web(&[], "").concat()))
        .unwrap();
    for command in ["plan", "preflight", "apply --auto-approve"] {
        let run = place.run(&format!("{command} -f app.yaml --sandbox=w.json"));
        let said = run.expect(1).stderr;
        assert_eq!(said.matches("SubscriptionNotFound").count(), 1, "{command}: {said}");
        assert!(said.contains("app.yaml:") && said.contains("az account list"), "{said}");
        assert!(!said.contains("request id"), "{said}");
    }
    // What cannot be read is one line of a report, and not one for each list.
    let drift = place.run("drift -f app.yaml --sandbox=w.json").stdout;
    assert_eq!(drift.matches("SubscriptionNotFound").count(), 1, "{drift}");
}

#[test]
fn a_cluster_that_is_not_there_is_one_error_with_the_names_that_are() {
    let place = Workplace::with_example("internal-load-balancer");
    let wrong = stack("").replace("cluster: myAKSCluster", "cluster: myAksCluster2");
    std::fs::write(place.path().join("app.yaml"), format!("{wrong}{}", web(&[], "").concat()))
        .unwrap();
    for command in ["plan", "preflight", "drift", "apply --auto-approve"] {
        let run = place.run(&format!("{command} -f app.yaml --sandbox=w.json"));
        let said = run.expect(1).stderr;
        assert_eq!(said.matches("cluster-missing").count(), 1, "{command}: {said}");
        assert!(said.contains("app.yaml:") && said.contains("it has one: myAKSCluster"), "{said}");
    }
    let flags = "--cluster nope --resource-group nowhere";
    let text = web(&[], "").concat();
    std::fs::write(place.path().join("bare.yaml"), text).unwrap();
    let subscription = "--subscription 00000000-0000-0000-0000-000000000000";
    let run = place.run(&format!("plan -f bare.yaml --sandbox=w.json {flags} {subscription}"));
    let run = run.expect(1);
    assert!(run.stderr.contains("the resource group nowhere does not exist"), "{}", run.stderr);
}

/// Azure Policy deploys a zone group of its own name, and an endpoint has one at most.
#[test]
fn a_zone_group_of_azure_policy_is_not_touched() {
    let endpoint = |dns: &str| {
        let mut documents = web(&[LINK, ("azure-pls-fqdns", "web.privatelink.contoso.com")], "");
        documents.push(Endpoint::new("web-pe", "web").lines(dns).yaml());
        documents
    };
    let deploy = |resources: &mut Vec<Value>| {
        let is_zone = |it: &&Value| it["name"] == "privatelink.contoso.com";
        let zone = resources.iter().find(is_zone).map_or(Value::Null, |it| it["id"].clone());
        let is_endpoint = |it: &&Value| it["name"] == "web-pe";
        let endpoint = resources.iter().find(is_endpoint).unwrap()["id"].as_str().unwrap();
        let group = json!({
            "id": format!("{endpoint}/privateDnsZoneGroups/deployedByPolicy"),
            "name": "deployedByPolicy",
            "type": "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
            "properties": {"provisioningState": "Succeeded", "privateDnsZoneConfigs": [
                {"name": "privatelink", "properties": {"privateDnsZoneId": zone}},
            ]},
        });
        resources.push(group);
    };
    for name in ["default", "deployedByPolicy"] {
        let asks =
            format!("dns: {{zoneGroup: {{name: {name}, zones: [privatelink.contoso.com]}}}}");
        let stage = Stage::new();
        stage.apply(&format!("{}{}", stack(""), endpoint("").concat()));
        stage.meddle(deploy);
        let plan = stage.plan(&format!("{}{}", stack(""), endpoint(&asks).concat()));
        let it = first(&plan.findings, "zone-group-held");
        assert!(it.message.contains("deployedByPolicy already, which Azure Policy made"), "{it:?}");
        let steps = serde_json::to_string(&plan.steps).unwrap().to_lowercase();
        assert!(!steps.contains("privatednszonegroups"), "{steps}");
        // Without a word of it in the document it stays as it is.
        let plan = stage.plan(&format!("{}{}", stack(""), endpoint("").concat()));
        assert!(plan.is_empty(), "{plan:?}");
    }
}

/// Endpoints of a network and of those peered with it, as a plan counts them: 3,999 are nobody's concern, and 4,000 are.
#[test]
fn four_thousand_endpoints_over_peered_networks_are_near_the_limit() {
    let group =
        "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/myOtherResourceGroup";
    let networks = format!("{group}/providers/Microsoft.Network/virtualNetworks");
    let peers = |live: usize| {
        let networks = networks.clone();
        move |resources: &mut Vec<Value>| {
            let is_hub = |it: &&mut Value| it["name"] == "myOtherVNET";
            let hub = resources.iter_mut().find(is_hub).unwrap();
            let peering = |name: &str, remote: &str| json!([{"name": name, "properties": {"remoteVirtualNetwork": {"id": remote}}}]);
            hub["properties"]["virtualNetworkPeerings"] =
                peering("to-spoke", &format!("{networks}/spoke"));
            let hub = hub["id"].as_str().unwrap().to_owned();
            resources.push(json!({
                "id": format!("{networks}/spoke"),
                "name": "spoke",
                "type": "Microsoft.Network/virtualNetworks",
                "location": "eastus",
                "properties": {
                    "provisioningState": "Succeeded",
                    "addressSpace": {"addressPrefixes": ["10.64.0.0/16"]},
                    "privateEndpointVNetPolicies": "Basic",
                    "subnets": [{
                        "id": format!("{networks}/spoke/subnets/pe"),
                        "name": "pe",
                        "properties": {"provisioningState": "Succeeded", "addressPrefix": "10.64.0.0/16"},
                    }],
                    "virtualNetworkPeerings": peering("to-hub", &hub),
                },
            }));
            let id = |at: usize| {
                format!("{group}/providers/Microsoft.Network/privateEndpoints/spoke-{at}")
            };
            resources.extend((0..live).map(|at| {
                json!({
                    "id": id(at),
                    "name": format!("spoke-{at}"),
                    "type": "Microsoft.Network/privateEndpoints",
                    "location": "eastus",
                    "properties": {
                        "provisioningState": "Succeeded",
                        "subnet": {"id": format!("{networks}/spoke/subnets/pe")},
                    },
                })
            }));
        }
    };
    let after = || {
        let mut documents = web(&[LINK], "");
        documents.push(Endpoint::new("web-pe", "web").yaml());
        documents
    };
    let near = findings_after(&[], &after(), peers(3_999));
    let it = first(&near, "limit-near");
    assert_eq!(it.severity, Severity::Warning);
    assert!(
        it.message.contains("myOtherVNET and those peered with it will have 4000 endpoints"),
        "{it:?}"
    );
    check_in(&near, "limit-near");
    let fewer = findings_after(&[], &after(), peers(3_998));
    assert!(!has(&fewer, "limit-near"), "{fewer:#?}");
}

/// A Private Link Service that leads to an address by itself has no frontend, and no Service has to do with it.
#[test]
fn a_private_link_service_without_a_frontend_is_nobody_s() {
    let direct = |resources: &mut Vec<Value>| {
        let is_subnet = |it: &&Value| it["name"] == "aks-subnet";
        let subnet = resources.iter().find(is_subnet).map_or(Value::Null, |it| it["id"].clone());
        resources.push(json!({
            "id": "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/MC_myResourceGroup_myAKSCluster_eastus/providers/Microsoft.Network/privateLinkServices/direct",
            "name": "direct",
            "type": "Microsoft.Network/privateLinkServices",
            "location": "eastus",
            "properties": {
                "provisioningState": "Succeeded",
                "alias": "direct.22222222-2222-2222-2222-222222222222.eastus.azure.privatelinkservice",
                "destinationIPAddress": "10.240.0.77",
                "loadBalancerFrontendIpConfigurations": [],
                "ipConfigurations": [{"name": "nat", "properties": {"subnet": {"id": subnet}, "primary": true}}],
                "privateEndpointConnections": [],
            },
        }));
    };
    let stage = Stage::new();
    let text = format!("{}{}", stack(""), web(&[LINK], "").concat());
    stage.apply(&text);
    stage.meddle(direct);
    let plan = stage.plan(&text);
    assert!(plan.is_empty() && plan.refusals.is_empty(), "{plan:?}");
    let found = findings_after(&[], &web(&[LINK, ("azure-pls-name", "direct")], ""), direct);
    let it = first(&found, "link-without-frontend");
    assert!(it.message.contains("leads to 10.240.0.77 by itself (Direct Connect)"), "{it:?}");
}

#[test]
fn an_address_is_free_once_the_endpoint_that_has_it_is_deleted() {
    let services = [Service::linked("web").yaml(), Service::linked("api").yaml()].concat();
    let endpoint =
        |name: &str, service: &str| Endpoint::new(name, service).lines("address: 10.1.0.20").yaml();
    let text = |endpoint: String| format!("{}{services}{endpoint}", stack(""));
    let stage = Stage::new();
    stage.apply(&text(endpoint("old", "web")));
    let plan = stage.plan(&text(endpoint("new", "api")));
    assert!(!has(&plan.findings, "endpoint-refused"), "{:#?}", plan.findings);
    let step = |name: &str, verb: &str| {
        let is_it = |it: &&Step| it.change.name == name && it.op.verb() == verb;
        plan.steps.iter().find(is_it).unwrap()
    };
    assert!(step("new", "write").needs.contains(&step("old", "delete").id), "{:#?}", plan.steps);
    stage.apply(&text(endpoint("new", "api")));
}

#[test]
fn nothing_is_decided_on_a_connection_that_is_over() {
    const GONE: &str = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/theirs/\
        providers/Microsoft.Network/privateEndpoints/gone";
    let services = Service::linked("web").yaml();
    let text = |more: &str| format!("{}{services}{more}", stack(""));
    for (status, steps) in [("Disconnected", 0), ("Pending", 1)] {
        let stage = Stage::new();
        stage.apply(&text(""));
        stage.meddle(|azure| {
            let is_link =
                |it: &&mut Value| it["id"].as_str().unwrap().contains("/privateLinkServices/");
            let link = azure.iter_mut().find(is_link).unwrap();
            link["properties"]["privateEndpointConnections"] = json!([{
                "name": "gone.1",
                "id": format!("{}/privateEndpointConnections/gone.1", link["id"].as_str().unwrap()),
                "properties": {
                    "privateEndpoint": {"id": GONE},
                    "privateLinkServiceConnectionState": {"status": status, "description": ""},
                },
            }]);
        });
        let reject = approval("web", &format!("reject: [{{endpoint: {GONE}}}]"));
        let plan = stage.plan(&text(&reject));
        assert_eq!(plan.steps.len(), steps, "{status}: {:#?}", plan.steps);
        assert!(!has(&plan.findings, "endpoint-refused"), "{:#?}", plan.findings);
    }
}

/// Whatever it reaches: what an alias leads to is not read. An endpoint that is there stays.
#[test]
fn a_delegated_subnet_takes_no_new_endpoint() {
    const ALIAS: &str =
        "target: {alias: web.22222222-2222-2222-2222-222222222222.eastus.azure.privatelinkservice}";
    let services = Service::linked("web").yaml();
    let text = |more: String| format!("{}{services}{more}", stack(""));
    let stage = Stage::new();
    let old = Endpoint::new("old", "web").yaml();
    stage.apply(&text(old.clone()));
    stage.meddle(|azure| {
        let is_it = |it: &&mut Value| {
            it["id"].as_str().unwrap().ends_with("/myOtherVNET/subnets/pe-subnet")
        };
        azure.iter_mut().find(is_it).unwrap()["properties"]["delegations"] =
            json!([{"name": "d", "properties": {"serviceName": "Microsoft.Web/serverFarms"}}]);
    });
    assert!(stage.plan(&text(old.clone())).is_empty());
    let by_alias = Endpoint::new("new", "web").lines(ALIAS).lines("approval: Manual").yaml();
    for new in [Endpoint::new("new", "web").yaml(), by_alias] {
        let plan = stage.plan(&text(format!("{old}{new}")));
        let it = first(&plan.findings, "endpoint-refused");
        assert!(it.message.contains("PrivateEndpointCreationNotAllowedAsSubnetIsDelegated: "));
        assert_eq!(it.severity, Severity::Error);
    }
}

/// The id of a Private Link Service in the group of the nodes.
fn link_id(name: &str) -> String {
    format!(
        "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/mc_myresourcegroup_myakscluster_eastus/\
         providers/Microsoft.Network/privateLinkServices/{name}"
    )
}

#[test]
fn an_id_of_no_private_link_service_in_a_list_that_was_read_is_refused() {
    let web = Service::linked("web").annotation("azure-pls-name", "web-pls").yaml();
    let by_id = |name: &str| {
        Endpoint::new("pe", "web").lines(&format!("target: {{id: {}}}", link_id(name))).yaml()
    };
    let found = findings(&[], &[web.clone(), by_id("web-psl")]);
    let it = first(&found, "endpoint-refused");
    assert!(it.message.contains("web-psl"), "{it:?}");
    let stage = Stage::new();
    let plan = stage.plan(&format!("{}{web}{}", stack(""), by_id("web-pls")));
    assert!(!has(&plan.findings, "endpoint-refused"), "{:#?}", plan.findings);
    // What the plan makes is there before the endpoint is written.
    let of = |address: &str| -> Vec<&Step> {
        plan.steps.iter().filter(|it| it.change.to_string() == address).collect()
    };
    let (service, endpoint) = (of("Service/default/web"), of("PrivateEndpoint/pe")[0]);
    let service: Vec<usize> = service.iter().map(|it| it.id).collect();
    assert!(endpoint.needs.iter().any(|need| service.contains(need)), "{:#?}", plan.steps);
}
