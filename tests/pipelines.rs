//! Comments and pipelines, as a run sees them: what is printed, written and sent.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers outside of test functions; what fails here fails the test"
)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use support::{Run, Workplace, assert_golden, root};

/// A sandbox in which `frontend-recreated` is refused, since it cuts a consumer off.
fn refused() -> Workplace {
    let place = Workplace::with_example("frontend-recreated");
    place
        .run("apply -f examples/frontend-recreated/before --sandbox=world.json --auto-approve")
        .expect(0);
    place
}

const PLAN: &str = "plan -f examples/frontend-recreated --sandbox=world.json";

fn with(place: &Workplace, words: &str, variables: &[(&str, &str)]) -> Run {
    place.run_with(words, variables)
}

#[test]
fn each_flavour_of_the_comment_is_as_it_was() {
    let place = refused();
    place.run(&format!("{PLAN} --out refused.json")).expect(3);
    place.run(&format!("{PLAN} --max-disconnects 1 --out allowed.json")).expect(0);
    for forge in ["github", "gitlab", "azure-devops"] {
        let one = place.run(&format!("comment refused.json --dry-run --forge {forge}")).expect(0);
        assert_golden(
            &format!("frontend-recreated/comment-{forge}.md"),
            &masked(&place, &one.stdout),
        );
    }
    let several =
        "comment allowed.json refused.json --dry-run --untrusted --link https://ci.example/run/1";
    let several = place.run(several).expect(0).stdout;
    assert_golden("frontend-recreated/comment-several.md", &masked(&place, &several));
}

/// A comment without the digests of the plans, which hang on every byte of them.
fn masked(place: &Workplace, comment: &str) -> String {
    let mut masked = comment.to_owned();
    for name in ["refused", "allowed"] {
        let plan = support::read_json(&place.path().join(format!("{name}.json")));
        let digest = plan["digest"].as_str().unwrap();
        masked = masked.replace(digest, &format!("DIGEST-{name}"));
    }
    assert!(masked.contains("--expect-digest DIGEST-refused"), "{masked}");
    masked
}

/// What a server was asked: method and path, and the body.
type Asked = Arc<Mutex<Vec<(String, Value)>>>;

/// A server that plays GitHub for one run, with a comment of ours if there is one; it keeps what it was
/// asked.
fn github(comments: Value) -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Asked::default();
    let kept = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming().take(20) {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut line, mut length) = (String::new(), 0);
            stream.read_line(&mut line).unwrap();
            loop {
                let mut header = String::new();
                stream.read_line(&mut header).unwrap();
                if let Some(value) = header.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if header.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let line = line.trim().trim_end_matches(" HTTP/1.1").to_owned();
            let reply = if line.starts_with("GET") {
                comments.clone()
            } else {
                json!({"data": {"viewer": {"login": "github-actions[bot]"}}})
            };
            kept.lock().unwrap().push((line, serde_json::from_slice(&body).unwrap_or_default()));
            let reply = reply.to_string();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
            let reply = format!("{head}\r\ncontent-length: {}\r\n\r\n{reply}", reply.len());
            stream.get_mut().write_all(reply.as_bytes()).unwrap();
        }
    });
    (url, asked)
}

