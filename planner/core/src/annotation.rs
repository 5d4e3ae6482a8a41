//! The annotations of Services that the controller reads.
