//! `version`: which privlink this is, and what its predictions were compared with.

use privlink_core::compared::{Compared, compared};
use privlink_core::version::{FORMAT_VERSION, Version};

use crate::args::{self, DataFormat};
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::ui::Ui;

pub(crate) fn run(args: &args::Version, ui: &mut Ui) -> Result<Exit, CommandError> {
    let version = Version {
        format_version: FORMAT_VERSION.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: privlink_build::COMMIT.to_owned(),
        target: privlink_build::TARGET.to_owned(),
        compared: compared(),
    };
    let text = match args.output {
        DataFormat::Text => text(&version),
        DataFormat::Json => super::json(&version)?,
    };
    ui.print(&text)?;
    Ok(Exit::Done)
}

fn text(version: &Version) -> String {
    let Version { version, commit, target, compared, .. } = version;
    let controller = &compared.controller;
    let rows = [
        ("commit", commit.clone()),
        ("target", target.clone()),
        (
            "controller",
            format!(
                "{} {}, {} recordings; releases {}",
                controller.repository,
                controller.commit,
                controller.recordings,
                controller.releases.join(", ")
            ),
        ),
        ("ARM", format!("{} recordings", compared.arm.recordings)),
        ("Kubernetes", format!("API server {}", compared.kubernetes.api_servers.join(", "))),
        ("Gateways", gateways(compared)),
    ];
    let mut text = format!("privlink {version}\n");
    for (name, value) in rows {
        text.push_str(&format!("  {name:<10}  {value}\n"));
    }
    text
}

/// The controllers of the Gateway API that were recorded.
fn gateways(compared: &Compared) -> String {
    let all = compared.gateways.iter();
    let all =
        all.map(|it| format!("{} {}, {} recordings", it.controller, it.version, it.recordings));
    all.collect::<Vec<_>>().join("; ")
}
