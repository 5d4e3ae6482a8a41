//! Reads what a preflight has to know, and asks nothing twice.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use privlink_azure::{ArmClient, ArmError};
use privlink_core::desired::Desired;
use privlink_core::facts::Facts;
use privlink_core::input::{Input, Options};
use privlink_core::inventory::Inventory;
use privlink_core::join;
use privlink_core::preflight::{self, Answers, Grant, Needs, Phase, Report, Subject, Verb};
use privlink_core::resource_id::ResourceId;
use privlink_core::snapshot::Reading;
use privlink_core::{planning, rehearsal};
use privlink_kubernetes::KubernetesClient;
use serde_json::Value;

use crate::lock;
use crate::retry::retried;
use crate::run::Failure;
use crate::session::Session;

/// How many questions are asked at once.
const AT_ONCE: usize = 8;

/// What is checked: a stack, beside what was seen.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// What is desired.
    pub desired: &'a Desired,
    /// What is live.
    pub live: &'a Inventory<'a>,
    /// What is known of the cluster.
    pub facts: &'a Facts,
    /// What a plan is made with.
    pub options: &'a Options,
}

/// Checks rights, room and rules of Azure for a stack. Whatever of it exists counts as taken over, so that what
/// that takes is asked for too.
///
/// # Errors
///
/// When nothing can be planned.
pub async fn check(seen: &Seen<'_>, phase: Phase, session: &Session) -> Result<Report, Failure> {
    let options = Options { adopt: true, ..seen.options.clone() };
    let wanted = join::identify(seen.desired, seen.live, seen.facts, &options);
    let input = Input::new(&wanted, seen.live, seen.facts, &options);
    let planned = planning::plan(&input).map_err(Failure::Plan)?;
    let subject = Subject {
        input: &input,
        prediction: &planned.prediction,
        phase,
        lock_namespace: lock::NAMESPACE,
    };
    let needs = preflight::needs(&subject);
    let answers = ask(&needs, session.kubernetes.as_ref(), &session.arm).await;
    let mut report = preflight::judge(&subject, &needs, &answers, session.arm.identity());
    if phase == Phase::Apply {
        let said = crate::rehearsal::ask(&planned.plan, session.kubernetes.as_ref()).await;
        report.add(rehearsal::checks(&wanted, &said));
    }
    Ok(report)
}

/// Asks all that is needed. What cannot be read is unreadable, with the reason.
async fn ask(needs: &Needs, kubernetes: Option<&KubernetesClient>, arm: &ArmClient) -> Answers {
    let (own, cluster, verbs, registrations, tenants) = futures::join!(
        permissions(needs, arm),
        grants(needs, arm),
        verbs(needs, kubernetes),
        each(needs.registered.iter().cloned(), async |subscription: &String| {
            let path = format!("/subscriptions/{subscription}/providers/Microsoft.Network");
            text(arm, &path, "registrationState").await
        }),
        each(needs.tenants.iter().cloned(), async |subscription: &String| {
            text(arm, &format!("/subscriptions/{subscription}"), "tenantId").await
        }),
    );
    Answers { own, cluster, verbs, registrations, tenants }
}

/// Answers each key, several at a time.
async fn each<K: Ord, T>(
    keys: impl IntoIterator<Item = K>,
    answer: impl AsyncFn(&K) -> Reading<T>,
) -> BTreeMap<K, Reading<T>> {
    let answer = &answer;
    let answers = futures::stream::iter(keys).map(|key| async move {
        let reading = answer(&key).await;
        (key, reading)
    });
    answers.buffer_unordered(AT_ONCE).collect().await
}

async fn permissions(needs: &Needs, arm: &ArmClient) -> BTreeMap<String, Reading<Vec<Value>>> {
    each(needs.own.keys().cloned(), async |scope: &String| {
        let path = format!("{scope}/providers/Microsoft.Authorization/permissions");
        from_arm(arm.list(&path).await)
    })
    .await
}

/// The roles of the cluster's identity at each scope, with the definitions they point to.
async fn grants(needs: &Needs, arm: &ArmClient) -> BTreeMap<String, Reading<Vec<Grant>>> {
    let Some(principal) = &needs.principal else { return BTreeMap::new() };
    let filter = format!("assignedTo('{principal}')");
    let assignments = each(needs.cluster.keys().cloned(), async |scope: &String| {
        let path = format!("{scope}/providers/Microsoft.Authorization/roleAssignments");
        from_arm(arm.list_where(&path, &[("$filter", &filter)]).await)
    })
    .await;
    let present = assignments.values().filter_map(|reading| match reading {
        Reading::Present(list) => Some(list),
        Reading::Absent | Reading::Unreadable(_) => None,
    });
    let wanted: BTreeSet<String> = present.flatten().filter_map(role_of).collect();
    let definitions =
        each(wanted, async |role: &String| match arm.get(&ResourceId::new(role.as_str())).await {
            Ok(None) => Reading::Absent,
            Err(why) => Reading::Unreadable(why.to_string()),
            Ok(Some(definition)) => match definition.pointer("/properties/permissions") {
                Some(Value::Array(permissions)) => Reading::Present(permissions.clone()),
                _ => Reading::Unreadable(format!("{role} shows no permissions")),
            },
        })
        .await;
    let with_definitions = |list: Vec<Value>| {
        let grants = list.iter().filter_map(|assignment| {
            let scope = assignment.pointer("/properties/scope")?.as_str()?.to_owned();
            let permissions = definitions.get(&role_of(assignment)?).cloned()?;
            Some(Grant { scope, permissions })
        });
        grants.collect()
    };
    assignments
        .into_iter()
        .map(|(scope, reading)| {
            let reading = match reading {
                Reading::Present(list) => Reading::Present(with_definitions(list)),
                Reading::Absent => Reading::Absent,
                Reading::Unreadable(why) => Reading::Unreadable(why),
            };
            (scope, reading)
        })
        .collect()
}

fn role_of(assignment: &Value) -> Option<String> {
    Some(assignment.pointer("/properties/roleDefinitionId")?.as_str()?.to_lowercase())
}

async fn verbs(
    needs: &Needs,
    kubernetes: Option<&KubernetesClient>,
) -> BTreeMap<Verb, Reading<bool>> {
    let Some(kubernetes) = kubernetes else { return BTreeMap::new() };
    each(needs.verbs.keys().cloned(), async |verb: &Verb| {
        let may = async || {
            let Verb { namespace, group, resource, verb } = verb;
            kubernetes.may(verb, group, resource, namespace.as_deref()).await
        };
        match retried(may).await {
            Ok(may) => Reading::Present(may),
            Err(why) => Reading::Unreadable(why.to_string()),
        }
    })
    .await
}

/// One text of one resource.
async fn text(arm: &ArmClient, path: &str, field: &str) -> Reading<String> {
    match arm.get(&ResourceId::new(path)).await {
        Ok(None) => Reading::Absent,
        Err(why) => Reading::Unreadable(why.to_string()),
        Ok(Some(resource)) => match resource.get(field).and_then(Value::as_str) {
            Some(text) => Reading::Present(text.to_owned()),
            None => Reading::Unreadable(format!("{path} shows no {field}")),
        },
    }
}

fn from_arm(outcome: Result<Option<Vec<Value>>, ArmError>) -> Reading<Vec<Value>> {
    match outcome {
        Ok(Some(list)) => Reading::Present(list),
        Ok(None) => Reading::Absent,
        Err(why) => Reading::Unreadable(why.to_string()),
    }
}
