//! Limits of Azure that will be hit.

use crate::address::{Address, Kind};
use crate::code::Code;
use crate::limit::{self, Use};
use crate::plan::Finding;
use crate::prediction::Prediction;

/// Limits that are exceeded once all is done.
pub(super) fn exceeded(prediction: &Prediction) -> Vec<Finding> {
    let too_many = limit::of_controller(&prediction.after).into_iter().filter(Use::is_exceeded);
    too_many
        .map(|it| Finding {
            code: Code::LimitExceeded,
            severity: Code::LimitExceeded.severity(),
            address: Address::new(Kind::LoadBalancer, it.balancer.clone()),
            message: format!(
                "{} has at most {} {}, and will have {}",
                it.of, it.limit.most, it.limit.what, it.count
            ),
            help: Some(it.limit.help.to_owned()),
            place: None,
        })
        .collect()
}
