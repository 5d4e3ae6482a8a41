//! A sandbox in a process of its own, and the binary as its client: either can be killed while the other
//! goes on.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here fails the test")]

use std::ops::Deref;
use std::time::{Duration, Instant};

use privlink_sandbox::{Entry, Fault};
use serde_json::{Value, json};

use crate::served::Client;
use crate::support::http;
use crate::support::serving::Serving;

/// `privlink sandbox serve`, ended with the test.
pub(crate) struct Apart {
    serving: Serving,
    client: Client,
}

impl Deref for Apart {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Apart {
    /// Serves the world of this document, with more arguments.
    pub(crate) fn serve(world: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("world.json"), world).unwrap();
        let serving = Serving::serve(folder.path(), &more.split_whitespace().collect::<Vec<_>>());
        let client = Client::new(folder, &serving.kubernetes, &serving.arm);
        Self { serving, client }
    }

    fn administer(&self, method: &str, what: &str, body: &Value) -> Value {
        let path = format!("/sandbox/{what}");
        let (status, answer) =
            http::call(&self.serving.arm, method, &path, "application/json", body);
        assert!(status < 300, "{method} {path}: {status}");
        answer
    }

    /// What was asked of it so far.
    pub(crate) fn requests(&self) -> Vec<Entry> {
        serde_json::from_value(self.administer("GET", "requests", &Value::Null)).unwrap()
    }

    /// Adds a fault.
    pub(crate) fn add_fault(&self, fault: &Fault) {
        self.administer("POST", "faults", &json!([fault]));
    }

    /// Removes all faults.
    pub(crate) fn clear_faults(&self) {
        self.administer("DELETE", "faults", &Value::Null);
    }

    /// Whether a fault has struck.
    pub(crate) fn is_struck(&self) -> bool {
        let faults = self.administer("GET", "faults", &Value::Null);
        faults.as_array().unwrap().iter().any(|fault| fault["struck"] != 0)
    }

    /// The world's document, once the controller has nothing more to do.
    pub(crate) fn world(&self) -> Value {
        let begun = Instant::now();
        while self.administer("GET", "controller", &Value::Null)["settled"] != true {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "the controller does not come to rest"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        self.administer("GET", "world", &Value::Null)
    }
}
