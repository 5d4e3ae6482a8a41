//! One builder for what tests plan: Services, endpoints and approvals as YAML.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::fmt::Write;

/// What every annotation of the controller begins with.
const PREFIX: &str = "service.beta.kubernetes.io/";

/// A Service of type LoadBalancer with one port, until told otherwise.
#[derive(Clone)]
pub(crate) struct Service {
    name: String,
    namespace: Option<String>,
    annotations: Vec<String>,
    spec: Vec<String>,
}

impl Service {
    /// A public Service.
    pub(crate) fn public(name: &str) -> Self {
        Self { name: name.to_owned(), namespace: None, annotations: Vec::new(), spec: Vec::new() }
    }

    /// An internal Service.
    pub(crate) fn internal(name: &str) -> Self {
        Self::public(name).annotation("azure-load-balancer-internal", "true")
    }

    /// An internal Service with a Private Link Service.
    pub(crate) fn linked(name: &str) -> Self {
        Self::internal(name).annotation("azure-pls-create", "true")
    }

    pub(crate) fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned());
        self
    }

    /// With an annotation of the controller, whose key has no prefix.
    pub(crate) fn annotation(self, key: &str, value: &str) -> Self {
        let line = format!("{PREFIX}{key}: {value:?}");
        self.line(&line)
    }

    /// With several.
    pub(crate) fn annotations(self, all: &[(&str, &str)]) -> Self {
        all.iter().fold(self, |service, (key, value)| service.annotation(key, value))
    }

    /// At an address of its own.
    pub(crate) fn at(self, address: &str) -> Self {
        self.annotation("azure-load-balancer-ipv4", address)
    }

    /// With a line of YAML: an annotation, or a field of `spec`.
    pub(crate) fn line(mut self, line: &str) -> Self {
        if line.starts_with(PREFIX) {
            self.annotations.push(line.to_owned());
        } else {
            self.spec.push(line.to_owned());
        }
        self
    }

    /// With lines of YAML, each an annotation or a field of `spec`.
    pub(crate) fn lines(self, lines: &str) -> Self {
        let lines = without_indent(lines);
        lines.iter().fold(self, |service, line| service.line(line))
    }

    /// As a document, with the line that begins it.
    pub(crate) fn yaml(&self) -> String {
        format!("---\n{}", self.document())
    }

    /// As a document alone.
    pub(crate) fn document(&self) -> String {
        let Self { name, namespace, annotations, spec } = self;
        let mut text = format!("apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n");
        if let Some(namespace) = namespace {
            let _ = writeln!(text, "  namespace: {namespace}");
        }
        if !annotations.is_empty() {
            text.push_str("  annotations:\n");
            text.push_str(&indented(annotations, 4));
        }
        text.push_str("spec:\n");
        let base = ["type: LoadBalancer", "ports: [{port: 80}]"].map(str::to_owned);
        let selector = format!("selector: {{app: {name}}}");
        text.push_str(&fields(&[base[0].clone(), base[1].clone(), selector], spec));
        text
    }
}

/// A private endpoint in the sandbox's other network, to a Service of the namespace `default`.
#[derive(Clone)]
pub(crate) struct Endpoint {
    name: String,
    target: String,
    spec: Vec<String>,
}

impl Endpoint {
    pub(crate) fn new(name: &str, service: &str) -> Self {
        Self { name: name.to_owned(), target: service.to_owned(), spec: Vec::new() }
    }

    /// With lines of `spec`, instead of those that begin with the same key.
    pub(crate) fn lines(mut self, lines: &str) -> Self {
        self.spec.extend(without_indent(lines));
        self
    }

    /// As a document, with the line that begins it.
    pub(crate) fn yaml(&self) -> String {
        format!("---\n{}", self.document())
    }

    /// As a document alone.
    pub(crate) fn document(&self) -> String {
        let Self { name, target, spec } = self;
        let base = [
            "resourceGroup: myOtherResourceGroup".to_owned(),
            "subnet: {virtualNetwork: myOtherVNET, name: pe-subnet}".to_owned(),
            format!("target: {{service: {{namespace: default, name: {target}}}}}"),
        ];
        format!(
            "apiVersion: privlink.dev/v1alpha1\nkind: PrivateEndpoint\nmetadata: {{name: {name}}}\nspec:\n{}",
            fields(&base, spec)
        )
    }
}

/// An EndpointApproval for a Service of the namespace `default`.
pub(crate) fn approval(service: &str, lines: &str) -> String {
    let base = [format!("service: {{namespace: default, name: {service}}}")];
    let lines = without_indent(lines);
    format!(
        "---\napiVersion: privlink.dev/v1alpha1\nkind: EndpointApproval\nmetadata: {{name: all}}\nspec:\n{}",
        fields(&base, &lines)
    )
}

/// The Stack `shop` of the sandbox's cluster, with these lines in its `spec`.
pub(crate) fn stack(lines: &str) -> String {
    let base = [
        "subscription: 00000000-0000-0000-0000-000000000000",
        "resourceGroup: myResourceGroup",
        "cluster: myAKSCluster",
    ]
    .map(str::to_owned);
    let lines = without_indent(lines);
    format!(
        "apiVersion: privlink.dev/v1alpha1\nkind: Stack\nmetadata: {{name: shop}}\nspec:\n{}",
        fields(&base, &lines)
    )
}

/// Fields of a mapping: of the first, those that the others do not set.
fn fields(base: &[String], more: &[String]) -> String {
    let key = |line: &String| line.split(':').next().unwrap_or_default().to_owned();
    let set: Vec<String> =
        more.iter().filter(|line| !line.starts_with([' ', '-'])).map(key).collect();
    let mut all: Vec<String> =
        base.iter().filter(|line| !set.contains(&key(line))).cloned().collect();
    all.extend_from_slice(more);
    indented(&all, 2)
}

/// Lines without the indentation that they share.
fn without_indent(text: &str) -> Vec<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let shared = text.lines().map(indent).min().unwrap_or_default();
    text.lines().filter_map(|line| line.get(shared..)).map(str::to_owned).collect()
}

fn indented(lines: &[String], by: usize) -> String {
    lines.iter().map(|line| format!("{:by$}{line}\n", "")).collect()
}
