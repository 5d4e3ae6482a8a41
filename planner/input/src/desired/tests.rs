use super::*;
use crate::diagnostic::{Diagnostic, Source};
use crate::document::{self, Documents, parse};
use crate::kubernetes::service::Key;

fn documents(text: &str) -> Documents {
    parse(&Source::new("a.yaml", text).unwrap())
}

/// The desired state of a text, and all problems as `line:column code`.
fn read(text: &str, options: &Options) -> (Desired, Vec<String>) {
    let (desired, problems) = resolve(documents(text), options);
    let show = |problem: &Diagnostic| {
        let place = problem.place().unwrap();
        format!("{}:{} {}", place.line, place.column, problem.code)
    };
    let problems = problems.iter().map(show).collect();
    (desired, problems)
}

fn with_namespace() -> Options {
    Options { namespace: Some("web".to_owned()), stack_name: None }
}

fn service(name: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n  annotations:\n    \
         service.beta.kubernetes.io/azure-load-balancer-internal: \"true\"\n    \
         service.beta.kubernetes.io/azure-pls-create: \"true\"\nspec: {{type: LoadBalancer, ports: [{{port: 80}}]}}\n"
    )
}

fn endpoint(name: &str, target: &str, more: &str) -> String {
    format!(
        "---\napiVersion: privlink.dev/v1alpha1\nkind: PrivateEndpoint\nmetadata: {{name: {name}}}\n\
         spec:\n  resourceGroup: rg\n  subnet: {{virtualNetwork: vnet, name: pe}}\n  \
         target: {target}\n{more}"
    )
}

#[test]
fn the_namespace_is_the_contexts_or_assumed_with_a_note() {
    let text = service("a");
    let (desired, problems) = read(&text, &with_namespace());
    assert_eq!(problems, Vec::<String>::new());
    let name = Key::new("web", "a");
    assert_eq!(desired.services[&name].manifest["metadata"]["namespace"], "web");
    let (desired, problems) = read(&text, &Options::default());
    assert_eq!(problems, ["5:9 assumed-namespace"]);
    assert!(desired.services.contains_key(&Key::new("default", "a")));
}

#[test]
fn the_stack_is_named_by_its_document_or_else_its_file() {
    let options = Options { stack_name: Some("my shop/".to_owned()), ..Options::default() };
    assert_eq!(read("", &options).0.name, "my-shop");
    assert_eq!(read("", &Options::default()).0.name, "default");
    let text = "{apiVersion: privlink.dev/v1alpha1, kind: Stack, metadata: {name: shop}}";
    assert_eq!(read(text, &options).0.name, "shop");
}

#[test]
fn references_must_lead_somewhere() {
    let text = service("a") + &endpoint("pe", "{service: {name: b}}", "");
    assert_eq!(read(&text, &with_namespace()).1, ["17:28 missing-service"]);
    let text = service("a") + &endpoint("pe", "{service: {name: a}}", "");
    assert_eq!(read(&text, &with_namespace()).1, Vec::<String>::new());
}

#[test]
fn a_reference_into_a_broken_document_is_not_missing() {
    let broken = service("b").replace("name: b", "name: b\n  labels: {");
    let text = broken + &endpoint("pe", "{service: {name: b}}", "");
    let (_, problems) = read(&text, &with_namespace());
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].ends_with("yaml-syntax"), "{problems:?}");
}

