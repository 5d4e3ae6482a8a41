//! A catalogue of edits that disconnect somebody when they are done at once: for each, what a route costs, or
//! that there is none. Every route that is found is walked in the sandbox, whose controller then has to do what
//! was printed.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what fails here fails the test"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use support::Workplace;

const PREFIX: &str = "service.beta.kubernetes.io/azure-";

/// What stands above the catalogue's rows.
const HEAD: &str = "# A catalogue of routes

Edits as they come up, each from a Service with a Private Link Service and consumers on it, with what
[`privlink route`](route.md) finds. A test walks every route in the sandbox, whose controller has to do what was printed.
\"At once\" needs no route. Where there is none, the number is that of the states that were looked at, which are all
there are within eight edits. \"A failure\" is an edit at which the controller fails when it is done at once.

| edit | consumers disconnected |
|---|---|
";

/// Where the Private Link Services of the sandbox's cluster are.
const LINKS: &str = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/\
    mc_myresourcegroup_myakscluster_eastus/providers/Microsoft.Network/privateLinkServices";

/// A Service as the catalogue writes it: `default/web 443,80 ipv4=10.240.0.25 pls=my-pls`. A word with `=` is
/// an annotation without the part that all of them share; `pls` and `nat` are short for what a Private Link
/// Service needs, `selector`, `type` and `families` are of the spec, `tier` is a label.
fn service(text: &str) -> String {
    let mut words = text.split_whitespace();
    let (namespace, name) = words.next().unwrap().split_once('/').unwrap();
    let ports = words.next().unwrap();
    let options: Vec<(&str, &str)> = words.map(|word| word.split_once('=').unwrap()).collect();
    let option = |name: &str| options.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
    let mut annotations = BTreeMap::from([("load-balancer-internal", "true")]);
    if let Some(name) = option("pls") {
        annotations.extend([("pls-create", "true"), ("pls-name", name)]);
        annotations.insert("pls-ip-configuration-subnet", option("nat").unwrap_or("pls-subnet"));
    }
    let mut spec = String::new();
    for (key, value) in &options {
        match *key {
            "pls" | "nat" | "selector" | "type" | "tier" => {}
            "internal" if *value == "no" => drop(annotations.remove("load-balancer-internal")),
            "ipv4" => drop(annotations.insert("load-balancer-ipv4", value)),
            "families" => writeln!(spec, "  ipFamilyPolicy: {value}").unwrap(),
            key => drop(annotations.insert(key, value)),
        }
    }
    let annotations: String = annotations
        .iter()
        .map(|(key, value)| format!("    {PREFIX}{key}: \"{value}\"\n"))
        .collect();
    let ports: String = ports
        .split(',')
        .map(|port| format!("  - {{name: p{port}, port: {port}, targetPort: 8443}}\n"))
        .collect();
    let labels = option("tier").map(|it| format!("  labels: {{tier: {it}}}\n")).unwrap_or_default();
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n  namespace: {namespace}\n{labels}  \
         annotations:\n{annotations}spec:\n  type: {}\n  selector: {{app: {}}}\n{spec}  ports:\n{ports}",
        option("type").unwrap_or("LoadBalancer"),
        option("selector").unwrap_or(name),
    )
}

/// A stack of Services, and of endpoints: `pe default/web`.
fn stack(services: &[&str], endpoints: &[(&str, &str)]) -> String {
    let mut text = String::from(
        "apiVersion: privlink.dev/v1alpha1\nkind: Stack\nmetadata: {name: routes}\nspec:\n  \
         subscription: 00000000-0000-0000-0000-000000000000\n  resourceGroup: myResourceGroup\n  \
         cluster: myAKSCluster\n",
    );
    text.extend(services.iter().map(|it| service(it)));
    for (name, target) in endpoints {
        let target = target.split_once('/').map_or_else(
            || format!("id: {LINKS}/{target}"),
            |(namespace, name)| format!("service: {{namespace: {namespace}, name: {name}}}"),
        );
        write!(
            text,
            "---\napiVersion: privlink.dev/v1alpha1\nkind: PrivateEndpoint\nmetadata: {{name: {name}}}\nspec:\n  \
             resourceGroup: myOtherResourceGroup\n  subnet: {{virtualNetwork: myOtherVNET, name: pe-subnet}}\n  \
             target: {{{target}}}\n  approval: Automatic\n"
        )
        .unwrap();
    }
    text
}

/// The cluster that a pair is on.
#[derive(Clone, Copy, PartialEq)]
enum Cluster {
    /// The sandbox's first one.
    Plain,
    /// One with Nodes of both families.
    DualStack,
    /// One with two load balancers; the second, `lb-two`, takes Services with the label `tier: edge`.
    TwoBalancers,
    /// The first one, with more consumers: one of another subscription, and one of another tenant.
    TwoTenants,
}

/// One pair.
struct Pair {
    name: &'static str,
    cluster: Cluster,
    from: &'static [&'static str],
    to: &'static [&'static str],
    /// The endpoints, each with the Service it reaches before and after.
    endpoints: &'static [(&'static str, &'static str, &'static str)],
}