#[test]
fn a_plan_comments_on_its_pull_request_and_keeps_its_exit_code() {
    let place = refused();
    let event = json!({"pull_request": {"number": 12, "head": {"sha": "c0ffee"}}});
    std::fs::write(place.path().join("event.json"), event.to_string()).unwrap();
    let ours = json!([{
        "id": 5,
        "user": {"login": "github-actions[bot]", "type": "Bot"},
        "body": "<!-- privlink:default -->\nolder",
    }]);
    for (comments, line) in [
        (json!([]), "POST /repos/shop/deploy/issues/12/comments"),
        (ours, "PATCH /repos/shop/deploy/issues/comments/5"),
    ] {
        let (url, asked) = github(comments);
        let variables = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_API_URL", url.as_str()),
            ("GITHUB_REPOSITORY", "shop/deploy"),
            ("GITHUB_EVENT_PATH", "event.json"),
            ("GITHUB_TOKEN", "s3cret-token"),
            ("GITHUB_SERVER_URL", "https://github.example"),
            ("GITHUB_RUN_ID", "7"),
        ];
        let run = with(&place, &format!("{PLAN} --comment"), &variables).expect(3);
        assert!(
            run.stderr.contains("the comment on the pull request")
                || run.stderr.contains("Commented")
        );
        assert!(!run.stdout.contains("s3cret") && !run.stderr.contains("s3cret"));
        let asked = asked.lock().unwrap();
        let (last, body) = asked.last().unwrap();
        assert_eq!(last, line);
        let body = body["body"].as_str().unwrap();
        assert!(
            body.starts_with("<!-- privlink:default -->\n")
                && body.contains("⛔ **Refused: 1 consumer would be disconnected.**"),
            "{body}"
        );
        assert!(body.contains("commit `c0ffee`"), "{body}");
        assert!(body.contains("(https://github.example/shop/deploy/actions/runs/7)"), "{body}");
    }
}

#[test]
fn a_comment_that_cannot_be_written_is_a_warning_of_plan_and_an_error_of_comment() {
    let place = refused();
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let github = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_REPOSITORY", "a/b"),
        ("GITHUB_REF", "refs/pull/1/merge"),
    ];
    let run = with(&place, &format!("{PLAN} --comment --out plan.json"), &github).expect(3);
    let text = "warning: the comment was not written: there is no token: GITHUB_TOKEN is not set";
    assert!(run.stderr.contains(text), "{}", run.stderr);
    assert!(
        run.stderr.contains("::warning title=privlink::the comment was not written"),
        "{}",
        run.stderr
    );
    let none = place.run("comment plan.json").expect(1);
    assert!(none.stderr.contains("no pipeline is found") && none.stderr.contains("--dry-run"));
    let mut down = github.to_vec();
    down.extend([("GITHUB_TOKEN", "t"), ("GITHUB_API_URL", closed.as_str())]);
    let run = with(&place, "comment plan.json", &down).expect(1);
    assert!(run.stderr.contains("127.0.0.1 did not answer"), "{}", run.stderr);
    let mut plain = down.clone();
    plain.retain(|(name, _)| *name != "GITHUB_API_URL");
    plain.push(("GITHUB_API_URL", "http://api.github.example"));
    let run = with(&place, "comment plan.json", &plain).expect(1);
    assert!(run.stderr.contains("tokens are sent with TLS only"), "{}", run.stderr);
}

#[test]
fn what_is_no_plan_of_this_version_is_refused() {
    let place = refused();
    place.run(&format!("{PLAN} --out plan.json")).expect(3);
    let file = place.path().join("plan.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let version = format!("\"{}\"", privlink_core::saved::FORMAT_VERSION);
    let other = text.replacen(&version, "\"9.0\"", 1);
    std::fs::write(&file, other).unwrap();
    let run = place.run("comment plan.json --dry-run").expect(1);
    assert!(run.stderr.contains("it is of format 9.0"), "{}", run.stderr);
    std::fs::write(&file, text.replace("frontend-recreated", "changed")).unwrap();
    let run = place.run("comment plan.json --dry-run").expect(1);
    assert!(run.stderr.contains("its digest does not match"), "{}", run.stderr);
}

