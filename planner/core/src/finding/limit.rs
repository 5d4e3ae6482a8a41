//! Limits of Azure that will be hit.

use crate::address::{Address, Kind};
use crate::limit::{self, Use};
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
                Address::new(Kind::LoadBalancer, it.balancer.clone()),
                format!(
                    "{} has at most {} {}, and will have {}",
                    it.of, it.limit.most, it.limit.what, it.count
                ),
            )
            .help(it.limit.help.to_owned())
        })
        .collect()
}

rules! {
    /// There would be more of something than Azure has: rules that reach one node's network interface, or
    /// Private Link Services on a load balancer. [limits.md](limits.md) lists them. Azure refuses the load
    /// balancer from there on.
    LIMIT_EXCEEDED = "limit-exceeded", Error, [Desired, Live, Predicted], {
        basis: basis::documented("Azure's limits", basis::link::LIMITS),
        advice: "Use fewer ports or Services, for example by one gateway for several, or several load \
            balancers.",
        example: Example::live("ports: [{port: 80}, {port: 443}]   # of the 151st such Service"),
    }
}