/// Pairs whose one endpoint reaches the same Service before and after, unless it says otherwise.
macro_rules! pairs {
    ($($name:literal $(on $cluster:ident)?: [$($from:literal),*] => [$($to:literal),*] $(with $($endpoint:literal $before:literal $after:literal),+)?;)*) => {
        &[$(Pair {
            name: $name,
            cluster: [$(Cluster::$cluster,)? Cluster::Plain][0],
            from: &[$($from),*],
            to: &[$($to),*],
            endpoints: &[$($(($endpoint, $before, $after)),+)?],
        }),*]
    };
}

const PAIRS: &[Pair] = pairs! {
    "a gateway in place of a Service, same address and port":
        ["default/nginx 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/gw 443 ipv4=10.240.0.25"]
        with "pe" "default/nginx" "default/gw";
    "the same with two ports":
        ["default/nginx 80,443 ipv4=10.240.0.25 pls=my-pls"] => ["default/gw 80,443 ipv4=10.240.0.25"]
        with "pe" "default/nginx" "default/gw";
    "the same on another port":
        ["default/nginx 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/gw 8443 ipv4=10.240.0.25"]
        with "pe" "default/nginx" "default/gw";
    "the same for a part of the ports":
        ["default/nginx 80,443 ipv4=10.240.0.25 pls=my-pls"] => ["default/gw 443 ipv4=10.240.0.25"]
        with "pe" "default/nginx" "default/gw";
    "the same where spare ports are taken":
        ["default/nginx 443 ipv4=10.240.0.25 pls=my-pls", "default/side 8443,9443 ipv4=10.240.0.25"]
        => ["default/gw 443 ipv4=10.240.0.25", "default/side 8443,9443 ipv4=10.240.0.25"]
        with "pe" "default/nginx" "default/gw";
    "the same with a second Service beside it":
        ["default/nginx 443 ipv4=10.240.0.25 pls=my-pls", "default/side 81 ipv4=10.240.0.25"]
        => ["default/gw 443 ipv4=10.240.0.25", "default/side 81 ipv4=10.240.0.25"]
        with "pe" "default/nginx" "default/gw";
    "the same with three endpoints":
        ["default/nginx 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/gw 443 ipv4=10.240.0.25"]
        with "pe-a" "default/nginx" "default/gw", "pe-b" "default/nginx" "default/gw", "pe-c" "default/nginx" "default/gw";
    "the same with consumers of two tenants" on TwoTenants:
        ["default/nginx 443 ipv4=10.240.0.25 pls=my-pls pls-visibility=* pls-auto-approval=*"]
        => ["default/gw 443 ipv4=10.240.0.25"]
        with "pe" "default/nginx" "default/gw";
    "the same, and the gateway asks for the Private Link Service too":
        ["default/nginx 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/gw 443 ipv4=10.240.0.25 pls=my-pls"]
        with "pe" "default/nginx" "default/gw";
    "a Service moves to another namespace":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["kube-system/web 443 ipv4=10.240.0.25"]
        with "pe" "default/web" "kube-system/web";
    "a Service is renamed":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/shop 443 ipv4=10.240.0.25 selector=web"]
        with "pe" "default/web" "default/shop";
    "a Service is renamed with its annotations":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/shop 443 ipv4=10.240.0.25 pls=my-pls selector=web"]
        with "pe" "default/web" "default/shop";
    "a Service is renamed that has no fixed address":
        ["default/web 443 pls=my-pls"] => ["default/shop 443 pls=my-pls selector=web"]
        with "pe" "default/web" "default/shop";
    "two Services on one address swap their ports":
        ["default/a 80 ipv4=10.240.0.25 pls=my-pls", "default/b 81 ipv4=10.240.0.25"]
        => ["default/a 81 ipv4=10.240.0.25 pls=my-pls", "default/b 80 ipv4=10.240.0.25"]
        with "pe" "default/a" "default/a";
    "the owner of a shared address is deleted":
        ["default/a 80 ipv4=10.240.0.25 pls=my-pls", "default/b 81 ipv4=10.240.0.25"] => ["default/b 81 ipv4=10.240.0.25"]
        with "pe" "default/a" "default/b";
    "both Services of a shared address are replaced":
        ["default/a 80 ipv4=10.240.0.25 pls=my-pls", "default/b 81 ipv4=10.240.0.25"]
        => ["default/c 80 ipv4=10.240.0.25", "default/d 81 ipv4=10.240.0.25"]
        with "pe" "default/a" "default/c";
    "one Service in place of two":
        ["default/a 80 ipv4=10.240.0.25 pls=my-pls", "default/b 81 ipv4=10.240.0.25"] => ["default/c 80,81 ipv4=10.240.0.25"]
        with "pe" "default/a" "default/c";
    "two Services in place of one":
        ["default/a 80,81 ipv4=10.240.0.25 pls=my-pls"] => ["default/b 80 ipv4=10.240.0.25", "default/c 81 ipv4=10.240.0.25"]
        with "pe" "default/a" "default/b";
    "the owner of a shared address moves away":
        ["default/a 80 ipv4=10.240.0.25 pls=my-pls", "default/b 81 ipv4=10.240.0.25"]
        => ["default/a 80 ipv4=10.240.0.26", "default/b 81 ipv4=10.240.0.25"]
        with "pe" "default/a" "default/b";
    "another address":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/web 443 ipv4=10.240.0.26 pls=my-pls"]
        with "pe" "default/web" "default/web";
    "another address and another port":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/web 444 ipv4=10.240.0.26 pls=my-pls"]
        with "pe" "default/web" "default/web";
    "no fixed address any more":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/web 443 pls=my-pls"]
        with "pe" "default/web" "default/web";
    "the address that it has is fixed":
        ["default/web 443 pls=my-pls"] => ["default/web 443 ipv4=10.240.0.6 pls=my-pls"]
        with "pe" "default/web" "default/web";
    "another subnet":
        ["default/web 443 pls=my-pls"] => ["default/web 443 load-balancer-internal-subnet=apps-subnet pls=my-pls"]
        with "pe" "default/web" "default/web";
    "back to the cluster's subnet":
        ["default/web 443 load-balancer-internal-subnet=apps-subnet pls=my-pls"] => ["default/web 443 pls=my-pls"]
        with "pe" "default/web" "default/web";
    "another subnet and a fixed address":
        ["default/web 443 pls=my-pls"]
        => ["default/web 443 load-balancer-internal-subnet=apps-subnet ipv4=10.241.0.9 pls=my-pls"]
        with "pe" "default/web" "default/web";
    "the Private Link Service is renamed":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/web 443 ipv4=10.240.0.25 pls=other-pls"]
        with "pe" "default/web" "default/web";
    "the Private Link Service is asked for no more":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/web 443 ipv4=10.240.0.25"]
        with "pe" "default/web" "default/web";
    "NAT addresses in another subnet":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/web 443 ipv4=10.240.0.25 pls=my-pls nat=apps-subnet"]
        with "pe" "default/web" "default/web";
    "more NAT addresses":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"]
        => ["default/web 443 ipv4=10.240.0.25 pls=my-pls pls-ip-configuration-ip-address-count=2"]
        with "pe" "default/web" "default/web";
    "the Private Link Service in another resource group":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"]
        => ["default/web 443 ipv4=10.240.0.25 pls=my-pls pls-resource-group=myOtherResourceGroup"]
        with "pe" "default/web" "default/web";
    "both families where the cluster has them":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"]
        => ["default/web 443 ipv4=10.240.0.25 pls=my-pls families=PreferDualStack"]
        with "pe" "default/web" "default/web";
    "a second family is preferred" on DualStack:
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"]
        => ["default/web 443 ipv4=10.240.0.25 pls=my-pls families=PreferDualStack"]
        with "pe" "default/web" "default/web";
    "a second family is required" on DualStack:
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"]
        => ["default/web 443 ipv4=10.240.0.25 pls=my-pls families=RequireDualStack"]
        with "pe" "default/web" "default/web";
    "back to one family" on DualStack:
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls families=RequireDualStack"]
        => ["default/web 443 ipv4=10.240.0.25 pls=my-pls families=SingleStack"]
        with "pe" "default/web" "default/web";
    "a second family, and another address" on DualStack:
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"]
        => ["default/web 443 ipv4=10.240.0.26 pls=my-pls families=RequireDualStack"]
        with "pe" "default/web" "default/web";
    "a gateway in place of a Service with two families" on DualStack:
        ["default/nginx 443 ipv4=10.240.0.25 pls=my-pls families=RequireDualStack"]
        => ["default/gw 443 ipv4=10.240.0.25 families=RequireDualStack"]
        with "pe" "default/nginx" "default/gw";
    "another load balancer" on TwoBalancers:
        ["default/web 443 pls=my-pls load-balancer-configurations=kubernetes tier=edge"]
        => ["default/web 443 pls=my-pls load-balancer-configurations=lb-two tier=edge"]
        with "pe" "default/web" "default/web";
    "another load balancer, by a label" on TwoBalancers:
        ["default/web 443 pls=my-pls tier=core"] => ["default/web 443 pls=my-pls tier=edge"]
        with "pe" "default/web" "default/web";
    "the load balancer that it is on is named" on TwoBalancers:
        ["default/web 443 pls=my-pls"] => ["default/web 443 pls=my-pls load-balancer-configurations=kubernetes"]
        with "pe" "default/web" "default/web";
    "another load balancer, and another address" on TwoBalancers:
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls tier=core"]
        => ["default/web 443 ipv4=10.240.0.26 pls=my-pls tier=edge"]
        with "pe" "default/web" "default/web";
    "a gateway in place of a Service, on the second load balancer" on TwoBalancers:
        ["default/nginx 443 ipv4=10.240.0.25 pls=my-pls tier=edge"] => ["default/gw 443 ipv4=10.240.0.25 tier=edge"]
        with "pe" "default/nginx" "default/gw";
    "public to internal":
        ["default/web 443 internal=no"] => ["default/web 443 ipv4=10.240.0.25 pls=my-pls"];
    "deleted and created again under another name, with another address":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/shop 443 ipv4=10.240.0.26 pls=my-pls"]
        with "pe" "default/web" "default/shop";
    "another subnet, for endpoints of three documents":
        ["default/web 443 pls=my-pls"] => ["default/web 443 load-balancer-internal-subnet=apps-subnet pls=my-pls"]
        with "pe-a" "default/web" "default/web", "pe-b" "default/web" "default/web", "pe-c" "default/web" "default/web";
    "PROXY protocol":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/web 443 ipv4=10.240.0.25 pls=my-pls pls-proxy-protocol=true"]
        with "pe" "default/web" "default/web";
    "visible to others":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/web 443 ipv4=10.240.0.25 pls=my-pls pls-visibility=*"]
        with "pe" "default/web" "default/web";
    "internal to public":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/web 443 internal=no"]
        with "pe" "default/web" "my-pls";
    "no load balancer any more":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/web 443 type=ClusterIP"]
        with "pe" "default/web" "my-pls";
    "the Service is deleted":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls", "default/other 80"] => ["default/other 80"]
        with "pe" "default/web" "my-pls";
    "another port":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/web 444 ipv4=10.240.0.25 pls=my-pls"]
        with "pe" "default/web" "default/web";
    "another selector":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/web 443 ipv4=10.240.0.25 pls=my-pls selector=web-2"]
        with "pe" "default/web" "default/web";
    "two Private Link Services swap their addresses":
        ["default/a 443 ipv4=10.240.0.25 pls=pls-a", "default/b 443 ipv4=10.240.0.26 pls=pls-b"]
        => ["default/a 443 ipv4=10.240.0.26 pls=pls-a", "default/b 443 ipv4=10.240.0.25 pls=pls-b"]
        with "pe-a" "default/a" "default/a", "pe-b" "default/b" "default/b";
    "two gateways in place of two Services":
        ["default/a 443 ipv4=10.240.0.25 pls=pls-a", "default/b 443 ipv4=10.240.0.26 pls=pls-b"]
        => ["default/ga 443 ipv4=10.240.0.25", "default/gb 443 ipv4=10.240.0.26"]
        with "pe-a" "default/a" "default/ga", "pe-b" "default/b" "default/gb";
    "a gateway in place of a Service, and another address elsewhere":
        ["default/a 443 ipv4=10.240.0.25 pls=pls-a", "default/b 443 ipv4=10.240.0.26 pls=pls-b"]
        => ["default/ga 443 ipv4=10.240.0.25", "default/b 443 ipv4=10.240.0.27 pls=pls-b"]
        with "pe-a" "default/a" "default/ga", "pe-b" "default/b" "default/b";
    "a gateway takes over, and a Service joins it":
        ["default/nginx 443 ipv4=10.240.0.25 pls=my-pls"]
        => ["default/gw 443 ipv4=10.240.0.25", "default/api 81 ipv4=10.240.0.25"]
        with "pe" "default/nginx" "default/gw";
    "a Service is renamed and changes its port":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/shop 444 ipv4=10.240.0.25"]
        with "pe" "default/web" "default/shop";
    "a Service with two ports is replaced by three":
        ["default/web 443,80 ipv4=10.240.0.25 pls=my-pls"]
        => ["default/a 443 ipv4=10.240.0.25", "default/b 80 ipv4=10.240.0.25", "default/c 82 ipv4=10.240.0.25"]
        with "pe" "default/web" "default/a";
};

