//! Asks the API server, by dry runs, whether it takes what a plan would apply. Nothing is stored.

use futures::StreamExt;
use privlink_core::kubernetes::service::Key;
use privlink_core::plan::Plan;
use privlink_core::rehearsal::{Answer, Answers, Denial, DeniedField, asked};
use privlink_kubernetes::{ErrorKind, KubernetesClient, KubernetesError, StatusCause};

use crate::retry::retried;

/// How many Services are asked about at once.
const AT_ONCE: usize = 8;

/// Asks about every Service that the plan applies, in the order of its steps. Once the identity turns out
/// to be one that may not, nothing more is asked.
pub async fn ask(plan: &Plan, kubernetes: Option<&KubernetesClient>) -> Answers {
    let Some(kubernetes) = kubernetes else { return Answers::default() };
    let mut services = asked(plan).into_iter();
    let Some((key, manifest)) = services.next() else { return Answers::default() };
    let first = answer(retried(async || kubernetes.apply_service(manifest, true).await).await);
    let go_on = !matches!(first, Answer::Unasked(_));
    let mut answers = vec![(key, first)];
    if go_on {
        let rest = futures::stream::iter(services).map(|(key, manifest): (Key, _)| async move {
            let asked = retried(async || kubernetes.apply_service(manifest, true).await).await;
            (key, answer(asked))
        });
        answers.extend(rest.buffered(AT_ONCE).collect::<Vec<_>>().await);
    }
    Answers(answers)
}

/// The cause by which a namespace that is being deleted refuses new objects (`NamespaceTerminatingCause`).
const NAMESPACE_TERMINATING: &str = "NamespaceTerminating";

fn denial(error: &KubernetesError) -> Denial {
    let cause = |it: &StatusCause| {
        let (field, message) = (it.field.clone(), it.message.clone());
        DeniedField { field, message }
    };
    let causes = error.detail.causes.iter().map(cause).collect();
    Denial { message: error.message.clone(), causes }
}

fn answer<T>(asked: Result<T, KubernetesError>) -> Answer {
    let Err(error) = asked else { return Answer::Taken };
    // An API server that deletes a namespace forbids what is new in it, by the same status as a missing
    // right (`plugin/pkg/admission/namespace/lifecycle`).
    if error.detail.causes.iter().any(|it| it.reason == NAMESPACE_TERMINATING) {
        return Answer::Terminating;
    }
    match error.kind {
        ErrorKind::Missing if error.detail.about == "namespaces" => Answer::NoNamespace,
        // Conflicts are found without asking, with their managers.
        ErrorKind::Conflict => Answer::Taken,
        // Of a webhook with side effects nothing but these words of Kubernetes' says so
        // (`pkg/admission/plugin/webhook/errors`, `NewDryRunUnsupportedErr`).
        ErrorKind::Invalid if error.message.contains("does not support dry run") => {
            Answer::Unasked(error.message.clone())
        }
        ErrorKind::Invalid => Answer::Refused(denial(&error)),
        _ => Answer::Unasked(error.to_string()),
    }
}
