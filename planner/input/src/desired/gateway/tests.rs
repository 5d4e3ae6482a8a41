use super::*;
use crate::desired::{Desired, Options, resolve};
use crate::diagnostic::Source;
use crate::document::parse;

const INTERNAL: &str = "service.beta.kubernetes.io/azure-load-balancer-internal";
const LINK: &str = "service.beta.kubernetes.io/azure-pls-create";

fn read(text: &str) -> (Desired, Vec<String>) {
    let source = Source::new("gateway.yaml", text).unwrap();
    let (desired, problems) = resolve(parse(&source), &Options::default());
    let show = |it: &Diagnostic| {
        let place = it.place().unwrap();
        format!(
            "{}:{} {} {}: {}",
            place.line,
            place.column,
            it.severity.as_str(),
            it.code,
            it.message
        )
    };
    (desired, problems.iter().map(show).collect())
}

/// A Gateway whose annotations begin on line 7.
fn gateway(class: &str, annotations: &[(&str, &str)]) -> String {
    let annotations = annotations.iter().map(|(key, value)| format!("      {key}: {value}\n"));
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: edge, namespace: shop}}\nspec:\n  \
         infrastructure:\n    annotations:\n{}  gatewayClassName: {class}\n  listeners:\n  - {{name: tcp, port: 443, \
         protocol: TCP}}\n",
        annotations.collect::<String>()
    )
}

fn endpoint(namespace: &str, service: &str) -> String {
    format!(
        "---\napiVersion: privlink.dev/v1alpha1\nkind: PrivateEndpoint\nmetadata: {{name: pe}}\nspec:\n  resourceGroup: rg\n  \
         subnet: {{virtualNetwork: vnet, name: pe}}\n  target: {{service: {{namespace: {namespace}, name: {service}}}}}\n"
    )
}

const CLASS: &str = "---\napiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: public}\nspec:\n  \
                     controllerName: gateway.envoyproxy.io/gatewayclass-controller\n  parametersRef: {group: \
                     gateway.envoyproxy.io, kind: EnvoyProxy, name: proxy, namespace: envoy-gateway-system}\n";

#[test]
fn a_gateway_is_a_service_that_endpoints_reach() {
    let text = gateway("approuting-istio", &[(INTERNAL, "\"true\""), (LINK, "\"true\"")]);
    let (desired, problems) = read(&(text + &endpoint("shop", "edge-approuting-istio")));
    assert_eq!(problems, Vec::<String>::new());
    let service = &desired.services[&Key::new("shop", "edge-approuting-istio")];
    let by = service.made_by.as_ref().unwrap();
    assert_eq!((&by.gateway, by.tool.to_string()), (&Key::new("shop", "edge"), "istio".to_owned()));
    assert_eq!(service.annotation(LINK).unwrap().span.place().line, 8);
    assert_eq!(service.span.place().line, 3);
    assert_eq!(service.spec.ports[1].port.as_ref().unwrap().span.place().line, 11);
}

#[test]
fn what_is_wrong_with_a_service_of_a_gateway_is_shown_at_the_gateways_line() {
    let (_, problems) = read(&gateway("istio", &[(INTERNAL, "\"True\"")]));
    assert!(problems[0].starts_with("7:"), "{problems:?}");
    assert!(problems.len() == 1 && problems[0].contains("error internal-not-true"), "{problems:?}");
    let (_, problems) = read(&gateway("istio", &[(INTERNAL, "true")]));
    assert!(
        problems.len() == 1 && problems[0].contains("error annotation-not-text"),
        "{problems:?}"
    );
    let port = "service.beta.kubernetes.io/port_8443_no_lb_rule";
    let (_, problems) = read(&gateway("istio", &[(INTERNAL, "\"true\""), (port, "\"true\"")]));
    assert!(problems.len() == 1 && problems[0].contains("has no port 8443"), "{problems:?}");
}

#[test]
fn an_envoy_proxy_gives_annotations_and_says_where_they_stand() {
    let proxy = format!(
        "---\napiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyProxy\nmetadata: {{name: proxy, namespace: \
         envoy-gateway-system}}\nspec:\n  provider:\n    kubernetes:\n      envoyService:\n        annotations:\n          \
         {INTERNAL}: \"True\"\n        loadBalancerClass: mine\n"
    );
    let text = gateway("public", &[]).replace("    annotations:\n", "    labels: {a: b}\n") + CLASS;
    let (desired, problems) = read(&(text.clone() + &proxy));
    let service = desired.services.values().next().unwrap();
    assert_eq!(service.name.to_string(), "envoy-gateway-system/envoy-shop-edge-3788f37a");
    assert!(service.made_by.as_ref().unwrap().is_whole);
    assert!(problems.iter().any(|it| it.contains("with a load balancer class")), "{problems:?}");
    let (desired, problems) = read(&text);
    assert!(!desired.services.values().next().unwrap().made_by.as_ref().unwrap().is_whole);
    assert!(
        problems.len() == 1
            && problems[0].contains("note gateway-assumed")
            && problems[0].contains("EnvoyProxy `proxy`"),
        "{problems:?}"
    );
}

