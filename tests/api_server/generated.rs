//! Services drawn from the whole schema, with values that are valid and values that are not: created, and then
//! changed. What a real API server says of them the sandbox's says too.

use serde_json::{Map, Value, json};

use super::requests::Request;

const APPLY: &str = "application/apply-patch+yaml";
const MERGE: &str = "application/merge-patch+json";
const JSON: &str = "application/json";

/// Numbers that follow from a seed.
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(0x9e37_79b9_7f4a_7c15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    /// True once in so many times.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn of(&mut self, values: &Value) -> Value {
        let values = values.as_array().unwrap();
        values[self.below(values.len())].clone()
    }
}

/// A field of `spec`, and what it may be: first what is sound, then what is not.
fn fields() -> Vec<(&'static str, Value, Value)> {
    vec![
        (
            "type",
            json!(["LoadBalancer", "LoadBalancer", "LoadBalancer", "ClusterIP", "NodePort"]),
            json!(["ExternalName", "loadbalancer", "", "Balancer"]),
        ),
        (
            "selector",
            json!([{"app": "web"}, {}, {"a.b/c": "d_e"}]),
            json!([{"app": "has blanks"}, {"a/b/c": "x"}, {"-": "x"}]),
        ),
        ("clusterIP", json!([""]), json!(["None", "10.200.0.5", "10.0.0.300", "fd00::5", "none"])),
        (
            "ipFamilies",
            json!([["IPv4"]]),
            json!([
                ["IPv6"],
                ["IPv4", "IPv6"],
                ["IPv4", "IPv4"],
                ["IPv5"],
                ["IPv4", "IPv6", "IPv4"]
            ]),
        ),
        (
            "ipFamilyPolicy",
            json!(["SingleStack", "PreferDualStack"]),
            json!(["RequireDualStack", "Dual"]),
        ),
        (
            "externalIPs",
            json!([["20.1.2.3"], []]),
            json!([
                ["127.0.0.1"],
                ["nowhere"],
                ["0.0.0.0"],
                ["224.0.0.1"],
                ["169.254.0.1"],
                ["::1"]
            ]),
        ),
        ("sessionAffinity", json!(["None", "ClientIP"]), json!(["Cookie", ""])),
        (
            "sessionAffinityConfig",
            json!([{"clientIP": {"timeoutSeconds": 60}}]),
            json!([{"clientIP": {"timeoutSeconds": 0}}, {"clientIP": {"timeoutSeconds": 90000}}, {"clientIP": {}}, {}]),
        ),
        ("loadBalancerIP", json!(["10.240.0.9"]), json!(["anything", ""])),
        ("loadBalancerClass", json!(["example.com/a", "internal"]), json!(["a b", "a/b/c", ""])),
        (
            "loadBalancerSourceRanges",
            json!([["10.0.0.0/8"], ["10.0.0.0/8", "192.168.0.0/16"], []]),
            json!([
                ["10.0.0.0"],
                ["10.0.0.0/33"],
                ["10.0.0.1/8"],
                ["text"],
                ["2001:db8::/32"],
                [" 10.0.0.0/8"]
            ]),
        ),
        ("externalName", json!([]), json!(["example.com", "Example_.com", ""])),
        ("externalTrafficPolicy", json!(["Cluster", "Local"]), json!(["Both", ""])),
        ("internalTrafficPolicy", json!(["Cluster", "Local"]), json!(["Both"])),
        ("healthCheckNodePort", json!([]), json!([31000, 80, 70000, -1, 0])),
        ("publishNotReadyAddresses", json!([true, false]), json!([])),
        ("allocateLoadBalancerNodePorts", json!([true, false]), json!([])),
        ("trafficDistribution", json!(["PreferClose"]), json!(["Nearby", "", "PreferSameZone"])),
    ]
}

fn port_fields() -> Vec<(&'static str, Value, Value)> {
    vec![
        ("protocol", json!(["TCP", "UDP", "SCTP"]), json!(["tcp", "HTTP"])),
        (
            "targetPort",
            json!([8080, "http", "web-1"]),
            json!([0, 70000, "", "Web", "8080", "a-name-that-is-too-long", "a--b", -3]),
        ),
        ("nodePort", json!([]), json!([80, 8080, 32768, 29999, 70000, -1])),
        (
            "appProtocol",
            json!(["http", "kubernetes.io/h2c", "example.com/my-own"]),
            json!(["HTTP 2", "a/b/c", "", "_x"]),
        ),
    ]
}

/// A value of a field: mostly a sound one.
fn value(draw: &mut Draw, sound: &Value, unsound: &Value) -> Option<Value> {
    let has = |it: &Value| !it.as_array().unwrap().is_empty();
    match draw.once_in(14) {
        true if has(unsound) => Some(draw.of(unsound)),
        _ if has(sound) => Some(draw.of(sound)),
        _ => None,
    }
}

