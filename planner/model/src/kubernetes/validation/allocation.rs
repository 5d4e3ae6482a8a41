//! What the allocators refuse before the Service is validated: families, addresses and ports that the
//! cluster has not, or that are taken (`pkg/registry/core/service/storage/alloc.go`).

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Value, json};

use crate::arm::address::parse_range;
use crate::pointer::{At, text};
use crate::unknown;

use super::address::{self, parse, printed};
use super::{Cause, is_headless, kind, list};

/// What other Services have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Their node ports, health checks' among them.
    pub node_ports: BTreeSet<i64>,
    /// Their cluster IPs.
    pub cluster_ips: BTreeSet<String>,
}

impl Taken {
    /// What these Services have.
    pub fn of<'a>(services: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut taken = Self::default();
        for object in services {
            taken.add(object);
        }
        taken
    }

    /// Adds what a Service has.
    pub fn add(&mut self, object: &Value) {
        let ports = list(object, "/spec/ports").iter();
        let ports = ports.filter_map(|port| port.get("nodePort")?.as_i64());
        let health = object.at("/spec/healthCheckNodePort").and_then(Value::as_i64);
        self.node_ports.extend(ports.chain(health).filter(|number| *number != 0));
        let addresses = list(object, "/spec/clusterIPs").iter().filter_map(Value::as_str);
        let known = addresses.filter(|it| *it != "None" && !unknown::is_unknown(it));
        self.cluster_ips.extend(known.map(str::to_owned));
    }
}

/// What of the cluster the allocators go by.
#[derive(Clone, Copy, Debug)]
pub struct Cluster<'a> {
    /// The families that Services may have.
    pub families: &'a [String],
    /// The ranges of cluster IPs (`--service-cluster-ip-range`); empty if they are not known.
    pub ranges: &'a [String],
    /// What other Services have.
    pub taken: &'a Taken,
}

/// The first and the last node port there are (`--service-node-port-range`; AKS keeps the default).
pub const NODE_PORTS: std::ops::RangeInclusive<i64> = 30_000..=32_767;

/// What cannot be allocated of a Service that has its defaults. `live`: as it is stored now; what stays
/// is not allocated again.
pub fn allocated(object: &Value, live: Option<&Value>, cluster: &Cluster<'_>) -> Vec<Cause> {
    let mut causes = Vec::new();
    if kind(object) != "ExternalName" {
        address::check_cluster_ips(object, &mut causes);
        if causes.is_empty() {
            live.into_iter().for_each(|live| released(object, live, &mut causes));
            families(object, cluster, &mut causes);
        }
        if causes.is_empty() {
            addresses(object, live, cluster, &mut causes);
        }
    }
    if causes.is_empty() && matches!(kind(object), "LoadBalancer" | "NodePort") {
        node_ports(object, live, cluster, &mut causes);
    }
    causes
}

/// Of two families or addresses the second goes with the policy `SingleStack` alone.
fn released(object: &Value, live: &Value, causes: &mut Vec<Cause>) {
    let policy = json!(text(object, "/spec/ipFamilyPolicy"));
    if policy == "SingleStack" || kind(live) == "ExternalName" {
        return;
    }
    let pairs = [("/spec/clusterIPs", "cluster IP"), ("/spec/ipFamilies", "IP family")];
    let goes = |pointer: &str| list(live, pointer).len() == 2 && list(object, pointer).len() == 1;
    // Where a family goes its address goes as well, and is not named by anybody.
    if let Some((_, what)) = pairs.iter().rev().find(|(pointer, _)| goes(pointer)) {
        let why = format!("must be 'SingleStack' to release the secondary {what}");
        causes.push(Cause::invalid("spec.ipFamilyPolicy", &policy, &why));
    }
}

/// The families and the policy must be such as the cluster can serve.
fn families(object: &Value, cluster: &Cluster<'_>, causes: &mut Vec<Cause>) {
    let named = list(object, "/spec/ipFamilies");
    let headless = is_headless(object);
    let selects = object.at("/spec/selector").and_then(Value::as_object);
    if headless && selects.is_none_or(serde_json::Map::is_empty) {
        return;
    }
    let policy = json!(text(object, "/spec/ipFamilyPolicy"));
    if policy == "SingleStack" {
        let why = "must be 'RequireDualStack' or 'PreferDualStack' when multiple";
        let pairs = [("/spec/clusterIPs", "cluster IPs"), ("/spec/ipFamilies", "IP families")];
        for (_, what) in pairs.iter().filter(|(pointer, _)| list(object, pointer).len() == 2) {
            let why = format!("{why} {what} are specified");
            causes.push(Cause::invalid("spec.ipFamilyPolicy", &policy, &why));
        }
    }
    for (index, family) in named.iter().enumerate() {
        if !cluster.families.iter().any(|known| family == known) {
            let field = format!("spec.ipFamilies[{index}]");
            causes.push(Cause::invalid(field, family, "not configured on this cluster"));
        }
    }
    if policy == "RequireDualStack" && cluster.families.len() < 2 {
        let why = "this cluster is not configured for dual-stack services";
        causes.push(Cause::invalid("spec.ipFamilyPolicy", &policy, why));
    }
}

fn addresses(object: &Value, live: Option<&Value>, cluster: &Cluster<'_>, causes: &mut Vec<Cause>) {
    let kept = live.map_or(&[][..], |live| list(live, "/spec/clusterIPs"));
    // With a live primary address, another one is refused as a change.
    let new = list(object, "/spec/clusterIPs").iter().enumerate();
    let new = new.filter(|(index, address)| kept.get(*index).is_none() && !kept.contains(address));
    for (_, value) in new {
        let own = value.as_str().unwrap_or_default();
        let Some(address) = parse(own) else { continue };
        let why = if !cluster.ranges.is_empty() && !in_ranges(address, cluster.ranges) {
            "the provided network does not match the current range"
        } else if cluster.taken.cluster_ips.contains(own) {
            "provided IP is already allocated"
        } else {
            continue;
        };
        let shown = printed("[]string", std::slice::from_ref(value));
        let why = format!("failed to allocate IP {own}: {why}");
        causes.push(Cause::invalid_as_printed("spec.clusterIPs", &shown, &why));
    }
}

fn in_ranges(address: IpAddr, ranges: &[String]) -> bool {
    let of_family = |range: &&String| range.contains(':') == address.is_ipv6();
    let mut own = ranges.iter().filter(of_family).filter_map(|it| parse_range(it)).peekable();
    own.peek().is_none() || own.any(|range| range.contains(&address))
}

fn node_ports(
    object: &Value,
    live: Option<&Value>,
    cluster: &Cluster<'_>,
    causes: &mut Vec<Cause>,
) {
    let of = |object: &Value| -> BTreeSet<i64> {
        let ports = list(object, "/spec/ports").iter();
        ports.filter_map(|port| port.get("nodePort").and_then(Value::as_i64)).collect()
    };
    let kept = live.map(of).unwrap_or_default();
    for (index, port) in list(object, "/spec/ports").iter().enumerate() {
        let number = port.get("nodePort").and_then(Value::as_i64).filter(|number| *number != 0);
        let Some(number) = number.filter(|number| !kept.contains(number)) else { continue };
        let why = if !NODE_PORTS.contains(&number) {
            "provided port is not in the valid range. The range of valid ports is 30000-32767"
        } else if cluster.taken.node_ports.contains(&number) {
            "provided port is already allocated"
        } else {
            continue;
        };
        let field = format!("spec.ports[{index}].nodePort");
        causes.push(Cause::invalid(field, &json!(number), why));
    }
}
