//! `output`: shows what was made.

use privlink_core::plan::Mode;
use privlink_core::plural::count;
use privlink_engine::session::Patience;
use privlink_render::outputs;
use serde_json::{Map, Value};

use crate::args::{self, Limits, OutputFormat};
use crate::command_error::CommandError;
use crate::exit::Exit;
use crate::ui::Ui;

use super::fleet::{self, Fleet};

pub(crate) fn run(args: &args::Outputs, ui: &mut Ui) -> Result<Exit, CommandError> {
    let input = args.input.input();
    let many = &args.input.many;
    let Some(folder) = &many.stacks else { return one(&input, args, ui) };
    fleet::as_text(args.output == OutputFormat::Text)?;
    let stacks =
        Fleet { folder, many, input: &input, place: Some(&args.place), quiet: "no outputs" };
    stacks.run(ui, |source, ui| {
        ui.print(&format!("{}\n", privlink_core::escape::terminal(&source.below(folder))))?;
        one(&source.input, args, ui)
    })
}

fn one(input: &args::Input, args: &args::Outputs, ui: &mut Ui) -> Result<Exit, CommandError> {
    let desired = super::sound(input, &args.place, None, ui)?;
    let read = super::block_on(async {
        let observed = super::observed(&desired, &args.place, None, Patience::default()).await?;
        let plan = super::planned(&desired, &observed, Mode::Apply, &Limits::default())?.plan;
        let Some(connected) = observed.connected else { return Ok(Vec::new()) };
        let read = privlink_engine::outputs::read(&plan, &connected.session).await;
        connected.close().await?;
        Ok(read)
    })?;
    ui.sum_up(match read.iter().filter(|(_, value)| value.is_some()).count() {
        0 => String::new(),
        outputs => count(outputs, "output"),
    });
    let text = match args.output {
        OutputFormat::Text => super::apply::outputs_text(&read),
        OutputFormat::Dotenv => outputs::dotenv(&read),
        OutputFormat::Github => outputs::github(&read),
        OutputFormat::AzurePipelines => {
            ui.instruct(&outputs::azure_pipelines(&read))?;
            return Ok(Exit::Done);
        }
        OutputFormat::Json => {
            let mut nodes: Map<String, Value> = Map::new();
            for (output, value) in read {
                let node =
                    nodes.entry(output.address.to_string()).or_insert_with(|| Map::new().into());
                if let Some(node) = node.as_object_mut() {
                    node.insert(output.name, value.into());
                }
            }
            format!("{:#}\n", Value::Object(nodes))
        }
    };
    ui.print(&text)?;
    Ok(Exit::Done)
}
