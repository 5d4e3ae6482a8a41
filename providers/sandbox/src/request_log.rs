//! What was asked of the sandbox.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Error;

/// One request, once it was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its number, from 1, in the order of arrival.
    pub sequence: u64,
    /// `kubernetes` or `azure`.
    pub side: String,
    /// The method.
    pub method: String,
    /// The path with its query, as sent.
    pub path: String,
    /// The answer's status; 0 if the connection was cut off.
    pub status: u16,
    /// The client's `User-Agent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The injected fault it met, by its number in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<usize>,
}

/// The log: in memory, and appended to a file if one is given.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    sequence: u64,
    entries: Vec<Entry>,
    file: Option<File>,
}

impl RequestLog {
    /// A log that is also appended to a file, one JSON object a line.
    ///
    /// # Errors
    /// The file cannot be opened for appending.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, Error> {
        let Some(path) = path else { return Ok(Self::default()) };
        let file = privlink_file::open_or_create(path)
            .map_err(|source| Error::File { path: path.to_owned(), source })?;
        Ok(Self { file: Some(file), ..Self::default() })
    }

    /// The number of the next request.
    pub(crate) fn begin(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// Adds an answered request.
    pub(crate) fn add(&mut self, entry: Entry) {
        if let (Some(file), Ok(mut line)) = (&mut self.file, serde_json::to_vec(&entry)) {
            line.push(b'\n');
            if let Err(error) = file.write_all(&line) {
                tracing::warn!(%error, "the request log cannot be written");
            }
        }
        self.entries.push(entry);
    }

    /// All answered requests, in the order of arrival.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let mut entries = self.entries.clone();
        entries.sort_by_key(|entry| entry.sequence);
        entries
    }

    /// All answered requests, in the order of arrival, which are forgotten.
    pub(crate) fn take(&mut self) -> Vec<Entry> {
        let mut entries = std::mem::take(&mut self.entries);
        entries.sort_by_key(|entry| entry.sequence);
        entries
    }
}
