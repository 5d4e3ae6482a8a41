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

/// The severities and codes of the problems of a Service, on a cluster with pinned facts.
fn severities(facts: &str, annotations: &[(&str, &str)], spec: &str) -> Vec<String> {
    let key = |key: &str| format!("{PREFIX}{key}");
    let annotations: Vec<_> =
        annotations.iter().map(|(name, value)| format!("{}: {value:?}", key(name))).collect();
    let text = format!(
        "apiVersion: privlink.dev/v1alpha1\nkind: Stack\nmetadata: {{name: shop}}\nspec: {{subscription: {GUID}, \
         resourceGroup: rg, cluster: aks, facts: {{{facts}}}}}\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: web, \
         namespace: default, annotations: {{{}}}}}\nspec: {spec}\n",
        annotations.join(", ")
    );
    let (_, problems) = resolve(parse(&Source::new("a.yaml", text).unwrap()), &Options::default());
    problems.iter().map(|it| format!("{:?} {}", it.severity, it.code)).collect()
}

/// The controller computes the time of each port that it probes, from the port's own values first.
#[test]
fn probes_take_too_long_only_where_a_port_is_probed_so() {
    let interval = ("azure-load-balancer-health-probe-interval", "60");
    let own = |value| ("port_80_health-probe_interval", value);
    let ignored = "Warning annotation-ignored".to_owned();
    let refused = "Error annotation-out-of-range".to_owned();
    let udp = "{type: LoadBalancer, ports: [{name: dns, port: 80, protocol: UDP}]}";
    let two = "{type: LoadBalancer, ports: [{name: a, port: 80}, {name: b, port: 81}]}";
    let local = "{type: LoadBalancer, externalTrafficPolicy: Local, ports: [{name: a, port: 80}]}";
    for (facts, annotations, spec, expected) in [
        ("", vec![interval], SPEC, vec![refused.clone()]),
        ("", vec![own("60")], SPEC, vec![refused.clone()]),
        ("", vec![interval, own("5")], SPEC, vec![ignored.clone()]),
        ("", vec![interval, own("5")], two, vec![refused.clone()]),
        ("", vec![interval], udp, vec![ignored.clone()]),
        ("", vec![interval, ("port_80_no_probe_rule", "true")], SPEC, vec![ignored.clone()]),
        ("healthProbeMode: shared", vec![interval], SPEC, vec![]),
        ("healthProbeMode: shared", vec![interval], local, vec![refused.clone()]),
    ] {
        let annotations = [vec![("azure-load-balancer-internal", "true")], annotations].concat();
        assert_eq!(severities(facts, &annotations, spec), expected, "{facts} {annotations:?}");
    }
}

#[test]
fn what_basic_load_balancers_read_is_no_mistake_with_them() {
    let mode = [INTERNAL, ("azure-load-balancer-mode", "pool1")];
    assert_eq!(severities("loadBalancerSku: basic", &mode, SPEC), [""; 0]);
    for facts in ["", "loadBalancerSku: standard"] {
        assert_eq!(severities(facts, &mode, SPEC), ["Warning annotation-ignored"]);
    }
}

#[test]
fn addresses_of_a_family_that_the_service_has_not_are_told() {
    let six = ("azure-load-balancer-ipv6", "fd00::5");
    let four = ("azure-load-balancer-ipv4", "10.0.0.5");
    let named = ("azure-pip-name-ipv6", "mine");
    let ignored = ["Warning annotation-ignored"].as_slice();
    let none: &[&str] = &[];
    let of = |fields: &str| SPEC.replacen('{', &format!("{{{fields}, "), 1);
    let two = "ipFamilies: [IPv4, IPv6]";
    let several = "loadBalancers: [{name: kubernetes}, {name: two}]";
    for (facts, annotations, spec, expected) in [
        ("", vec![INTERNAL, six], of("ipFamilies: [IPv4]"), ignored),
        ("", vec![INTERNAL, six], of("ipFamilies: [IPv4], ipFamilyPolicy: SingleStack"), ignored),
        ("", vec![INTERNAL, four], of("ipFamilies: [IPv6]"), ignored),
        ("", vec![named], of("ipFamilies: [IPv4]"), ignored),
        ("ipFamilies: [IPv4]", vec![INTERNAL, six], SPEC.to_owned(), ignored),
        (two, vec![INTERNAL, six], of("ipFamilyPolicy: SingleStack"), ignored),
        (two, vec![INTERNAL, six], of("ipFamilyPolicy: PreferDualStack"), none),
        // Which family a cluster has first is not known here.
        ("", vec![INTERNAL, six], SPEC.to_owned(), none),
        ("", vec![INTERNAL, six], of("ipFamilies: [IPv6]"), none),
        (several, vec![INTERNAL, six], of("ipFamilies: [IPv4]"), none),
    ] {
        assert_eq!(severities(facts, &annotations, &spec), expected, "{facts} {spec}");
    }
}

