//! A simulator of the Kubernetes API and Azure Resource Manager on loopback.
