//! The Services that Gateways of the input come to: whose class is whose, which parameters count, and what is not known.

mod service;

use std::collections::{BTreeMap, BTreeSet};

use privlink_model::gateway::{self, Controller, Given, Made};
use privlink_model::kubernetes::managers::Tool;

use super::Service;
use crate::desired::annotation::is_azures;
use crate::diagnostic::{Diagnostic, Span};
use crate::document::{Gateway, GatewayClass, Gateways, Http3, Parameters, ParametersRef};
use crate::kubernetes::service::Key;
use crate::rule::{At, Example, Severity, basis, rules};

/// What made a Service of the input: a Gateway, by its controller.
#[derive(Clone, Debug, PartialEq)]
pub struct MadeBy {
    /// The Gateway.
    pub gateway: Key,
    /// The controller's name.
    pub controller: &'static str,
    /// The controller as a writer of Services.
    pub tool: Tool,
    /// Whether all that decides about the Service is in the input: its class, its parameters.
    pub is_whole: bool,
    /// The ports of its listeners, which an edit of the Gateway moves; others are the controller's.
    pub listeners: BTreeSet<i64>,
}

/// A Gateway with its own namespace.
pub(super) struct Named {
    /// Its namespace and name.
    pub(super) key: Key,
    /// As written.
    pub(super) gateway: Gateway,
}

/// What Services are made of.
struct Ground<'a> {
    classes: &'a [GatewayClass],
    parameters: &'a [Parameters],
    http3: &'a [Http3],
    /// The Services that documents refer to.
    references: &'a BTreeSet<Key>,
    problems: &'a mut Vec<Diagnostic>,
}

/// What comes of Gateways: their Services beside those that are written, which count where both are there. `references` are
/// the Services that endpoints and approvals name.
pub(super) fn derive(
    named: &[Named],
    all: &Gateways,
    references: &BTreeSet<Key>,
    services: &mut BTreeMap<Key, Service>,
    problems: &mut Vec<Diagnostic>,
) {
    let Gateways { classes, parameters, http3, .. } = all;
    let mut ground = Ground { classes, parameters, http3, references, problems };
    for named in named {
        let Some(made) = ground.make(named) else { continue };
        let by = made.made_by.clone();
        // A name with a hash is nobody else's, in whatever namespace its controller makes it.
        let is_hashed = by.as_ref().is_some_and(|it| it.gateway.namespace != made.name.namespace);
        let elsewhere = services.keys().find(|key| is_hashed && key.name == made.name.name);
        let at = elsewhere.cloned().unwrap_or_else(|| made.name.clone());
        match services.get_mut(&at) {
            Some(written) => written.made_by = by,
            None => {
                services.insert(made.name.clone(), made);
            }
        }
    }
}

