use privlink_model::facts::Fact;
use serde_json::json;

use super::*;
use crate::rule::{self, Severity};

fn read(text: &str) -> Documents {
    parse(&Source::new("a.yaml", text).unwrap())
}

/// All problems as `line:column code: message`.
fn problems(documents: &Documents) -> Vec<String> {
    let show = |problem: &Diagnostic| {
        let place = problem.place().unwrap();
        format!("{}:{} {}: {}", place.line, place.column, problem.code, problem.message)
    };
    documents.diagnostics.iter().map(show).collect()
}

const STACK_TEXT: &str = "\
apiVersion: privlink.dev/v1alpha1
kind: Stack
metadata: {name: shop}
spec:
  subscription: 00000000-0000-0000-0000-000000000000
  resourceGroup: myResourceGroup
  cluster: myAKSCluster
  context: prod
  services: external
  facts:
    nodeResourceGroup: MC_a_b_eastus
    location: eastus
    virtualNetwork: aks-vnet
    subnet: aks-subnet
    zones: [\"1\", \"2\"]
    disableOutboundSnat: true
    tags: {owner: shop}
  policy: {maxDisconnects: 0, maxDeletes: 5, protect: [PrivateLinkService/default/internal-app]}
";

const ENDPOINT_TEXT: &str = "\
apiVersion: privlink.dev/v1alpha1
kind: PrivateEndpoint
metadata: {name: myAKSServicePE}
spec:
  resourceGroup: myOtherResourceGroup
  location: eastus
  subnet: {virtualNetwork: myOtherVNET, name: pe-subnet}
  connectionName: connectToMyK8sService
  target: {service: {namespace: default, name: internal-app}}
  approval: Automatic
  address: 10.1.0.9
  dns: {record: {zone: internal.example, name: app}}
";

#[test]
fn a_stack_is_read_with_places() {
    let documents = read(STACK_TEXT);
    assert_eq!(problems(&documents), Vec::<String>::new());
    let stack = &documents.stacks[0];
    assert_eq!(stack.name.value, "shop");
    assert_eq!(stack.name.span.place().to_string(), "a.yaml:3:18");
    assert_eq!(stack.services.as_ref().unwrap().value, Services::External);
    let pinned: Vec<_> = stack.facts.0.iter().map(|(fact, it)| (*fact, it.value.clone())).collect();
    let wanted = [
        (Fact::ResourceGroup, json!("MC_a_b_eastus")),
        (Fact::Location, json!("eastus")),
        (Fact::VirtualNetwork, json!("aks-vnet")),
        (Fact::Subnet, json!("aks-subnet")),
        (Fact::DisableOutboundSnat, json!(true)),
        (Fact::Tags, json!({"owner": "shop"})),
        (Fact::Zones, json!(["1", "2"])),
    ];
    assert_eq!(pinned, wanted);
    assert_eq!(stack.policy.max_deletes.as_ref().unwrap().value, 5);
    assert_eq!(stack.policy.protect[0].value, "PrivateLinkService/default/internal-app");
}

#[test]
fn a_private_endpoint_is_read() {
    let documents = read(ENDPOINT_TEXT);
    assert_eq!(problems(&documents), Vec::<String>::new());
    let endpoint = &documents.endpoints[0];
    assert_eq!(endpoint.name.value, "myAKSServicePE");
    assert_eq!(endpoint.address.as_ref().unwrap().value.to_string(), "10.1.0.9");
    let EndpointTarget::Here(Target::Service(service)) = &endpoint.target else {
        panic!("{:?}", endpoint.target)
    };
    assert_eq!(service.name.value, "internal-app");
}

#[test]
fn an_approval_is_read() {
    let documents = read(
        "apiVersion: privlink.dev/v1alpha1\nkind: EndpointApproval\nmetadata: {name: partners}\n\
         spec:\n  service: {namespace: default, name: internal-app}\n  approve:\n  \
         - subscription: 00000000-0000-0000-0000-000000000000\n  \
         - endpoint: /subscriptions/s/resourceGroups/g/providers/Microsoft.Network/\
         privateEndpoints/pe\n  reject: []\n",
    );
    assert_eq!(problems(&documents), Vec::<String>::new());
    assert_eq!(documents.approvals[0].approve.len(), 2);
}

#[test]
fn every_problem_of_a_document_is_reported() {
    let text = ENDPOINT_TEXT
        .replace("resourceGroup:", "resourcegroup:")
        .replace("10.1.0.9", "10.1.0.256")
        .replace("Automatic", "automatic")
        .replace("eastus", "true");
    assert_eq!(
        problems(&read(&text)),
        [
            "5:3 unknown-field: `spec` has no field `resourcegroup`",
            "6:13 wrong-type: `spec.location` is a boolean, not text",
            "10:13 unknown-value: `automatic` is not a known value",
            "11:12 bad-address: `10.1.0.256` is not an IPv4 address",
            "5:3 missing-field: `spec.resourceGroup` is missing",
        ]
    );
}

#[test]
fn one_of_several_alternatives_is_wanted() {
    let text = |subnet: &str, target: &str| {
        ENDPOINT_TEXT
            .replace("{virtualNetwork: myOtherVNET, name: pe-subnet}", subnet)
            .replace("{service: {namespace: default, name: internal-app}}", target)
    };
    let id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/privateLinkServices/p";
    let both = format!("{{id: {id}, service: {{name: a}}}}");
    assert_eq!(
        problems(&read(&text("{name: pe-subnet}", &both))),
        [
            "7:11 missing-field: `spec.subnet.virtualNetwork` is missing",
            "9:11 not-exactly-one: `spec.target` has 2 of its alternatives, which exclude each other",
        ]
    );
    assert_eq!(
        problems(&read(&text("{}", "{}"))),
        [
            "7:11 not-exactly-one: `spec.subnet` has none of its alternatives",
            "9:11 not-exactly-one: `spec.target` has none of its alternatives",
        ]
    );
}

/// The manifest of the AKS documentation (recording 005).
const SERVICE_TEXT: &str = "\
apiVersion: v1
kind: Service
metadata:
  name: internal-app
  annotations:
    service.beta.kubernetes.io/azure-load-balancer-internal: \"true\"
    service.beta.kubernetes.io/azure-pls-create: \"true\"
spec:
  type: LoadBalancer
  ports:
  - port: 80
  selector:
    app: internal-app
";

#[test]
fn the_aks_manifest_is_read_unchanged() {
    let documents = read(SERVICE_TEXT);
    assert_eq!(problems(&documents), Vec::<String>::new());
    let service = &documents.services[0];
    assert_eq!(service.spec.ports[0].port.as_ref().unwrap().value, 80);
    let annotation = &service.annotations["service.beta.kubernetes.io/azure-pls-create"];
    assert_eq!(annotation.key.place().to_string(), "a.yaml:7:5");
    assert_eq!(annotation.value.span.place().to_string(), "a.yaml:7:50");
    assert_eq!(service.manifest["spec"]["ports"][0]["port"], 80);
}

#[test]
fn what_servers_write_is_left_out_of_the_manifest() {
    let text = "\
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Service
  metadata:
    name: a
    namespace: b
    uid: 257b9655-5137-4ad2-b091-ef3f07043ad3
    resourceVersion: '7'
    creationTimestamp: null
    managedFields: [{manager: kubectl}]
    finalizers: [service.kubernetes.io/load-balancer-cleanup]
    annotations: {kubectl.kubernetes.io/last-applied-configuration: '{}'}
  spec: {type: LoadBalancer, ports: [{port: 80}]}
  status: {loadBalancer: {ingress: [{ip: 10.0.0.1}]}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: c}}
";
    let documents = read(text);
    assert_eq!(
        problems(&documents),
        ["17:26 skipped-kind: skipped 1 document of other kinds: 1 ConfigMap"]
    );
    let expected = serde_json::json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "b"},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    });
    assert_eq!(documents.services[0].manifest, expected);
}

