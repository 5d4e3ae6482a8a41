//! The tables of the kinds that are read.

mod offer;

use privlink_model::arm::arm_type::ArmType;
use privlink_model::facts::OutboundType;

use crate::drift_class::Class;
use crate::schema::{Field, Object, Rule, Shape, Text, optional, required};
pub use offer::OFFER;

/// The group and version of our own kinds.
pub(super) const API_VERSION: &str = "privlink.dev/v1alpha1";

/// The most entries of a list. A PLS takes 100 subscriptions and 1000 endpoints (Private Link limits).
const MANY: usize = 1000;

const TAGS: Shape = Shape::TextMap;
const RESOURCE_GROUP: Shape = Shape::Text(Text::ResourceGroup);
const GUID: Shape = Shape::Text(Text::Guid);
const NAME: Shape = Shape::Text(Text::ResourceName(1, 80));
const COUNT: Shape = Shape::Integer { min: 0, max: 1_000_000 };

const fn object(fields: &'static [crate::schema::Field]) -> Object {
    Object { fields, rule: Rule::Closed }
}

/// `kind: Stack`.
pub static STACK: Object = object(&[
    required(
        "apiVersion",
        Shape::Text(Text::OneOf(&[API_VERSION])),
        "Always privlink.dev/v1alpha1.",
    ),
    required("kind", Shape::Text(Text::OneOf(&["Stack"])), "Always Stack."),
    required("metadata", Shape::Object(&STACK_METADATA), "The stack's name."),
    optional("spec", Shape::Object(&STACK_SPEC), "Where the desired state belongs."),
]);

static STACK_METADATA: Object = object(&[
    required(
        "name",
        Shape::Text(Text::LabelValue),
        "The stack's name. Objects that privlink creates are marked with it.",
    ),
    optional("namespace", Shape::Any, "Not used."),
    optional("labels", TAGS, "Not used; kustomize may set them."),
    optional("annotations", TAGS, "Not used; kustomize may set them."),
]);

static STACK_SPEC: Object = object(&[
    optional("subscription", GUID, "The subscription of the cluster, a GUID."),
    optional("resourceGroup", RESOURCE_GROUP, "The resource group of the cluster."),
    optional("cluster", Shape::Text(Text::ClusterName), "The AKS cluster's name."),
    optional("context", Shape::Text(Text::NotEmpty), "The kubeconfig context of the cluster."),
    optional(
        "services",
        Shape::Text(Text::OneOf(&["managed", "external"])),
        "Who writes the Services: privlink (managed), or another tool such as Argo CD, Flux or Helm \
         (external). Found out from the live Services if not given.",
    ),
    optional(
        "facts",
        Shape::Object(&FACTS),
        "Facts about the cluster, as the controller's configuration has them. What is not pinned here \
         is read from Azure, inferred or assumed.",
    ),
    optional("policy", Shape::Object(&POLICY), "Safety limits."),
]);

static POLICY: Object = object(&[
    optional("maxDisconnects", COUNT, "How many consumers a plan may disconnect. 0 if not given."),
    optional(
        "allowDisconnects",
        Shape::List(&Shape::Object(&ALLOWED_DISCONNECT), MANY),
        "Consumers that a plan may disconnect, each until a day. They do not count as maxDisconnects does.",
    ),
    optional("maxDeletes", COUNT, "How many objects a plan may delete. No limit if not given."),
    optional(
        "protect",
        Shape::List(&Shape::Text(Text::NodeName), MANY),
        "Objects that no plan may delete or re-create, such as PrivateLinkService/default/internal-app.",
    ),
    optional(
        "ignoreDrift",
        Shape::List(&Shape::Object(&IGNORED_DRIFT), MANY),
        "Drift that is known: it stays in every report, marked, and neither sets the exit code nor alarms anybody.",
    ),
]);

static IGNORED_DRIFT: Object = object(&[
    required(
        "object",
        Shape::Text(Text::NotEmpty),
        "The objects, such as PrivateEndpoint/app-pe; `*` stands for any characters.",
    ),
    required(
        "class",
        Shape::Text(Text::OneOf(&Class::NAMES)),
        "The class of drift, as reports name it, such as changed-in-azure.",
    ),
    required("reason", Shape::Text(Text::NotEmpty), "Why; it is shown with every report."),
    optional(
        "until",
        Shape::Text(Text::Date),
        "The last day on which it is ignored, in UTC, such as 2026-12-05. For ever if not given.",
    ),
]);

