//! Offers: what a provider publishes, a consumer takes, and both agree on, in two tenants.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here fails the test")]

mod support;

use std::fs;

use serde_json::{Value, json};
use support::serving::Serving;
use support::{Run, Workplace, assert_golden, flat};

const VARIABLES: [(&str, &str); 3] = [
    ("AZURE_TENANT_ID", "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"),
    ("AZURE_CLIENT_ID", "c11e47"),
    ("AZURE_CLIENT_SECRET", "s3cret"),
];
const TOKEN: &str = "8f2c-partner-of-2026";
const OFFER: &str = "examples/two-tenants/published/offer.yaml";

/// The example in a sandbox that is served, with both tenants in it.
struct Partners {
    place: Workplace,
    serving: Serving,
}

impl Partners {
    fn new() -> Self {
        let place = Workplace::with_example("two-tenants");
        let serving = Serving::start(&place, &["--tls"]);
        Self { place, serving }
    }

    /// Runs a command of one of them, which never shows the token.
    fn run(&self, command: &str, who: &str) -> Run {
        let words = format!("{command} -f examples/two-tenants/{who} --auth client-secret");
        let run = self.serving.run(&self.place, &words, &VARIABLES);
        assert!(!run.stdout.contains(TOKEN), "{command}: {}", run.stdout);
        assert!(!run.stderr.contains(TOKEN), "{command}: {}", run.stderr);
        run
    }

    /// Applies a saved plan.
    fn saved(&self, file: &str) -> Run {
        let words = format!("apply {file} --auto-approve --auth client-secret");
        self.serving.run(&self.place, &words, &VARIABLES)
    }

    fn plan(&self, who: &str) -> Value {
        let plan = self.run("plan -o json", who);
        serde_json::from_str(&plan.stdout).unwrap()
    }

    /// Publishes what the provider offers, and gives its text.
    fn publish(&self) -> String {
        self.run(&format!("output -o offer --out {OFFER}"), "provider").expect(0);
        fs::read_to_string(self.place.path().join(OFFER)).unwrap()
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.place.path().join("examples/two-tenants").join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file}: {text}");
        fs::write(path, text.replace(from, to)).unwrap();
    }
}

fn codes(plan: &Value) -> Vec<&str> {
    plan["findings"].as_array().unwrap().iter().map(|it| it["code"].as_str().unwrap()).collect()
}

#[test]
fn two_tenants_go_from_two_commits_to_approved() {
    let partners = Partners::new();
    let early = partners.run("output -o offer", "provider").expect(1);
    assert!(early.stderr.contains("Private Link Service of Service default/internal-app"));
    partners.run("apply --auto-approve", "provider").expect(0);
    let published = fs::read_to_string(partners.place.path().join(OFFER)).unwrap();
    let offer = partners.publish();
    assert_eq!(offer, published, "the example holds what is published of it");
    assert_eq!(offer, partners.publish(), "the same world gives the same bytes");
    assert!(offer.contains("requestMessage: true") && !offer.contains(TOKEN), "{offer}");
    let map = partners.run("output -o offer-configmap", "provider").expect(0).stdout;
    assert!(map.contains("kind: ConfigMap") && map.contains("default.internal-app.yaml"), "{map}");

    let plan = partners.run("plan", "consumer").expect(0).stdout;
    assert_golden("two-tenants/consumer-plan.txt", &plan);
    partners.run("plan --out plan.json", "consumer").expect(0);
    for show in ["show plan.json", "show plan.json --full", "show plan.json -o json"] {
        let shown = partners.place.run(show).expect(0).stdout;
        assert!(!shown.contains(TOKEN), "{show}: {shown}");
    }
    let comment = partners.place.run("comment plan.json --dry-run").expect(0).stdout;
    assert!(!comment.contains(TOKEN), "{comment}");
    partners.saved("plan.json").expect(6);
    let plan = partners.run("plan", "provider").expect(0);
    assert_golden("two-tenants/provider-plan.txt", &plan.stdout);
    assert!(plan.stdout.contains("an EndpointApproval lets it in"), "{}", plan.stdout);
    partners.run("plan --full", "provider").expect(0);
    partners.run("apply --auto-approve", "provider").expect(0);
    assert_eq!(partners.run("plan", "consumer").expect(0).last_line(), "No changes.");
    assert_eq!(partners.run("plan", "provider").expect(0).last_line(), "No changes.");
    assert_eq!(offer, partners.publish(), "a connection changes nothing of what is offered");
}