/// The API server's own lists name the kind of their items once.
#[test]
fn items_of_a_list_of_a_kind_need_none() {
    let text = "\
apiVersion: v1
kind: ServiceList
items:
- metadata: {name: a, namespace: b}
  spec: {type: LoadBalancer, ports: [{port: 80}], oops: 1}
- apiVersion: v1
  kind: Service
  metadata: {name: c, namespace: b}
  spec: {type: LoadBalancer, ports: [{port: 80}]}
---
apiVersion: privlink.dev/v1alpha1
kind: EndpointApprovalList
items:
- metadata: {name: d}
  spec: {service: {name: a, namespace: b}, approve: []}
---
apiVersion: v1
kind: PodList
items:
- metadata: {name: e}
---
apiVersion: v1
kind: List
items:
- metadata: {name: f}
";
    let documents = read(text);
    let found = problems(&documents);
    assert!(found[0].starts_with("5:51 unknown-service-field"), "{found:?}");
    assert!(found.iter().any(|it| it.contains("skipped 1 document of other kinds: 1 Pod")));
    let last = found.iter().filter(|it| it.contains("not-a-manifest")).collect::<Vec<_>>();
    assert!(last.len() == 1 && last[0].starts_with("25:3"), "{found:?}");
    assert_eq!(documents.services.len(), 2);
    let first = &documents.services[0].manifest;
    assert_eq!((&first["apiVersion"], &first["kind"]), (&"v1".into(), &"Service".into()));
    assert_eq!(documents.approvals.len(), 1);
}

