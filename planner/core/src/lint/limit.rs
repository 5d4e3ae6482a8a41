//! Limits of Azure that will be hit.

use crate::input::Input;
use crate::limit::{self, Use, network};
use crate::node_id::{Kind, NodeId};
use crate::plan::Finding;
use crate::prediction::Prediction;
use crate::rule::{Example, basis, rules};

/// Limits that are exceeded once all is done.
pub(super) fn exceeded(prediction: &Prediction) -> Vec<Finding> {
    let too_many = limit::of_controller(&prediction.after).into_iter().filter(Use::is_exceeded);
    too_many
        .map(|it| {
            Finding::new(
                LIMIT_EXCEEDED,
                NodeId::new(Kind::LoadBalancer, it.balancer.clone()),
                format!(
                    "{} can have at most {} {}, and would have {}",
                    it.of, it.limit.most, it.limit.what, it.count
                ),
            )
            .help(it.limit.help.to_owned())
        })
        .collect()
}

/// Endpoints of networks: as many as there may be, and near that.
pub(crate) fn networks(input: &Input<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for found in network::networks(input) {
        let Some(endpoint) = input.wanted.endpoint(&found.endpoint) else { continue };
        let at = NodeId::new(Kind::PrivateEndpoint, found.endpoint.clone());
        let name = found.network.name();
        if found.coming > 0 && found.count > found.limit.most {
            let message = format!(
                "virtual network {name} can have at most {} {}, and would have {}",
                found.limit.most, found.limit.what, found.count
            );
            let finding = Finding::new(LIMIT_EXCEEDED, at.clone(), message).help(found.limit.help);
            findings.push(finding.at(&endpoint.name.span));
        }
        let near = &limit::ENDPOINTS_OF_PEERS;
        if found.with_peers >= near.most {
            let message = format!(
                "virtual network {name} and those peered with it will have {} endpoints, as far as was read: from {} on \
                 they are near what Azure takes",
                found.with_peers, near.most
            );
            let finding = Finding::new(LIMIT_NEAR, at, message).help(near.help);
            findings.push(finding.at(&endpoint.name.span));
        }
    }
    findings
}

rules! {
    /// There would be more of something than Azure has: rules that reach one node's network interface, or
    /// Private Link Services on a load balancer, or endpoints in a virtual network. [limits.md](limits.md) lists them.
    /// Azure refuses what comes from there on.
    LIMIT_EXCEEDED = "limit-exceeded", Error, [Desired, Live, Predicted], {
        basis: basis::documented("Azure's limits", basis::link::LIMITS),
        advice: "Use fewer ports or Services, for example by one gateway for several, or several load \
            balancers.",
        example: Example::live("ports: [{port: 80}, {port: 443}]   # of the 151st such Service"),
    }

    /// A virtual network and those peered with it have nearly as many private endpoints as Azure takes. Those of
    /// subscriptions that were not read do not count.
    LIMIT_NEAR = "limit-near", Warning, [Desired, Live], {
        basis: basis::documented("endpoints over peered networks", basis::link::ENDPOINT),
        advice: "Spread endpoints over networks that are not peered with each other.",
        example: Example::live("subnet: {virtualNetwork: hub, name: pe}   # the 4,000th in it and its peers"),
    }
}
