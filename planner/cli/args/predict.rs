//! `predict`.

use std::path::PathBuf;

use super::DataFormat;

/// `predict`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("from").required(true).args(["filename", "recording"]))]
pub(crate) struct Predict {
    /// A file, a folder or `-` with Services; may be repeated
    #[arg(short = 'f', long = "filename", value_name = "PATH")]
    pub(crate) filename: Vec<PathBuf>,
    /// Replay a recording of the real controller, and compare
    #[arg(long, value_name = "FILE", conflicts_with_all = ["observed", "uid"])]
    pub(crate) recording: Option<PathBuf>,
    /// What the cluster and Azure show now; an empty cluster by default
    #[arg(long, value_name = "SNAPSHOT")]
    pub(crate) observed: Option<PathBuf>,
    /// The uid that a new Service will have; may be repeated
    #[arg(long, value_name = "NAMESPACE/NAME=UID", value_parser = uid)]
    pub(crate) uid: Vec<(String, String)>,
    /// The namespace of Services that name none
    #[arg(short, long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// What is written to stdout
    #[arg(short, long, value_enum, default_value_t = DataFormat::Text, value_name = "FORMAT")]
    pub(crate) output: DataFormat,
}

fn uid(text: &str) -> Result<(String, String), String> {
    let (service, uid) = text.split_once('=').ok_or("write it as NAMESPACE/NAME=UID")?;
    if !service.contains('/') {
        return Err("write it as NAMESPACE/NAME=UID".to_owned());
    }
    Ok((service.to_owned(), uid.to_owned()))
}