#[test]
fn annotations_that_are_not_text_are_refused() {
    let text = SERVICE_TEXT
        .replace("create: \"true\"", "create: true")
        .replace("internal: \"true\"", "internal: yes");
    assert_eq!(
        problems(&read(&text)),
        [
            "6:62 ambiguous-text: `yes` without quotes is text here, but a boolean to kubectl",
            "7:50 annotation-not-text: the annotation \
             `service.beta.kubernetes.io/azure-pls-create` is a boolean, not text",
        ]
    );
}

#[test]
fn misspelt_kinds_are_not_skipped() {
    let read = |version: &str, kind: &str| {
        let text = format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\n");
        problems(&read(&text))
    };
    assert_eq!(
        read("privlink.dev/v1alpha1", "PrivatEndpoint"),
        ["2:7 unknown-kind: privlink.dev has no kind `PrivatEndpoint`"]
    );
    assert_eq!(
        read("privlink.io/v1alpha1", "Stack"),
        ["1:13 unknown-kind: there is no kind `Stack` in `privlink.io`"]
    );
    assert_eq!(read("v1", "service"), ["2:7 unknown-kind: Kubernetes has no kind `service`"]);
    assert_eq!(
        read("privlink.dev/v1", "Stack"),
        ["1:13 unknown-value: `privlink.dev/v1` is not a known value"]
    );
    assert_eq!(
        read("serving.knative.dev/v1", "Service"),
        ["2:7 skipped-kind: skipped 1 document of other kinds: 1 Service.serving.knative.dev"]
    );
    assert_eq!(
        read("core/v1", "Service"),
        ["1:13 unknown-kind: there is no kind `Service` in `core`"]
    );
}

#[test]
fn what_is_no_manifest_is_refused() {
    assert_eq!(
        problems(&read("a: 1\n")),
        ["1:1 not-a-manifest: the document has no apiVersion and no kind"]
    );
    assert_eq!(
        problems(&read("- a\n")),
        ["1:1 not-a-manifest: the document is a list, not a mapping"]
    );
    assert_eq!(problems(&read("---\n# nothing\n---\n")), Vec::<String>::new());
}

#[test]
fn duplicate_keys_of_foreign_documents_are_warnings() {
    let documents = read("apiVersion: v1\nkind: ConfigMap\ndata: {a: 1, a: 2}\n");
    assert_eq!(documents.diagnostics[0].code, rule::DUPLICATE_KEY);
    assert_eq!(documents.diagnostics[0].severity, Severity::Warning);
}