impl<'a> Ground<'a> {
    fn make(&mut self, named: &Named) -> Option<Service> {
        let gateway = &named.gateway;
        let class = self.classes.iter().find(|it| it.name.value == gateway.class.value);
        let controller_name = class.map(|it| it.controller.value.as_str());
        if gateway::makes_none(&gateway.class, controller_name) {
            return None;
        }
        let Some(controller) = gateway::controller(&gateway.class, controller_name) else {
            let class = &gateway.class.value;
            self.unknown(gateway, &format!("privlink knows no controller of the class `{class}`"));
            return None;
        };
        if self.is_http3(named, controller) {
            self.unknown(gateway, "a ClientTrafficPolicy gives it ports for HTTP/3");
            return None;
        }
        let own = gateway.parameters.as_ref();
        if let Some(own) = own.filter(|it| !is_read(it, controller)) {
            let (kind, by) = (&own.kind, controller.name);
            self.unknown(
                gateway,
                &format!("its parameters are a {kind}, which {by} does not read"),
            );
            return None;
        }
        let mut assumed = Assumed::default();
        if class.is_none() && !controller.makes_classes {
            assumed
                .missing(format!("that its class is {}'s and has no parameters", controller.name));
        }
        let of_class = match controller.parameters.1 {
            // Istio reads no parameters of a GatewayClass, but a label.
            "ConfigMap" => self.defaults_of(&gateway.class.value, &mut assumed),
            _ => {
                let of_class = class.and_then(|it| it.parameters.as_ref());
                self.parameters_of(of_class, &named.key, controller, &mut assumed)
            }
        };
        let own = self.parameters_of(own, &named.key, controller, &mut assumed);
        // What Istio lays over all Services of a class may lie anywhere.
        let is_whole = assumed.words.is_empty() && controller.parameters.1 != "ConfigMap";
        let mut manifest = gateway.manifest.clone();
        if let Some(metadata) = manifest.get_mut("metadata").and_then(|it| it.as_object_mut()) {
            metadata.insert("namespace".to_owned(), named.key.namespace.clone().into());
        }
        let given = Given {
            gateway: &manifest,
            of_class: of_class.map(|it| &it.value),
            of_gateway: own.map(|it| &it.value),
        };
        let (mut made, more) = match controller.make(&given) {
            Made::Service { service, assumed } => (*service, assumed),
            Made::Nothing(why) => {
                self.without_service(gateway, controller, why);
                return None;
            }
            Made::Unknown(why) => {
                self.unknown(gateway, why);
                return None;
            }
        };
        let is_placed = service::move_to_reference(&mut made, &named.key, self.references);
        assumed.words.extend(more.into_iter().filter(|_| !is_placed).map(ToOwned::to_owned));
        self.report_assumed(gateway, controller, &made, &assumed);
        let by = MadeBy {
            gateway: named.key.clone(),
            controller: controller.name,
            tool: controller.tool,
            is_whole,
            listeners: gateway.ports.keys().copied().collect(),
        };
        let parameters: Vec<&Parameters> = [own, of_class].into_iter().flatten().collect();
        Some(service::spanned(made, gateway, &parameters, by))
    }