#[test]
fn a_stranger_who_knows_the_alias_is_not_approved() {
    let partners = Partners::new();
    partners.run("apply --auto-approve", "provider").expect(0);
    partners.publish();
    partners.edit("consumer/endpoint.yaml", TOKEN, "8f2c-partner-of-2025");
    partners.run("apply --auto-approve", "consumer").expect(6);
    let plan = partners.plan("provider");
    assert_eq!(plan["steps"], json!([]), "{plan}");
    assert!(codes(&plan).contains(&"wrong-request-message"), "{plan}");
    let said = partners.run("plan", "provider").expect(0).stdout;
    assert_golden("two-tenants/stranger-plan.txt", &said);
    assert!(
        flat(&said).contains("another request message than EndpointApproval partners"),
        "{said}"
    );
    assert!(said.contains("provider/approval.yaml:11"), "{said}");
    assert!(!said.contains("of-2025"), "what is nearly the token is not shown: {said}");
    let drift = partners.run("drift", "provider").stdout;
    assert!(flat(&drift).contains("another request message"), "{drift}");
}

#[test]
fn another_alias_is_the_provider_s_doing_at_the_offer_s_line() {
    let partners = Partners::new();
    partners.run("apply --auto-approve", "provider").expect(0);
    partners.publish();
    partners.run("apply --auto-approve", "consumer").expect(6);
    partners.run("apply --auto-approve", "provider").expect(0);
    let name = "    service.beta.kubernetes.io/azure-pls-name: my-pls\n";
    partners.edit(
        "provider/internal-app.yaml",
        name,
        "    service.beta.kubernetes.io/azure-pls-name: other-pls\n",
    );
    let moved = "    service.beta.kubernetes.io/azure-load-balancer-ipv4: 10.240.0.99\n";
    let other = "    service.beta.kubernetes.io/azure-pls-name: other-pls\n";
    partners.edit("provider/internal-app.yaml", other, &format!("{other}{moved}"));
    partners.run("apply --auto-approve --max-disconnects 1", "provider").expect(0);
    partners.publish();
    let plan = partners.run("plan", "consumer").expect(0).stdout;
    assert_golden("two-tenants/re-created-plan.txt", &plan);
    let drift = flat(&partners.run("drift", "consumer").stdout);
    assert!(drift.contains("re-created the Private Link Service"), "{drift}");
    assert!(drift.contains("by the provider"), "{drift}");
    let said = flat(&plan);
    assert!(said.contains("its provider (stack two-tenants-provider) re-created"), "{plan}");
    assert!(said.contains("examples/two-tenants/published/offer.yaml:8"), "{plan}");
    partners.run("apply --auto-approve", "consumer").expect(6);
    partners.run("apply --auto-approve", "provider").expect(0);
    assert_eq!(partners.run("plan", "consumer").expect(0).last_line(), "No changes.");
}

#[test]
fn an_offer_is_read_within_the_repository_alone() {
    let place = Workplace::with_example("two-tenants");
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("offer.yaml");
    fs::write(&secret, "apiVersion: privlink.dev/v1alpha1\nkind: Offer\npassword: s3cr3t\n")
        .unwrap();
    fs::remove_file(place.path().join(OFFER)).unwrap();
    let validate = || place.run("validate -f examples/two-tenants/consumer").expect(1).stdout;
    assert!(
        flat(&validate()).contains("two-tenants/published/offer.yaml cannot be read"),
        "{}",
        validate()
    );
    let offer = place.path().join(OFFER);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&secret, &offer).unwrap();
        let said = validate();
        assert!(flat(&said).contains("it leads out of") && !said.contains("s3cr3t"), "{said}");
        fs::remove_file(&offer).unwrap();
    }
    fs::create_dir(&offer).unwrap();
    assert!(flat(&validate()).contains("it is no *.yaml, *.yml or *.json file"), "{}", validate());
    fs::remove_dir(&offer).unwrap();
    fs::write(
        &offer,
        "apiVersion: privlink.dev/v1alpha1\nkind: Offer\nmetadata: {name: a}\nspec: {id: x}\n",
    )
    .unwrap();
    assert!(validate().contains("examples/two-tenants/published/offer.yaml:4"), "{}", validate());
}
