//! What is forgotten stays as it is and is nobody's; what is renamed is not made again.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use serde_json::Value;
use support::scene::{Endpoint, Service};
use support::{Run, STACK, Workplace, read_json};

fn linked(name: &str) -> String {
    Service::linked(name).annotation("azure-pls-name", name).yaml()
}

fn endpoint(name: &str) -> Endpoint {
    Endpoint::new(name, "app")
}

/// A record, as lines of an endpoint's spec.
fn record(name: &str) -> String {
    format!("  dns: {{record: {{zone: privatelink.contoso.com, name: {name}}}}}\n")
}

struct Place(Workplace);

impl Place {
    fn new() -> Self {
        Self(Workplace::empty())
    }

    fn write(&self, documents: &[String]) {
        std::fs::write(self.0.path().join("shop.yaml"), documents.concat()).unwrap();
    }

    fn run(&self, words: &str) -> Run {
        self.0.run(&format!("{words} -f shop.yaml --sandbox=world.json"))
    }

    fn apply(&self, documents: &[String]) {
        self.write(documents);
        self.run("apply --auto-approve").expect(0);
    }

    /// Plans, and sees that nothing would change.
    fn quiet(&self) -> Run {
        let plan = self.run("plan --detailed-exitcode").expect(0);
        assert_eq!(plan.last_line(), "No changes.", "{}", plan.stdout);
        plan
    }

    /// What Azure shows: ids of endpoints and records with their guid or etag, without the mark.
    fn lives(&self) -> Vec<String> {
        let world = read_json(&self.0.path().join("world.json"));
        let mut lives = Vec::new();
        for resource in world.get("azure").and_then(Value::as_array).unwrap() {
            let id = resource.get("id").and_then(Value::as_str).unwrap();
            let guid = resource.pointer("/properties/resourceGuid").and_then(Value::as_str);
            if id.contains("/privateEndpoints/")
                || id.contains("/privateLinkServices/")
                || id.contains("/A/")
            {
                lives.push(format!("{id} {}", guid.unwrap_or_default()));
            }
        }
        lives.sort();
        assert!(!lives.is_empty());
        lives
    }
}

#[test]
fn what_is_forgotten_and_left_out_stays_as_it_is() {
    let place = Place::new();
    let (app, other) = (linked("app"), linked("other"));
    let all =
        [STACK.to_owned(), app.clone(), other, endpoint("app-pe").lines(&record("app")).yaml()];
    place.apply(&all);
    let before = place.lives();
    let run =
        place.run("forget Service/default/other PrivateEndpoint/app-pe --auto-approve").expect(0);
    for said in
        ["Service default/other", "Endpoint app-pe", "DNS record privatelink.contoso.com/app"]
    {
        assert!(run.stdout.contains(&format!("~ {said} ")), "{}", run.stdout);
    }
    assert!(run.stdout.contains("3 objects: 3 changed; privlink writes all 3."), "{}", run.stdout);
    // While documents ask for them they are as wanted, and nobody's.
    let plan = place.quiet();
    assert_eq!(plan.stdout.matches("note[unmarked]").count(), 3, "{}", plan.stdout);
    place.write(&[STACK.to_owned(), app]);
    place.quiet();
    assert_eq!(place.lives(), before);
    // To the rest of the stack, the endpoint is somebody else's.
    let destroy = place.run("destroy --auto-approve").expect(3);
    assert!(destroy.stdout.contains("too-many-disconnects"), "{}", destroy.stdout);
    assert_eq!(place.lives(), before);
}

#[test]
fn only_what_the_stack_has_marked_is_forgotten() {
    let place = Place::new();
    place.apply(&[STACK.to_owned(), linked("app"), endpoint("app-pe").yaml()]);
    let wrong = place.run("forget PrivateEndpoint/other --auto-approve").expect(1);
    assert!(
        wrong.stderr.contains("PrivateEndpoint/other is not an object that stack shop has marked"),
        "{}",
        wrong.stderr
    );
    assert!(
        wrong.stderr.contains("2 objects: Service/default/app, PrivateEndpoint/app-pe"),
        "{}",
        wrong.stderr
    );
    let controlled = place.run("forget PrivateLinkService/default/app --auto-approve").expect(1);
    assert!(controlled.stderr.contains("is not an object that"), "{}", controlled.stderr);
    let asked = place.run("forget Service/default/app").expect(1);
    assert!(asked.stderr.contains("--auto-approve"), "{}", asked.stderr);
    place.run("forget Service/default/app --auto-approve").expect(0);
    place.run("forget Service/default/app --auto-approve").expect(1);
}

