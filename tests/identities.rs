//! Every identity gets a token from the sandbox's endpoints and plans with it, named or detected; and
//! what an issuer refuses is told, with no secret in it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here fails the test")]

mod support;

use std::os::unix::fs::PermissionsExt;

use support::serving::Serving;
use support::{Run, Workplace, root};

const TENANT: &str = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa";
/// `{"alg":"none"}` and `{"aud":"api://AzureADTokenExchange"}`.
const FEDERATED: &str =
    "eyJhbGciOiJub25lIn0.eyJhdWQiOiJhcGk6Ly9BenVyZUFEVG9rZW5FeGNoYW5nZSJ9.s3cret";
/// The same, which ended in 2001.
const ENDED: &str = "eyJhbGciOiJub25lIn0.\
                     eyJhdWQiOiJhcGk6Ly9BenVyZUFEVG9rZW5FeGNoYW5nZSIsImV4cCI6MTAwMDAwMDAwMH0.s3cret";

/// Variables of one identity.
type Variables = Vec<(&'static str, String)>;

/// A served sandbox with a workplace.
struct Site {
    place: Workplace,
    serving: Serving,
}

impl Site {
    fn new() -> Self {
        let place = Workplace::with_example("private-link");
        let serving = Serving::start(&place, &["--tls"]);
        Self { place, serving }
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.place.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// An `az` on a search path of its own.
    fn az(&self, folder: &str, script: &str) -> String {
        let az = self.file(&format!("{folder}/az"), &format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(az, std::fs::Permissions::from_mode(0o755)).unwrap();
        format!("{}:/usr/bin:/bin", self.place.path().join(folder).display())
    }

    /// The variables that an identity finds.
    fn variables(&self, identity: &str) -> Variables {
        let at = |path: &str| format!("{}{path}", self.serving.arm);
        let client = || vec![client_id(), ("AZURE_TENANT_ID", TENANT.to_owned())];
        let with = |more: &[(&'static str, String)]| [&client(), more].concat();
        match identity {
            "workload-identity" => {
                with(&[("AZURE_FEDERATED_TOKEN_FILE", self.file("federated", FEDERATED))])
            }
            "github" => with(&[
                ("ACTIONS_ID_TOKEN_REQUEST_URL", at("/oidc/github?api-version=2.0")),
                ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "job-s3cret".to_owned()),
            ]),
            "azure-pipelines" => vec![
                ("SYSTEM_OIDCREQUESTURI", at("/oidc/azure-pipelines")),
                ("SYSTEM_ACCESSTOKEN", "job-s3cret".to_owned()),
                ("AZURESUBSCRIPTION_TENANT_ID", TENANT.to_owned()),
                ("AZURESUBSCRIPTION_CLIENT_ID", "c11e47".to_owned()),
                ("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID", "c0nnection".to_owned()),
            ],
            "client-secret" => with(&[("AZURE_CLIENT_SECRET", "client-s3cret".to_owned())]),
            "client-certificate" => {
                let pem = root().join("providers/azure/tests/data/test-only-certificate.pem");
                with(&[("AZURE_CLIENT_CERTIFICATE_PATH", pem.display().to_string())])
            }
            "managed-identity" => vec![
                ("IDENTITY_ENDPOINT", at("/msi/token")),
                ("IDENTITY_HEADER", "header-s3cret".to_owned()),
            ],
            "cli" => {
                let answer = r#"echo '{"accessToken": "cli-s3cret", "tokenType": "Bearer", "expires_on": 4102444800}'"#;
                vec![("PATH", self.az("in", answer))]
            }
            other => panic!("{other} is no identity"),
        }
    }

    /// Runs with these variables, telling all that can be told; and sees that no secret is told.
    fn run(&self, words: &str, variables: &Variables) -> Run {
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let words = format!("{words} -f examples/private-link -vvv");
        let run = self.serving.run(&self.place, &words, &variables);
        let text = format!("{}{}", run.stdout, run.stderr);
        for secret in ["s3cret", "eyJ", "client_assertion=", "PRIVATE KEY"] {
            assert!(!text.contains(secret), "{secret} is shown:\n{text}");
        }
        run
    }
}

fn client_id() -> (&'static str, String) {
    ("AZURE_CLIENT_ID", "c11e47".to_owned())
}

#[test]
fn every_identity_plans_named_or_detected() {
    let site = Site::new();
    for (identity, described) in [
        ("workload-identity", "the workload identity of client c11e47"),
        ("github", "the GitHub Actions identity of client c11e47"),
        ("azure-pipelines", "the Azure Pipelines service connection"),
        ("client-secret", "the client secret of client c11e47"),
        ("client-certificate", "the client certificate of client c11e47"),
        ("managed-identity", "the system-assigned managed identity"),
        ("cli", "the Azure CLI's login"),
    ] {
        let variables = site.variables(identity);
        for auth in [identity, "auto"] {
            let plan = site.run(&format!("plan --auth {auth}"), &variables).expect(0);
            assert!(plan.stderr.contains(described), "{auth}: {}", plan.stderr);
            assert!(plan.stdout.contains("privlink writes 2,"), "{auth}: {}", plan.stdout);
        }
    }
}

/// What is changed about an identity, and what of it is told.
#[test]
fn what_an_issuer_refuses_is_told() {
    let site = Site::new();
    let changed = |identity: &str, name: &'static str, value: String| {
        let mut variables = site.variables(identity);
        variables.retain(|(other, _)| *other != name);
        variables.push((name, value));
        variables
    };
    let at = |path: &str| format!("{}{path}", site.serving.arm);
    let other_tenant = "dddddddd-dddd-dddd-dddd-dddddddddddd".to_owned();
    let logged_out = "echo \"ERROR: Please run 'az login' to setup account.\" >&2; exit 1";
    let cases: Vec<(&str, Variables, &str)> = vec![
        (
            "client-secret",
            changed("client-secret", "AZURE_TENANT_ID", other_tenant),
            "AADSTS90002: Tenant 'dddddddd-dddd-dddd-dddd-dddddddddddd' not found",
        ),
        (
            "workload-identity",
            changed("workload-identity", "AZURE_FEDERATED_TOKEN_FILE", site.file("ended", ENDED)),
            "AADSTS700024: Client assertion is not within its valid time range",
        ),
        (
            "workload-identity",
            changed("workload-identity", "AZURE_FEDERATED_TOKEN_FILE", "/nowhere".to_owned()),
            "/nowhere",
        ),
        (
            "github",
            changed("github", "ACTIONS_ID_TOKEN_REQUEST_URL", at("/oidc/gone")),
            "GitHub did not give an OIDC token",
        ),
        (
            "azure-pipelines",
            changed("azure-pipelines", "SYSTEM_OIDCREQUESTURI", at("/oidc/gone")),
            "Check service connection ID and pipeline configuration",
        ),
        (
            "managed-identity",
            changed("managed-identity", "IDENTITY_HEADER", String::new()),
            "The requested identity has not been assigned to this resource",
        ),
        ("cli", changed("cli", "PATH", site.az("out", logged_out)), "az login"),
        ("cli", vec![("PATH", "/nowhere".to_owned())], "Azure CLI"),
    ];
    for (identity, variables, told) in cases {
        let run = site.run(&format!("plan --auth {identity}"), &variables).expect(1);
        assert!(run.stderr.contains(told), "{identity}: {told}:\n{}", run.stderr);
    }
}
