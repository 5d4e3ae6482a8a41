//! A decision as it is logged: one JSON object.

use std::time::Duration;

use privlink_core::guard::review::Request;
use privlink_core::guard::{Decision, Outcome};
use privlink_core::kubernetes::managers;
use serde::Serialize;

/// Who asked for what, and what was decided.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decided {
    /// When, in RFC 3339.
    pub time: String,
    /// The request's id, as the API server's audit log has it.
    pub uid: String,
    /// `create`, `update` or `delete`.
    pub operation: &'static str,
    /// The Service, as `namespace/name`.
    pub service: String,
    /// Who writes.
    pub user: String,
    /// The field manager that wrote the object last; absent for a deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub writer: Option<String>,
    /// Whether nothing would be stored.
    pub dry_run: bool,
    /// The mode that holds for the Service.
    pub mode: &'static str,
    /// The verdict.
    pub verdict: &'static str,
    /// The codes that hold it back, or would.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<&'static str>,
    /// Whom it disconnects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disconnects: Vec<String>,
    /// The consent that it makes use of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub consents: Vec<String>,
    /// Why it was let through unseen, or why nobody can tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// How long the answer took, in microseconds.
    pub microseconds: u64,
}

impl Decided {
    /// What is logged of a decision.
    pub(crate) fn new(request: &Request, decision: &Decision, took: Duration) -> Self {
        let (mut disconnects, mut consents, mut why) = (Vec::new(), Vec::new(), None);
        match &decision.outcome {
            Outcome::Passed(pass) => why = Some(pass.as_str().to_owned()),
            Outcome::Unknown(unknown) => why = Some(unknown.clone()),
            Outcome::Judged(judgement) => {
                disconnects.extend(judgement.harms.iter().flat_map(|it| it.consumers.clone()));
                let consent = judgement.consents.iter();
                consents.extend(consent.map(|it| format!("{} until {}", it.endpoint, it.until)));
            }
        }
        Self {
            time: jiff::Timestamp::now().to_string(),
            uid: request.uid.clone(),
            operation: request.operation.as_str(),
            service: request.key.to_string(),
            user: request.user.clone(),
            writer: request.object.as_ref().and_then(|it| managers::author(it).manager),
            dry_run: request.dry_run,
            mode: decision.mode.as_str(),
            verdict: decision.verdict.as_str(),
            codes: decision.codes().into_iter().map(|it| it.as_str()).collect(),
            disconnects,
            consents,
            why,
            microseconds: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        }
    }
}