fn endpoints(pair: &Pair, is_after: bool) -> Vec<(&'static str, &'static str)> {
    let all = pair.endpoints.iter();
    all.map(|(name, before, after)| (*name, if is_after { *after } else { *before })).collect()
}

/// The aliases and connection states that a stack's output shows.
fn shown(place: &Workplace, file: &str) -> Vec<String> {
    let run = place.run(&format!("output -f {file} --sandbox"));
    let lines = run.stdout.lines().filter(|it| it.contains("connection = "));
    lines.map(|it| it.trim().to_owned()).collect()
}

/// The world of the sandbox.
fn world(place: &Workplace) -> Value {
    support::read_json(&place.path().join(WORLD))
}

/// Where that is kept.
const WORLD: &str = ".privlink/sandbox/routes.json";

/// What Azure has of a type.
fn resources<'w>(world: &'w Value, kind: &str) -> Vec<&'w Value> {
    let all = world["azure"].as_array().unwrap().iter();
    all.filter(|it| it["type"].as_str().is_some_and(|it| it.eq_ignore_ascii_case(kind))).collect()
}

/// What each Private Link Service with consumers serves, and who is connected to it.
fn served(world: &Value) -> BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> {
    let same = |one: &Value, other: &Value| {
        one.as_str().unwrap_or("-").eq_ignore_ascii_case(other.as_str().unwrap_or_default())
    };
    let mut served = BTreeMap::new();
    for link in resources(world, "Microsoft.Network/privateLinkServices") {
        let frontend = &link["properties"]["loadBalancerFrontendIpConfigurations"][0]["id"];
        let mut ports = BTreeSet::new();
        for balancer in resources(world, "Microsoft.Network/loadBalancers") {
            for rule in
                balancer["properties"]["loadBalancingRules"].as_array().into_iter().flatten()
            {
                let rule = &rule["properties"];
                if same(&rule["frontendIPConfiguration"]["id"], frontend) {
                    let protocol = rule["protocol"].as_str().unwrap().to_uppercase();
                    ports.insert(format!("{protocol} {}", rule["frontendPort"]));
                }
            }
        }
        let connections = link["properties"]["privateEndpointConnections"].as_array();
        let connected: BTreeSet<String> = connections
            .into_iter()
            .flatten()
            .map(|it| &it["properties"])
            .filter(|it| it["privateLinkServiceConnectionState"]["status"] == "Approved")
            .map(|it| it["privateEndpoint"]["id"].as_str().unwrap().to_lowercase())
            .collect();
        // One that was made again has another alias.
        let name = format!("{} {}", link["name"].as_str().unwrap(), link["properties"]["alias"]);
        if !connected.is_empty() {
            served.insert(name, (ports, connected));
        }
    }
    served
}

