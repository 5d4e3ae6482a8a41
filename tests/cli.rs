//! What a user meets at the command line, beside what the examples show.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use support::scene::Service;
use support::{STACK, Workplace};

/// An endpoint of a consumer's subscription, to a Private Link Service by id.
const PARTNER: &str = "apiVersion: privlink.dev/v1alpha1
kind: Stack
metadata: {name: partner}
spec:
  subscription: 00000000-0000-0000-0000-000000000000
  resourceGroup: myResourceGroup
  cluster: myAKSCluster
---
apiVersion: privlink.dev/v1alpha1
kind: PrivateEndpoint
metadata: {name: partner-pe}
spec:
  subscription: 11111111-1111-1111-1111-111111111111
  resourceGroup: consumerResourceGroup
  subnet: {virtualNetwork: consumer-vnet, name: pe-subnet}
  target:
    id: /subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/MC_myResourceGroup_myAKSCluster_eastus/providers/Microsoft.Network/privateLinkServices/my-pls
  approval: Manual
";

fn approval(what: &str) -> String {
    format!(
        "---\napiVersion: privlink.dev/v1alpha1\nkind: EndpointApproval\nmetadata: {{name: partners}}\n\
         spec:\n  service: {{namespace: default, name: app}}\n  \
         {what}: [{{subscription: 11111111-1111-1111-1111-111111111111}}]\n"
    )
}

/// A working folder with nothing in it, and one world for all stacks.
struct Place(Workplace);

impl Place {
    fn new() -> Self {
        Self(Workplace::empty())
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).unwrap();
    }

    #[track_caller]
    fn apply(&self, file: &str, flags: &str) {
        let run = self.0.run(&format!(
            "apply -f {file} --sandbox=world.json --auto-approve --controller-timeout 30 {flags}"
        ));
        assert!([0, 6].contains(&run.code), "{run:#?}");
    }

    fn plan(&self, file: &str) -> support::Run {
        self.0.run(&format!("plan -f {file} --sandbox=world.json"))
    }
}

#[test]
fn rejecting_a_connection_in_use_cuts_a_consumer_off() {
    let place = Place::new();
    let app = Service::linked("app")
        .annotation("azure-pls-name", "my-pls")
        .annotation("azure-pls-visibility", "*")
        .yaml();
    place.write("approve.yaml", &format!("{STACK}{app}{}", approval("approve")));
    place.write("reject.yaml", &format!("{STACK}{app}{}", approval("reject")));
    place.write("partner.yaml", PARTNER);
    place.apply("approve.yaml", "");
    place.apply("partner.yaml", "");
    // A connection that nobody uses yet may be turned away.
    place.plan("reject.yaml").expect(0);
    place.apply("approve.yaml", "");
    let refused = place.plan("reject.yaml").expect(3);
    assert!(
        refused.stdout.contains("1 consumer would be disconnected; allowed: 0"),
        "{}",
        refused.stdout
    );
    place.apply("reject.yaml", "--max-disconnects 1");
    assert_eq!(place.plan("reject.yaml").expect(0).last_line(), "No changes.");
    // A rejected connection is never turned round.
    assert_eq!(place.plan("approve.yaml").expect(0).last_line(), "No changes.");
}

#[test]
fn a_finding_refuses_nothing_when_nothing_is_to_be_done() {
    let place = Place::new();
    let named = |name: &str| {
        format!("{STACK}{}", Service::linked("app").annotation("azure-pls-name", name).yaml())
    };
    place.write("before.yaml", &named("one"));
    place.write("after.yaml", &named("two"));
    place.apply("before.yaml", "");
    place.plan("after.yaml").expect(3);
    place.apply("after.yaml", "--accept link-cannot-move");
    let plan = place.plan("after.yaml").expect(0);
    assert_eq!(plan.last_line(), "No changes.");
    assert!(plan.stdout.contains("warning[link-cannot-move]"), "{}", plan.stdout);
}