static ALLOWED_DISCONNECT: Object = object(&[
    required(
        "endpoint",
        Shape::Text(Text::NotEmpty),
        "The consumer's private endpoint: its id, or its name in Azure.",
    ),
    required(
        "until",
        Shape::Text(Text::Date),
        "The last day on which it may be disconnected, in UTC, such as 2026-12-05.",
    ),
    optional("reason", Shape::Text(Text::UpTo(200)), "Why; it is shown with the plan."),
]);

static FACTS: Object = object(&[
    optional(
        "nodeResourceGroup",
        RESOURCE_GROUP,
        "The resource group of nodes and load balancers, MC_... by default.",
    ),
    optional("location", Shape::Text(Text::Location), "The cluster's region, such as eastus."),
    optional(
        "clusterName",
        Shape::Text(Text::ResourceName(1, 80)),
        "The controller's --cluster-name, which is the load balancer's name: kubernetes on AKS.",
    ),
    optional(
        "kubernetesVersion",
        Shape::Text(Text::Version),
        "The cluster's version of Kubernetes, in quotes: \"1.33\".",
    ),
    optional(
        "virtualNetwork",
        Shape::Text(Text::ResourceName(2, 64)),
        "The cluster's virtual network.",
    ),
    optional(
        "virtualNetworkResourceGroup",
        RESOURCE_GROUP,
        "Its resource group. The nodes' if not given.",
    ),
    optional("subnet", NAME, "The subnet that internal load balancers use by default."),
    optional("securityGroup", NAME, "The network security group of the nodes."),
    optional(
        "securityGroupResourceGroup",
        RESOURCE_GROUP,
        "Its resource group. The nodes' if not given.",
    ),
    optional(
        "networkSubscription",
        GUID,
        "The subscription of load balancers and the virtual network. The stack's if not given.",
    ),
    optional(
        "loadBalancerSku",
        Shape::Text(Text::OneOf(&["standard", "basic"])),
        "The SKU of the cluster's load balancers. standard if not given.",
    ),
    optional("loadBalancerName", NAME, "The load balancer's name, if it is not the cluster's."),
    optional(
        "loadBalancerResourceGroup",
        RESOURCE_GROUP,
        "The load balancers' resource group. The nodes' if not given.",
    ),
    optional(
        "privateLinkServiceResourceGroup",
        RESOURCE_GROUP,
        "The Private Link Services' resource group. The nodes' if not given.",
    ),
    optional(
        "loadBalancers",
        Shape::List(&Shape::Object(&LOAD_BALANCER), 32),
        "The standard load balancers of a cluster with several, the one named as the cluster first. \
         [] for a cluster with one.",
    ),
    optional(
        "backendPoolType",
        Shape::Text(Text::OneOf(&["nodeIPConfiguration", "nodeIP", "podIP"])),
        "How load balancers know their backends. nodeIPConfiguration if not given.",
    ),
    optional(
        "disableOutboundSnat",
        Shape::Boolean,
        "Whether load balancing rules disable outbound SNAT. true on AKS.",
    ),
    optional(
        "healthProbeMode",
        Shape::Text(Text::OneOf(&["servicenodeport", "shared"])),
        "How Services with externalTrafficPolicy Cluster are probed. servicenodeport if not given.",
    ),
    optional(
        "outboundType",
        Shape::Text(Text::OneOf(OutboundType::NAMES)),
        "How what nodes send reaches the Internet. loadBalancer if not given.",
    ),
    optional("istioAddOn", Shape::Boolean, "Whether AKS's Istio add-on is on. false if not given."),
    optional(
        "zones",
        Shape::List(&Shape::Text(Text::NotEmpty), 16),
        "The zones that the region has for virtual machines, in quotes: [\"1\", \"2\", \"3\"].",
    ),
    optional(
        "ipFamilies",
        Shape::List(&Shape::Text(Text::OneOf(&["IPv4", "IPv6"])), 2),
        "The cluster's IP families; the first is the default. [IPv4] if not given.",
    ),
    optional("tags", TAGS, "Tags that the controller puts on what it makes."),
]);

static LOAD_BALANCER: Object = object(&[
    required("name", NAME, "Its name, without -internal."),
    optional("scaleSet", NAME, "The scale set whose nodes are its own (primaryVMSet)."),
    optional(
        "allowServicePlacement",
        Shape::Boolean,
        "Whether Services are placed on it that do not name it. true if not given.",
    ),
    optional("serviceLabelSelector", Shape::Object(&SELECTOR), "Services it takes, by label."),
    optional(
        "serviceNamespaceSelector",
        Shape::Object(&SELECTOR),
        "Services it takes, by their namespace's labels.",
    ),
    optional("nodeSelector", Shape::Object(&SELECTOR), "Nodes it takes, by label."),
]);

