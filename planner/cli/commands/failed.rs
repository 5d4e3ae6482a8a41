//! The stacks that failed in an earlier run, by its report.

use std::collections::BTreeSet;
use std::path::Path;

use crate::command_error::CommandError;

use super::merge::ReportFile;

/// The paths, below the folder of all stacks, of those that are to be gone on with.
#[derive(Debug)]
pub(super) struct Failed(BTreeSet<String>);

impl Failed {
    /// Those that failed, were refused or could not be read in a run.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is no report of many stacks.
    pub(super) fn read(report: &Path) -> Result<Self, CommandError> {
        let paths = match ReportFile::read(report)? {
            ReportFile::Fleet(fleet) => {
                let failed = fleet.stacks.into_iter().filter(|it| it.is_failed());
                failed.map(|it| it.path).collect()
            }
            ReportFile::Drift(drift) => {
                let failed = drift.stacks.iter().filter(|it| !it.is_complete());
                failed.map(|it| it.below(&drift.folder).to_owned()).collect()
            }
        };
        Ok(Self(paths))
    }

    /// Whether a stack is among them.
    pub(super) fn holds(&self, path: &str) -> bool {
        self.0.contains(path)
    }
}
