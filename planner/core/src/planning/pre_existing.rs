//! Findings that hold already: an error that is so before the plan, and that nothing in it causes or
//! worsens, is reported as pre-existing and holds nothing back. Who accepted it once is not asked again.

use std::collections::BTreeSet;

use crate::change::{Action, Change, Effect};
use crate::controller::predict;
use crate::desired::Target;
use crate::diff::Part;
use crate::input::Input;
use crate::lint;
use crate::node::private_endpoint;
use crate::node_id::NodeId;
use crate::plan::Finding;
use crate::prediction::{self, Prediction};
use crate::resource_id::ResourceId;
use crate::rule::{self, Code, Severity};

/// Makes errors warnings where they hold already.
pub(super) fn mark(
    input: &Input<'_>,
    prediction: &Prediction,
    changes: &[predict::Change],
    part: &mut Part,
) {
    let is_error = |it: &Finding| it.severity == Severity::Error;
    if !part.findings.iter().any(is_error) {
        return;
    }
    let mut still = of_services(input, prediction, changes, &part.findings);
    still.extend(of_endpoints(input, prediction, part));
    for finding in part.findings.iter_mut().filter(|it| is_error(it)) {
        if still.contains(&(finding.address.clone(), finding.code)) {
            finding.held_before();
        }
    }
}

/// What would be found of the Services as they are, of those that have errors: the next sync of each,
/// with nothing changed. Of a Service that the plan writes, only the controller's failure counts, if it
/// is the same: other findings are about what its manifest says now.
fn of_services(
    input: &Input<'_>,
    prediction: &Prediction,
    changes: &[predict::Change],
    found: &[Finding],
) -> BTreeSet<(NodeId, Code)> {
    let errors = found.iter().filter(|it| it.severity == Severity::Error);
    let addresses: BTreeSet<&NodeId> = errors.map(|it| &it.address).collect();
    let keys = prediction
        .live
        .keys()
        .filter(|key| addresses.contains(&crate::node::service::address(key)));
    let nudges: Vec<predict::Change> = keys.cloned().map(predict::Change::Nudge).collect();
    if nudges.is_empty() {
        return BTreeSet::new();
    }
    let cluster = prediction::cluster(input.live, input.facts);
    let as_it_is = prediction::predict(prediction.before.clone(), cluster, &nudges);
    let is_write = |change: &&predict::Change| !matches!(change, predict::Change::Nudge(_));
    let written: BTreeSet<NodeId> = changes
        .iter()
        .filter(is_write)
        .map(|change| crate::node::service::address(change.key()))
        .collect();
    let findings = lint::find(input.wanted, input.facts, &as_it_is).into_iter();
    let mut still: BTreeSet<(NodeId, Code)> = findings
        .filter(|it| !written.contains(&it.address) && found.contains(it))
        .map(|it| (it.address, it.code))
        .collect();
    for outcome in as_it_is.outcomes.iter().filter(|outcome| outcome.error.is_some()) {
        let now = prediction.outcome(&outcome.service);
        if now.is_some_and(|now| now.error == outcome.error) {
            let at = crate::node::service::address(&outcome.service);
            still.extend(lint::FAILURES.map(|code| (at.clone(), code)));
        }
    }
    still
}

/// Endpoints that are there and that the plan leaves as they are: their nodes, with the codes of what is
/// then not its doing.
fn of_endpoints(
    input: &Input<'_>,
    prediction: &Prediction,
    part: &Part,
) -> BTreeSet<(NodeId, Code)> {
    let mut still = BTreeSet::new();
    let written: BTreeSet<&NodeId> = part
        .changes
        .iter()
        .filter(|it: &&Change| it.action != Action::Keep)
        .map(|it| &it.address)
        .collect();
    for endpoint in input.endpoints() {
        let Some(live) = prediction.before.private_endpoints.get(&endpoint.id.key()) else {
            continue;
        };
        if written.contains(&endpoint.at) {
            continue;
        }
        still.insert((endpoint.connection(), rule::OWN_ENDPOINT_REJECTED));
        // An endpoint that is wanted elsewhere is no more as its document says.
        if ResourceId::new(live.subnet()) == endpoint.subnet() {
            still.insert((endpoint.at.clone(), rule::NETWORK_MISSING));
        }
        if let Some((record, _)) = endpoint.record() {
            still.insert((record, rule::ZONE_MISSING));
        }
        if let Target::Service(key) = &endpoint.wanted.target
            && prediction.link_before(&key.value).is_none()
            && private_endpoint::service_of(live, &prediction.before, prediction.owners()).is_none()
        {
            still.insert((endpoint.at, rule::NO_PRIVATE_LINK_SERVICE));
        }
    }
    still
}

/// Reports endpoints of this stack that the plan disconnects and does not re-create, since it is limited
/// to other nodes.
pub(super) fn left_behind(input: &Input<'_>, changes: &[Change]) -> Vec<Finding> {
    if !input.is_limited() {
        return Vec::new();
    }
    let own = input.own();
    let mut left = Vec::new();
    for change in changes {
        let Effect::ConsumersDisconnected(consumers) = &change.effect else { continue };
        for at in consumers.iter().filter_map(|it| own.get(&it.endpoint.to_lowercase())) {
            if input.covers(at) || input.wanted.endpoint(&at.name).is_none() {
                continue;
            }
            left.push(
                Finding::new(
                    rule::LEFT_BEHIND,
                    at.clone(),
                    format!(
                        "{} is deleted or re-created, which disconnects it, and the plan is limited to other objects",
                        change.address
                    ),
                )
                .help("Plan without the limit, or name it with --target too."),
            );
        }
    }
    left
}
