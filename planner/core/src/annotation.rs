//! The annotations of Services that the controller reads.

pub mod keys;

use crate::desired::Service;
use crate::diagnostic::Diagnostic;

/// Reports what the controller would refuse, misread or ignore in a Service's annotations.
pub fn lint(service: &Service, problems: &mut Vec<Diagnostic>) {
    let _ = (service, problems);
}
