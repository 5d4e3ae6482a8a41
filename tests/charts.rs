//! The traps of docs/charts.md, each on what a chart renders, or on the document that has its values.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here fails the test")]

mod support;

use serde_json::Value;
use support::Workplace;

const PREFIX: &str = "service.beta.kubernetes.io/";

/// What `validate` finds: code, line, and what to do.
fn found(text: &str) -> Vec<(String, u64, String)> {
    let place = Workplace::empty();
    std::fs::write(place.path().join("rendered.yaml"), text).unwrap();
    let shown = place.run("validate -f rendered.yaml -o json").stdout;
    let report: Value = serde_json::from_str(&shown).unwrap();
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    let of = |it: &Value| {
        (text(&it["code"]), it["line"].as_u64().unwrap_or_default(), text(&it["help"]))
    };
    let line = |it: &Value| {
        let mut place = it["place"].as_str().unwrap_or_default().rsplit(':');
        place.nth(1).and_then(|it| it.parse().ok()).unwrap_or_default()
    };
    let diagnostics = report["diagnostics"].as_array().unwrap().iter().map(of);
    let findings = report["findings"].as_array().unwrap().iter();
    let findings = findings.map(|it| (text(&it["code"]), line(it), text(&it["help"])));
    diagnostics.chain(findings).filter(|(code, ..)| code != "skipped-kind").collect()
}

/// A Service as ingress-nginx renders it, with these annotations from line 7 on.
fn rendered(annotations: &str, app_protocol: bool) -> String {
    let app =
        |name: &str| if app_protocol { format!(", appProtocol: {name}") } else { String::new() };
    format!(
        "apiVersion: v1
kind: Service
metadata:
  name: ingress-nginx-controller
  namespace: ingress
  annotations:
{annotations}spec:
  type: LoadBalancer
  ports:
  - {{name: http, port: 80, protocol: TCP, targetPort: http{}}}
  - {{name: https, port: 443, protocol: TCP, targetPort: https{}}}
  selector: {{app.kubernetes.io/name: ingress-nginx}}
",
        app("http"),
        app("https")
    )
}

fn release(values: &str) -> String {
    format!(
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: edge, namespace: edge}}\nspec:\n  \
         values:\n{values}"
    )
}

fn application(helm: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: edge, namespace: argocd}}\nspec:\n  \
         source:\n    helm:\n{helm}"
    )
}

#[track_caller]
fn only(text: &str, code: &str, line: u64, help: &str) {
    let all = found(text);
    assert_eq!(all.len(), 1, "{all:?}\n{text}");
    assert_eq!((all[0].0.as_str(), all[0].1), (code, line), "{all:?}\n{text}");
    assert!(all[0].2.contains(help), "{all:?}");
}

#[test]
fn dots_that_set_splits() {
    let split =
        "service:\n BELOW beta:\n BELOW  kubernetes:\n BELOW   io/azure-pls-create: \"true\"\n";
    let below =
        |indent: &str| format!("{indent}{}", split.replace(" BELOW", &format!("{indent} ")));
    // Traefik and istio write mappings, where nobody refuses to render them.
    let mapping = rendered(&below("    "), false);
    assert_eq!(found(&mapping)[0].0, "annotation-not-text", "{mapping}");
    // ingress-nginx and Kong render text.
    let text = "    service: \"map[beta:map[kubernetes:map[io/azure-pls-create:true]]]\"\n";
    only(&rendered(text, false), "unknown-annotation", 7, "write `\\.` for each dot");
    let values = format!("    service:\n      annotations:\n{}", below("        "));
    only(&release(&values), "annotation-not-text", 8, "split at its dots");
    let path = "controller.service.annotations.service.beta.kubernetes.io/azure-pls-create";
    let parameters = |name: &str| {
        application(&format!(
            "      parameters:\n      - {{name: '{name}', value: \"true\", forceString: true}}\n"
        ))
    };
    only(&parameters(path), "annotation-not-text", 8, "split at its dots");
    let escaped =
        "controller.service.annotations.service\\.beta\\.kubernetes\\.io/azure-pls-create";
    assert_eq!(found(&parameters(escaped)), []);
}

#[test]
fn booleans_without_quotes() {
    let internal = format!("{PREFIX}azure-load-balancer-internal");
    let service = rendered(&format!("    {internal}: true\n"), false);
    only(&service, "annotation-not-text", 7, "");
    let values =
        |value: &str| format!("    service:\n      annotations:\n        {internal}: {value}\n");
    only(&release(&values("true")), "annotation-not-text", 8, "in quotes");
    only(&release(&values("\"True\"")), "internal-not-true", 8, "\"true\"");
    assert_eq!(found(&release(&values("\"true\""))), []);
    let text = |value: &str| {
        application(&format!(
            "      values: |\n        service:\n          annotations:\n            {internal}: {value}\n"
        ))
    };
    only(&text("true"), "annotation-not-text", 10, "in quotes");
    only(&text("\"True\""), "internal-not-true", 10, "\"true\"");
    assert_eq!(found(&text("\"true\"")), []);
    let escaped = "controller.service.annotations.service\\.beta\\.kubernetes\\.io/azure-load-balancer-internal";
    let parameter = application(&format!(
        "      parameters:\n      - {{name: '{escaped}', value: \"true\"}}\n"
    ));
    only(&parameter, "annotation-not-text", 8, "forceString: true");
}

#[test]
fn protocols_of_ports_choose_probes() {
    let internal = format!("    {PREFIX}azure-load-balancer-internal: \"true\"\n");
    let all = found(&rendered(&internal, true));
    assert!(
        !all.is_empty() && all.iter().all(|(code, ..)| code == "probe-without-path"),
        "{all:?}"
    );
    let path =
        format!("{internal}    {PREFIX}azure-load-balancer-health-probe-request-path: /healthz\n");
    assert_eq!(found(&rendered(&path, true)), []);
    assert_eq!(found(&rendered(&internal, false)), []);
}

#[test]
fn ports_of_containers() {
    let port = format!("    {PREFIX}port_8000_health-probe_protocol: tcp\n");
    only(&rendered(&port, false), "annotation-ignored", 7, "80, 443");
}

#[test]
fn the_service_of_a_control_plane() {
    let internal = format!("    {PREFIX}azure-load-balancer-internal: \"true\"\n");
    let service = rendered(&internal, false).replace("type: LoadBalancer", "type: ClusterIP");
    only(&service, "annotation-ignored", 7, "plain LoadBalancer Service");
}

#[test]
fn a_load_balancer_class() {
    let internal = format!("    {PREFIX}azure-load-balancer-internal: \"true\"\n");
    let service = rendered(&internal, false).replace(
        "type: LoadBalancer",
        "type: LoadBalancer\n  loadBalancerClass: example.com/internal",
    );
    only(&service, "annotation-ignored", 7, "plain LoadBalancer Service");
}
