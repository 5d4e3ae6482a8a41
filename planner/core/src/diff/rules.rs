//! The rules of the differ: what is found and refused while changes are planned.

use crate::rule::{At, Example, basis, rules};

rules! {
    /// A private endpoint is to connect to a Service that will have no Private Link Service: the annotation
    /// is missing, or the prediction says that the controller will fail.
    NO_PRIVATE_LINK_SERVICE = "no-private-link-service", Error, [Desired, Live, Predicted], {
        basis: basis::ENDPOINT,
        advice: "Set `azure-pls-create: \"true\"` on the Service, and correct its other findings.",
        example: Example::new(
            At::Connected,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-ip-configuration-subnet: "no-such-subnet"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-ip-configuration-subnet: "pls-subnet"
            "#,
        ),
    }

    /// The resource group of the Stack, or the cluster in it, does not exist. Nothing is planned: what would be
    /// read of another cluster would say nothing about this one.
    CLUSTER_MISSING = "cluster-missing", Error, [Desired, Live, Planned], {
        basis: basis::own("what the cluster's resource group lists", basis::link::KUBERNETES),
        advice: "Write one of the names that the message lists, or correct the subscription or resource group.",
        example: Example::live(
            r#"
            spec: {resourceGroup: myResourceGroup, cluster: myAksCluster2}   # while the group has myAKSCluster
            "#,
        ),
    }

    /// The document of a private endpoint was renamed, and Azure cannot rename the endpoint. Of the stack's
    /// endpoints that no document names, exactly one is in the same resource group and subnet and reaches
    /// the same Private Link Service: it is kept, and nobody is disconnected.
    ENDPOINT_RENAMED = "endpoint-renamed", Note, [Desired, Live, Planned], {
        basis: basis::ENDPOINT,
        advice: "Write the name in Azure as `spec.name`. To get an endpoint with the new name instead, \
            write the new name there.",
        example: Example::change(
            r#"
            apiVersion: v1
            kind: Service
            metadata:
              name: web
              namespace: default
              annotations:
                service.beta.kubernetes.io/azure-load-balancer-internal: "true"
                service.beta.kubernetes.io/azure-pls-create: "true"
            spec:
              type: LoadBalancer
              selector: {app: web}
              ports: [{port: 80}]
            ---
            apiVersion: privlink.dev/v1alpha1
            kind: PrivateEndpoint
            metadata: {name: web-pe}
            spec:
              resourceGroup: myOtherResourceGroup
              subnet: {virtualNetwork: myOtherVNET, name: pe-subnet}
              target: {service: {namespace: default, name: web}}
            "#,
            r#"
            apiVersion: v1
            kind: Service
            metadata:
              name: web
              namespace: default
              annotations:
                service.beta.kubernetes.io/azure-load-balancer-internal: "true"
                service.beta.kubernetes.io/azure-pls-create: "true"
            spec:
              type: LoadBalancer
              selector: {app: web}
              ports: [{port: 80}]
            ---
            apiVersion: privlink.dev/v1alpha1
            kind: PrivateEndpoint
            metadata: {name: shop-pe}
            spec:
              resourceGroup: myOtherResourceGroup
              subnet: {virtualNetwork: myOtherVNET, name: pe-subnet}
              target: {service: {namespace: default, name: web}}
            "#,
            r#"
            apiVersion: v1
            kind: Service
            metadata:
              name: web
              namespace: default
              annotations:
                service.beta.kubernetes.io/azure-load-balancer-internal: "true"
                service.beta.kubernetes.io/azure-pls-create: "true"
            spec:
              type: LoadBalancer
              selector: {app: web}
              ports: [{port: 80}]
            ---
            apiVersion: privlink.dev/v1alpha1
            kind: PrivateEndpoint
            metadata: {name: web-pe}
            spec:
              resourceGroup: myOtherResourceGroup
              subnet: {virtualNetwork: myOtherVNET, name: pe-subnet}
              target: {service: {namespace: default, name: web}}
            "#,
        ).at(At::Documents),
    }

    /// A private endpoint's virtual network is not there, so its region is not known; or its subnet is not in that
    /// network. A network that could not be read is `unreadable`.
    NETWORK_MISSING = "network-missing", Error, [Desired, Live], {
        basis: basis::ENDPOINT,
        advice: "Name a network and a subnet that exist, or create them first.",
        example: Example::new(
            At::Endpoint,
            "subnet: {virtualNetwork: no-such-network, name: pe-subnet}",
            "subnet: {virtualNetwork: myOtherVNET, name: pe-subnet}",
        ),
    }

    /// A private endpoint's `location` is another region than its virtual network's. Azure refuses that, and says that the
    /// subnet was not found.
    WRONG_LOCATION = "wrong-location", Error, [Desired, Live], {
        basis: basis::ENDPOINT,
        advice: "Leave out `location`: it is the virtual network's then.",
        example: Example::new(At::Endpoint, "location: westeurope", "location: eastus"),
    }

    /// An endpoint is to have a record or a zone group in a private DNS zone that is not there.
    ZONE_MISSING = "zone-missing", Error, [Desired, Live], {
        basis: basis::RECORD,
        advice: "Create the zone first, or name one that exists; a name without an id is looked for in \
            the endpoint's resource group.",
        example: Example::new(
            At::Endpoint,
            "dns: {record: {zone: no-such-zone.example, name: web}}",
            "dns: {record: {zone: privatelink.contoso.com, name: web}}",
        ),
    }

    /// An EndpointApproval rejects an endpoint that the same stack wants connected, and that is connected
    /// now.
    OWN_ENDPOINT_REJECTED = "own-endpoint-rejected", Error, [Desired, Live], {
        basis: basis::recorded_from_azure("a connection's state is the provider's word, and both sides show it", basis::link::APPROVE),
        advice: "Take it off the list, or remove the endpoint.",
        example: Example::change(
            "approve: []",
            "reject: [{subscription: 00000000-0000-0000-0000-000000000000}]",
            "approve: [{subscription: 00000000-0000-0000-0000-000000000000}]",
        ).at(At::Approval),
    }

    /// A connection has two ends: the endpoint shows its state, and so does the Private Link Service. They
    /// show different states, or the Private Link Service has no such connection. In the latter case it is
    /// not the one the endpoint connected to, and the endpoint is planned to be re-created.
    CONNECTION_DISAGREES = "connection-disagrees", Warning, [Desired, Live], {
        basis: basis::recorded_from_azure("a connection's state is the provider's word, and both sides show it", basis::link::APPROVE),
        advice: "Wait some minutes: Azure mirrors one end to the other. If it stays, `--replace \
            PrivateEndpoint/NAME`.",
        example: Example::live(
            "privateLinkServiceConnectionState: {status: Approved}   # of the endpoint; its Private Link Service says Pending",
        ),
    }

    /// The plan disconnects an endpoint of this stack, and `--target` or `--exclude` prevents that it is
    /// re-created.
    LEFT_BEHIND = "left-behind", Warning, [Desired, Live, Planned], {
        basis: basis::SAFETY,
        advice: "Plan without the limit, or target the endpoint too.",
        example: Example::live(
            "privlink plan -f deploy/ --exclude PrivateEndpoint/web-pe   # while its Service gets another address",
        ),
    }

    /// A consumer asks to connect to a Service of the stack, and no EndpointApproval names it. It is left
    /// pending. The note has the endpoint's id, its subscription and what the consumer wrote.
    STRANGER_PENDING = "stranger-pending", Note, [Desired, Live], {
        basis: basis::CONNECTION,
        advice: "List it under `approve` or `reject`.",
        example: Example::live(
            "
            kind: EndpointApproval
            spec: {approve: []}
            ",
        ),
    }

    /// The endpoint has a DNS zone group that another made: Azure Policy, whose group is called `deployedByPolicy`, or
    /// somebody by hand. An endpoint has one at most, and privlink never touches another owner's.
    ZONE_GROUP_HELD = "zone-group-held", Error, [Desired, Live], {
        basis: basis::documented("an endpoint has one zone group", basis::link::DNS),
        advice: "Take `dns.zoneGroup` out of the document, or have its maker remove the other group; of Azure Policy, exempt \
            the endpoint first.",
        example: Example::live("dns: {zoneGroup: {zones: [privatelink.contoso.com]}}   # live: deployedByPolicy"),
    }

    /// The Offer that an endpoint takes says another alias than the endpoint connected to. A Private Link Service keeps
    /// its alias as long as it exists: its provider re-created it, which disconnected its consumers, and published the
    /// Offer again. The endpoint is re-created.
    OFFER_CHANGED = "offer-changed", Note, [Desired, Live], {
        basis: basis::ENDPOINT,
        advice: "Apply, to connect to the new one. Ask the provider if it was not expected.",
        example: Example::live(
            "alias: my-pls.22222222-2222-2222-2222-222222222222.eastus.azure.privatelinkservice   # live: another guid",
        ),
    }

    /// An endpoint of another owner asks to be connected, and an EndpointApproval that names it expects another
    /// `requestMessage` than it sent. It is not approved: whoever knows an alias may send any message.
    WRONG_REQUEST_MESSAGE = "wrong-request-message", Warning, [Desired, Live], {
        basis: basis::CONNECTION,
        advice: "Ask the consumer. If it is theirs, they write the message you agreed on as `requestMessage`; a stranger's \
            endpoint goes under `reject`.",
        example: Example::live(
            "approve: [{subscription: 44444444-4444-4444-4444-444444444444, requestMessage: the word we agreed on}]   # live: let me in",
        ),
    }

    /// A field of the manifest is owned by another field manager with another value. privlink never forces
    /// a conflict.
    FIELD_CONFLICT = "field-conflict", Error, [Desired, Live], {
        basis: basis::APPLY,
        advice: "Take the field out of the manifest, or have the other manager give it up.",
        example: Example::live("spec: {type: LoadBalancer}   # while another manager set ClusterIP"),
    }

    /// Something that the plan needs could not be read: permissions, network, throttling. An object that
    /// could not be read is never taken for absent, so nothing is planned for it. Where an endpoint's virtual network
    /// could not be read, its region is that of the endpoint in the same subnet, or the `location` of its document; else
    /// it is not known.
    UNREADABLE = "unreadable", Error, [Desired, Live, Planned], {
        basis: basis::SAFETY,
        advice: "Grant the right that the message names, and plan again.",
        example: Example::live("# 403 AuthorizationFailed on the list of private endpoints"),
    }

    /// An object exists without any stack's mark, and matches its document. It is neither changed nor
    /// deleted: a plan is empty, and a destroy leaves it. This is so after an import of what others
    /// created.
    UNMARKED = "unmarked", Note, [Desired, Live, Planned], {
        basis: basis::SAFETY,
        advice: "Plan and apply once with `--adopt` to mark it as the stack's. Or leave it so.",
        example: Example::live("metadata: {name: web}   # made by kubectl, and imported"),
    }

    /// An object exists that this stack did not create: it has no mark, or another stack's.
    NOT_ADOPTED = "not-adopted", Error, [Desired, Live, Planned], {
        basis: basis::SAFETY,
        advice: "Use `--adopt` to take it over, or choose another name.",
        example: Example::live("metadata: {name: web}   # made by kubectl"),
    }
}