/// What a step did, as it is printed: whom it disconnects, and what nothing serves after it. `needed` is what was
/// served in the beginning and is in the end.
fn assert_as_printed(pair: &str, step: &Value, before: &Value, after: &Value, needed: &[String]) {
    let (before, after) = (served(before), served(after));
    let lost: BTreeSet<&String> = before
        .iter()
        .flat_map(|(name, (_, connected))| {
            let left = after.get(name).map(|(_, left)| left);
            connected.iter().filter(move |it| left.is_none_or(|left| !left.contains(*it)))
        })
        .collect();
    let printed: BTreeSet<String> = step["disconnects"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|it| it["endpoint"].as_str().unwrap().to_lowercase())
        .collect();
    assert_eq!(lost, printed.iter().collect(), "{pair}: step {}", step["number"]);
    let missing: BTreeSet<String> = needed
        .iter()
        .filter(|need| {
            let (link, port) = need.split_once(' ').unwrap();
            let mut found = after.iter().filter(|(name, _)| name.split(' ').next() == Some(link));
            found.next().is_some_and(|(_, (ports, _))| !ports.contains(port))
        })
        .cloned()
        .collect();
    let unserved = step["unserved"].as_array().into_iter().flatten();
    let unserved: BTreeSet<String> = unserved.map(|it| it.as_str().unwrap().to_owned()).collect();
    assert_eq!(missing, unserved, "{pair}: step {}", step["number"]);
}