#[test]
fn a_missing_separator_is_one_problem() {
    let service =
        "apiVersion: v1\nkind: Service\nmetadata: {name: app}\nspec: {type: LoadBalancer}\n";
    let documents = read(&format!("{service}{service}"));
    assert_eq!(problems(&documents), ["5:1 duplicate-key: the key `apiVersion` is there twice"]);
    let help = documents.diagnostics[0].help.as_deref().unwrap();
    assert!(help.contains("put a line `---` before it"), "{help}");
    let documents = read(&format!("{service}spec: {{}}\n"));
    assert_eq!(problems(&documents), ["5:1 duplicate-key: the key `spec` is there twice"]);
    assert_eq!(documents.diagnostics[0].help.as_deref(), Some("remove one of the two"));
}

const SUBNET_ID: &str =
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/s";
const LINK_ID: &str =
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/privateLinkServices/p";
const GUID: &str = "11111111-2222-3333-4444-555555555555";
const SELECTOR: &str =
    "{matchLabels: {a: b}, matchExpressions: [{key: c, operator: In, values: [d]}]}";

/// Documents that have, together, every field of our own kinds.
fn with_every_field() -> Vec<String> {
    let stack = STACK_TEXT.replace(
        "    location: eastus\n",
        &format!(
            "    location: eastus\n    clusterName: kubernetes\n    kubernetesVersion: \"1.33\"\n    \
             virtualNetworkResourceGroup: rg\n    securityGroup: nsg\n    \
             securityGroupResourceGroup: rg\n    networkSubscription: {GUID}\n    \
             loadBalancerSku: standard\n    loadBalancerName: lb\n    \
             loadBalancerResourceGroup: rg\n    privateLinkServiceResourceGroup: rg\n    \
             backendPoolType: nodeIP\n    healthProbeMode: shared\n    outboundType: none\n    istioAddOn: true\n    ipFamilies: [IPv4]\n    \
             loadBalancers: [{{name: a, scaleSet: b, allowServicePlacement: true, nodeSelector: {SELECTOR}, \
             serviceLabelSelector: {SELECTOR}, serviceNamespaceSelector: {SELECTOR}}}]\n"
        ),
    );
    let stack = stack.replace(
        "maxDeletes: 5,",
        "maxDeletes: 5, allowDisconnects: [{endpoint: pe, until: 2026-12-05, reason: it moves}], \
         ignoreDrift: [{object: PrivateEndpoint/pe, class: changed-in-azure, reason: known, until: 2026-12-05}],",
    );
    let named = ENDPOINT_TEXT.replace(
        "spec:\n",
        &format!("spec:\n  name: in-azure\n  subscription: {GUID}\n  requestMessage: please\n"),
    );
    let by_id = ENDPOINT_TEXT
        .replace("{virtualNetwork: myOtherVNET, name: pe-subnet}", &format!("{{id: {SUBNET_ID}}}"))
        .replace(
            "{service: {namespace: default, name: internal-app}}",
            &format!("{{id: {LINK_ID}}}"),
        )
        .replace(
            "{record: {zone: internal.example, name: app}}",
            "{zoneGroup: {name: z, zones: [a.b]}}",
        );
    let alias = format!("{{alias: pls.{GUID}.eastus.azure.privatelinkservice}}");
    let by_alias = ENDPOINT_TEXT
        .replace("{service: {namespace: default, name: internal-app}}", &alias)
        .replace("Automatic", "Manual");
    let both = format!(
        "\n  - subscription: {GUID}\n  - endpoint: /subscriptions/s/resourceGroups/g/providers/\
         Microsoft.Network/privateEndpoints/pe\n"
    );
    let approval = format!(
        "apiVersion: privlink.dev/v1alpha1\nkind: EndpointApproval\nmetadata: {{name: partners}}\n\
         spec:\n  service: {{namespace: default, name: internal-app}}\n  approve:{both}  \
         - {{subscription: {GUID}, requestMessage: the word}}\n  reject:{both}"
    );
    let by_offer = by_alias.replace(&alias, "{offer: offer.yaml}");
    let offer = format!(
        "apiVersion: privlink.dev/v1alpha1\nkind: Offer\nmetadata: {{name: default.web}}\nspec:\n  stack: shop\n  \
         id: {LINK_ID}\n  alias: pls.{GUID}.eastus.azure.privatelinkservice\n  location: eastus\n  fqdns: [a.b]\n  \
         visibility: ['*']\n  approval:\n    automatic: [{GUID}]\n    manual:{}    - {{subscription: {GUID}, \
         requestMessage: true}}\n",
        both.replace("\n  -", "\n    -")
    );
    vec![stack, named, by_id, by_alias, by_offer, approval, offer]
}

