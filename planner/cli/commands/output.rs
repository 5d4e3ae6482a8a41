//! `output`: shows what was made.

use privlink_core::inventory::Inventory;
use privlink_core::offer::{self, NotOffered};
use privlink_core::plan::{Mode, Output};
use privlink_core::plural::count;
use privlink_core::wanted::Wanted;
use privlink_file::Readers;
use privlink_render as render;
use privlink_render::outputs;
use serde_json::{Map, Value};

use crate::args::{self, Limits, OutputFormat};
use crate::command_error::{CommandError, io};
use crate::connect::Common;
use crate::exit::Exit;
use crate::ui::Ui;

use super::fleet::Fleet;
use super::stacks;

/// What was read back.
struct Read {
    outputs: Vec<(Output, Option<String>)>,
    offers: Result<Vec<Value>, NotOffered>,
}

pub(crate) fn run(args: &args::Outputs, ui: &mut Ui) -> Result<Exit, CommandError> {
    let input = args.input.input();
    let many = &args.input.many;
    let Some(folder) = &many.stacks else { return one(&input, args, None, ui) };
    let is_json = args.output == OutputFormat::Json;
    if !is_json && args.output != OutputFormat::Text {
        return Err(CommandError::new("outputs of several stacks are shown as text or json"));
    }
    if args.out.is_some() {
        return Err(CommandError::new("--out: several stacks do not go into one file")
            .hint("Name one stack with -f, or leave out --out."));
    }
    let place = Some(&args.place);
    let fleet = Fleet { folder, many, input: &input, place, is_json, quiet: "no outputs" };
    let lists = stacks::shared_lists(&args.place);
    fleet.run(ui, |source, ui| {
        if !is_json {
            ui.print(&format!("{}\n", privlink_core::escape::terminal(&source.below(folder))))?;
        }
        one(&source.input, args, lists.as_ref().map(Common::Lists), ui)
    })
}

fn one(
    input: &args::Input,
    args: &args::Outputs,
    common: Option<Common<'_>>,
    ui: &mut Ui,
) -> Result<Exit, CommandError> {
    if args.out.is_some() && args.output == OutputFormat::AzurePipelines {
        return Err(CommandError::new(
            "--out: commands for Azure Pipelines work in a step's log alone",
        )
        .hint("Leave out --out, or write another format."));
    }
    let desired = super::sound(input, &args.place, None, ui)?;
    let is_offer = matches!(args.output, OutputFormat::Offer | OutputFormat::OfferConfigmap);
    let read = super::block_on(async {
        let observed = super::observed(&desired, &args.place, None, common).await?;
        let planned = super::planned(
            &desired,
            (&Inventory::of(&observed.snapshot), &observed.facts),
            Mode::Apply,
            &Limits::default(),
        )?;
        let offers = offer::offers(&Wanted::as_written(&desired), &planned.prediction);
        let mut outputs = Vec::new();
        if let Some(connected) = observed.connected {
            if !is_offer {
                outputs = privlink_engine::outputs::read(&planned.plan, &connected.session).await;
            }
            connected.close().await?;
        }
        Ok(Read { outputs, offers })
    })?;
    ui.sum_up(match read.outputs.iter().filter(|(_, value)| value.is_some()).count() {
        0 => String::new(),
        outputs => count(outputs, "output"),
    });
    let text = match args.output {
        OutputFormat::Text => super::apply::outputs_text(&read.outputs),
        OutputFormat::Dotenv => outputs::dotenv(&read.outputs),
        OutputFormat::Github => outputs::github(&read.outputs),
        OutputFormat::AzurePipelines => {
            ui.instruct(&outputs::azure_pipelines(&read.outputs))?;
            return Ok(Exit::Done);
        }
        OutputFormat::Json => json(read.outputs),
        OutputFormat::Offer => render::offer::stream(&offered(read.offers)?),
        OutputFormat::OfferConfigmap => {
            render::offer::config_map(&desired.name, &offered(read.offers)?)
        }
    };
    match &args.out {
        Some(file) => privlink_file::replace_text(file, Readers::All, &text)
            .map_err(io(&file.display().to_string()))?,
        None => ui.print(&text)?,
    }
    Ok(Exit::Done)
}

fn offered(offers: Result<Vec<Value>, NotOffered>) -> Result<Vec<Value>, CommandError> {
    offers.map_err(|why| {
        CommandError::new(why.to_string()).hint(match why {
            NotOffered::Nothing => "Set azure-pls-create to \"true\" on a Service, and apply.",
            NotOffered::NotYet(_) => {
                "Apply first: an Offer holds the alias that Azure gives. Nothing was written."
            }
        })
    })
}

fn json(read: Vec<(Output, Option<String>)>) -> String {
    let mut nodes: Map<String, Value> = Map::new();
    for (output, value) in read {
        let node = nodes.entry(output.address.to_string()).or_insert_with(|| Map::new().into());
        if let Some(node) = node.as_object_mut() {
            node.insert(output.name, value.into());
        }
    }
    format!("{:#}\n", Value::Object(nodes))
}
