//! Facts about a cluster that the controller's behaviour hangs on.
