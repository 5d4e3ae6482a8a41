//! Needs against answers.

use crate::planning;
use crate::snapshot::Reading;

use super::permission::allows;
use super::{
    Answers, Area, Check, FORMAT_VERSION, Grant, Needs, Report, Subject, Verdict, address,
    capacity, rule, serving,
};

/// Compares what is needed with what was read and observed.
pub fn judge(subject: &Subject<'_>, needs: &Needs, answers: &Answers, identity: &str) -> Report {
    let mut checks = Vec::new();
    own(needs, answers, &mut checks);
    of_cluster(needs, answers, &mut checks);
    verbs(needs, answers, &mut checks);
    rule::registrations(needs, answers, &mut checks);
    rule::regions(subject, &mut checks);
    rule::tenants(subject, answers, &mut checks);
    capacity::rooms(subject, &mut checks);
    capacity::limits(subject, &mut checks);
    address::addresses(subject, &mut checks);
    serving::serving(subject, &mut checks);
    let mut report = Report {
        format_version: FORMAT_VERSION.to_owned(),
        stack: subject.input.wanted.name().to_owned(),
        phase: subject.phase,
        identity: identity.to_owned(),
        facts: planning::fact_notes(subject.input),
        checks,
    };
    report.sort();
    report
}

fn own(needs: &Needs, answers: &Answers, checks: &mut Vec<Check>) {
    for (scope, actions) in &needs.own {
        let reading = answers.own.get(scope);
        for (action, why) in actions {
            let (verdict, found) = match reading {
                Some(Reading::Present(permissions)) if allows(permissions, action) => {
                    (Verdict::Met, None)
                }
                Some(Reading::Present(_)) => (Verdict::Missing, None),
                // What is not there yet has no permissions of its own.
                Some(Reading::Absent) => (Verdict::Unknown, Some("it is not there".to_owned())),
                Some(Reading::Unreadable(why)) => (Verdict::Unknown, Some(why.clone())),
                None => (Verdict::Unknown, Some("it was not asked for".to_owned())),
            };
            let help = (verdict == Verdict::Missing).then(|| {
                "Give the caller a role with this action at this scope; `privlink preflight --role \
                 azure` prints one."
                    .to_owned()
            });
            checks.push(Check {
                area: Area::OwnRights,
                subject: scope.clone(),
                requirement: (*action).to_owned(),
                verdict,
                reason: found.unwrap_or_else(|| (*why).to_owned()),
                help,
            });
        }
    }
}

fn of_cluster(needs: &Needs, answers: &Answers, checks: &mut Vec<Check>) {
    for (scope, actions) in &needs.cluster {
        for (action, why) in actions {
            let (verdict, found) = match (&needs.principal, answers.cluster.get(scope)) {
                (None, _) => {
                    (Verdict::Unknown, Some("the cluster's identity is not known".to_owned()))
                }
                (_, Some(Reading::Present(grants))) => granted(grants, scope, action),
                (_, Some(Reading::Absent)) => {
                    (Verdict::Unknown, Some("the scope is not there".to_owned()))
                }
                (_, Some(Reading::Unreadable(why))) => (Verdict::Unknown, Some(why.clone())),
                (_, None) => (Verdict::Unknown, Some("it was not asked for".to_owned())),
            };
            let help = (verdict == Verdict::Missing).then(|| {
                "Give the cluster's identity Network Contributor at this scope, or a custom role \
                 with this action."
                    .to_owned()
            });
            checks.push(Check {
                area: Area::ClusterRights,
                subject: scope.clone(),
                requirement: (*action).to_owned(),
                verdict,
                reason: found.unwrap_or_else(|| (*why).to_owned()),
                help,
            });
        }
    }
}

/// Whether roles allow an action at a scope: those given there or above it count.
fn granted(grants: &[Grant], scope: &str, action: &str) -> (Verdict, Option<String>) {
    let covers = |grant: &&Grant| {
        let other = grant.scope.to_lowercase();
        let other = other.trim_end_matches('/');
        scope.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let mut unread = None;
    for grant in grants.iter().filter(covers) {
        match &grant.permissions {
            Reading::Present(permissions) if allows(permissions, action) => {
                return (Verdict::Met, None);
            }
            Reading::Present(_) => {}
            Reading::Absent => unread = Some("a role's definition is not there".to_owned()),
            Reading::Unreadable(why) => unread = Some(why.clone()),
        }
    }
    match unread {
        Some(why) => (Verdict::Unknown, Some(why)),
        None => (Verdict::Missing, None),
    }
}

fn verbs(needs: &Needs, answers: &Answers, checks: &mut Vec<Check>) {
    for (verb, why) in &needs.verbs {
        let (verdict, found) = match answers.verbs.get(verb) {
            Some(Reading::Present(true)) => (Verdict::Met, None),
            Some(Reading::Present(false)) => (Verdict::Missing, None),
            Some(Reading::Unreadable(why)) => (Verdict::Unknown, Some(why.clone())),
            Some(Reading::Absent) | None => {
                (Verdict::Unknown, Some("it was not asked for".to_owned()))
            }
        };
        let resource = match verb.group {
            "" => verb.resource.to_owned(),
            group => format!("{}.{group}", verb.resource),
        };
        let help = (verdict == Verdict::Missing).then(|| {
            "Bind a role with this verb to the caller; `privlink preflight --role kubernetes` \
             prints one."
                .to_owned()
        });
        checks.push(Check {
            area: Area::Kubernetes,
            subject: match &verb.namespace {
                Some(namespace) => format!("namespace {namespace}"),
                None => "all namespaces".to_owned(),
            },
            requirement: format!("{} {resource}", verb.verb),
            verdict,
            reason: found.unwrap_or_else(|| (*why).to_owned()),
            help,
        });
    }
}
