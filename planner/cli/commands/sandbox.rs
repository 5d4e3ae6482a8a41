//! `sandbox`: keeps a simulated cluster and Azure.

use std::path::{Path, PathBuf};
use std::time::Duration;

use privlink_kubernetes::Connection;
use privlink_sandbox::world::WorldFile;
use privlink_sandbox::{ControllerMode, Sandbox, SandboxOptions, World, WorldSource};

use crate::args::{Controller, SandboxCommand};
use crate::command_error::CommandError;
use crate::connect::sandbox_error;
use crate::exit::Exit;
use crate::ui::Ui;

/// How long to wait for another process to let go of a world file.
const LOCK_WAIT: Duration = Duration::from_secs(5);

pub(crate) fn run(command: SandboxCommand, ui: &mut Ui) -> Result<Exit, CommandError> {
    match command {
        SandboxCommand::Init { file, from } => init(&file, from.as_deref(), ui),
        SandboxCommand::Reset { file } => reset(&file, ui),
        SandboxCommand::Serve {
            file,
            controller,
            kubeconfig,
            context,
            kubernetes,
            tls,
            kubernetes_port,
            arm_port,
            page_size,
            graph_lag,
            controller_delay,
            operation_polls,
            request_log,
            faults,
        } => {
            let authority = tls.then(|| file.with_extension("ca.pem"));
            let mut options = SandboxOptions::in_file(file);
            options.tls = authority;
            options.controller = match controller {
                Controller::Model => ControllerMode::Model,
                Controller::None => ControllerMode::None,
            };
            options.api_server =
                kubeconfig.map(|path| Connection::Kubeconfig { path, context }).or_else(|| {
                    kubernetes.map(|url| Connection::Url {
                        url,
                        token: None,
                        namespace: "default".to_owned(),
                    })
                });
            options.kubernetes_port = kubernetes_port;
            options.arm_port = arm_port;
            options.page_size = page_size;
            options.graph_lag = Duration::from_secs(graph_lag);
            options.controller_delay = Duration::from_millis(controller_delay);
            options.operation_polls = operation_polls;
            options.request_log = request_log;
            serve(options, faults, ui)
        }
    }
}

fn init(file: &Path, from: Option<&Path>, ui: &mut Ui) -> Result<Exit, CommandError> {
    let shown = file.display().to_string();
    if file.exists() {
        return Err(CommandError::new(format!("{shown} exists already"))
            .hint("If it is a sandbox world, `privlink sandbox reset` re-creates it."));
    }
    let world = match from {
        None => World::first(),
        Some(path) => {
            World::from_snapshot(&super::file::read_snapshot(path)?).map_err(sandbox_error)?
        }
    };
    super::block_on(async {
        let locked = WorldFile::lock(file, LOCK_WAIT).await.map_err(sandbox_error)?;
        locked.write(&world).map_err(sandbox_error)
    })?;
    ui.say(&format!("Made {shown}."));
    Ok(Exit::Done)
}

/// Puts the first world in the place of another one. A file that is no world is somebody's work, and stays.
fn reset(file: &Path, ui: &mut Ui) -> Result<Exit, CommandError> {
    let shown = file.display().to_string();
    super::block_on(async {
        let locked = WorldFile::lock(file, LOCK_WAIT).await.map_err(sandbox_error)?;
        let is_empty = std::fs::metadata(file).is_ok_and(|it| it.is_file() && it.len() == 0);
        if !is_empty {
            locked.read().map_err(sandbox_error)?;
        }
        locked.write(&World::first()).map_err(sandbox_error)
    })?;
    ui.say(&format!("Made {shown}."));
    Ok(Exit::Done)
}

fn serve(
    mut options: SandboxOptions,
    faults: Option<PathBuf>,
    ui: &mut Ui,
) -> Result<Exit, CommandError> {
    if let Some(path) = faults {
        options.faults = privlink_sandbox::Fault::read_all(&path).map_err(|error| match error {
            privlink_sandbox::Error::Format { path, reason } => {
                let path = path.display();
                CommandError::new(format!("{path} is not a list of faults: {reason}"))
                    .hint("docs/sandbox.md describes the format.")
            }
            other => sandbox_error(other),
        })?;
    }
    super::block_on(async {
        let authority = options.tls.clone();
        let kubeconfig = match (&options.world, &options.api_server) {
            (WorldSource::File(world), None) => Some(world.with_extension("kubeconfig")),
            _ => None,
        };
        let running = Sandbox::start(options).await.map_err(sandbox_error)?;
        let mut text = format!("kubernetes {}\narm {}\n", running.kubernetes_url, running.arm_url);
        if let Some(file) = authority {
            text.push_str(&format!("certificate-authority {}\n", file.display()));
        }
        if let Some(file) = kubeconfig {
            super::file::write_private(&file, &running.kubeconfig())?;
            text.push_str(&format!("kubeconfig {}\n", file.display()));
        }
        ui.print(&text)?;
        ui.say("Serving until interrupted.");
        // Without signals there is nothing to wait for: it ends at once.
        let _ = tokio::signal::ctrl_c().await;
        running.shutdown().await.map_err(sandbox_error)?;
        Ok(Exit::Done)
    })
}
