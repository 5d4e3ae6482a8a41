//! Whom repairs disconnect: worked out from their words and the world, and not from the report.

use std::collections::{BTreeMap, BTreeSet};

use privlink_core::controller::predict::Change;
use privlink_core::desired::Desired;
use privlink_core::drift::StackReport;
use privlink_core::facts::Facts;
use privlink_core::input::Input;
use privlink_core::inventory::Inventory;
use privlink_core::join;
use privlink_core::kubernetes::service::Key;
use privlink_core::plan;
use privlink_core::resource_id::ResourceId;
use privlink_core::{planning, prediction};
use serde_json::Value;

use crate::broken::lists;
use crate::generated::OWN;
use crate::world::{options, read};

/// Who is connected to the Private Link Services that are of this id, or on the frontend of this id.
fn connected_to(id: &str, snapshot: &Value) -> BTreeSet<String> {
    let mut copy = snapshot.clone();
    let links = lists(&mut copy, "privatelinkservices").into_iter();
    let links = links.flat_map(|it| it["present"].as_array().cloned().unwrap_or_default());
    let is_hit = |link: &Value| {
        let frontends = link["properties"]["loadBalancerFrontendIpConfigurations"].as_array();
        let ids = frontends.into_iter().flatten().chain([link]).map(|it| it["id"].as_str());
        ids.flatten().any(|own| own.eq_ignore_ascii_case(id))
    };
    links.filter(is_hit).flat_map(|link| approved(&link)).collect()
}

fn approved(link: &Value) -> Vec<String> {
    let all = link["properties"]["privateEndpointConnections"].as_array().cloned();
    let is_up =
        |it: &Value| it["properties"]["privateLinkServiceConnectionState"]["status"] == "Approved";
    let all = all.unwrap_or_default().into_iter().filter(is_up);
    all.filter_map(|it| it["properties"]["privateEndpoint"]["id"].as_str().map(str::to_lowercase))
        .collect()
}

/// Whom a sync of one Service disconnects, without these annotations of it.
fn hit_by_sync(key: &Key, without: &[&str], snapshot: &Value, facts: &Facts) -> BTreeSet<String> {
    let mut edited = snapshot.clone();
    for it in edited["kubernetes"]["services"]["present"].as_array_mut().unwrap() {
        if it["metadata"]["name"] == *key.name {
            let all = it["metadata"]["annotations"].as_object_mut();
            all.into_iter().for_each(|all| all.retain(|name, _| !without.contains(&name.as_str())));
        }
    }
    let edited = read(&edited);
    let live = Inventory::of(&edited);
    let cluster = prediction::cluster(&live, facts);
    let before = live.world().clone();
    let sync = [Change::Nudge(key.clone())];
    let predicted = prediction::predict(before, cluster, &sync);
    let alias = |link: &Value| link["properties"]["alias"].clone();
    let after: BTreeMap<_, _> = predicted
        .after
        .private_link_services
        .iter()
        .map(|(id, link)| (id.clone(), alias(&serde_json::to_value(link).unwrap())))
        .collect();
    let before = predicted.before.private_link_services.iter();
    let before = before.map(|(id, link)| (id, serde_json::to_value(link).unwrap()));
    let lost = before.filter(|(id, link)| after.get(*id) != Some(&alias(link)));
    lost.flat_map(|(_, link)| approved(&link)).collect()
}

/// Whom a command of a repair disconnects: worked out from its words and the world, and not from the report.
fn hit_by(
    words: &[String],
    desired: &Desired,
    snapshot: &Value,
    facts: &Facts,
) -> BTreeSet<String> {
    let words: Vec<&str> = words.iter().map(|it| it.trim_matches('\'')).collect();
    match *words {
        ["privlink", "apply", ref more @ ..] => {
            let options = options(more.contains(&"--adopt"));
            let seen = read(snapshot);
            let live = Inventory::of(&seen);
            let wanted = join::identify(desired, &live, facts, &options);
            let planned = planning::plan(&Input::new(&wanted, &live, facts, &options));
            let changes = planned.map(|it| it.plan.changes).unwrap_or_default();
            plan::disconnected(&changes).iter().map(|it| it.endpoint.to_lowercase()).collect()
        }
        ["kubectl", "annotate", "service", "-n", namespace, name, ref more @ ..] => {
            let without: Vec<&str> = more.iter().filter_map(|it| it.strip_suffix('-')).collect();
            hit_by_sync(&Key::new(namespace, name), &without, snapshot, facts)
        }
        ["az", "resource", "delete", "--ids", id] => connected_to(id, snapshot),
        [
            "az",
            "network",
            "lb",
            "frontend-ip",
            "delete",
            "-g",
            group,
            "--lb-name",
            balancer,
            "-n",
            name,
        ] => {
            let of_balancer =
                ResourceId::in_group(OWN, group, "Microsoft.Network/loadBalancers", balancer);
            connected_to(of_balancer.child("frontendIPConfigurations", name).as_str(), snapshot)
        }
        ["kubectl", "describe" | "edit", ..] | ["az", "tag" | "network", ..] => BTreeSet::new(),
        _ => panic!("nobody knows what this does: {words:?}"),
    }
}

/// Whatever is printed as a repair disconnects nobody, or says whom.
pub(crate) fn no_repair_disconnects_in_silence(
    report: &StackReport,
    desired: &Desired,
    snapshot: &Value,
    facts: &Facts,
) {
    for difference in &report.differences {
        let said: BTreeSet<String> =
            difference.disconnects.iter().map(|it| it.to_lowercase()).collect();
        for command in difference.repair.iter().flat_map(|it| &it.commands) {
            let hit = hit_by(command.words(), desired, snapshot, facts);
            let silent: Vec<_> = hit.difference(&said).collect();
            assert!(silent.is_empty(), "{command} disconnects {silent:?}: {difference:#?}");
        }
    }
}
