//! Every example does what its README says: plan, apply, plan, destroy, plan, in the sandbox, with
//! goldens of all that is printed.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers outside of test functions; what fails here fails the test"
)]

mod support;

use support::{Run, Workplace, assert_golden, names, root};

/// The simulated controller is done at once; what it does not do shall not be waited for long.
const PATIENCE: &str = "--controller-timeout 20";

/// An example with a sandbox as its README makes it.
struct Example {
    name: &'static str,
    place: Workplace,
}

impl Example {
    fn new(name: &'static str) -> Self {
        let place = Workplace::with_example(name);
        let folder = root().join("examples").join(name);
        if folder.join("world/observed.json").exists() {
            let world = format!(".privlink/sandbox/{name}.json");
            std::fs::create_dir_all(place.path().join(".privlink/sandbox")).unwrap();
            place
                .run(&format!("sandbox init {world} --from examples/{name}/world/observed.json"))
                .expect(0);
        }
        if folder.join("before").exists() {
            let apply =
                format!("apply -f examples/{name}/before --sandbox --auto-approve {PATIENCE}");
            place.run(&apply).expect(0);
        }
        Self { name, place }
    }

    fn run(&self, command: &str, more: &str) -> Run {
        let name = self.name;
        self.place.run(&format!("{command} -f examples/{name} --sandbox {more}"))
    }

    /// Runs at a width.
    fn wide(&self, columns: &str, command: &str, more: &str) -> Run {
        let name = self.name;
        let words = format!("{command} -f examples/{name} --sandbox {more}");
        let words: Vec<&str> = words.split_whitespace().collect();
        self.place.run_args_with(&words, &[("COLUMNS", columns)])
    }

    /// All goldens of the plan, whose exit code is this.
    fn goldens(&self, code: i32) {
        let name = self.name;
        for (width, file) in [("80", "plan-80.txt"), ("100", "plan.txt"), ("120", "plan-120.txt")] {
            let plan = self.wide(width, "plan", "").expect(code);
            assert_golden(&format!("{name}/{file}"), &plan.stdout);
            let width: usize = width.parse().unwrap();
            let longest = plan.stdout.lines().map(|line| line.chars().count()).max().unwrap_or(0);
            assert!(longest <= width, "a row of {longest} columns at {width}: {}", plan.stdout);
        }
        let plan = self.run("plan", "").expect(code);
        assert_golden(&format!("{name}/plan.txt"), &plan.stdout);
        assert_golden(&format!("{name}/diagnostics.txt"), &plan.stderr);
        let full = self.run("plan", "--full").expect(code);
        assert_golden(&format!("{name}/plan-full.txt"), &full.stdout);
        let json = self.run("plan", "-o json").expect(code);
        assert_golden(&format!("{name}/plan.json"), &json.stdout);
        let markdown = self.run("plan", "-o markdown").expect(code);
        assert_golden(&format!("{name}/plan.md"), &markdown.stdout);
        for (format, file) in [("text", "txt"), ("dot", "dot"), ("mermaid", "mmd")] {
            let graph = self.run("graph", &format!("-o {format}")).expect(0);
            assert_golden(&format!("{name}/graph.{file}"), &graph.stdout);
        }
    }

    /// Applies, and sees that nothing is left to do.
    fn apply(&self, code: i32, more: &str, then: &str) {
        let apply = self.run("apply", &format!("--auto-approve {PATIENCE} {more}")).expect(code);
        assert_golden(&format!("{}/apply.txt", self.name), &apply.stdout);
        let plan = self.run("plan", "--detailed-exitcode").expect(0);
        assert_eq!(plan.last_line(), then, "{}", plan.stdout);
        let outputs = self.run("output", "-o json").expect(0);
        let outputs: serde_json::Value = serde_json::from_str(&outputs.stdout).unwrap();
        assert!(outputs.is_object());
    }

    /// Destroys, and sees that nothing of the stack is left and nothing else is missing.
    fn destroy(&self, more: &str) {
        self.run("destroy", &format!("--auto-approve {PATIENCE} {more}")).expect(0);
        let plan = self.run("plan", "--destroy").expect(0);
        assert_eq!(plan.last_line(), "No changes.", "{}", plan.stdout);
        let observed = self.run("observe", "").expect(0);
        let snapshot: serde_json::Value = serde_json::from_str(&observed.stdout).unwrap();
        let left = |kind: &str| {
            let lists = snapshot["azure"].as_object().unwrap();
            let of_kind = lists.iter().filter(|(path, _)| path.ends_with(&format!("/{kind}")));
            of_kind.map(|(_, list)| list["present"].as_array().map_or(0, Vec::len)).sum::<usize>()
        };
        assert_eq!(left("loadbalancers"), 0);
        assert_eq!(left("privatelinkservices"), 0);
        assert_eq!(left("privateendpoints"), 0);
        assert!(left("virtualnetworks") > 0);
    }
}

