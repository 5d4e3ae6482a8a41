//! What comes of moving to a Gateway, or of renaming one, for those who come by Private Link.

use std::collections::BTreeSet;

use crate::annotation::keys;
use crate::arm::resource::PrivateLinkService;
use crate::desired::{MadeBy, Service};
use crate::kubernetes::service::{self as stored, Key};
use crate::node::private_link_service::consumers;
use crate::node_id::{Kind, NodeId};
use crate::plan::Finding;
use crate::plural::count;
use crate::prediction::Prediction;
use crate::rule::{Example, basis, rules};
use crate::wanted::Wanted;
use privlink_model::gateway::{is_left_behind, made_of};

/// What ingress controllers are called: their Services, namespaces or applications have one of these in their names.
const INGRESS: [&str; 6] = ["ingress", "nginx", "traefik", "kong", "haproxy", "contour"];

/// The findings of all Gateways.
pub(super) fn find(wanted: &Wanted<'_>, prediction: &Prediction) -> Vec<Finding> {
    let made = wanted.services();
    let made = made.filter_map(|service| Some((service, service.made_by.as_ref()?)));
    let mut findings = Vec::new();
    for (service, by) in made {
        findings.extend(staying(service, by, prediction));
        findings.extend(renamed(service, by, (wanted, prediction)));
    }
    findings.extend(left_behind(wanted, prediction));
    findings
}

/// Who is connected through a Service that its Gateway, which is still there, comes to no longer, where its controller leaves it.
fn left_behind(wanted: &Wanted<'_>, prediction: &Prediction) -> Vec<Finding> {
    let mut found = Vec::new();
    for (key, service) in &prediction.live {
        let made = made_of(&service.object).filter(|_| is_left_behind(&service.object));
        let gateway = made.and_then(|made| wanted.gateway(&made));
        let Some((gateway, span)) = gateway else { continue };
        let stays = prediction.services.contains_key(key) && !wanted.has(key);
        let Some((link, connected)) = connected_to(key, prediction).filter(|_| stays) else {
            continue;
        };
        let (who, stay) =
            (count(connected, "consumer"), if connected == 1 { "stays" } else { "stay" });
        found.push(
            Finding::new(
                CONSUMERS_STAY,
                NodeId::new(Kind::Service, key.to_string()),
                format!(
                    "Gateway {gateway} gets another Service or none, and its controller leaves Service {key} \
                     in place: {who} of {} {stay} connected through the old one",
                    link.name()
                ),
            )
            .help(
                "To take them along, hand the address over: `privlink route` finds an order that disconnects nobody. Delete \
                 the old Service only then.",
            )
            .at(span),
        );
    }
    found
}

fn finding(code: crate::rule::Code, service: &Service, message: String, help: String) -> Finding {
    let address = NodeId::new(Kind::Service, service.name.to_string());
    Finding::new(code, address, message).help(help).at(&service.span)
}

/// Who is connected to a Private Link Service of another Service that serves the same ports, and stays there: a name in DNS
/// moves nobody who comes by Private Link.
fn staying(service: &Service, by: &MadeBy, prediction: &Prediction) -> Vec<Finding> {
    let reached = prediction.link_after(&service.name);
    if reached.is_some_and(|link| !consumers(link).is_empty()) {
        return Vec::new();
    }
    let ports: BTreeSet<i64> =
        service.spec.ports.iter().filter_map(|it| it.port.as_ref()).map(|it| it.value).collect();
    let mut found = Vec::new();
    for (key, other) in &prediction.live {
        let stays = prediction.services.contains_key(key) && *key != service.name;
        let is_other = is_ingress(key, other) && made_of(&other.object).is_none();
        if !stays || !is_other || !other.ports.iter().any(|it| ports.contains(&it.port)) {
            continue;
        }
        let Some((link, connected)) = connected_to(key, prediction) else { continue };
        let (who, stay) =
            (count(connected, "consumer"), if connected == 1 { "stays" } else { "stay" });
        found.push(finding(
            CONSUMERS_STAY,
            service,
            format!(
                "{who} of {} {stay} with Service {key}: pointing a DNS name to Gateway {} does not move \
                 consumers of a Private Link Service",
                link.name(),
                by.gateway
            ),
            format!(
                "To take them along, give the Gateway {} and take Service {key} away in one plan: \
                 `privlink route` finds an order that disconnects nobody.",
                address_of(other)
            ),
        ));
    }
    found
}

