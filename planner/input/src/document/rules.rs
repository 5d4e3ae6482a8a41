//! The rules of documents and their kinds.

use crate::rule::{At, Example, basis, rules};

rules! {
    /// A document has no `apiVersion` or no `kind`, or is not a mapping: it is no Kubernetes manifest.
    /// Often it is a file of Helm values or a kustomization that lies in the same folder.
    NOT_A_MANIFEST = "not-a-manifest", Error, [Desired], {
        basis: basis::SHAPE,
        advice: "Keep other YAML out of the input: name the files, or render them with `helm template` or \
            `kustomize build`.",
        example: Example::new(
            At::File,
            "replicas: 3",
            "
            apiVersion: v1
            kind: ConfigMap
            metadata: {name: web}
            ",
        ),
    }

    /// A kind or group that does not exist, but looks like one of privlink's, or like `Service`. Skipping
    /// it silently would lose what was meant.
    UNKNOWN_KIND = "unknown-kind", Error, [Desired], {
        basis: basis::SHAPE,
        advice: "Correct the spelling. The kinds of `privlink.dev/v1alpha1` are Stack, \
            PrivateEndpoint, EndpointApproval and Offer.",
        example: Example::new(
            At::File,
            "
            apiVersion: privlink.dev/v1alpha1
            kind: PrivatEndpoint
            metadata: {name: web-pe}
            ",
            "
            apiVersion: privlink.dev/v1alpha1
            kind: PrivateEndpoint
            metadata: {name: web-pe}
            ",
        ),
    }

    /// Documents of kinds that privlink does not look at were skipped. There is one note for each file.
    SKIPPED_KIND = "skipped-kind", Note, [Desired], {
        basis: basis::SHAPE,
        advice: "Nothing.",
        example: Example::new(
            At::File,
            "
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: web}
            ",
            "
            apiVersion: v1
            kind: Service
            metadata: {name: web}
            ",
        ),
    }
}