/// The ports that a pair's Services serve in the end, as rules spell them.
fn wanted_ports(pair: &Pair) -> BTreeSet<String> {
    let ports = pair.to.iter().flat_map(|it| it.split_whitespace().nth(1).unwrap().split(','));
    ports.map(|port| format!("TCP {port}")).collect()
}

fn begin(pair: &Pair) -> Workplace {
    let place = Workplace::empty();
    match pair.cluster {
        Cluster::Plain | Cluster::TwoTenants => {}
        Cluster::DualStack => {
            let from = support::root().join("examples/dual-stack/world/observed.json");
            place.run(&format!("sandbox init {WORLD} --from {}", from.display())).expect(0);
            add_consumers(&place);
        }
        Cluster::TwoBalancers => {
            place.run(&format!("sandbox init {WORLD}")).expect(0);
            support::add_load_balancer(&place.path().join(WORLD), "edge");
        }
    }
    let write = |name: &str, text: String| std::fs::write(place.path().join(name), text).unwrap();
    write("from.yaml", stack(pair.from, &endpoints(pair, false)));
    write("to.yaml", stack(pair.to, &endpoints(pair, true)));
    let made = place.run("apply -f from.yaml --sandbox --auto-approve --controller-timeout 20");
    assert_eq!(made.code, 0, "{}: {made:?}", pair.name);
    if pair.cluster == Cluster::TwoTenants {
        for (number, who) in [("1", "consumer"), ("9", "partner")] {
            write("theirs.yaml", consumer(number, who));
            place.run(&format!("apply -f theirs.yaml --sandbox={WORLD} --auto-approve")).expect(0);
        }
    }
    place
}

/// The stack of a consumer whose subscription has this digit; `partner` is of another tenant.
fn consumer(digit: &str, who: &str) -> String {
    let subscription = [8, 4, 4, 4, 12].map(|length| digit.repeat(length)).join("-");
    let stack = stack(&[], &[]).replace("{name: routes}", &format!("{{name: {who}}}"));
    format!(
        "{stack}---\napiVersion: privlink.dev/v1alpha1\nkind: PrivateEndpoint\nmetadata: {{name: {who}-pe}}\nspec:\n  \
         subscription: {subscription}\n  resourceGroup: {who}ResourceGroup\n  \
         subnet: {{virtualNetwork: {who}-vnet, name: pe-subnet}}\n  target: {{id: {LINKS}/my-pls}}\n  approval: Manual\n"
    )
}

/// Gives the world the network of the consumers, which the first world has.
fn add_consumers(place: &Workplace) {
    place.run("sandbox init first.json").expect(0);
    let first = support::read_json(&place.path().join("first.json"));
    let theirs = |it: &&Value| {
        it["id"].as_str().is_some_and(|id| id.to_lowercase().contains("/myotherresourcegroup"))
    };
    let theirs: Vec<Value> =
        first["azure"].as_array().unwrap().iter().filter(theirs).cloned().collect();
    support::edit_json(&place.path().join(WORLD), |world| {
        world["azure"].as_array_mut().unwrap().extend(theirs);
    });
}

/// Applies each folder, and looks what came of it.
fn walk_folders(place: &Workplace, pair: &str, limits: &str, mut done: impl FnMut(usize)) {
    for (number, folder) in folders(place).iter().enumerate() {
        let step = format!("steps/{folder}");
        let run = place.run(&format!("apply -f {step} --sandbox --auto-approve {limits}"));
        assert_eq!(run.code, 0, "{pair}: {step}: {run:?}");
        done(number);
        let plan = place.run(&format!("plan -f {step} --sandbox"));
        assert!(plan.last_line().starts_with("No changes"), "{pair}: {step}: {plan:?}");
    }
}

