//! The connection an endpoint makes: as it is, and what becomes of it.

use crate::change::{Action, Actor, Change, FieldDiff};
use crate::connection_status::ConnectionStatus;
use crate::consumer::Consumer;
use crate::diff::Part;
use crate::diff::approval;
use crate::diff::draft::{Draft, DraftKey, Stage};
use crate::diff::trial::{self, Answer, Trial};
use crate::join::decision::Decision;
use crate::join::{Endpoint, Join};
use crate::node_id::{Kind, NodeId};
use crate::plan::{Finding, Op};
use crate::rule;

/// What becomes of an endpoint's connection; `begins` is the state that a new one begins in.
pub(super) fn connection(
    join: &Join<'_>,
    joined: &Endpoint<'_>,
    (remade, begins): (bool, ConnectionStatus),
    trial: &mut Trial<'_>,
) -> Part {
    let mut part = Part::default();
    let (at, id, endpoint) = (&joined.at, &joined.id, joined.wanted);
    let Some(reached) = &joined.reached else { return part };
    let connection_at = NodeId::new(Kind::EndpointConnection, at.name.clone());
    let live = joined.judged().filter(|_| !remade);
    let message = endpoint.request_message.as_ref().map_or("", |message| message.as_str());
    let (mut status, decision) = match &live {
        Some(live) => (live.status.clone(), live.decision),
        None => (begins.clone(), joined.decision(&begins)),
    };
    if remade {
        let reason = "Azure creates it when the endpoint connects";
        let mut change = Change::new(connection_at.clone(), Action::Create, Actor::Azure, reason);
        change.fields = vec![FieldDiff::new("status", None, Some(status.as_str().into()))];
        part.changes.push(change);
    }
    if let Some(decision) = decision.filter(|_| status == ConnectionStatus::Pending) {
        let link = reached.link.map_or(reached.target.as_str(), |link| link.id());
        let message = approval::kept(join.input, message);
        part.add(approval::decide(&connection_at, link, id, (decision, message)));
        if let Answer::Refused(error) = trial.decide(link, id, &decision.status()) {
            let place = (&connection_at, Some(&endpoint.name.span));
            part.findings.extend(trial::refused(place, &error, &[]));
        }
        let write = DraftKey::new(at, Stage::Write);
        part.needs.push((DraftKey::new(&connection_at, Stage::Decide), write));
        status = decision.status();
    }
    if decision == Some(Decision::Reject) && status.is_connected() {
        part.findings.push(
            Finding::new(
                rule::OWN_ENDPOINT_REJECTED,
                connection_at.clone(),
                "an EndpointApproval rejects an endpoint that this stack wants connected",
            )
            .help("Take it off the list under `reject`, or remove the endpoint.")
            .at(&endpoint.name.span),
        );
    }
    if status == ConnectionStatus::Pending {
        part.awaiting_approval.push(Consumer {
            endpoint: id.as_str().to_owned(),
            subscription: id.subscription().unwrap_or_default().to_owned(),
            request_message: endpoint
                .request_message
                .as_ref()
                .map(|message| message.value.clone())
                .unwrap_or_default(),
            status: status.clone(),
            own: true,
            owner: None,
        });
    }
    let waits =
        remade || decision == Some(Decision::Approve) && live.is_some_and(|it| it.shown.manual);
    if waits && status != ConnectionStatus::Rejected {
        let op = Op::AwaitConnection { endpoint: id.as_str().to_owned(), status };
        let draft = Draft::new(at, Stage::Connect, op)
            .needing(at, Stage::Write)
            .needing(&connection_at, Stage::Decide);
        part.drafts.push(draft);
    }
    part
}