/// The annotation that takes over a Service's address.
fn address_of(service: &stored::Service) -> String {
    let ingress = service.ingress.first();
    match ingress {
        Some(address) => format!("the annotation {}: {address}", keys::IPV4),
        None => format!("its address by {}", keys::IPV4),
    }
}

fn is_ingress(key: &Key, service: &stored::Service) -> bool {
    let labels = service.object.pointer("/metadata/labels/app.kubernetes.io~1name");
    let application = labels.and_then(serde_json::Value::as_str).unwrap_or_default();
    let names = [key.namespace.as_str(), key.name.as_str(), application];
    names.iter().any(|name| INGRESS.iter().any(|word| name.contains(word)))
}

/// The Private Link Service through which a Service is reached and stays so, with how many are connected to it.
fn connected_to<'a>(
    key: &Key,
    prediction: &'a Prediction,
) -> Option<(&'a PrivateLinkService, usize)> {
    let before = prediction.link_before(key)?;
    let after = prediction.link_after(key)?;
    let is_kept = before.id().eq_ignore_ascii_case(after.id());
    let connected = consumers(after).len();
    (is_kept && connected > 0).then_some((after, connected))
}

/// A live Service of a Gateway that is not in the input, while one of the same namespace and controller is new: what was renamed
/// is deleted, with all that depends on it.
fn renamed(
    service: &Service,
    by: &MadeBy,
    (wanted, prediction): (&Wanted<'_>, &Prediction),
) -> Vec<Finding> {
    if prediction.live.contains_key(&service.name) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (key, other) in &prediction.live {
        let Some(gateway) = made_of(&other.object).filter(|it| wanted.gateway(it).is_none()) else {
            continue;
        };
        let beside = gateway.split('/').next() == Some(by.gateway.namespace.as_str());
        let stays = prediction.services.contains_key(key) && !wanted.has(key);
        if !beside || !stays {
            continue;
        }
        let Some((link, connected)) = connected_to(key, prediction) else { continue };
        found.push(finding(
            GATEWAY_LEFT,
            service,
            format!(
                "Gateway {gateway} is not in the input, and {} of {} {} connected through its Service {key}: if it was \
                 renamed or deleted, its Service goes with it, and whoever is connected is disconnected",
                count(connected, "consumer"),
                link.name(),
                if connected == 1 { "is" } else { "are" },
            ),
            format!(
                "Keep its name. A plan shows it as deleted with `--guard --base` and what is rendered now, or where its \
                 `spec.infrastructure.labels` have {}.",
                crate::marks::STACK_LABEL
            ),
        ));
    }
    found
}

rules! {
    /// The input has a Gateway, and an ingress controller serves its ports with a Private Link Service that has consumers.
    /// Migration guides move DNS names from the one to the other. Consumers of a Private Link Service do not
    /// resolve the provider's names: they stay with the old Service until its Private Link Service is deleted. The same holds where a Gateway of Istio comes to another
    /// Service, by its class or the annotation `gateway.istio.io/name-override`: Istio leaves the old one.
    CONSUMERS_STAY = "consumers-stay", Note, [Live, Predicted], {
        basis: basis::documented("a private endpoint reaches a Private Link Service, whatever DNS says", basis::link::ENDPOINT),
        advice: "Hand the address over to the Gateway's Service: `privlink route` finds in which order.",
        example: Example::live("a Gateway in the input, and a live ingress-nginx with consumers on the same port"),
    }

    /// A live Service was made of a Gateway that the input has not, while a Gateway beside it is new. A Gateway cannot be renamed:
    /// it is deleted and created again, and its Service, the Private Link Service and all connections go with it.
    GATEWAY_LEFT = "gateway-left", Warning, [Live, Predicted], {
        basis: basis::GATEWAY,
        advice: "Keep the name of a Gateway with consumers, or move them before it goes.",
        example: Example::live("a Gateway in the input whose Service is new, and the live Service of another name"),
    }
}
