//! Offers, as files for consumers.

use privlink_core::yaml;
use serde_json::{Map, Value, json};

/// Offers as one stream of YAML.
pub fn stream(offers: &[Value]) -> String {
    yaml::stream(offers)
}

/// The manifest of a ConfigMap with a file for each Offer, to be piped to `kubectl apply`. It names no namespace: it
/// goes where kubectl says.
pub fn config_map(stack: &str, offers: &[Value]) -> String {
    let name = |offer: &Value| {
        let name = offer.pointer("/metadata/name").and_then(Value::as_str);
        format!("{}.yaml", name.unwrap_or_default())
    };
    let data: Map<String, Value> =
        offers.iter().map(|offer| (name(offer), yaml::to_text(offer).into())).collect();
    yaml::to_text(&json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": format!("privlink-offers-{}", label(stack))},
        "data": data,
    }))
}

/// A stack's name as part of the name of an object in Kubernetes.
fn label(stack: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let text: String = stack.chars().map(plain).collect();
    text.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_map_has_a_file_for_each_offer() {
        let offer = |name: &str| json!({"kind": "Offer", "metadata": {"name": name}});
        let text = config_map("My_Shop", &[offer("a.web"), offer("b.web")]);
        for line in ["name: privlink-offers-my-shop", "a.web.yaml: ", "b.web.yaml: "] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }
}