/// Brings a pair's beginning about, asks for the route, and walks it. The row of the catalogue.
fn walk(pair: &Pair) -> String {
    let place = begin(pair);
    let again = place.run("route -f to.yaml --sandbox -o json");
    let run = place.run("route -f to.yaml --sandbox -o json --out steps");
    assert_eq!(run.code, 0, "{}: {run:?}", pair.name);
    assert_eq!(run.stdout, again.stdout, "{}: the same input gives the same route", pair.name);
    let route: Value = serde_json::from_str(&run.stdout).unwrap();
    let at_once = route["atOnce"].as_array().unwrap().len();
    let states = match route["searched"]["states"].as_u64().unwrap() {
        1 => "the only state".to_owned(),
        states => format!("all {states} states"),
    };
    let why = route["because"][0]["reason"].as_str().unwrap_or_default();
    let row = match route["verdict"].as_str().unwrap() {
        "atOnce" => "at once, nobody".to_owned(),
        "none" if route["fails"].is_array() && !route["gates"].is_object() => {
            format!("fails in every order, {states}")
        }
        "none" => format!(
            "none better than {at_once}: {why} ({states}); {}",
            walk_gates(&place, pair, &route["gates"])
        ),
        "unfinished" => format!("none better than {at_once} found"),
        _ => walk_route(&place, pair, &route),
    };
    format!("| {} | {row} |\n", pair.name)
}

/// Walks a route; what it costs.
fn walk_route(place: &Workplace, pair: &Pair, route: &Value) -> String {
    let (cost, steps) = (&route["cost"], route["steps"].as_array().unwrap());
    let wanted = wanted_ports(pair);
    let mut before = world(place);
    let needed: Vec<String> = served(&before)
        .iter()
        .flat_map(|(name, (ports, _))| {
            let link = name.split(' ').next().unwrap();
            ports.intersection(&wanted).map(move |port| format!("{link} {port}"))
        })
        .collect();
    let limits = format!("--max-disconnects {}", cost["disconnects"]);
    walk_folders(place, pair.name, &limits, |number| {
        let after = world(place);
        assert_as_printed(pair.name, &steps[number], &before, &after, &needed);
        before = after;
    });
    let end = shown(place, "to.yaml");
    let kept = end.iter().filter(|it| it.ends_with("Approved")).count();
    if cost["disconnects"] == 0 {
        assert_eq!(kept, pair.endpoints.len(), "{}: {end:?}", pair.name);
    }
    let plan = place.run("plan -f to.yaml --sandbox");
    assert!(plan.last_line().starts_with("No changes"), "{}: {plan:?}", pair.name);
    let at_once = route["atOnce"].as_array().unwrap().len();
    let instead = match route["fails"].is_array() {
        true => "a failure".to_owned(),
        false => at_once.to_string(),
    };
    format!(
        "{} instead of {instead}, {} steps, {} unserved between",
        cost["disconnects"],
        steps.len(),
        cost["unserved"]
    )
}

/// Walks the stages of the way with gates; what they come to.
fn walk_gates(place: &Workplace, pair: &Pair, gates: &Value) -> String {
    if gates.is_null() {
        return "no gates either".to_owned();
    }
    let stages = gates["stages"].as_array().unwrap().len();
    let links = gates["links"].as_array().unwrap();
    if links.iter().all(|link| link["second"].is_null()) {
        return "with a gate: once nobody is left".to_owned();
    }
    let old = served(&world(place));
    let moved: usize =
        links.iter().map(|it| it["second"]["endpoints"].as_array().map_or(0, Vec::len)).sum();
    walk_folders(place, pair.name, &format!("--max-disconnects {moved}"), |_| {});
    let end = served(&world(place));
    assert!(old.keys().all(|it| !end.contains_key(it)), "{}: {old:?} is left", pair.name);
    let connected: usize = end.values().map(|(_, connected)| connected.len()).sum();
    assert_eq!(connected, pair.endpoints.len(), "{}: {end:?}", pair.name);
    format!("with gates: {stages} stages, {moved} of the stack re-created")
}

fn folders(place: &Workplace) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(place.path().join("steps"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn every_pair_of_the_catalogue_has_its_route_or_none() {
    let next = AtomicUsize::new(0);
    let (rows, failed) = (Mutex::new(BTreeMap::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((number, pair)) = {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    PAIRS.get(number).map(|pair| (number, pair))
                } {
                    match std::panic::catch_unwind(|| walk(pair)) {
                        Ok(row) => drop(rows.lock().unwrap().insert(number, row)),
                        Err(_) => failed.lock().unwrap().push(pair.name),
                    }
                }
            });
        }
    });
    assert_eq!(failed.into_inner().unwrap(), Vec::<&str>::new(), "each failure is told above");
    let rows: String = rows.into_inner().unwrap().into_values().collect();
    support::assert_golden("../docs/route-catalogue.md", &format!("{HEAD}{rows}"));
}

