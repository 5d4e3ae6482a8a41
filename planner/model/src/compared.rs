//! What the model was compared with: controllers, Azure and the API server, in numbers. Tests hold them
//! against `tests/recordings`, docs/controller-model.md and `.ci/envtest`.

use serde::{Deserialize, Serialize};

/// What the model was compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Compared {
    /// The cloud controller.
    pub controller: Controller,
    /// Azure Resource Manager.
    pub arm: Arm,
    /// Kubernetes.
    pub kubernetes: Kubernetes,
    /// Controllers of the Gateway API.
    #[serde(default)]
    pub gateways: Vec<Gateways>,
}

/// A controller of the Gateway API whose Services were recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Gateways {
    /// Its name.
    pub controller: String,
    /// The version that was recorded.
    pub version: String,
    /// How many recordings of it are compared.
    pub recordings: usize,
}

/// The cloud controller that the model follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Controller {
    /// Its repository on GitHub.
    pub repository: String,
    /// The commit that was recorded.
    pub commit: String,
    /// How many recordings of it are replayed.
    pub recordings: usize,
    /// Release branches, by the minor version of Kubernetes, that were compared with that commit and are predicted as
    /// it is, but for what docs/controller-model.md names.
    pub releases: Vec<String>,
}

/// Azure Resource Manager's answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Arm {
    /// How many recordings of answers of Azure itself are replayed.
    pub recordings: usize,
}

/// Kubernetes' API server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Kubernetes {
    /// Versions of kube-apiserver that the model of it was compared with.
    pub api_servers: Vec<String>,
}

/// What the model was compared with.
pub fn compared() -> Compared {
    let all = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    Compared {
        controller: Controller {
            repository: "kubernetes-sigs/cloud-provider-azure".to_owned(),
            commit: "7b31c76ce2ff602cc2dfec988744d8d0534b448c".to_owned(),
            recordings: 252,
            releases: all(&["1.32", "1.33", "1.34", "1.35", "1.36"]),
        },
        arm: Arm { recordings: 9 },
        kubernetes: Kubernetes { api_servers: all(&["1.33.1"]) },
        gateways: vec![gateways("Istio", "1.31.0", 54), gateways("Envoy Gateway", "1.9.0", 65)],
    }
}

fn gateways(controller: &str, version: &str, recordings: usize) -> Gateways {
    Gateways { controller: controller.to_owned(), version: version.to_owned(), recordings }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use serde_json::Value;

    use super::*;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    fn text(file: &str) -> String {
        std::fs::read_to_string(root().join(file)).unwrap()
    }

    /// The JSON files of a folder of recordings that hold one.
    fn recordings(folder: &str, key: &str) -> usize {
        let files = std::fs::read_dir(root().join("tests/recordings").join(folder)).unwrap();
        let files = files.map(|file| file.unwrap().path());
        let json = files.filter(|file| file.extension().is_some_and(|it| it == "json"));
        let values = json.map(|file| std::fs::read_to_string(file).unwrap());
        let values = values.map(|text| serde_json::from_str::<Value>(&text).unwrap());
        values.filter(|value| value.get(key).is_some()).count()
    }

    #[test]
    fn the_numbers_are_those_of_the_recordings() {
        let compared = compared();
        let recorded = recordings("controller", "cluster");
        assert_eq!(compared.controller.recordings, recorded);
        assert_eq!(compared.arm.recordings, recordings("azure", "exchanges"));
        let folders = ["gateways/istio", "gateways/envoy"].map(|it| recordings(it, "services"));
        let numbers: Vec<usize> = compared.gateways.iter().map(|it| it.recordings).collect();
        assert_eq!(numbers, folders);
        let all = format!("made in {} recordings", folders.iter().sum::<usize>());
        assert!(text("docs/gateways.md").contains(&all), "{all}");
        for Gateways { controller, version, .. } in &compared.gateways {
            let row = crate::gateway::TABLE.iter().find(|it| it.name == controller).unwrap();
            assert!(row.source.contains(&format!("{version}, recorded")), "{}", row.source);
            let readme = text("tests/recordings/gateways/README.md");
            assert!(
                readme.contains(&format!("{controller} {version}: "))
                    || readme.contains(&format!("{controller} v{version}: "))
            );
        }
    }

    #[test]
    fn the_versions_are_those_that_were_compared() {
        let Compared { controller, kubernetes, .. } = compared();
        assert!(text("tests/recordings/controller/README.md").contains(&controller.commit));
        let page = text("docs/controller-model.md");
        let rows = page.lines().filter(|line| line.starts_with("| 1."));
        let examined = rows.filter(|line| !line.contains("not examined"));
        let mut releases: Vec<&str> = examined
            .filter_map(|line| line.trim_matches('|').split('|').next())
            .flat_map(|cell| cell.split(',').map(str::trim))
            .collect();
        releases.sort_unstable();
        assert_eq!(controller.releases, releases);
        let module = text(".ci/envtest/go.mod");
        let line = module.lines().find(|line| line.contains("k8s.io/kubernetes v")).unwrap();
        assert_eq!(kubernetes.api_servers, [line.split(" v").nth(1).unwrap().trim()]);
    }
}