#[test]
fn what_two_syncs_take_is_planned_and_done_at_once() {
    let place = Place::new();
    place.write(
        "public.yaml",
        &format!(
            "{STACK}{}",
            Service::public("app").annotation("azure-load-balancer-internal", "false").yaml()
        ),
    );
    place.write("internal.yaml", &format!("{STACK}{}", Service::internal("app").yaml()));
    place.apply("public.yaml", "");
    assert_eq!(place.plan("public.yaml").expect(0).last_line(), "No changes.");
    // The security rule for the public address stays after the first sync.
    let plan = place.plan("internal.yaml").expect(0);
    assert!(plan.stdout.contains("note[second-sync]"), "{}", plan.stdout);
    place.apply("internal.yaml", "");
    assert_eq!(place.plan("internal.yaml").expect(0).last_line(), "No changes.");
}

#[test]
fn destroy_says_destroy() {
    let place = Place::new();
    place.write("app.yaml", &format!("{STACK}{}", Service::internal("app").yaml()));
    place.apply("app.yaml", "");
    let run = place.0.run("destroy -f app.yaml --sandbox=world.json --auto-approve").expect(0);
    let end = "Destroy complete: 2 steps done.\nNobody was disconnected.\n";
    assert!(run.stdout.ends_with(end), "{}", run.stdout);
}

#[test]
fn a_destroy_is_limited_by_the_flag_alone() {
    let place = Place::new();
    let stack = format!("{STACK}  policy: {{maxDeletes: 0}}\n");
    place.write("app.yaml", &format!("{stack}{}", Service::internal("app").yaml()));
    place.apply("app.yaml", "");
    let plan = "plan -f app.yaml --sandbox=world.json --destroy";
    let refused = place.0.run(&format!("{plan} --max-deletes 0")).expect(3);
    assert!(refused.stdout.contains("1 object would be deleted; allowed: 0"), "{refused:#?}");
    assert!(refused.stdout.contains("--max-deletes 1"), "{refused:#?}");
    assert!(!refused.stdout.contains("maxDeletes"), "{refused:#?}");
    let destroy = "destroy -f app.yaml --sandbox=world.json --auto-approve";
    place.0.run(&format!("{destroy} --max-deletes 0")).expect(3);
    place.0.run(plan).expect(0);
    place.0.run(&format!("{destroy} --max-deletes 1")).expect(0);
}

#[test]
fn what_privlink_keeps_is_not_committed() {
    let place = Place::new();
    place.write("app.yaml", &format!("{STACK}{}", Service::internal("app").yaml()));
    place.0.run("apply -f app.yaml --sandbox --auto-approve").expect(0);
    for folder in ["journal", "sandbox"] {
        let ignored = place.0.path().join(".privlink").join(folder).join(".gitignore");
        assert_eq!(std::fs::read_to_string(ignored).unwrap(), "*\n", "{folder}");
    }
    let seen = place.0.run("observe -f app.yaml --sandbox --out seen.json").expect(0);
    let plan = seen.stderr.trim_end().rsplit("privlink ").next().unwrap();
    assert_eq!(plan, "plan -f app.yaml --observed seen.json");
    place.0.run(plan).expect(0);
}

#[test]
fn a_file_by_two_paths_is_read_once() {
    let place = Place::new();
    place.write("app.yaml", &format!("{STACK}{}", Service::internal("app").yaml()));
    let absolute = place.0.path().join("app.yaml");
    let absolute = absolute.to_str().unwrap();
    place.0.run_args(&["validate", "-f", "app.yaml", "-f", ".", "-f", absolute]).expect(0);
}

#[test]
fn the_uid_of_a_service_that_is_not_there_is_an_error() {
    let place = Place::new();
    place.write("app.yaml", &Service::internal("app").yaml());
    let uid = "11111111-2222-3333-4444-555555555555";
    let known =
        place.0.run(&format!("predict -f app.yaml --uid default/app={uid} -o json")).expect(0);
    assert!(known.stdout.contains("a1111111122223333444455555555555"), "{}", known.stdout);
    let unknown = place.0.run(&format!("predict -f app.yaml --uid default/other={uid}")).expect(1);
    assert!(unknown.stderr.contains("no Service default/other"), "{}", unknown.stderr);
}