#[test]
fn a_step_has_its_summary_and_its_annotations() {
    let place = refused();
    let folder = place.path().to_str().unwrap().to_owned();
    std::fs::write(place.path().join("summary.md"), "before\n").unwrap();
    let variables = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_WORKSPACE", folder.as_str()),
        ("GITHUB_STEP_SUMMARY", "summary.md"),
    ];
    let run = with(&place, PLAN, &variables).expect(3);
    let summary = std::fs::read_to_string(place.path().join("summary.md")).unwrap();
    assert!(
        summary.starts_with(
            "before\n\n> [!CAUTION]\n> ⛔ **Refused: 1 consumer would be disconnected.** "
        ),
        "{summary}"
    );
    assert!(summary.contains("```mermaid"));
    let annotation = "::warning file=examples/frontend-recreated/internal-app.yaml,line=7,col=58,title=privlink link-recreated::";
    assert!(run.stderr.contains(annotation), "{}", run.stderr);
    // A refusal stands at the edit that causes it.
    let refusal = "::error file=examples/frontend-recreated/internal-app.yaml,line=7,col=58,title=privlink too-many-disconnects::";
    assert!(run.stderr.contains(refusal), "{}", run.stderr);
    assert!(!run.stdout.contains("::warning"), "results stay results");

    let drift = "drift -f examples/frontend-recreated --sandbox=world.json";
    let run = with(&place, drift, &variables).expect(2);
    let summary = std::fs::read_to_string(place.path().join("summary.md")).unwrap();
    assert!(summary.contains("\n### privlink drift\n"), "{}{summary}", run.stderr);

    let full = "x".repeat((1 << 20) - 100);
    std::fs::write(place.path().join("summary.md"), &full).unwrap();
    let run = with(&place, PLAN, &variables).expect(3);
    assert!(run.stderr.contains("the run's summary has no room for this"), "{}", run.stderr);
    assert_eq!(std::fs::read_to_string(place.path().join("summary.md")).unwrap(), full);
}

#[test]
fn azure_pipelines_gets_issues_and_a_summary() {
    let place = refused();
    let folder = place.path().to_str().unwrap().to_owned();
    let variables = [("TF_BUILD", "True"), ("AGENT_TEMPDIRECTORY", folder.as_str())];
    let run = with(&place, PLAN, &variables).expect(3);
    let upload = run.stderr.lines().find_map(|line| line.strip_prefix("##vso[task.uploadsummary]"));
    let summary = std::fs::read_to_string(upload.unwrap()).unwrap();
    assert!(summary.contains("```text\n~ Service/default/internal-app"), "{summary}");
    assert!(!summary.contains("mermaid"));
    let source =
        std::fs::canonicalize(place.path().join("examples/frontend-recreated/internal-app.yaml"));
    let issue = format!(
        "##vso[task.logissue type=warning;sourcepath={};linenumber=7;columnnumber=58;code=link-recreated;]",
        source.unwrap().display()
    );
    assert!(run.stderr.contains(&issue), "{}", run.stderr);
}

#[test]
fn manifests_give_a_pipelines_agent_no_command() {
    let place = Workplace::empty();
    let hostile = "##vso[task.setvariable variable=a]b ##[set-env name=a]b";
    let manifest = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web", "annotations": {"note": format!("{hostile}\n::error::x\n::set-output name=a::b\n")}},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"##vso[": "x"}},
    });
    std::fs::write(place.path().join("web.json"), manifest.to_string()).unwrap();
    // Broken YAML, whose source is shown.
    std::fs::write(place.path().join("bad.yaml"), format!("kind: [\n::error::{hostile}\n"))
        .unwrap();
    for format in ["text", "json", "markdown", "tfjson", "sarif"] {
        for pipeline in ["github-actions", "azure-pipelines"] {
            let words =
                format!("plan -f web.json --sandbox -n default -o {format} --pipeline {pipeline}");
            let plan = place.run(&words);
            let bad = place.run(&format!("validate -f bad.yaml --pipeline {pipeline}")).expect(1);
            for line in plan.stdout.lines().chain(bad.stdout.lines()) {
                let is_command = line.trim_start().starts_with("::") || line.contains("##[");
                assert!(!is_command && !line.contains("##vso["), "{format}: {line}");
            }
            for line in plan.stderr.lines().chain(bad.stderr.lines()) {
                let ours = ["::error ", "::warning ", "::notice ", "##vso[task.logissue type="];
                let rest = ours.iter().find_map(|it| line.strip_prefix(it)).unwrap_or(line);
                assert!(!rest.trim_start().starts_with("::"), "{line}");
                assert!(!rest.contains("##vso[") || rest != line, "{line}");
            }
            if format.ends_with("json") && plan.code == 0 {
                let parsed: Value = serde_json::from_str(&plan.stdout).unwrap();
                assert!(parsed.to_string().contains("##vso["), "JSON keeps what it says");
            }
        }
    }
}

