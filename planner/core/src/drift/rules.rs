//! The rules of drift: its classes. Their codes are the names of [`super::Class`].

use crate::rule::{Example, basis, rules};

/// What drift looks at, and what the controller never does.
const DRIFT: basis::Basis =
    basis::recorded("the controller does not look at Azure by itself", basis::link::BALANCER);

rules! {
    /// A live Service has what desired state does not say: somebody wrote to it in Kubernetes. The field
    /// manager says who, and when.
    EDITED_IN_KUBERNETES = "edited-in-kubernetes", Error, [Desired, Live, Differences], {
        basis: basis::APPLY,
        advice: "Remove the field from the live Service with the command that is printed, then apply; or write it into the manifest.",
        example: Example::live("kubectl annotate service web service.beta.kubernetes.io/azure-pls-proxy-protocol=true"),
    }

    /// Desired state has something that was never applied, or that somebody removed without leaving a field manager.
    NOT_APPLIED = "not-applied", Error, [Desired, Live, Differences], {
        basis: basis::APPLY,
        advice: "`privlink apply`; with `--adopt` for what this stack did not create.",
        example: Example::live("ports: [{port: 443}]   # in the manifest, and not applied yet"),
    }

    /// Something that desired state asks for does not exist.
    MISSING = "missing", Error, [Desired, Live, Differences], {
        basis: DRIFT,
        advice: "`privlink apply`.",
        example: Example::live("kubectl delete service web"),
    }

    /// The newest event of a Service is a failure, or its next sync is predicted to fail.
    CONTROLLER_FAILED = "controller-failed", Error, [Live, Differences], {
        basis: basis::recorded("errors come late in a sync (findings 11 to 16)", basis::link::LINK),
        advice: "Correct what the event names: the controller repeats what fails.",
        example: Example::live("reason: SyncLoadBalancerFailed   # an event of the Service"),
    }

    /// The controller has not carried out yet what the live Service says.
    CONTROLLER_BEHIND = "controller-behind", Error, [Live, Differences], {
        basis: DRIFT,
        advice: "Wait; it resolves itself.",
        example: Example::live("kubectl apply -f web.yaml   # a moment ago"),
    }

    /// A frontend, rule, probe, Private Link Service, security rule or subnet is not as the controller
    /// leaves it, or an endpoint or record is not as desired: Azure, or somebody in Azure, changed it.
    CHANGED_IN_AZURE = "changed-in-azure", Error, [Desired, Live, Predicted, Differences], {
        basis: DRIFT,
        advice: "Make the controller sync the Service with the annotation that is printed; `privlink apply` for endpoints and records.",
        example: Example::live("az network lb probe update ...   # of a load balancer that the controller made"),
    }

    /// What the controller made is no longer in Azure.
    DELETED_IN_AZURE = "deleted-in-azure", Error, [Live, Predicted, Differences], {
        basis: DRIFT,
        advice: "Make the controller sync the Service with the annotation that is printed.",
        example: Example::live("az network private-link-service delete ..."),
    }

    /// Azure reports that it failed to provision a resource.
    PROVISIONING_FAILED = "provisioning-failed", Error, [Live, Differences], {
        basis: basis::documented("provisioning states of resources", basis::link::SERVICE),
        advice: "Run the command that is printed: one that starts a sync for what the controller writes, `privlink apply` for an endpoint, zone group or record.",
        example: Example::live("properties: {provisioningState: Failed}"),
    }

    /// A resource with the name of an earlier one is another resource: another uid, alias or guid than
    /// `--since` shows, or an endpoint remembers a connection that its target does not have.
    RECREATED = "recreated", Error, [Live, Differences], {
        basis: basis::recorded("a Private Link Service is deleted with its frontend (finding 6)", basis::link::LINK),
        advice: "Consumers re-create their endpoints; `privlink apply` does so for the stack's own.",
        example: Example::live("alias: web-pls.GUID.eastus.azure.privatelinkservice   # another GUID than a week ago"),
    }

    /// A private endpoint of the stack is no longer connected. An endpoint never connects again.
    DISCONNECTED = "disconnected", Error, [Desired, Live, Differences], {
        basis: basis::CONNECTION,
        advice: "`privlink apply` re-creates it.",
        example: Example::live("privateLinkServiceConnectionState: {status: Disconnected}"),
    }

    /// A consumer that was connected is not connected any more.
    CONSUMER_GONE = "consumer-gone", Error, [Live, Differences], {
        basis: basis::CONNECTION,
        advice: "Ask the consumer.",
        example: Example::live("az network private-endpoint delete ...   # by the consumer"),
    }

    /// What is live does not serve, or would not be cleaned up, and no field differs: no node is ready, a
    /// backend pool is empty, a security rule lets nothing in, a finalizer or a record is lost. A plan
    /// reports the same under a code of its own.
    UNHEALTHY = "unhealthy", Error, [Live, Differences], {
        basis: basis::documented("what traffic needs on its way", basis::link::BALANCER),
        advice: "Do what the message names.",
        example: Example::live("backendAddressPools: [{name: kubernetes, properties: {backendIPConfigurations: []}}]"),
    }

    /// The stack's mark is on something that desired state does not name; a frontend, address or Private
    /// Link Service of the controller belongs to no Service; or Flux or Helm applied a Service that is not in
    /// desired state any more: they forget an object whose deletion was refused.
    ORPHAN = "orphan", Error, [Desired, Live, Differences], {
        basis: DRIFT,
        advice: "`privlink apply` deletes what is the stack's; for the rest, the command that is printed.",
        example: Example::live("tags: {k8s-azure-service: default/old}   # and there is no Service old"),
    }

    /// A difference that an assumed fact may explain: with another value of the fact there would be none.
    UNVERIFIED = "unverified", Warning, [Live, Predicted, Differences], {
        basis: DRIFT,
        advice: "Pin the fact in the Stack.",
        example: Example::live("facts: {}   # of the Stack; its zones are assumed"),
    }

    /// A connection waits for approval.
    AWAITING_APPROVAL = "awaiting-approval", Note, [Live, Differences], {
        basis: basis::CONNECTION,
        advice: "Approve or reject it, for example with an EndpointApproval.",
        example: Example::live("privateLinkServiceConnectionState: {status: Pending}"),
    }

    /// A frontend or rule of another owner on the controller's load balancer, or a consumer who is connected
    /// and whom no EndpointApproval names.
    FOREIGN = "foreign", Note, [Live, Differences], {
        basis: DRIFT,
        advice: "Nothing, if you know about it.",
        example: Example::live("frontendIPConfigurations: [{name: made-by-hand}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Class, Weight};
    use super::*;
    use crate::rule::Severity;

    #[test]
    fn every_class_is_a_rule_of_the_same_weight() {
        for class in Class::ALL {
            let rule = RULES.iter().find(|rule| rule.code.as_str() == class.as_str());
            let severity = match class.weight() {
                Weight::Drift => Severity::Error,
                Weight::Unverified => Severity::Warning,
                Weight::Note => Severity::Note,
            };
            assert_eq!(rule.map(|it| it.code.severity()), Some(severity), "{}", class.as_str());
        }
        assert_eq!(RULES.len(), Class::ALL.len());
    }
}
