//! What nobody knows before it exists is shown in words wherever it is shown, and typed where it is saved: the
//! characters that stand for it while a plan is made never leave.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::fs;
use std::path::Path;

use support::{STACK, Workplace, assert_fits, read_json, root};

/// A Service whose probe is named by a node port that is not given yet, its Private Link Service with a name of its
/// uid, an endpoint to it, and the zone group of that.
const NEW: &str = "\
---
apiVersion: v1
kind: Service
metadata:
  name: billing
  namespace: default
  annotations:
    service.beta.kubernetes.io/azure-load-balancer-internal: \"true\"
    service.beta.kubernetes.io/azure-pls-create: \"true\"
    service.beta.kubernetes.io/azure-pls-fqdns: billing.privatelink.contoso.com
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  ports: [{name: http, port: 8080}, {name: admin, port: 8081}]
  selector: {app: billing}
---
apiVersion: privlink.dev/v1alpha1
kind: PrivateEndpoint
metadata: {name: to-billing}
spec:
  resourceGroup: myOtherResourceGroup
  subnet: {virtualNetwork: myOtherVNET, name: pe-subnet}
  target: {service: {namespace: default, name: billing}}
  dns:
    zoneGroup: {zones: [privatelink.contoso.com]}
---
apiVersion: privlink.dev/v1alpha1
kind: PrivateEndpoint
metadata: {name: by-record}
spec:
  resourceGroup: myOtherResourceGroup
  subnet: {virtualNetwork: myOtherVNET, name: pe-subnet}
  target: {service: {namespace: default, name: billing}}
  dns:
    record: {zone: privatelink.contoso.com, name: admin}
";

/// The characters themselves, and how JSON and this program spell them.
fn marks(text: &str) -> Vec<String> {
    let spelled = ["\\ue00", "\\u{e00"].map(str::to_owned);
    let raw = ('\u{e000}'..='\u{e003}').map(String::from);
    let lower = text.to_lowercase();
    raw.chain(spelled).filter(|mark| lower.contains(mark.as_str())).collect()
}

fn assert_words(what: &str, text: &str) {
    assert!(marks(text).is_empty(), "{what} holds {:?}:\n{text}", marks(text));
}

/// All that is in files below a folder.
fn assert_folder(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_folder(&path);
        } else {
            assert_words(
                &path.display().to_string(),
                &String::from_utf8_lossy(&fs::read(&path).unwrap()),
            );
        }
    }
}

/// Every way a stack's plan is shown, and the file it is saved in.
fn assert_plan(place: &Workplace, stack: &str) {
    let at = format!("-f {stack} --sandbox");
    let saved = format!("plan-{}.json", stack.replace('/', "-"));
    let mut shown = vec![
        format!("plan {at} --full"),
        format!("plan {at} --out {saved}"),
        format!("show {saved} --full"),
        format!("output {at} -o json"),
        format!("explain {at} Service/default/billing -o json"),
        format!("explain {at} PrivateLinkService/default/billing --full"),
        format!("preflight {at} -o json"),
        format!("drift {at} -o json"),
        format!("route {at} -o json"),
    ];
    for format in ["text", "json", "markdown", "html", "tfjson", "sarif", "gitlab"] {
        shown.push(format!("plan {at} -o {format}"));
        shown.push(format!("show {saved} -o {format}"));
    }
    shown.extend(["text", "dot", "mermaid"].map(|it| format!("graph {at} -o {it}")));
    for words in shown {
        let run = place.run(&words);
        assert_words(&words, &run.stdout);
        assert_words(&words, &run.stderr);
    }
    let file = place.path().join(&saved);
    assert_words(&saved, &fs::read_to_string(&file).unwrap());
    assert_fits("saved-plan", &read_json(&file));
}

#[test]
fn nothing_that_is_shown_or_saved_of_new_objects_holds_a_mark() {
    let place = Workplace::empty();
    fs::create_dir_all(place.path().join("stacks/shop")).unwrap();
    fs::write(place.path().join("stacks/shop/shop.yaml"), format!("{STACK}{NEW}")).unwrap();
    assert_plan(&place, "stacks/shop");
    for format in ["text", "json", "markdown", "html"] {
        let words = format!("plan --stacks stacks --sandbox -o {format}");
        assert_words(&words, &place.run(&words).expect(0).stdout);
    }
    let saved = "plan-stacks-shop.json";
    let text = fs::read_to_string(place.path().join(saved)).unwrap();
    assert!(text.contains("\"$unknown\""), "{text}");
    // What was saved typed is carried out.
    let words = format!("apply {saved} --sandbox --controller-timeout 20 -o json");
    let run = place.run(&words).expect(0);
    assert_words(&words, &run.stdout);
    assert_words(&words, &run.stderr);
    let plan = place.run("plan -f stacks/shop --sandbox").expect(0);
    assert_eq!(plan.last_line(), "No changes.");
    assert_folder(&place.path().join(".privlink/journal"));
}

#[test]
fn nothing_that_is_shown_or_saved_of_examples_holds_a_mark() {
    for name in ["private-dns", "dual-stack", "private-link"] {
        let place = Workplace::with_example(name);
        assert_plan(&place, &format!("examples/{name}"));
    }
}

#[test]
fn no_golden_holds_a_mark() {
    assert_folder(&root().join("golden"));
}

#[test]
fn a_saved_plan_with_marks_as_characters_is_refused() {
    let place = Workplace::empty();
    fs::write(place.path().join("shop.yaml"), format!("{STACK}{NEW}")).unwrap();
    place.run("plan -f shop.yaml --sandbox --out plan.json").expect(0);
    let file = place.path().join("plan.json");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replacen("to-billing", "to-\u{e000}uid|a\u{e001}", 1)).unwrap();
    let refused = place.run("apply plan.json --sandbox").expect(1);
    assert!(refused.stderr.contains("in a form that is not saved"), "{}", refused.stderr);
}
