//! Runs of the controller model on the clusters of recordings, without a recording to compare with.

#![allow(dead_code, reason = "each test uses what it needs")]

use std::path::PathBuf;

use privlink_model::recording::case::Recording;
use privlink_model::recording::replay::replay;
use privlink_model::recording::shape::StepPrediction;
use serde_json::{Map, Value, json};

pub(crate) const PREFIX: &str = "service.beta.kubernetes.io/";

/// A run of the controller on the cluster of a recording.
pub(crate) struct Run {
    pub(crate) recording: Recording,
}

/// A Service as the API server stores it.
pub(crate) fn service(name: &str, annotations: &[(&str, &str)]) -> Value {
    let annotations: Map<String, Value> = annotations
        .iter()
        .map(|(key, value)| (format!("{PREFIX}{key}"), Value::from(*value)))
        .collect();
    let digit = name.bytes().map(u32::from).sum::<u32>() % 10;
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": format!("0000000{digit}-0000-4000-8000-00000000000{digit}"),
            "annotations": annotations,
        },
        "spec": {
            "type": "LoadBalancer",
            "externalTrafficPolicy": "Cluster",
            "sessionAffinity": "None",
            "ipFamilies": ["IPv4"],
            "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80, "nodePort": 30080}],
        },
    })
}

pub(crate) fn internal(name: &str, annotations: &[(&str, &str)]) -> Value {
    let mut all = vec![("azure-load-balancer-internal", "true")];
    all.extend_from_slice(annotations);
    service(name, &all)
}

impl Run {
    pub(crate) fn on(recording: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join(format!("../../tests/recordings/controller/{recording}.json"));
        let text = std::fs::read_to_string(path).unwrap();
        let mut recording: Recording = serde_json::from_str(&text).unwrap();
        recording.steps.clear();
        recording.result_after_each_step.clear();
        Self { recording }
    }

    pub(crate) fn new() -> Self {
        Self::on("001-aks-internal-app")
    }

    pub(crate) fn fault(mut self, fault: Value) -> Self {
        self.recording.arm_fake.faults.push(serde_json::from_value(fault).unwrap());
        self
    }

    /// A step with the Services there are after it.
    pub(crate) fn step(mut self, step: Value, services: &[Value]) -> Self {
        self.recording.steps.push(serde_json::from_value(step).unwrap());
        let result = Map::from_iter([("services".to_owned(), Value::from(services.to_vec()))]);
        self.recording.result_after_each_step.push(result);
        self
    }

    pub(crate) fn apply(self, services: &[Value]) -> Self {
        self.step(json!({"apply": services}), services)
    }

    pub(crate) fn predictions(&self) -> Vec<StepPrediction> {
        replay(&self.recording)
    }

    pub(crate) fn last(&self) -> StepPrediction {
        self.predictions().pop().unwrap()
    }
}

/// The messages of the events of a reason.
pub(crate) fn messages(prediction: &StepPrediction, reason: &str) -> Vec<String> {
    let of = prediction.events.iter().filter(|event| event["reason"] == reason);
    of.map(|event| event["message"].as_str().unwrap().to_owned()).collect()
}

pub(crate) fn failure(prediction: &StepPrediction) -> String {
    let found = messages(prediction, "SyncLoadBalancerFailed");
    let words = "Error syncing load balancer: failed to ensure load balancer: ";
    let [message] = found.as_slice() else { panic!("{:?}", prediction.events) };
    message.strip_prefix(words).unwrap().to_owned()
}

/// Methods and resources written.
pub(crate) fn written(prediction: &StepPrediction) -> Vec<String> {
    let write = |it: &Value| {
        format!("{} {}", it["method"].as_str().unwrap(), it["resource"].as_str().unwrap())
    };
    prediction.arm_writes.iter().map(write).collect()
}