#[test]
fn values_that_no_port_reads_are_no_errors() {
    let ignored = ["Warning annotation-ignored"];
    let own = ("port_80_health-probe_interval", "5");
    for value in ["3", "abc"] {
        let of_all = ("azure-load-balancer-health-probe-interval", value);
        assert_eq!(severities("", &[INTERNAL, of_all, own], SPEC), ignored);
        assert_eq!(severities("", &[INTERNAL, of_all], SPEC), ["Error annotation-out-of-range"]);
    }
    let off = ("port_80_no_probe_rule", "true");
    assert_eq!(
        severities("", &[INTERNAL, off, ("port_80_health-probe_port", "none")], SPEC),
        ignored
    );
}

/// With one rule for all ports the controller passes over what is wrong with a port's probe.
#[test]
fn one_rule_for_all_ports_goes_without_a_probe_that_is_wrong() {
    let all = ("azure-load-balancer-enable-high-availability-ports", "true");
    for value in ["3", "60"] {
        let wrong = ("azure-load-balancer-health-probe-interval", value);
        let found = severities("", &[INTERNAL, all, wrong], SPEC);
        assert_eq!(found, ["Warning annotation-out-of-range"], "{value}");
    }
    let port = ("port_80_health-probe_port", "none");
    assert_eq!(severities("", &[INTERNAL, all, port], SPEC), ["Warning unknown-port"]);
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

/// One rule serves all ports, with the probe of the first port that has one.
#[test]
fn what_one_rule_for_all_ports_does_not_read_is_told() {
    let all = ("azure-load-balancer-enable-high-availability-ports", "true");
    let two = "{type: LoadBalancer, ports: [{name: a, port: 443}, {name: b, port: 80}]}";
    let local = two.replace("ports:", "externalTrafficPolicy: Local, ports:");
    let first_udp = two.replace("port: 443", "port: 443, protocol: UDP");
    let path = ("port_80_health-probe_request-path", "/x");
    let http = ("port_80_health-probe_protocol", "http");
    for (annotation, spec, ignored) in [
        (("azure-disable-load-balancer-floating-ip", "true"), two, 1),
        (("port_443_no_lb_rule", "true"), two, 1),
        (("port_443_no_probe_rule", "true"), two, 1),
        (("port_443_health-probe_protocol", "http"), two, 0),
        (http, two, 1),
        (http, &first_udp, 0),
        (("port_80_health-probe_port", "9000"), &local, 1),
    ] {
        let with = severities("", &[INTERNAL, all, annotation], spec);
        assert_eq!(with, vec!["Warning annotation-ignored"; ignored], "{annotation:?} {spec}");
    }
    assert_eq!(severities("", &[INTERNAL, all, path, http], &first_udp), [""; 0]);
    // Without high-availability ports, all of them are read.
    let each = [INTERNAL, path, http, ("azure-disable-load-balancer-floating-ip", "true")];
    assert_eq!(severities("", &each, two), [""; 0]);
    assert_eq!(severities("", &[INTERNAL, ("port_443_no_probe_rule", "true")], two), [""; 0]);
}

/// Such a probe asks by TCP unless another protocol is given: that, not Local, makes its path ineffective.
#[test]
fn a_path_for_a_probe_port_under_local_wants_a_protocol() {
    let with =
        |annotations: &str| {
            let text = manifest(annotations);
            said(&text.replace(
                "type: LoadBalancer,",
                "type: LoadBalancer, externalTrafficPolicy: Local,",
            ))
        };
    let prefix = "    service.beta.kubernetes.io/";
    let port = format!("{prefix}port_80_health-probe_port: \"15021\"\n");
    let path = format!("{prefix}port_80_health-probe_request-path: /ready\n");
    let found = with(&format!("{port}{path}"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("on TCP probes"), "{found:?}");
    assert!(found[0].contains("port_80_health-probe_protocol: \"Http\""), "{found:?}");
    let of_all = format!("{prefix}azure-load-balancer-health-probe-request-path: /ready\n");
    let found = with(&format!("{of_all}{port}"));
    assert!(found.len() == 1 && found[0].contains("on TCP probes"), "{found:?}");
    let found = with(&path);
    assert!(found.len() == 1 && found[0].contains("externalTrafficPolicy Local"), "{found:?}");
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
