//! Why a sync failed, in the controller's words.

use crate::arm::error::ArmError;

/// What an error of the controller is about, for whoever has more to say of it than its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The name of a Private Link Service that exists cannot change (`getPrivateLinkServiceName`).
    LinkNameFixed,
    /// A Private Link Service that the controller does not manage, or that another Service owns, is on the
    /// frontend (`reconcilePrivateLinkService`).
    LinkInTheWay,
    /// The resource group of the Private Link Service is not there, so that none can be listed.
    LinkGroupMissing,
    /// A subnet that the Service asks for is not there.
    SubnetMissing,
    /// The probes of a port take too long together.
    ProbeTooLong {
        /// Seconds between them.
        interval: i32,
        /// How many there are.
        count: i32,
    },
    /// ARM refused a request.
    Refused,
    /// Something else.
    Other,
}

/// An error of the controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its text.
    pub text: String,
    /// What it is about.
    pub cause: Cause,
    /// ARM's refusal that it quotes, if any.
    pub arm: Option<ArmError>,
}

impl Failure {
    /// An error of the controller's own.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self::about(Cause::Other, text)
    }

    /// An error of the controller's own that is about something.
    pub(crate) fn about(cause: Cause, text: impl Into<String>) -> Self {
        Self { text: text.into(), cause, arm: None }
    }

    /// ARM's refusal of a request, as the SDK words it.
    pub(crate) fn refused(method: &str, endpoint: &str, path: &str, error: ArmError) -> Self {
        let line = "-".repeat(80);
        let status = error.status;
        let reason = reason(status);
        let code = if error.code.is_empty() {
            "ERROR CODE UNAVAILABLE".to_owned()
        } else {
            format!("ERROR CODE: {}", error.code)
        };
        let body = serde_json::to_string_pretty(&error.body()).unwrap_or_default();
        let text = format!(
            "{method} {endpoint}{path}\n{line}\nRESPONSE {status}: {status} {reason}\n{code}\n{line}\n{body}\n{line}\n"
        );
        Self { text, cause: Cause::Refused, arm: Some(error) }
    }

    /// The same with words before it.
    pub(crate) fn within(mut self, words: &str) -> Self {
        self.text = format!("{words}: {}", self.text);
        self
    }

    /// Its text on one line: the Azure SDK's errors draw the response over many.
    pub fn in_short(&self) -> String {
        let lines = self.text.lines().map(str::trim);
        let telling = lines
            .take_while(|line| !line.starts_with('{'))
            .filter(|line| !line.is_empty() && !line.chars().all(|c| c == '-'));
        telling.collect::<Vec<_>>().join("; ")
    }

    /// The HTTP status of the refusal it quotes.
    pub(crate) fn status(&self) -> Option<u16> {
        self.arm.as_ref().map(|error| error.status)
    }
}

/// The words of an HTTP status.
fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        409 => "Conflict",
        412 => "Precondition Failed",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}
