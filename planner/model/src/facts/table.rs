//! The one table of facts: type and default, the name in a Stack, where it is read, and whether plans
//! list it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kubernetes::validation::minor_version;

use super::{
    BackendPoolType, HealthProbeMode, LoadBalancerConfiguration, LoadBalancerSku, Origin,
    OutboundType, TakenPlsName,
};

/// Where the AKS API has a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// Nowhere.
    Nowhere,
    /// At a JSON pointer into the cluster (`managedClusters`).
    Pointer(&'static str),
    /// At a JSON pointer into the cluster, where a feature that is off is left out: with what that means.
    Feature(&'static str, &'static str),
    /// In the id of the nodes' subnet, at a JSON pointer into the cluster.
    Subnet(&'static str),
    /// On a list below the cluster.
    SubResource(&'static str),
}

/// What is known of a fact, whatever the cluster. Its default is that of [`Facts::default`].
#[derive(Debug)]
pub struct Row {
    /// The fact.
    pub fact: Fact,
    /// The field of [`Facts`], in JSON.
    pub name: &'static str,
    /// The field of a Stack's `facts` that pins it.
    pub stack: Option<&'static str>,
    /// Where the AKS API has it.
    pub read: Read,
    /// What of the live world it is inferred from otherwise.
    pub inferred: Option<&'static str>,
    /// Why plans do not list it; nothing if they do.
    pub hidden: Option<&'static str>,
    /// The value of the field from one written in a Stack or read, where that has another form.
    parse: Option<fn(&Value) -> Option<Value>>,
    get: fn(&Facts) -> Value,
    put: fn(&mut Facts, Value) -> bool,
}

impl Row {
    /// Its name for whoever reads a plan: as a Stack pins it, if one does.
    pub fn shown_name(&self) -> &'static str {
        self.stack.unwrap_or(self.name)
    }
}

/// The columns of a row that most rows leave empty.
struct Columns {
    stack: Option<&'static str>,
    read: Read,
    inferred: Option<&'static str>,
    hidden: Option<&'static str>,
    parse: Option<fn(&Value) -> Option<Value>>,
}

const NONE: Columns =
    Columns { stack: None, read: Read::Nowhere, inferred: None, hidden: None, parse: None };

macro_rules! facts {
    ($($(#[doc = $doc:literal])* $field:ident: $type:ty = $default:expr,
        $fact:ident $name:literal {$($column:ident: $value:expr),* $(,)?}
    )*) => {
        /// The facts about one cluster.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub struct Facts {
            $($(#[doc = $doc])* pub $field: $type,)*
            /// Where each fact came from.
            pub sources: BTreeMap<Fact, Origin>,
        }

        impl Default for Facts {
            /// What AKS does by default. Names and ids are empty.
            fn default() -> Self {
                Self { $($field: $default,)* sources: BTreeMap::new() }
            }
        }

        /// A fact.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub enum Fact {
            $($(#[doc = $doc])* #[serde(rename = $name)] $fact,)*
        }

        /// Every fact, in the order of [`Fact`].
        pub static TABLE: &[Row] = &[$({
            let columns = Columns { $($column: $value,)* ..NONE };
            Row {
                fact: Fact::$fact,
                name: $name,
                stack: columns.stack,
                read: columns.read,
                inferred: columns.inferred,
                hidden: columns.hidden,
                parse: columns.parse,
                get: |facts| serde_json::to_value(&facts.$field).unwrap_or_default(),
                put: |facts, value| match serde_json::from_value(value) {
                    Ok(value) => {
                        facts.$field = value;
                        true
                    }
                    Err(_) => false,
                },
            }
        }),*];
    };
}

facts! {
    /// `--cluster-name`; AKS: `kubernetes`.
    cluster_name: String = "kubernetes".to_owned(), ClusterName "clusterName" {
        stack: Some("clusterName"),
        inferred: Some("the tag k8s-azure-cluster-name"),
        hidden: Some("it is kubernetes on every AKS cluster"),
    }
    /// `subscriptionId`. A Stack says it beside its `facts`.
    subscription: String = String::new(), Subscription "subscription" {}
    /// `networkResourceSubscriptionID`; the subscription if absent.
    network_subscription: Option<String> = None, NetworkSubscription "networkSubscription" {
        stack: Some("networkSubscription"),
        read: Read::Subnet(SUBNET),
        inferred: Some(SCALE_SET_SUBNET),
    }
    /// `resourceGroup`: the node resource group, as configured. The controller lowers its case.
    resource_group: String = String::new(), ResourceGroup "resourceGroup" {
        stack: Some("nodeResourceGroup"),
        read: Read::Pointer("/properties/nodeResourceGroup"),
        inferred: Some("the name that AKS gives it by default"),
    }
    /// `location`.
    location: String = String::new(), Location "location" {
        stack: Some("location"),
        read: Read::Pointer("/location"),
        inferred: Some("a load balancer, scale set or network of the node resource group"),
    }
    /// `extendedLocationName`, of an edge zone.
    extended_location: Option<String> = None, ExtendedLocation "extendedLocation" {}
    /// `vnetName`.
    virtual_network: String = String::new(), VirtualNetwork "virtualNetwork" {
        stack: Some("virtualNetwork"),
        read: Read::Subnet(SUBNET),
        inferred: Some(SCALE_SET_SUBNET),
    }
    /// `vnetResourceGroup`; the resource group if absent.
    virtual_network_resource_group: Option<String> = None,
    VirtualNetworkResourceGroup "virtualNetworkResourceGroup" {
        stack: Some("virtualNetworkResourceGroup"),
        read: Read::Subnet(SUBNET),
        inferred: Some(SCALE_SET_SUBNET),
    }
    /// `subnetName`.
    subnet: String = String::new(), Subnet "subnet" {
        stack: Some("subnet"),
        read: Read::Subnet(SUBNET),
        inferred: Some(SCALE_SET_SUBNET),
    }
    /// `securityGroupName`.
    security_group: String = String::new(), SecurityGroup "securityGroup" {
        stack: Some("securityGroup"),
        inferred: Some("the only one of the node resource group"),
    }
    /// `securityGroupResourceGroup`; the resource group if absent.
    security_group_resource_group: Option<String> = None,
    SecurityGroupResourceGroup "securityGroupResourceGroup" {
        stack: Some("securityGroupResourceGroup"),
    }
    /// `loadBalancerSku`.
    load_balancer_sku: LoadBalancerSku = LoadBalancerSku::Standard, LoadBalancerSku "loadBalancerSku" {
        stack: Some("loadBalancerSku"),
        read: Read::Pointer("/properties/networkProfile/loadBalancerSku"),
        parse: Some(|it| spelled(it, &["standard", "basic"])),
    }
    /// `loadBalancerName`; the cluster name if absent.
    load_balancer_name: Option<String> = None, LoadBalancerName "loadBalancerName" {
        stack: Some("loadBalancerName"),
    }
    /// `loadBalancerResourceGroup`; the resource group if absent.
    load_balancer_resource_group: Option<String> = None,
    LoadBalancerResourceGroup "loadBalancerResourceGroup" {
        stack: Some("loadBalancerResourceGroup"),
    }
    /// `privateLinkServiceResourceGroup`; the resource group if absent.
    private_link_service_resource_group: Option<String> = None,
    PrivateLinkServiceResourceGroup "privateLinkServiceResourceGroup" {
        stack: Some("privateLinkServiceResourceGroup"),
    }
    /// `loadBalancerBackendPoolConfigurationType`.
    backend_pool_type: BackendPoolType = BackendPoolType::NodeIpConfiguration,
    BackendPoolType "backendPoolType" {
        stack: Some("backendPoolType"),
        read: Read::Pointer("/properties/networkProfile/loadBalancerProfile/backendPoolType"),
        parse: Some(|it| spelled(it, &["nodeIPConfiguration", "nodeIP", "podIP"])),
    }
    /// `preConfiguredBackendPoolLoadBalancerTypes`: `internal`, `external`, `all` or nothing.
    pre_configured_backend_pools: String = String::new(),
    PreConfiguredBackendPools "preConfiguredBackendPools" {}
    /// `disableOutboundSNAT`.
    disable_outbound_snat: bool = true, DisableOutboundSnat "disableOutboundSnat" {
        stack: Some("disableOutboundSnat"),
        inferred: Some("a live load balancing rule"),
    }
    /// `excludeMasterFromStandardLB`.
    exclude_control_plane: bool = true, ExcludeControlPlane "excludeControlPlane" {
        hidden: Some("AKS shows no control plane as Nodes"),
    }
    /// `clusterServiceLoadBalancerHealthProbeMode`.
    health_probe_mode: HealthProbeMode = HealthProbeMode::ServiceNodePort,
    HealthProbeMode "healthProbeMode" {
        stack: Some("healthProbeMode"),
        read: Read::Pointer(
            "/properties/networkProfile/loadBalancerProfile/clusterServiceLoadBalancerHealthProbeMode",
        ),
        inferred: Some("a live probe that Services share"),
        parse: Some(|it| spelled(it, &["servicenodeport", "shared"])),
    }
    /// `clusterServiceSharedLoadBalancerHealthProbePort`.
    shared_probe_port: i64 = 10256, SharedProbePort "sharedProbePort" {
        hidden: Some("it matters in the shared mode alone, and AKS does not change it"),
    }
    /// `clusterServiceSharedLoadBalancerHealthProbePath`.
    shared_probe_path: String = "/healthz".to_owned(), SharedProbePath "sharedProbePath" {
        hidden: Some("it matters in the shared mode alone, and AKS does not change it"),
    }
    /// `tags` and `tagsMap`, put on what the controller makes.
    tags: BTreeMap<String, String> = BTreeMap::new(), Tags "tags" {
        stack: Some("tags"),
        hidden: Some("nothing depends on it"),
    }
    /// `systemTags`: prefixes of tags the controller leaves alone; when set, it removes others.
    system_tags: Option<String> = None, SystemTags "systemTags" {}
    /// `maximumLoadBalancerRuleCount`.
    maximum_rules: i64 = 250, MaximumRules "maximumRules" {
        hidden: Some("AKS does not change it"),
    }
    /// `primaryScaleSetName` or `primaryAvailabilitySetName`.
    primary_vm_set: String = String::new(), PrimaryVmSet "primaryVmSet" {
        inferred: Some("the only scale set of the node resource group"),
    }
    /// `multipleStandardLoadBalancerConfigurations`; empty for a single one.
    load_balancer_configurations: Vec<LoadBalancerConfiguration> = Vec::new(),
    LoadBalancerConfigurations "loadBalancerConfigurations" {
        stack: Some("loadBalancers"),
        read: Read::SubResource("loadBalancers"),
    }
    /// AKS's `outboundType`: how what nodes send reaches the Internet, replies of public Services included.
    outbound_type: OutboundType = OutboundType::LoadBalancer, OutboundType "outboundType" {
        stack: Some("outboundType"),
        read: Read::Pointer("/properties/networkProfile/outboundType"),
        parse: Some(|it| spelled(it, OutboundType::NAMES)),
    }
    /// Whether AKS's Istio add-on is on, which writes Services of its own.
    istio_add_on: bool = false, IstioAddOn "istioAddOn" {
        stack: Some("istioAddOn"),
        read: Read::Feature("/properties/serviceMeshProfile/mode", "Disabled"),
        parse: Some(|it| match it {
            Value::Bool(_) => Some(it.clone()),
            mode => Some(Value::Bool(mode.as_str()?.eq_ignore_ascii_case("Istio"))),
        }),
    }
    /// The zones the region has for virtual machines.
    zones: Vec<String> = Vec::new(), Zones "zones" {
        stack: Some("zones"),
        inferred: Some("a live internal frontend"),
    }
    /// The IP families of Services; the first is the default.
    ip_families: Vec<String> = vec!["IPv4".to_owned()], IpFamilies "ipFamilies" {
        stack: Some("ipFamilies"),
        read: Read::Pointer("/properties/networkProfile/ipFamilies"),
    }
    /// How the controller's version treats a PLS name in use elsewhere.
    taken_pls_name: TakenPlsName = TakenPlsName::TakenOver, TakenPlsName "takenPlsName" {
        hidden: Some("a finding says it where it matters"),
    }
    /// Whether the controller's version knows `azure-disable-load-balancer-nsg-rule` (1.35 and later).
    knows_disable_nsg_rule: bool = true, KnowsDisableNsgRule "knowsDisableNsgRule" {
        stack: Some("kubernetesVersion"),
        inferred: Some("the API server's version, which on AKS the controller's follows"),
        hidden: Some("a finding says it where it matters"),
        parse: Some(|it| Some(Value::Bool(minor_version(it.as_str()?)? >= (1, 35)))),
    }
    /// `resourceManagerEndpoint`, shown in errors.
    endpoint: String = "https://management.azure.com".to_owned(), Endpoint "endpoint" {
        hidden: Some("it is shown in errors alone"),
    }
}

const SUBNET: &str = "/properties/agentPoolProfiles/0/vnetSubnetID";
const SCALE_SET_SUBNET: &str = "the subnet of a scale set, or the only one of the only network";

/// A text as it is spelled here, whatever its case; nothing for one that nobody knows.
fn spelled(value: &Value, known: &[&'static str]) -> Option<Value> {
    let text = value.as_str()?;
    known.iter().find(|it| it.eq_ignore_ascii_case(text)).map(|it| Value::from(*it))
}

impl Fact {
    /// Its row.
    #[allow(
        clippy::indexing_slicing,
        reason = "facts! declares the rows in the order of the facts"
    )]
    pub fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// Its name for whoever reads a plan or a report: as a Stack pins it, if one does.
    pub fn shown_name(self) -> &'static str {
        self.row().shown_name()
    }
}

impl Facts {
    /// The value of a fact, in JSON.
    pub fn value(&self, fact: Fact) -> Value {
        (fact.row().get)(self)
    }

    /// Takes a fact from what a Stack or the AKS API says, or from what live objects show. What is known
    /// already stays, and what does not fit is not taken.
    pub fn take(&mut self, fact: Fact, origin: Origin, value: &Value) {
        if value.is_null() || value.as_str() == Some("") || self.source(fact) != Origin::Assumed {
            return;
        }
        let row = fact.row();
        let value = row.parse.map_or_else(|| Some(value.clone()), |parse| parse(value));
        if value.is_some_and(|value| (row.put)(self, value)) {
            self.sources.insert(fact, origin);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn every_fact_is_in_the_table_once_in_its_place() {
        let facts = serde_json::to_value(Facts::default()).unwrap();
        let mut fields: BTreeSet<&str> =
            facts.as_object().unwrap().keys().map(String::as_str).collect();
        fields.remove("sources");
        let rows: BTreeSet<&str> = TABLE.iter().map(|row| row.name).collect();
        assert_eq!(rows, fields);
        assert_eq!(rows.len(), TABLE.len(), "twice");
        for row in TABLE {
            assert_eq!(row.fact.row().name, row.name);
            assert_eq!(json!(row.fact), row.name);
            assert_eq!(Facts::default().value(row.fact), facts[row.name]);
        }
    }

    #[test]
    fn the_input_page_has_every_fact_that_a_stack_pins() {
        let page = include_str!("../../../../docs/input.md");
        for field in TABLE.iter().filter_map(|row| row.stack) {
            assert!(page.contains(&format!("| `{field}` |")), "{field}");
        }
    }

    #[test]
    fn values_are_taken_in_any_spelling_once_and_only_if_they_fit() {
        let mut facts = Facts::default();
        facts.take(Fact::BackendPoolType, Origin::Read, &json!("NodeIP"));
        facts.take(Fact::BackendPoolType, Origin::Inferred, &json!("podIP"));
        assert_eq!(facts.backend_pool_type, BackendPoolType::NodeIp);
        assert_eq!(facts.source(Fact::BackendPoolType), Origin::Read);
        facts.take(Fact::HealthProbeMode, Origin::Read, &json!("Shared"));
        assert!(facts.is_probe_shared());
        facts.take(Fact::OutboundType, Origin::Read, &json!("UserDefinedRouting"));
        assert_eq!(facts.outbound_type, OutboundType::UserDefinedRouting);
        facts.take(Fact::IstioAddOn, Origin::Read, &json!("Istio"));
        assert!(facts.istio_add_on);
        facts.take(Fact::KnowsDisableNsgRule, Origin::Inferred, &json!("v1.34.2+x"));
        assert!(!facts.knows_disable_nsg_rule);
        for (fact, wrong) in [
            (Fact::LoadBalancerSku, json!("premium")),
            (Fact::Zones, json!("1")),
            (Fact::Location, json!("")),
            (Fact::DisableOutboundSnat, json!(null)),
        ] {
            facts.take(fact, Origin::Read, &wrong);
            assert_eq!(facts.source(fact), Origin::Assumed, "{fact:?}");
        }
    }
}
