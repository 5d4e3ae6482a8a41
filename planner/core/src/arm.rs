//! The ARM model: what Azure stores, defaults, allocates and refuses.
