use crate::annotation::PREFIX;
use crate::desired::{Options, resolve};
use crate::diagnostic::Source;
use crate::document::parse;

/// The codes of the problems of a Service with annotations and a spec, in order of place. A spec without
/// ports gets one.
fn codes(annotations: &[(&str, &str)], spec: &str) -> Vec<String> {
    let spec = if spec.contains("ports") {
        spec.to_owned()
    } else {
        spec.replacen('{', "{ports: [{name: http, port: 80}], ", 1)
    };
    let mut text =
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  namespace: default\n  \
                    annotations:\n    other/annotation: x\n"
            .to_owned();
    for (key, value) in annotations {
        let prefix = if key.starts_with("azure-") { PREFIX } else { "" };
        text.push_str(&format!("    {prefix}{key}: {value:?}\n"));
    }
    text.push_str(&format!("spec: {spec}\n"));
    let (_, problems) = resolve(parse(&Source::new("a.yaml", text).unwrap()), &Options::default());
    problems.iter().map(|problem| problem.code.to_string()).collect()
}

const SPEC: &str = "{type: LoadBalancer, ports: [{name: http, port: 80}]}";
const INTERNAL: (&str, &str) = ("azure-load-balancer-internal", "true");
const CREATE: (&str, &str) = ("azure-pls-create", "true");
const GUID: &str = "11111111-2222-3333-4444-555555555555";

#[track_caller]
fn check(annotations: &[(&str, &str)], expected: &[&str]) {
    assert_eq!(codes(annotations, SPEC), expected);
}

#[track_caller]
fn check_spec(annotations: &[(&str, &str)], spec: &str, expected: &[&str]) {
    assert_eq!(codes(annotations, spec), expected);
}

/// Recording 006: the controller's own example of all annotations.
#[test]
fn all_customization_annotations_are_fine() {
    check(
        &[
            INTERNAL,
            CREATE,
            ("azure-pls-name", "myServicePLS"),
            ("azure-pls-ip-configuration-subnet", "pls-subnet"),
            ("azure-pls-ip-configuration-ip-address-count", "2"),
            ("azure-pls-ip-configuration-ip-address", "10.240.0.7 10.240.0.8"),
            ("azure-pls-fqdns", "fqdn1.contoso.com fqdn2.contoso.com"),
            ("azure-pls-proxy-protocol", "true"),
            ("azure-pls-visibility", "*"),
            ("azure-pls-auto-approval", GUID),
        ],
        &[],
    );
}

#[test]
fn unknown_keys_are_reported_if_they_are_meant_for_azure() {
    check(&[INTERNAL, ("azure-pls-crate", "true")], &["unknown-annotation"]);
    check(&[INTERNAL, ("service.kubernetes.io/azure-pls-create", "true")], &["unknown-annotation"]);
    check(&[("service.beta.kubernetes.io/aws-load-balancer-type", "nlb")], &[]);
    check(&[("service.beta.kubernetes.io/port_80_no_probes", "true")], &["unknown-annotation"]);
    // The one key that is compared without regard to case.
    check(&[("azure-load-balancer-configurations", "a, b")], &[]);
}

#[test]
fn annotations_where_they_are_not_read_are_reported() {
    let ignored = &["annotation-ignored"];
    check(&[("azure-load-balancer-internal-subnet", "apps")], ignored);
    check(&[INTERNAL, ("azure-pip-name", "ip")], ignored);
    check(&[("azure-load-balancer-mode", "__auto__")], ignored);
    check(&[("azure-shared-securityrule", "true")], ignored);
    check(&[("service.beta.kubernetes.io/port_81_no_lb_rule", "true")], ignored);
    check(&[("azure-load-balancer-health-probe-request-path", "/x")], ignored);
    check_spec(&[INTERNAL], "{type: ClusterIP}", ignored);
    check_spec(&[INTERNAL], "{type: LoadBalancer, loadBalancerClass: x/y}", ignored);
    let local = "{type: LoadBalancer, externalTrafficPolicy: Local}";
    check_spec(&[("azure-load-balancer-health-probe-protocol", "tcp")], local, ignored);
    // Interval and number hold for the one probe of Local too (recording 122).
    check_spec(&[("azure-load-balancer-health-probe-interval", "7")], local, &[]);
}

