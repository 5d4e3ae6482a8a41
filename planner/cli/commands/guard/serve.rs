//! `guard serve`: the admission webhook.

use std::sync::Arc;
use std::time::Duration;

use privlink_core::desired::Desired;
use privlink_engine::observe::Unsaid;
use privlink_engine::session::Patience;
use privlink_guard::{CertificateSource, Decided, Error, Options, SelfSigned};

use crate::args::GuardServe;
use crate::command_error::CommandError;
use crate::connect;
use crate::exit::Exit;
use crate::ui::{self, Ui};

use super::super::plan;

pub(super) fn run(args: &GuardServe, ui: &mut Ui) -> Result<Exit, CommandError> {
    let stack = super::stack(&args.policy.filename, ui)?;
    let desired = Desired { stack: stack.clone(), ..Desired::default() };
    super::super::block_on(async {
        let connected = connect::connect(&desired, &args.place, Patience::default()).await?;
        let Some(kubernetes) = connected.session.kubernetes.clone() else {
            return Err(Unsaid::Cluster.into());
        };
        let mut policy = args.policy.policy();
        policy.spared.extend(args.serving.own_namespace.clone());
        let options = Options {
            listen: args.serving.listen,
            probes: args.serving.probes,
            certificate: certificate(args)?,
            client_authority: args.serving.client_ca.clone(),
            refresh: Duration::from_secs(args.refresh),
            deadline: Duration::from_millis(args.deadline),
            max_age: Duration::from_secs(args.max_age),
            concurrency: args.concurrency.into(),
            drain: Duration::from_secs(args.drain),
            policy,
            stack,
            kubernetes,
            arm: connected.session.arm.clone(),
            targets: connected.targets.clone(),
            pinned: connected.pinned.clone(),
            today: plan::today,
            tool_version: env!("CARGO_PKG_VERSION"),
            told: Arc::new(write),
        };
        let serving = |reviews, probes| {
            ui::beside(&format!(
                "Reviews at https://{reviews}/validate, probes and metrics at http://{probes}."
            ));
        };
        privlink_guard::serve(options, stopped(), serving).await.map_err(failure)?;
        connected.close().await?;
        Ok(Exit::Done)
    })
}

/// Writes a decision to stdout, as one line of JSON.
fn write(decided: &Decided) {
    if let Ok(line) = serde_json::to_string(decided) {
        ui::record(&line);
    }
}

fn certificate(args: &GuardServe) -> Result<CertificateSource, CommandError> {
    let serving = &args.serving;
    let said = |what: &Option<String>| what.clone().unwrap_or_default();
    match (&serving.certificate, &serving.key, &serving.self_signed) {
        (Some(certificate), Some(key), None) => {
            Ok(CertificateSource::Files { certificate: certificate.clone(), key: key.clone() })
        }
        (None, None, Some(secret)) => Ok(CertificateSource::SelfSigned(SelfSigned {
            namespace: said(&serving.own_namespace),
            service: said(&serving.service),
            secret: secret.clone(),
            webhook: serving.webhook.clone(),
        })),
        _ => Err(CommandError::new("it is not said where the certificate comes from")
            .hint("Give --certificate and --key, or --self-signed.")),
    }
}

fn failure(error: Error) -> CommandError {
    let hint = match &error {
        Error::Listen { .. } => {
            "Another process may listen there; --listen and --probes choose others."
        }
        Error::Certificate(_) => "A certificate and its key are read as PEM; see docs/guard.md.",
        Error::Authority(_) => {
            "It takes get and create on its Secret; docs/install.md has the roles."
        }
    };
    CommandError::new(error.to_string()).hint(hint)
}

/// Over when the process is told to end.
async fn stopped() {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                () = interrupted => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    interrupted.await;
}
