//! Consent to disconnect: by name, until a day, and told.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use support::{Run, Workplace, flat};

const FOLDER: &str = "examples/frontend-recreated";
const ENDPOINT: &str = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/myOtherResourceGroup/providers/Microsoft.Network/privateEndpoints/myAKSServicePE";

/// The example with what is live before its edit.
fn place() -> Workplace {
    let place = Workplace::with_example("frontend-recreated");
    let apply = format!("apply -f {FOLDER}/before --sandbox --auto-approve");
    place.run(&format!("{apply} --controller-timeout 20")).expect(0);
    place
}

/// A plan with an entry of `allowDisconnects`.
fn plan(place: &Workplace, folder: &str, entry: &str) -> Run {
    let stack = place.path().join(folder).join("stack.yaml");
    let text = std::fs::read_to_string(&stack).unwrap();
    let text = text.split("  policy:").next().unwrap().trim_end().to_owned();
    let policy = format!("  policy:\n    allowDisconnects:\n    - {entry}\n");
    std::fs::write(&stack, format!("{text}\n{policy}")).unwrap();
    place.run(&format!("plan -f {folder} --sandbox"))
}

#[test]
fn consent_by_name_or_id_lets_one_disconnect_through_and_is_shown() {
    let place = place();
    for endpoint in ["myAKSServicePE", ENDPOINT] {
        let entry = format!("{{endpoint: {endpoint}, until: 2999-12-31, reason: moves to v2}}");
        let said = flat(&plan(&place, FOLDER, &entry).expect(0).stdout);
        let consent = "Consent myAKSServicePE may be disconnected until 2999-12-31: moves to v2";
        assert!(said.contains(consent), "{said}");
        assert!(
            said.ends_with("1 consumer will be disconnected (allowed until 2999-12-31)."),
            "{said}"
        );
    }
    let markdown = place.run(&format!("plan -f {FOLDER} --sandbox -o markdown")).expect(0).stdout;
    assert!(
        markdown.contains("- **Consent:** `myAKSServicePE` may be disconnected until"),
        "{markdown}"
    );
}

#[test]
fn consent_that_has_ended_or_names_another_lets_nothing_through() {
    let place = place();
    let ended = plan(&place, FOLDER, "{endpoint: myAKSServicePE, until: 2020-01-01}").expect(3);
    assert!(ended.stdout.contains("warning[consent-expired]"), "{}", ended.stdout);
    let other = plan(&place, FOLDER, "{endpoint: other-pe, until: 2999-12-31}").expect(3);
    assert!(other.stdout.contains("note[consent-unused]"), "{}", other.stdout);
    let elsewhere = ENDPOINT.replace("myOtherResourceGroup", "another");
    plan(&place, FOLDER, &format!("{{endpoint: {elsewhere}, until: 2999-12-31}}")).expect(3);
}

#[test]
fn consent_is_checked_as_input_is() {
    let place = place();
    for wrong in ["{endpoint: a, until: 5 December}", "{endpoint: a}", "{until: 2999-12-31}"] {
        plan(&place, FOLDER, wrong).expect(1);
    }
}
