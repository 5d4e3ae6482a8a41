//! What the cluster's own set-up makes of a Service.

use crate::annotation::{PREFIX, keys};
use crate::desired::MESH_NAMESPACE;
use crate::facts::{BackendPoolType, Fact, Origin, OutboundType};
use crate::plan::Finding;
use crate::rule::{self, At, Example, basis, rules};
use privlink_model::annotation::CONFIGURATIONS;

use super::{Check, Subject};

/// With routes of one's own, replies to what comes in by a public frontend leave by the firewall, which has not seen
/// the connection begin and drops them.
fn public_behind_firewall(subject: &Subject<'_>) -> Option<Finding> {
    let service = subject.prediction.services.get(&subject.outcome.service)?;
    let is_internal = service.annotations.get(keys::INTERNAL).is_some_and(|it| it == "true");
    let routed = subject.facts.outbound_type == OutboundType::UserDefinedRouting;
    (routed && !is_internal && service.wants_load_balancer() && subject.outcome.error.is_none())
        .then(|| {
            subject.finding(
                PUBLIC_BEHIND_FIREWALL,
                "azure-load-balancer-internal",
                "its load balancer is public, and the cluster's outbound type is userDefinedRouting: replies leave by \
                 the subnet's routes, and a firewall there drops those of connections it has not seen begin"
                    .to_owned(),
                "Make the Service internal and let the firewall pass connections on to it (DNAT), or route replies to \
                 clients past the firewall.",
            )
        })
}

/// The add-on's own gateways are re-created when the mesh is upgraded to another revision.
fn mesh_gateway(subject: &Subject<'_>) -> Option<Finding> {
    let key = &subject.outcome.service;
    let is_gateway =
        key.namespace == MESH_NAMESPACE && key.name.starts_with("aks-istio-ingressgateway");
    let link = subject.link_after()?;
    (subject.facts.istio_add_on && is_gateway).then(|| {
        subject.finding(
            MESH_GATEWAY,
            "azure-pls-create",
            format!(
                "AKS's Istio add-on writes this Service, and creates it again when the mesh moves to \
                 another revision: its Private Link Service {} is then re-created, and its consumers \
                 are disconnected",
                link.name()
            ),
            "Put the Private Link Service on a Service of one's own with the gateway's selector.",
        )
    })
}

/// A controller of container native load balancers, whose backends are pods, refuses internal Services
/// (`AdmitInboundService` of cloud-provider-azure's servicegateway; the annotation in any case).
fn internal_rejected(subject: &Subject<'_>) -> Option<Finding> {
    let says_internal = subject
        .annotation("azure-load-balancer-internal")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let is_native = subject.facts.backend_pool_type == BackendPoolType::PodIp;
    (is_native && says_internal).then(|| {
        subject.finding(
            INTERNAL_REJECTED,
            "azure-load-balancer-internal",
            "the cluster's load balancers are container native (backend pool type podIP), and its controller refuses \
             internal Services"
                .to_owned(),
            "Use a cluster whose backend pool type is nodeIPConfiguration, AKS's default, or take the annotation away: the \
             Service is public then.",
        )
    })
}

/// In the shared mode the controller asks kube-proxy once for all Services of policy Cluster (`useSharedProbe`), and
/// reads nothing that a Service says of probes.
fn probes_are_shared(subject: &Subject<'_>) -> Option<Finding> {
    if !subject.facts.is_probe_shared() || subject.is_local() {
        return None;
    }
    let is_about_probes = |key: &str| key.starts_with(PREFIX) && key.contains("health-probe");
    unread(
        subject,
        is_about_probes,
        "with the cluster's health probe mode shared: kube-proxy is asked for all Services of policy Cluster",
    )
}

/// With one load balancer there is nothing to choose.
fn one_load_balancer(subject: &Subject<'_>) -> Option<Finding> {
    let facts = subject.facts;
    let is_known = facts.source(Fact::LoadBalancerConfigurations) != Origin::Assumed;
    if facts.has_several_load_balancers() || !is_known {
        return None;
    }
    let chooses = |key: &str| key.eq_ignore_ascii_case(CONFIGURATIONS);
    unread(subject, chooses, "on a cluster with one load balancer")
}

/// Annotations of a Service that the controller does not read.
fn unread(subject: &Subject<'_>, is_unread: impl Fn(&str) -> bool, why: &str) -> Option<Finding> {
    let annotations = subject.service.annotations.iter();
    let unread: Vec<_> = annotations.filter(|(key, _)| is_unread(key)).collect();
    let (_, first) = unread.iter().min_by_key(|(_, annotation)| &annotation.key)?;
    let names: Vec<&str> =
        unread.iter().map(|(key, _)| key.strip_prefix(PREFIX).unwrap_or(key)).collect();
    let verb = if names.len() == 1 { "has" } else { "have" };
    Some(subject.finding_at(
        rule::ANNOTATION_IGNORED,
        &first.key,
        format!("{} {verb} no effect {why}", names.join(", ")),
        "Remove what has no effect.",
    ))
}

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
    public_behind_firewall,
    mesh_gateway,
    internal_rejected,
    probes_are_shared,
    one_load_balancer,
];