#[test]
fn a_file_that_is_no_world_is_never_overwritten() {
    let place = Place::new();
    place.write("app.yaml", &format!("{STACK}{}", Service::internal("app").yaml()));
    for (name, text) in [
        ("broken.json", "{"),
        ("precious.json", "{\"formatVersion\": \"1.0\", \"plan\": {}}"),
        ("list.json", "[1, 2]"),
        ("notes.txt", "to buy: bread"),
    ] {
        place.write(name, text);
        let run = place.0.run(&format!("plan -f app.yaml --sandbox={name}")).expect(1);
        assert!(run.stderr.contains("Name another file"), "{}", run.stderr);
        assert!(!run.stderr.contains("sandbox reset"), "{}", run.stderr);
        let run = place.0.run(&format!("sandbox reset {name}")).expect(1);
        assert!(run.stderr.contains("Name another file"), "{}", run.stderr);
        assert_eq!(std::fs::read_to_string(place.0.path().join(name)).unwrap(), text);
    }
}

#[test]
fn a_world_is_reset() {
    let place = Place::new();
    place.write("app.yaml", &format!("{STACK}{}", Service::internal("app").yaml()));
    place.write("world.json", "");
    place.0.run("sandbox reset world.json").expect(0);
    place.apply("app.yaml", "");
    assert_eq!(place.plan("app.yaml").expect(0).last_line(), "No changes.");
    place.0.run("sandbox reset world.json").expect(0);
    assert_ne!(place.plan("app.yaml").expect(0).last_line(), "No changes.");
    place.0.run("sandbox reset another.json").expect(0);
    place.0.run("sandbox init another.json").expect(1);
}

/// A Service with a Private Link Service, and an endpoint to it with these lines in its spec.
fn connected(lines: &str) -> String {
    let app = Service::linked("app").annotation("azure-pls-name", "my-pls").yaml();
    format!(
        "{STACK}{app}---\napiVersion: privlink.dev/v1alpha1\nkind: PrivateEndpoint\nmetadata: {{name: app-pe}}\n\
         spec:\n  resourceGroup: myOtherResourceGroup\n  target: {{service: {{namespace: default, name: app}}}}\n{lines}"
    )
}

#[test]
fn a_live_endpoint_is_not_given_up_for_one_that_cannot_be() {
    let place = Place::new();
    let subnet = "  subnet: {virtualNetwork: myOtherVNET, name: pe-subnet}\n";
    place.write("app.yaml", &connected(subnet));
    place.write("subnet.yaml", &connected("  subnet: {virtualNetwork: myOtherVNET, name: none}\n"));
    place.write("network.yaml", &connected("  subnet: {virtualNetwork: none, name: none}\n"));
    place.write("address.yaml", &connected(&format!("{subnet}  address: 10.9.0.9\n")));
    place.apply("app.yaml", "");
    let refusal = |file: &str| {
        let run = place.plan(file).expect(3);
        assert_eq!(run.stdout.matches("error[").count(), 1, "{}", run.stdout);
        support::flat(&run.stdout)
    };
    assert!(refusal("subnet.yaml").contains("its subnet none is not in virtual network"));
    assert!(refusal("network.yaml").contains("its virtual network"));
    assert!(
        refusal("address.yaml").contains("10.9.0.9 is not in its subnet pe-subnet, 10.1.0.0/24")
    );
}

#[test]
fn a_request_message_can_be_taken_back() {
    let place = Place::new();
    let subnet = "  subnet: {virtualNetwork: myOtherVNET, name: pe-subnet}\n  approval: Manual\n";
    place.write("said.yaml", &connected(&format!("{subnet}  requestMessage: please\n")));
    place.write("unsaid.yaml", &connected(subnet));
    place.apply("said.yaml", "");
    place.apply("unsaid.yaml", "");
    let plan = place.plan("unsaid.yaml").expect(0);
    assert_eq!(plan.last_line(), "No changes. 1 connection awaits approval.");
}

#[test]
fn a_request_message_lands_while_it_can_and_is_told_to_stay_once_it_cannot() {
    let place = Place::new();
    let endpoint = |message: &str| {
        let subnet =
            "  subnet: {virtualNetwork: myOtherVNET, name: pe-subnet}\n  approval: Manual\n";
        connected(&format!("{subnet}  requestMessage: {message}\n"))
    };
    let approval = "---\napiVersion: privlink.dev/v1alpha1\nkind: EndpointApproval\n\
                    metadata: {name: a}\nspec:\n  service: {namespace: default, name: app}\n  \
                    approve: [{subscription: 00000000-0000-0000-0000-000000000000}]\n";
    place.write("first.yaml", &endpoint("one"));
    place.write("second.yaml", &endpoint("two"));
    place.write("approved.yaml", &format!("{}{approval}", endpoint("two")));
    place.write("third.yaml", &format!("{}{approval}", endpoint("three")));
    place.apply("first.yaml", "");
    place.apply("second.yaml", "--verify");
    place.apply("approved.yaml", "--verify");
    let plan = place.plan("third.yaml").expect(0);
    assert_eq!(plan.last_line(), "No changes.");
    assert!(plan.stdout.contains("note[message-stays]"), "{}", plan.stdout);
}