#[test]
fn a_renamed_endpoint_document_makes_nothing_again() {
    let place = Place::new();
    let documents = |endpoint: String| [STACK.to_owned(), linked("app"), endpoint];
    place.apply(&documents(endpoint("app-pe").lines(&record("app")).yaml()));
    let before = place.lives();
    // Of itself: the only endpoint that left is the one that came.
    place.write(&documents(endpoint("shop-pe").lines(&record("app")).yaml()));
    let plan = place.quiet();
    assert!(
        plan.stdout.contains("note[endpoint-renamed]")
            && plan.stdout.contains("PrivateEndpoint/shop-pe"),
        "{}",
        plan.stdout
    );
    // Whoever looks for drift knows it under its new name too.
    place.run("drift").expect(0);
    // And said.
    place.write(&documents(
        endpoint("shop-pe").lines(&format!("  name: app-pe\n{}", record("app"))).yaml(),
    ));
    let plan = place.quiet();
    assert!(!plan.stdout.contains("endpoint-renamed"), "{}", plan.stdout);
    assert_eq!(place.lives(), before);
    // A name in Azure that is asked for is another endpoint.
    place.write(&documents(endpoint("shop-pe").lines("  name: shop-pe\n").yaml()));
    let plan = place.run("plan").expect(0);
    assert!(plan.stdout.contains("1 created"), "{}", plan.stdout);
}

#[test]
fn endpoints_that_could_be_one_another_are_not_mixed_up() {
    let place = Place::new();
    let both = |one: &str, other: &str| {
        [STACK.to_owned(), linked("app"), endpoint(one).yaml(), endpoint(other).yaml()]
    };
    place.apply(&both("one-pe", "other-pe"));
    place.write(&both("one-pe", "new-pe"));
    let plan = place.quiet();
    assert!(
        support::flat(&plan.stdout)
            .contains("its document was renamed; the endpoint keeps its name in Azure"),
        "{}",
        plan.stdout
    );
    // Which of the two is which, nobody can tell.
    place.write(&both("first-pe", "second-pe"));
    let plan = place.run("plan").expect(0);
    assert!(plan.stdout.contains("2 created, 2 deleted"), "{}", plan.stdout);
}

#[test]
fn a_renamed_stack_and_a_renamed_approval_make_nothing_again() {
    let place = Place::new();
    let approval = |name: &str| {
        format!(
            "---\napiVersion: privlink.dev/v1alpha1\nkind: EndpointApproval\nmetadata: {{name: {name}}}\nspec:\n  \
             service: {{name: app}}\n  approve: [{{subscription: 11111111-1111-1111-1111-111111111111}}]\n"
        )
    };
    let rest = || [linked("app"), endpoint("app-pe").lines(&record("app")).yaml()];
    let documents = |stack: &str, name: &str| {
        let stack = STACK.replace("name: shop", &format!("name: {stack}"));
        [vec![stack, approval(name)], rest().to_vec()].concat()
    };
    place.apply(&documents("shop", "partners"));
    let before = place.lives();
    place.write(&documents("shop", "friends"));
    place.quiet();
    // What another stack made is not taken over silently.
    place.write(&documents("store", "friends"));
    let plan = place.run("plan").expect(3);
    assert!(plan.stdout.contains("belongs to stack shop"), "{}", plan.stdout);
    let plan = place.run("plan --adopt").expect(0);
    assert!(
        plan.stdout.contains("3 objects: 3 changed; privlink writes all 3."),
        "{}",
        plan.stdout
    );
    place.run("apply --adopt --auto-approve").expect(0);
    place.quiet();
    assert_eq!(place.lives(), before);
}

#[test]
fn flags_that_mean_nothing_to_it_are_not_taken() {
    let place = Place::new();
    for flag in
        ["--replace Service/default/app", "--max-disconnects 1", "--parallelism 2", "--verify"]
    {
        let refused = place.run(&format!("forget Service/default/app {flag}")).expect(1);
        let name = flag.split(' ').next().unwrap();
        assert!(
            refused.stderr.contains(&format!("unexpected argument '{name}'")),
            "{}",
            refused.stderr
        );
    }
}
