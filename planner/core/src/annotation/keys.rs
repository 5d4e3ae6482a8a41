//! Annotation keys that code asks for by name.

/// Asks for a Private Link Service.
pub const PLS_CREATE: &str = "service.beta.kubernetes.io/azure-pls-create";
/// The Private Link Service's name.
pub const PLS_NAME: &str = "service.beta.kubernetes.io/azure-pls-name";
/// Its resource group.
pub const PLS_RESOURCE_GROUP: &str = "service.beta.kubernetes.io/azure-pls-resource-group";