/// An example that is applied, leaves nothing to do, and is destroyed.
fn applies(name: &'static str) {
    let example = Example::new(name);
    example.goldens(0);
    example.apply(0, "", "No changes.");
    example.destroy("");
}

macro_rules! examples {
    ($($test:ident = $name:literal),+ $(,)?) => {
        const APPLIED: &[&str] = &[$($name),+];
        $(#[test] fn $test() { applies($name); })+
    };
}

examples! {
    internal_load_balancer = "internal-load-balancer",
    static_address = "static-address",
    load_balancer_ip = "load-balancer-ip",
    dual_stack = "dual-stack",
    other_subnet = "other-subnet",
    private_link_service = "private-link-service",
    private_link_service_customized = "private-link-service-customized",
    private_link = "private-link",
    existing_network = "existing-network",
    private_dns = "private-dns",
    two_services = "two-services",
    deletion = "deletion",
    drift = "drift",
}

#[test]
fn endpoint_in_other_subscription() {
    let example = Example::new("endpoint-in-other-subscription");
    example.goldens(0);
    example.apply(6, "", "No changes. 1 connection awaits approval.");
    example.destroy("");
}

/// Endpoints alone, in the world of a provider: nothing of it is the stack's.
#[test]
fn consumer() {
    let example = Example::new("consumer");
    example.goldens(0);
    example.apply(0, "", "No changes.");
    example.run("destroy", "--auto-approve").expect(0);
    let plan = example.run("plan", "--destroy").expect(0);
    assert_eq!(plan.last_line(), "No changes.", "{}", plan.stdout);
}

#[test]
fn frontend_recreated() {
    let example = Example::new("frontend-recreated");
    example.goldens(3);
    let plan = example.run("plan", "").expect(3).stdout;
    assert!(plan.lines().count() <= 26, "{plan}");
    assert!(plan.lines().nth(2).unwrap().starts_with("1 consumer would be disconnected"), "{plan}");
    assert!(plan.trim_end().ends_with("1 consumer would be disconnected; allowed: 0."), "{plan}");
    assert_eq!(plan.matches("myAKSServicePE").count(), 2, "once in the table, once in the chain");
    let page = example.run("plan", "-o html").expect(3).stdout;
    assert_golden("frontend-recreated/plan.html", &page);
    example.run("apply", &format!("--auto-approve {PATIENCE}")).expect(3);
    example.apply(0, "--max-disconnects 1", "No changes.");
    example.destroy("");
}

#[test]
fn nginx_to_gateway() {
    let example = Example::new("nginx-to-gateway");
    example.goldens(3);
    let plan = example.run("plan", "").expect(3).stdout;
    assert!(plan.contains("0 instead of 1 disconnected"), "{plan}");
    for (width, file) in [("80", "route-80.txt"), ("100", "route.txt")] {
        let route = example.wide(width, "route", "").expect(0).stdout;
        assert_golden(&format!("nginx-to-gateway/{file}"), &route);
        let most: usize = width.parse().unwrap();
        assert!(route.lines().all(|line| line.chars().count() <= most), "{route}");
    }
    let json = example.run("route", "-o json").expect(0).stdout;
    assert_golden("nginx-to-gateway/route.json", &json);
    let alias = || {
        let snapshot = example.run("observe", "").expect(0).stdout;
        let snapshot: serde_json::Value = serde_json::from_str(&snapshot).unwrap();
        let lists = snapshot["azure"].as_object().unwrap().iter();
        let mut links = lists.filter(|(path, _)| path.ends_with("/privatelinkservices"));
        links.find_map(|(_, list)| {
            list["present"][0]["properties"]["alias"].as_str().map(str::to_owned)
        })
    };
    let before = alias();
    assert!(before.is_some());
    example.apply(0, "--route", "No changes.");
    assert_eq!(alias(), before, "the Private Link Service is still the one that was connected to");
    example.destroy("");
}

/// What a controller makes of a Gateway is planned, and only waited for.
#[test]
fn istio_gateway() {
    let example = Example::new("istio-gateway");
    example.goldens(0);
    awaits_its_service(&example, "edge-approuting-istio");
}

#[test]
fn envoy_gateway() {
    let example = Example::new("envoy-gateway");
    example.goldens(0);
    awaits_its_service(&example, "envoy-shop-edge-3788f37a");
}

/// No step writes the Service of a Gateway.
fn awaits_its_service(example: &Example, name: &str) {
    let plan = example.run("plan", "-o json").expect(0).stdout;
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    let ops = plan["steps"].as_array().unwrap().iter().map(|step| &step["op"]);
    let awaited: Vec<&str> =
        ops.clone().filter_map(|op| op["awaitService"]["name"].as_str()).collect();
    assert_eq!(awaited, [name]);
    assert!(ops.into_iter().all(|op| op.get("applyService").is_none()), "{plan:#}");
    let valid = example.place.run(&format!("validate -f examples/{}", example.name)).expect(0);
    assert!(valid.stdout.contains("1 Service (1 made of a Gateway)"), "{}", valid.stdout);
}

#[test]
fn nginx_to_istio() {
    let example = Example::new("nginx-to-istio");
    example.goldens(3);
    let plan = example.run("plan", "").expect(3).stdout;
    assert!(plan.contains("0 instead of 1 disconnected"), "{plan}");
    for (width, file) in [("80", "route-80.txt"), ("100", "route.txt"), ("120", "route-120.txt")] {
        let route = example.wide(width, "route", "").expect(0).stdout;
        assert_golden(&format!("nginx-to-istio/{file}"), &route);
        assert!(route.contains("made of Gateway default/gw"), "{route}");
        // Only ports of listeners are moved: the status port is Istio's.
        assert!(!route.contains("spec.ports[status-port]"), "{route}");
    }
    let json = example.run("route", "-o json").expect(0).stdout;
    assert_golden("nginx-to-istio/route.json", &json);
    // The first step is an edit of the Gateway, and comes to the Service that the route has there.
    example.run("route", "--out steps").expect(0);
    let steps = example.place.path().join("steps");
    let mut folders: Vec<_> =
        std::fs::read_dir(&steps).unwrap().map(|it| it.unwrap().path()).collect();
    folders.sort();
    let files = std::fs::read_dir(&folders[0]).unwrap().map(|it| it.unwrap().path());
    let yaml = files.filter(|it| it.extension().is_some_and(|it| it == "yaml"));
    let first: String = yaml.map(|it| std::fs::read_to_string(it).unwrap()).collect();
    assert!(first.contains("kind: Gateway") && first.contains("port: 8443"), "{first}");
    assert_eq!(first.matches("kind: Service").count(), 1, "only nginx is written down: {first}");
    let folder = folders[0].strip_prefix(example.place.path()).unwrap().display().to_string();
    let plan = example.place.run(&format!("plan -f {folder} --sandbox")).expect(0).stdout;
    assert!(plan.contains("Nobody is disconnected."), "{plan}");
}

#[test]
fn gateway_renamed() {
    let place = Workplace::empty();
    support::copy(&root().join("examples/gateway-renamed"), place.path());
    let plan = "plan -f . --observed world/observed.json";
    for (width, file) in [("80", "plan-80.txt"), ("100", "plan.txt"), ("120", "plan-120.txt")] {
        let words: Vec<&str> = plan.split_whitespace().collect();
        let shown = place.run_args_with(&words, &[("COLUMNS", width)]).expect(3).stdout;
        assert_golden(&format!("gateway-renamed/{file}"), &shown);
        let most: usize = width.parse().unwrap();
        assert!(shown.lines().all(|line| line.chars().count() <= most), "{shown}");
        assert!(shown.contains("2 consumers would be disconnected"), "{shown}");
    }
    let json = place.run(&format!("{plan} -o json")).expect(3).stdout;
    assert!(json.contains("is deleted with its Gateway default/edge"), "{json}");
    let guard = place.run(&format!("{plan} --guard --base base")).expect(3).stdout;
    assert!(guard.contains("(base/gateway.yaml:4)"), "{guard}");
    // What is rendered now is what is live.
    let same = place.run("plan -f base -f stack.yaml --guard --observed world/observed.json");
    assert_eq!(same.expect(0).stdout.trim_end(), "No changes.");
}

#[test]
fn gitops_guard() {
    let place = Workplace::empty();
    support::copy(&root().join("examples/gitops-guard"), place.path());
    let plan = "plan -f . --observed world/observed.json".to_owned();
    for (width, file) in [("80", "plan-80.txt"), ("100", "plan.txt"), ("120", "plan-120.txt")] {
        let words: Vec<&str> = plan.split_whitespace().collect();
        let shown = place.run_args_with(&words, &[("COLUMNS", width)]).expect(3).stdout;
        assert_golden(&format!("gitops-guard/{file}"), &shown);
        let most: usize = width.parse().unwrap();
        assert!(shown.lines().all(|line| line.chars().count() <= most), "{shown}");
    }
    let shown = place.run(&plan).expect(3).stdout;
    assert!(shown.lines().count() <= 30, "{shown}");
    assert!(
        shown.lines().nth(2).unwrap().starts_with("12 consumers would be disconnected"),
        "{shown}"
    );
    // All of them alike are one row, each of them named by `--full`.
    assert_eq!(shown.matches("tf-pe-").count(), 2, "{shown}");
    let full = place.run(&format!("{plan} --full")).expect(3).stdout;
    assert!((1..=12).all(|at| full.contains(&format!("/tf-pe-{at} "))), "{full}");
    let markdown = place.run(&format!("{plan} -o markdown")).expect(3).stdout;
    assert_golden("gitops-guard/plan.md", &markdown);
    let page = place.run(&format!("{plan} -o html")).expect(3).stdout;
    assert_golden("gitops-guard/plan.html", &page);
    assert_eq!(page, place.run(&format!("{plan} -o html")).expect(3).stdout);
    // privlink owns nothing of it, and has no step that writes.
    let json = place.run(&format!("{plan} -o json")).expect(3).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["summary"]["privlink"]["update"], 0);
    let ops =
        json["steps"].as_array().unwrap().iter().flat_map(|step| step["op"].as_object().unwrap());
    let mut ops: Vec<&str> = ops.map(|(op, _)| op.as_str()).collect();
    ops.sort_unstable();
    assert_eq!(ops, ["awaitController", "awaitService"], "{}", json["steps"]);
}