#[test]
fn no_reference_is_missing_while_a_file_was_not_read() {
    let mut documents = documents(&endpoint("pe", "{service: {name: b}}", ""));
    let unread = Source::from_bytes("b.yaml", vec![0xff]).unwrap_err();
    documents.diagnostics.push(*unread);
    let (_, problems) = resolve(documents, &with_namespace());
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[test]
fn an_address_and_a_record_are_for_one_endpoint() {
    let id =
        "{id: /subscriptions/s/resourceGroups/g/providers/Microsoft.Network/privateLinkServices/p}";
    let more = |zone: &str| {
        format!("  address: 10.1.0.9\n  dns: {{record: {{zone: {zone}, name: app}}}}\n")
    };
    let text = endpoint("pe-a", id, &more("x.example")) + &endpoint("pe-b", id, &more("X.example"));
    assert_eq!(
        read(&text, &with_namespace()).1,
        ["19:12 duplicate-address", "20:41 duplicate-record"]
    );
    let text = endpoint("pe-a", id, "  address: 10.1.0.9\n")
        + &endpoint("pe-b", id, "  address: 10.1.0.9\n").replace("name: pe}", "name: other}");
    assert_eq!(read(&text, &with_namespace()).1, Vec::<String>::new());
}

#[test]
fn defaults_come_from_the_stack_and_the_endpoint_itself() {
    let stack = "apiVersion: privlink.dev/v1alpha1\nkind: Stack\nmetadata: {name: shop}\n\
                 spec: {subscription: 00000000-0000-0000-0000-000000000001}\n";
    let alias = "{alias: pls.11111111-2222-3333-4444-555555555555.eastus.azure.privatelinkservice}";
    let text = stack.to_owned() + &endpoint("pe", alias, "");
    let (desired, problems) = read(&text, &with_namespace());
    assert_eq!(problems, Vec::<String>::new());
    let endpoint = &desired.endpoints["pe"];
    let subscription = endpoint.subscription.as_ref().unwrap();
    assert_eq!(subscription.value, "00000000-0000-0000-0000-000000000001");
    assert_eq!(endpoint.connection_name, "pe");
    assert_eq!(endpoint.approval, Approval::Manual);
}

#[test]
fn an_alias_cannot_be_approved_automatically() {
    let alias = "{alias: pls.11111111-2222-3333-4444-555555555555.eastus.azure.privatelinkservice}";
    let text = endpoint("pe", alias, "  approval: Automatic\n");
    assert_eq!(read(&text, &with_namespace()).1, ["9:13 alias-needs-manual"]);
}

#[test]
fn what_is_there_twice_is_shown_twice() {
    let id =
        "{id: /subscriptions/s/resourceGroups/g/providers/Microsoft.Network/privateLinkServices/p}";
    let text = service("a") + &service("a") + &endpoint("pe", id, "") + &endpoint("PE", id, "");
    assert_eq!(
        read(&text, &with_namespace()).1,
        ["14:9 duplicate-document", "30:18 duplicate-endpoint"]
    );
}

#[test]
fn two_private_link_services_of_a_group_need_two_names() {
    let named = |service: &str| {
        service.replace(
            "spec:",
            "  # names\n    service.beta.kubernetes.io/azure-pls-name: myPLS\nspec:",
        )
    };
    let text = named(&service("a")) + &named(&service("b"));
    let (_, problems) = read(&text, &with_namespace());
    assert_eq!(problems, ["21:48 duplicate-private-link-name"]);
}

#[test]
fn the_order_of_documents_and_files_does_not_show() {
    let one = service("a") + &endpoint("pe", "{service: {name: x}}", "");
    let other = service("b") + &service("a");
    let parse = |name: &str, text: &str| parse(&Source::new(name, text).unwrap());
    let mut forwards = parse("one.yaml", &one);
    forwards.append(parse("other.yaml", &other));
    let mut backwards = parse("other.yaml", &other);
    backwards.append(parse("one.yaml", &one));
    let options = Options::default();
    assert_eq!(resolve(forwards, &options), resolve(backwards, &options));
}

#[test]
fn pinned_facts_can_rule_out_private_link() {
    let stack = "apiVersion: privlink.dev/v1alpha1\nkind: Stack\nmetadata: {name: shop}\n\
                 spec: {facts: {kubernetesVersion: \"1.21\", loadBalancerSku: basic, backendPoolType: nodeIP}}\n";
    let text = stack.to_owned() + &service("a");
    assert_eq!(
        read(&text, &with_namespace()).1,
        ["4:35 kubernetes-too-old", "4:60 basic-load-balancer", "4:84 ip-based-pool"]
    );
}

/// An endpoint that takes an Offer of a file beside it, with more of both.
fn offered(file: Option<&str>, endpoint: &str) -> (Desired, Vec<Diagnostic>) {
    let text = format!(
        "apiVersion: privlink.dev/v1alpha1\nkind: PrivateEndpoint\nmetadata: {{name: pe}}\nspec:\n  \
         subscription: 44444444-4444-4444-4444-444444444444\n  resourceGroup: g\n  \
         subnet: {{virtualNetwork: vnet, name: s}}\n  {endpoint}\n"
    );
    let mut documents = document::parse(&Source::new("deploy/pe.yaml", text).unwrap());
    match file {
        Some(text) => {
            let source = Source::new("deploy/offers/web.yaml", text).unwrap();
            documents.append_offers("deploy/offers/web.yaml", document::parse(&source));
        }
        None => {
            let unread = &mut documents.offers.unread;
            unread.insert("deploy/offers/web.yaml".to_owned(), "it is not there".to_owned());
        }
    }
    resolve(documents, &Options::default())
}

const OFFER: &str = "apiVersion: privlink.dev/v1alpha1\nkind: Offer\nmetadata: {name: default.web}\nspec:\n  \
    stack: shop\n  id: /subscriptions/s/resourceGroups/g/providers/Microsoft.Network/privateLinkServices/web\n  \
    alias: web.22222222-2222-2222-2222-222222222222.eastus.azure.privatelinkservice\n  visibility: ['*']\n";

#[test]
fn an_offer_is_reached_by_its_alias_which_is_written_in_its_own_file() {
    let (desired, problems) = offered(Some(OFFER), "target: {offer: offers/web.yaml}");
    assert_eq!(problems, []);
    let endpoint = &desired.endpoints["pe"];
    let Target::Alias(alias) = &endpoint.target else { panic!("{:?}", endpoint.target) };
    assert_eq!(alias.span.place().to_string(), "deploy/offers/web.yaml:7:10");
    assert_eq!(endpoint.approval, Approval::Manual);
    assert_eq!(endpoint.offer.as_ref().unwrap().stack.as_deref(), Some("shop"));
    // Azure approves of itself what is reached by id.
    let by_id = "approval: Automatic\n  target: {offer: offers/web.yaml#default.web}";
    let (desired, problems) = offered(Some(OFFER), by_id);
    assert_eq!(problems, []);
    assert!(matches!(desired.endpoints["pe"].target, Target::Id(_)));
}

#[test]
fn what_is_wrong_with_an_offer_is_told_at_the_endpoint() {
    let problems_of = |file: Option<&str>, target: &str| -> Vec<String> {
        let (desired, problems) = offered(file, target);
        assert!(desired.endpoints.is_empty());
        problems.iter().map(|it| format!("{}: {}", it.place().unwrap(), it.message)).collect()
    };
    let target = "target: {offer: offers/web.yaml}";
    assert_eq!(
        problems_of(None, target),
        [
            "deploy/pe.yaml:8:19: the Offer in deploy/offers/web.yaml cannot be read: it is not there"
        ]
    );
    let none = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
    assert_eq!(
        problems_of(Some(none), target),
        [
            "deploy/pe.yaml:8:19: there is no Offer `offers/web.yaml` in the input, and deploy/offers/web.yaml holds none"
        ]
    );
    let broken = OFFER.replace("  alias", "  alais");
    let (_, problems) = offered(Some(&broken), target);
    let places: Vec<String> = problems.iter().map(|it| it.place().unwrap().to_string()).collect();
    let of_offer = ["deploy/offers/web.yaml:5:3", "deploy/offers/web.yaml:7:3"];
    assert_eq!(places, [of_offer[0], of_offer[1], "deploy/pe.yaml:8:19"]);
    assert!(problems[2].message.ends_with("it has errors, which are reported there"));
    let two = format!("{OFFER}---\n{}", OFFER.replace("default.web", "default.shop"));
    assert_eq!(
        problems_of(Some(&two), target),
        [
            "deploy/pe.yaml:8:19: deploy/offers/web.yaml holds several Offers: default.web, default.shop"
        ]
    );
    assert_eq!(
        problems_of(Some(&two), "target: {offer: offers/web.yaml#default.api}"),
        ["deploy/pe.yaml:8:19: deploy/offers/web.yaml holds no Offer `default.api`"]
    );
    // A name of the file's Offers is none of the input.
    assert_eq!(
        problems_of(Some(OFFER), "target: {offer: default.web}"),
        [
            "deploy/pe.yaml:8:19: there is no Offer `default.web` in the input, and deploy/default.web holds none"
        ]
    );
    // A newer version of the document is refused where it says so.
    let (_, problems) = offered(Some(&OFFER.replace("v1alpha1", "v9")), target);
    assert_eq!(problems[0].place().unwrap().to_string(), "deploy/offers/web.yaml:1:13");
    assert_eq!(problems[0].severity, crate::rule::Severity::Error);
}