#[test]
fn an_apply_by_route_disconnects_nobody_and_goes_on_from_wherever_it_was_stopped() {
    let pair = &PAIRS[0];
    let place = begin(pair);
    let alias = |file: &str| {
        let run = place.run(&format!("output -f {file} --sandbox"));
        run.stdout
            .lines()
            .find(|it| it.contains("alias"))
            .map(|it| it.rsplit(' ').next().unwrap().to_owned())
    };
    let before = alias("from.yaml").unwrap();
    place.run("apply -f to.yaml --sandbox --auto-approve").expect(3);

    // The first step by hand, as a run that was stopped after it leaves the world.
    let routed = place.run("route -f to.yaml --sandbox --out steps").expect(0);
    let first = &folders(&place)[0];
    let apply = format!("apply -f steps/{first} --sandbox");
    assert!(routed.stderr.trim_end().ends_with(&apply), "{}", routed.stderr);
    place.run(&format!("{apply} --auto-approve")).expect(0);
    let run = place.run("apply -f to.yaml --route --sandbox --auto-approve").expect(0);
    assert!(run.stderr.contains("disconnects nobody"), "{run:?}");
    let plan = place.run("plan -f to.yaml --sandbox");
    assert!(plan.last_line().starts_with("No changes"), "{plan:?}");
    assert!(shown(&place, "to.yaml").iter().all(|it| it.ends_with("Approved")));
    let world =
        std::fs::read_to_string(place.path().join(".privlink/sandbox/routes.json")).unwrap();
    assert!(world.contains(&before), "the Private Link Service is the one that there was");
}

/// Text of endpoints with names in DNS, and of one without, to `default/web`.
fn named_endpoints() -> String {
    let endpoint = |name: &str, dns: &str| {
        format!(
            "---\napiVersion: privlink.dev/v1alpha1\nkind: PrivateEndpoint\nmetadata: {{name: {name}}}\nspec:\n  \
             resourceGroup: myOtherResourceGroup\n  subnet: {{virtualNetwork: myOtherVNET, name: pe-subnet}}\n  \
             target: {{service: {{namespace: default, name: web}}}}\n  approval: Automatic\n{dns}"
        )
    };
    let record = "  dns: {record: {zone: privatelink.contoso.com, name: shop}}\n";
    let group = "  dns: {zoneGroup: {zones: [privatelink.contoso.com]}}\n";
    [("by-record", record), ("by-group", group), ("plain", "")]
        .iter()
        .map(|(name, dns)| endpoint(name, dns))
        .collect()
}

/// A Service whose address changes, three endpoints of the stack on it, and one of somebody else.
fn moved_address() -> Workplace {
    let place = Workplace::empty();
    let write = |name: &str, text: String| std::fs::write(place.path().join(name), text).unwrap();
    let web = |address: &str| {
        format!("default/web 443 ipv4={address} pls=my-pls pls-fqdns=web.contoso.com")
    };
    let own = |address: &str| stack(&[&web(address)], &[]) + &named_endpoints();
    write("from.yaml", own("10.240.0.25"));
    write("to.yaml", own("10.240.0.26"));
    let theirs = |name: &str, link: &str| {
        stack(&[], &[(name, link)]).replace("{name: routes}", "{name: theirs}")
    };
    write("theirs.yaml", theirs("foreign", "my-pls"));
    write("theirs-moved.yaml", theirs("foreign-new", "my-pls-2"));
    for stack in ["from", "theirs"] {
        place.run(&format!("apply -f {stack}.yaml --sandbox={WORLD} --auto-approve")).expect(0);
    }
    place
}

const BY_GATES: &str =
    "apply -f to.yaml --route --auto-approve --max-disconnects 1 --timeout external=1s";

#[test]
fn where_there_is_no_route_gates_move_the_stacks_endpoints_and_wait_for_others() {
    let place = moved_address();
    let at = |words: &str| place.run(&format!("{words} --sandbox={WORLD}"));
    let before = world(&place);
    let run = at("apply -f to.yaml --route --auto-approve").expect(3);
    assert!(run.stdout.starts_with("There is no route"), "{run:?}");
    assert!(run.stderr.contains("nothing is begun"), "{run:?}");
    assert!(run.stderr.contains("--max-disconnects 1"), "{run:?}");
    assert!(run.stdout.contains("recorded"), "the rule is said, and how sure it is: {run:?}");
    assert!(run.stdout.contains("Instead, with 1 endpoint of this stack re-created"), "{run:?}");
    assert_eq!(served(&world(&place)), served(&before));

    let run = at(BY_GATES).expect(6);
    assert!(run.stderr.contains("Still connected: foreign."), "{run:?}");
    let now = served(&world(&place));
    let on =
        |link: &str| now.iter().find(|(name, _)| name.starts_with(link)).map(|(_, it)| it.1.len());
    assert_eq!((on("my-pls "), on("my-pls-2 ")), (Some(1), Some(3)), "{now:?}");
    let route = at("route -f to.yaml").expect(0).stdout;
    assert!(
        route.starts_with("The way with gates was begun: stage 4 of 4 is due, end."),
        "{route}"
    );
    assert!(route.contains("foreign (resource group myOtherResourceGroup"), "{route}");
    let journals = support::names(&place.path().join(".privlink/journal").display().to_string());
    assert!(!journals.is_empty());

    // He moves, and leaves.
    at("apply -f theirs-moved.yaml --auto-approve").expect(0);
    let run = at(BY_GATES).expect(0);
    assert!(run.stderr.contains("all 4 stages"), "{run:?}");
    let now = served(&world(&place));
    assert_eq!(now.keys().filter(|it| it.starts_with("my-pls ")).count(), 0, "{now:?}");
    assert_eq!(now.values().map(|(_, it)| it.len()).sum::<usize>(), 4, "{now:?}");

    // The documents of the last stage are what is live, and there is nothing left to do.
    at("route -f to.yaml --out steps").expect(0);
    let plan = at("plan -f steps/4-end");
    assert!(plan.last_line().starts_with("No changes"), "{plan:?}");
    at(BY_GATES).expect(0);
    let record = resources(&world(&place), "Microsoft.Network/privateDnsZones/A")
        .iter()
        .find(|it| it["name"] == "shop")
        .map(|it| it["properties"]["aRecords"].clone());
    let endpoint = resources(&world(&place), "Microsoft.Network/privateEndpoints")
        .iter()
        .any(|it| it["name"] == "by-record-2");
    assert!(endpoint && record.is_some_and(|it| it.as_array().is_some_and(|it| it.len() == 1)));
}