#[test]
fn every_example_has_a_readme_and_is_tested() {
    for name in names("examples") {
        let is_file = root().join("examples").join(&name).is_file();
        // Pipelines hold no stack; tests/pipelines.rs looks at them.
        if is_file || name.starts_with("bad-") || name == "ci" {
            continue;
        }
        let readme = root().join("examples").join(&name).join("README.md");
        assert!(readme.exists(), "{name} has no README.md");
        let tested = APPLIED.contains(&name.as_str())
            || [
                "consumer",
                "endpoint-in-other-subscription",
                "frontend-recreated",
                "gitops-guard",
                "nginx-to-gateway",
                // By tests/offers.rs.
                "two-tenants",
                "nginx-to-istio",
                "istio-gateway",
                "envoy-gateway",
                "gateway-renamed",
            ]
            .contains(&name.as_str());
        assert!(tested, "{name} is not tested");
    }
}

#[test]
fn the_order_of_files_does_not_show() {
    let place = Workplace::with_example("private-link");
    let files = ["endpoint", "internal-app", "stack"];
    let plan = |order: [usize; 3], format: &str| {
        let names = order.map(|at| format!("-f examples/private-link/{}.yaml", files[at]));
        place.run(&format!("plan {} --sandbox -o {format}", names.join(" "))).expect(0).stdout
    };
    for format in ["text", "json", "markdown"] {
        let first = plan([0, 1, 2], format);
        for order in [[2, 1, 0], [1, 2, 0]] {
            assert!(plan(order, format) == first, "{format} differs in order {order:?}");
        }
    }
}

#[test]
fn the_order_of_documents_shows_in_places_only() {
    let place = Workplace::with_example("private-link");
    let folder = place.path().join("examples/private-link");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let parts = [read("endpoint.yaml"), read("internal-app.yaml"), read("stack.yaml")];
    let plan = |order: [usize; 3]| {
        let text = order.map(|at| parts[at].clone()).join("---\n");
        std::fs::write(place.path().join("all.yaml"), text).unwrap();
        let plan = place.run("plan -f all.yaml --sandbox -o json").expect(0).stdout;
        let mut plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
        for finding in plan["findings"].as_array_mut().unwrap() {
            let moved = finding.as_object_mut().unwrap().remove("place").unwrap();
            assert!(moved.as_str().unwrap().starts_with("all.yaml:"), "{moved}");
        }
        let excerpts = plan.as_object_mut().unwrap().remove("excerpts").unwrap();
        assert_eq!(excerpts[0]["lines"][1], "  name: internal-app");
        plan
    };
    let first = plan([0, 1, 2]);
    for order in [[2, 1, 0], [1, 2, 0]] {
        assert!(plan(order) == first, "the plan differs in order {order:?}");
    }
}