#[test]
fn sarif_is_as_its_schema_says() {
    let schema =
        std::fs::read_to_string(root().join("tests/sarif/sarif-2.1.0-rtm.5.json")).unwrap();
    let mut schema: Value = serde_json::from_str(&schema).unwrap();
    // Its pattern of `language`, which is not written here, has a bracket too many for today's regular
    // expressions.
    for holder in ["run", "toolComponent"] {
        let language = schema.pointer_mut(&format!("/definitions/{holder}/properties/language"));
        assert!(language.unwrap().as_object_mut().unwrap().remove("pattern").is_some());
    }
    let validator = jsonschema::draft4::new(&schema).unwrap();
    let check = |text: &str, results: usize| {
        let log: Value = serde_json::from_str(text).unwrap();
        let errors: Vec<String> = validator.iter_errors(&log).map(|it| it.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
        let run = &log["runs"][0];
        assert_eq!(run["results"].as_array().unwrap().len(), results);
        for result in run["results"].as_array().unwrap() {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            let rule = &run["tool"]["driver"]["rules"][index];
            assert_eq!(rule["id"], result["ruleId"]);
            assert!(rule["shortDescription"]["text"].as_str().unwrap().len() > 10, "{rule}");
        }
        log
    };
    let place = refused();
    place.run(&format!("{PLAN} --render sarif=plan.sarif")).expect(3);
    check(&std::fs::read_to_string(place.path().join("plan.sarif")).unwrap(), 2);
    let place = Workplace::with_example("bad-many");
    let problems = place.run("validate -f examples/bad-many -o sarif").expect(1);
    let log = check(&problems.stdout, 15);
    let first = &log["runs"][0]["results"][0];
    assert_eq!(first["locations"][0]["physicalLocation"]["region"]["startLine"], 6);
    assert!(!validator.is_valid(&json!({"version": "2.1.0"})), "the schema refuses what is none");
}

#[test]
fn terraforms_readers_find_what_they_read() {
    let place = refused();
    let plan = place.run(&format!("{PLAN} -o tfjson")).expect(3);
    assert_golden("frontend-recreated/plan.tfjson", &plan.stdout);
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    assert_eq!((&plan["format_version"], &plan["applyable"]), (&json!("1.2"), &json!(false)));
    let change = |kind: &str| {
        let all = plan["resource_changes"].as_array().unwrap();
        all.iter().find(|it| it["type"] == kind).unwrap().clone()
    };
    let frontend = change("privlink_frontend_ip");
    assert_eq!(frontend["change"]["actions"], json!(["delete", "create"]));
    assert_eq!(frontend["action_reason"], "replace_because_cannot_update");
    assert_eq!(frontend["change"]["replace_paths"], json!([["properties.privateIPAddress"]]));
    assert_eq!(frontend["change"]["before"]["properties.privateIPAddress"], "10.240.0.25");
    let link = change("privlink_private_link_service");
    assert_eq!(
        link["address"],
        "privlink_private_link_service.frontend-recreated[\"default/internal-app\"]"
    );
    assert_eq!(link["change"]["after_unknown"]["properties.alias"], true);
    assert_eq!(link["change"]["after"].get("properties.alias"), None);
    assert_eq!(change("privlink_service")["change"]["actions"], json!(["update"]));
}

#[test]
fn gitlab_gets_the_counts() {
    let place = refused();
    place.run(&format!("{PLAN} --render gitlab=report.json")).expect(3);
    let report = std::fs::read_to_string(place.path().join("report.json")).unwrap();
    assert_eq!(report, "{\"create\":3,\"update\":1,\"delete\":3}\n");
}

/// The commands that a page or a workflow tells to run, each with its flags.
fn told(text: &str) -> Vec<(String, Vec<String>)> {
    let lines = text.lines().map(|line| {
        let line = line.trim_start_matches(|c: char| c.is_whitespace() || "-#".contains(c));
        line.strip_prefix("run:").or(line.strip_prefix("script:")).unwrap_or(line).trim_start()
    });
    let commands = lines.filter_map(|line| {
        let line = line.strip_prefix("privlink ")?;
        let words = line.split_whitespace().take_while(|word| !["||", ">", "#"].contains(word));
        let words: Vec<&str> = words.collect();
        let flags = words.iter().skip(1).filter(|word| word.starts_with("--"));
        let name = |flag: &&str| flag.split('=').next().unwrap_or_default().to_owned();
        Some((words.first()?.to_string(), flags.map(name).collect()))
    });
    commands.collect()
}

#[test]
fn workflows_and_the_page_use_commands_and_flags_that_exist() {
    let place = Workplace::empty();
    let mut seen = std::collections::BTreeSet::new();
    let mut files = vec![root().join("docs/ci.md")];
    for folder in ["github", "gitlab", "azure-pipelines", "argo-workflows"] {
        let folder = format!("examples/ci/{folder}");
        files.extend(support::names(&folder).iter().map(|name| root().join(&folder).join(name)));
    }
    for file in files {
        for (command, flags) in told(&std::fs::read_to_string(&file).unwrap()) {
            let help = place.run(&format!("{command} --help")).expect(0).stdout;
            for flag in flags {
                assert!(help.contains(&flag), "{}: {command} has no {flag}", file.display());
            }
            seen.insert(command);
        }
    }
    let expected = ["apply", "comment", "drift", "merge", "observe", "plan", "preflight"];
    assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

/// What runs beside an identity is what was looked at: actions by commit, archives by checksum.
#[test]
fn pipelines_name_what_they_run_by_what_cannot_be_moved() {
    let mut files: Vec<_> = ["examples/ci/github", ".github/workflows"]
        .into_iter()
        .flat_map(|folder| std::fs::read_dir(root().join(folder)).unwrap())
        .map(|file| file.unwrap().path())
        .collect();
    files.push(root().join("action.yml"));
    assert!(files.len() > 7, "{files:?}");
    let mut actions = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for line in
            text.lines().filter_map(|it| it.trim().trim_start_matches("- ").strip_prefix("uses: "))
        {
            let (action, tag) = line.split_once(" # v").unwrap_or((line, ""));
            let (name, commit) = action.split_once('@').unwrap();
            let is_commit = commit.len() == 40 && commit.bytes().all(|it| it.is_ascii_hexdigit());
            // A release fills its own commit in.
            let is_ours = (name, commit) == ("OWNER/privlink", "COMMIT");
            assert!((is_commit || is_ours) && !tag.is_empty(), "{}: {line}", file.display());
            actions += 1;
        }
    }
    assert!(actions > 20, "{actions}");
    let read = |file: &str| std::fs::read_to_string(root().join(file)).unwrap();
    let install = read(".ci/install");
    assert!(install.contains("gh attestation verify") && install.contains("--check"), "{install}");
    let steps = read("examples/ci/azure-pipelines/privlink-steps.yml");
    assert!(steps.contains("sha256sum --check --strict - <<<\"$SHA256  $archive\""), "{steps}");
    let gitlab = read("examples/ci/gitlab/.gitlab-ci.yml");
    assert!(gitlab.contains("rm -f \"$AZURE_FEDERATED_TOKEN_FILE\""), "{gitlab}");
}

#[test]
fn every_format_of_outputs_is_the_same_under_every_agent() {
    let place = Workplace::with_example("private-link");
    place.run("apply -f examples/private-link --sandbox=world.json --auto-approve").expect(0);
    for format in ["text", "json", "dotenv", "github", "azure-pipelines"] {
        let words = format!("output -f examples/private-link --sandbox=world.json -o {format}");
        let plain = place.run(&words).expect(0).stdout;
        for agent in [("TF_BUILD", "True"), ("GITHUB_ACTIONS", "true")] {
            let run = with(&place, &words, &[agent]).expect(0);
            assert_eq!(run.stdout, plain, "{format} under {}", agent.0);
        }
        let sets =
            plain.lines().filter(|it| it.starts_with("##vso[task.setvariable variable=")).count();
        assert_eq!(sets > 0, format == "azure-pipelines", "{plain}");
    }
}