#[test]
fn folders_of_stages_say_what_to_wait_for() {
    let place = moved_address();
    place.run(&format!("route -f to.yaml --sandbox={WORLD} --out steps")).expect(0);
    assert_eq!(folders(&place), ["1-beside", "2-move", "3-leave", "4-end"]);
    let page = std::fs::read_to_string(place.path().join("steps/4-end/README.md")).unwrap();
    assert!(page.contains("wait until they have left my-pls"), "{page}");
    assert!(page.contains("foreign"), "{page}");
}

/// Whatever a stage had done when it was stopped, the next run converges on the same.
#[test]
fn gates_go_on_from_wherever_they_were_stopped() {
    let folders = ["1-beside", "2-move", "3-leave"];
    for (whole, part) in [
        (1, "Service/default/web-2"),
        (1, "PrivateEndpoint/plain"),
        (2, "Service/default/web-2"),
        (2, "PrivateEndpoint/by-record"),
    ] {
        let place = moved_address();
        let at = |words: &str| place.run(&format!("{words} --sandbox={WORLD}"));
        at("route -f to.yaml --out steps").expect(0);
        let flags = "--auto-approve --max-disconnects 1";
        for folder in &folders[..whole] {
            at(&format!("apply -f steps/{folder} {flags}")).expect(0);
        }
        // A part of the next stage, as a run that was stopped leaves it.
        at(&format!("apply -f steps/{} {flags} --target {part}", folders[whole])).expect(0);
        let run = at(BY_GATES).expect(6);
        assert!(run.stderr.contains("Still connected: foreign."), "{part}: {run:?}");
        let now = served(&world(&place));
        let on =
            |link: &str| now.iter().find(|(name, _)| name.starts_with(link)).unwrap().1.1.len();
        assert_eq!((on("my-pls "), on("my-pls-2 ")), (1, 3), "{part}: {now:?}");
    }
}

#[test]
fn a_gate_alone_waits_until_nobody_is_left() {
    let pair = PAIRS.iter().find(|it| it.name == "the Service is deleted").unwrap();
    let place = begin(pair);
    let run = place.run("apply -f to.yaml --route --sandbox --auto-approve --timeout external=1s");
    let run = run.expect(6);
    assert!(run.stderr.contains("Still connected: pe."), "{run:?}");
    assert!(run.stdout.contains("wait until they have left my-pls"), "{run:?}");
    // The consumer's document is removed.
    std::fs::write(place.path().join("to.yaml"), stack(pair.to, &[])).unwrap();
    let run = place.run("apply -f to.yaml --route --sandbox --auto-approve --timeout external=1s");
    assert_eq!(run.code, 0, "{run:?}");
    assert!(served(&world(&place)).is_empty());
}

#[test]
fn the_guard_names_the_route_of_a_write() {
    let name = "the owner of a shared address moves away";
    let place = begin(PAIRS.iter().find(|it| it.name == name).unwrap());
    place.run("observe -f from.yaml --sandbox --out observed.json").expect(0);
    let observed = support::read_json(&place.path().join("observed.json"));
    let services = observed["kubernetes"]["services"]["present"].as_array().unwrap();
    let old = services.iter().find(|it| it["metadata"]["name"] == "a").unwrap();
    let mut new = old.clone();
    let annotations = new["metadata"]["annotations"].as_object_mut().unwrap();
    annotations.retain(|key, _| !key.contains("azure-pls-"));
    annotations.insert(format!("{PREFIX}load-balancer-ipv4"), "10.240.0.26".into());
    let review = serde_json::json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "1", "operation": "UPDATE", "namespace": "default", "name": "a", "dryRun": false,
            "kind": {"group": "", "version": "v1", "kind": "Service"},
            "resource": {"group": "", "version": "v1", "resource": "services"},
            "userInfo": {"username": "alice"}, "object": new, "oldObject": old,
        }
    });
    std::fs::write(place.path().join("review.json"), review.to_string()).unwrap();
    let run = place.run("guard review review.json --observed observed.json");
    let answer: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{run:?}"));
    let warnings = answer["response"]["warnings"].as_array().unwrap();
    let route = "0 instead of 1 disconnected, in 2 steps: privlink route";
    assert!(warnings.iter().any(|it| it == route), "{warnings:?}");
}