fn ports(draw: &mut Draw) -> Value {
    let number = [1, 1, 1, 2, 2, 3, 0][draw.below(7)];
    let ports = (0..number).map(|at| {
        let mut port = Map::new();
        let numbers = match draw.once_in(30) {
            true => json!([0, 70000, -1]),
            false => json!([8000 + at, 8000 + at, 9000 + at, 80]),
        };
        port.insert("port".to_owned(), draw.of(&numbers));
        if number > 1 || draw.once_in(3) {
            let names = match draw.once_in(25) {
                true => json!([
                    "",
                    "Http",
                    "a_b",
                    "-a",
                    "this-name-has-more-than-sixty-three-characters-which-is-too-many-for"
                ]),
                false => json!([format!("p{at}"), format!("http-{at}"), format!("p{at}")]),
            };
            port.insert("name".to_owned(), draw.of(&names));
        }
        for (name, sound, unsound) in port_fields() {
            if draw.once_in(4)
                && let Some(value) = value(draw, &sound, &unsound)
            {
                port.insert(name.to_owned(), value);
            }
        }
        Value::Object(port)
    });
    ports.collect::<Vec<_>>().into()
}

fn spec(draw: &mut Draw) -> Value {
    let mut spec = Map::new();
    spec.insert("type".to_owned(), json!("LoadBalancer"));
    for (name, sound, unsound) in fields() {
        if draw.once_in(5)
            && let Some(value) = value(draw, &sound, &unsound)
        {
            spec.insert(name.to_owned(), value);
        }
    }
    if !draw.once_in(20) {
        spec.insert("ports".to_owned(), ports(draw));
    }
    Value::Object(spec)
}

fn metadata(draw: &mut Draw, name: &str) -> Value {
    let mut metadata = json!({"name": name, "namespace": "default"});
    if draw.once_in(15) {
        metadata["labels"] = draw.of(&json!([{"app": "web"}, {"a.b/c": ""}, {"tier": "has blanks"}, {"a/b/c": "x"}, {"Upper.example.com/x": "y"}]));
    }
    if draw.once_in(15) {
        metadata["annotations"] = draw.of(&json!([{"a.b/c": "any thing"}, {"UPPER.example.com/x": "1"}, {"a/b/c": "x"}, {"has blank": "x"}]));
    }
    metadata
}

/// A Service that is made and then changed, up to two times.
pub(crate) fn case(draw: &mut Draw, name: &str) -> Vec<Request> {
    let all = "/api/v1/namespaces/default/services";
    let apply = format!("{all}/{name}?fieldManager=first&force=true&fieldValidation=Strict");
    let object = |draw: &mut Draw, spec: Value| json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata(draw, name), "spec": spec});
    let first = spec(draw);
    let body = object(draw, first.clone());
    let mut requests = vec![match draw.once_in(3) {
        true => Request("POST", all.to_owned(), JSON, body),
        false => Request("PATCH", apply.clone(), APPLY, body),
    }];
    for _ in 0..draw.below(3) {
        if draw.once_in(3) {
            let mut change = Map::new();
            for (field, sound, unsound) in fields() {
                if draw.once_in(12) {
                    let value = value(draw, &sound, &unsound).filter(|_| !draw.once_in(4));
                    change.insert(field.to_owned(), value.unwrap_or_default());
                }
            }
            let path = format!("{all}/{name}?fieldManager=second");
            requests.push(Request("PATCH", path, MERGE, json!({"spec": change})));
        } else {
            let mut next = first.clone();
            let drawn = spec(draw);
            for (field, value) in drawn.as_object().unwrap() {
                if draw.once_in(2) {
                    next[field] = value.clone();
                }
            }
            let body = object(draw, next);
            requests.push(Request("PATCH", apply.clone(), APPLY, body));
        }
    }
    requests
}

/// A text without addresses and node ports that were given out: those the requests do not name.
pub(crate) fn without_given_out(text: &str, requests: &str) -> String {
    let is_part = |it: char| it.is_ascii_alphanumeric() || it == '.' || it == ':';
    let mut masked = String::new();
    for piece in text.split_inclusive(|it: char| !is_part(it)) {
        let bare = piece.trim_end_matches(|it: char| !is_part(it));
        let given_out = match bare.parse::<std::net::Ipv4Addr>() {
            Ok(address) => address.octets().starts_with(&[10, 0]),
            Err(_) => bare.parse().is_ok_and(|it: u32| (30_000..32_768).contains(&it)),
        };
        match given_out && !requests.contains(bare) {
            true => masked.push_str(&format!("(given out){}", &piece[bare.len()..])),
            false => masked.push_str(piece),
        }
    }
    masked
}
