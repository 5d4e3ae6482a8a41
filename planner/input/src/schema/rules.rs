//! The rules of the shape of documents: fields, types and formats.

use crate::rule::{At, Example, basis, rules};

rules! {
    /// A field that a Stack, PrivateEndpoint, EndpointApproval or Offer does not have. Nothing would read it.
    UNKNOWN_FIELD = "unknown-field", Error, [Desired], {
        basis: basis::SHAPE,
        advice: "Correct the spelling, or remove the field.",
        example: Example::new(At::Stack, "resourcegroup: myResourceGroup", "services: managed"),
    }

    /// A field that a Service does not have, as far as privlink knows. The API server drops or refuses it.
    /// It is a warning, since Kubernetes may have got the field in a newer version.
    UNKNOWN_SERVICE_FIELD = "unknown-service-field", Warning, [Desired], {
        basis: basis::SHAPE,
        advice: "Correct the spelling, or remove the field.",
        example: Example::new(
            At::Service,
            "loadbalancerIP: 10.240.0.25",
            "loadBalancerIP: 10.240.0.25",
        ),
    }

    /// A required field is missing or empty.
    MISSING_FIELD = "missing-field", Error, [Desired], {
        basis: basis::SHAPE,
        advice: "Add the field.",
        example: Example::new(
            At::File,
            "
            apiVersion: v1
            kind: Service
            metadata: {}
            ",
            "
            apiVersion: v1
            kind: Service
            metadata: {name: web}
            ",
        ),
    }

    /// Of fields that exclude each other, none or several are there: `target` is a `service`, an
    /// `id`, an `alias` or an `offer`; `subnet` is an `id`, or names; `dns` is a `record` or a `zoneGroup`.
    NOT_EXACTLY_ONE = "not-exactly-one", Error, [Desired], {
        basis: basis::SHAPE,
        advice: "Write exactly one of them.",
        example: Example::new(
            At::Endpoint,
            "target: {}",
            "target: {service: {namespace: default, name: web}}",
        ),
    }

    /// A value has another type than its field: text, a whole number, a boolean, a list or a mapping. Types
    /// are strict: `1.30` is a number, and would become 1.3.
    WRONG_TYPE = "wrong-type", Error, [Desired], {
        basis: basis::SHAPE,
        advice: "Add or remove quotes, or write a list or mapping.",
        example: Example::new(
            At::Stack,
            "facts: {kubernetesVersion: 1.30}",
            r#"facts: {kubernetesVersion: "1.30"}"#,
        ),
    }

    /// The value of an annotation is not text. Kubernetes has only text in annotations, so the API server
    /// refuses the whole Service.
    ANNOTATION_NOT_TEXT = "annotation-not-text", Error, [Desired], {
        basis: basis::SHAPE,
        advice: "Put the value in quotes: `\"true\"`.",
        example: Example::new(
            At::Service,
            "service.beta.kubernetes.io/azure-pls-create: true",
            r#"service.beta.kubernetes.io/azure-pls-create: "true""#,
        ),
    }

    /// Text without quotes that readers of YAML take for different things. privlink reads YAML 1.2, in
    /// which `yes` is text; `kubectl` reads it as true, and `010` as eight.
    AMBIGUOUS_TEXT = "ambiguous-text", Warning, [Desired], {
        basis: basis::YAML,
        advice: "Put the value in quotes.",
        example: Example::new(
            At::Service,
            "service.beta.kubernetes.io/azure-pls-create: yes",
            r#"service.beta.kubernetes.io/azure-pls-create: "true""#,
        ),
    }

    /// A word that is not one of those that the field takes. For a health probe's protocol, the controller
    /// takes Tcp for any word that it does not know.
    UNKNOWN_VALUE = "unknown-value", Error, [Desired], {
        basis: basis::SHAPE,
        advice: "Write one of the words that are listed, in the case shown.",
        example: Example::new(At::Endpoint, "approval: automatic", "approval: Automatic"),
    }

    /// A number out of its bounds, or a list with too many entries.
    OUT_OF_RANGE = "out-of-range", Error, [Desired], {
        basis: basis::SHAPE,
        advice: "Stay within the bounds that are named.",
        example: Example::new(At::Service, "ports: [{port: 70000}]", "ports: [{port: 7000}]"),
    }

    /// A text is longer than its field takes. For a request message ARM's description says 140 characters; Azure was
    /// seen to take longer ones, but nothing says for how long.
    TEXT_TOO_LONG = "text-too-long", Error, [Desired], {
        basis: basis::SHAPE,
        advice: "Shorten it.",
        example: Example::new(
            At::Endpoint,
            r#"
            approval: Manual
            requestMessage: "Please approve this connection. Please approve this connection. Please approve this connection. Please approve this connection. Please approve this connection."
            "#,
            r#"
            approval: Manual
            requestMessage: "Please approve this connection."
            "#,
        ),
    }

    /// A name that Azure or Kubernetes refuses. The controller checks few names: a bad one is refused by
    /// Azure, after parts of the Service were made.
    BAD_NAME = "bad-name", Error, [Desired], {
        basis: basis::SHAPE,
        advice: "Follow the rule in the help text. Blanks around a name count where the controller does \
            not trim them.",
        example: Example::new(
            At::Service,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-name: "my pls!"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-pls-create: "true"
            service.beta.kubernetes.io/azure-pls-name: "my-pls"
            "#,
        ),
    }

    /// Not an IP address, or not one of the family that is wanted. The controller passes addresses to Azure
    /// unread, blanks included.
    BAD_ADDRESS = "bad-address", Error, [Desired], {
        basis: basis::SHAPE,
        advice: "Write one address, such as 10.240.0.25.",
        example: Example::new(
            At::Service,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-load-balancer-ipv4: "10.240.0"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-load-balancer-ipv4: "10.240.0.25"
            "#,
        ),
    }

    /// Not an address range, or one with host bits (`10.0.0.1/8`). The controller then adds a rule that
    /// denies all traffic to the address, without any event.
    BAD_CIDR = "bad-cidr", Error, [Desired], {
        basis: basis::SHAPE,
        advice: "Write the range with its host bits cleared: `10.0.0.0/8`.",
        example: Example::new(
            At::Service,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-allowed-ip-ranges: "10.0.0.1/8"
            "#,
            r#"
            service.beta.kubernetes.io/azure-load-balancer-internal: "true"
            service.beta.kubernetes.io/azure-allowed-ip-ranges: "10.0.0.0/8"
            "#,
        ),
    }

    /// Not a GUID. Subscriptions are named by GUID, never by their display name.
    BAD_GUID = "bad-guid", Error, [Desired], {
        basis: basis::SHAPE,
        advice: "`az account list -o table` shows the GUIDs.",
        example: Example::new(
            At::Stack,
            "subscription: my-subscription",
            "subscription: 00000000-0000-0000-0000-000000000000",
        ),
    }

    /// Not the id of an Azure resource, or not one of the type that is wanted.
    BAD_RESOURCE_ID = "bad-resource-id", Error, [Desired], {
        basis: basis::SHAPE,
        advice: "`az resource show` and the portal's JSON view show ids.",
        example: Example::new(
            At::Endpoint,
            "subnet: {id: /subscriptions/x/virtualNetworks/vnet}",
            "subnet: {virtualNetwork: vnet, name: pe-subnet}",
        ),
    }

    /// Not the alias of a Private Link Service, which reads `name.guid.region.azure.privatelinkservice`.
    BAD_ALIAS = "bad-alias", Error, [Desired], {
        basis: basis::SHAPE,
        advice: "Copy it from the provider.",
        example: Example::new(
            At::Endpoint,
            "
            approval: Manual
            target: {alias: my-pls.eastus}
            ",
            "
            approval: Manual
            target: {alias: my-pls.00000000-0000-0000-0000-000000000000.eastus.azure.privatelinkservice}
            ",
        ),
    }

    /// Not a version of Kubernetes.
    BAD_VERSION = "bad-version", Error, [Desired], {
        basis: basis::SHAPE,
        advice: "Write major and minor version, in quotes: `\"1.33\"`.",
        example: Example::new(
            At::Stack,
            "facts: {kubernetesVersion: latest}",
            r#"facts: {kubernetesVersion: "1.33"}"#,
        ),
    }

    /// Not the address of an object, such as `PrivateLinkService/default/internal-app`.
    BAD_OBJECT = "bad-object", Error, [Desired], {
        basis: basis::SHAPE,
        advice: "`privlink graph` shows all objects by their addresses.",
        example: Example::new(
            At::Stack,
            "policy: {protect: [internal-app]}",
            "policy: {protect: [PrivateLinkService/default/internal-app]}",
        ),
    }

    /// Not a day.
    BAD_DATE = "bad-date", Error, [Desired], {
        basis: basis::SHAPE,
        advice: "Write year, month and day: `2026-12-05`.",
        example: Example::new(
            At::Stack,
            "policy: {allowDisconnects: [{endpoint: web-pe, until: 5 December}]}",
            "policy: {allowDisconnects: [{endpoint: web-pe, until: 2026-12-05}]}",
        ),
    }
}
