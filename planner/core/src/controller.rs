//! The controller model: what cloud-provider-azure writes.