static SELECTOR: Object = object(&[
    optional("matchLabels", TAGS, "Labels and the values they must have."),
    optional(
        "matchExpressions",
        Shape::List(&Shape::Object(&EXPRESSION), 32),
        "Further conditions, all of which must hold.",
    ),
]);

static EXPRESSION: Object = object(&[
    required("key", Shape::Text(Text::NotEmpty), "The label."),
    required(
        "operator",
        Shape::Text(Text::OneOf(&["In", "NotIn", "Exists", "DoesNotExist"])),
        "What must hold of it.",
    ),
    optional(
        "values",
        Shape::List(&Shape::Text(Text::NotEmpty), 64),
        "The values, for In and NotIn.",
    ),
]);

static SERVICE_REF: Object = object(&[
    optional(
        "namespace",
        Shape::Text(Text::Label),
        "The Service's namespace. The context's if not given.",
    ),
    required("name", Shape::Text(Text::ServiceName), "The Service's name."),
]);

/// `kind: PrivateEndpoint`.
pub static PRIVATE_ENDPOINT: Object = object(&[
    required(
        "apiVersion",
        Shape::Text(Text::OneOf(&[API_VERSION])),
        "Always privlink.dev/v1alpha1.",
    ),
    required("kind", Shape::Text(Text::OneOf(&["PrivateEndpoint"])), "Always PrivateEndpoint."),
    required("metadata", Shape::Object(&ENDPOINT_METADATA), "The private endpoint's name."),
    required("spec", Shape::Object(&ENDPOINT_SPEC), "The private endpoint."),
]);

static ENDPOINT_METADATA: Object = object(&[
    required(
        "name",
        Shape::Text(Text::ResourceName(2, 64)),
        "The private endpoint's name, in Azure too unless spec.name says another: 2 to 64 characters.",
    ),
    optional("namespace", Shape::Any, "Not used."),
    optional(
        "labels",
        TAGS,
        "privlink.dev/protect: \"true\" refuses plans that would delete or re-create it.",
    ),
    optional("annotations", TAGS, "Not used; kustomize may set them."),
]);

static ENDPOINT_SPEC: Object = object(&[
    optional(
        "name",
        Shape::Text(Text::ResourceName(2, 64)),
        "Its name in Azure. The document's if not given; with it, the document can be renamed.",
    ),
    optional("subscription", GUID, "Its subscription, a GUID. The stack's if not given."),
    required("resourceGroup", RESOURCE_GROUP, "Its resource group."),
    optional(
        "location",
        Shape::Text(Text::Location),
        "Its region. Its virtual network's if not given; it can be no other.",
    ),
    required("subnet", Shape::Object(&SUBNET), "The subnet that its address is from."),
    optional("connectionName", NAME, "The connection's name. The endpoint's if not given."),
    required(
        "target",
        Shape::Object(&TARGET),
        "What it reaches: the Private Link Service of a Service, or one by id, by alias or by a provider's Offer.",
    ),
    optional(
        "approval",
        Shape::Text(Text::OneOf(&["Automatic", "Manual"])),
        "Whether the connection is approved by itself, or by the provider by hand. Automatic if not \
         given, Manual for an alias.",
    ),
    optional(
        "requestMessage",
        Shape::Text(Text::UpTo(140)),
        "What the provider reads with a request to be approved. At most 140 characters.",
    ),
    optional("address", Shape::Text(Text::Ipv4), "A static address. Dynamic if not given."),
    optional("dns", Shape::Object(&DNS), "Its name in a private DNS zone. None if not given."),
]);

static SUBNET: Object = Object {
    fields: &[
        optional(
            "virtualNetwork",
            Shape::Text(Text::ResourceName(2, 64)),
            "The virtual network, in the endpoint's resource group.",
        ),
        optional("name", NAME, "The subnet's name."),
        optional(
            "id",
            Shape::Text(Text::ResourceId(ArmType::Subnet.name())),
            "The subnet's id, instead of the names.",
        ),
    ],
    rule: Rule::IdOrAll,
};