/// Recordings 070, 071 and 142.
#[test]
fn private_link_needs_an_internal_ipv4_frontend() {
    check(&[CREATE], &["public-private-link"]);
    // What makes it internal is wrong itself: what follows is not told.
    check(&[("azure-load-balancer-internal", "True"), CREATE], &["internal-not-true"]);
    check(&[CREATE, ("azure-disable-load-balancer-floating-ip", "true")], &[]);
    let only = "{type: LoadBalancer, ipFamilies: [IPv6]}";
    check_spec(&[INTERNAL, CREATE], only, &["ipv6-private-link"]);
    check_spec(
        &[INTERNAL, CREATE],
        "{type: LoadBalancer, ipFamilyPolicy: PreferDualStack, ipFamilies: [IPv6, IPv4]}",
        &[],
    );
}

/// Recordings 033, 037 and 065.
#[test]
fn static_addresses_stay_within_the_count() {
    let two = ("azure-pls-ip-configuration-ip-address", "10.0.0.7 10.0.0.8");
    check(&[INTERNAL, CREATE, two], &["too-many-static-addresses"]);
    let count = ("azure-pls-ip-configuration-ip-address-count", "2");
    check(&[INTERNAL, CREATE, two, count], &[]);
    let same = ("azure-pls-ip-configuration-ip-address", "10.0.0.7 10.0.0.7");
    check(&[INTERNAL, CREATE, same], &[]);
    check(&[INTERNAL, two, count], &["private-link-off"]);
}

/// Recordings 055 to 059.
#[test]
fn who_is_approved_must_see_the_service() {
    let approval = ("azure-pls-auto-approval", GUID);
    let code = "auto-approval-outside-visibility";
    check(&[INTERNAL, CREATE, approval], &[code]);
    check(&[INTERNAL, CREATE, approval, ("azure-pls-visibility", GUID)], &[]);
    check(&[INTERNAL, CREATE, approval, ("azure-pls-visibility", "*")], &[]);
    let anyone = ("azure-pls-auto-approval", "*");
    check(&[INTERNAL, CREATE, anyone], &["auto-approval-wildcard"]);
}

/// Recordings 079, 081 and 136.
#[test]
fn fields_of_the_spec_are_checked_too() {
    let with = |field: &str| format!("{{type: LoadBalancer, {field}}}");
    let deprecated = "deprecated-load-balancer-ip";
    check_spec(&[INTERNAL], &with("loadBalancerIP: 10.0.0.1"), &[deprecated]);
    check_spec(&[INTERNAL], &with("loadBalancerIP: 10.0.0"), &["bad-address", deprecated]);
    check_spec(&[], &with("loadBalancerSourceRanges: [10.0.0.1/8]"), &["bad-cidr"]);
    check_spec(
        &[("azure-allowed-ip-ranges", "10.0.0.0/8")],
        &with("loadBalancerSourceRanges: [10.0.0.0/8]"),
        &["source-ranges-conflict"],
    );
    check_spec(&[], &with("ports: [{port: 80, protocol: SCTP}]"), &["public-sctp"]);
    check_spec(&[INTERNAL], &with("ports: [{port: 80, protocol: SCTP}]"), &[]);
}

/// Recordings 114 to 121.
#[test]
fn probes_are_checked() {
    let (interval, count) = (
        "azure-load-balancer-health-probe-interval",
        "azure-load-balancer-health-probe-num-of-probe",
    );
    check(&[(interval, "4")], &["annotation-out-of-range"]);
    check(&[(interval, "60")], &["annotation-out-of-range"]);
    check(&[(interval, "59"), (count, "2")], &[]);
    let port = "service.beta.kubernetes.io/port_80_health-probe_port";
    check(&[(port, "HTTP")], &[]);
    check(&[(port, "8080")], &[]);
    check(&[(port, "https")], &["unknown-port"]);
}

/// What is said of a Service's text.
fn said(text: &str) -> Vec<String> {
    let (_, problems) = resolve(parse(&Source::new("a.yaml", text).unwrap()), &Options::default());
    let show = |it: &crate::diagnostic::Diagnostic| {
        format!("{}: {} ({})", it.code, it.message, it.help.as_deref().unwrap_or_default())
    };
    problems.iter().map(show).filter(|it| !it.starts_with("skipped-kind")).collect()
}

fn manifest(annotations: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: shop\n  namespace: shop\n  annotations:\n{annotations}\
         spec: {{type: LoadBalancer, ports: [{{port: 80}}]}}\n"
    )
}