rules! {
    /// The Service is public on a cluster whose outbound type is `userDefinedRouting`. What comes in by the load
    /// balancer is answered by the subnet's routes, mostly through a firewall that has not seen the connection begin
    /// and drops the answer.
    PUBLIC_BEHIND_FIREWALL = "public-behind-firewall", Warning, [Desired, Live, Predicted], {
        basis: basis::documented("asymmetric routing of clusters with routes of their own", basis::link::EGRESS),
        advice: "Make the Service internal, with a DNAT rule of the firewall to it.",
        example: Example::new(
            At::File,
            r#"
            apiVersion: privlink.dev/v1alpha1
            kind: Stack
            metadata: {name: shop}
            spec:
              subscription: 00000000-0000-0000-0000-000000000000
              resourceGroup: myResourceGroup
              cluster: myAKSCluster
              facts: {outboundType: userDefinedRouting}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: web, namespace: default}
            spec: {type: LoadBalancer, ports: [{port: 80}], selector: {app: web}}
            "#,
            r#"
            apiVersion: privlink.dev/v1alpha1
            kind: Stack
            metadata: {name: shop}
            spec:
              subscription: 00000000-0000-0000-0000-000000000000
              resourceGroup: myResourceGroup
              cluster: myAKSCluster
              facts: {outboundType: loadBalancer}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: web, namespace: default}
            spec: {type: LoadBalancer, ports: [{port: 80}], selector: {app: web}}
            "#,
        ),
    }

    /// The Service is internal, on a cluster whose load balancers are container native: pods are their backends, and the
    /// controller refuses internal Services. Nothing is made of it, no Private Link Service either.
    INTERNAL_REJECTED = "internal-rejected", Error, [Desired, Live, Predicted], {
        basis: basis::documented("AdmitInboundService, the controller's source", basis::link::BALANCER),
        advice: "Use a cluster whose backend pool type is `nodeIPConfiguration`, AKS's default.",
        example: Example::new(
            At::File,
            r#"
            apiVersion: privlink.dev/v1alpha1
            kind: Stack
            metadata: {name: shop}
            spec:
              subscription: 00000000-0000-0000-0000-000000000000
              resourceGroup: myResourceGroup
              cluster: myAKSCluster
              facts: {backendPoolType: podIP}
            ---
            apiVersion: v1
            kind: Service
            metadata:
              name: web
              namespace: default
              annotations: {service.beta.kubernetes.io/azure-load-balancer-internal: "true"}
            spec: {type: LoadBalancer, ports: [{port: 80}], selector: {app: web}}
            "#,
            r#"
            apiVersion: privlink.dev/v1alpha1
            kind: Stack
            metadata: {name: shop}
            spec:
              subscription: 00000000-0000-0000-0000-000000000000
              resourceGroup: myResourceGroup
              cluster: myAKSCluster
              facts: {backendPoolType: nodeIPConfiguration}
            ---
            apiVersion: v1
            kind: Service
            metadata:
              name: web
              namespace: default
              annotations: {service.beta.kubernetes.io/azure-load-balancer-internal: "true"}
            spec: {type: LoadBalancer, ports: [{port: 80}], selector: {app: web}}
            "#,
        ),
    }

    /// The Service is a gateway of AKS's Istio add-on, which creates its gateways again when the mesh
    /// moves to another revision. A Private Link Service on one is then re-created.
    MESH_GATEWAY = "mesh-gateway", Warning, [Desired, Live, Predicted], {
        basis: basis::documented("gateways of the Istio add-on belong to a revision", basis::link::MESH),
        advice: "Make a Service of your own with the gateway's selector, and put the Private Link Service on that.",
        example: Example::new(
            At::File,
            r#"
            apiVersion: privlink.dev/v1alpha1
            kind: Stack
            metadata: {name: shop}
            spec:
              subscription: 00000000-0000-0000-0000-000000000000
              resourceGroup: myResourceGroup
              cluster: myAKSCluster
              facts: {istioAddOn: true}
            ---
            apiVersion: v1
            kind: Service
            metadata:
              name: aks-istio-ingressgateway-internal
              namespace: aks-istio-ingress
              annotations:
                service.beta.kubernetes.io/azure-load-balancer-internal: "true"
                service.beta.kubernetes.io/azure-pls-create: "true"
            spec: {type: LoadBalancer, ports: [{port: 80}], selector: {istio: aks-istio-ingressgateway-internal}}
            "#,
            r#"
            apiVersion: privlink.dev/v1alpha1
            kind: Stack
            metadata: {name: shop}
            spec:
              subscription: 00000000-0000-0000-0000-000000000000
              resourceGroup: myResourceGroup
              cluster: myAKSCluster
              facts: {istioAddOn: true}
            ---
            apiVersion: v1
            kind: Service
            metadata:
              name: gateway
              namespace: default
              annotations:
                service.beta.kubernetes.io/azure-load-balancer-internal: "true"
                service.beta.kubernetes.io/azure-pls-create: "true"
            spec: {type: LoadBalancer, ports: [{port: 80}], selector: {istio: aks-istio-ingressgateway-internal}}
            "#,
        ),
    }
}