/// The fields of an object and all within, as paths.
fn fields(object: &Object, path: &str, paths: &mut BTreeSet<String>) {
    for field in object.fields {
        let path = format!("{path}.{}", field.name);
        match &field.shape {
            Shape::Object(inner) | Shape::List(Shape::Object(inner), _) => {
                fields(inner, &path, paths);
            }
            _ => {}
        }
        paths.insert(path);
    }
}

/// Every tree that lacks one entry of this one, with the path of the entry.
fn without_one<'a>(node: &Node<'a>, path: &str) -> Vec<(String, Node<'a>)> {
    let mut trees = Vec::new();
    match &node.value {
        Value::Mapping(entries) => {
            for (index, entry) in entries.iter().enumerate() {
                let path = format!("{path}.{}", entry.key);
                let with =
                    |entries: Vec<_>| Node { range: node.range, value: Value::Mapping(entries) };
                let mut fewer = entries.clone();
                fewer.remove(index);
                trees.push((path.clone(), with(fewer)));
                for (inner, tree) in without_one(&entry.value, &path) {
                    let mut changed = entries.clone();
                    changed[index].value = tree;
                    trees.push((inner, with(changed)));
                }
            }
        }
        Value::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                for (inner, tree) in without_one(item, path) {
                    let mut changed = items.clone();
                    changed[index] = tree;
                    let value = Value::Sequence(changed);
                    trees.push((inner, Node { range: node.range, value }));
                }
            }
        }
        _ => {}
    }
    trees
}

/// The tables say what is accepted; this says that all of it is read, and nothing is in the tables
/// for show.
#[test]
fn every_field_of_the_tables_is_read() {
    let mut unread = BTreeSet::new();
    for (kind, object) in [
        ("Stack", &STACK),
        ("PrivateEndpoint", &PRIVATE_ENDPOINT),
        ("EndpointApproval", &ENDPOINT_APPROVAL),
        ("Offer", &OFFER),
    ] {
        fields(object, kind, &mut unread);
    }
    unread.retain(|path| {
        !["apiVersion", "kind", "labels", "annotations"].iter().any(|name| path.ends_with(name))
            && !path.ends_with("metadata.namespace")
    });
    for text in with_every_field() {
        let source = Source::new("a.yaml", text).unwrap();
        let root = yaml::documents(&source).next().unwrap().root.unwrap();
        let kind = root.get("kind").unwrap().as_str().unwrap().to_owned();
        let decode = |node: &Node<'_>| {
            let reader = Reader { source: &source, node };
            (
                decode::stack(reader).filter(|_| kind == "Stack"),
                decode::private_endpoint(reader),
                decode::endpoint_approval(reader),
                offer::offer(reader).filter(|_| kind == "Offer"),
            )
        };
        let full = decode(&root);
        assert_eq!(problems(&parse(&source)), Vec::<String>::new());
        for (path, tree) in without_one(&root, &kind) {
            if decode(&tree) != full {
                unread.remove(&path);
            }
        }
    }
    assert_eq!(unread, BTreeSet::new());
}