static TARGET: Object = Object {
    fields: &[
        optional("service", Shape::Object(&SERVICE_REF), "The Private Link Service of a Service."),
        optional(
            "id",
            Shape::Text(Text::ResourceId(ArmType::PrivateLinkService.name())),
            "A Private Link Service's id.",
        ),
        optional("alias", Shape::Text(Text::Alias), "A Private Link Service's alias."),
        optional(
            "offer",
            Shape::Text(Text::NotEmpty),
            "A file with the Offer that the provider published, relative to this document's file: FILE, or \
             FILE#NAME of several; or the name of an Offer in the input.",
        ),
    ],
    rule: Rule::OneOf,
};

static DNS: Object = Object {
    fields: &[
        optional("record", Shape::Object(&DNS_RECORD), "An A record that privlink keeps."),
        optional(
            "zoneGroup",
            Shape::Object(&DNS_ZONE_GROUP),
            "A DNS zone group, through which Azure keeps the records.",
        ),
    ],
    rule: Rule::OneOf,
};

static DNS_RECORD: Object = object(&[
    required(
        "zone",
        Shape::Text(Text::DnsZone),
        "The private DNS zone: its name, in the endpoint's resource group, or its id.",
    ),
    required("name", Shape::Text(Text::DnsRecord), "The record's name within the zone."),
]);

static DNS_ZONE_GROUP: Object = object(&[
    optional("name", NAME, "The zone group's name. default if not given."),
    required(
        "zones",
        Shape::List(&Shape::Text(Text::DnsZone), 5),
        "Private DNS zones: names, in the endpoint's resource group, or ids. At most five.",
    ),
]);

/// `kind: EndpointApproval`.
pub static ENDPOINT_APPROVAL: Object = object(&[
    required(
        "apiVersion",
        Shape::Text(Text::OneOf(&[API_VERSION])),
        "Always privlink.dev/v1alpha1.",
    ),
    required("kind", Shape::Text(Text::OneOf(&["EndpointApproval"])), "Always EndpointApproval."),
    required("metadata", Shape::Object(&APPROVAL_METADATA), "The document's name."),
    required("spec", Shape::Object(&APPROVAL_SPEC), "Who is let in."),
]);

static APPROVAL_METADATA: Object = object(&[
    required("name", Shape::Text(Text::LabelValue), "The document's name."),
    optional("namespace", Shape::Any, "Not used."),
    optional("labels", TAGS, "Not used; kustomize may set them."),
    optional("annotations", TAGS, "Not used; kustomize may set them."),
]);

static APPROVAL_SPEC: Object = object(&[
    required(
        "service",
        Shape::Object(&SERVICE_REF),
        "The Service whose Private Link Service is reached.",
    ),
    optional(
        "approve",
        Shape::List(&Shape::Object(&ADMITTED), MANY),
        "Consumers whose pending connections are approved.",
    ),
    optional(
        "reject",
        Shape::List(&Shape::Object(&CONSUMER), MANY),
        "Consumers whose connections are rejected.",
    ),
]);

static ADMITTED: Object = Object {
    fields: &[
        CONSUMER_SUBSCRIPTION,
        CONSUMER_ENDPOINT,
        optional(
            "requestMessage",
            Shape::Text(Text::Between(8, 140)),
            "The request message that must come with the request, to the letter: a token of 8 to 140 characters, \
             which is not shown. Whoever sends another is not approved.",
        ),
    ],
    rule: Rule::OneOfTwo,
};

static CONSUMER: Object =
    Object { fields: &[CONSUMER_SUBSCRIPTION, CONSUMER_ENDPOINT], rule: Rule::OneOf };

const CONSUMER_SUBSCRIPTION: Field =
    optional("subscription", GUID, "Every endpoint of a subscription, a GUID.");

const CONSUMER_ENDPOINT: Field = optional(
    "endpoint",
    Shape::Text(Text::ResourceId(ArmType::PrivateEndpoint.name())),
    "One private endpoint, by id.",
);

const fn kubernetes(fields: &'static [crate::schema::Field]) -> Object {
    Object { fields, rule: Rule::Kubernetes }
}

/// `v1 Service` (Kubernetes API reference, core/v1, up to 1.34).
pub static SERVICE: Object = kubernetes(&[
    required("apiVersion", Shape::Text(Text::OneOf(&["v1"])), "Always v1."),
    required("kind", Shape::Text(Text::OneOf(&["Service"])), "Always Service."),
    required("metadata", Shape::Object(&SERVICE_METADATA), "Name, namespace, annotations."),
    optional("spec", Shape::Object(&SERVICE_SPEC), "The Service."),
    optional("status", Shape::Any, "Ignored."),
]);

