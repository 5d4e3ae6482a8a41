use super::*;
use crate::forge::named;

fn environment(pairs: &[(&str, &str)], event: &str) -> Environment {
    let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Environment::new(pairs, |path| (path == "/event.json").then(|| event.to_owned()))
}

const GITHUB: &[(&str, &str)] = &[
    ("GITHUB_ACTIONS", "true"),
    ("GITHUB_REPOSITORY", "shop/deploy"),
    ("GITHUB_EVENT_PATH", "/event.json"),
    ("GITHUB_SERVER_URL", "https://github.example"),
    ("GITHUB_RUN_ID", "7"),
    ("GITHUB_SHA", "merge"),
    ("GITHUB_TOKEN", "t"),
];

fn pull(found: &Environment) -> Result<Pull, ForgeError> {
    let (Place { forge, api, repository, pull }, _) = found.place(&Given::default())?;
    assert_eq!(
        (forge.name, api.as_str(), repository.as_str()),
        ("github", "https://api.github.com", "shop/deploy")
    );
    Ok(pull)
}

#[test]
fn github_tells_the_pull_request_in_its_event() {
    let event = r#"{"pull_request": {"number": 12, "head": {"sha": "head"}}}"#;
    let found = environment(GITHUB, event);
    assert_eq!(pull(&found).unwrap(), Pull::Number(12));
    assert_eq!(found.commit().as_deref(), Some("head"));
    assert_eq!(found.run().as_deref(), Some("https://github.example/shop/deploy/actions/runs/7"));
    let comment = r#"{"issue": {"number": 4, "pull_request": {"url": "x"}}}"#;
    assert_eq!(pull(&environment(GITHUB, comment)).unwrap(), Pull::Number(4));
}

#[test]
fn github_tells_it_in_the_ref_too() {
    let mut pairs = GITHUB.to_vec();
    pairs.push(("GITHUB_REF", "refs/pull/3/merge"));
    assert_eq!(pull(&environment(&pairs, "not JSON")).unwrap(), Pull::Number(3));
}

#[test]
fn an_issue_and_a_push_are_no_pull_requests() {
    for event in [r#"{"issue": {"number": 4}}"#, r#"{"ref": "refs/heads/main"}"#, ""] {
        let error = pull(&environment(GITHUB, event)).unwrap_err();
        assert_eq!(
            (error.kind, error.message.as_str()),
            (ErrorKind::Unconfigured, "this run is for no pull request")
        );
    }
}

#[test]
fn a_workflow_run_tells_the_head_and_the_run_that_planned() {
    let event = r#"{"workflow_run": {"head_sha": "c", "head_branch": "b", "html_url": "https://github.example/run/1",
        "head_repository": {"owner": {"login": "fork"}}, "pull_requests": []}}"#;
    let found = environment(GITHUB, event);
    let head = Pull::OfHead { owner: "fork".into(), branch: "b".into(), commit: "c".into() };
    assert_eq!(pull(&found).unwrap(), head);
    assert_eq!(found.run().as_deref(), Some("https://github.example/run/1"));
}

#[test]
fn gitlab_comments_where_the_merge_request_is() {
    let mut pairs = vec![
        ("GITLAB_CI", "true"),
        ("CI_API_V4_URL", "https://gitlab.example/api/v4"),
        ("CI_MERGE_REQUEST_IID", "9"),
        ("CI_MERGE_REQUEST_PROJECT_ID", "5"),
        ("CI_PROJECT_ID", "6"),
        ("CI_JOB_TOKEN", "may not comment"),
    ];
    let error = environment(&pairs, "").place(&Given::default()).unwrap_err();
    assert!(error.message.contains("PRIVLINK_GITLAB_TOKEN or GITLAB_TOKEN"), "{error}");
    pairs.push(("GITLAB_TOKEN", "t"));
    let (place, _) = environment(&pairs, "").place(&Given::default()).unwrap();
    let api = "https://gitlab.example/api/v4".to_owned();
    let forge = named("gitlab").unwrap();
    assert_eq!(place, Place { forge, api, repository: "5".into(), pull: Pull::Number(9) });
}

#[test]
fn azure_pipelines_build_for_azure_repos_and_for_github() {
    let mut pairs = vec![
        ("TF_BUILD", "True"),
        ("SYSTEM_COLLECTIONURI", "https://dev.azure.com/shop/"),
        ("SYSTEM_TEAMPROJECTID", "p"),
        ("BUILD_REPOSITORY_ID", "r"),
        ("BUILD_REPOSITORY_PROVIDER", "TfsGit"),
        ("BUILD_BUILDID", "8"),
        ("SYSTEM_PULLREQUEST_PULLREQUESTID", "2"),
        ("SYSTEM_ACCESSTOKEN", "t"),
    ];
    let found = environment(&pairs, "");
    let (place, _) = found.place(&Given::default()).unwrap();
    let api = "https://dev.azure.com/shop/".to_owned();
    let forge = named("azure-devops").unwrap();
    assert_eq!(place, Place { forge, api, repository: "p/r".into(), pull: Pull::Number(2) });
    assert_eq!(
        found.run().as_deref(),
        Some("https://dev.azure.com/shop/p/_build/results?buildId=8")
    );
    pairs.retain(|(name, _)| *name != "BUILD_REPOSITORY_PROVIDER");
    pairs.extend([
        ("BUILD_REPOSITORY_PROVIDER", "GitHub"),
        ("BUILD_REPOSITORY_NAME", "shop/deploy"),
        ("SYSTEM_PULLREQUEST_PULLREQUESTNUMBER", "33"),
        ("GITHUB_TOKEN", "t"),
    ]);
    assert_eq!(pull(&environment(&pairs, "")).unwrap(), Pull::Number(33));
}

#[test]
fn what_is_given_goes_first_and_tokens_come_from_the_environment() {
    let given = Given {
        forge: named("github"),
        api: Some("https://github.example/api/v3".into()),
        repository: Some("a/b".into()),
        request: Some(1),
    };
    let error = environment(&[], "").place(&given).unwrap_err();
    assert!(error.message.contains("GITHUB_TOKEN is not set"), "{error}");
    let (place, _) = environment(&[("GITHUB_TOKEN", "t")], "").place(&given).unwrap();
    assert!(place.pull == Pull::Number(1), "{place:?}");
    let nowhere = environment(&[], "").place(&Given::default()).unwrap_err();
    assert!(nowhere.detail.help.unwrap().contains("--dry-run"));
}