/// A port that names its probe's port has a probe of its own under Local, which reads the rest.
#[test]
fn a_port_with_a_probe_port_is_probed_under_local_too() {
    let local = "{type: LoadBalancer, externalTrafficPolicy: Local, ports: [{name: a, port: 80}, {name: b, port: 81}]}";
    let path = ("azure-load-balancer-health-probe-request-path", "/ready");
    let port = ("service.beta.kubernetes.io/port_80_health-probe_port", "9000");
    let protocol = ("service.beta.kubernetes.io/port_80_health-probe_protocol", "http");
    check_spec(&[INTERNAL, path, port, protocol], local, &[]);
    check_spec(&[INTERNAL, path, port], local, &["annotation-ignored"]);
    check_spec(&[INTERNAL, path, protocol], local, &["annotation-ignored", "annotation-ignored"]);
    // With the PROXY protocol, Local is probed like Cluster.
    let proxied = [INTERNAL, CREATE, ("azure-pls-proxy-protocol", "true"), path, protocol];
    check_spec(&proxied, local, &[]);
}

/// High-availability ports have the probe of the first port that has any; a port without a rule has none.
#[test]
fn what_no_probe_hangs_on_is_ignored() {
    let ports = "{type: LoadBalancer, ports: [{name: a, port: 80}, {name: b, port: 81}]}";
    let ha = ("azure-load-balancer-enable-high-availability-ports", "true");
    let of = |port: u16, what: &str| format!("service.beta.kubernetes.io/port_{port}_{what}");
    let (first, second) = (of(80, "health-probe_port"), of(81, "health-probe_port"));
    let ignored = &["annotation-ignored"];
    check_spec(&[INTERNAL, ha, (&first, "9000")], ports, &[]);
    check_spec(&[INTERNAL, ha, (&second, "9000")], ports, ignored);
    check_spec(&[INTERNAL, (&second, "9000")], ports, &[]);
    for switch in ["no_lb_rule", "no_probe_rule"] {
        let off = of(81, switch);
        check_spec(&[INTERNAL, (&off, "true"), (&second, "9000")], ports, ignored);
        check_spec(&[INTERNAL, (&off, "true"), (&first, "9000")], ports, &[]);
    }
}

#[test]
fn a_misspelt_key_is_told_once_and_without_its_consequences() {
    let crate_ = "    service.beta.kubernetes.io/azure-load-balancer-internal: \"true\"\n    \
                  service.beta.kubernetes.io/azure-pls-crate: ";
    let name = "\n    service.beta.kubernetes.io/azure-pls-name: shop-pls\n";
    let found = said(&manifest(&format!("{crate_}\"true\"{name}")));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("did you mean `service.beta.kubernetes.io/azure-pls-create`?"));
    // Without quotes both are told: the value, and the key.
    let found = said(&manifest(&format!("{crate_}true{name}")));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().any(|it| it.contains("did you mean")), "{found:?}");
    assert!(found.iter().any(|it| it.starts_with("annotation-not-text")), "{found:?}");
}

#[test]
fn nothing_follows_from_a_switch_that_is_itself_wrong() {
    let subnet = "    service.beta.kubernetes.io/azure-load-balancer-internal-subnet: apps\n";
    for internal in ["true", "\"True\"", "\"yes\""] {
        let key = "service.beta.kubernetes.io/azure-load-balancer-internal";
        let found = said(&manifest(&format!("    {key}: {internal}\n{subnet}")));
        assert_eq!(found.len(), 1, "{internal}: {found:?}");
    }
}

#[test]
fn keys_split_at_their_dots_are_put_together() {
    let found = said(&manifest(
        "    service:\n      beta:\n        kubernetes:\n          io/azure-load-balancer-internal: \"true\"\n",
    ));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains(
            "`service.beta.kubernetes.io/azure-load-balancer-internal` split at its dots"
        )
    );
    assert!(
        found[0].contains("service\\.beta\\.kubernetes\\.io/azure-load-balancer-internal"),
        "{found:?}"
    );
}

const GATEWAY: &str = "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: edge, namespace: shop}\n\
                       spec:\n  gatewayClassName: istio\n  listeners: [{name: a, port: 443, protocol: TCP}]\n  infrastructure:\n    annotations:\n      \
                       service.beta.kubernetes.io/azure-load-balancer-internal: ";

#[test]
fn annotations_that_a_gateway_passes_on_are_checked_as_a_services() {
    let found = said(&format!("{GATEWAY}\"True\"\n"));
    assert!(found.len() == 1 && found[0].starts_with("internal-not-true"), "{found:?}");
    assert_eq!(said(&format!("{GATEWAY}\"true\"\n")), Vec::<String>::new());
    let ports = "      service.beta.kubernetes.io/port_15021_no_lb_rule: \"true\"\n";
    assert_eq!(said(&format!("{GATEWAY}\"true\"\n{ports}")), Vec::<String>::new());
}