/// Documents are asked for only where they are missing.
#[test]
fn what_is_assumed_though_all_documents_are_there_asks_for_none() {
    let text = gateway("public", &[(INTERNAL, "\"true\"")]);
    let help = |text: &str| {
        let documents = parse(&Source::new("a.yaml", text).unwrap());
        let (_, problems) = resolve(documents, &Options::default());
        let mut found = problems.into_iter().filter(|it| it.code == super::GATEWAY_ASSUMED);
        found.next().unwrap().help.unwrap()
    };
    let class = CLASS.split("  parametersRef").next().unwrap();
    assert!(help(&format!("{text}{class}")).starts_with("nothing is to do"));
    assert!(help(&format!("{text}{CLASS}")).starts_with("add its GatewayClass"));
}

#[test]
fn where_envoy_gateway_runs_a_reference_says() {
    let text = gateway("public", &[(INTERNAL, "\"true\""), (LINK, "\"true\"")]);
    let class = CLASS.split("  parametersRef").next().unwrap();
    let (desired, problems) = read(&format!("{text}{class}"));
    assert!(problems.len() == 1 && problems[0].contains("`envoy-gateway-system`"), "{problems:?}");
    let name = desired.services.keys().next().unwrap().name.clone();
    let (desired, problems) = read(&format!("{text}{class}{}", endpoint("gateways", &name)));
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(desired.services.keys().next().unwrap().namespace, "gateways");
}

#[test]
fn what_is_not_known_of_a_class_is_said_and_not_guessed() {
    let (desired, problems) = read(&gateway("cilium", &[(INTERNAL, "\"true\"")]));
    assert!(desired.services.is_empty());
    assert!(problems.len() == 1 && problems[0].contains("warning gateway-unknown"), "{problems:?}");
    let (_, problems) = read(&gateway("cilium", &[("a", "b")]));
    assert!(problems.len() == 1 && problems[0].contains("note gateway-unknown"), "{problems:?}");
    let (desired, problems) = read(&gateway("azure-alb-external", &[("a", "b")]));
    assert_eq!((desired.services.len(), problems), (0, Vec::new()));
}

#[test]
fn a_service_that_is_written_counts_and_is_still_the_controllers() {
    let written = "---\napiVersion: v1\nkind: Service\nmetadata: {name: edge-istio, namespace: shop}\nspec: {type: LoadBalancer, \
                   ports: [{port: 80}]}\n";
    let (desired, problems) = read(&(gateway("istio", &[("a", "b")]) + written));
    assert_eq!(problems, Vec::<String>::new());
    let service = desired.services.values().next().unwrap();
    assert_eq!(service.spec.ports.len(), 1);
    assert!(service.made_by.is_some());
}

#[test]
fn annotations_of_the_gateway_itself_reach_no_service_of_those_who_do_not_copy_them() {
    let own = |class: &str| {
        format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata:\n  name: edge\n  namespace: shop\n  \
             annotations:\n    {INTERNAL}: \"true\"\nspec:\n  gatewayClassName: {class}\n  listeners:\n  - {{name: tcp, \
             port: 443, protocol: TCP}}\n"
        )
    };
    let (desired, problems) = read(&own("istio"));
    assert_eq!(problems, Vec::<String>::new());
    assert!(desired.services.values().next().unwrap().annotation(INTERNAL).is_some());
    let (_, problems) = read(&own("nginx"));
    let ignored = problems.iter().find(|it| it.contains("annotation-ignored")).unwrap();
    assert!(ignored.starts_with("7:5"), "{problems:?}");
}

#[test]
fn what_istio_lays_over_a_service_is_read_from_config_maps() {
    let map = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: options, namespace: shop}\ndata:\n  service: |\n    \
               spec:\n      externalTrafficPolicy: Local\n";
    let text = gateway("istio", &[("a", "b")]).replace(
        "  infrastructure:\n",
        "  infrastructure:\n    parametersRef: {group: \"\", kind: ConfigMap, name: options}\n",
    );
    let (desired, _) = read(&(text.clone() + map));
    let service = desired.services.values().next().unwrap();
    assert_eq!(service.manifest["spec"]["externalTrafficPolicy"], "Local");
    let (_, problems) = read(&text);
    assert!(
        problems[0].contains("the ConfigMap `options`, which the input has not"),
        "{problems:?}"
    );
    let class = map.replace(
        "namespace: shop",
        "namespace: istio-system, labels: {gateway.istio.io/defaults-for-class: istio}",
    );
    let (desired, _) = read(&(gateway("istio", &[("a", "b")]) + &class));
    let service = desired.services.values().next().unwrap();
    assert_eq!(service.manifest["spec"]["externalTrafficPolicy"], "Local");
}