static SERVICE_METADATA: Object = kubernetes(&[
    required("name", Shape::Text(Text::ServiceName), "The Service's name."),
    optional(
        "namespace",
        Shape::Text(Text::Label),
        "The Service's namespace. The context's if not given.",
    ),
    optional("labels", Shape::TextMap, "Labels."),
    optional("annotations", Shape::Annotations, "Annotations; Azure's are described here."),
    optional("finalizers", Shape::List(&Shape::Any, MANY), "Finalizers."),
    optional("ownerReferences", Shape::Any, "Owners."),
    optional("generateName", Shape::Any, "Not supported: a Service needs a name."),
    optional("uid", Shape::Any, "Ignored."),
    optional("resourceVersion", Shape::Any, "Ignored."),
    optional("generation", Shape::Any, "Ignored."),
    optional("creationTimestamp", Shape::Any, "Ignored."),
    optional("deletionTimestamp", Shape::Any, "Ignored."),
    optional("deletionGracePeriodSeconds", Shape::Any, "Ignored."),
    optional("managedFields", Shape::Any, "Ignored."),
    optional("selfLink", Shape::Any, "Ignored."),
]);

static SERVICE_SPEC: Object = kubernetes(&[
    optional(
        "type",
        Shape::Text(Text::OneOf(&["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"])),
        "LoadBalancer for a Service that Azure serves.",
    ),
    optional("ports", Shape::List(&Shape::Object(&SERVICE_PORT), MANY), "The Service's ports."),
    optional("selector", Shape::TextMap, "Labels of the pods."),
    optional("clusterIP", Shape::Text(Text::UpTo(64)), "The address within the cluster."),
    optional("clusterIPs", Shape::List(&Shape::Text(Text::UpTo(64)), 2), "The same, by family."),
    optional("externalIPs", Shape::List(&Shape::Text(Text::Address), MANY), "External addresses."),
    optional("externalName", Shape::Text(Text::NotEmpty), "For type ExternalName."),
    optional(
        "externalTrafficPolicy",
        Shape::Text(Text::OneOf(&["Cluster", "Local"])),
        "Whether nodes pass traffic on to other nodes.",
    ),
    optional("healthCheckNodePort", PORT, "The port that is probed with Local."),
    optional(
        "internalTrafficPolicy",
        Shape::Text(Text::OneOf(&["Cluster", "Local"])),
        "The same, for traffic within the cluster.",
    ),
    optional(
        "ipFamilies",
        Shape::List(&Shape::Text(Text::OneOf(&["IPv4", "IPv6"])), 2),
        "IP families, the first first.",
    ),
    optional(
        "ipFamilyPolicy",
        Shape::Text(Text::OneOf(&["SingleStack", "PreferDualStack", "RequireDualStack"])),
        "How many IP families.",
    ),
    optional(
        "loadBalancerClass",
        Shape::Text(Text::NotEmpty),
        "With any class set, Azure's controller leaves the Service alone.",
    ),
    optional(
        "loadBalancerIP",
        Shape::Text(Text::UpTo(64)),
        "Deprecated: use the annotation azure-load-balancer-ipv4.",
    ),
    optional(
        "loadBalancerSourceRanges",
        Shape::List(&Shape::Text(Text::NotEmpty), MANY),
        "Ranges that may reach the Service, in CIDR form.",
    ),
    optional("allocateLoadBalancerNodePorts", Shape::Boolean, "Whether ports get node ports."),
    optional("publishNotReadyAddresses", Shape::Boolean, "Whether pods count before ready."),
    optional(
        "sessionAffinity",
        Shape::Text(Text::OneOf(&["None", "ClientIP"])),
        "Whether a client stays with its pod.",
    ),
    optional("sessionAffinityConfig", Shape::Any, "For how long."),
    optional("trafficDistribution", Shape::Text(Text::NotEmpty), "Which pods are preferred."),
]);

const PORT: Shape = Shape::Integer { min: 0, max: 65535 };

static SERVICE_PORT: Object = kubernetes(&[
    optional("name", Shape::Text(Text::NotEmpty), "The port's name."),
    required("port", Shape::Integer { min: 1, max: 65535 }, "The port that is served."),
    optional("protocol", Shape::Text(Text::OneOf(&["TCP", "UDP", "SCTP"])), "TCP if not given."),
    optional("targetPort", Shape::IntegerOrText, "The pods' port, by number or name."),
    optional("nodePort", PORT, "The nodes' port."),
    optional("appProtocol", Shape::Text(Text::NotEmpty), "What is spoken: http, https, tcp."),
]);
