//! `preflight`: checks rights, room and rules before anything is written; prints the roles that do.

use std::collections::BTreeSet;

use privlink_core::desired::Desired;
use privlink_core::facts::Facts;
use privlink_core::inventory::Inventory;
use privlink_core::plan::Mode;
use privlink_core::preflight::{Phase, Report, Verdict, role};
use privlink_core::snapshot::Snapshot;
use privlink_core::unread::Unread;
use privlink_engine::preflight::Seen;
use privlink_render as render;
use privlink_render::style::Style;

use crate::args::{self, DataFormat, Limits, RoleOf};
use crate::command_error::CommandError;
use crate::connect::{Common, Connected};
use crate::exit::Exit;
use crate::ui::Ui;

use super::fleet::Fleet;
use super::stacks;

pub(crate) fn run(args: &args::Preflight, ui: &mut Ui) -> Result<Exit, CommandError> {
    let phase = match args.phase {
        args::Phase::Plan => Phase::Plan,
        args::Phase::Apply => Phase::Apply,
    };
    if let Some(of) = args.role {
        ui.print(&roles(of, phase, args)?)?;
        return Ok(Exit::Done);
    }
    let input = args.input();
    let many = &args.many;
    let Some(folder) = &many.stacks else { return one(&input, args, phase, None, ui) };
    let (place, is_json) = (Some(&args.place), args.output == DataFormat::Json);
    let fleet = Fleet { folder, many, input: &input, place, is_json, quiet: "ready" };
    let lists = stacks::shared_lists(&args.place);
    fleet.run(ui, |source, ui| {
        one(&source.input, args, phase, lists.as_ref().map(Common::Lists), ui)
    })
}

/// Checks one stack.
fn one(
    input: &args::Input,
    args: &args::Preflight,
    phase: Phase,
    common: Option<Common<'_>>,
    ui: &mut Ui,
) -> Result<Exit, CommandError> {
    let desired = super::sound(input, &args.place, None, ui)?;
    let report = super::block_on(async {
        let observed = super::seen(&desired, &args.place, None, common).await?;
        let Some(connected) = observed.connected else {
            return Err(CommandError::new("a preflight asks the cluster and Azure"));
        };
        let seen = (&observed.snapshot, &observed.facts);
        // A wrong subscription is one mistake, and nothing can be said of what is in it.
        let unread = Unread::of(&Inventory::of(seen.0), seen.1, desired.stack.as_ref())
            .filter(|it| it.place.is_some());
        unread.map_or(Ok(()), |it| Err(CommandError::from(it)))?;
        let report = check(&desired, seen, phase, &connected).await?;
        connected.close().await?;
        Ok(report)
    })?;
    let text = match args.output {
        DataFormat::Text => text(&report, ui.style()),
        DataFormat::Json => super::json(&report)?,
    };
    ui.print(&text)?;
    let (missing, unknown) = (report.count(Verdict::Missing), report.count(Verdict::Unknown));
    match missing + unknown {
        0 if args.output == DataFormat::Text => ui.drop_result(),
        0 => {}
        _ => ui.sum_up(format!("{missing} missing, {unknown} unknown")),
    }
    Ok(if report.count(Verdict::Missing) > 0 { Exit::Error } else { Exit::Done })
}

/// Checks a stack that was observed.
async fn check(
    desired: &Desired,
    (snapshot, facts): (&Snapshot, &Facts),
    phase: Phase,
    connected: &Connected,
) -> Result<Report, CommandError> {
    let options = super::options(Mode::Apply, &Limits::default());
    let seen = Seen { desired, snapshot, facts, options: &options };
    Ok(privlink_engine::preflight::check(&seen, phase, &connected.session).await?)
}

/// Checks a stack before an apply, on stderr; whether nothing is missing.
pub(super) async fn passed(
    desired: &Desired,
    seen: (&Snapshot, &Facts),
    connected: &Connected,
    ui: &mut Ui,
) -> Result<bool, CommandError> {
    let report = check(desired, seen, Phase::Apply, connected).await?;
    ui.show(text(&report, ui.talk_style()).trim_end());
    Ok(report.count(Verdict::Missing) == 0)
}

/// The report for people.
pub(crate) fn text(report: &Report, style: Style) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = render::preflight::preflight(report, style, &mut text);
    text
}

/// Roles as their own tools take them.
fn roles(of: RoleOf, phase: Phase, args: &args::Preflight) -> Result<String, CommandError> {
    match (of, &args.user) {
        (RoleOf::Azure, Some(_)) => Err(CommandError::new("--user goes with --role kubernetes")
            .hint("An Azure role is given to an identity by `az role assignment create`.")),
        (RoleOf::Azure, None) => {
            let said = args.place.subscription.as_deref().filter(|it| !it.is_empty());
            let Some(subscription) = said.filter(|it| *it != NO_SUBSCRIPTION) else {
                let why = "the role is for no subscription";
                return Err(CommandError::new(why)
                    .hint("Give --subscription: `az account show --query id -o tsv` prints it."));
            };
            let scopes = BTreeSet::from([format!("/subscriptions/{subscription}")]);
            Ok(format!("{:#}\n", role::azure(phase, &scopes)))
        }
        (RoleOf::Kubernetes, None) => Ok(role::kubernetes(phase)),
        (RoleOf::Kubernetes, Some(user)) => {
            let namespace = args.namespace.as_deref().unwrap_or("default");
            Ok(role::kubernetes(phase) + &role::bindings(phase, user, namespace))
        }
    }
}

/// What stands for a subscription in examples, and is none.
const NO_SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";
