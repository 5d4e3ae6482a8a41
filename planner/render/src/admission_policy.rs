//! A ValidatingAdmissionPolicy with its binding: the rules that need nothing but the Service as it is stored and as it
//! is written. The API server evaluates it, so that no server of ours has to be asked.
//!
//! Each rule is one that a plan calls a replacement or a deletion, or refuses; who is connected it cannot know, and
//! hence holds for every Service that asks for a Private Link Service.

use privlink_core::annotation::keys;
use privlink_core::desired::Stack;
use privlink_core::marks::{GUARD_LABEL, PROTECT_LABEL};
use privlink_core::node_id::Kind;
use serde_json::{Value, json};

/// What the policy is to be.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The name of policy and binding.
    pub name: &'a str,
    /// Whether it refuses; otherwise it warns.
    pub deny: bool,
    /// The verb on Services by which RBAC lets somebody through.
    pub override_verb: Option<&'a str>,
    /// The Stack whose protected objects are held too.
    pub stack: Option<&'a Stack>,
}

/// The policy and its binding.
pub fn objects(options: &Options<'_>) -> [Value; 2] {
    [policy(options), binding(options)]
}

const API_VERSION: &str = "admissionregistration.k8s.io/v1";

fn policy(options: &Options<'_>) -> Value {
    json!({
        "apiVersion": API_VERSION,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": options.name},
        "spec": {
            // An expression that fails holds nobody back.
            "failurePolicy": "Ignore",
            "matchConstraints": {
                "namespaceSelector": {"matchExpressions": [
                    {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system"]},
                    {"key": GUARD_LABEL, "operator": "NotIn", "values": ["off"]},
                ]},
                "resourceRules": [{
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "operations": ["UPDATE", "DELETE"],
                    "resources": ["services"],
                    "scope": "Namespaced",
                }],
            },
            "matchConditions": conditions(options),
            "variables": variables(options),
            "validations": validations(),
        },
    })
}

fn binding(options: &Options<'_>) -> Value {
    let actions = if options.deny { ["Deny", "Audit"] } else { ["Warn", "Audit"] };
    json!({
        "apiVersion": API_VERSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": options.name},
        "spec": {"policyName": options.name, "validationActions": actions},
    })
}

/// Which writes are looked at: of Services that the controller looks after and that nobody has deleted yet.
fn conditions(options: &Options<'_>) -> Value {
    let condition =
        |name: &str, expression: String| json!({"name": name, "expression": expression});
    let mut conditions = vec![
        condition(
            "is-a-load-balancer",
            "has(oldObject.spec.type) && oldObject.spec.type == 'LoadBalancer' && \
             !has(oldObject.spec.loadBalancerClass)"
                .to_owned(),
        ),
        condition("is-not-leaving", "!has(oldObject.metadata.deletionTimestamp)".to_owned()),
        condition(
            "is-guarded",
            format!(
                "!(has(oldObject.metadata.labels) && '{GUARD_LABEL}' in oldObject.metadata.labels && \
                 oldObject.metadata.labels['{GUARD_LABEL}'] == 'off')"
            ),
        ),
    ];
    if let Some(verb) = options.override_verb {
        conditions.push(condition(
            "is-not-overridden",
            format!(
                "!authorizer.group('').resource('services').namespace(request.namespace)\
                 .name(request.name).check('{verb}').allowed()"
            ),
        ));
    }
    conditions.into()
}

/// What the rules are written in. The annotations are read as the controller reads them: those of a Private Link
/// Service without blanks around them, and what is internal exactly.
fn variables(options: &Options<'_>) -> Value {
    let variable = |name: &str, expression: String| json!({"name": name, "expression": expression});
    let annotations = |object: &str| {
        format!(
            "{object} != null && has({object}.metadata.annotations) ? {object}.metadata.annotations : {{}}"
        )
    };
    let value =
        |of: &str, key: &str| format!("('{key}' in variables.{of} ? variables.{of}['{key}'] : '')");
    let named = |of: &str, object: &str, key: &str| {
        let pinned = format!(
            "{object} != null && has({object}.spec.loadBalancerIP) ? {object}.spec.loadBalancerIP : ''"
        );
        format!("'{key}' in variables.{of} ? variables.{of}['{key}'] : ({pinned})")
    };
    let count = |of: &str| {
        let text = value(of, keys::PLS_ADDRESS_COUNT);
        format!("{text}.trim().matches('^[0-9]{{1,3}}$') ? int({text}.trim()) : 1")
    };
    let link = format!("{}.trim().lowerAscii() == 'true'", value("old", keys::PLS_CREATE));
    let label = format!(
        "has(oldObject.metadata.labels) && '{PROTECT_LABEL}' in oldObject.metadata.labels && \
         oldObject.metadata.labels['{PROTECT_LABEL}'] == 'true'"
    );
    let by_name = protected(options.stack);
    let protects = match by_name.is_empty() {
        true => label,
        false => format!(
            "{label} || (request.namespace + '/' + request.name) in [{}]",
            by_name.iter().map(|it| format!("'{it}'")).collect::<Vec<_>>().join(", ")
        ),
    };
    json!([
        variable("old", annotations("oldObject")),
        variable("new", annotations("object")),
        variable("protected", protects),
        variable(
            "balanced",
            "object != null && has(object.spec.type) && object.spec.type == 'LoadBalancer'"
                .to_owned(),
        ),
        // Without an address yet there is no frontend that could go.
        variable(
            "made",
            "has(oldObject.status.loadBalancer) && has(oldObject.status.loadBalancer.ingress) && \
             oldObject.status.loadBalancer.ingress.size() > 0"
                .to_owned(),
        ),
        variable("linked", format!("variables.made && ({link})")),
        variable("stays", "variables.linked && variables.balanced".to_owned()),
        variable("wasInternal", format!("{} == 'true'", value("old", keys::INTERNAL))),
        variable("isInternal", format!("{} == 'true'", value("new", keys::INTERNAL))),
        variable("oldAddress", named("old", "oldObject", keys::IPV4)),
        variable("newAddress", named("new", "object", keys::IPV4)),
        variable("oldCount", count("old")),
        variable("newCount", count("new")),
    ])
}

/// The Services that a Stack protects by name, as `namespace/name`; with one's frontend or Private Link Service too.
fn protected(stack: Option<&Stack>) -> Vec<String> {
    let listed = stack.into_iter().flat_map(|stack| &stack.policy.protect);
    let service = |text: &str| {
        let (kind, name) = text.split_once('/')?;
        let kinds = [Kind::Service, Kind::FrontendIp, Kind::PrivateLinkService];
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-./".contains(c);
        let fits = kinds.iter().any(|it| it.as_str() == kind) && name.chars().all(is_name);
        fits.then(|| name.to_owned())
    };
    let mut names: Vec<String> = listed.filter_map(|it| service(&it.value)).collect();
    names.sort();
    names.dedup();
    names
}

fn validations() -> Value {
    let rule = |expression: String, message: &str| json!({"expression": expression, "message": message, "reason": "Forbidden"});
    let same = |key: &str| {
        let value =
            |of: &str| format!("('{key}' in variables.{of} ? variables.{of}['{key}'].trim() : '')");
        format!("{} == {}", value("old"), value("new"))
    };
    let untrimmed = |key: &str| {
        let value =
            |of: &str| format!("('{key}' in variables.{of} ? variables.{of}['{key}'] : '')");
        format!("{} == {}", value("old"), value("new"))
    };
    json!([
        rule(
            "!variables.protected || request.operation != 'DELETE'".to_owned(),
            "protected: this Service is protected; take the label privlink.dev/protect off before you delete it",
        ),
        rule(
            "!variables.protected || request.operation == 'DELETE' || variables.balanced".to_owned(),
            "protected: this Service is protected and would be no load balancer any more; take the label \
             privlink.dev/protect off first",
        ),
        rule(
            "!variables.linked || request.operation == 'DELETE' || variables.balanced".to_owned(),
            "its Private Link Service would be deleted, which disconnects its consumers: the Service would be no load \
             balancer any more",
        ),
        rule(
            "!variables.stays || variables.wasInternal == variables.isInternal".to_owned(),
            "its Private Link Service would be re-created, which disconnects its consumers: \
             azure-load-balancer-internal changes, and only exactly \"true\" is internal",
        ),
        rule(
            format!("!variables.stays || !variables.isInternal || {}", untrimmed(keys::INTERNAL_SUBNET)),
            "its Private Link Service would be re-created, which disconnects its consumers: \
             azure-load-balancer-internal-subnet changes",
        ),
        rule(
            "!variables.stays || !variables.isInternal || variables.newAddress == '' || \
             variables.newAddress == variables.oldAddress || \
             oldObject.status.loadBalancer.ingress.exists(it, has(it.ip) && it.ip == variables.newAddress)"
                .to_owned(),
            "its Private Link Service would be re-created, which disconnects its consumers: its address changes",
        ),
        // One that has a name keeps it where none is asked for.
        rule(
            format!(
                "!variables.stays || !('{name}' in variables.new) || variables.new['{name}'].trim() == '' || {}",
                same(keys::PLS_NAME),
                name = keys::PLS_NAME,
            ),
            "a Private Link Service cannot be renamed: leave azure-pls-name as it was, or make a second Service",
        ),
        rule(
            format!("!variables.stays || {}", same(keys::PLS_RESOURCE_GROUP)),
            "a Private Link Service cannot be moved: leave azure-pls-resource-group as it was, or make a second Service",
        ),
        rule(
            "!variables.stays || variables.newCount >= variables.oldCount".to_owned(),
            "Azure may refuse to take NAT addresses away: azure-pls-ip-configuration-ip-address-count is lowered",
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(deny: bool, override_verb: Option<&str>) -> Options<'_> {
        Options { name: "privlink.dev", deny, override_verb, stack: None }
    }

    #[test]
    fn it_warns_before_it_refuses() {
        let [_, binding] = objects(&options(false, None));
        assert_eq!(binding["spec"]["validationActions"], json!(["Warn", "Audit"]));
        let [policy, binding] = objects(&options(true, None));
        assert_eq!(binding["spec"]["validationActions"], json!(["Deny", "Audit"]));
        assert_eq!(policy["spec"]["failurePolicy"], "Ignore");
    }

    #[test]
    fn rbac_lets_through_unless_nobody_is_to_be() {
        let text = |verb| objects(&options(true, verb))[0]["spec"]["matchConditions"].to_string();
        assert!(text(Some("privlink-override")).contains("check('privlink-override')"));
        assert!(!text(None).contains("authorizer"));
    }
}