    /// What a reference names; that it is not in the input is an assumption.
    fn parameters_of(
        &self,
        reference: Option<&ParametersRef>,
        of: &Key,
        controller: &Controller,
        assumed: &mut Assumed,
    ) -> Option<&'a Parameters> {
        let reference = reference.filter(|it| is_read(it, controller))?;
        let namespace = reference.namespace.as_ref().unwrap_or(&of.namespace);
        let found = self.parameters.iter().find(|it| {
            it.kind == reference.kind
                && it.name.value == reference.name
                && it.namespace.as_ref().is_none_or(|it| it == namespace)
        });
        if found.is_none() {
            assumed.missing(format!(
                "that the {} `{}`, which the input has not, says nothing of it",
                reference.kind, reference.name
            ));
        }
        found
    }

    /// What Istio lays over all Services of a class: a ConfigMap in its own namespace.
    fn defaults_of(&self, class: &str, assumed: &mut Assumed) -> Option<&'a Parameters> {
        let of_class = |it: &&&Parameters| it.of_class.as_deref() == Some(class);
        let all: Vec<&Parameters> = self.parameters.iter().filter(|it| of_class(&it)).collect();
        let is_istios = |it: &&&Parameters| {
            it.namespace.as_deref().is_none_or(|it| ISTIOS_NAMESPACES.contains(&it))
        };
        let found = all.iter().find(is_istios).copied();
        if let Some(elsewhere) = all.first().filter(|_| found.is_none()) {
            let namespace = elsewhere.namespace.as_deref().unwrap_or_default();
            assumed.words.push(format!(
                "that Istio does not run in `{namespace}`, where the ConfigMap `{}` is for its class",
                elsewhere.name.value
            ));
        }
        found
    }

    /// Whether a policy turns HTTP/3 on for a Gateway of Envoy Gateway.
    fn is_http3(&self, named: &Named, controller: &Controller) -> bool {
        let is_about = |it: &&Http3| {
            let Key { namespace, name, .. } = &named.key;
            it.namespace.as_ref().is_none_or(|it| it == namespace)
                && it.gateways.as_ref().is_none_or(|it| it.contains(name))
        };
        controller.tool == Tool::EnvoyGateway
            && named.gateway.asks_for_https()
            && self.http3.iter().any(|it| is_about(&it))
    }

    fn unknown(&mut self, gateway: &Gateway, why: &str) {
        let mut problem = Diagnostic::new(
            GATEWAY_UNKNOWN,
            format!("the Service of the Gateway `{}` is not known: {why}", gateway.name.value),
        )
        .at(&gateway.class.span, "")
        .help("write its Service down as it will be, and set `services: external` in the Stack");
        if !asks_azure(gateway) {
            problem.severity = Severity::Note;
        }
        self.problems.push(problem);
    }

    fn without_service(&mut self, gateway: &Gateway, controller: &Controller, why: &str) {
        if !asks_azure(gateway) {
            return;
        }
        let (by, name) = (controller.name, &gateway.name.value);
        let message = format!("{by} makes no Service of the Gateway `{name}`: {why}");
        self.problems.push(
            Diagnostic::new(GATEWAY_WITHOUT_SERVICE, message)
                .at(&gateway.name.span, "")
                .help("correct that, or take out the annotations, which nobody reads"),
        );
    }

    fn report_assumed(
        &mut self,
        gateway: &Gateway,
        controller: &Controller,
        made: &serde_json::Value,
        assumed: &Assumed,
    ) {
        if assumed.words.is_empty() {
            return;
        }
        let help = if assumed.is_missing {
            "add its GatewayClass and what that refers to to the input, or write the Service down"
        } else {
            "nothing is to do if that is so; if not, write the Service down as it will be"
        };
        let text = |pointer| privlink_model::pointer::text(made, pointer);
        let service = format!("{}/{}", text("/metadata/namespace"), text("/metadata/name"));
        self.problems.push(
            Diagnostic::new(
                GATEWAY_ASSUMED,
                format!(
                    "{} makes the Service `{service}` of the Gateway `{}`, assuming {}",
                    controller.name,
                    gateway.name.value,
                    assumed.words.join(", and ")
                ),
            )
            .at(&gateway.class.span, "")
            .help(help),
        );
    }
}

/// What is assumed of a Gateway.
#[derive(Default)]
struct Assumed {
    /// Each in words that stand after "assuming".
    words: Vec<String>,
    /// Whether some of it is because documents are missing from the input.
    is_missing: bool,
}

impl Assumed {
    /// Adds what is assumed because a document is missing.
    fn missing(&mut self, words: String) {
        self.words.push(words);
        self.is_missing = true;
    }
}

/// Namespaces that Istio runs in, by its guides and on AKS.
const ISTIOS_NAMESPACES: [&str; 2] = ["istio-system", "aks-istio-system"];

/// Whether a controller reads parameters of that kind.
fn is_read(reference: &ParametersRef, controller: &Controller) -> bool {
    (reference.group.as_str(), reference.kind.as_str()) == controller.parameters
}

/// Whether a Gateway asks for something of Azure's controller.
fn asks_azure(gateway: &Gateway) -> bool {
    let passed = [&gateway.infrastructure, &gateway.own];
    passed.iter().any(|it| it.annotations.keys().chain(it.misread.keys()).any(|key| is_azures(key)))
}

/// The annotations of a Gateway itself that no Service gets, with why.
pub(super) fn uncopied<'a>(
    gateway: &'a Gateway,
    made: &Service,
) -> impl Iterator<Item = (&'a str, &'a Span)> {
    let is_kept =
        |key: &str, span: &Span| made.annotations.get(key).is_some_and(|it| it.key == *span);
    let own = gateway.own.annotations.iter();
    own.map(|(key, it)| (key.as_str(), &it.key)).filter(move |(key, span)| !is_kept(key, span))
}