/// Whatever renders a Service: the values of a chart, a custom resource of a gateway, AKS's application routing.
#[test]
fn annotations_that_other_documents_pass_on_are_checked_wherever_they_stand() {
    let documents = [
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: edge, namespace: edge}\nspec:\n  \
         values:\n    controller:\n      service:\n        annotations:\n          ",
        "apiVersion: approuting.kubernetes.azure.com/v1alpha1\nkind: NginxIngressController\nmetadata: {name: edge}\n\
         spec:\n  loadBalancerAnnotations:\n          ",
        "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyProxy\nmetadata: {name: edge}\nspec:\n  provider:\n    \
         kubernetes:\n      envoyService:\n        annotations:\n          ",
        "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nmetadata: {name: edge}\nspec:\n  components:\n    \
         ingressGateways:\n    - k8s:\n        serviceAnnotations:\n          ",
    ];
    let internal = "service.beta.kubernetes.io/azure-load-balancer-internal: ";
    for document in documents {
        let found = said(&format!("{document}{internal}\"True\"\n"));
        assert!(found.len() == 1 && found[0].starts_with("internal-not-true"), "{found:?}");
        let found = said(&format!("{document}{internal}True\n"));
        assert!(found.len() == 1 && found[0].starts_with("annotation-not-text"), "{found:?}");
        let found = said(&format!(
            "{document}service.beta.kubernetes.io/azure-load-balancer-internl: \"true\"\n"
        ));
        assert!(found.len() == 1 && found[0].starts_with("unknown-annotation"), "{found:?}");
        // What goes with others may stand elsewhere: the chart's own values, another layer.
        let alone = "service.beta.kubernetes.io/azure-load-balancer-internal-subnet: apps-subnet\n";
        assert_eq!(said(&format!("{document}{alone}")), Vec::<String>::new());
    }
    let own = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: web\n  annotations:\n    ";
    assert_eq!(said(&format!("{own}{internal}\"True\"\n")), Vec::<String>::new());
}

#[test]
fn the_mesh_of_aks_may_make_a_missing_service() {
    let endpoint = "apiVersion: privlink.dev/v1alpha1\nkind: PrivateEndpoint\nmetadata: {name: pe}\nspec:\n  \
                    resourceGroup: rg\n  subnet: {virtualNetwork: vnet, name: pe}\n  target: {service: {namespace: \
                    aks-istio-ingress, name: aks-istio-ingressgateway-internal}}\n";
    let found = said(endpoint);
    assert!(found.len() == 1 && found[0].contains("Istio add-on"), "{found:?}");
}

#[test]
fn a_service_that_a_gateway_may_make_is_missing_with_a_way_out() {
    let endpoint = "---\napiVersion: privlink.dev/v1alpha1\nkind: PrivateEndpoint\nmetadata: {name: pe}\nspec:\n  \
                    resourceGroup: rg\n  subnet: {virtualNetwork: vnet, name: pe}\n  \
                    target: {service: {namespace: shop, name: edge-gateway}}\n";
    let gateway = GATEWAY.replace("istio", "cilium");
    let found = said(&format!("{gateway}\"true\"\n{endpoint}"));
    assert!(found.len() == 2 && found[1].starts_with("missing-service"), "{found:?}");
    assert!(
        found[1].contains("Gateway `edge`") && found[1].contains("services: external"),
        "{found:?}"
    );
    let found = said(&format!("{GATEWAY}\"true\"\n{endpoint}"));
    assert!(
        found.len() == 1
            && found[0].contains("the Gateway `shop/edge` makes the Service `shop/edge-istio`"),
        "{found:?}"
    );
}

#[test]
fn addresses_that_do_not_go_with_the_rest_are_told() {
    check(&[INTERNAL, ("azure-load-balancer-ipv4", "20.51.7.9")], &["bad-address"]);
    check(&[("azure-load-balancer-ipv4", "20.51.7.9")], &[]);
    let address = ("azure-load-balancer-ipv4", "10.240.0.9");
    check(
        &[INTERNAL, address, ("azure-load-balancer-configurations", "a")],
        &["annotation-ignored"],
    );
    let found =
        said(&manifest("    service.beta.kubernetes.io/azure-load-balancer-pip-name: shop\n"));
    assert!(
        found[0].contains("did you mean `service.beta.kubernetes.io/azure-pip-name`?"),
        "{found:?}"
    );
}