#[test]
fn records_go_with_what_they_name() {
    let place = Place::new();
    let named = |name: &str| {
        connected(&format!(
            "  subnet: {{virtualNetwork: myOtherVNET, name: pe-subnet}}\n  \
             dns: {{record: {{zone: privatelink.contoso.com, name: {name}}}}}\n"
        ))
    };
    place.write("one.yaml", &named("one"));
    place.write("two.yaml", &named("two"));
    let records = || {
        let run = place.0.run("observe -f one.yaml --sandbox=world.json").expect(0);
        let is = |name: &str| run.stdout.contains(&format!("privatelink.contoso.com/A/{name}\""));
        (is("one"), is("two"))
    };
    place.apply("one.yaml", "");
    assert_eq!(records(), (true, false));
    place.apply("two.yaml", "");
    assert_eq!(records(), (false, true));
    assert_eq!(place.plan("two.yaml").expect(0).last_line(), "No changes.");
    place.0.run("destroy -f two.yaml --sandbox=world.json --auto-approve").expect(0);
    assert_eq!(records(), (false, false));
}

#[test]
fn a_broken_file_of_faults_is_not_taken_for_a_world() {
    let place = Place::new();
    place.write("faults.json", "[{\"effekt\": 1}]");
    let run = place.0.run("sandbox serve world.json --faults faults.json").expect(1);
    assert!(
        run.stderr.contains("faults.json is not a list of faults: unknown field"),
        "{}",
        run.stderr
    );
    assert!(!run.stderr.contains("reset"), "{}", run.stderr);
}

#[test]
fn every_code_is_explained() {
    let place = Workplace::with_example("private-link");
    let explained = place.run("explain link-recreated").expect(0).stdout;
    assert!(explained.contains("What to do: "), "{explained}");
    assert!(!explained.contains("\n## "), "{explained}");
    let refused = place.run("explain no-such-code").expect(1);
    assert!(refused.stderr.contains("`privlink explain` lists all codes"), "{}", refused.stderr);
    let all = place.run("explain").expect(0).stdout;
    assert!(all.lines().any(|line| line.starts_with("link-recreated")), "{all}");
}

#[test]
fn a_stack_that_nobody_works_on_needs_no_unlocking() {
    let place = Workplace::with_example("private-link");
    let unlocked = place.run("unlock -f examples/private-link --sandbox").expect(0);
    assert!(unlocked.stderr.contains("lock is free"), "{}", unlocked.stderr);
}

#[test]
fn an_input_that_holds_nothing_is_an_error() {
    let place = Workplace::with_example("private-link");
    for text in ["", "---\n", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n"] {
        std::fs::write(place.path().join("empty.yaml"), text).unwrap();
        let plan = place.run("plan -f empty.yaml --sandbox").expect(1);
        assert!(plan.stderr.contains("nothing to plan"), "{}", plan.stderr);
    }
    for text in ["", "---\n", "# nothing\n"] {
        std::fs::write(place.path().join("empty.yaml"), text).unwrap();
        let validated = place.run("validate -f empty.yaml").expect(1);
        assert!(validated.stderr.contains("nothing to plan"), "{}", validated.stderr);
    }
    place.run("validate -f -").expect(1);
}

#[test]
fn a_wait_that_no_clock_can_hold_is_a_usage_error() {
    let place = Place::new();
    place.write("app.yaml", STACK);
    for flag in ["--lock-timeout", "--controller-timeout", "--timeout"] {
        let apply = "apply -f app.yaml --sandbox=world.json --auto-approve";
        let run = place.0.run(&format!("{apply} {flag} 18446744073709551615")).expect(1);
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    }
}
