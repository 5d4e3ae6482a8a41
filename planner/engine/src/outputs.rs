//! Outputs: what a run made, read back.

use privlink_core::plan::{Output, OutputSource, Plan};
use privlink_core::resource_id::ResourceId;
use serde_json::Value;

use crate::session::Session;
use crate::wait::connection_status;

/// Reads the outputs of a plan, in its order. A value that is not there, or could not be read, is none.
pub async fn read(plan: &Plan, session: &Session) -> Vec<(Output, Option<String>)> {
    let mut read = Vec::new();
    for output in &plan.outputs {
        read.push((output.clone(), value(output, session).await));
    }
    read
}

async fn value(output: &Output, session: &Session) -> Option<String> {
    let id = session.resolved(|known| ResourceId::new(known.fill(&output.id)));
    let resource = session.arm.get(&id).await.ok()??;
    match &output.from {
        OutputSource::Connection => connection_status(&resource).map(String::from),
        OutputSource::NetworkInterface => {
            let nic = resource.pointer("/properties/networkInterfaces/0/id")?.as_str()?;
            let nic = ResourceId::new(nic);
            let nic = session.arm.get(&nic).await.ok()??;
            text(&nic, "/properties/ipConfigurations/0/properties/privateIPAddress")
        }
        OutputSource::Field(pointer) => text(&resource, pointer),
    }
}

fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer)?.as_str().map(ToOwned::to_owned)
}
