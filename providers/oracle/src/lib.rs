//! Nothing but tests: what privlink sends to ARM, and what the sandbox answers, against a client
//! generated from ARM's specifications.