rules! {
    /// Which Service a controller makes of a Gateway is not known: its class is of no controller that privlink knows, or its
    /// parameters say something that is not followed. Nothing is predicted of it. It is a note where the Gateway asks nothing
    /// of Azure's controller.
    GATEWAY_UNKNOWN = "gateway-unknown", Warning, [Desired], {
        basis: basis::GATEWAY,
        advice: "Write the Service down as it will be, with `services: external` in the Stack.",
        example: Example::new(
            At::Documents,
            r#"
            apiVersion: gateway.networking.k8s.io/v1
            kind: Gateway
            metadata: {name: edge, namespace: default}
            spec:
              gatewayClassName: cilium
              infrastructure: {annotations: {service.beta.kubernetes.io/azure-load-balancer-internal: "true"}}
              listeners: [{name: http, port: 80, protocol: HTTP}]
            "#,
            r#"
            apiVersion: gateway.networking.k8s.io/v1
            kind: Gateway
            metadata: {name: edge, namespace: default}
            spec:
              gatewayClassName: istio
              infrastructure: {annotations: {service.beta.kubernetes.io/azure-load-balancer-internal: "true"}}
              listeners: [{name: http, port: 80, protocol: TCP}]
            "#,
        ),
    }

    /// A Gateway asks something of Azure's controller, and its own controller makes no Service of it: its addresses name what serves
    /// it already, its parameters are refused, or none of its listeners is valid.
    GATEWAY_WITHOUT_SERVICE = "gateway-without-service", Warning, [Desired], {
        basis: basis::GATEWAY,
        advice: "Correct what keeps the controller from making one, or take out the annotations.",
        example: Example::new(
            At::Documents,
            r#"
            apiVersion: gateway.networking.k8s.io/v1
            kind: Gateway
            metadata: {name: edge, namespace: default}
            spec:
              gatewayClassName: istio
              addresses: [{type: Hostname, value: ingress.example.com}]
              infrastructure: {annotations: {service.beta.kubernetes.io/azure-load-balancer-internal: "true"}}
              listeners: [{name: http, port: 80, protocol: TCP}]
            "#,
            r#"
            apiVersion: gateway.networking.k8s.io/v1
            kind: Gateway
            metadata: {name: edge, namespace: default}
            spec:
              gatewayClassName: istio
              infrastructure: {annotations: {service.beta.kubernetes.io/azure-load-balancer-internal: "true"}}
              listeners: [{name: http, port: 80, protocol: TCP}]
            "#,
        ),
    }

    /// Which Service comes of a Gateway depends on what the input has not: its class, the parameters of that, where its controller
    /// runs. What holds by default is assumed. Where its controller runs, no document of the input says; a private endpoint that
    /// names the Service does.
    GATEWAY_ASSUMED = "gateway-assumed", Note, [Desired], {
        basis: basis::GATEWAY,
        advice: "Add the GatewayClass and what it refers to to the input, if they are not there; for the rest, \
            see that it is so, or write the Service down.",
        example: Example::new(
            At::Documents,
            r#"
            apiVersion: gateway.networking.k8s.io/v1
            kind: Gateway
            metadata: {name: edge, namespace: default}
            spec:
              gatewayClassName: nginx
              listeners: [{name: http, port: 80, protocol: HTTP}]
            "#,
            r#"
            apiVersion: gateway.networking.k8s.io/v1
            kind: GatewayClass
            metadata: {name: nginx}
            spec: {controllerName: gateway.nginx.org/nginx-gateway-controller}
            ---
            apiVersion: gateway.networking.k8s.io/v1
            kind: Gateway
            metadata: {name: edge, namespace: default}
            spec:
              gatewayClassName: nginx
              listeners: [{name: http, port: 80, protocol: HTTP}]
            "#,
        ),
    }
}

#[cfg(test)]
mod tests;
