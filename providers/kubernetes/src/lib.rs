//! privlink's client of the Kubernetes API.
